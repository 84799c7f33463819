"""What a press asks of the cameras: shots over a second, and no camera's failure is another's."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from threading import BoundedSemaphore
from typing import ClassVar

import pytest

from edge.cameras import Rig
from edge.cameras.simulated import SimulatedCamera, Stage
from edge.cameras.tended import TendedCamera
from edge.errors import CaptureError, FrozenPicture
from edge.records import Burst, Frame, Lack, utc_now
from tests.conftest import jpeg


class Blinking:
    """A camera that gives a frame where it is told to, and the picture of a cable where not."""

    def __init__(self, view: str, works: Sequence[bool]) -> None:
        self.view, self.works, self.closed = view, list(works), False

    def shoot(self) -> Frame:
        if not self.works.pop(0):
            raise CaptureError(f"{self.view}: no frame", "check the cable")
        return Frame(self.view, b"picture", utc_now())

    def rest(self) -> None:
        pass

    def close(self) -> None:
        self.closed = True


def burst_of(rig: Rig) -> Burst:
    return Burst(tuple(rig.burst()))


def test_a_burst_is_spread_over_its_time_and_tells_how_long_it_took() -> None:
    rig = Rig({view: Blinking(view, [True] * 3) for view in ("side", "top")}, burst_shots=3, burst_s=0.2)
    burst = burst_of(rig)
    assert [len(shot.frames) for shot in burst.shots] == [2, 2, 2]
    starts = [shot.frames[0].exposed_at for shot in burst.shots]
    pauses = [(after - before).total_seconds() for before, after in pairwise(starts)]
    assert all(pause > 0.05 for pause in pauses), pauses
    assert 150 <= burst.burst_ms <= 1000
    assert burst.spread_ms < burst.burst_ms / 2


def test_each_shot_is_there_before_the_next_is_due() -> None:
    rig = Rig({"side": Blinking("side", [True] * 2)}, burst_shots=2, burst_s=10.0)
    begun = time.monotonic()
    assert next(rig.burst()).frames
    assert time.monotonic() - begun < 5


def test_one_shot_waits_for_nothing() -> None:
    burst = burst_of(Rig({"side": Blinking("side", [True])}, burst_shots=1, burst_s=10.0))
    assert (len(burst.shots), burst.burst_ms) == (1, 0.0)


def test_a_camera_that_fails_in_one_shot_loses_neither_the_others_nor_its_own_later_ones() -> None:
    rig = Rig({"side": Blinking("side", [True, True, True]), "top": Blinking("top", [True, False, True])}, 3)
    burst = burst_of(rig)
    assert [[frame.view for frame in shot.frames] for shot in burst.shots] == [
        ["side", "top"],
        ["side"],
        ["side", "top"],
    ]
    lack = Lack("top: no frame (check the cable)", "no_picture")
    assert [shot.missing for shot in burst.shots] == [{}, {"top": lack}, {}]


class Slow:
    """A camera that takes its time and notes when it was at work."""

    def __init__(self, view: str) -> None:
        self.view = view
        self.worked: list[tuple[float, float]] = []

    def shoot(self) -> Frame:
        begun = time.monotonic()
        time.sleep(0.05)
        self.worked.append((begun, time.monotonic()))
        return Frame(self.view, b"", utc_now())


@pytest.mark.parametrize("at_once", [1, 2, 3])
def test_no_more_cameras_expose_at_once_than_the_bus_allows(at_once: int) -> None:
    cameras = [Slow(view) for view in ("side", "top", "front")]
    Rig({one.view: one for one in cameras}, at_once=at_once).shoot()
    works = [work for one in cameras for work in one.worked]
    most = max(sum(begun <= other[0] < ended for begun, ended in works) for other in works)
    assert most == at_once


class OnABus:
    """A camera, and where it is plugged in, that counts how many of its kind stream at the same time."""

    streaming: ClassVar[set[str]] = set()
    most: ClassVar[int] = 0

    def __init__(self, view: str) -> None:
        self.view = view

    def open(self) -> OnABus:
        return self

    def stream(self) -> None:
        self.streaming.add(self.view)
        OnABus.most = max(OnABus.most, len(self.streaming))
        time.sleep(0.02)

    def shoot(self) -> Frame:
        self.stream()
        return Frame(self.view, str(time.monotonic()).encode(), utc_now())

    def preview(self) -> bytes:
        self.stream()
        return b"small"

    def rest(self) -> None:
        self.streaming.discard(self.view)

    def check(self) -> None:
        pass

    def close(self) -> None:
        self.rest()


def test_on_a_bus_for_one_neither_shots_nor_live_pictures_meet() -> None:
    OnABus.most = 0
    bus = BoundedSemaphore(1)
    cameras = {view: TendedCamera(view, OnABus(view), 2.0, bus) for view in ("side", "top", "front")}
    rig = Rig(cameras, burst_shots=3, at_once=1)
    live = [camera.ask_preview() for camera in cameras.values()]
    shots = list(rig.burst())
    rig.close()
    assert [one.result() for one in live] == [b"small"] * 3
    assert all(len(shot.frames) == 3 for shot in shots)
    assert OnABus.most == 1


# Goats on the simulated stage.


def folder_of(tmp_path: Path, pictures: dict[str, bytes]) -> Path:
    for name, content in pictures.items():
        path = tmp_path / f"{name}.jpg"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
    return tmp_path


def test_a_simulated_goat_keeps_its_place_for_a_burst_and_may_change_its_posture(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, {"a/side": b"a", "a/side_2": b"a moved", "b/side": b"b"})
    stage = Stage()
    rig = Rig({"side": SimulatedCamera("side", folder, stage)}, 3, before_shot=stage.set_for)
    seen = [shot.frames[0].jpeg for _ in range(3) for shot in rig.burst()]
    assert seen == [b"a", b"a moved", b"a", b"b", b"b", b"b", b"a", b"a moved", b"a"]


def test_a_simulated_camera_that_was_unplugged_comes_back_to_the_same_goat_as_the_others(
    tmp_path: Path,
) -> None:
    folder = folder_of(tmp_path, {"a/side": b"a", "a/top": b"a", "b/side": b"b", "b/top": b"b"})
    stage = Stage()
    cameras = {view: SimulatedCamera(view, folder, stage) for view in ("side", "top")}
    rig = Rig(cameras, before_shot=stage.set_for)
    cameras["side"].unplugged = True
    assert [frame.jpeg for frame in next(rig.burst()).frames] == [b"a"]
    cameras["side"].unplugged = False
    assert [frame.jpeg for frame in next(rig.burst()).frames] == [b"b", b"b"]


def test_a_picture_that_is_played_again_differs_and_shows_the_same(tmp_path: Path) -> None:
    from edge.images import decode

    camera = SimulatedCamera("side", folder_of(tmp_path, {"a/side": jpeg()}))
    first, again = camera.shoot().jpeg, camera.shoot().jpeg
    assert first == jpeg()
    assert first != again
    assert (decode(first, "first").rgb == decode(again, "again").rgb).all()


# A camera that is tended.


@contextmanager
def tended(
    folder: Path, limit_s: float = 1.0, **broken: bool
) -> Iterator[tuple[SimulatedCamera, TendedCamera]]:
    camera = SimulatedCamera(
        "side", folder_of(folder, {"a/side": jpeg()}), faults_file=folder / "faults.toml"
    )
    for fault, there in broken.items():
        setattr(camera, fault, there)
    keeper = TendedCamera("side", camera, limit_s)
    keeper.wait_for_first_try(5)
    try:
        yield camera, keeper
    finally:
        keeper.close()


def first_frame(keeper: TendedCamera, within_s: float) -> Frame:
    """What presses get in the end, one after the other."""
    end = time.monotonic() + within_s
    while True:
        try:
            return keeper.shoot()
        except CaptureError:
            if time.monotonic() > end:
                raise


def test_a_camera_that_is_absent_at_the_start_is_there_once_it_is_plugged_in(tmp_path: Path) -> None:
    with tended(tmp_path, unplugged=True) as (camera, keeper):
        with pytest.raises(CaptureError, match="no frame"):
            keeper.shoot()
        camera.unplugged = False
        assert keeper.shoot().jpeg == jpeg()


def test_a_camera_comes_back_fifty_times(tmp_path: Path) -> None:
    with tended(tmp_path) as (camera, keeper):
        for _ in range(50):
            camera.unplugged = True
            with pytest.raises(CaptureError, match="no frame"):
                keeper.shoot()
            camera.unplugged = False
            assert keeper.shoot().jpeg


def test_a_lost_camera_is_opened_again_without_being_asked(tmp_path: Path) -> None:
    with tended(tmp_path) as (camera, keeper):
        camera.unplugged = True
        with pytest.raises(CaptureError):
            keeper.shoot()
        camera.unplugged = False
        end = time.monotonic() + 10
        while keeper.lost and time.monotonic() < end:
            time.sleep(0.02)
        assert keeper.lost is None


def test_a_frozen_camera_gives_no_picture_and_is_started_anew(tmp_path: Path) -> None:
    with tended(tmp_path) as (camera, keeper):
        keeper.shoot()
        camera.frozen = True
        for _ in range(3):
            with pytest.raises(FrozenPicture, match="had given before"):
                keeper.shoot()
        camera.frozen = False
        assert keeper.shoot().jpeg


def test_a_stalled_camera_costs_one_time_limit_and_then_nobody_waits_for_it(tmp_path: Path) -> None:
    with tended(tmp_path, limit_s=0.2, stalled=True) as (camera, keeper):
        begun = time.monotonic()
        with pytest.raises(CaptureError, match=r"no picture within 0\.2 s"):
            keeper.shoot()
        assert 0.15 < time.monotonic() - begun < 2
        begun = time.monotonic()
        for _ in range(20):
            with pytest.raises(CaptureError, match="no picture within"):
                keeper.shoot()
        assert time.monotonic() - begun < 0.2
        camera.stalled = False
        assert first_frame(keeper, within_s=5).jpeg


def test_a_stalled_camera_holds_up_no_other(tmp_path: Path) -> None:
    with tended(tmp_path, limit_s=0.2, stalled=True) as (_, keeper):
        for at_once in (1, 3):
            rig = Rig({"side": keeper, "top": Blinking("top", [True])}, at_once=at_once)
            shot = rig.shoot()
            assert [frame.view for frame in shot.frames] == ["top"]
            assert list(shot.missing) == ["side"]


def test_a_program_mistake_in_a_camera_ends_the_station_and_is_no_missing_picture(tmp_path: Path) -> None:
    with tended(tmp_path) as (camera, keeper):
        camera.pictures = []
        with pytest.raises(ZeroDivisionError):
            keeper.shoot()


class NeverOpens:
    """A source whose program is wrong."""

    def open(self) -> OnABus:
        raise ZeroDivisionError


def test_a_program_mistake_while_a_camera_is_opened_ends_the_station_too() -> None:
    keeper = TendedCamera("side", NeverOpens(), 0.5)
    keeper.wait_for_first_try(5)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            keeper.shoot()


def test_closing_twice_is_fine_and_a_closed_camera_is_let_go(tmp_path: Path) -> None:
    with tended(tmp_path) as (_, keeper):
        keeper.close()
        assert not keeper.thread.is_alive()
        keeper.close()


# Faults by hand.


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('side = "unplugged"', "no frame"),
        ('side = "unpluged"', "unknown fault"),
        ("side = unplugged", "faults.toml"),
    ],
)
def test_a_fault_can_be_asked_for_in_a_file_while_the_camera_runs(
    tmp_path: Path, line: str, message: str
) -> None:
    with tended(tmp_path) as (_, keeper):
        keeper.shoot()
        (tmp_path / "faults.toml").write_text(line)
        with pytest.raises(CaptureError, match=message):
            keeper.shoot()
        (tmp_path / "faults.toml").unlink()
        assert keeper.shoot().jpeg


def test_a_fault_of_another_view_leaves_the_camera_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "faults.toml").write_text('top = "unplugged"\nside = ""')
    with tended(tmp_path) as (_, keeper):
        assert keeper.shoot().jpeg == jpeg()


def test_an_idle_camera_that_is_unplugged_is_noticed_before_the_next_press(tmp_path: Path) -> None:
    with tended(tmp_path) as (camera, keeper):
        camera.unplugged = True
        end = time.monotonic() + 10
        while keeper.lost is None:
            assert time.monotonic() < end
            time.sleep(0.02)
