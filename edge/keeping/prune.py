"""Removes pictures as they were taken, oldest first, when the disk fills up: only those with the cloud's receipt.

Numbers, annotated pictures, documents and hashes stay. In this order, so that a crash between any two is harmless:

1. `pruned.json` beside the pictures: when, and the receipts. With it a rescue knows what is in the cloud.
2. The rows say `pruned_at`, in one transaction. From here on nobody expects the files.
3. The files are removed. What a crash left of them is removed at the next start, for captures go one at a time.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edge.errors import PictureError
from edge.keeping import copies
from edge.keeping.archive import Archive
from edge.keeping.census import Census
from edge.keeping.disk import PRUNED_BELOW, cannot_write, disk_below
from edge.keeping.durable import sync_folder, write_durably
from edge.keeping.objects import raw_key
from edge.keeping.outbox import Outbox
from edge.keeping.store import Store
from edge.records import Capture, utc_now
from edge.settings import DiskConfig

log = logging.getLogger("goatdev.station")

NOTE = "pruned.json"
# Looked at in one turn; those that must stay are passed over.
LOOKED_AT = 20

WITH_PICTURES = """
SELECT DISTINCT capture_id AS id
FROM images
WHERE kind = 'raw'
  AND pruned_at IS NULL
  AND capture_id > :after
ORDER BY capture_id
LIMIT :limit
"""

# Closed, all its documents delivered and copied beside its pictures, and not of a pinned goat.
MAY_GO = """
SELECT COUNT(*) AS number
FROM captures
WHERE id = :id
  AND status NOT IN ('queued', 'processing')
  AND EXISTS (SELECT 1 FROM outbox WHERE capture_id = :id)
  AND NOT EXISTS (SELECT 1 FROM outbox WHERE capture_id = :id AND state <> 'delivered')
  AND NOT EXISTS (
      SELECT 1 FROM outbox
      WHERE capture_id = :id
        AND id > COALESCE((SELECT outbox_id FROM cursors WHERE name = :copies), 0)
  )
"""

IS_PINNED = """
SELECT COUNT(*) AS number
FROM goats
WHERE id = (SELECT goat_id FROM captures WHERE id = :id)
  AND is_pinned = 1
"""

RAW_IMAGES = """
SELECT view, kind, shot, path, sha256, size_bytes, pruned_at
FROM images
WHERE capture_id = :id
  AND kind = 'raw'
"""

MARK_PRUNED = """
UPDATE images
SET pruned_at = :at
WHERE capture_id = :id
  AND kind = 'raw'
  AND path = :path
