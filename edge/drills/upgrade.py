"""Software from years ago left a database; today's opens it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sqlite_utils import Database

from edge.drills.scratch import Scratch
from edge.drills.verdicts import require
from edge.keeping.outbox import Outbox
from edge.keeping.schema import migrations
from edge.keeping.store import Store

OLD_ID = "20251121T140506789Z_drill"
AT = "2025-11-21T14:05:06.789000+00:00"
# Rows as every version wrote them; columns that a version does not have yet are left out.
OLD_ROWS: Mapping[str, Mapping[str, Any]] = {
    "captures": {
        "id": OLD_ID,
        "status": "completed",
        "trigger_id": "press-1",
        "source": "dashboard",
        "goat_id": "Heidi",
        "requested_at": AT,
        "finished_at": AT,
        "spread_ms": 12.5,
        "revision": 1,
    },
    "revisions": {
        "capture_id": OLD_ID,
        "revision": 1,
        "created_at": AT,
        "readings": "[]",
        "advice": "[]",
        "model": "{}",
        "calibration": "{}",
        "software": "goatdev 0",
    },
    "measurements": {
        "capture_id": OLD_ID,
        "revision": 1,
        "trait": "withers_height_cm",
        "value": 61.2,
        "u95": 0.8,
        "confidence": 0.9,
        "views": '["side"]',
    },
    "images": {
        "capture_id": OLD_ID,
        "kind": "raw",
        "view": "side",
        "shot": 1,
        "revision": 0,
        "path": "20251121/x/side_raw.jpg",
        "sha256": "0" * 64,
        "width": 640,
        "height": 480,
        "size_bytes": 1234,
    },
    "outbox": {
        "capture_id": OLD_ID,
        "sequence": 0,
        "document": "{}",
        "next_attempt_at": AT,
    },
}


def upgraded(scratch: Scratch) -> str:
    """A database of every earlier version, with rows in it, is upgraded and keeps them."""
    names = versions()
    for before in names[1:]:
        path = scratch.folder / f"{before}.db"
        make_old_database(path, before)
        with Store(path) as store:
            require(not migrations.pending(store.db), f"before {before}: the upgrade stopped half-way")
            require_kept(store, before)
    return (
        f"{len(names) - 1} earlier versions upgraded, each with capture, measurement, image and outbox entry"
    )


def require_kept(store: Store, before: str) -> None:
    capture = store.capture(OLD_ID)
    withers = {one.trait: one.value for one in capture.revision.measurements} if capture.revision else {}
    require(withers.get("withers_height_cm") == 61.2, f"before {before}: the measurement was lost")
    require([one.sha256 for one in capture.images] == ["0" * 64], f"before {before}: an image was lost")
    owed = [one.capture_id for one in Outbox(store).due()]
    require(owed == [OLD_ID], f"before {before}: what was owed to the cloud was lost")


def versions() -> list[str]:
    """The name of every migration, first to last."""
    return [one.name for one in migrations.pending(Database(memory=True))]


def make_old_database(path: Path, before: str) -> None:
    """A database as the version before a migration left it, with a capture in it."""
    db = Database(path)
    migrations.apply(db, stop_before=before)
    for table, row in OLD_ROWS.items():
        known = db.table(table).columns_dict
        db.table(table).insert({name: value for name, value in row.items() if name in known})
    db.close()
