"""`goatdev doctor`: every check there is, also those that take a while and those of a station that does not run.

Nothing is changed, no camera is started and nothing is locked that a starting station needs.
"""

from __future__ import annotations

import json
import random
import urllib.error
import urllib.request
from collections.abc import Iterator

from edge.cameras import picamera, source_of, v4l2
from edge.cameras.simulated import SimulatedCamera, Stage
from edge.config import Config, find_config, load_config
from edge.errors import CaptureError, ConfigError, PictureError, StationError, StoreError
from edge.health.check import FAIL, OK, WARN, Check, refused
from edge.health.database import last_capture
from edge.health.everything import calibration_of, kept_checks, room_check
from edge.health.machine import machine_checks, read_machine, software_check
from edge.health.room import existing, folder_check, is_open_to_us
from edge.health.secrets import credentials_check
from edge.health.station import broker_check, heard_word, station_checks
from edge.keeping.archive import Archive
from edge.keeping.inspection import RESTORE, StoreToLookAt
from edge.models import named_card, self_test_apart
from edge.mqtt.broker import reach
from edge.shelf import title
from edge.word import BrokerWord

# Pictures whose hash is proved unless all are asked for: the newest, and some of all others.
NEWEST, OTHERS = 20, 40
ANSWER_S = 5.0
IMAGES = "SELECT path, sha256 FROM images WHERE rowid = ? AND pruned_at IS NULL"


def examine(given: str | None, thorough: bool = False) -> Iterator[Check]:
    """Every check, as far as it can be made; each is there as soon as it is known."""
    yield software_check()
    try:
        path = find_config(given)
        config = load_config(path)
    except ConfigError as error:
        yield refused("configuration", error)
        return
    yield Check("configuration", OK, str(path.resolve()))
    yield folder_check(config.data_dir)
    yield room_check(config)
    yield from machine_checks(read_machine())
    if is_open_to_us(existing(config.data_dir)):
        yield from examine_station(config, thorough)


def examine_station(config: Config, thorough: bool) -> Iterator[Check]:
    """What only those may look at who may start the station."""
    yield credentials_check(config.folder)
    yield from station_checks(config)
    if heard_word(config) is None:
        yield from unheard_checks(config)
    yield dashboard_check(config)
    last = None
    try:
        if config.database_path.exists():
            with StoreToLookAt(config.database_path) as store:
                yield database_check(store, thorough)
                if store.is_of_this_version() and not store.damage_found:
                    last = last_capture(store)
                    yield from kept_checks(config, store, last)
                    yield images_check(store, Archive(config.image_folder), thorough)
        else:
            yield Check("database", OK, "there is none yet: the station makes it")
    except StoreError as error:
        yield Check("database", FAIL, error.message, RESTORE)
    yield from calibration_of(config, last)
    yield model_check(config)


# What lies on the disk.


def database_check(store: StoreToLookAt, thorough: bool) -> Check:
    """Whether it is whole, and whose."""
    store.look_for_damage(thorough)
    if store.damage_found:
        return Check("database", FAIL, f"{store.path} is damaged: {store.damage_found}", RESTORE)
    if unknown := store.unknown_steps():
        text = f"a newer version has used it, which knows {', '.join(unknown)}"
        return Check("database", FAIL, text, "install that version again")
    if pending := store.pending_steps():
        return Check("database", OK, f"whole; the next start upgrades it: {', '.join(pending)}")
    return Check("database", OK, "whole, and of this version")


def images_check(store: StoreToLookAt, archive: Archive, thorough: bool) -> Check:
    """Whether pictures are what was written; all of them, or some."""
    rowids = numbers(
        store.number("SELECT MAX(rowid) AS number FROM images WHERE rowid IS NOT NULL"), thorough
    )
    looked, wrong = 0, []
    for row in (row for rowid in rowids if (row := store.one(IMAGES, [rowid]))):
        looked += 1
        try:
            archive.read_proved(archive.folder / row["path"], row["sha256"])
        except PictureError as error:
            wrong.append(error.message)
    if wrong:
        text = f"{len(wrong)} of {looked} pictures are not what was written, first: {wrong[0]}"
        return Check("images", FAIL, text, "restore them from a backup; look at the disk: `dmesg`")
    return Check("images", OK, f"{looked} pictures looked at, all as they were written")


