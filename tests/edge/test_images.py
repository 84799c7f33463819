"""What is a whole picture is decoded upright; what is not is refused with the reason."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from edge.errors import PictureError
from edge.images import decode, encode_mask, read_picture
from tests.conftest import jpeg


def encoded(image: Image.Image, kind: str = "JPEG", orientation: int | None = None) -> bytes:
    buffer = io.BytesIO()
    exif = Image.Exif()
    if orientation:
        exif[0x0112] = orientation
    image.save(buffer, kind, exif=exif)
    return buffer.getvalue()


def test_a_16_megapixel_picture_comes_at_working_size() -> None:
    picture = decode(jpeg(4656, 3496), "big")
    assert picture.full_size == (4656, 3496)
    assert picture.size == (1600, 1201)
    assert picture.full_px_per_px == pytest.approx(2.91)


def test_a_small_picture_keeps_its_size() -> None:
    picture = decode(jpeg(320, 240), "small")
    assert picture.size == picture.full_size == (320, 240)


def test_a_portrait_orientation_in_exif_is_applied() -> None:
    image = Image.new("RGB", (400, 300), (255, 0, 0))
    image.paste((0, 0, 255), (0, 0, 200, 300))
    picture = decode(encoded(image, orientation=6), "turned")
    assert picture.full_size == (300, 400)
    # Orientation 6: the left of the stored picture is the top of the upright one.
    top, bottom = picture.rgb[20, 150], picture.rgb[380, 150]
    assert top[2] > 200
    assert bottom[0] > 200


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "CMYK"])
def test_other_colour_modes_become_rgb(mode: str) -> None:
    kind = "JPEG" if mode in ("L", "CMYK") else "PNG"
    picture = decode(encoded(Image.new("RGB", (200, 150), (120, 120, 120)).convert(mode), kind), mode)
    assert picture.rgb.shape == (150, 200, 3)
    assert picture.rgb.mean() == pytest.approx(120, abs=5)


def test_a_truncated_jpeg_is_damaged_not_half_grey() -> None:
    whole = jpeg(1600, 1200)
    with pytest.raises(PictureError, match="damaged image"):
        decode(whole[: len(whole) // 2], "half")


@pytest.mark.parametrize("content", [b"", b"no image", b"\xff\xd8\xff", b"GIF89a"])
def test_what_is_no_image_is_refused(content: bytes) -> None:
    with pytest.raises(PictureError) as caught:
        decode(content, "something")
    assert caught.value.hint


def test_too_small_and_too_large_pictures_are_refused() -> None:
    with pytest.raises(PictureError, match="too few"):
        decode(jpeg(100, 60), "tiny")
    with pytest.raises(PictureError, match="too many pixels"):
        decode(encoded(Image.new("1", (9000, 9000)), "PNG"), "huge")


def test_an_absent_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(PictureError, match=r"absent\.jpg: cannot be read"):
        read_picture(tmp_path / "absent.jpg")


def test_a_mask_is_written_at_the_size_of_the_picture() -> None:
    mask = np.array([[0, 1], [2, 0]], np.uint8)
    image = Image.open(io.BytesIO(encode_mask(mask, (8, 6))))
    assert image.mode == "L"
    assert image.size == (8, 6)
    assert set(np.unique(np.asarray(image))) == {0, 1, 2}


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_large_picture_is_upright_whatever_way_the_camera_was_held(orientation: int) -> None:
    content = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.open(io.BytesIO(jpeg(3600, 2400))).save(content, "JPEG", exif=exif)
    picture = decode(content.getvalue(), "side picture")
    upright = ImageOps.exif_transpose(Image.open(content))
    assert picture.full_size == upright.size
    expected = np.asarray(upright.resize(picture.size, Image.Resampling.BOX)).astype(int)
    assert np.abs(expected - picture.rgb).mean() < 1
