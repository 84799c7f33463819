"""How reader and scale are doing, in a small file: the station tells, the dashboard shows."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from threading import Lock

from edge.errors import StationError
from edge.records import utc_now

log = logging.getLogger("goatdev.devices")

# A device may say something many times a second; that it still does is told so often.
TOLD_AGAIN_S = 2.0


@dataclass(frozen=True, slots=True)
class Device:
    """What is known of the "reader" or the "scale".

    lost     why it cannot be heard; empty where it can
    said     the last tag that was read; empty for a scale
    said_at  when a line of it was last understood, UTC, ISO 8601; empty for never
    refused  why its last line was not understood; empty where it was
    """

    name: str
    lost: str = ""
    said: str = ""
    said_at: str = ""
    refused: str = ""

    def says(self, max_age_s: float) -> str:
        """What it said, if that is no older."""
        if not self.said or not self.said_at:
            return ""
        age = utc_now() - datetime.fromisoformat(self.said_at)
        return self.said if timedelta(0) <= age <= timedelta(seconds=max_age_s) else ""


class Devices:
    """The file about the devices of a station; may be told things from any thread."""

    def __init__(self, path: Path, names: Iterable[str]) -> None:
        self.path = path
        self.lock = Lock()
        self.devices = {name: Device(name) for name in names}
        self.told = dict(self.devices)
        self.told_at = dict.fromkeys(self.devices, 0.0)
        self.write()

    def said(self, name: str, said: str, at: datetime) -> None:
        self.tell(replace(self.devices[name], said=said, said_at=at.isoformat(), refused="", lost=""))

    def refused(self, name: str, refusal: StationError) -> None:
        self.tell(replace(self.devices[name], refused=str(refusal), lost=""))

    def reached(self, name: str, lost: str) -> None:
        """It can be heard, or for what reason not."""
        self.tell(replace(self.devices[name], lost=lost))

    def tell(self, device: Device) -> None:
        with self.lock:
            self.devices[device.name] = device
            told = self.told[device.name]
            urgent = (device.said, device.lost) != (told.said, told.lost)
            if urgent or (device != told and time.monotonic() >= self.told_at[device.name] + TOLD_AGAIN_S):
                self.log_what_changed(told, device)
                self.write(device)

    def log_what_changed(self, told: Device, device: Device) -> None:
        if device.lost != told.lost:
            log.warning("the %s: %s", device.name, device.lost or "is there")
        if device.refused and device.refused != told.refused:
            log.warning("the %s: %s", device.name, device.refused)

    def write(self, *news: Device) -> None:
        """Whole or not at all, but not flushed to disk: after a power cut it says nothing true."""
        for device in news:
            self.told[device.name], self.told_at[device.name] = device, time.monotonic()
        content = [asdict(device) for device in self.devices.values()]
        part = self.path.with_name(self.path.name + ".part")
        try:
            part.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
            part.replace(self.path)
        except OSError as error:
            log.warning("%s: cannot be written: %s", self.path, error.strerror)


def read_devices(path: Path) -> dict[str, Device]:
    """name -> what the station told of it; empty where it told nothing that can be read."""
    try:
        devices = [Device(**one) for one in json.loads(path.read_text(encoding="utf-8"))]
    except (OSError, ValueError, TypeError):
        return {}
    return {device.name: device for device in devices}
