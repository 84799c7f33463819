"""Images on disk: written beside, fsynced, renamed, the folder fsynced; named by their content.

A capture's images live in one folder, `<day>/<capture id>/<view>_<kind>.<sha256>.jpg`, or `<view>_<shot>_<kind>...`
for later shots of a burst, so that they find their capture again even when the database never heard of them.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from edge.errors import PictureError
from edge.images import size_of
from edge.keeping.disk import cannot_write
from edge.keeping.durable import make_folder, sync_folder, write_durably
from edge.records import Frame, StoredImage

IMAGE_NAME = re.compile(
    r"(?P<view>[a-z]+)(_(?P<shot>[1-9]))?_(?P<kind>raw|annotated)\.(?P<sha256>[0-9a-f]{64})\.jpg"
)

CAPTURE_ID = re.compile(r"[0-9]{8}T[0-9]{9}Z_[a-zA-Z0-9-]{1,32}")
# Beside station.db.
IMAGE_FOLDER = "images"


class Archive:
    """The image folder of one station."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def save_frames(self, capture_id: str, frames: Iterable[Frame], shot: int = 1) -> tuple[StoredImage, ...]:
        """Keep what the cameras gave in one shot, before anybody has an opinion on it.

        All at once, for a disk that is waited for three times makes the next shot wait.
        """
        given = list(frames)
        with ThreadPoolExecutor(max(1, len(given))) as hands:
            writes = [hands.submit(self.save, capture_id, one.view, "raw", one.jpeg, shot) for one in given]
        return tuple(write.result() for write in writes)

    def save(self, capture_id: str, view: str, kind: str, content: bytes, shot: int = 1) -> StoredImage:
        """Write one image durably. Saving the same bytes again changes nothing."""
        sha256 = hashlib.sha256(content).hexdigest()
        path = self.folder_of(capture_id) / file_name(view, kind, sha256, shot)
        try:
            make_folder(path.parent)
            write_durably(path, content)
        except OSError as error:
            raise cannot_write(path, error, "check the permissions of the image folder") from error
        return self.describe(path, content)

    def read(self, image: StoredImage) -> bytes:
        """The image's bytes, proved against its hash."""
        return self.read_proved(self.folder / image.path, image.sha256)

    def read_named(self, capture_id: str, view: str, kind: str, sha256: str, shot: int = 1) -> bytes:
        """The bytes of one image of a capture, proved against its hash."""
        return self.read_proved(self.folder_of(capture_id) / file_name(view, kind, sha256, shot), sha256)

    def read_proved(self, path: Path, sha256: str) -> bytes:
        try:
            content = path.read_bytes()
        except OSError as error:
            raise PictureError(
                f"{path}: cannot be read: {error.strerror}", "restore it from a backup"
            ) from error
        if hashlib.sha256(content).hexdigest() != sha256:
            raise PictureError(f"{path}: the content is not what was written", "restore it from a backup")
        return content

    def images_of(self, capture_id: str) -> tuple[StoredImage, ...]:
        """The whole images of a capture as found on disk, whatever the database knows."""
        folder = self.folder_of(capture_id)
        found = sorted(path for path in folder.glob("*.jpg") if IMAGE_NAME.fullmatch(path.name))
        contents = ((path, path.read_bytes()) for path in found)
        return tuple(self.describe(path, content) for path, content in contents if is_whole(path, content))

    def settle(self, capture_id: str) -> None:
        """Make sure that the images of a capture keep their names: a kill may have come before their folder's flush."""
        folder = self.folder_of(capture_id)
        if folder.is_dir():
            sync_folder(folder)

    def raw_images_of(self, capture_id: str) -> tuple[StoredImage, ...]:
        """The pictures as they were taken, as found on disk."""
        return tuple(image for image in self.images_of(capture_id) if image.kind == "raw")

    def discard_parts(self) -> None:
        """Remove what a killed station was writing: nothing was promised about it."""
        for part in self.folder.glob("*/*/*.part"):
            part.unlink(missing_ok=True)

    def folder_of(self, capture_id: str) -> Path:
        return self.folder / capture_id[:8] / capture_id

    def describe(self, path: Path, content: bytes) -> StoredImage:
        name = IMAGE_NAME.fullmatch(path.name)
        assert name is not None
        width, height = size_of(content) or (None, None)
        return StoredImage(
            view=name["view"],
            kind=name["kind"],
            path=str(path.relative_to(self.folder)),
            sha256=name["sha256"],
            width=width,
            height=height,
            size_bytes=len(content),
            shot=int(name["shot"] or 1),
        )


def captures_on_disk(folder: Path) -> Iterator[str]:
    """The ids of all captures that have a folder, newest day first, whatever the database knows."""
    for day in days_on_disk(folder):
        yield from captures_of_day(folder, day)


def days_on_disk(folder: Path) -> list[str]:
    """The days, as YYYYMMDD, that have a folder; newest first."""
    return sorted((name for name in names_in(folder) if re.fullmatch(r"[0-9]{8}", name)), reverse=True)


def captures_of_day(folder: Path, day: str) -> list[str]:
    return sorted(name for name in names_in(folder / day) if CAPTURE_ID.fullmatch(name))


def names_in(folder: Path) -> list[str]:
    try:
        return [path.name for path in folder.iterdir()]
    except (FileNotFoundError, NotADirectoryError):
        return []


def file_name(view: str, kind: str, sha256: str, shot: int) -> str:
    return f"{view}_{kind}.{sha256}.jpg" if shot == 1 else f"{view}_{shot}_{kind}.{sha256}.jpg"


def is_whole(path: Path, content: bytes) -> bool:
    return f".{hashlib.sha256(content).hexdigest()}." in path.name
