"""The stored shots of a capture, opened one at a time: pictures are large, and a burst has many."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from edge.advice import advise
from edge.errors import CaptureError, PictureError
from edge.images import decode
from edge.keeping.archive import Archive
from edge.records import Advice, Lack, Picture, Shot, StoredImage

# A picture takes 6 MB at working size, and a tenth of a second to decode again: a usual burst is held whole.
HELD_SHOTS = 3


@dataclass(frozen=True, slots=True)
class OpenShot:
    """The decoded pictures of one shot.

    pictures  view -> picture
    problems  view -> why there is none
    """

    pictures: Mapping[str, Picture]
    problems: Mapping[str, Lack]


class StoredShots:
    """What a capture has on disk, proved and decoded. Of what was opened only the last few shots are held.

    Shots may be added while earlier ones are being opened in another thread.
    """

    def __init__(self, archive: Archive, images: Iterable[StoredImage] = ()) -> None:
        self.archive = archive
        self.images: dict[int, tuple[StoredImage, ...]] = {}
        # shot -> view -> why there is no picture, as far as that is known
        self.problems: dict[int, Mapping[str, Lack]] = {}
        self.unreadable: dict[str, str] = {}
        # path -> what was just written there, so that it need not be read and proved again
        self.fresh: dict[str, bytes] = {}
        self.held: dict[int, Mapping[str, Picture]] = {}
        stored = tuple(images)
        for number in sorted({image.shot for image in stored}):
            self.add(number, tuple(image for image in stored if image.shot == number))

    def add(self, number: int, images: tuple[StoredImage, ...], shot: Shot | None = None) -> None:
        """One more shot that is on disk, and the shot itself where it has just been taken."""
        taken = shot or Shot(())
        jpegs = {frame.view: frame.jpeg for frame in taken.frames}
        self.fresh |= {image.path: jpegs[image.view] for image in images if image.view in jpegs}
        self.problems[number] = dict(taken.missing)
        self.images[number] = images

    @property
    def numbers(self) -> list[int]:
        """The shots of which there are images, first to last."""
        return [number for number, images in self.images.items() if images]

    def open(self, number: int) -> OpenShot:
        """Decode the pictures of one shot; what cannot be had has a reason."""
        for oldest in list(self.held)[: -(HELD_SHOTS - 1)]:
            del self.held[oldest]  # before the next is decoded
        opened = self.decoded(self.images[number])
        self.held[number] = {view: one for view, one in opened.items() if isinstance(one, Picture)}
        lacks = {view: one for view, one in opened.items() if isinstance(one, Lack)}
        self.problems[number] = {**self.problems[number], **lacks}
        return OpenShot(self.held[number], self.problems[number])

    def pictures(self, shown: Mapping[str, int]) -> dict[str, Picture]:
        """view -> its picture in the shot that shows it, where there is one."""
        held = {
            view: self.held[number][view]
            for view, number in shown.items()
            if view in self.held.get(number, {})
        }
        self.held.clear()
        others = [
            image
            for images in self.images.values()
            for image in images
            if shown.get(image.view) == image.shot and image.view not in held
        ]
        opened = self.decoded(others).items()
        return held | {view: one for view, one in opened if isinstance(one, Picture)}

    def decoded(self, images: Iterable[StoredImage]) -> dict[str, Picture | Lack]:
        """view -> its picture or why it cannot be had; all at the same time."""
        wanted = list(images)
        with ThreadPoolExecutor(max(1, len(wanted))) as pool:
            return dict(zip((image.view for image in wanted), pool.map(self.picture, wanted), strict=True))

    def picture(self, image: StoredImage) -> Picture | Lack:
        try:
            content = self.fresh.pop(image.path, None) or self.archive.read(image)
        except PictureError as error:
            self.unreadable[image.path] = str(error)
            return Lack(str(error))
        try:
            return decode(content, f"{image.view} picture")
        except PictureError as error:
            return Lack(str(error))

    def failing(self) -> dict[str, Advice]:
        """view -> what to say of a camera that gave a picture in some of the shots only."""
        asked = len(self.problems)
        lacks = [(view, lack) for problems in self.problems.values() for view, lack in problems.items()]
        said = {}
        for view in dict.fromkeys(view for view, _ in lacks):
            own = [lack for of, lack in lacks if of == view]
            worst = next((lack for lack in own if lack.code != "no_picture"), None)
            if worst is not None:
                said[view] = advise(worst.code, view, worst.why)
            elif len(own) < asked:
                taken = str(asked - len(own))
                said[view] = advise("pictures_missing", view, own[0].why, taken=taken, asked=str(asked))
        return said

    def require_any(self) -> None:
        """Raise CaptureError when of all that was opened nothing could be read from the disk."""
        if len(self.unreadable) == sum(map(len, self.images.values())):
            why = "; ".join(self.unreadable.values()) or "it never had any"
            raise CaptureError(f"none of its pictures can be read: {why}", "measure the goat again")
