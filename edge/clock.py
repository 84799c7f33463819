"""What time it is, and how far that can be trusted: a Pi without a battery starts at a wrong time and learns it later.

What is assumed. The kernel says whether the clock follows a time server: whoever keeps it (systemd-timesyncd, chrony,
ntpd) tells the kernel so. A battery clock is believed where it shows a time at which there could be a station and the
wall clock goes by it; one that stood still while the power was off cannot be told from one that is slow. The seconds
since the boot never jump, whatever becomes of the wall clock.
"""

from __future__ import annotations

import ctypes
import time
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

from edge.records import Clock, Stamp, utc_now

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
BATTERY_CLOCK = Path("/sys/class/rtc/rtc0/since_epoch")
# No station is older than the software; a battery clock that lost its power shows 1970 or 2000.
EARLIEST = datetime(2026, 1, 1, tzinfo=UTC)
# A battery clock counts whole seconds and drifts some seconds in a month.
APART_S = 60.0
# What adjtimex(2) answers while nothing keeps the clock right.
NOT_SYNCHRONISED = 5
# More than `struct timex` has on any machine.
TIMEX_BYTES = 512


def read_clock() -> Stamp:
    """What the clocks of this machine say now."""
    since_s = since_boot_s()
    at = utc_now()
    offset = at.astimezone().utcoffset() or timedelta(0)
    clock = Clock(source_of(at), round(offset.total_seconds() / 60), boot_id(), since_s)
    return Stamp(at, clock)


def source_of(now: datetime) -> str:
    """Whom the wall clock follows: "ntp", "rtc", or nobody, "unsynchronised"."""
    if follows_time_server():
        return "ntp"
    battery = battery_clock()
    if battery is not None and battery >= EARLIEST and abs((battery - now).total_seconds()) <= APART_S:
        return "rtc"
    return "unsynchronised"


def follows_time_server() -> bool:
    """Whether the kernel's clock is kept right; anybody may ask."""
    timex = ctypes.create_string_buffer(TIMEX_BYTES)  # all zero: change nothing, only tell
    return c_library().adjtimex(timex) in range(NOT_SYNCHRONISED)


def battery_clock() -> datetime | None:
    """What the machine's battery clock shows, if it has one that can be read."""
    try:
        return datetime.fromtimestamp(int(BATTERY_CLOCK.read_text()), UTC)
    except (OSError, ValueError, OverflowError):
        return None


def since_boot_s() -> float:
    """Seconds since the machine was switched on: never jumps, and counts on while it sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


@cache
def boot_id() -> str:
    """Which run of the machine this is."""
    return BOOT_ID.read_text().strip()


@cache
def c_library() -> ctypes.CDLL:
    return ctypes.CDLL(None)


@cache
def started_at() -> tuple[datetime, float]:
    return utc_now(), time.monotonic()


def steady_now() -> datetime:
    """A time that never jumps while the process runs: to tell how far apart two moments of it are."""
    began, began_s = started_at()
    return began + timedelta(seconds=time.monotonic() - began_s)
