"""Labels of every common tool are read truly, and what is wrong with them is said before anything is trained."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from edge.records import Label
from models_tflite.training import dataset, labels
from models_tflite.training.coco import decode_counts, mask_outlines
from models_tflite.training.dataset import NO_GOAT, UNKNOWN_GOAT, DatasetError
from models_tflite.training.labels import Photograph, read_labelled
from models_tflite.training.outlines import clip

REPO = Path(__file__).resolve().parents[2]
REAL_GOATS = Path(os.environ.get("GOATDEV_REAL_GOATS") or REPO.parent / "shared" / "real_goats")
needs_photographs = pytest.mark.skipif(
    not (REAL_GOATS / "labels.json").exists(), reason="the photographs are absent (GOATDEV_REAL_GOATS)"
)

SIZE = 100, 80
BODY = [[20.5, 20.0], [60.0, 20.0], [60.0, 60.0], [20.5, 60.0]]
HEAD = [[50.0, 20.0], [70.0, 20.0], [70.0, 40.0], [50.0, 40.0]]
NAMES = ["body", "head"]
COCO_FILE = "annotations/instances_default.json"


# --- exports, as each tool writes them -----------------------------------------------------------


def picture(path: Path, size: tuple[int, int] = SIZE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full((size[1], size[0], 3), 90, np.uint8))
    return path


def text(path: Path, content: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")
    return path


def flat(points: Sequence[Sequence[float]]) -> list[float]:
    return [value for point in points for value in point]


def annotation(number: int, category: int, segmentation: Any, image: int = 0, **more: Any) -> dict[str, Any]:
    return {
        "id": number, "image_id": image, "category_id": category, "segmentation": segmentation,
        "bbox": [20, 20, 40, 40], "area": 1600, "iscrowd": 0, **more,
    }  # fmt: skip


def coco(names: Sequence[str], outlines: Sequence[tuple[int, Any]] = (), first: int = 1, **more: Any) -> str:
    """One picture, g7_side_1.jpg, with segmentations of categories counted from `first`."""
    content = {
        "info": {"year": "2026"},
        "licenses": [{"id": 1, "url": "", "name": "CC BY 4.0"}],
        "categories": [{"id": first + n, "name": name, "supercategory": ""} for n, name in enumerate(names)],
        "images": [{"id": 0, "license": 1, "file_name": "g7_side_1.jpg", "width": 100, "height": 80}],
        "annotations": [annotation(n, category, outline) for n, (category, outline) in enumerate(outlines)],
    }
    return json.dumps(content | more)


TWO = [(1, [flat(BODY)]), (2, [flat(HEAD)])]


def roboflow_coco(folder: Path) -> Path:
    """train/, valid/ and test/, each with its pictures and an _annotations.coco.json; category 0 is the project."""
    for split in ("train", "valid", "test"):
        name = f"g7_side_{split}_jpg.rf.0a1b2c3d4e5f60718293a4b5c6d7e8f9.jpg"
        picture(folder / split / name)
        entry = {"id": 0, "license": 1, "file_name": name, "height": 80, "width": 100,
                 "date_captured": "2026-03-01T10:00:00+00:00", "extra": {"name": f"g7_side_{split}.jpg"}}  # fmt: skip
        content = coco(["goats", "Goat-Body", "goat head"], TWO, first=0, images=[entry])
        text(folder / split / "_annotations.coco.json", content)
    text(folder / "README.dataset.txt", "# goats > 2026-03-01\n")
    return folder


def cvat_coco(folder: Path) -> Path:
    """annotations/instances_<subset>.json and images/<subset>/, folders of the task kept in file_name."""
    for number, view in enumerate(("side", "top")):
        picture(folder / "images" / "default" / view / "0001.jpg", (100 + number, 80))
    entries = [
        {"id": n + 1, "width": 100 + n, "height": 80, "file_name": f"{view}/0001.jpg", "license": 0,
         "flickr_url": "", "coco_url": "", "date_captured": 0}
        for n, view in enumerate(("side", "top"))
    ]  # fmt: skip
    marks = [
        annotation(n, category, [flat(points)], image, attributes={"occluded": False})
        for n, (category, points, image) in enumerate(
            [(1, BODY, 1), (2, HEAD, 1), (1, BODY, 2), (2, HEAD, 2)]
        )
    ]
    text(folder / COCO_FILE, coco(["body", "head"], images=entries, annotations=marks))
    return folder


def label_studio_coco(folder: Path) -> Path:
    """result.json with categories from 0 and names such as images\\1\\8f3a2b1c-name.jpg."""
    picture(folder / "images" / "8f3a2b1c-g7_side_1.jpg")
    entry = {"width": 100, "height": 80, "id": 0, "file_name": "images\\1\\8f3a2b1c-g7_side_1.jpg"}
    outlines = [(0, [flat(BODY)]), (1, [flat(HEAD)])]
    text(folder / "result.json", coco(["body", "head"], outlines, first=0, images=[entry]))
    return folder


def yolo_lines(size: tuple[int, int] = SIZE) -> str:
    shares = [" ".join(f"{value:.6f}" for value in flat(np.array(points) / size)) for points in (BODY, HEAD)]
    return "".join(f"{number} {line}\n" for number, line in enumerate(shares))


def roboflow_yolo(folder: Path) -> Path:
    """<split>/images and <split>/labels; data.yaml points one folder too high, as Roboflow's does."""
    for split in ("train", "valid", "test"):
        name = f"g7_side_{split}_jpg.rf.0a1b2c3d4e5f60718293a4b5c6d7e8f9"
        picture(folder / split / "images" / f"{name}.jpg")
        text(folder / split / "labels" / f"{name}.txt", yolo_lines())
    yaml = "train: ../train/images\nval: ../valid/images\ntest: ../test/images\n\nnc: 2\nnames: ['body', 'head']\n"
    text(folder / "data.yaml", f"{yaml}\nroboflow:\n  workspace: goats\n  version: 1\n  license: CC BY 4.0\n")
    return folder


