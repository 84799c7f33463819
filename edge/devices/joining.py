"""Which tag and which weight belong to a press. A wrong goat is worse than none, and so is another goat's weight."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from edge.devices.weights import ScaleReading
from edge.records import Weight

# A tag that has named a capture names another only when it is read again so shortly before the press.
AGAIN_S = 5.0


@dataclass(frozen=True, slots=True)
class TagRead:
    """A tag that the reader saw."""

    tag: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Weighing:
    """What the scale showed."""

    reading: ScaleReading
    at: datetime


@dataclass(frozen=True, slots=True)
class Window:
    """The time around a press in which what is heard belongs to it, seconds."""

    before_s: float
    after_s: float

    def holds(self, at: datetime, pressed_at: datetime) -> bool:
        return -self.before_s <= (at - pressed_at).total_seconds() <= self.after_s

    def end(self, pressed_at: datetime) -> datetime:
        return pressed_at + timedelta(seconds=self.after_s)


def tags_of(
    reads: Sequence[TagRead], pressed_at: datetime, window: Window, used_until: Mapping[str, datetime]
) -> tuple[str, ...]:
    """The tags that may be the goat's: one names it, two leave it unnamed.

    used_until  tag -> until when it belonged to an earlier capture
    """
    again = Window(min(AGAIN_S, window.before_s), window.after_s)

    def counts(read: TagRead) -> bool:
        until = used_until.get(read.tag)
        if until is None:
            return window.holds(read.at, pressed_at)
        return read.at > until and again.holds(read.at, pressed_at)

    return tuple(dict.fromkeys(read.tag for read in reads if counts(read)))


def weight_of(weighings: Sequence[Weighing], pressed_at: datetime, window: Window) -> Weight | None:
    """The last stable weight before the press, else the first after it, with no empty scale in between.

    weighings  oldest first
    """
    near = [one for one in weighings if window.holds(one.at, pressed_at)]
    before = [one for one in near if one.at <= pressed_at]
    after = [one for one in near if one.at > pressed_at]
    return first_stable(before[::-1]) or first_stable(after)


def first_stable(weighings: Sequence[Weighing]) -> Weight | None:
    """The first stable reading while the goat is on the scale."""
    for one in weighings:
        if not one.reading.is_a_goats:
            return None
        if one.reading.stable:
            return one.reading.as_weight()
    return None
