"""Training reads labels truly, keeps goats apart and says what is wrong with its input."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from models_tflite.training import augment, dataset
from models_tflite.training.dataset import DatasetError, Sample
from models_tflite.training.labels import read_labelled

REPO = Path(__file__).resolve().parents[2]
REAL_GOATS = Path(os.environ.get("GOATDEV_REAL_GOATS") or REPO.parent / "shared" / "real_goats")
needs_photographs = pytest.mark.skipif(
    not (REAL_GOATS / "labels.json").exists(), reason="the photographs are absent (GOATDEV_REAL_GOATS)"
)
needs_torch = pytest.mark.skipif(
    importlib.util.find_spec("torch") is None, reason="torch is absent (pip install .[training])"
)

BODY_SQUARE = [20, 20, 60, 20, 60, 60, 20, 60]
HEAD_SQUARE = [50, 20, 70, 20, 70, 40, 50, 40]


def coco(**changes: Any) -> dict[str, Any]:
    """Labels of one picture: a square body, and a head that covers a corner of it."""
    labels: dict[str, Any] = {
        "categories": [{"id": 1, "name": "body"}, {"id": 2, "name": "head"}],
        "images": [
            {"id": 7, "file_name": "images/one.png", "width": 100, "height": 80, "view": "side", "goat": "3"}
        ],
        "annotations": [
            {"image_id": 7, "category_id": 2, "segmentation": [HEAD_SQUARE]},
            {"image_id": 7, "category_id": 1, "segmentation": [BODY_SQUARE]},
        ],
    }
    return labels | changes


def write_folder(folder: Path, labels: dict[str, Any]) -> Path:
    (folder / "images").mkdir()
    cv2.imwrite(str(folder / "images" / "one.png"), np.full((80, 100, 3), 90, np.uint8))
    (folder / "labels.json").write_text(json.dumps(labels))
    return folder


def a_sample() -> Sample:
    """A bright square body and a brighter head on black, without symmetry."""
    mask = np.zeros((192, 256), np.uint8)
    mask[60:140, 40:160] = 1
    mask[40:80, 160:200] = 2
    rgb = np.stack([mask * 100] * 3, axis=2)
    return Sample(rgb, mask, "side", "square")


def test_a_mask_has_the_area_of_its_polygons_and_the_head_lies_over_the_body(tmp_path):
    photograph = read_labelled(write_folder(tmp_path, coco()))[0]
    mask = photograph.load().mask
    assert np.count_nonzero(mask == 2) == pytest.approx(20 * 20, rel=0.1)
    assert np.count_nonzero(mask == 1) == pytest.approx(40 * 40 - 10 * 20, rel=0.1)


def test_a_shrunk_photograph_keeps_its_outline_in_place(tmp_path):
    photograph = read_labelled(write_folder(tmp_path, coco()))[0]
    sample = photograph.load(longest_px=50)
    assert sample.rgb.shape == (40, 50, 3)
    assert np.count_nonzero(sample.mask) * 4 == pytest.approx(
        np.count_nonzero(photograph.load().mask), rel=0.12
    )


@needs_photographs
def test_masks_of_the_photographs_agree_with_the_areas_of_their_polygons():
    for photograph in read_labelled(REAL_GOATS):
        mask = photograph.draw_mask(*photograph.size)
        drawn = sum(
            cv2.contourArea(points.astype(np.float32)) for label, points in photograph.outlines if label == 2
        )
        assert np.count_nonzero(mask == 2) == pytest.approx(drawn, rel=0.02, abs=100)


@needs_photographs
def test_no_goat_is_in_two_folds_and_every_fold_has_every_view():
    photographs = read_labelled(REAL_GOATS)
    folds = dataset.goat_folds(photographs)
    goats = [goat for fold in folds for goat in fold]
    assert sorted(goats) == sorted({photograph.goat for photograph in photographs})
    for fold in folds:
        seen_from = {photograph.view for photograph in photographs if photograph.goat in fold}
        assert seen_from == {"side", "top", "front"}


def test_a_mirrored_picture_has_a_mirrored_mask():
    sample = a_sample()
    rgb, mask = augment.warp(sample.rgb, sample.mask, augment.mirror_matrix())
    assert np.array_equal(mask, sample.mask[:, ::-1])
    assert np.array_equal(rgb, sample.rgb[:, ::-1])


def test_picture_and_mask_move_together_through_any_warp():
    sample = a_sample()
    rng = np.random.default_rng(0)
    for view in ("side", "top", "front"):
        matrix = augment.random_warp(256, 192, view, rng)
        rgb, mask = augment.warp(sample.rgb, sample.mask, matrix)
        seen = np.round(rgb[..., 0] / 100)
        inside = cv2.erode((rgb[..., 0] != augment.GREY).astype(np.uint8), np.ones((5, 5)))
        wrong = (seen != mask) & (inside > 0)
        assert wrong.mean() < 0.02


def marked(points: dict[str, tuple[float, float]]) -> Sample:
    """A black picture with a body all over it and a white dot at each landmark."""
    rgb = np.zeros((192, 256, 3), np.uint8)
    for x, y in points.values():
        cv2.circle(rgb, (round(x), round(y)), 3, (255, 255, 255), -1)
    return Sample(rgb, np.ones((192, 256), np.uint8), "top", "dots", points, "one")


@pytest.mark.parametrize("seed", range(20))
def test_landmarks_lie_where_the_picture_shows_them_after_any_warp(seed):
    sample = marked({"withers": (120.0, 90.0)})
    rng = np.random.default_rng(seed)
    for matrix in (augment.random_warp(256, 192, "top", rng), augment.close_warp(sample, rng)):
        pair = augment.placed(sample, matrix, rng)
        x, y = pair.landmarks[dataset.LANDMARKS.index("withers")]
        if np.isfinite(x) and 6 < x < 250 and 6 < y < 186:
            dot = np.argwhere(pair.rgb[..., 0] > 180)
            assert np.hypot(*(dot.mean(axis=0) - (y, x))) < 1.5


def test_a_mirrored_animal_has_its_left_on_the_other_hand():
    points = {"rump_left": (60.0, 50.0), "rump_right": (60.0, 140.0), "withers": (200.0, 95.0)}
    moved = augment.moved_landmarks(points, augment.mirror_matrix())
    at = {name: tuple(map(float, moved[dataset.LANDMARKS.index(name)])) for name in points}
    assert at == {"rump_left": (195.0, 140.0), "rump_right": (195.0, 50.0), "withers": (55.0, 95.0)}


def test_landmarks_outside_the_frame_are_not_asked_for():
    moved = augment.moved_landmarks(
        {"poll": (-30.0, 20.0), "rump": (30.0, 20.0)}, np.eye(3, dtype=np.float32)
    )
    known = np.isfinite(moved).all(axis=1)
    assert [name for name, seen in zip(dataset.LANDMARKS, known, strict=True) if seen] == ["rump"]


def goat_pair(scene: str = "one") -> augment.Pair:
    sample = a_sample()
    nowhere = np.full((len(dataset.LANDMARKS), 2), np.nan, np.float32)
    return augment.Pair(sample.rgb, sample.mask, nowhere, dataset.SCENES.index(scene))


def test_half_a_goat_is_called_a_part():
    cut = [
        augment.cut_in_half(goat_pair(), augment.Pool([]), np.random.default_rng(seed)) for seed in range(40)
    ]
    for pair in cut:
        share = np.count_nonzero(pair.mask) / np.count_nonzero(a_sample().mask)
        if share < augment.PART_BELOW:
            assert dataset.SCENES[pair.scene] == "part"
        elif share < augment.WHOLE_ABOVE:
            assert pair.scene == augment.UNKNOWN
    assert {pair.scene for pair in cut} >= {dataset.SCENES.index("part")}


def test_two_goats_are_called_several_and_both_are_outlined():
    other = a_sample()
    pool = augment.Pool([], goats=[Sample(other.rgb, other.mask, "side", "other", {}, "one")])
    pairs = [augment.with_second_goat(goat_pair(), pool, np.random.default_rng(seed)) for seed in range(30)]
    several = [pair for pair in pairs if pair.scene == dataset.SCENES.index("several")]
    assert len(several) > 5
    assert all(np.count_nonzero(pair.mask) > np.count_nonzero(other.mask) for pair in several)


def test_a_seed_gives_the_same_training_pair_again():
    pairs = [augment.make_pair(a_sample(), augment.Pool([]), np.random.default_rng(5)) for _ in range(2)]
    assert np.array_equal(pairs[0].rgb, pairs[1].rgb)
    assert np.array_equal(pairs[0].mask, pairs[1].mask)


def test_thin_bars_leave_the_outline_and_boxes_remove_it():
    sample, rng = a_sample(), np.random.default_rng(3)
    changed = [augment.occlude(sample.rgb, sample.mask, rng) for _ in range(200)]
    removed = sum(bool((mask != sample.mask).any()) for _, mask in changed)
    painted = sum(bool((rgb != sample.rgb).any()) for rgb, _ in changed)
    assert 0 < removed < painted


def test_reading_labels_needs_no_torch():
    program = "import sys; from models_tflite.training import augment; print('torch' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=REPO, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize(
    ("labels", "says"),
    [
        (coco(images=[], annotations=[]), "no photographs"),
        (coco(annotations=[]), "has no outline"),
        (coco(categories=[{"id": 1, "name": "sheep"}]), "unknown class 'sheep'"),
        ({"images": []}, "not as expected"),
    ],
)
def test_bad_labels_are_named(tmp_path, labels, says):
    with pytest.raises(DatasetError, match=says):
        read_labelled(write_folder(tmp_path, labels))


def test_an_empty_folder_is_named(tmp_path):
    with pytest.raises(DatasetError, match=r"no labels found"):
        read_labelled(tmp_path)
    with pytest.raises(DatasetError, match=r"index.jsonl: cannot be read"):
        dataset.read_simulated(tmp_path)


def test_a_listed_picture_that_is_missing_is_named(tmp_path):
    write_folder(tmp_path, coco())
    (tmp_path / "images" / "one.png").unlink()
    with pytest.raises(DatasetError, match=r"one.png: no such picture"):
        read_labelled(tmp_path)


def test_a_growing_index_is_read_up_to_its_last_whole_line(tmp_path):
    line = json.dumps({"image": "images/0.jpg", "mask": "masks/0.png", "view": "top", "negative": False})
    (tmp_path / "index.jsonl").write_text(f"{line}\n{line[:20]}")
    assert [picture.view for picture in dataset.read_simulated(tmp_path)] == ["top"]


@needs_torch
@pytest.mark.parametrize(
    "arguments", [["pretrain", "--simulated", "absent"], ["finetune", "--photographs", "absent"]]
)
def test_training_refuses_an_absent_folder_with_one_line(tmp_path, arguments):
    command = [sys.executable, "-W", "ignore", "-m", "models_tflite.training.train", *arguments]
    done = subprocess.run(
        [*command, "--out", str(tmp_path / "run")], cwd=REPO, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.startswith("error: absent")
    assert len(done.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "run").exists()


@needs_torch
def test_the_station_unpacks_classes_as_training_packs_them():
    import torch

    from edge.segment import unpacked as at_the_station
    from models_tflite.training.network import unpacked as in_training

    cells = torch.randn(1, 12, 48, 64)
    classes = in_training((cells, torch.zeros(1, 15, 48, 64), torch.zeros(1, 4, 1, 1))).classes
    here = at_the_station(cells[0].permute(1, 2, 0).numpy())
    assert np.array_equal(here, classes[0].permute(1, 2, 0).numpy())


@needs_torch
def test_landmark_loss_is_least_where_the_landmark_is_and_ignores_hidden_ones():
    import torch

    from models_tflite.training.train import landmark_loss

    truth = torch.full((1, 15, 2), float("nan"))
    truth[0, 0] = torch.tensor([101.5, 49.5])  # the middle of cell 25, 12
    losses = {}
    for column in (24, 25, 26):
        maps = torch.zeros(1, 15, 48, 64)
        maps[0, 0, 12, column] = 5.0
        losses[column] = float(landmark_loss(maps, truth))
    assert min(losses, key=losses.__getitem__) == 25
    assert float(landmark_loss(torch.randn(1, 15, 48, 64), torch.full((1, 15, 2), float("nan")))) == 0.0


@needs_torch
def test_an_interrupted_run_goes_on_and_ends_with_a_network(tmp_path):
    photographs = write_folder(tmp_path, coco())
    command = [sys.executable, "-W", "ignore", "-m", "models_tflite.training.train", "finetune"]
    command += ["--photographs", str(photographs), "--out", str(tmp_path / "run"), "--threads", "1"]
    for steps, begins in (("1", "from step 0"), ("2", "from step 1")):
        done = subprocess.run(
            [*command, "--steps", steps], cwd=REPO, capture_output=True, text=True, check=True
        )
        assert begins in done.stdout
    assert (tmp_path / "run" / "network.pt").exists()


@needs_torch
def test_the_average_of_networks_is_their_mean_and_of_one_kind_only() -> None:
    import torch

    from models_tflite.training.average import average
    from models_tflite.training.network import GoatNet

    sizes = (4, 4, 8, 8, 8)

    def network(value: float, **about: Any) -> dict[str, Any]:
        weights = {
            name: torch.full_like(one, value) if one.is_floating_point() else one
            for name, one in GoatNet(sizes).state_dict().items()
        }
        return {"weights": weights, "channels": list(sizes), "held_out_goats": ["3"], "steps": 10, **about}

    mean = average([network(1.0), network(3.0)])
    GoatNet(sizes).load_state_dict(mean["weights"])
    assert all((one == 2.0).all() for one in mean["weights"].values() if one.is_floating_point())
    assert mean["steps"] == 20 and mean["held_out_goats"] == ["3"]
    with pytest.raises(DatasetError, match="different goats"):
        average([network(1.0), network(1.0, held_out_goats=["4"])])
    with pytest.raises(DatasetError, match="different sizes"):
        average([network(1.0), network(1.0, channels=[8, 8, 8, 8, 8])])


def write_run(folder: Path, parameters: int, iou: float) -> Path:
    folder.mkdir()
    line = {
        "pictures": 20000,
        "parameters": parameters,
        "elapsed_s": 9,
        "unseen_iou": {"side": iou, "top": iou},
    }
    (folder / "progress.jsonl").write_text(json.dumps(line) + "\n")
    return folder


def test_curves_are_drawn_over_time_and_over_size(tmp_path) -> None:
    from models_tflite.training.curve import UNDER, draw_curves, over_size, over_time, read_progress

    runs = [write_run(tmp_path / name, size, iou) for name, size, iou in (("a", 9000, 0.7), ("b", 3000, 0.6))]
    read = [(run.name, read_progress(run)) for run in runs]
    size = over_size(read)
    assert [curve.view for curve in size] == ["side", "top"]
    assert size[0].points == [(3.0, 0.6), (9.0, 0.7)]
    assert over_time(read)[0].points == [(20.0, 0.7)]
    draw_curves(size, UNDER["parameters"], tmp_path / "size.png")
    assert (cv2.imread(str(tmp_path / "size.png")) != 255).any()
    (runs[0] / "progress.jsonl").write_text('{"pictures": 5, "unseen_iou": {}}\n')
    with pytest.raises(DatasetError, match="how large"):
        over_size([(run.name, read_progress(run)) for run in runs])