def cvat_yolo(folder: Path) -> Path:
    """images/<subset>, labels/<subset>, train.txt, and names as a numbered block."""
    picture(folder / "images" / "train" / "side" / "goat_7.jpg")
    text(folder / "labels" / "train" / "side" / "goat_7.txt", yolo_lines())
    text(folder / "train.txt", "images/train/side/goat_7.jpg\n")
    text(folder / "data.yaml", "names:\n  0: body\n  1: head\npath: ./\ntrain: train.txt\n")
    return folder


def label_studio_yolo(folder: Path) -> Path:
    """classes.txt and notes.json in place of a data.yaml."""
    picture(folder / "images" / "8f3a2b1c-g7_side_1.jpg")
    text(folder / "labels" / "8f3a2b1c-g7_side_1.txt", yolo_lines())
    text(folder / "classes.txt", "body\nhead\n")
    text(folder / "notes.json", '{"categories": [{"id": 0, "name": "body"}], "info": {"year": 2026}}')
    return folder


EXPORTS = [roboflow_coco, cvat_coco, label_studio_coco, roboflow_yolo, cvat_yolo, label_studio_yolo]


def simple_coco(folder: Path, **changes: Any) -> Path:
    """CVAT's arrangement of one picture, with some part of the label file changed."""
    picture(folder / "images" / "g7_side_1.jpg")
    text(folder / COCO_FILE, coco(NAMES, **({"outlines": TWO} | changes)))
    return folder


def simple_yolo(folder: Path, lines: str | None = None) -> Path:
    picture(folder / "images" / "g7_side_1.jpg")
    text(folder / "labels" / "g7_side_1.txt", yolo_lines() if lines is None else lines)
    text(folder / "data.yaml", "names: [body, head]\n")
    return folder


def silent(note: str) -> None:
    raise AssertionError(f"unexpected note: {note}")


def points_of(photograph: Photograph, label: int) -> np.ndarray[Any, Any]:
    return np.concatenate([points for known, points in photograph.outlines if known == label])


# --- what is read ------------------------------------------------------------------------------------


@pytest.mark.parametrize("export", EXPORTS, ids=lambda export: export.__name__)
def test_outlines_of_every_export_land_where_they_were_drawn(tmp_path: Path, export: Callable[[Path], Path]):
    for photograph in read_labelled(export(tmp_path), tell=lambda note: None):
        assert np.abs(points_of(photograph, Label.BODY) - BODY).max() < 0.01
        assert np.abs(points_of(photograph, Label.HEAD) - HEAD).max() < 0.01
        assert photograph.load().mask[30, 65] == Label.HEAD
        assert not photograph.truncated


@pytest.mark.parametrize(
    "export", [one for one in EXPORTS if one is not cvat_coco], ids=lambda one: one.__name__
)
def test_view_and_goat_are_read_from_the_names_of_an_export(tmp_path: Path, export: Callable[[Path], Path]):
    photographs = read_labelled(export(tmp_path), tell=silent)
    assert {(photo.view, photo.goat) for photo in photographs} == {("side", "7")}


def test_all_splits_of_an_export_are_read_together(tmp_path: Path):
    assert len(read_labelled(roboflow_coco(tmp_path / "a"))) == 3
    assert len(read_labelled(roboflow_yolo(tmp_path / "b"))) == 3


def test_pictures_of_one_name_in_the_folders_of_two_views_stay_apart(tmp_path: Path):
    photographs = read_labelled(cvat_coco(tmp_path), tell=lambda note: None)
    assert [(photo.view, photo.size) for photo in photographs] == [("side", (100, 80)), ("top", (101, 80))]
    assert [photo.path.parent.name for photo in photographs] == ["side", "top"]


def test_a_picture_is_not_taken_from_the_folder_of_another_view(tmp_path: Path):
    cvat_coco(tmp_path)
    (tmp_path / "images" / "default" / "side" / "0001.jpg").unlink()
    with pytest.raises(DatasetError, match=r"side/0001.jpg: no such picture"):
        read_labelled(tmp_path)


def test_an_outline_in_several_parts_is_one_animal_in_several_parts(tmp_path: Path):
    parts = [[10, 10, 30, 10, 30, 30, 10, 30], [50, 50, 70, 50, 70, 70, 50, 70]]
    photograph = read_labelled(simple_coco(tmp_path, outlines=[(1, parts)]))[0]
    mask = photograph.draw_mask(*SIZE)
    assert np.count_nonzero(mask) == pytest.approx(800, rel=0.05)
    assert mask[20, 20] == mask[60, 60] == Label.BODY