def numbers(last: int, thorough: bool) -> list[int]:
    """Row numbers from 1 to the last, or some of them."""
    if thorough or last <= NEWEST + OTHERS:
        return list(range(1, last + 1))
    newest = range(last - NEWEST + 1, last + 1)
    return sorted(random.sample(range(1, last - NEWEST + 1), OTHERS)) + list(newest)


def model_check(config: Config) -> Check:
    """Card, hash and what the network makes of the bundled goats."""
    try:
        report = self_test_apart(named_card(config, None), None)
    except StationError as error:
        return refused("model_self_test", error)
    if report.passed:
        return Check("model_self_test", OK, f"{title(report.model)} finds and measures the bundled goats")
    failed = ", ".join(one.name for one in report.failures)
    hint = "install the model again, or roll back: `goatdev models rollback`"
    return Check("model_self_test", FAIL, f"{title(report.model)} failed its self-test: {failed}", hint)


# What the station would tell if it ran.


def unheard_checks(config: Config) -> Iterator[Check]:
    for view, source in config.cameras.sources().items():
        try:
            text = look_for_camera(view, source, config)
            yield Check(f"camera_{view}", OK, text)
        except (CaptureError, ConfigError) as error:
            yield refused(f"camera_{view}", error)
    if config.mqtt.host:
        yield answering_check(f"{config.mqtt.host}:{config.mqtt.port}", reach(config.mqtt, config.folder))


def answering_check(place: str, broker: BrokerWord) -> Check:
    if not broker.is_connected or broker.certificate_until:
        return broker_check(place, broker)
    return Check("broker", OK, f"{place} answers; whether it lets the station in is known when that runs")


def look_for_camera(view: str, text: str, config: Config) -> str:
    """What is there, without starting it. Raises CaptureError or ConfigError."""
    source = source_of(view, text, config.cameras, config.folder, Stage())
    kind, _, where = text.partition(":")
    if isinstance(source, SimulatedCamera):
        source.open()
        return f"plays pictures of {where}"
    if kind == "csi":
        models = picamera.attached()
        if int(where) >= len(models):
            raise CaptureError(f"{view}: no camera at connector {where}", picamera.LOST)
        return f"{models[int(where)]} at connector {where}"
    try:
        device = v4l2.device_at(where)
        v4l2.formats(device)
    except OSError as error:
        raise v4l2.refused(view, where, error) from None
    return f"plugged in at {where} ({device})"


# Who answers.


def dashboard_check(config: Config) -> Check:
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(config.dashboard.host, config.dashboard.host)
    place = f"[{host}]:{config.dashboard.port}" if ":" in host else f"{host}:{config.dashboard.port}"
    try:
        require_dashboard(f"http://{place}/health")
    except (urllib.error.URLError, ConnectionError) as error:
        why = error.reason if isinstance(error, urllib.error.URLError) else error
        if isinstance(why, ConnectionRefusedError):
            return Check("dashboard", WARN, f"not running at {place}", "start it: `goatdev dashboard`")
        hint = "check [dashboard] host; `systemctl restart goatdev-dashboard`"
        return Check("dashboard", FAIL, f"does not answer at {place}: {why}", hint)
    except (TimeoutError, ValueError, KeyError, TypeError, OSError):
        text = f"what answers at {place} is not the dashboard"
        hint = f"stop the other program (`sudo ss -ltnp | grep {config.dashboard.port}`), or change [dashboard] port"
        return Check("dashboard", FAIL, text, hint)
    return Check("dashboard", OK, f"answers at {place}")


def require_dashboard(address: str) -> None:
    """Raise KeyError, ValueError or OSError unless a dashboard says there how its station is, good or bad."""
    try:
        with urllib.request.urlopen(address, timeout=ANSWER_S) as answer:
            content = answer.read()
    except urllib.error.HTTPError as error:
        content = error.read()
    document = json.loads(content)
    document["failing" if "failing" in document else "error"]
