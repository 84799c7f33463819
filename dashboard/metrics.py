"""The numbers that Prometheus collects. What is not known is left out: absent is not zero."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from statistics import quantiles

from dashboard.context import config, station_is_alive, store
from edge.document import software
from edge.errors import ConfigError
from edge.health.calibrated import read_views
from edge.health.database import last_capture, oldest_s, press_to_result_s
from edge.health.machine import read_machine
from edge.health.room import share_of_files_used, share_used
from edge.health.station import heard_sync, heard_word
from edge.keeping.outbox import Outbox
from edge.keeping.store import time_of
from edge.records import Status
from edge.word import STREAMING, StationWord, memory_bytes

Samples = Mapping[tuple[tuple[str, str], ...], float]


@dataclass(frozen=True, slots=True)
class Family:
    """One metric: labels -> value; a metric that has no labels has one value under ()."""

    name: str
    about: str
    samples: Samples
    kind: str = "gauge"

    def lines(self) -> Iterator[str]:
        """In Prometheus' text form."""
        if self.samples:
            yield f"# HELP {self.name} {self.about}"
            yield f"# TYPE {self.name} {self.kind}"
        for labels, value in self.samples.items():
            inside = ",".join(f'{name}="{escaped(text)}"' for name, text in labels)
            yield f"{self.name}{f'{{{inside}}}' if inside else ''} {float(value):.15g}"


def escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def one(value: float | None) -> Samples:
    return {} if value is None else {(): value}


def by(label: str, values: Mapping[str, float]) -> Samples:
    return {((label, key),): value for key, value in values.items()}


def exposition() -> str:
    """All of it, as it is now."""
    word = heard_word(config())
    families = [*kept(), *machine(word), *station(word), *services(word)]
    return "\n".join(line for family in families for line in family.lines()) + "\n"


def kept() -> Iterator[Family]:
    """What the database tells."""
    statuses = {status.value: 0 for status in Status} | store().counts()
    states = {"due": 0, "delivered": 0, "parked": 0} | Outbox(store()).backlog()
    last, times = last_capture(store()), press_to_result_s(store())
    yield Family("goatdev_captures", "Captures by status.", by("status", statuses))
    yield Family("goatdev_outbox", "Documents owed to the cloud by state.", by("state", states))
    about = "How long the oldest document that waits for the cloud has waited."
    yield Family("goatdev_outbox_oldest_seconds", about, one(oldest_s(store())))
    about = "When the newest capture was asked for, Unix time."
    yield Family(
        "goatdev_last_capture_timestamp_seconds", about, one(time_of(last.id).timestamp() if last else None)
    )
    about = "From press to result, the newest capture that has one."
    yield Family("goatdev_press_to_result_last_seconds", about, one(times[0] if times else None))
    about = "From press to result, over the latest captures."
    yield Family("goatdev_press_to_result_seconds", about, by("quantile", spread(times)), "summary")


def spread(times: list[float]) -> dict[str, float]:
    """quantile -> seconds."""
    if not times:
        return {}
    cuts = quantiles(times, n=10, method="inclusive") if len(times) > 1 else times * 9
    return {"0.5": cuts[4], "0.9": cuts[8], "1": max(times)}


def machine(word: StationWord | None) -> Iterator[Family]:
    """What the computer tells."""
    folder, known = config().data_dir, read_machine(word)
    power = known.power
    yield Family("goatdev_disk_used_ratio", "How full the disk is.", one(share_used(folder)))
    about = "How many of the files that the disk can hold are there."
    yield Family("goatdev_disk_inodes_used_ratio", about, one(share_of_files_used(folder)))
    yield Family("goatdev_temperature_celsius", "The processor's temperature.", one(known.temperature_c))
    about = "1 while the supply's voltage is too low."
    yield Family("goatdev_under_voltage", about, one(power.is_low if power else None))
    about = "1 if the supply's voltage was too low at any time since the computer's start."
    yield Family("goatdev_under_voltage_since_start", about, one(power.was_low if power else None))
    about = "1 while the clock is kept right by a time server."
    yield Family("goatdev_clock_synchronised", about, one(known.clock == "ntp"))


def station(word: StationWord | None) -> Iterator[Family]:
    """What the station says, and its calibration."""
    alive = station_is_alive()
    yield Family("goatdev_station_alive", "1 while the station process runs.", one(alive))
    info = (("version", software().removeprefix("goatdev ")), ("model", word.model if word else ""))
    yield Family("goatdev_build_info", "Version and, while the station runs, its model.", {info: 1})
    cameras = {view: camera.state == STREAMING for view, camera in word.cameras.items()} if word else {}
    yield Family("goatdev_camera_up", "1 while the camera of a view gives pictures.", by("view", cameras))
    connected = word.broker.is_connected if word and word.broker else None
    yield Family("goatdev_broker_connected", "1 while the MQTT broker is connected.", one(connected))
    yield Family("goatdev_calibration_age_seconds", "How old a view's calibration is.", by("view", ages_s()))


def ages_s() -> dict[str, float]:
    try:
        views = read_views(config().calibration_path)
    except ConfigError:
        return {}
    return {view: calibrated.age_s for view, calibrated in views.items() if calibrated.age_s is not None}


def services(word: StationWord | None) -> Iterable[Family]:
    memory = {"dashboard": memory_bytes()}
    memory |= {"station": word.memory_bytes} if word else {}
    sync = heard_sync(config())
    memory |= {"sync": sync.memory_bytes} if sync else {}
    return [Family("goatdev_process_resident_memory_bytes", "Memory of a service.", by("service", memory))]
