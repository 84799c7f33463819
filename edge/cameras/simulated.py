"""Cameras that play pictures from a folder, one goat for each press, and break on request.

A fault is asked for by a program (`camera.frozen = True`) or by hand, while the station runs: in the file
`simulated-faults.toml` beside the configuration, a line such as `side = "unplugged"`, read before every picture.
"""

from __future__ import annotations

import time
import tomllib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from edge.clock import steady_now
from edge.errors import CaptureError, ConfigError
from edge.images import thumbnail
from edge.jpeg import BEGIN, with_comment
from edge.records import Frame

# What can be wrong with a camera: no cable; the same picture again and again; no answer; half a picture; a small one.
FAULTS = ("unplugged", "frozen", "stalled", "corrupt", "shrunk")
FAULTS_FILE = "simulated-faults.toml"
# A stalled camera hangs until it is mended, or for this time.
STALL_S, LOOK_AGAIN_S = 30.0, 0.02
PREVIEW_SIDE_PX, SHRUNK_SIDE_PX = 480, 320


@dataclass
class Stage:
    """What stands before all simulated cameras of a rig: another goat at each press, a posture for each shot."""

    presses: int = 0
    shot: int = 1

    def set_for(self, shot: int) -> None:
        """The rig is about to take this shot of a burst, counted from 1."""
        self.presses += shot == 1
        self.shot = shot

    @property
    def goat(self) -> int:
        return max(0, self.presses - 1)


class SimulatedCamera:
    """Plays FOLDER/*/<view>.jpg in order, each for one press, and begins again at the end.

    What the goat looks like in a later shot of the burst is in <view>_2.jpg, <view>_3.jpg ... beside it; where there
    is none, it stands as still as a picture. Each of FAULTS is an attribute: set it, and that is wrong with the camera.
    """

    def __init__(
        self, view: str, folder: Path, stage: Stage | None = None, faults_file: Path | None = None
    ) -> None:
        self.view = view
        self.pictures = sorted(folder.glob(f"*/{view}.jpg"))
        if not self.pictures:
            raise ConfigError(
                f"[cameras] {view}: no */{view}.jpg in {folder}", "name a folder of sample captures"
            )
        self.stage = stage or Stage()
        self.faults_file = faults_file
        self.unplugged = self.frozen = self.stalled = self.corrupt = self.shrunk = False
        self.played: Counter[Path] = Counter()
        self.last = b""

    def open(self) -> SimulatedCamera:
        self.require_plugged()
        return self

    def shoot(self) -> Frame:
        self.wait_while_stalled()
        self.require_plugged()
        if not (self.has("frozen") and self.last):
            self.last = self.picture()
        jpeg = self.last[: len(self.last) // 2] if self.has("corrupt") else self.last
        return Frame(self.view, jpeg, steady_now())

    def picture(self) -> bytes:
        """The goat as it stands now. Played again, a picture differs as a sensor's noise makes it differ."""
        path = self.picture_now()
        self.played[path] += 1
        jpeg = path.read_bytes()
        return with_noise(thumbnail(jpeg, SHRUNK_SIDE_PX) if self.has("shrunk") else jpeg, self.played[path])

    def picture_now(self) -> Path:
        goat = self.pictures[self.stage.goat % len(self.pictures)]
        moved = goat.with_name(f"{self.view}_{self.stage.shot}.jpg")
        return moved if moved.is_file() else goat

    def preview(self) -> bytes:
        self.require_plugged()
        return thumbnail(self.picture_now().read_bytes(), PREVIEW_SIDE_PX)

    def rest(self) -> None:
        """It never moves."""

    def check(self) -> None:
        self.require_plugged()

    def close(self) -> None:
        """Nothing is held open."""

    def has(self, fault: str) -> bool:
        """Whether something is wrong with the camera now."""
        return getattr(self, fault) is True or self.fault_asked_for() == fault

    def wait_while_stalled(self) -> None:
        end = time.monotonic() + STALL_S
        while self.has("stalled") and time.monotonic() < end:
            time.sleep(LOOK_AGAIN_S)

    def require_plugged(self) -> None:
        if self.has("unplugged"):
            raise CaptureError(f"{self.view}: no frame", "check the camera's cable")

    def fault_asked_for(self) -> str:
        """What the file of faults wants of this camera; a file that cannot be understood is a fault by itself."""
        if self.faults_file is None or not self.faults_file.is_file():
            return ""
        try:
            wanted = str(tomllib.loads(self.faults_file.read_text()).get(self.view, ""))
        except (OSError, ValueError) as error:
            raise CaptureError(f"{self.faults_file}: {error}", "mend or remove it") from None
        if wanted not in ("", *FAULTS):
            raise CaptureError(
                f"{self.faults_file}: {self.view} = {wanted!r}: unknown fault", "known: " + ", ".join(FAULTS)
            )
        return wanted


def with_noise(jpeg: bytes, times: int) -> bytes:
    """The picture as it is the first time; later with how many times it was played, in a comment segment."""
    if times == 1 or not jpeg.startswith(BEGIN):
        return jpeg
    return with_comment(jpeg, times.to_bytes(4, "big"))
