"""Compares the pictures on disk with the database: a capture that it never heard of means that it is not the one that
made it, because that one was lost, or an older one was put in its place.
"""

from __future__ import annotations

import logging

from edge.alarms import MISSING, alarm
from edge.keeping.archive import Archive, captures_of_day, days_on_disk
from edge.keeping.opening import INSERT_UNKNOWN
from edge.keeping.store import Store

log = logging.getLogger("goatdev.station")

# A press is a row before it is a folder, so whoever has a folder and no row is unknown.
KNOWN = "SELECT id FROM captures WHERE id BETWEEN :day AND :day || '~'"


class Census:
    """One look at all captures on disk, a day each turn, newest first."""

    def __init__(self, store: Store, archive: Archive) -> None:
        self.store = store
        self.archive = archive
        self.days = days_on_disk(archive.folder)
        self.tell()

    @property
    def is_done(self) -> bool:
        return not self.days

    def look_at_next_day(self) -> None:
        if self.is_done:
            return
        day = self.days.pop(0)
        on_disk = captures_of_day(self.archive.folder, day)
        known = {row["id"] for row in self.store.all(KNOWN, {"day": day})}
        unknown = [one for one in on_disk if one not in known]
        if unknown:
            before = self.store.unknown()
            with self.store.transaction():
                for one in unknown:
                    self.store.db.execute(INSERT_UNKNOWN, [one])
            if self.store.unknown() > before:
                self.tell()

    def tell(self) -> None:
        unknown = self.store.unknown()
        if unknown:
            found = alarm(MISSING, "en", unknown)
            log.error("%s %s.", found.text, found.hint)
