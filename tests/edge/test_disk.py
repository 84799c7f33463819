"""A disk that fills up, on a real small one: said at every door, nothing half-written, and on by itself afterwards."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from dashboard import create_app
from edge.app import Station, open_station, run_station
from edge.cli import main
from edge.config import Config, load_config
from edge.errors import ConfigError, DiskFull, DiskTrouble
from edge.keeping.archive import Archive
from edge.keeping.disk import Reserve, disk_below, require_room
from edge.keeping.store import Store
from edge.mqtt.buttons import Button, Press
from edge.mqtt.presses import Presses
from edge.records import Status, Trigger
from edge.settings import ButtonConfig, DiskConfig
from edge.triggers import new_trigger
from tests.conftest import CONFIG, SAMPLES, jpeg
from tests.edge.small_disks import MIB, SmallDisk, mounted
from tests.live import wait_until


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with mounted(tmp_path / "data", "size=24m") as disk:
        yield disk


@pytest.fixture
def on_disk(disk: SmallDisk, tmp_path: Path) -> Config:
    path = tmp_path / "goatdev.toml"
    path.write_text(CONFIG.format(samples=SAMPLES))
    return load_config(path)


def captures(config: Config) -> int:
    with Store(config.database_path) as store:
        return sum(store.counts().values())


def test_how_full_a_disk_is_counts_bytes_and_files(tmp_path: Path) -> None:
    with mounted(tmp_path / "small", "size=4m,nr_inodes=100") as disk:
        assert disk_below(disk.folder / "not" / "yet").used < 0.1
        disk.fill_to(0.75)
        assert disk_below(disk.folder).bytes_used == pytest.approx(0.75, abs=0.02)
        disk.empty()
        for number in range(90):
            (disk.folder / str(number)).touch()
        found = disk_below(disk.folder)
        assert found.bytes_used < 0.1
        assert found.used == found.files_used > 0.88
        assert "inodes" in found.words


@pytest.mark.parametrize(
    ("table", "key"),
    [("warn = 0.05", "warn"), ("refuse = 1.0", "refuse"), ("prune = 0.97", "prune"), ("warn = 0.93", "warn")],
)
def test_thresholds_that_make_no_sense_are_refused(table: str, key: str, tmp_path: Path) -> None:
    path = tmp_path / "goatdev.toml"
    path.write_text(f"{CONFIG.format(samples=SAMPLES)}\n[disk]\n{table}\n")
    with pytest.raises(ConfigError, match=key):
        load_config(path)


class Heard:
    """What a button's lamp would hear."""

    def __init__(self) -> None:
        self.said: list[dict] = []

    def publish(self, _topic: str, payload: str, retain: bool = False) -> bool:
        self.said.append(json.loads(payload))
        return True


def test_every_door_refuses_a_press_on_a_full_disk_and_writes_nothing(
    disk: SmallDisk, on_disk: Config, capsys: pytest.CaptureFixture[str]
) -> None:
    with Store(on_disk.database_path) as store:
        known = store.press(new_trigger("dashboard", trigger_id="known"), "barn1")
    disk.fill_to(0.96)
    before = captures(on_disk)
    client = create_app(on_disk).test_client()

    answer = client.post("/api/v1/captures", json={})
    assert (answer.status_code, "the disk is full" in answer.json["error"]) == (507, True)
    assert "goatdev prune" in answer.json["hint"]
    page = client.post("/captures", data={})
    assert (page.status_code, "The disk is full" in page.text) == (507, True)

    assert main(["capture", "--config", str(on_disk.folder / "goatdev.toml")]) == 1
    assert "the disk is full" in capsys.readouterr().err

    heard = Heard()
    button = Button(ButtonConfig("plain", "barn/button"), 0)
    Presses(on_disk, heard, threading.Event(), lambda: None).take(button, Press(request_id="r1"))  # type: ignore[arg-type]
    assert [(one["state"], one["trigger_id"]) for one in heard.said] == [("disk_full", "r1")]
    assert "full" in heard.said[0]["text"]

    assert captures(on_disk) == before
    assert client.post("/api/v1/captures", json={"request_id": "known"}).json["capture_id"] == known.id
    assert client.get("/api/v1/health").status_code == 503
    disk.empty()
    assert client.post("/api/v1/captures", json={}).status_code == 202