def ring() -> np.ndarray[Any, Any]:
    """A body with a hole, as a goat seen between its legs, and one pixel by itself."""
    mask = np.zeros((80, 100), np.uint8)
    mask[20:60, 20:70] = 1
    mask[35:55, 30:50] = 0
    mask[5, 90] = 1
    return mask


def run_lengths(mask: np.ndarray[Any, Any]) -> list[int]:
    """Columns first; the first run is of zeros."""
    values = np.concatenate([[0], mask.T.ravel(), [2]])
    ends = np.nonzero(np.diff(values))[0]
    return np.diff(np.concatenate([[0], ends])).tolist()


def compressed(counts: Sequence[int]) -> str:
    """COCO's string of run lengths, written by the rules of its specification."""
    characters = []
    for index, count in enumerate(counts):
        value = count - counts[index - 2] if index > 2 else count
        more = True
        while more:
            bits = value & 31
            value >>= 5
            more = value != (-1 if bits & 16 else 0)
            characters.append(chr(48 + bits + 32 * more))
    return "".join(characters)


@pytest.mark.parametrize("packed", [False, True])
def test_a_mask_of_run_lengths_comes_back_as_it_was(tmp_path: Path, packed: bool):
    counts = run_lengths(ring())
    mask = {"size": [80, 100], "counts": compressed(counts) if packed else counts}
    crowd = [annotation(1, 1, mask, iscrowd=1)]  # CVAT marks every brushed mask so
    photograph = read_labelled(simple_coco(tmp_path, annotations=crowd))[0]
    assert np.count_nonzero(photograph.draw_mask(*SIZE) != ring()) <= 2


def test_compressed_run_lengths_are_read_as_pycocotools_writes_them():
    runs = decode_counts("g11_17mN000000KF0:0F0:0F0:50000000000000000m4IZK")
    holes = [8, 12] * 3 + [8, 12, 3, 2, 3, 12, 3, 2, 3, 12, 3, 2, 3, 12] + [8, 12] * 8
    assert runs == [55, 1, 47, *holes, 8, 169, 1, 19]


def test_outlines_of_a_mask_run_along_the_edges_of_its_pixels():
    mask = np.zeros((10, 10), np.uint8)
    mask[2:5, 3:8] = 1
    (points,) = mask_outlines(mask)
    assert (points.min(axis=0).tolist(), points.max(axis=0).tolist()) == ([3, 2], [8, 5])
    assert mask_outlines(np.zeros((5, 5), np.uint8)) == []


def test_keypoints_with_the_names_of_our_landmarks_become_landmarks(tmp_path: Path):
    names = ["Withers", "rump", "poll", "left ear"]
    categories = [{"id": 1, "name": "body", "keypoints": names, "skeleton": []}, {"id": 2, "name": "head"}]
    points = [30, 21, 2, 55, 22, 1, 0, 0, 0, 60, 25, 2]
    marks = [
        annotation(1, 1, [flat(BODY)], keypoints=points, num_keypoints=3),
        annotation(2, 2, [flat(HEAD)]),
    ]
    photograph = read_labelled(simple_coco(tmp_path, categories=categories, annotations=marks))[0]
    assert dict(photograph.landmarks) == {"withers": (30, 21), "rump": (55, 22)}


def test_outlines_and_keypoints_in_two_files_of_cvat_belong_together(tmp_path: Path):
    simple_coco(tmp_path)
    categories = [{"id": 1, "name": "goat", "keypoints": ["withers"], "skeleton": []}]
    marks = [annotation(1, 1, [], keypoints=[30, 21, 2], num_keypoints=1)]
    content = coco([], categories=categories, annotations=marks)
    text(tmp_path / "annotations" / "person_keypoints_default.json", content)
    (photograph,) = read_labelled(tmp_path)
    assert len(photograph.outlines) == 2
    assert dict(photograph.landmarks) == {"withers": (30, 21)}


@pytest.mark.parametrize(
    ("name", "label"),
    [("Goat_Body", 1), ("torso", 1), ("body of goat", 1), ("cuerpo", 1), ("goat-head", 2), ("HEAD", 2)],
)
def test_classes_are_told_by_common_names(tmp_path: Path, name: str, label: int):
    simple_coco(tmp_path, categories=[{"id": 1, "name": name}], outlines=[(1, [flat(BODY)])])
    assert read_labelled(tmp_path)[0].outlines[0][0] == label


def test_other_class_names_are_explained_in_classes_csv_or_by_the_caller(tmp_path: Path):
    categories = [{"id": 1, "name": "Ziege"}, {"id": 2, "name": "ear tag"}]
    simple_coco(tmp_path, categories=categories)
    with pytest.raises(DatasetError, match="unknown class 'Ziege', 'ear tag'"):
        read_labelled(tmp_path)
    assert len(read_labelled(tmp_path, {"ziege": "body", "Ear-Tag": "ignore"})[0].outlines) == 1
    text(tmp_path / "classes.csv", "name,class\nZiege,body\near tag,ignore\n")
    assert len(read_labelled(tmp_path)[0].outlines) == 1


