"""A simulated station: three calibrated cameras, one goat, and a truth that can be checked by geometry alone."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("moderngl", reason="the simulator needs the training extra (moderngl)")
pytest.importorskip("skimage", reason="the simulator needs the training extra (scikit-image)")

from models_tflite.training.simulator.barn import plain_barn
from models_tflite.training.simulator.body import dress, pose_goat
from models_tflite.training.simulator.crate import Crate, thin_parts
from models_tflite.training.simulator.goat import Build, Coat, Stance
from models_tflite.training.simulator.mesh import Material, box
from models_tflite.training.simulator.render import Animal, Renderer, Scene
from models_tflite.training.simulator.samples import LIGHT, LOOK
from models_tflite.training.simulator.sheet import contact_sheet
from models_tflite.training.simulator.simulate import Sample, goat_samples, main, simulate
from models_tflite.training.simulator.stage import KINDS, WITH_GOAT
from models_tflite.training.simulator.station import VIEWS, Camera, draw_cameras, look, standing
from models_tflite.training.simulator.truth import measure_truth
from tests.rendering import open_renderer

SIZE = (512, 384)
SQUARE = Stance()
COAT = Coat("solid", (0.3, 0.15, 0.08), (0.7, 0.7, 0.6))
UP = np.array([0.0, 0.0, 1.0])
BARREL = np.array([-0.22, 0.05, 0.0012, -0.0008, 0.003])


@pytest.fixture(scope="module")
def renderer() -> Renderer:
    return open_renderer(SIZE)


def bent(camera: Camera) -> Camera:
    return Camera(camera.size, camera.camera_matrix, camera.world_from_cam, BARREL)


def side_camera() -> Camera:
    return look(SIZE, 60, np.array([0.0, 165.0, 62.0]), np.array([0.0, 0.0, 44.0]), UP)


def goat(build: Build, stance: Stance = SQUARE) -> Animal:
    return Animal(dress(pose_goat(build, stance), COAT), standing(0, 0, 0), COAT, build.withers_cm)


def stations(renderer: Renderer, seed: int, kinds: tuple[str, ...], goats: int) -> list[Sample]:
    return [one for number in range(goats) for one in goat_samples(renderer, seed, number, 3, kinds)]


def test_a_lens_bends_as_opencv_says() -> None:
    camera = bent(side_camera())
    points = np.random.default_rng(1).uniform([-60, -30, 0], [60, 30, 90], (50, 3))
    turn = camera.world_from_cam[:3, :3].T
    there, _ = cv2.projectPoints(
        points,
        cv2.Rodrigues(turn)[0],
        -turn @ camera.world_from_cam[:3, 3],
        camera.camera_matrix,
        camera.distortion,
    )
    assert np.allclose(camera.project(points), there.reshape(-1, 2), atol=1e-6)


def test_straight_rays_undo_the_lens() -> None:
    for seed in range(20):
        rng = np.random.default_rng(seed)
        for camera in draw_cameras(rng, SIZE, 65.0, np.array([150.0, 56.0, 105.0]), 1).values():
            corners = np.array([[0, 0], [511, 0], [511, 383], [0, 383], [200, 100]], dtype=float)
            rays = camera.straight_rays(corners)
            world = np.column_stack([rays, np.ones(5)]) @ camera.world_from_cam[:3, :3].T
            assert np.allclose(camera.project(world + camera.world_from_cam[:3, 3]), corners, atol=0.01)


@pytest.mark.parametrize("shape", ["pinhole", "barrel"])
def test_what_is_drawn_lies_where_the_camera_model_projects_it(renderer: Renderer, shape: str) -> None:
    """A small cube in each part of the picture: the middle of its outline against the projected middle."""
    camera = side_camera() if shape == "pinhole" else bent(side_camera())
    for x, z in [(-85, 5), (-85, 100), (0, 50), (85, 5), (85, 100), (-40, 80)]:
        cube = box((x - 1.5, -1.5, z - 1.5), (x + 1.5, 1.5, z + 1.5)).painted((1, 1, 1), Material.COAT)
        mask = renderer.mask(Animal(cube, np.eye(4), COAT, 60.0), camera)
        drawn = np.array([mean.mean() for mean in np.nonzero(mask)[::-1]])
        ends = camera.project(
            np.array([[a, b, c] for a in (x - 1.5, x + 1.5) for b in (-1.5, 1.5) for c in (z - 1.5, z + 1.5)])
        )
        expected = (ends.min(axis=0) + ends.max(axis=0)) / 2
        assert np.linalg.norm(drawn - expected) < 0.5, (x, z)


def test_picture_and_mask_are_bent_alike(renderer: Renderer) -> None:
    """A black goat before a white world: the dark of the picture is the outline."""
    black = Coat("solid", (0.001,) * 3, (0.001,) * 3, shine=0.0, hair=0.0, dirt=0.0, hair_cm=0.0)
    build = Build(60.0)
    animal = Animal(dress(pose_goat(build, Stance()), black), standing(0, 0, 0), black, build.withers_cm)
    white = box((-300, -62, -100), (300, -60, 300)).painted((1.5, 1.5, 1.5), Material.LAMP)
    nothing = box((0, -80, 0), (1, -79, 1)).painted((1, 1, 1), Material.LAMP)
    picture, mask = renderer.draw(Scene(LIGHT, LOOK, white, nothing, animal), bent(side_camera()))
    dark = picture.mean(axis=2) < 140
    both, either = np.count_nonzero(dark & (mask > 0)), np.count_nonzero(dark | (mask > 0))
    assert both / either > 0.975


@pytest.mark.parametrize("lens", ["pinhole", "barrel"])
def test_a_top_view_outline_measures_the_true_shoulder(renderer: Renderer, lens: str) -> None:
    """From far above, the outline's width at the shoulder is the trait, within a pixel."""
    stance = Stance(neck_pitch_deg=45, feet_spread=(0.8, 0.8))
    build = Build(65.0)
    camera = look(
        SIZE, 14, np.array([0.0, 0.0, 600.0]), np.array([0.0, 0.0, 45.0]), np.array([0.0, 1.0, 0.0])
    )
    if lens == "barrel":
        camera = bent(camera)
    truth = measure_truth(pose_goat(build, stance), COAT.hair_cm)
    mask = renderer.mask(goat(build, stance), camera)
    left, right = (truth.landmarks[f"shoulder_{side}"] for side in ("left", "right"))
    column = round(float(camera.project((left + right)[None] / 2)[0, 0]))
    width_px = np.count_nonzero(mask[:, column])
    away = 600 - (left[2] + right[2]) / 2
    assert width_px * away / camera.camera_matrix[0, 0] == pytest.approx(
        truth.traits["shoulder_width_cm"], abs=2.5 * away / camera.camera_matrix[0, 0]
    )


