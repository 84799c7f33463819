"""What is well and what is not at this station, each finding with what to do."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from dashboard.context import config, devices, station_is_alive, store
from dashboard.words import local_time
from edge.devices.report import Device
from edge.errors import StoreError
from edge.keeping.outbox import Outbox
from edge.keeping.store import Store
from edge.records import Capture, Status
from edge.shelf import Serving, read_serving

DISK_WARN = 0.80
DISK_FAIL = 0.95


@dataclass(frozen=True, slots=True)
class Check:
    """One finding; `state` is ok, warn or fail."""

    name: str
    state: str
    text: str
    hint: str = ""


def all_checks() -> list[Check]:
    """Every check of this station, as far as it can be made."""
    return [
        *database_checks(),
        station_check(station_is_alive()),
        model_check(read_serving(config().serving_path) if station_is_alive() else None),
        *(device_check(device) for device in devices().values()),
        disk_check(share_used(config().data_dir)),
    ]


def worst(checks: Sequence[Check]) -> str:
    return max((check.state for check in checks), key=("ok", "warn", "fail").index)


def database_checks() -> list[Check]:
    """What only the database can tell; one that cannot be read is the finding itself."""
    try:
        opened = store()
        return [
            readable_check(opened),
            backlog_check(Outbox(opened).backlog()),
            last_check(opened.captures(1)),
        ]
    except StoreError as error:
        return [Check("database", "fail", error.message, error.hint)]


def readable_check(opened: Store) -> Check:
    return Check("database", "ok", f"readable, {sum(opened.counts().values())} captures")


def backlog_check(backlog: dict[str, int]) -> Check:
    due, parked = backlog.get("due", 0), backlog.get("parked", 0)
    if parked:
        text = f"{parked} results were refused by the cloud, {due} are waiting"
        return Check("backlog", "warn", text, "see why in the log: `journalctl -u goatdev-sync`")
    return Check("backlog", "ok", f"{due} results are waiting for the cloud")


def last_check(captures: Sequence[Capture]) -> Check:
    if not captures:
        return Check("last_capture", "ok", "no capture yet")
    last = captures[0]
    text = f"{last.status}, {local_time(last.taken_at)}"
    if last.status in (Status.FAILED, Status.MISSED):
        return Check("last_capture", "warn", f"{text}: {last.failure}", last.hint or "")
    return Check("last_capture", "ok", text)


def station_check(alive: bool) -> Check:
    if alive:
        return Check("station", "ok", "running")
    return Check("station", "fail", "not running: a press is not served", "start it: `goatdev run`")


def model_check(serving: Serving | None) -> Check:
    """Which network measures; a station that had to do with an older one says why."""
    if serving is None:
        return Check("model", "ok", "the station tells which one when it runs")
    if serving.warning:
        return Check("model", "warn", f"{serving.title} stands in: {serving.warning}", serving.hint)
    return Check("model", "ok", serving.title)


def device_check(device: Device) -> Check:
    """The tag reader or the scale."""
    if device.lost:
        return Check(device.name, "warn", device.lost, f"check its cable, and [{device.name}] source")
    if device.refused:
        hint = (
            f"if it stays so, check what stands behind the port in [{device.name}] source: baud, bits, parity"
        )
        return Check(device.name, "warn", f"its last line was refused: {device.refused}", hint)
    when = f", last heard {local_time(datetime.fromisoformat(device.said_at))}" if device.said_at else ""
    return Check(device.name, "ok", f"listened to{when}")


def disk_check(used: float) -> Check:
    state = "fail" if used >= DISK_FAIL else "warn" if used >= DISK_WARN else "ok"
    hint = "" if state == "ok" else "let the sync deliver, then prune; or a larger disk"
    return Check("disk", state, f"{used:.0%} used", hint)


def share_used(folder: Path) -> float:
    """How full the disk below a folder is, 0..1, as far as an ordinary user may fill it."""
    while not folder.exists():
        folder = folder.parent
    usage = shutil.disk_usage(folder)
    return usage.used / (usage.used + usage.free)
