"""One finding, and the words that findings share."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from edge.errors import StationError
from edge.records import utc_now

OK, WARN, FAIL = "ok", "warn", "fail"
STATES = (OK, WARN, FAIL)


@dataclass(frozen=True, slots=True)
class Check:
    """One finding; `state` is ok, warn or fail, `hint` says what to do where something is to be done."""

    name: str
    state: str
    text: str
    hint: str = ""


def refused(name: str, error: StationError) -> Check:
    """An error as a finding."""
    return Check(name, FAIL, error.message, error.hint)


def worst(checks: Iterable[Check]) -> str:
    return max((check.state for check in checks), key=STATES.index, default=OK)


def span(seconds: float) -> str:
    """A length of time as people say it."""
    for unit, unit_s in (("days", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * unit_s:
            return f"{seconds / unit_s:.0f} {unit}"
    return f"{max(0.0, seconds):.0f} s"


def age_s(at: datetime) -> float:
    """How long ago something was; 0 for what a jumped clock puts into the future."""
    return max(0.0, (utc_now() - at).total_seconds())


def moment(text: str) -> datetime | None:
    """A moment as ISO 8601 has it, UTC where it names no zone; None for what is none."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def local_time(at: datetime) -> str:
    """A moment in the barn's zone, with the zone."""
    return f"{at.astimezone():%Y-%m-%d %H:%M %Z}"
