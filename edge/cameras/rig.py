"""The cameras of one station as one: a shot takes a frame of each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from edge.errors import CaptureError
from edge.records import Frame, Shot


class Camera(Protocol):
    """One camera. `shoot` gives a frame exposed after the call, or raises CaptureError."""

    def shoot(self) -> Frame: ...
    def close(self) -> None: ...


class Rig:
    """view -> camera."""

    def __init__(self, cameras: Mapping[str, Camera]) -> None:
        self.cameras = dict(cameras)

    def shoot(self) -> Shot:
        """A frame of every camera. One dead camera leaves the others measuring; none at all is an error."""
        frames, missing = [], {}
        for view, camera in self.cameras.items():
            try:
                frames.append(camera.shoot())
            except CaptureError as error:
                missing[view] = str(error)
        if not frames:
            raise CaptureError("no camera gave a picture", "; ".join(missing.values()))
        return Shot(tuple(frames), missing)

    def close(self) -> None:
        for camera in self.cameras.values():
            camera.close()
