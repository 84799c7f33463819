"""All checks that are quick enough to be made whenever somebody looks."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from edge.alarms import MISSING, alarm
from edge.config import Config
from edge.errors import DiskTrouble, StoreError
from edge.health.calibrated import calibration_checks
from edge.health.check import FAIL, OK, Check, refused
from edge.health.database import backlog_check, last_capture, last_check, read_backlog
from edge.health.machine import machine_checks, read_machine
from edge.health.room import disk_check, share_of_files_used, share_used
from edge.health.station import heard_word, station_checks
from edge.keeping.damage import noted_damage
from edge.keeping.store import Store
from edge.records import Capture


def all_checks(config: Config, open_store: Callable[[], Store]) -> list[Check]:
    """Every check of this station, as far as it can be made; `open_store` may raise StoreError."""
    try:
        store = open_store()
        last = last_capture(store)
        kept = [database_check(config, store), *kept_checks(config, store, last)]
    except (StoreError, DiskTrouble) as error:
        last, kept = None, [refused("database", error)]
    machine = machine_checks(read_machine(heard_word(config)))
    return [*station_checks(config), *calibration_of(config, last), *kept, room_check(config), *machine]


def database_check(config: Config, store: Store) -> Check:
    """Readable, sound as far as anybody looked, and the one that made the captures on disk."""
    damaged = noted_damage(config.database_path)
    if damaged is not None:
        return refused("database", damaged)
    unknown = store.unknown()
    if unknown:
        found = alarm(MISSING, "en", unknown)
        return Check("database", FAIL, found.text, found.hint)
    return Check("database", OK, "readable")


def kept_checks(config: Config, store: Store, last: Capture | None) -> Iterator[Check]:
    yield backlog_check(read_backlog(store), config.sync.destination != "")
    yield last_check(last)


def calibration_of(config: Config, last: Capture | None) -> Iterator[Check]:
    word = heard_word(config)
    views, in_use = config.cameras.sources(), word.calibration if word else ""
    yield from calibration_checks(config.calibration_path, views, last, in_use)


def room_check(config: Config) -> Check:
    return disk_check(share_used(config.data_dir), share_of_files_used(config.data_dir), config.disk)
