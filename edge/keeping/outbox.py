"""What is owed to the cloud. The station fills it with each capture; only the sync daemon empties it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from edge.keeping.store import Store
from edge.records import utc_now

# No entry waits longer: one that is to be tried later than that was written by a clock that has been set back since.
LONGEST_WAIT_S = 300.0

# Read in order through the index of what is due, and no farther than the first so many.
DUE = """
SELECT id, capture_id, sequence, document, attempts FROM outbox
WHERE state = 'due' AND (next_attempt_at <= :now OR next_attempt_at > :latest)
ORDER BY id
LIMIT :limit
"""

DELIVERED = """
UPDATE outbox
SET state = 'delivered', attempts = attempts + 1, last_error = NULL
WHERE id = :id
"""

INSERT_RECEIPT = """
INSERT INTO receipts (outbox_id, destination, objects, received_at)
VALUES (:outbox_id, :destination, :objects, :received_at)
ON CONFLICT (outbox_id, destination) DO UPDATE SET objects = :objects, received_at = :received_at
"""

DELAYED = """
UPDATE outbox
SET attempts = attempts + 1, next_attempt_at = :next_attempt_at, last_error = :last_error
WHERE id = :id
"""

PARKED = """
UPDATE outbox
SET state = 'parked', attempts = attempts + 1, last_error = :last_error
WHERE id = :id
"""

RECEIPTS_OF = """
SELECT destination, objects
FROM receipts
JOIN outbox ON outbox.id = outbox_id
WHERE capture_id = ?
ORDER BY outbox_id
"""

STATE_OF = """
SELECT state, last_error FROM outbox
WHERE capture_id = ?
ORDER BY id DESC
LIMIT 1
"""


@dataclass(frozen=True, slots=True)
class Entry:
    """One document owed to the cloud, frozen when it was written, and the images it names.

    sequence  0 for a capture's first document, counting up for later ones
    """

    id: int
    capture_id: str
    sequence: int
    document: str
    attempts: int

    def images(self) -> list[dict[str, Any]]:
        """view, kind, shot, sha256 of each image that the document names."""
        images: list[dict[str, Any]] = json.loads(self.document)["images"]
        return images


@dataclass(frozen=True, slots=True)
class Receipt:
    """The cloud's proof that it has an entry: each object's place and hash."""

    destination: str
    objects: tuple[tuple[str, str], ...]


class Outbox:
    """The outbox table of one open store."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def due(self, limit: int = 20) -> list[Entry]:
        now, latest = utc_now().isoformat(), later(LONGEST_WAIT_S).isoformat()
        rows = self.store.all(DUE, {"now": now, "latest": latest, "limit": limit})
        return [Entry(**row) for row in rows]

    def delivered(self, entry: Entry, receipt: Receipt) -> None:
        """Keep the receipt and close the entry: both or neither."""
        row = {
            "outbox_id": entry.id,
            "destination": receipt.destination,
            "objects": json.dumps(dict(receipt.objects)),
            "received_at": utc_now().isoformat(),
        }
        with self.store.transaction():
            self.store.db.execute(INSERT_RECEIPT, row)
            self.store.db.execute(DELIVERED, {"id": entry.id})

    def delayed(self, entry: Entry, why: str, wait_s: float) -> None:
        """Try it again later, but no later than LONGEST_WAIT_S."""
        row = {
            "id": entry.id,
            "next_attempt_at": later(min(wait_s, LONGEST_WAIT_S)).isoformat(),
            "last_error": why,
        }
        with self.store.transaction():
            self.store.db.execute(DELAYED, row)

    def parked(self, entry: Entry, why: str) -> None:
        with self.store.transaction():
            self.store.db.execute(PARKED, {"id": entry.id, "last_error": why})

    def backlog(self) -> dict[str, int]:
        """state -> how many entries."""
        return self.store.tally("outbox")

    def received(self, capture_id: str) -> dict[str, dict[str, str]]:
        """destination -> key -> SHA-256 of what the cloud has of a capture."""
        found: dict[str, dict[str, str]] = {}
        for row in self.store.all(RECEIPTS_OF, [capture_id]):
            found.setdefault(row["destination"], {}).update(json.loads(row["objects"]))
        return found

    def state_of(self, capture_id: str) -> str | None:
        """due, delivered or parked: where a capture's newest document stands."""
        row = self.store.one(STATE_OF, [capture_id])
        return row["state"] if row else None


def later(seconds: float) -> datetime:
    return utc_now() + timedelta(seconds=seconds)
