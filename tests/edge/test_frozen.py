"""A picture that a camera gave before is known again, and no other."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from edge.cameras.frozen import REMEMBERED, Memory
from edge.jpeg import whole, with_comment
from tests.conftest import jpeg

RNG = np.random.default_rng(1)
SCENE = np.clip(np.cumsum(RNG.normal(0, 3, (240, 320, 3)), axis=1) + 120, 30, 220)


def photographed(noise: float, quality: int = 90) -> bytes:
    """A still scene before a sensor whose pixels scatter by so many grey values of 255."""
    pixels = np.clip(SCENE + RNG.normal(0, noise, SCENE.shape), 0, 255).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def with_time(content: bytes, time: bytes) -> bytes:
    """As some cameras write it: in an application segment."""
    return content[:2] + b"\xff\xe4" + (len(time) + 2).to_bytes(2, "big") + time + content[2:]


@pytest.mark.parametrize("quality", [50, 80, 95])
def test_a_sensors_noise_makes_every_picture_of_a_still_scene_another_one(quality: int) -> None:
    """Half a grey value is what the best sensors have in good light; on 77,000 pixels, a camera has more."""
    memory = Memory()
    assert not any(memory.knows(photographed(0.5, quality)) for _ in range(50))


def test_the_same_picture_is_known_again() -> None:
    memory, one = Memory(), photographed(1)
    assert [memory.knows(one), memory.knows(one)] == [False, True]


def test_an_older_picture_that_comes_again_is_known_too() -> None:
    memory = Memory()
    pictures = [photographed(1) for _ in range(4)]
    assert [memory.knows(one) for one in [*pictures, pictures[0]]] == [False] * 4 + [True]


def test_a_time_stamp_that_goes_on_does_not_hide_a_picture_that_stands() -> None:
    memory, one = Memory(), photographed(1)
    assert not memory.knows(with_time(one, b"10:00:01"))
    assert memory.knows(with_time(one, b"10:00:02"))


def test_what_stands_in_for_noise_in_a_simulated_picture_counts() -> None:
    memory, one = Memory(), photographed(1)
    assert not memory.knows(one)
    assert not memory.knows(with_comment(one, b"2"))


def test_what_is_no_jpeg_is_remembered_all_the_same() -> None:
    memory = Memory()
    assert [memory.knows(b"cable"), memory.knows(b"cable"), memory.knows(b"")] == [False, True, False]


def test_only_the_last_pictures_are_remembered() -> None:
    memory = Memory()
    memory.knows(b"first")
    for number in range(REMEMBERED):
        memory.knows(str(number).encode())
    assert not memory.knows(b"first")


# What a driver hands over is cut to the picture.


@pytest.mark.parametrize("left_behind", [b"", b"\x00" * 100, b"\xff\xff", jpeg(64, 64)[-500:]])
def test_a_picture_is_cut_from_what_was_left_in_the_drivers_buffer(left_behind: bytes) -> None:
    assert whole(jpeg() + left_behind) == jpeg()


@pytest.mark.parametrize(
    "torn", [b"", b"\xff\xd8", jpeg()[:-2], jpeg()[: len(jpeg()) // 2], jpeg()[2:], b"YUYV" * 99]
)
def test_a_torn_picture_is_not_whole(torn: bytes) -> None:
    assert whole(torn) is None


def test_padding_before_a_marker_is_no_end() -> None:
    padded = jpeg()[:2] + b"\xff\xff\xff" + jpeg()[2:]
    assert whole(padded) == padded


def test_a_comment_changes_the_bytes_and_not_the_picture() -> None:
    noted = with_comment(jpeg(), b"7")
    assert whole(noted) == noted != jpeg()
    assert Image.open(io.BytesIO(noted)).tobytes() == Image.open(io.BytesIO(jpeg())).tobytes()
