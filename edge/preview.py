"""Live pictures while somebody looks. Station and dashboard meet in files here: no camera is opened twice for it.

Who looks touches `wanted`; while that is recent the idle station writes `<view>.jpg` a few times a second. Nothing is
kept or promised: these files are neither fsynced nor delivered, and they go when nobody looks any more.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from edge.errors import CaptureError

WANTED = "wanted"
# A picture is wanted for so long after the last look, and shown for so long after it was taken.
WANTED_S, SHOWN_S = 5.0, 5.0
# A camera shows a new picture after this time or a little more; one that hangs is not waited for longer than that.
BETWEEN_S, PATIENCE_S = 0.3, 1.0


class Looked(Protocol):
    """What a camera does for live pictures; neither waits."""

    def ask_preview(self) -> Future[bytes | None]: ...
    def rest(self) -> None: ...


def want(folder: Path) -> None:
    """Somebody looks now."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / WANTED).touch()


def latest(folder: Path, view: str) -> bytes | None:
    """The live picture of a view, or None where there is none of the last seconds."""
    path = folder / f"{view}.jpg"
    try:
        return path.read_bytes() if age_s(path) < SHOWN_S else None
    except OSError:
        return None


def age_s(path: Path) -> float:
    """How long ago a file was written; a clock that jumped makes it old. Raises OSError where there is none."""
    return abs(time.time() - path.stat().st_mtime)


class Previews:
    """Writes the live pictures of a station's cameras: view -> camera."""

    def __init__(self, cameras: Mapping[str, Looked], folder: Path) -> None:
        self.cameras = cameras
        self.folder = folder
        self.asked: dict[str, Future[bytes | None]] = {}
        self.turns = list(cameras)
        self.next_s = 0.0
        self.are_on = False

    def refresh(self) -> None:
        """Called whenever the station has nothing else to do. Never waits, so that a press never does."""
        if self.are_wanted():
            self.are_on = True
            self.collect()
            if time.monotonic() >= self.next_s:
                self.ask_next()
        elif self.are_on:
            self.end()

    def are_wanted(self) -> bool:
        try:
            return age_s(self.folder / WANTED) < WANTED_S
        except OSError:
            return False

    def ask_next(self) -> None:
        """One camera after the other, so that a press waits for one small picture at most."""
        view = next((view for view in self.turns if view not in self.asked), None)
        if view is not None:
            self.turns.remove(view)
            self.turns.append(view)
            self.asked[view] = self.cameras[view].ask_preview()
            self.next_s = time.monotonic() + PATIENCE_S

    def collect(self) -> None:
        for view, answer in list(self.asked.items()):
            if answer.done():
                del self.asked[view]
                self.show(view, answer)
                self.next_s = time.monotonic() + BETWEEN_S / len(self.cameras)

    def show(self, view: str, answer: Future[bytes | None]) -> None:
        """Put the picture where the dashboard finds it; of a camera that has none, an old one is not left there."""
        try:
            jpeg = answer.result()
        except CaptureError:
            jpeg = None
        path = self.folder / f"{view}.jpg"
        with suppress(OSError):  # a disk that is full is told by the pictures that count
            if jpeg is None:
                path.unlink(missing_ok=True)
            else:
                part = path.with_suffix(".part")
                part.write_bytes(jpeg)
                part.replace(path)

    def end(self) -> None:
        """Nobody looks any more."""
        self.are_on = False
        for view, camera in self.cameras.items():
            camera.rest()
            with suppress(OSError):
                (self.folder / f"{view}.jpg").unlink(missing_ok=True)
