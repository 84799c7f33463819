"""How reader and scale are doing, in a small file: the station tells, the dashboard shows."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from threading import Lock

from edge.clock import boot_id, since_boot_s
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
    said_s   the same in seconds since the boot
    boot_id  which boot that was
    refused  why its last line was not understood; empty where it was
    """

    name: str
    lost: str = ""
    said: str = ""
    said_at: str = ""
    refused: str = ""
    said_s: float = 0.0
    boot_id: str = ""

    def says(self, max_age_s: float) -> str:
        """What it said, if that is no older."""
        is_fresh = self.boot_id == boot_id() and 0 <= since_boot_s() - self.said_s <= max_age_s
        return self.said if is_fresh else ""


class Devices:
    """The file about the devices of a station; may be told things from any thread."""

    def __init__(self, path: Path, names: Iterable[str]) -> None:
        self.path = path
        self.lock = Lock()
        self.devices = {name: Device(name) for name in names}
        self.told = dict(self.devices)
        self.told_at = dict.fromkeys(self.devices, 0.0)
        self.write()

    def said(self, name: str, said: str, at_s: float) -> None:
        """It said something, so many seconds after the boot."""
        heard = replace(self.devices[name], said=said, refused="", lost="")
        self.tell(replace(heard, said_at=utc_now().isoformat(), said_s=at_s, boot_id=boot_id()))

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
