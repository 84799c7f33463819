"""Live pictures are there while somebody looks, and never in the way of a press."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread

from edge import preview
from edge.app import Station, run_station
from edge.cameras.simulated import SimulatedCamera
from edge.cameras.tended import TendedCamera
from edge.config import Config, load_config
from edge.images import size_of
from edge.keeping.store import Store
from edge.records import Status
from edge.triggers import new_trigger
from tests.live import wait_until


def refresh_until(station: Station, true: Callable[[], object]) -> None:
    def refreshed() -> object:
        station.previews.refresh()
        return true()

    wait_until(refreshed)


def test_nobody_looks_and_nothing_is_written(station: Station) -> None:
    for _ in range(20):
        station.previews.refresh()
    assert not station.config.preview_folder.exists()


def test_while_somebody_looks_small_pictures_of_all_cameras_come_and_go_on_coming(station: Station) -> None:
    folder = station.config.preview_folder
    preview.want(folder)
    refresh_until(station, lambda: all(preview.latest(folder, view) for view in station.rig.cameras))
    size = size_of(preview.latest(folder, "side") or b"")
    assert size is not None
    assert max(size) <= 640
    first = (folder / "side.jpg").stat().st_mtime_ns
    refresh_until(station, lambda: (folder / "side.jpg").stat().st_mtime_ns > first)


def test_when_nobody_looks_any_more_the_pictures_go(station: Station) -> None:
    folder = station.config.preview_folder
    preview.want(folder)
    refresh_until(station, lambda: preview.latest(folder, "side"))
    long_ago = time.time() - preview.WANTED_S - 1
    os.utime(folder / preview.WANTED, (long_ago, long_ago))
    station.previews.refresh()
    assert preview.latest(folder, "side") is None
    assert not list(folder.glob("*.jpg"))


def test_a_picture_that_is_some_seconds_old_is_not_a_live_one(tmp_path: Path) -> None:
    (tmp_path / "side.jpg").write_bytes(b"goat")
    assert preview.latest(tmp_path, "side") == b"goat"
    for away_s in (-60, 60):  # also where the clock has jumped
        at = time.time() + away_s
        os.utime(tmp_path / "side.jpg", (at, at))
        assert preview.latest(tmp_path, "side") is None


def test_an_unplugged_camera_shows_no_old_picture_and_leaves_the_others(station: Station) -> None:
    folder = station.config.preview_folder
    preview.want(folder)
    refresh_until(station, lambda: preview.latest(folder, "side"))
    camera_of(station, "side").unplugged = True
    refresh_until(station, lambda: preview.latest(folder, "side") is None)
    newer = (folder / "top.jpg").stat().st_mtime_ns
    refresh_until(station, lambda: (folder / "top.jpg").stat().st_mtime_ns > newer)


def test_a_camera_that_hangs_holds_up_nobody(station: Station) -> None:
    camera_of(station, "side").stalled = True
    station.rig.cameras["side"].ask(lambda device: device.shoot())
    preview.want(station.config.preview_folder)
    begun = time.monotonic()
    for _ in range(10):
        station.previews.refresh()
    assert time.monotonic() - begun < 1
    camera_of(station, "side").stalled = False


def camera_of(station: Station, view: str) -> SimulatedCamera:
    tended = station.rig.cameras[view]
    assert isinstance(tended, TendedCamera)
    assert isinstance(tended.source, SimulatedCamera)
    return tended.source


def test_during_a_press_no_live_picture_is_taken(config_path: Path) -> None:
    text = config_path.read_text().replace("burst_shots = 1", "burst_shots = 2\nburst_s = 0.8")
    config_path.write_text(text)
    config: Config = load_config(config_path)
    stop = Event()
    station = Thread(target=run_station, args=(config, stop))
    station.start()
    side, taken = config.preview_folder / "side.jpg", set()
    try:
        with Store(config.database_path) as store:
            preview.want(config.preview_folder)
            wait_until(side.exists, 30)
            capture = store.press(new_trigger("command"), config.station.id)
            wait_until(lambda: store.capture(capture.id).status is Status.PROCESSING)
            while store.capture(capture.id).status is Status.PROCESSING:
                preview.want(config.preview_folder)
                taken.add(side.stat().st_mtime_ns)
                time.sleep(0.01)
            assert store.capture(capture.id).status is Status.COMPLETED
        last = max(taken)
        wait_until(lambda: side.stat().st_mtime_ns > last)
    finally:
        stop.set()
        station.join(30)
    assert len(taken) == 1
