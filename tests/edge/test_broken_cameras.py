"""A running station whose cameras are unplugged, freeze, stall and tear goes on, says so, measures nothing stale."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread

import pytest

from edge.app import run_station
from edge.cameras.simulated import FAULTS_FILE
from edge.config import Config, load_config
from edge.keeping.store import Store
from edge.records import VIEWS, Capture, Status
from edge.triggers import new_trigger
from tests.conftest import CONFIG, SAMPLES

WAIT_S = 60.0


class Running:
    """The real station loop in a thread, its cameras broken by hand as an operator of the demo would."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.faults = config.folder / FAULTS_FILE
        self.stop = Event()
        self.thread = Thread(target=run_station, args=(config, self.stop))

    def break_(self, **faults: str) -> None:
        part = self.faults.with_suffix(".part")
        part.write_text("\n".join(f'{view} = "{fault}"' for view, fault in faults.items()))
        part.rename(self.faults)

    def mend(self) -> None:
        self.break_()

    def press(self) -> Capture:
        """What becomes of one press."""
        with Store(self.config.database_path) as store:
            capture = store.press(new_trigger("command"), self.config.station.id)
            end = time.monotonic() + WAIT_S
            while capture.status in (Status.QUEUED, Status.PROCESSING):
                assert time.monotonic() < end, "nobody serves the press"
                time.sleep(0.005)
                capture = store.capture(capture.id)
            return capture

    def press_until_whole(self) -> Capture:
        """The first press that has a picture of every view: within 10 s of mending there is one."""
        end = time.monotonic() + 10
        while views_taken(capture := self.press()) != set(VIEWS):
            assert time.monotonic() < end, "a camera did not come back within 10 s"
        return capture


@pytest.fixture
def config(tmp_path: Path) -> Config:
    path = tmp_path / "goatdev.toml"
    path.write_text(CONFIG.format(samples=SAMPLES).replace("[cameras]", "[cameras]\nlimit_s = 1.5"))
    return load_config(path)


@pytest.fixture
def running(config: Config) -> Iterator[Running]:
    running = Running(config)
    running.thread.start()
    yield running
    running.stop.set()
    running.thread.join(30)
    assert not running.thread.is_alive()


def codes(capture: Capture, view: str) -> set[str]:
    assert capture.revision is not None
    return {one.code for one in capture.revision.advice if one.view == view}


def views_taken(capture: Capture) -> set[str]:
    return {image.view for image in capture.images_of("raw")}


def measures(capture: Capture, view: str) -> bool:
    """Whether any number of the capture comes from a view."""
    assert capture.revision is not None
    return any(one.value is not None and view in one.views for one in capture.revision.measurements)


def test_a_camera_that_is_missing_at_the_start_measures_once_it_is_plugged_in(config: Config) -> None:
    running = Running(config)
    running.break_(top="unplugged")
    running.thread.start()
    try:
        without = running.press()
        assert without.status is Status.COMPLETED
        assert views_taken(without) == {"side", "front"}
        assert codes(without, "top") == {"no_picture"}
        running.mend()
        assert measures(running.press_until_whole(), "top")
    finally:
        running.stop.set()
        running.thread.join(30)


def test_fifty_times_unplugged_and_plugged_in_the_same_station_measures_on(running: Running) -> None:
    """A press at every tenth time, with and without its camera."""
    for time_out in range(50):
        view = VIEWS[time_out % 3]
        running.break_(**{view: "unplugged"})
        if time_out % 10 == 0:
            without = running.press()
            assert without.status is Status.COMPLETED
            assert view not in views_taken(without)
            assert codes(without, view) == {"no_picture"}
        running.mend()
    whole = running.press_until_whole()
    assert not any(codes(whole, view) for view in VIEWS)


def test_with_all_cameras_out_presses_fail_with_the_reason_and_the_station_goes_on(running: Running) -> None:
    running.break_(**dict.fromkeys(VIEWS, "unplugged"))
    failed = running.press()
    assert (failed.status, failed.failure) == (Status.FAILED, "no camera gave a picture")
    assert "side: no frame" in str(failed.hint)
    running.mend()
    assert running.press_until_whole().status is Status.COMPLETED


def test_a_frozen_picture_is_never_measured_nor_kept_as_if_it_were_one(running: Running) -> None:
    running.press()
    running.break_(side="frozen")
    frozen = running.press()
    assert views_taken(frozen) == {"top", "front"}
    assert codes(frozen, "side") == {"camera_frozen"}
    assert not measures(frozen, "side")
    running.mend()
    fresh = running.press_until_whole()
    assert measures(fresh, "side")
    assert codes(fresh, "side") == set()


def test_a_camera_that_stalls_costs_its_time_limit_and_its_view(running: Running) -> None:
    running.break_(front="stalled")
    begun = time.monotonic()
    stalled = running.press()
    assert time.monotonic() - begun < WAIT_S / 4
    assert views_taken(stalled) == {"side", "top"}
    assert "no picture within 1.5 s" in next(
        one.text for one in stalled.revision.advice if one.view == "front"
    )
    running.mend()
    running.press_until_whole()


def test_torn_and_wrong_sized_pictures_are_kept_and_not_measured(running: Running) -> None:
    running.break_(side="corrupt", top="shrunk")
    broken = running.press()
    assert views_taken(broken) == set(VIEWS)
    assert not measures(broken, "side")
    assert "damaged image" in next(one.text for one in broken.revision.advice if one.view == "side")
    assert codes(broken, "top") == {"not_calibrated"}


@pytest.fixture
def burst(config: Config) -> Iterator[Running]:
    """A station with three shots at a press."""
    path = config.folder / "goatdev.toml"
    path.write_text(path.read_text().replace("burst_shots = 1", "burst_shots = 3\nburst_s = 0.6"))
    running = Running(load_config(path))
    running.thread.start()
    yield running
    running.stop.set()
    running.thread.join(30)


def test_a_camera_that_freezes_within_a_burst_is_measured_from_its_fresh_pictures_alone(
    burst: Running,
) -> None:
    """Unfrozen again before the next press, frozen after the first of its shots."""
    with Store(burst.config.database_path) as store:
        capture = store.press(new_trigger("command"), "barn1")
        folder = burst.config.image_folder / capture.id[:8] / capture.id
        end = time.monotonic() + WAIT_S
        while not list(folder.glob("side_raw.*")):
            assert time.monotonic() < end
            time.sleep(0.002)
        burst.break_(side="frozen")
        while store.capture(capture.id).status is not Status.COMPLETED:
            assert time.monotonic() < end
            time.sleep(0.01)
        done = store.capture(capture.id)
    assert [image.shot for image in done.taken("side")] == [1]
    assert [image.shot for image in done.taken("top")] == [1, 2, 3]
    assert codes(done, "side") == {"camera_frozen"}
    assert measures(done, "side")
