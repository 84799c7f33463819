"""A camera that plays pictures from a folder, one after the other, and breaks on request."""

from __future__ import annotations

from pathlib import Path

from edge.errors import CaptureError, ConfigError
from edge.records import Frame, utc_now


class SimulatedCamera:
    """Plays FOLDER/*/<view>.jpg in order and begins again at the end.

    unplugged  set it, and the camera gives no frame
    corrupt    set it, and the frame ends in the middle
    """

    def __init__(self, view: str, folder: Path) -> None:
        self.view = view
        self.pictures = sorted(folder.glob(f"*/{view}.jpg"))
        if not self.pictures:
            raise ConfigError(
                f"[cameras] {view}: no */{view}.jpg in {folder}", "name a folder of sample captures"
            )
        self.shots = 0
        self.unplugged = False
        self.corrupt = False

    def shoot(self) -> Frame:
        if self.unplugged:
            raise CaptureError(f"{self.view}: no frame", "check the camera's cable")
        picture = self.pictures[self.shots % len(self.pictures)]
        self.shots += 1
        jpeg = picture.read_bytes()
        return Frame(self.view, jpeg[: len(jpeg) // 2] if self.corrupt else jpeg, utc_now())

    def close(self) -> None:
        """Nothing is held open."""