def test_a_class_that_nothing_uses_needs_no_meaning(tmp_path: Path):
    simple_coco(
        tmp_path, categories=[{"id": n, "name": name} for n, name in enumerate(["zebra", "body", "head"])]
    )
    assert len(read_labelled(tmp_path)[0].outlines) == 2


def test_pictures_csv_says_view_goat_and_truncation(tmp_path: Path):
    simple_coco(tmp_path, images=[{"id": 0, "file_name": "DSC_0001.JPG", "width": 100, "height": 80}])
    picture(tmp_path / "images" / "DSC_0001.JPG")
    with pytest.raises(DatasetError, match=r"1 pictures do not say their view: DSC_0001.JPG .*pictures.csv"):
        read_labelled(tmp_path)
    text(tmp_path / "pictures.csv", "\ufefffile;view;goat;truncated\ndsc_0001.jpg;top;G015;yes\n")
    photograph = read_labelled(tmp_path, tell=lambda note: None)[0]
    assert (photograph.view, photograph.goat, photograph.truncated) == ("top", "15", True)


@pytest.mark.parametrize("view", ["left", 5])
def test_a_view_that_is_none_is_refused(tmp_path: Path, view: Any):
    entry = {"id": 0, "file_name": "g7_side_1.jpg", "width": 100, "height": 80, "view": view}
    with pytest.raises(DatasetError, match=f"unknown view '{view}'.*side, top, front"):
        read_labelled(simple_coco(tmp_path, images=[entry]))


def test_an_export_of_one_view_may_say_so_in_the_name_of_its_folder(tmp_path: Path):
    folder = simple_yolo(tmp_path / "top view")
    for path in folder.rglob("g7_side_1.*"):
        path.rename(path.with_stem("goat-07"))
    photograph = read_labelled(folder)[0]
    assert (photograph.view, photograph.goat) == ("top", "7")


def test_pictures_of_unknown_goats_are_trained_on_and_never_judged(tmp_path: Path):
    notes: list[str] = []
    photographs = read_labelled(cvat_coco(tmp_path), tell=notes.append)
    assert {photo.goat for photo in photographs} == {UNKNOWN_GOAT}
    assert notes == ["2 pictures name no goat: they can be trained on, but not judged by animal"]
    with pytest.raises(
        DatasetError, match=r"2 pictures name no goat, 0001.jpg first.*pictures.csv.*--fold all"
    ):
        dataset.goat_folds(photographs)


def test_a_picture_listed_as_empty_shows_no_goat(tmp_path: Path):
    simple_yolo(tmp_path)
    picture(tmp_path / "images" / "empty_side.jpg")
    text(tmp_path / "labels" / "empty_side.txt", "")
    notes: list[str] = []
    empty, goat = read_labelled(tmp_path, tell=notes.append)
    assert (empty.outlines, empty.goat, empty.load().has_goat) == ((), NO_GOAT, False)
    assert goat.load().has_goat
    assert notes == ["1 pictures are listed without an outline and count as no goat: empty_side.jpg"]


def test_pictures_without_a_goat_are_in_no_fold(tmp_path: Path):
    def photo(goat: str) -> Photograph:
        return Photograph(tmp_path / "a.jpg", "side", goat, SIZE, False, ())

    folds = dataset.goat_folds([photo(goat) for goat in ("1", "2", "3", "4", NO_GOAT)])
    assert sorted(goat for fold in folds for goat in fold) == ["1", "2", "3", "4"]


def test_pictures_that_nobody_labelled_are_left_out_and_counted(tmp_path: Path):
    simple_yolo(tmp_path)
    picture(tmp_path / "images" / "g8_side_2.jpg")
    notes: list[str] = []
    assert len(read_labelled(tmp_path, tell=notes.append)) == 1
    assert notes == ["1 pictures have no labels and are not used: g8_side_2.jpg"]


def test_an_outline_beyond_the_border_is_cut_there_and_counted(tmp_path: Path):
    beyond = [[-10.0, 20.0], [60.0, 20.0], [60.0, 95.0], [-10.0, 95.0]]
    notes: list[str] = []
    photograph = read_labelled(simple_coco(tmp_path, outlines=[(1, [flat(beyond)])]), tell=notes.append)[0]
    points = points_of(photograph, Label.BODY)
    assert (points.min(axis=0).tolist(), points.max(axis=0).tolist()) == ([0, 20], [60, 80])
    assert photograph.truncated
    assert notes == ["1 outlines reached beyond their picture and were cut at its border"]


def test_a_polygon_is_clipped_to_what_lies_inside():
    diamond = np.array([[50.0, -40.0], [140.0, 40.0], [50.0, 120.0], [-40.0, 40.0]])
    area = cv2.contourArea(clip(diamond, SIZE).astype(np.float32))
    drawn = np.zeros((80, 100), np.uint8)
    cv2.fillPoly(drawn, [diamond.astype(np.int32)], (1,))
    assert area == pytest.approx(int(drawn.sum()), rel=0.02)


