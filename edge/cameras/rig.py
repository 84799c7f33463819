"""The cameras of one station as one: a shot takes a frame of each, a press takes a burst of shots."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event
from typing import Protocol

from edge.errors import CaptureError
from edge.records import Frame, Lack, Shot
from edge.word import CameraWord


class Camera(Protocol):
    """One camera of the rig. Nothing here waits for longer than the camera's time limit.

    shoot        a frame exposed after the call, or CaptureError
    ask_preview  a small picture when there is one, without waiting
    rest         no picture is needed until the next call
    word         how it is now, without asking it
    close        may be called twice
    """

    def shoot(self) -> Frame: ...
    def ask_preview(self) -> Future[bytes | None]: ...
    def rest(self) -> None: ...
    def word(self) -> CameraWord: ...
    def close(self) -> None: ...


def nothing_else(_shot: int) -> None:
    """What a rig of real cameras does before a shot."""


class Rig:
    """view -> camera.

    burst_shots  how many shots a burst has
    burst_s      how long after the first of them the last one begins, or later where the cameras are slower
    at_once      how many cameras expose at the same time
    before_shot  is told the number of each shot in its burst, from 1, before it begins
    """

    def __init__(
        self,
        cameras: Mapping[str, Camera],
        burst_shots: int = 1,
        burst_s: float = 0.0,
        at_once: int = 3,
        before_shot: Callable[[int], None] = nothing_else,
    ) -> None:
        self.cameras = dict(cameras)
        self.burst_shots = burst_shots
        self.burst_s = burst_s
        self.before_shot = before_shot
        self.hands = ThreadPoolExecutor(at_once, thread_name_prefix="camera")
        self.closed = Event()

    def burst(self, alive: Callable[[], None] = lambda: None) -> Iterator[Shot]:
        """Several shots at even distances, each given as soon as it is taken. What one lacks another may have.

        alive  is called after each camera's answer
        """
        begun = time.monotonic()
        for number in range(self.burst_shots):
            due = begun + number * self.burst_s / max(1, self.burst_shots - 1)
            self.closed.wait(max(0.0, due - time.monotonic()))
            self.before_shot(number + 1)
            yield self.shoot(alive)
        self.rest()

    def shoot(self, alive: Callable[[], None] = lambda: None) -> Shot:
        """A frame of every camera, exposed side by side. One dead camera leaves the others measuring."""
        taken: dict[str, Frame | Lack] = {}
        answers = self.hands.map(shoot_or_lack, self.cameras.values())
        for view, answer in zip(self.cameras, answers, strict=True):
            taken[view] = answer
            alive()
        frames = tuple(one for one in taken.values() if isinstance(one, Frame))
        return Shot(frames, {view: one for view, one in taken.items() if isinstance(one, Lack)})

    def rest(self) -> None:
        """No picture is needed until the next call."""
        for camera in self.cameras.values():
            camera.rest()

    def close(self) -> None:
        self.closed.set()
        for camera in self.cameras.values():
            camera.close()
        self.hands.shutdown(wait=False)


def shoot_or_lack(camera: Camera) -> Frame | Lack:
    try:
        return camera.shoot()
    except CaptureError as error:
        return Lack(str(error), error.code)
