"""Clocks that a test sets by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from edge.records import Clock, Stamp

YEAR_1970 = datetime(1970, 1, 1, 0, 0, 40, tzinfo=UTC)
NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


class HandClock:
    """A machine's clocks: time passes and the wall clock is set only when the test says so."""

    def __init__(self, at: datetime = NOON, source: str = "unsynchronised", boot_id: str = "boot-1") -> None:
        self.at, self.source, self.boot_id, self.since_boot_s = at, source, boot_id, 40.0

    def __call__(self) -> Stamp:
        return Stamp(self.at, Clock(self.source, -360, self.boot_id, self.since_boot_s))

    def pass_by(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)
        self.since_boot_s += seconds

    def set_to(self, at: datetime, source: str = "") -> None:
        """Somebody sets the wall clock; the other knows nothing of it."""
        self.at, self.source = at, source or self.source

    def boot(self, at: datetime, boot_id: str, source: str = "unsynchronised") -> None:
        """The machine is switched off and on again."""
        self.at, self.source, self.boot_id, self.since_boot_s = at, source, boot_id, 40.0