def test_a_trembling_line_is_not_refused(tmp_path: Path):
    loop = [[20, 20], [60, 20], [60, 60], [41, 60], [40, 59.5], [40.5, 60.5], [39, 60], [20, 60]]
    assert read_labelled(simple_coco(tmp_path, outlines=[(1, [flat(loop)])]))


def lying_picture(path: Path) -> Path:
    """Stored 100 x 80, to be shown turned: 80 wide and 100 high."""
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", SIZE, (90, 90, 90)).save(path, exif=exif)
    return path


def test_a_photograph_turned_by_exif_is_read_as_people_see_it(tmp_path: Path):
    simple_coco(tmp_path, images=[{"id": 0, "file_name": "g7_side_1.jpg", "width": 80, "height": 100}])
    lying_picture(tmp_path / "images" / "g7_side_1.jpg")
    sample = read_labelled(tmp_path)[0].load()
    assert sample.rgb.shape[:2] == sample.mask.shape == (100, 80)


def test_labels_drawn_on_the_lying_photograph_are_refused(tmp_path: Path):
    lying_picture(simple_coco(tmp_path) / "images" / "g7_side_1.jpg")
    with pytest.raises(DatasetError, match=r"has 80x100 px, its label 100x80 .*upright"):
        read_labelled(tmp_path)


def test_pictures_of_mixed_sizes_are_each_read_at_their_own(tmp_path: Path):
    simple_yolo(tmp_path)
    picture(tmp_path / "images" / "g8_top_2.png", (300, 200))
    text(tmp_path / "labels" / "g8_top_2.txt", "0 0.1 0.1 0.5 0.1 0.5 0.5\n")
    sizes = {photo.name: photo.size for photo in read_labelled(tmp_path)}
    assert sizes == {"g7_side_1": (100, 80), "g8_top_2": (300, 200)}


def test_macs_leave_files_that_are_no_pictures(tmp_path: Path):
    simple_yolo(tmp_path)
    text(tmp_path / "images" / "._g7_side_1.jpg", "not a picture")
    text(tmp_path / "__MACOSX" / "images" / "g7_side_1.jpg", "not a picture")
    assert len(read_labelled(tmp_path, tell=silent)) == 1


def test_square_pictures_are_asked_about_because_tools_stretch(tmp_path: Path):
    simple_yolo(tmp_path)
    picture(tmp_path / "images" / "g7_side_1.jpg", (64, 64))
    notes: list[str] = []
    read_labelled(tmp_path, tell=notes.append)
    assert notes == ["every picture is square: if the tool stretched them, export again without resizing"]


def test_folders_that_only_the_label_file_knows_do_not_matter(tmp_path: Path):
    simple_coco(tmp_path, images=[{"id": 0, "file_name": "herd/side/g7_1.jpg", "width": 100, "height": 80}])
    picture(tmp_path / "images" / "Side" / "g7_1.jpg")
    assert read_labelled(tmp_path, tell=silent)[0].path == tmp_path / "images" / "Side" / "g7_1.jpg"


def test_a_yaml_of_any_name_beside_images_and_labels_names_the_classes(tmp_path: Path):
    (simple_yolo(tmp_path) / "data.yaml").rename(tmp_path / "goats.yaml")
    assert len(read_labelled(tmp_path)) == 1


# --- what is refused -----------------------------------------------------------------------------------