def test_the_index_line_alone_gives_centimetres(renderer: Renderer, tmp_path: Path) -> None:
    """Rays through the landmarks of two views, from the written camera alone, meet the goat where its traits say."""
    simulate(tmp_path, 2, seed=8, size=(256, 192), per_goat=3, coats=tmp_path, kinds=("goat",))
    for line in (tmp_path / "index.jsonl").read_text().splitlines():
        record = json.loads(line)
        if record["view"] != "top":
            continue
        written = record["camera"]
        camera = Camera(
            tuple(written["size"]),
            np.array(written["camera_matrix"]),
            np.array(written["world_from_cam"]),
            np.array(written["distortion"]),
        )
        pose = np.array(record["pose"])
        for name in ("shoulder", "waist", "rump"):
            both = np.array([record["landmarks_px"][f"{name}_{side}"] for side in ("left", "right")])
            rays = np.column_stack([camera.straight_rays(both), np.ones(2)]) @ camera.world_from_cam[:3, :3].T
            place = camera.world_from_cam[:3, 3]
            true_cm = record["traits_cm"][f"{name}_width_cm"]
            # In the goat's own frame both ends lie at one X: some pair of heights on the rays gives the trait.
            local_rays, local_place = rays @ pose[:3, :3], (place - pose[:3, 3]) @ pose[:3, :3]
            heights = np.linspace(0, 1.1 * record["traits_cm"]["withers_height_cm"], 60)
            ends = [local_place + ray * ((heights - local_place[2]) / ray[2])[:, None] for ray in local_rays]
            width = ends[0][:, None, 1] - ends[1][None, :, 1]
            aside = np.abs(ends[0][:, None, 0] - ends[1][None, :, 0])
            assert np.min(np.abs(width - true_cm) + aside) < 1.0, name


