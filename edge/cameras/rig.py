"""The cameras of one station as one: a shot takes a frame of each, a press takes a burst of shots."""

from __future__ import annotations

import time
from collections.abc import Mapping
from threading import Event
from typing import Protocol

from edge.errors import CaptureError
from edge.records import Burst, Frame, Shot


class Camera(Protocol):
    """One camera. `shoot` gives a frame exposed after the call, or raises CaptureError."""

    def shoot(self) -> Frame: ...
    def close(self) -> None: ...


class Rig:
    """view -> camera.

    burst_shots  how many shots a burst has
    burst_s      how long after the first of them the last one begins, or later where the cameras are slower
    """

    def __init__(self, cameras: Mapping[str, Camera], burst_shots: int = 1, burst_s: float = 0.0) -> None:
        self.cameras = dict(cameras)
        self.burst_shots = burst_shots
        self.burst_s = burst_s
        self.closed = Event()

    def shoot_burst(self) -> Burst:
        """Several shots at even distances. What one shot lacks another may have; no frame in any is an error."""
        begun, shots = time.monotonic(), []
        for number in range(self.burst_shots):
            due = begun + number * self.burst_s / max(1, self.burst_shots - 1)
            self.closed.wait(max(0.0, due - time.monotonic()))
            shots.append(self.shoot())
        if not any(shot.frames for shot in shots):
            raise CaptureError("no camera gave a picture", "; ".join(shots[0].missing.values()))
        return Burst(tuple(shots))

    def shoot(self) -> Shot:
        """A frame of every camera. One dead camera leaves the others measuring."""
        frames, missing = [], {}
        for view, camera in self.cameras.items():
            try:
                frames.append(camera.shoot())
            except CaptureError as error:
                missing[view] = str(error)
        return Shot(tuple(frames), missing)

    def close(self) -> None:
        self.closed.set()
        for camera in self.cameras.values():
            camera.close()
