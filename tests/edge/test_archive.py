"""Images on disk are whole, named by their content, and find their capture by themselves."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edge.errors import PictureError, StoreError
from edge.keeping.archive import Archive
from edge.keeping.durable import write_durably
from edge.records import Frame, utc_now
from tests.conftest import jpeg

CAPTURE = "20261121T140506789Z_barn1"


def test_a_frame_is_kept_as_the_camera_gave_it(tmp_path: Path) -> None:
    archive, content = Archive(tmp_path), jpeg()
    (image,) = archive.save_frames(CAPTURE, [Frame("side", content, utc_now())])
    assert archive.read(image) == content
    assert (image.width, image.height, image.size_bytes) == (640, 480, len(content))
    assert image.sha256 in image.path
    assert archive.images_of(CAPTURE) == (image,)


def test_even_a_frame_that_cannot_be_read_is_evidence(tmp_path: Path) -> None:
    image = Archive(tmp_path).save(CAPTURE, "top", "raw", b"half a jpeg")
    assert (image.width, image.height) == (None, None)


def test_a_changed_image_is_noticed(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    image = archive.save(CAPTURE, "side", "raw", jpeg())
    (tmp_path / image.path).write_bytes(b"something else")
    with pytest.raises(PictureError, match="not what was written"):
        archive.read(image)
    assert archive.images_of(CAPTURE) == ()


def test_what_a_killed_station_was_writing_is_removed(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    image = archive.save(CAPTURE, "side", "raw", jpeg())
    part = (tmp_path / image.path).with_name("top_raw.jpg.part")
    part.write_bytes(b"half")
    archive.discard_parts()
    assert not part.exists()
    assert archive.images_of(CAPTURE) == (image,)


def test_a_folder_that_cannot_be_written_is_a_store_error(tmp_path: Path) -> None:
    blocker = tmp_path / "images"
    blocker.write_text("a file where a folder should be")
    with pytest.raises(StoreError) as caught:
        Archive(blocker).save(CAPTURE, "side", "raw", jpeg())
    assert caught.value.hint


def test_a_device_is_written_into_and_never_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    write_durably(pipe, b"mask")
    assert os.read(reader, 10) == b"mask"
    os.close(reader)
    assert pipe.is_fifo()
