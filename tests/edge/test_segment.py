"""The door to the network: only a model that its card describes, on any picture."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.errors import ConfigError
from edge.images import read_picture
from edge.records import VIEWS, Picture
from edge.segment import (
    SHIPPED_MODEL,
    Frame,
    Look,
    Segmenter,
    closer_frame,
    find_landmarks,
    fitted_frame,
    framed,
    keep_large_parts,
    outputs_by_meaning,
    read_card,
    whole_frame,
)
from tests.conftest import SAMPLES

# Rendered pictures of people at goats, of a seed that no training used.
PEOPLE = Path(__file__).parent / "people"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    card = read_card(SHIPPED_MODEL)
    shutil.copy(card.path, tmp_path)
    return Path(shutil.copy(SHIPPED_MODEL, tmp_path))


def test_a_copy_of_the_shipped_model_loads(model: Path) -> None:
    assert Segmenter.load(model).card.name == "goat_segmenter"


def test_an_older_card_tells_no_people_and_a_goat_is_found_all_the_same(model: Path) -> None:
    text = model.read_text()
    start = text.index("[thresholds.person_from]")
    model.write_text(text[:start] + text[text.index("[", start + 1) :])
    older = Segmenter.load(model)
    seen = older.segment(read_picture(SAMPLES / "captures" / "goat_1" / "side.jpg"), "side")
    assert older.card.person_from is None and seen.person is None
    assert older.finds_goat(seen) and not older.finds_person(seen)


def test_a_card_that_promises_to_tell_people_for_a_model_that_does_not_is_refused(
    segmenter: Segmenter,
) -> None:
    ends = segmenter.interpreter.get_output_details()
    with pytest.raises(ConfigError, match="not those of its card: person"):
        outputs_by_meaning(segmenter.card, [end for end in ends if end["shape"][-1] != 1])


@pytest.mark.parametrize("view", VIEWS)
def test_nobody_is_in_the_way_on_the_samples(segmenter: Segmenter, view: str) -> None:
    for path in sorted(SAMPLES.glob(f"**/{view}.jpg")):
        if "calibration" not in path.parts:
            seen = segmenter.segment(read_picture(path), view)
            assert not segmenter.finds_person(seen), (path, seen.person)


@pytest.mark.parametrize("name", ["before_side", "before_top", "before_front", "instead_side"])
def test_somebody_before_the_goat_or_in_its_place_is_noticed(segmenter: Segmenter, name: str) -> None:
    view = name.rpartition("_")[2]
    rgb = read_picture(PEOPLE / f"{name}.jpg").rgb
    for shown in (rgb, np.ascontiguousarray(rgb[:, ::-1])):
        assert segmenter.finds_person(segmenter.segment(Picture(shown, shown.shape[1::-1]), view))


def test_a_model_whose_hash_differs_is_refused(model: Path) -> None:
    path = read_card(model).path
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(ConfigError, match="not the model that its card describes") as caught:
        Segmenter.load(model)
    assert caught.value.exit_code == 78


def test_a_model_that_is_none_is_refused_even_with_the_right_hash(model: Path) -> None:
    import hashlib

    card = read_card(model)
    card.path.write_bytes(b"no flatbuffer")
    text = model.read_text().replace(card.sha256, hashlib.sha256(b"no flatbuffer").hexdigest())
    model.write_text(text)
    with pytest.raises(ConfigError, match="not a usable TFLite model"):
        Segmenter.load(model)


@pytest.mark.parametrize("text", ["", "name = 3", "]["])
def test_what_is_no_model_card_is_refused(model: Path, text: str) -> None:
    model.write_text(text)
    with pytest.raises(ConfigError, match="not a model card"):
        Segmenter.load(model)


def test_the_card_says_why_each_threshold_is_what_it_is() -> None:
    import tomllib

    card = tomllib.loads(SHIPPED_MODEL.read_text())
    assert all(len(threshold["reason"]) > 20 for threshold in card["thresholds"].values())
    assert card["output"]["classes"] == ["background", "body", "head"]


INPUT = (256, 192)


def test_a_picture_of_another_aspect_is_framed_in_grey() -> None:
    rgb = np.full((1600, 1200, 3), 200, np.uint8)
    frame = whole_frame((1200, 1600), INPUT)
    boxed = framed(rgb, frame, INPUT, 114)
    assert frame.inside == (56, 0, 200, 192)
    assert boxed.shape == (192, 256, 3)
    assert (boxed[:, :56] == 114).all()
    assert (boxed[:, 56:200] == 200).all()


def labels_with_goat(left: int, top: int, right: int, bottom: int) -> np.ndarray:
    labels = np.zeros((1200, 1600), np.uint8)
    labels[top:bottom, left:right] = 1
    return labels


def closer(labels: np.ndarray) -> Frame | None:
    return closer_frame(labels, whole_frame((1600, 1200), INPUT), INPUT)


def test_the_closer_look_holds_the_whole_goat_with_a_margin() -> None:
    frame = closer(labels_with_goat(700, 500, 1000, 700))
    assert frame is not None
    left, top, right, bottom = frame.crop
    assert left < 680 and top < 490 and right > 1020 and bottom > 710
    assert frame.enlarged > 2 * 256 / 1600


def test_a_goat_that_fills_the_picture_and_no_goat_need_no_closer_look() -> None:
    assert closer(labels_with_goat(50, 50, 1550, 1150)) is None
    assert closer(labels_with_goat(0, 0, 0, 0)) is None


def test_the_closer_look_at_a_mirrored_goat_is_the_mirrored_frame() -> None:
    for left in range(301, 312):
        labels = labels_with_goat(left, 500, left + 333, 701)
        one, other = closer(labels), closer(np.ascontiguousarray(labels[:, ::-1]))
        assert one is not None and other is not None
        assert (1600 - other.crop[2], 1600 - other.crop[0]) == (one.crop[0], one.crop[2])
        assert (256 - other.inside[2], 256 - other.inside[0]) == (one.inside[0], one.inside[2])


def test_a_point_of_the_input_lies_in_the_picture_where_the_frame_says() -> None:
    frame = fitted_frame((400, 300, 800, 600), INPUT)
    assert frame.to_picture(-0.5, -0.5) == pytest.approx((399.5, 299.5))
    assert frame.to_picture(255.5, 191.5) == pytest.approx((799.5, 599.5))


def test_landmarks_are_found_between_the_cells() -> None:
    maps = np.full((48, 64, 1), -20, np.float32)
    maps[12, 20], maps[12, 21] = 5, 5
    frame = whole_frame((1600, 1200), INPUT)
    look = Look(frame, np.zeros((96, 128, 3), np.float32), maps, np.zeros(4, np.float32))
    mark = find_landmarks(look, ["withers"])["withers"]
    assert mark.confidence == pytest.approx(1, abs=1e-3)
    # Between the middles of cells 20 and 21: 84 px from the left of the input, 50 from its top.
    assert (mark.x + 0.5, mark.y + 0.5) == pytest.approx((84 * 1600 / 256, 50 * 1600 / 256), abs=0.1)


def test_a_landmark_nobody_can_place_has_no_confidence() -> None:
    look = Look(
        whole_frame((1600, 1200), INPUT),
        np.zeros((96, 128, 3), np.float32),
        np.zeros((48, 64, 1), np.float32),
        np.zeros(4, np.float32),
    )
    assert find_landmarks(look, ["poll"])["poll"].confidence < 0.05


def test_a_model_whose_outputs_are_not_those_of_its_card_is_refused(model: Path) -> None:
    text = model.read_text()
    model.write_text(text.replace('"withers", ', ""))
    with pytest.raises(ConfigError, match="outputs are not those of its card: landmarks"):
        Segmenter.load(model)


@pytest.mark.parametrize(
    ("there", "instead", "says"),
    [
        ('"none", ', '"nobody", ', "output.scenes: must be none, one, part, several"),
        ('"rump_left", ', '"croup", ', "output.landmarks: rump_right without rump_left"),
    ],
)
def test_a_card_that_the_station_could_not_read_its_answers_by_is_refused(
    model: Path, there: str, instead: str, says: str
) -> None:
    text = model.read_text()
    assert there in text
    model.write_text(text.replace(there, instead))
    with pytest.raises(ConfigError, match=says):
        Segmenter.load(model)


def test_specks_are_dropped_and_large_parts_kept() -> None:
    mask = np.zeros((100, 100), np.uint8)
    mask[10:50, 10:50], mask[60:90, 60:90], mask[95, 95] = 1, 2, 1
    kept = keep_large_parts(mask)
    assert kept[95, 95] == 0
    assert kept[20, 20] == 1
    assert kept[70, 70] == 2


@pytest.mark.parametrize("view", ["side", "top", "front"])
@pytest.mark.parametrize("goat", [path.name for path in sorted((SAMPLES / "captures").iterdir())])
def test_every_bundled_goat_is_found_in_every_view(segmenter: Segmenter, goat: str, view: str) -> None:
    picture = read_picture(SAMPLES / "captures" / goat / f"{view}.jpg")
    segmentation = segmenter.segment(picture, view)
    assert segmentation.mask.shape == picture.rgb.shape[:2]
    assert set(np.unique(segmentation.mask)) == {0, 1, 2}
    assert segmenter.finds_goat(segmentation)


@pytest.mark.parametrize("view", ["side", "top", "front"])
def test_an_empty_crate_has_no_goat(segmenter: Segmenter, view: str) -> None:
    picture = read_picture(SAMPLES / "empty" / f"{view}.jpg")
    assert not segmenter.finds_goat(segmenter.segment(picture, view))


def test_pictures_of_something_else_have_no_goat(segmenter: Segmenter) -> None:
    noise = np.random.default_rng(1).integers(0, 255, (480, 640, 3), np.uint8)
    stripes = np.zeros_like(noise)
    stripes[:, ::40], stripes[::40] = 255, 128
    blob = cv2.ellipse(np.full_like(noise, 90), (320, 240), (150, 90), 0, 0, 360, (190, 150, 110), -1)
    for rgb in (noise, np.zeros_like(noise), np.full_like(noise, 255), stripes, blob):
        assert not segmenter.finds_goat(segmenter.segment(Picture(rgb, (640, 480)), "side"))


def test_the_same_goat_mirrored_gives_exactly_the_mirrored_mask(segmenter: Segmenter) -> None:
    rgb = read_picture(SAMPLES / "captures" / "goat_1" / "side.jpg").rgb
    one = segmenter.segment(Picture(rgb, (1600, 1200)), "side")
    other = segmenter.segment(Picture(np.ascontiguousarray(rgb[:, ::-1]), (1600, 1200)), "side")
    assert (other.mask[:, ::-1] != one.mask).mean() < 1e-4
    # One pixel at the rim of the first look's goat may round the other way, and shifts the closer look by one.
    assert other.confidence == pytest.approx(one.confidence, abs=1e-3)


def test_the_same_picture_gives_the_same_mask(segmenter: Segmenter) -> None:
    picture = read_picture(SAMPLES / "captures" / "goat_1" / "side.jpg")
    one, other = (segmenter.segment(picture, "side") for _ in range(2))
    assert (one.mask == other.mask).all()
    assert one.confidence == other.confidence


def test_a_kid_that_is_small_in_the_picture_is_found_in_its_middle(segmenter: Segmenter) -> None:
    sample = SAMPLES / "captures" / "goat_3"
    rgb, truth = read_picture(sample / "side.jpg").rgb, cv2.imread(str(sample / "side_mask.png"), 0)
    height, width = rgb.shape[:2]
    half, place = (
        (width // 2, height // 2),
        (slice(height // 4, 3 * height // 4), slice(width // 4, 3 * width // 4)),
    )
    far, outline = np.full_like(rgb, 120), np.zeros((height, width), np.uint8)
    far[place] = cv2.resize(rgb, half, interpolation=cv2.INTER_AREA)
    outline[place] = cv2.resize(truth, half, interpolation=cv2.INTER_NEAREST)
    picture = Picture(far, (width, height))
    whole = whole_frame(picture.size, segmenter.card.input_size)
    assert not segmenter.finds_goat(segmenter.segment_from(whole, picture, "side"))
    found = segmenter.segment(picture, "side")
    assert segmenter.finds_goat(found)
    either, both = (found.mask > 0) | (outline > 0), (found.mask > 0) & (outline > 0)
    assert both.sum() / either.sum() > 0.75


def test_a_sharp_goat_has_a_less_soft_outline_than_a_blurred_one(segmenter: Segmenter) -> None:
    rgb = read_picture(SAMPLES / "captures" / "goat_1" / "side.jpg").rgb
    blurred = cv2.GaussianBlur(rgb, (0, 0), 12)
    softness = []
    for one in (rgb, blurred):
        seen = segmenter.segment(Picture(one, (1600, 1200)), "side")
        assert seen.softness is not None and seen.softness.shape == (150, 200)
        rim = cv2.morphologyEx(
            (seen.mask > 0).astype(np.uint8), cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)
        )
        rows, columns = np.nonzero(rim)
        softness.append(float(np.median(seen.softness[rows // 8, columns // 8])))
    assert 0 < softness[0] < 0.8 * softness[1]