def test_three_pictures_make_a_station(renderer: Renderer, tmp_path: Path) -> None:
    simulate(tmp_path, 1, seed=2, size=(128, 96), per_goat=6, coats=tmp_path)
    records = [json.loads(line) for line in (tmp_path / "index.jsonl").read_text().splitlines()]
    for first in (0, 3):
        three = records[first : first + 3]
        assert [record["view"] for record in three] == list(VIEWS)
        assert len({record["station"] for record in three}) == 1
        assert len({record["kind"] for record in three}) == 1
        assert all(record["traits_cm"] == three[0]["traits_cm"] for record in three)
        assert all(record["pose"] == three[0]["pose"] for record in three)
    assert records[0]["station"] != records[3]["station"]


@pytest.mark.parametrize("kind", list(KINDS))
def test_kinds_are_as_promised(renderer: Renderer, kind: str) -> None:
    for sample in stations(renderer, seed=6, kinds=(kind,), goats=2):
        assert sample.station.kind == kind
        if kind not in WITH_GOAT:
            assert not sample.mask.any()
            assert sample.station.truth is None and not sample.landmarks_px
        elif kind != "half_goat" and not sample.truncated:
            assert sample.mask.any()


def test_two_goats_are_two_outlines(renderer: Renderer) -> None:
    for sample in stations(renderer, seed=6, kinds=("two_goats",), goats=2):
        scene = sample.station.scene
        assert scene.second is not None
        for animal in scene.outlined:
            alone = renderer.mask(animal, sample.camera) > 0
            assert np.count_nonzero(alone & (sample.mask > 0)) > 0.2 * np.count_nonzero(alone)


def test_half_a_goat_shows_at_most_60_percent_of_its_side(renderer: Renderer) -> None:
    shares = []
    for sample in stations(renderer, seed=9, kinds=("half_goat",), goats=6):
        if sample.view != "side":
            continue
        camera = sample.camera
        wide = look(
            camera.size,
            110,
            camera.world_from_cam[:3, 3],
            camera.world_from_cam[:3, 3] + camera.world_from_cam[:3, 2],
            UP,
        )
        scale = (camera.camera_matrix[0, 0] / wide.camera_matrix[0, 0]) ** 2
        whole = np.count_nonzero(renderer.mask(sample.station.animal, wide)) * scale
        shares.append(np.count_nonzero(sample.mask) / whole)
        assert sample.truncated
    assert max(shares) < 0.62
    assert np.mean(shares) > 0.15