"""

PRUNED_LAST = """
SELECT path FROM images
WHERE pruned_at = (SELECT MAX(pruned_at) FROM images WHERE pruned_at IS NOT NULL)
"""


@dataclass(frozen=True, slots=True)
class Pruned:
    """Pictures of one capture that were removed, or would be."""

    capture_id: str
    images: tuple[dict[str, Any], ...]
    receipts: dict[str, dict[str, str]] = field(repr=False)

    @property
    def size_bytes(self) -> int:
        return sum(image["size_bytes"] for image in self.images)


class Pruning:
    """Prunes one station, a capture each turn, from `prune` down to a little below.

    census  while it has not looked at everything, or found captures that the database does not know, nothing is pruned
    """

    def __init__(self, store: Store, archive: Archive, limits: DiskConfig, census: Census) -> None:
        self.store = store
        self.archive = archive
        self.limits = limits
        self.census = census
        self.is_on = False
        self.after = ""
        self.has_told = False
        finish_last(store, archive)

    def prune_next(self) -> Pruned | None:
        """Prune the oldest capture that may go, if the disk asks for it."""
        used = disk_below(self.archive.folder).used
        self.is_on = used >= self.limits.prune - (PRUNED_BELOW if self.is_on else 0)
        if not self.is_on:
            self.after, self.has_told = "", False
            return None
        if not self.census.is_done or self.store.unknown():
            return None
        return self.prune_one(used)

    def prune_one(self, used: float) -> Pruned | None:
        for one in captures_with_pictures(self.store, self.after):
            self.after = one
            may_go = prunable(self.store, one)
            if may_go is not None and prune(self.store, self.archive, may_go):
                log.info("%s: %s pictures pruned, the cloud has them", one, len(may_go.images))
                self.has_told = False
                return may_go
        if not captures_with_pictures(self.store, self.after):
            self.after = ""
            if not self.has_told:
                log.warning("the disk is %.0f %% full, and there is nothing more to prune", used * 100)
            self.has_told = True
        return None


def captures_with_pictures(store: Store, after: str = "", limit: int = LOOKED_AT) -> list[str]:
    return [row["id"] for row in store.all(WITH_PICTURES, {"after": after, "limit": limit})]


def all_prunable(store: Store) -> Iterator[Pruned]:
    """Everything that could go, oldest first."""
    after = ""
    while found := captures_with_pictures(store, after):
        after = found[-1]
        yield from (one for one in (prunable(store, each) for each in found) if one is not None)


def prunable(store: Store, capture_id: str) -> Pruned | None:
    """The pictures of a capture that may be removed: each with a receipt that names its object and its hash."""
    if not store.number(MAY_GO, {"id": capture_id, "copies": copies.CURSOR}) or is_pinned(store, capture_id):
        return None
    rows = store.all(RAW_IMAGES, {"id": capture_id})
    received = Outbox(store).received(capture_id)
    owed = {(raw_key(capture_id, row, rows), row["sha256"]) for row in rows}
    receipts = {where: dict(owed & set(objects.items())) for where, objects in received.items()}
    if any(row["pruned_at"] for row in rows) or not any(len(held) == len(rows) for held in receipts.values()):
        return None
    return Pruned(capture_id, tuple(rows), {where: held for where, held in receipts.items() if held})


def is_pinned(store: Store, capture_id: str) -> bool:
    """Whether a capture is of a goat whose pictures are to be kept for ever."""
    return bool(store.number(IS_PINNED, {"id": capture_id}))


def prune(store: Store, archive: Archive, going: Pruned) -> bool:
    """Note it beside the pictures, then in the rows, then remove the files; False where they must stay after all."""
    at = utc_now().isoformat()
    images = [{name: image[name] for name in ("view", "shot", "sha256")} for image in going.images]
    note = {"capture_id": going.capture_id, "pruned_at": at, "images": images, "receipts": going.receipts}
    path = archive.folder_of(going.capture_id) / NOTE
    try:
        write_durably(path, json.dumps(note, indent=1).encode())
    except OSError as error:
        raise cannot_write(path, error) from error
    with store.transaction():
        if prunable(store, going.capture_id) is None:  # somebody has just asked to measure them again
            return False
        for image in going.images:
            store.db.execute(MARK_PRUNED, {"id": going.capture_id, "path": image["path"], "at": at})
    remove(archive, [image["path"] for image in going.images])
    return True


def remove(archive: Archive, paths: list[str]) -> None:
    for path in paths:
        (archive.folder / path).unlink(missing_ok=True)
    for folder in {(archive.folder / path).parent for path in paths}:
        if folder.is_dir():
            sync_folder(folder)


def finish_last(store: Store, archive: Archive) -> None:
    """Remove what a crash left of the files of the capture that was pruned last."""
    remove(archive, [row["path"] for row in store.all(PRUNED_LAST)])


def require_kept(capture: Capture) -> None:
    """Raise PictureError where the pictures as taken are in the cloud only."""
    if capture.pruned_at is not None:
        raise PictureError(
            f"its pictures were pruned on {capture.pruned_at[:10]}",
            f"they are in the cloud: captures/{capture.id}/",
        )


def read_note(folder: Path) -> dict[str, Any] | None:
    """What was pruned of the capture in this folder, and its receipts."""
    try:
        note: dict[str, Any] = json.loads((folder / NOTE).read_text(encoding="utf-8"))
        return note if note["capture_id"] == folder.name and note["receipts"] else None
    except (OSError, ValueError, KeyError, TypeError):
        return None
