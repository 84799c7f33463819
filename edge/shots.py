"""The stored shots of a capture, opened one at a time: pictures are large, and a burst has many."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from edge.archive import Archive
from edge.errors import CaptureError, PictureError
from edge.images import decode
from edge.records import Capture, Picture, StoredImage


@dataclass(frozen=True, slots=True)
class OpenShot:
    """The decoded pictures of one shot.

    pictures  view -> picture
    problems  view -> why there is none
    """

    pictures: Mapping[str, Picture]
    problems: Mapping[str, str]


class StoredShots:
    """What a capture has on disk, proved and decoded. Only the shot that was opened last is held.

    missing  shot -> view -> why the camera gave no frame, as far as that is still known
    """

    def __init__(
        self, capture: Capture, archive: Archive, missing: Mapping[int, Mapping[str, str]] | None = None
    ) -> None:
        self.images = capture.images_of("raw")
        self.archive = archive
        self.missing = missing or {}
        self.unreadable: dict[str, str] = {}
        self.number = 0
        self.shot: OpenShot | None = None

    @property
    def numbers(self) -> list[int]:
        """The shots of which there are images, first to last."""
        return sorted({image.shot for image in self.images})

    def open(self, number: int) -> OpenShot:
        """Decode the pictures of one shot; what cannot be had has a reason."""
        if self.shot is None or self.number != number:
            self.shot = None  # before the next is decoded
            self.shot = self.opened(number)
            self.number = number
        return self.shot

    def opened(self, number: int) -> OpenShot:
        pictures: dict[str, Picture] = {}
        problems = dict(self.missing.get(number, {}))
        for image in self.images:
            if image.shot == number:
                try:
                    pictures[image.view] = decode(self.content(image), f"{image.view} picture")
                except PictureError as error:
                    problems[image.view] = str(error)
        return OpenShot(pictures, problems)

    def content(self, image: StoredImage) -> bytes:
        try:
            return self.archive.read(image)
        except PictureError as error:
            self.unreadable[image.path] = str(error)
            raise

    def require_any(self) -> None:
        """Raise CaptureError when of all that was opened nothing could be read from the disk."""
        if len(self.unreadable) == len(self.images):
            why = "; ".join(self.unreadable.values()) or "it never had any"
            raise CaptureError(f"none of its pictures can be read: {why}", "measure the goat again")