def test_a_landmark_is_visible_only_where_the_picture_shows_it(renderer: Renderer) -> None:
    animal = goat(Build(60.0))
    names = ("withers", "shoulder_left", "shoulder_right", "rump")
    truth = measure_truth(pose_goat(Build(60.0), Stance()), COAT.hair_cm)
    points = np.array([truth.landmarks[name] for name in names])

    def seen(wide=None, crate=None) -> dict[str, bool]:
        scene = Scene(LIGHT, LOOK, plain_barn(), thin_parts(crate or Crate()), animal, wide)
        shot = renderer.shoot(scene, [bent(side_camera())], points_world=points)[0]
        return dict(zip(names, shot.seen.tolist(), strict=True))

    assert seen() == {"withers": True, "shoulder_left": True, "shoulder_right": False, "rump": True}
    x = float(truth.landmarks["withers"][0])
    post = box((x - 12, 25, -5), (x + 12, 27, 120)).painted((0.2, 0.2, 0.2), Material.STEEL)
    assert not seen(wide=post)["withers"]
    assert seen(wide=post)["rump"]
    bars = Crate(side_bars=(x, x + 1.0))
    assert seen(crate=bars)["withers"]


def test_visible_landmarks_lie_in_the_picture_and_near_the_outline(renderer: Renderer) -> None:
    inside = total = 0
    for sample in stations(renderer, seed=12, kinds=("goat",), goats=6):
        near = cv2.dilate((sample.mask > 0).astype(np.uint8), np.ones((7, 7), np.uint8))
        for name, seen in sample.visible.items():
            x, y = sample.landmarks_px[name]
            if not seen:
                continue
            assert -0.5 <= x <= SIZE[0] - 0.5 and -0.5 <= y <= SIZE[1] - 0.5
            total += 1
            inside += int(near[min(round(y), SIZE[1] - 1), min(round(x), SIZE[0] - 1)])
    assert total > 60
    assert inside / total > 0.97


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--kinds", "goat,cow"], "cow: no such kind"),
        (["--size", "20x20"], "at least 64x64"),
        (["--per-goat", "4"], "three pictures"),
    ],
)
def test_a_wrong_option_is_answered_in_plain_words(
    given: list[str],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    monkeypatch.setattr(sys, "argv", ["simulate", "--out", str(tmp_path), *given])
    with pytest.raises(SystemExit):
        main()
    assert message in capsys.readouterr().err


def test_a_place_that_cannot_be_written_to_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SystemExit, match="choose another --out"):
        simulate(tmp_path / "file" / "set", 1, 1, (128, 96), 3, tmp_path)
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(SystemExit, match="may not be written to"):
        simulate(tmp_path / "set", 1, 1, (128, 96), 3, tmp_path)


@pytest.mark.parametrize(
    ("view", "shown"),
    [
        ("side", ("withers", "rump", "chest_front", "tail_root")),
        ("top", ("withers", "rump", "shoulder_left", "shoulder_right", "rump_left", "rump_right")),
    ],
)
def test_a_goat_that_stands_square_shows_the_landmarks_of_its_view(
    renderer: Renderer, view: str, shown: tuple[str, ...]
) -> None:
    above = look(SIZE, 60, np.array([0, 0, 200.0]), np.array([0, 0, 50.0]), np.array([0, 1.0, 0]))
    camera = bent(side_camera() if view == "side" else above)
    truth = measure_truth(pose_goat(Build(60.0), SQUARE), COAT.hair_cm)
    points = np.array([truth.landmarks[name] for name in shown])
    scene = Scene(LIGHT, LOOK, plain_barn(), thin_parts(Crate()), goat(Build(60.0)))
    seen = renderer.shoot(scene, [camera], points_world=points)[0].seen
    assert dict(zip(shown, seen.tolist(), strict=True)) == dict.fromkeys(shown, True)


def test_the_same_seed_writes_the_same_bytes(renderer: Renderer, tmp_path: Path) -> None:
    for name in ("one", "other"):
        simulate(tmp_path / name, 1, seed=5, size=(128, 96), per_goat=3, coats=tmp_path)
    one = sorted(path for path in (tmp_path / "one").rglob("*") if path.is_file())
    assert len(one) == 7
    for path in one:
        assert path.read_bytes() == (tmp_path / "other" / path.relative_to(tmp_path / "one")).read_bytes()


def test_a_contact_sheet_of_nothing_says_so(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="no pictures"):
        contact_sheet(tmp_path, 2, 2, 100, bare=False)
