"""A station with a tag reader and a scale on real serial ports, which here are pseudo-terminals."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from edge.app import open_station
from edge.config import Config, load_config
from edge.devices.report import Device, read_devices
from edge.keeping.store import Store
from edge.records import Capture
from edge.triggers import new_trigger
from tests.conftest import CONFIG, SAMPLES
from tests.edge.test_serial_lines import Cable
from tests.live import running_station, wait_until

# Longer than a capture takes on any machine.
DEVICES = """
[reader]
source = "serial:{reader}"
after_s = 60
[scale]
source = "serial:{scale}"
max_age_s = 60
"""
HEIDI, FLORA = "982000001088420", "840003123456789"


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Cable]:
    cable = Cable(tmp_path / "reader")
    yield cable
    cable.unplug()


@pytest.fixture
def scale(tmp_path: Path) -> Iterator[Cable]:
    cable = Cable(tmp_path / "scale")
    yield cable
    cable.unplug()


@pytest.fixture
def config(tmp_path: Path, reader: Cable, scale: Cable) -> Config:
    path = tmp_path / "goatdev.toml"
    path.write_text(CONFIG.format(samples=SAMPLES) + DEVICES.format(reader=reader.path, scale=scale.path))
    return load_config(path)


def told(config: Config, name: str) -> Device:
    return read_devices(config.devices_path).get(name, Device(name))


def send_until_heard(config: Config, name: str, cable: Cable, lines: bytes) -> None:
    """A port that is just being opened forgets what came before."""

    def heard() -> str:
        cable.send(lines)
        return told(config, name).said_at

    wait_until(heard)


@contextmanager
def running(config: Config) -> Iterator[Store]:
    """The station, and the store as another process would see it."""
    with running_station(config):
        wait_until(config.devices_path.exists)
        with Store(config.database_path) as store:
            yield store


def test_a_press_is_stored_with_the_tag_and_the_weight_of_the_goat_that_stands_there(
    config: Config, reader: Cable, scale: Cable
) -> None:
    with open_station(config) as station:
        send_until_heard(config, "scale", scale, b"US,GS,+00120.0lb\r\nST,GS,+00121.5lb\r\n")
        send_until_heard(config, "reader", reader, b"LA 982 000001088420\r\n")
        done = station.serve(station.store.press(new_trigger("mqtt"), "barn1"))
        kept = station.store.capture(done.id)
    assert (kept.goat_id, kept.goat_source) == (HEIDI, "reader")
    assert kept.weight is not None
    assert (round(kept.weight.kg, 2), kept.weight.source) == (55.11, "scale")
    assert kept.weight.raw == "ST,GS,+00121.5lb"


def test_what_comes_shortly_after_the_press_is_added_and_a_second_tag_takes_the_name_back(
    config: Config, reader: Cable, scale: Cable
) -> None:
    with running(config) as store:
        pressed = store.press(new_trigger("mqtt"), "barn1").id

        def capture() -> Capture:
            return store.capture(pressed)

        wait_until(lambda: not capture().is_unfinished)
        assert (capture().goat_id, capture().weight) == (None, None)
        reader.send(b"A982000001088420\r")
        scale.send(b"ST,GS,+00121.5lb\r\n")
        wait_until(lambda: capture().goat_id == HEIDI and capture().weight)
        reader.send(b"0840003123456789\r\n")
        wait_until(lambda: capture().goat_note)
        assert capture().goat_id is None
        sequences = store.all("SELECT sequence FROM outbox ORDER BY id")
        assert [row["sequence"] for row in sequences] == list(range(len(sequences)))
        assert len(sequences) >= 3


def test_a_reader_that_is_not_there_stops_nothing_and_is_told(config: Config, reader: Cable) -> None:
    reader.unplug()
    with open_station(config) as station:
        wait_until(lambda: "is not there" in told(config, "reader").lost)
        done = station.serve(station.store.press(new_trigger("mqtt"), "barn1"))
        assert done.revision is not None
        assert done.goat_id is None
    reader.plug()
