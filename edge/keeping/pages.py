"""All captures of a station for whoever goes through them: a page at a time, however long the history."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from typing import Any

from edge.keeping.people import correction_of
from edge.keeping.rows import by_capture, capture_of, newest_images, revision_of
from edge.keeping.statements import CORRECTIONS_OF
from edge.keeping.store import Store
from edge.records import Capture, Correction, Revision

PAGE_CAPTURES = 500

# Days are a matter of each capture's own time zone: here a day more on both sides, exactly in `Wanted.has`.
PAGE = """
SELECT * FROM captures
WHERE id > :after
  AND (:goat_id IS NULL OR goat_id = :goat_id)
  AND (:since IS NULL OR COALESCE(taken_at, requested_at) >= :since)
  AND (:until IS NULL OR COALESCE(taken_at, requested_at) < :until)
ORDER BY id
LIMIT :limit
"""

REVISIONS = """
SELECT * FROM revisions
WHERE capture_id IN (SELECT value FROM json_each(:ids))
ORDER BY capture_id, revision
"""

MEASUREMENTS = """
SELECT * FROM measurements
WHERE capture_id IN (SELECT value FROM json_each(:ids))
ORDER BY capture_id, revision, rowid
"""

IMAGES = """
SELECT * FROM images
WHERE capture_id IN (SELECT value FROM json_each(:ids))
ORDER BY capture_id, revision
"""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which captures: of one goat, and of which days, both included, as the station's clock showed them."""

    goat_id: str | None = None
    since: date | None = None
    until: date | None = None

    def has(self, capture: Capture) -> bool:
        """Whether a capture was taken on one of the days."""
        day = local_time(capture).date()
        return (self.since is None or day >= self.since) and (self.until is None or day <= self.until)

    def as_parameters(self) -> dict[str, str | None]:
        return {"goat_id": self.goat_id, "since": midnight(self.since, -1), "until": midnight(self.until, 2)}


@dataclass(frozen=True, slots=True)
class History:
    """A capture, and every computation of its measurements by its number, first to last."""

    capture: Capture
    revisions: Mapping[int, Revision]


def histories(store: Store, wanted: Wanted, with_images: bool = True) -> Iterator[History]:
    """The captures that are wanted, oldest first. Those that come while it runs may be among them."""
    after = ""
    while True:
        rows = store.all(PAGE, {**wanted.as_parameters(), "after": after, "limit": PAGE_CAPTURES})
        if not rows:
            return
        ids = {"ids": json.dumps([row["id"] for row in rows])}
        images = by_capture(store.all(IMAGES, ids) if with_images else [])
        corrections = by_capture(store.all(CORRECTIONS_OF, ids))
        revisions = by_capture(store.all(REVISIONS, ids))
        measurements = by_capture(store.all(MEASUREMENTS, ids))
        for row in rows:
            key = row["id"]
            said = tuple(map(correction_of, corrections.get(key, [])))
            one = history_of(
                row, images.get(key, []), revisions.get(key, []), measurements.get(key, []), said
            )
            if wanted.has(one.capture):
                yield one
        after = rows[-1]["id"]


def history_of(
    row: Mapping[str, Any],
    images: list[dict[str, Any]],
    revisions: list[dict[str, Any]],
    measurements: list[dict[str, Any]],
    corrections: tuple[Correction, ...],
) -> History:
    numbered = {
        one["revision"]: revision_of(one, [own for own in measurements if own["revision"] == one["revision"]])
        for one in revisions
    }
    capture = capture_of(row, newest_images(images), numbered.get(row["revision"]), corrections)
    return History(capture, numbered)


def local_time(capture: Capture) -> datetime:
    """When it was taken, as the station's clock showed it; by this machine's time zone where its own is not known."""
    clock = capture.trigger.clock
    zone = timezone(timedelta(minutes=clock.utc_offset_min)) if clock else None
    return capture.taken_at.astimezone(zone)


def midnight(day: date | None, days_later: int) -> str | None:
    """When a day begins in UTC, as the database writes times."""
    if day is None:
        return None
    days = min(max(day.toordinal() + days_later, 1), date.max.toordinal())
    return datetime.combine(date.fromordinal(days), time.min, UTC).isoformat()
