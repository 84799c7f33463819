"""A camera that plays pictures from a folder, one after the other, and breaks on request."""

from __future__ import annotations

from pathlib import Path

from edge.errors import CaptureError, ConfigError
from edge.records import Frame, utc_now


class SimulatedCamera:
    """Plays FOLDER/*/<view>.jpg in order, each for one burst, and begins again at the end.

    What the goat looks like in a later shot of the burst is in <view>_2.jpg, <view>_3.jpg ... beside it; where there
    is none, it stands as still as a picture.

    unplugged  set it, and the camera gives no frame
    corrupt    set it, and the frame ends in the middle
    """

    def __init__(self, view: str, folder: Path, burst_shots: int = 1) -> None:
        self.view = view
        self.pictures = sorted(folder.glob(f"*/{view}.jpg"))
        if not self.pictures:
            raise ConfigError(
                f"[cameras] {view}: no */{view}.jpg in {folder}", "name a folder of sample captures"
            )
        self.burst_shots = burst_shots
        self.shots = 0
        self.unplugged = False
        self.corrupt = False

    def shoot(self) -> Frame:
        picture = self.picture_now()
        self.shots += 1  # the goat moves on, whether this camera looks or not
        if self.unplugged:
            raise CaptureError(f"{self.view}: no frame", "check the camera's cable")
        jpeg = picture.read_bytes()
        return Frame(self.view, jpeg[: len(jpeg) // 2] if self.corrupt else jpeg, utc_now())

    def picture_now(self) -> Path:
        burst, shot = divmod(self.shots, self.burst_shots)
        first = self.pictures[burst % len(self.pictures)]
        moved = first.with_name(f"{self.view}_{shot + 1}.jpg")
        return moved if moved.is_file() else first

    def close(self) -> None:
        """Nothing is held open."""
