"""What a press asks of the cameras: shots over a second, and no camera's failure is another's."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pytest

from edge.cameras import Rig
from edge.cameras.simulated import SimulatedCamera
from edge.errors import CaptureError
from edge.records import Frame, utc_now


class Blinking:
    """A camera that gives a frame where it is told to, and the picture of a cable where not."""

    def __init__(self, view: str, works: Sequence[bool]) -> None:
        self.view, self.works, self.closed = view, list(works), False

    def shoot(self) -> Frame:
        if not self.works.pop(0):
            raise CaptureError(f"{self.view}: no frame", "check the cable")
        return Frame(self.view, b"picture", utc_now())

    def close(self) -> None:
        self.closed = True


def test_a_burst_is_spread_over_its_time_and_tells_how_long_it_took() -> None:
    rig = Rig({view: Blinking(view, [True] * 3) for view in ("side", "top")}, burst_shots=3, burst_s=0.2)
    burst = rig.shoot_burst()
    assert [len(shot.frames) for shot in burst.shots] == [2, 2, 2]
    starts = [shot.frames[0].exposed_at for shot in burst.shots]
    pauses = [(after - before).total_seconds() for before, after in pairwise(starts)]
    assert all(pause > 0.05 for pause in pauses), pauses
    assert 195 <= burst.burst_ms <= 1000
    assert burst.spread_ms < burst.burst_ms / 2


def test_one_shot_waits_for_nothing() -> None:
    burst = Rig({"side": Blinking("side", [True])}, burst_shots=1, burst_s=10.0).shoot_burst()
    assert (len(burst.shots), burst.burst_ms) == (1, 0.0)


def test_a_camera_that_fails_in_one_shot_loses_neither_the_others_nor_its_own_later_ones() -> None:
    rig = Rig({"side": Blinking("side", [True, True, True]), "top": Blinking("top", [True, False, True])}, 3)
    burst = rig.shoot_burst()
    assert [[frame.view for frame in shot.frames] for shot in burst.shots] == [
        ["side", "top"],
        ["side"],
        ["side", "top"],
    ]
    assert burst.missing() == {1: {}, 2: {"top": "top: no frame (check the cable)"}, 3: {}}


def test_a_shot_in_which_no_camera_worked_is_an_error_only_where_all_are_so() -> None:
    burst = Rig({"side": Blinking("side", [False, True])}, 2).shoot_burst()
    assert [len(shot.frames) for shot in burst.shots] == [0, 1]
    with pytest.raises(CaptureError, match="no camera gave a picture"):
        Rig({"side": Blinking("side", [False, False])}, 2).shoot_burst()


def test_a_simulated_goat_keeps_its_place_for_a_burst_and_may_change_its_posture(tmp_path: Path) -> None:
    for name, content in {"a/side": b"a", "a/side_2": b"a moved", "b/side": b"b"}.items():
        path = tmp_path / f"{name}.jpg"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
    camera = SimulatedCamera("side", tmp_path, burst_shots=3)
    assert [camera.shoot().jpeg for _ in range(7)] == [b"a", b"a moved", b"a", b"b", b"b", b"b", b"a"]


def test_a_simulated_camera_that_was_unplugged_comes_back_to_the_same_goat_as_the_others(
    tmp_path: Path,
) -> None:
    for goat in "ab":
        (tmp_path / goat).mkdir()
        (tmp_path / goat / "side.jpg").write_bytes(goat.encode())
    camera = SimulatedCamera("side", tmp_path)
    camera.unplugged = True
    with pytest.raises(CaptureError):
        camera.shoot()
    camera.unplugged = False
    assert camera.shoot().jpeg == b"b"
