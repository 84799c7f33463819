"""How far the outbox was read by somebody who only reads it; it survives a restart as the outbox does."""

from __future__ import annotations

from edge.keeping.outbox import Entry
from edge.keeping.store import Store

ENTRY = "SELECT id, capture_id, sequence, document, attempts FROM outbox"

# Who listens from now on does not want the years before.
BEGIN = """
INSERT INTO cursors (name, outbox_id)
SELECT :name, COALESCE(MAX(id), 0)
FROM outbox
WHERE true
ON CONFLICT DO NOTHING
"""

BEGIN_AT_FIRST = """
INSERT INTO cursors (name, outbox_id)
VALUES (:name, 0)
ON CONFLICT DO NOTHING
"""

NEXT = f"""
{ENTRY}
WHERE id > (SELECT outbox_id FROM cursors WHERE name = :name)
ORDER BY id
LIMIT 1
"""

# Of the newest capture: what is said later of an old one is told, and does not become the state of the station.
NEWEST = f"""
{ENTRY}
WHERE capture_id = (SELECT MAX(capture_id) FROM outbox)
ORDER BY sequence DESC
LIMIT 1
"""

ADVANCE = """
UPDATE cursors
SET outbox_id = :outbox_id
WHERE name = :name
"""

# Ids are without gaps, and counting a year of documents would read them.
BEHIND = """
SELECT COALESCE((SELECT MAX(id) FROM outbox), 0) - outbox_id AS number FROM cursors
WHERE name = :name
"""


class Cursor:
    """The place of one listener in the outbox of one open store."""

    def __init__(self, store: Store, name: str) -> None:
        self.store = store
        self.name = name

    def begin(self) -> None:
        """Stand behind the newest entry, the first time only."""
        with self.store.transaction():
            self.store.db.execute(BEGIN, {"name": self.name})

    def begin_at_first(self) -> None:
        """Stand before the oldest entry, the first time only."""
        with self.store.transaction():
            self.store.db.execute(BEGIN_AT_FIRST, {"name": self.name})

    def next(self) -> Entry | None:
        """The oldest entry that was not told yet."""
        row = self.store.one(NEXT, {"name": self.name})
        return Entry(**row) if row else None

    def newest(self) -> Entry | None:
        """What is known of the newest capture; not what was found out last of an older one."""
        row = self.store.one(NEWEST)
        return Entry(**row) if row else None

    def advance(self, entry: Entry) -> None:
        with self.store.transaction():
            self.store.db.execute(ADVANCE, {"name": self.name, "outbox_id": entry.id})

    def behind(self) -> int:
        """How many entries wait to be told."""
        return self.store.number(BEHIND, {"name": self.name})
