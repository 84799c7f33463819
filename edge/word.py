"""What a running service says of itself, in a small file beside the database; who looks asks the service nothing.

Whether a word still holds is told by the clock that counts from the computer's start: it is the same for all processes
and does not jump.
"""

from __future__ import annotations

import json
import logging
import math
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from edge.clock import since_boot_s
from edge.records import utc_now

log = logging.getLogger("goatdev.word")

# A service that has said nothing for so long hangs.
STALE_S = 60.0
# That it still runs is said so often, what changes at once.
SAID_AGAIN_S = 10.0

STREAMING, OPENING, LOST, FROZEN, HANGS = "streaming", "opening", "lost", "frozen", "hangs"


@dataclass(frozen=True, slots=True)
class CameraWord:
    """How the camera of one view is.

    state           "streaming", "opening", "lost", "frozen" (gives the same picture again) or "hangs"
    why, hint       what is wrong and what to do; empty where nothing is
    since           when it came to be so, UTC, ISO 8601
    last_picture_at when it gave its last picture; empty for none since the start
    """

    state: str
    why: str = ""
    hint: str = ""
    last_picture_at: str = ""
    since: str = ""


@dataclass(frozen=True, slots=True)
class BrokerWord:
    """How the connection to the MQTT broker is.

    why, hint          why there is none, and what to do
    is_away            it may come back by itself
    certificate_until  when the broker's certificate ends, UTC, ISO 8601; empty without TLS
    """

    is_connected: bool
    why: str = ""
    hint: str = ""
    is_away: bool = True
    certificate_until: str = ""


@dataclass(frozen=True, slots=True)
class StationWord:
    """What the station says of itself: of what it owns, nobody else can tell.

    started_at, said_at  UTC, ISO 8601
    said_at_s            the same in seconds since the computer's start
    calibration          SHA-256 of the calibration that it measures with
    cameras              view -> camera
    clock                whom the clock follows: "ntp", "rtc" or "unsynchronised"
    throttled            what the firmware says of power and heat, as `edge.health.machine` reads it
    last_capture         id and status of the newest capture, empty where there is none
    """

    pid: int
    started_at: str
    software: str
    model: str
    calibration: str
    cameras: Mapping[str, CameraWord] = field(default_factory=dict)
    broker: BrokerWord | None = None
    clock: str = ""
    last_capture: str = ""
    memory_bytes: int = 0
    throttled: int | None = None
    temperature_c: float | None = None
    said_at: str = ""
    said_at_s: float = 0.0

    @property
    def is_stale(self) -> bool:
        return not 0 <= since_boot_s() - self.said_at_s < STALE_S

    @property
    def lasting(self) -> StationWord:
        """Without what is never the same."""
        return replace(self, memory_bytes=0, temperature_c=None)


@dataclass(frozen=True, slots=True)
class SyncWord:
    """What the sync daemon says of itself; `lost` is why the cloud cannot be reached, empty where it can."""

    pid: int
    started_at: str
    software: str
    destination: str
    lost: str = ""
    memory_bytes: int = 0
    said_at: str = ""
    said_at_s: float = 0.0

    @property
    def is_stale(self) -> bool:
        return not 0 <= since_boot_s() - self.said_at_s < STALE_S

    @property
    def lasting(self) -> SyncWord:
        return replace(self, memory_bytes=0)


class Teller:
    """Writes the word of one service."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.told: StationWord | SyncWord | None = None
        self.trouble = ""
        self.again_s = -math.inf

    def tell(self, word: StationWord | SyncWord) -> bool:
        """Say it, if it is news or some seconds have passed; returns whether it is news."""
        is_news = word.lasting != self.told
        if is_news or since_boot_s() >= self.again_s:
            self.told, self.again_s = word.lasting, since_boot_s() + SAID_AGAIN_S
            said_at = utc_now().isoformat(timespec="seconds")
            self.write(replace(word, said_at=said_at, said_at_s=since_boot_s()))
        return is_news

    def write(self, word: StationWord | SyncWord) -> None:
        """Whole, but not flushed to disk: after a power cut it says nothing true."""
        content = (json.dumps(asdict(word), indent=1) + "\n").encode()
        part = part_of(self.path)
        trouble = ""
        try:
            part.write_bytes(content)
            part.replace(self.path)
        except OSError as error:
            trouble = error.strerror or str(error)
            with suppress(OSError):
                part.unlink(missing_ok=True)
                write_in_place(self.path, content)
        if trouble and trouble != self.trouble:
            log.warning("%s: cannot be written: %s", self.path, trouble)
        self.trouble = trouble


def write_in_place(path: Path, content: bytes) -> None:
    """Over what is there, which needs no room: a station on a full disk does not hang, and says so."""
    with path.open("r+b") as file:
        file.write(content)
        file.truncate()


def forget(path: Path) -> None:
    """What an earlier process said holds no longer, nor what it was about to say when it was killed."""
    for one in (path, part_of(path)):
        one.unlink(missing_ok=True)


def part_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.part")


def read_station(path: Path) -> StationWord | None:
    """What the station said last; None where it said nothing that can be read."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        cameras = {view: CameraWord(**one) for view, one in document.pop("cameras").items()}
        broker = document.pop("broker")
        return StationWord(**document, cameras=cameras, broker=BrokerWord(**broker) if broker else None)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def read_sync(path: Path) -> SyncWord | None:
    try:
        return SyncWord(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def memory_bytes() -> int:
    """What this process keeps in memory now."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")
