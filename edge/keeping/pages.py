"""All captures of a station for whoever goes through them: a page at a time, however long the history."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import groupby
from typing import Any

from edge.keeping.rows import capture_of, image_of, image_order, revision_of
from edge.keeping.store import Store
from edge.records import Capture, Revision, StoredImage

PAGE_CAPTURES = 500

WANTED = """
    (:goat_id IS NULL OR goat_id = :goat_id)
    AND (:since IS NULL OR requested_at >= :since)
    AND (:until IS NULL OR requested_at < :until)
"""

PAGE = f"""
SELECT * FROM captures
WHERE id > :after
  AND {WANTED}
ORDER BY id
LIMIT :limit
"""

WEIGHTS_OF_NOBODY = f"""
SELECT COUNT(*) AS number FROM captures
WHERE weight_kg IS NOT NULL
  AND goat_id IS NULL
  AND {WANTED}
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
    """Which captures: of one goat, and of which days, both included; the days are those of this machine's clock."""

    goat_id: str | None = None
    since: date | None = None
    until: date | None = None

    def as_parameters(self) -> dict[str, str | None]:
        after_last = self.until + timedelta(days=1) if self.until else None
        return {"goat_id": self.goat_id, "since": midnight(self.since), "until": midnight(after_last)}


@dataclass(frozen=True, slots=True)
class History:
    """A capture, and every computation of its measurements by its number, first to last."""

    capture: Capture
    revisions: Mapping[int, Revision]


def histories(store: Store, wanted: Wanted) -> Iterator[History]:
    """The captures that are wanted, oldest first. Those that come while it runs may be among them."""
    after = ""
    while True:
        rows = store.all(PAGE, {**wanted.as_parameters(), "after": after, "limit": PAGE_CAPTURES})
        if not rows:
            return
        ids = {"ids": json.dumps([row["id"] for row in rows])}
        images = by_capture(store.all(IMAGES, ids))
        revisions = by_capture(store.all(REVISIONS, ids))
        measurements = by_capture(store.all(MEASUREMENTS, ids))
        for row in rows:
            key = row["id"]
            yield history_of(row, images.get(key, []), revisions.get(key, []), measurements.get(key, []))
        after = rows[-1]["id"]


def weights_of_nobody(store: Store, wanted: Wanted) -> int:
    """How many weights there are of which nobody knows whose they are."""
    return store.number(WEIGHTS_OF_NOBODY, wanted.as_parameters())


def by_capture(rows: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    return {key: list(own) for key, own in groupby(rows, lambda row: row["capture_id"])}


def history_of(
    row: Mapping[str, Any],
    images: list[dict[str, Any]],
    revisions: list[dict[str, Any]],
    measurements: list[dict[str, Any]],
) -> History:
    numbered = {
        one["revision"]: revision_of(one, [own for own in measurements if own["revision"] == one["revision"]])
        for one in revisions
    }
    capture = capture_of(row, newest_images(images), numbered.get(row["revision"]))
    return History(capture, numbered)


def newest_images(rows: list[dict[str, Any]]) -> tuple[StoredImage, ...]:
    """Raw images of all shots, and the annotated ones of the newest revision; the rows in the order of revisions."""
    newest = {image.place: image for image in map(image_of, rows)}
    return tuple(sorted(newest.values(), key=image_order))


def midnight(day: date | None) -> str | None:
    """When a day begins here, as the database writes times."""
    return datetime.combine(day, time.min).astimezone(UTC).isoformat() if day else None