def test_a_press_that_waited_while_the_disk_filled_is_closed_with_the_reason(
    disk: SmallDisk, on_disk: Config
) -> None:
    with open_station(on_disk) as station:
        waiting = station.store.press(new_trigger("command"), "barn1")
        disk.fill_to(0.96)
        done = station.serve(waiting)
        assert (done.status, done.images) == (Status.FAILED, ())
        assert "the disk is full" in (station.store.capture(waiting.id).failure or "")
        disk.empty()
        assert station.serve(station.store.press(new_trigger("command"), "barn1")).status is Status.COMPLETED


def test_a_disk_that_others_fill_in_the_middle_of_a_capture_keeps_what_it_has_and_the_station_goes_on(
    disk: SmallDisk, tmp_path: Path
) -> None:
    path = tmp_path / "goatdev.toml"
    path.write_text(f"{CONFIG.format(samples=SAMPLES)}\n[disk]\nrefuse = 0.99\n")
    config = load_config(path)
    with open_station(config) as station:
        waiting = station.store.press(new_trigger("command"), "barn1")
        disk.leave(500 * 1024)  # one or two of the three pictures
        done = station.serve(waiting)
        stored = station.store.capture(waiting.id)
        assert stored == station.store.capture(done.id)
        assert stored.status is Status.FAILED
        assert "the disk is full" in (stored.failure or "")
        assert 1 <= len(stored.images_of("raw")) < 3
        assert all(station.archive.read(image) for image in stored.images)
        assert not list(config.image_folder.rglob("*.part"))
        disk.empty()
        again = station.serve(station.store.press(new_trigger("command"), "barn1"))
        assert again.status is Status.COMPLETED


def test_a_station_without_any_room_waits_says_so_once_and_recovers_by_itself(
    disk: SmallDisk, on_disk: Config, caplog: pytest.LogCaptureFixture
) -> None:
    """Not even a row can be written: what was interrupted is closed when there is room again."""
    with Store(on_disk.database_path) as store:
        begun = store.begin(store.press(new_trigger("command"), "barn1"))
        image = Archive(on_disk.image_folder).save(begun.id, "side", "raw", jpeg())
        while disk.free_bytes:
            disk.leave(0)
            with pytest.raises(DiskFull):
                for number in range(1000):
                    store.press(Trigger(f"{number}", "command", begun.trigger.requested_at), "barn1")
    stop = threading.Event()
    station = threading.Thread(target=run_station, args=(on_disk, stop))
    station.start()
    try:
        wait_until(lambda: "waits for its disk" in caplog.text)
        assert caplog.text.count("waits for its disk") == 1
        disk.empty()
        wait_until(lambda: "is ready" in caplog.text or closed(on_disk, begun.id))
        wait_until(lambda: closed(on_disk, begun.id))
    finally:
        stop.set()
        station.join(30)
    with Store(on_disk.database_path) as store:
        found = store.capture(begun.id)
        assert (found.status, found.images_of("raw")) == (Status.FAILED, (image,))


def closed(config: Config, capture_id: str) -> bool:
    with Store(config.database_path) as store:
        return not store.capture(capture_id).is_unfinished


def test_a_read_only_disk_is_told_as_such_and_waited_for(
    disk: SmallDisk, on_disk: Config, caplog: pytest.LogCaptureFixture
) -> None:
    with Store(on_disk.database_path):
        pass
    disk.remount("ro")
    with pytest.raises(DiskTrouble, match="read-only"):
        require_room(disk_below(on_disk.data_dir), on_disk.disk)
    client = create_app(on_disk).test_client()
    answer = client.post("/api/v1/captures", json={})
    assert answer.status_code == 503
    assert "read-only" in answer.json["error"]
    assert "replace the card" in answer.json["hint"]
    caplog.set_level("INFO")
    stop = threading.Event()
    station = threading.Thread(target=run_station, args=(on_disk, stop))
    station.start()
    try:
        wait_until(lambda: "read-only" in caplog.text)
        disk.remount("rw")
        wait_until(lambda: "is ready" in caplog.text)
    finally:
        stop.set()
        station.join(30)


def test_the_reserve_is_kept_while_there_is_room_and_is_room_when_there_is_none(disk: SmallDisk) -> None:
    reserve = Reserve(disk.folder / "reserve", DiskConfig())
    reserve.keep()
    disk.leave(0)
    assert disk.free_bytes == 0
    assert reserve.give_up()
    assert disk.free_bytes >= MIB
    reserve.keep()
    assert not reserve.give_up()


def test_a_station_that_is_open_keeps_its_reserve(station: Station) -> None:
    for _ in range(10):
        station.chores.do_next()
    assert station.config.reserve_path.stat().st_size == MIB or disk_below(station.config.data_dir).used > 0.8
