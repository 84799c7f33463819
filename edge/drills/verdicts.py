"""How a drill ends."""

from __future__ import annotations


class DrillFailed(Exception):
    """The station did not do what it promises; the text says what was seen."""


class DrillSkipped(Exception):
    """This machine cannot play the drill; the text says why."""


def require(true: object, seen: str) -> None:
    """Go on, or fail with what was seen instead."""
    if not true:
        raise DrillFailed(seen)
