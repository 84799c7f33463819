"""The door to the network: only a model that its card describes, on any picture."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from edge.errors import ConfigError
from edge.images import read_picture
from edge.records import Picture
from edge.segment import SHIPPED_MODEL, Segmenter, keep_large_parts, letterbox, read_card
from tests.conftest import SAMPLES


@pytest.fixture
def model(tmp_path: Path) -> Path:
    card = read_card(SHIPPED_MODEL)
    shutil.copy(card.path, tmp_path)
    return Path(shutil.copy(SHIPPED_MODEL, tmp_path))


def test_a_copy_of_the_shipped_model_loads(model: Path) -> None:
    assert Segmenter.load(model).card.name == "goat_segmenter"


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


def test_a_letterboxed_picture_keeps_its_shape() -> None:
    rgb = np.full((1600, 1200, 3), 200, np.uint8)
    boxed, (rows, columns) = letterbox(rgb, (256, 192), 114)
    assert boxed.shape == (192, 256, 3)
    assert (rows, columns) == (slice(0, 192), slice(56, 200))
    assert (boxed[:, :56] == 114).all()
    assert (boxed[rows, columns] == 200).all()


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
    assert {0, 1} <= set(np.unique(segmentation.mask)) <= {0, 1, 2}
    assert segmenter.finds_goat(segmentation)


@pytest.mark.parametrize("view", ["side", "top", "front"])
def test_an_empty_crate_has_no_goat(segmenter: Segmenter, view: str) -> None:
    picture = read_picture(SAMPLES / "empty" / f"{view}.jpg")
    assert not segmenter.finds_goat(segmenter.segment(picture, view))


def test_pictures_of_something_else_have_no_goat(segmenter: Segmenter) -> None:
    noise = np.random.default_rng(1).integers(0, 255, (480, 640, 3), np.uint8)
    stripes = np.zeros_like(noise)
    stripes[:, ::40], stripes[::40] = 255, 128
    for rgb in (noise, np.zeros_like(noise), np.full_like(noise, 255), stripes):
        assert not segmenter.finds_goat(segmenter.segment(Picture(rgb, (640, 480)), "side"))


def test_the_same_goat_mirrored_gives_exactly_the_mirrored_mask(segmenter: Segmenter) -> None:
    rgb = read_picture(SAMPLES / "captures" / "goat_1" / "side.jpg").rgb
    one = segmenter.segment(Picture(rgb, (1600, 1200)), "side")
    other = segmenter.segment(Picture(np.ascontiguousarray(rgb[:, ::-1]), (1600, 1200)), "side")
    assert (other.mask[:, ::-1] != one.mask).mean() < 1e-4
    assert other.confidence == pytest.approx(one.confidence, abs=1e-6)


def test_the_same_picture_gives_the_same_mask(segmenter: Segmenter) -> None:
    picture = read_picture(SAMPLES / "captures" / "goat_1" / "side.jpg")
    one, other = (segmenter.segment(picture, "side") for _ in range(2))
    assert (one.mask == other.mask).all()
    assert one.confidence == other.confidence
