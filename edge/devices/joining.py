"""Which tag and which weight belong to a press. A wrong goat is worse than none, and so is another goat's weight.

All moments are seconds since the boot: a wall clock that is set between a tag and its press parts them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edge.devices.weights import ScaleReading
from edge.records import Weight

# A tag that has named a capture names another only when it is read again so shortly before the press.
AGAIN_S = 5.0


@dataclass(frozen=True, slots=True)
class TagRead:
    """A tag that the reader saw."""

    tag: str
    at_s: float


@dataclass(frozen=True, slots=True)
class Weighing:
    """What the scale showed."""

    reading: ScaleReading
    at_s: float


@dataclass(frozen=True, slots=True)
class Window:
    """The time around a press in which what is heard belongs to it, seconds."""

    before_s: float
    after_s: float

    def holds(self, at_s: float, pressed_s: float) -> bool:
        return -self.before_s <= at_s - pressed_s <= self.after_s

    def end_s(self, pressed_s: float) -> float:
        return pressed_s + self.after_s


def tags_of(
    reads: Sequence[TagRead], pressed_s: float, window: Window, used_until_s: Mapping[str, float]
) -> tuple[str, ...]:
    """The tags that may be the goat's: one names it, two leave it unnamed.

    used_until_s  tag -> until when it belonged to an earlier capture
    """
    again = Window(min(AGAIN_S, window.before_s), window.after_s)

    def counts(read: TagRead) -> bool:
        until_s = used_until_s.get(read.tag)
        if until_s is None:
            return window.holds(read.at_s, pressed_s)
        return read.at_s > until_s and again.holds(read.at_s, pressed_s)

    return tuple(dict.fromkeys(read.tag for read in reads if counts(read)))


def weight_of(weighings: Sequence[Weighing], pressed_s: float, window: Window) -> Weight | None:
    """The last stable weight before the press, else the first after it, with no empty scale in between.

    weighings  oldest first
    """
    near = [one for one in weighings if window.holds(one.at_s, pressed_s)]
    before = [one for one in near if one.at_s <= pressed_s]
    after = [one for one in near if one.at_s > pressed_s]
    return first_stable(before[::-1]) or first_stable(after)


def first_stable(weighings: Sequence[Weighing]) -> Weight | None:
    """The first stable reading while the goat is on the scale."""
    for one in weighings:
        if not one.reading.is_a_goats:
            return None
        if one.reading.stable:
            return one.reading.as_weight()
    return None
