"""A clock that starts at 1970 and is set in the middle of the day's work."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from edge.app import Station, open_station
from edge.drills.scratch import Scratch
from edge.drills.verdicts import require
from edge.records import Capture, Clock, Stamp, Status
from edge.triggers import new_trigger

STARTED_AT = datetime(1970, 1, 1, 0, 1, tzinfo=UTC)
TRUE_TIME = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


class MovableClock:
    """The clocks of a machine that was just switched on and has no battery."""

    def __init__(self) -> None:
        self.at, self.source, self.since_boot_s = STARTED_AT, "unsynchronised", 60.0

    def __call__(self) -> Stamp:
        return Stamp(self.at, Clock(self.source, 0, "drill", self.since_boot_s))


def clock_corrected(scratch: Scratch) -> str:
    """A goat is measured at a clock of 1970, which is then set: the goat gets its true time, the next press counts."""
    clock = MovableClock()
    with open_station(scratch.config, clock) as station:
        first = served(station, clock)
        pressed = station.store.press(new_trigger("dashboard", clock=clock), "drill")
        clock.since_boot_s += 1
        clock.at, clock.source = TRUE_TIME, "ntp"
        require(station.serve(pressed).status is Status.COMPLETED, "the clock's jump made a fresh press old")
        late = served(station, clock)
        scratch.wait(lambda: is_dated(station, first), "the first capture gets its true time")
        corrected = station.store.capture(first.id)
        order = [one.id for one in station.store.captures()]
    expected = TRUE_TIME - timedelta(seconds=1)
    require(corrected.taken_at == expected, f"the capture is dated {corrected.taken_at}, not {expected}")
    require(corrected.trigger.requested_at == STARTED_AT, "what the clock had said is lost")
    require(order == [late.id, pressed.id, first.id], "the jump changed the order of captures")
    assert corrected.dating is not None
    return f"dated {corrected.taken_at:%Y-%m-%d %H:%M} UTC; {corrected.dating.note}"


def served(station: Station, clock: Callable[[], Stamp]) -> Capture:
    done = station.serve(station.store.press(new_trigger("dashboard", clock=clock), "drill"))
    require(done.status is Status.COMPLETED, f"a press came to {done.status}: {done.failure}")
    return done


def is_dated(station: Station, capture: Capture) -> bool:
    station.chores.do_next()
    return station.store.capture(capture.id).time_state == "corrected"