BOW_TIE = flat([[20, 20], [60, 60], [60, 20], [20, 60]])


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"outlines": [(1, [[20, 20, 60, 20]])]}, r"annotation 0 of g7_side_1.jpg: fewer than 3 points"),
        ({"outlines": [(1, [[20, 20, 60, 20, 60]])]}, "annotation 0 .*odd number of coordinates"),
        ({"outlines": [(1, [BOW_TIE])]}, "annotation 0 .*crosses itself near x 40, y 40"),
        ({"outlines": [(1, [[20, 20, 60, float("nan"), 60, 60]])]}, "annotation 0 .*not a number"),
        ({"outlines": [(1, [[2000, 2000, 2400, 2000, 2400, 2400]])]}, "far outside of its picture of 100x80"),
        ({"outlines": [(1, [])]}, "annotation 0 .*a box without an outline"),
        ({"outlines": [(3, [flat(BODY)])]}, "category_id 3 is not listed"),
        ({"annotations": [annotation(0, 1, [flat(BODY)], image=9)]}, "image_id 9 is not listed"),
        ({"annotations": []}, r"1 of 1 pictures listed: has no outline: g7_side_1.jpg"),
        ({"outlines": [(1, {"size": [100, 80], "counts": [8000]})]}, "mask of 80x100 px in a picture of 100x80"),
        ({"outlines": [(1, {"size": [80, 100], "counts": [10, 20]})]}, "do not fill the picture"),
        ({"outlines": [(1, {"size": [80, 100], "counts": "ab cd"})]}, "not COCO run lengths"),
        ({"outlines": [(1, "outlines")]}, "not as expected"),
        ({"images": []}, "image_id 0 is not listed"),
        ({"images": [{"id": 0, "file_name": "a" * 5000, "width": 100, "height": 80}]}, "not as expected"),
        ({"images": [{"id": 0, "file_name": "g7_side_1.jpg", "width": 1e999, "height": 80}]}, "not as expected"),
        ({"images": [], "annotations": []}, "no photographs"),
        ({"images": [{"id": 0, "file_name": "g7_side_1.jpg", "width": 50, "height": 40}]}, "label 50x40 .*resizing"),
        ({"images": [{"id": 0, "file_name": "g8_side_1.jpg", "width": 1, "height": 1}]}, "g8_side_1.jpg: no such"),
        ({"images": [{"id": 0, "file_name": "g7_side_1.jpg", "width": 100, "height": 80}] * 2}, "the same id"),
        ({"categories": "none"}, "not as expected"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_coco_file_is_named(tmp_path: Path, changes: dict[str, Any], says: str):
    with pytest.raises(DatasetError, match=says):
        read_labelled(simple_coco(tmp_path, **changes))


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ("0 0.5 0.5 0.2 0.2\n", "g7_side_1.txt: line 1: a box, not an outline"),
        ("\n0 0.1 0.1 0.2 0.2 0.3\n", "line 2: 5 coordinates are no outline"),
        ("0 0.1 0.1 0.2 0.2 0.1 0.1\n", "line 1: fewer than 3 points"),
        ("0 0.2 0.2 0.6 0.6 0.6 0.2 0.2 0.6\n", "line 1: the outline crosses itself near x 40, y 32"),
        ("0 20 20 60 20 60 60\n", "line 1: coordinates are shares of the picture"),
        ("0 0.1 0.1 nan 0.2 0.3 0.3\n", "line 1: a point is not a number"),
        ("7 0.1 0.1 0.2 0.1 0.2 0.2\n", "line 1: class 7 has no name"),
        ("body 0.1 0.1 0.2 0.1 0.2 0.2\n", "line 1: not a class number and coordinates"),
    ],
)
def test_what_is_wrong_with_a_yolo_file_is_named_with_its_line(tmp_path: Path, lines: str, says: str):
    with pytest.raises(DatasetError, match=says):
        read_labelled(simple_yolo(tmp_path, lines))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("nc: 2\n", "no names of classes"),
        ("names: [body, head", "not YAML"),
        ("names: {a: body}\n", "names are not numbered"),
        ("names: {null: body}\n", "names are not numbered"),
        ("names: [goat]\nkpt_shape: [17, 3]\n", "export them as COCO keypoints"),
        ("names: [goat, kid]\n", "unknown class 'goat', 'kid'.*classes.csv: name,class, then goat,body"),
    ],
)
def test_what_is_wrong_with_a_data_yaml_is_named(tmp_path: Path, content: str, says: str):
    text(simple_yolo(tmp_path) / "data.yaml", content)
    with pytest.raises(DatasetError, match=says):
        read_labelled(tmp_path)


def test_landmarks_without_an_outline_are_not_taken_for_a_picture_without_a_goat(tmp_path: Path):
    categories = [{"id": 1, "name": "goat", "keypoints": ["withers"], "skeleton": []}]
    marks = [annotation(1, 1, [], keypoints=[30, 21, 2], num_keypoints=1)]
    with pytest.raises(DatasetError, match=r"1 pictures have landmarks and no outline: g7_side_1.jpg"):
        read_labelled(simple_coco(tmp_path, categories=categories, annotations=marks))


def test_one_landmark_of_two_goats_is_refused(tmp_path: Path):
    categories = [{"id": 1, "name": "body", "keypoints": ["withers"]}]
    goats = [annotation(n, 1, [flat(BODY)], keypoints=[30 + n, 21, 2]) for n in range(2)]
    with pytest.raises(DatasetError, match=r"annotation 1 .*a second withers in one picture"):
        read_labelled(simple_coco(tmp_path, categories=categories, annotations=goats))


def test_yolo_labels_without_pictures_are_named(tmp_path: Path):
    text(simple_yolo(tmp_path) / "labels" / "g9_side_3.txt", yolo_lines())
    with pytest.raises(DatasetError, match=r"labels without a picture: labels/g9_side_3.txt"):
        read_labelled(tmp_path)


def test_one_label_for_two_pictures_is_refused(tmp_path: Path):
    picture(simple_yolo(tmp_path) / "images" / "g7_side_1.png")
    with pytest.raises(DatasetError, match=r"labels both g7_side_1.jpg and g7_side_1.png"):
        read_labelled(tmp_path)


def test_two_labels_for_one_picture_are_refused(tmp_path: Path):
    simple_coco(tmp_path)
    shutil.copy(tmp_path / COCO_FILE, tmp_path / "annotations" / "instances_train.json")
    with pytest.raises(DatasetError, match=r"g7_side_1.jpg has labels in instances_default.json already"):
        read_labelled(tmp_path)


def test_labels_that_name_no_class_are_refused(tmp_path: Path):
    (simple_yolo(tmp_path) / "data.yaml").unlink()
    with pytest.raises(DatasetError, match=r"neither data.yaml nor classes.txt"):
        read_labelled(tmp_path)


