"""The services, and what the station says of all that only it can see: cameras, model, broker, reader and scale."""

from __future__ import annotations

from collections.abc import Iterator

from edge.config import Config
from edge.devices.report import Device, read_devices
from edge.document import software
from edge.health.check import FAIL, OK, WARN, Check, local_time, moment
from edge.keeping.locks import is_held
from edge.records import utc_now
from edge.shelf import Serving, read_serving
from edge.word import (
    OPENING,
    STREAMING,
    BrokerWord,
    CameraWord,
    StationWord,
    SyncWord,
    read_station,
    read_sync,
)

RESTART = "systemctl restart goatdev-station"
CERTIFICATE_WARN_S = 14 * 86400.0


def station_checks(config: Config) -> Iterator[Check]:
    """The station, and what it says while it runs; a word that does not hold any more is not repeated."""
    alive = is_held(config.station_lock)
    word = read_station(config.word_path)
    yield station_check(alive, word)
    yield model_check(read_serving(config.serving_path) if alive else None)
    if alive and word and not word.is_stale:
        for view, camera in word.cameras.items():
            yield camera_check(view, camera)
        if config.mqtt.host:
            yield broker_check(f"{config.mqtt.host}:{config.mqtt.port}", word.broker)
    for device in devices(config, alive).values():
        yield device_check(device)
    if config.sync.destination:
        yield sync_check(is_held(config.sync_lock), read_sync(config.sync_word_path))


def heard_word(config: Config) -> StationWord | None:
    """What the station says now; None while it does not run, or hangs."""
    word = read_station(config.word_path) if is_held(config.station_lock) else None
    return word if word and not word.is_stale else None


def heard_sync(config: Config) -> SyncWord | None:
    word = read_sync(config.sync_word_path) if is_held(config.sync_lock) else None
    return word if word and not word.is_stale else None


def devices(config: Config, alive: bool) -> dict[str, Device]:
    """How the tag reader and the scale that the station has are doing; empty while it does not run."""
    if not alive:
        return {}
    told = read_devices(config.devices_path)
    return {name: told.get(name, Device(name)) for name in config.devices()}


def station_check(alive: bool, word: StationWord | None) -> Check:
    if not alive:
        last = f"; it was last heard of {when(word.said_at)}" if word else ""
        return Check("station", FAIL, f"not running: a press is not served{last}", "start it: `goatdev run`")
    if word is None:
        return Check("station", OK, "running")
    if word.is_stale:
        text = f"runs, but has said nothing since {when(word.said_at)}: it hangs"
        return Check("station", FAIL, text, f"start it anew: `{RESTART}`")
    text = f"running since {when(word.started_at)}, {word.memory_bytes / 2**20:.0f} MB"
    if word.software != software():
        text += f"; it is {word.software}, installed is {software()}"
        return Check("station", WARN, text, f"take the new one: `{RESTART}`")
    return Check("station", OK, text)


def model_check(serving: Serving | None) -> Check:
    """Which network measures; a station that had to do with an older one says why."""
    if serving is None:
        return Check("model", OK, "the station tells which one when it runs")
    if serving.warning:
        return Check("model", WARN, f"{serving.title} stands in: {serving.warning}", serving.hint)
    return Check("model", OK, serving.title)


def camera_check(view: str, camera: CameraWord) -> Check:
    name = f"camera_{view}"
    if camera.state == STREAMING:
        last = f", its last picture {when(camera.last_picture_at)}" if camera.last_picture_at else ""
        return Check(name, OK, f"gives pictures{last}")
    if camera.state == OPENING:
        return Check(name, WARN, "is being opened", "wait a moment")
    return Check(
        name,
        FAIL,
        f"{camera.state} since {when(camera.since)}: {camera.why.removeprefix(f'{view}: ')}",
        camera.hint,
    )


def broker_check(place: str, broker: BrokerWord | None) -> Check:
    if broker is None:
        return Check("broker", OK, "the station does not listen to one")
    if not broker.is_connected:
        # What waiting does not mend is a failure.
        state = WARN if broker.is_away else FAIL
        return Check("broker", state, f"{place} {broker.why or 'is being connected to'}", broker.hint)
    until = moment(broker.certificate_until)
    if until is None:
        return Check("broker", OK, f"connected to {place}")
    left_s = (until - utc_now()).total_seconds()
    text = f"connected to {place}, its certificate ends {local_time(until)}"
    if left_s < CERTIFICATE_WARN_S:
        return Check("broker", WARN, text, "give the broker a new certificate before that")
    return Check("broker", OK, text)


def device_check(device: Device) -> Check:
    """The tag reader or the scale."""
    if device.lost:
        return Check(device.name, WARN, device.lost, f"check its cable, and [{device.name}] source")
    if device.refused:
        hint = (
            f"if it stays so, check what stands behind the port in [{device.name}] source: baud, bits, parity"
        )
        return Check(device.name, WARN, f"its last line was refused: {device.refused}", hint)
    return Check(
        device.name, OK, f"listened to{f', last heard {when(device.said_at)}' if device.said_at else ''}"
    )


def sync_check(alive: bool, word: SyncWord | None) -> Check:
    if not alive:
        return Check(
            "sync", WARN, "not running: nothing is delivered to the cloud", "start it: `goatdev sync`"
        )
    if word is None or word.is_stale:
        return Check("sync", OK, "running")
    if word.lost:
        return Check("sync", WARN, f"the cloud is lost: {word.lost}", "results wait here; check the network")
    return Check("sync", OK, f"running, {word.memory_bytes / 2**20:.0f} MB")


def when(text: str) -> str:
    at = moment(text)
    return local_time(at) if at else "a moment that nobody knows"