def test_a_folder_with_labels_of_two_kinds_is_read_only_as_the_one_named(tmp_path: Path):
    simple_yolo(tmp_path)
    simple_coco(tmp_path)
    says = r"several kinds: annotations/instances_default.json and data.yaml .*--format coco or yolo"
    with pytest.raises(DatasetError, match=says):
        read_labelled(tmp_path)
    assert len(read_labelled(tmp_path, kind="coco")) == len(read_labelled(tmp_path, kind="yolo")) == 1


def test_a_name_that_two_pictures_have_is_refused(tmp_path: Path):
    simple_coco(tmp_path)
    (tmp_path / "images" / "g7_side_1.jpg").unlink()
    for folder in ("monday", "tuesday"):
        picture(tmp_path / folder / "g7_side_1.jpg")
    with pytest.raises(DatasetError, match=r"may be any of monday/g7_side_1.jpg, tuesday/g7_side_1.jpg"):
        read_labelled(tmp_path)


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ("name,view\na,side\n", "no column 'file'"),
        ("file,view\ng7_side_1.jpg,left\n", "unknown view 'left'"),
        ("file,view\ng7_side_1.jpg,side\ng7_side_1.jpg,top\n", "two rows differ"),
        ("file,truncated\ng7_side_1.jpg,perhaps\n", "write yes or no"),
    ],
)
def test_what_is_wrong_with_pictures_csv_is_named(tmp_path: Path, table: str, says: str):
    text(simple_coco(tmp_path) / "pictures.csv", table)
    with pytest.raises(DatasetError, match=says):
        read_labelled(tmp_path)


def test_a_row_that_may_mean_two_pictures_is_refused(tmp_path: Path):
    text(cvat_coco(tmp_path) / "pictures.csv", "file,goat\n0001.jpg,4\n")
    with pytest.raises(DatasetError, match=r"0001 lies in side and top"):
        read_labelled(tmp_path)
    text(tmp_path / "pictures.csv", "file,goat\nside/0001.jpg,4\ntop\\0001.jpg,5\n")
    assert [photo.goat for photo in read_labelled(tmp_path, tell=silent)] == ["4", "5"]


def test_a_name_of_two_views_or_two_goats_is_refused(tmp_path: Path):
    simple_yolo(tmp_path)
    for path in tmp_path.rglob("g7_side_1.*"):
        path.rename(path.with_stem("g7_g8_side_top"))
    with pytest.raises(DatasetError, match=r"say more than one view: g7_g8_side_top.jpg"):
        read_labelled(tmp_path)
    text(tmp_path / "pictures.csv", "file,view\ng7_g8_side_top.jpg,top\n")
    with pytest.raises(DatasetError, match="names the goats 7, 8"):
        read_labelled(tmp_path)


def test_a_file_that_is_no_picture_is_named(tmp_path: Path):
    text(simple_yolo(tmp_path) / "images" / "g7_side_1.jpg", "<html>log in first</html>")
    with pytest.raises(DatasetError, match=r"g7_side_1.jpg: not a picture"):
        read_labelled(tmp_path)


@pytest.mark.parametrize("content", ["", "{", "[" * 100_000, "\x00"])
def test_a_label_file_that_is_not_json_is_named(tmp_path: Path, content: str):
    text(simple_coco(tmp_path) / COCO_FILE, content)
    with pytest.raises(DatasetError, match=r"instances_default.json: not JSON"):
        read_labelled(tmp_path)


def test_a_label_file_too_large_for_memory_is_refused_unread(tmp_path: Path):
    with (simple_coco(tmp_path) / COCO_FILE).open("r+b") as file:
        file.truncate(dataset.LARGEST_JSON_BYTES + 1)
    with pytest.raises(DatasetError, match="too large to read"):
        read_labelled(tmp_path)


def test_folders_without_labels_say_what_was_expected(tmp_path: Path):
    with pytest.raises(DatasetError, match=r"no labels found .expected labels.json, COCO"):
        read_labelled(tmp_path)
    simple_yolo(tmp_path / "export")
    with pytest.raises(DatasetError, match=r"no labels found .perhaps .*export is meant"):
        read_labelled(tmp_path)
    with pytest.raises(DatasetError, match=r"export.zip: no such folder .unpack it first"):
        read_labelled(text(tmp_path / "export.zip", "PK"))


# --- the command -----------------------------------------------------------------------------------------


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", "-m", "models_tflite.training.labels", *arguments]
    return subprocess.run(command, cwd=REPO, capture_output=True, text=True, check=False)


def test_the_command_counts_what_is_there_and_draws_it(tmp_path: Path):
    done = run(str(cvat_coco(tmp_path)), "--sheet", str(tmp_path / "sheet.png"))
    assert done.returncode == 0, done.stderr
    assert [line.split()[:2] for line in done.stdout.splitlines()[1:4]] == [
        ["side", "1"],
        ["top", "1"],
        ["front", "0"],
    ]
    assert "name no goat" in done.stderr
    drawn = cv2.imread(str(tmp_path / "sheet.png"))
    colours = {tuple(pixel) for pixel in drawn.reshape(-1, 3).tolist()}
    assert {labels.COLOURS[Label.BODY], labels.COLOURS[Label.HEAD]} <= colours


def test_a_refused_folder_leaves_the_sheet_of_before(tmp_path: Path):
    sheet = text(tmp_path / "sheet.png", "the sheet of before")
    assert run(str(simple_yolo(tmp_path / "bad", "0 0.1\n")), "--sheet", str(sheet)).returncode == 1
    assert sheet.read_text() == "the sheet of before"


def test_the_command_says_what_is_wrong_in_one_line(tmp_path: Path):
    done = run(str(tmp_path / "absent"), "--map", "kid=body")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: ")
    assert len(done.stderr.splitlines()) == 1
    assert "'torso' cannot be 'trunk'" in run(str(tmp_path), "--map", "torso=trunk").stderr


# --- the real photographs, there and back ------------------------------------------------------------------


def same_masks(found: Sequence[Photograph], truth: Sequence[Photograph]) -> None:
    """Each picture's body and head cover the same pixels, IoU over 0.995."""
    by_name = {labels.ROBOFLOW.sub("", photo.path.name).removesuffix(".jpg"): photo for photo in found}
    assert by_name.keys() == {photo.name for photo in truth}
    for photo in truth:
        again = by_name[photo.name]
        assert (again.view, again.goat) == (photo.view, photo.goat)
        one, other = photo.draw_mask(*photo.size), again.draw_mask(*photo.size)
        for label in (Label.BODY, Label.HEAD):
            both, either = (one == label) & (other == label), (one == label) | (other == label)
            assert both.sum() >= 0.995 * either.sum(), photo.name


def goat_rows(photographs: Sequence[Photograph]) -> str:
    return "file,goat\n" + "".join(f"{photo.path.name},{photo.goat}\n" for photo in photographs)


@needs_photographs
def test_the_photographs_survive_an_export_to_yolo(tmp_path: Path):
    truth = read_labelled(REAL_GOATS)
    for number, photo in enumerate(truth):
        split = ("train", "valid", "test")[number % 3]
        place = tmp_path / split / "images"
        place.mkdir(parents=True, exist_ok=True)
        (place / photo.path.name).symlink_to(photo.path.resolve())
        lines = [
            f"{label - 1} " + " ".join(f"{value:.6f}" for value in (points / photo.size).ravel())
            for label, points in photo.outlines
        ]
        text(tmp_path / split / "labels" / f"{photo.name}.txt", "\n".join(lines) + "\n")
    text(
        tmp_path / "data.yaml",
        "train: ../train/images\nval: ../valid/images\nnc: 2\nnames: ['body', 'head']\n",
    )
    text(tmp_path / "pictures.csv", goat_rows(truth))
    same_masks(read_labelled(tmp_path, tell=silent), truth)


@needs_photographs
@pytest.mark.parametrize("as_masks", [False, True])
def test_the_photographs_survive_an_export_by_roboflow(tmp_path: Path, as_masks: bool):
    truth = read_labelled(REAL_GOATS)
    for number, split in enumerate(("train", "valid", "test")):
        entries, marks = [], []
        for image, photo in enumerate(truth[number::3]):
            name = f"{photo.name}_jpg.rf.{image:032x}.jpg"
            (tmp_path / split).mkdir(exist_ok=True)
            (tmp_path / split / name).symlink_to(photo.path.resolve())
            width, height = photo.size
            entries.append({"id": image, "file_name": name, "width": width, "height": height})
            for label, points in photo.outlines:
                segmentation = brushed(points, photo.size) if as_masks else [points.round(2).ravel().tolist()]
                marks.append(annotation(len(marks), label, segmentation, image))
        content = coco(["goats", "body", "head"], first=0, images=entries, annotations=marks)
        text(tmp_path / split / "_annotations.coco.json", content)
    text(tmp_path / "pictures.csv", goat_rows(truth))
    same_masks(read_labelled(tmp_path, tell=silent), truth)


def brushed(points: np.ndarray[Any, Any], size: tuple[int, int]) -> dict[str, Any]:
    """The outline as a compressed mask."""
    one = Photograph(Path("x.jpg"), "side", "1", size, False, ((1, points),))
    return {"size": [size[1], size[0]], "counts": compressed(run_lengths(one.draw_mask(*size)))}


@needs_photographs
def test_the_photographs_know_their_landmarks_by_the_animals_own_hands():
    photographs = {photo.name: photo for photo in read_labelled(REAL_GOATS, tell=silent)}
    side = photographs["side_g4"].landmarks
    assert side["withers"] == (655, 484)
    assert "poll" not in side  # hidden: null
    # This goat faces right, so its left is towards the top of the picture; its shoulder was marked as doubtful.
    top = photographs["top_g17"].landmarks
    assert top["rump_left"][1] < top["rump_right"][1]
    assert "shoulder_left" not in top
    # This one faces the camera: its left is on the picture's right.
    front = photographs["front_g1"].landmarks
    assert front["body_left"][0] > front["body_right"][0]


def test_a_goat_that_shows_its_tail_has_its_left_on_the_left_of_the_picture():
    marks = {"chest_left": [10, 5], "chest_right": [40, 5], "faces_camera": False}
    assert labels.picture_landmarks("front", marks) == {"body_left": (10, 5), "body_right": (40, 5)}
