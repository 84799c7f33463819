"""station.db: every capture with its numbers, and what is owed to the cloud. The only door to the database."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from edge.corrections import require_sayable
from edge.errors import StoreError
from edge.keeping.opening import open_database, write_transaction
from edge.keeping.people import (
    AUDIT,
    GOATS,
    INSERT_AUDIT,
    INSERT_CORRECTION,
    PIN,
    STATION,
    act_of,
    asking_act,
    corrected,
    correction_act,
    correction_of,
    correction_row,
    goat_of,
    label_acts,
    pin_act,
)
from edge.keeping.rows import (
    by_capture,
    capture_of,
    closing_row,
    glance_of,
    glance_row,
    image_row,
    label_row,
    measurement_row,
    newest_images,
    outbox_row,
    press_row,
    revision_of,
    revision_row,
)
from edge.keeping.statements import (
    CAPTURES_PAGE,
    CLOSE_CAPTURE,
    CORRECTIONS_OF,
    FORGET_GLANCES,
    GLANCES_BEFORE,
    GOATS_PAGE,
    IMAGES_OF,
    INSERT_CAPTURE,
    INSERT_GLANCE,
    INSERT_IMAGE,
    INSERT_MEASUREMENT,
    INSERT_OUTBOX,
    INSERT_REVISION,
    LABEL,
    LAST_ID,
    MEASUREMENTS_OF,
    NEXT_SEQUENCE,
    REVISIONS_OF,
    TALLY,
    UNFINISHED,
)
from edge.keeping.trouble import explained, require_sound
from edge.records import (
    Capture,
    Glance,
    Revision,
    Said,
    Status,
    Trigger,
)

# Captures of a view of which it is remembered how it looked: what stays changed for longer is how it looks.
GLANCES_KEPT = 120
# Behind every id there can be.
AFTER_ALL = "~"


class Store:
    """One open database. Each process and each thread opens its own."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.db = open_database(path)
        self.inode = path.stat().st_ino

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self.db.close()

    def require_in_place(self) -> None:
        """Raise StoreError when the file at the path is no longer the one that is open: it would be written in vain."""
        try:
            there = self.path.stat().st_ino
        except OSError:
            there = None
        if there != self.inode:
            raise StoreError(
                f"{self.path}: the database was moved or removed while it was open", "start it again"
            )

    def require_sound(self, within_s: float | None = None) -> None:
        """Raise DatabaseDamaged where a check, ended after that time if one is given, finds damage."""
        require_sound(self.path, self.db.conn, within_s)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """One transaction on this database; raises StoreError when it cannot be written."""
        try:
            with write_transaction(self.db):
                yield
        except sqlite3.Error as error:
            raise explained(self.path, error) from error

    # What the world asks for.

    def press(self, trigger: Trigger, station_id: str) -> Capture:
        """Write the press down. The same trigger again gives the same capture."""
        with self.transaction():
            known = self.one("SELECT id FROM captures WHERE trigger_id = ?", [trigger.id])
            if known is None:
                capture_id = self.next_id(station_id, trigger.requested_at)
                sequence = self.number(NEXT_SEQUENCE)
                self.db.execute(INSERT_CAPTURE, {**press_row(capture_id, trigger), "sequence": sequence})
            else:
                capture_id = known["id"]
        return self.capture(capture_id)

    def pressed(self, trigger_id: str) -> Capture | None:
        """What became of a press, if it was written down."""
        row = self.one("SELECT id FROM captures WHERE trigger_id = ?", [trigger_id])
        return self.capture(row["id"]) if row else None

    def next_id(self, station_id: str, now: datetime) -> str:
        """A capture id later than every earlier one, even when the clock has jumped back."""
        last = self.one(LAST_ID)
        if last is not None and last["id"] is not None:
            now = max(now, time_of(last["id"]) + timedelta(milliseconds=1))
        return capture_id(now, station_id)

    def ask_again(self, capture_id: str, goat_id: str | None, author: str = STATION) -> Capture:
        """Queue the stored images of a closed capture for a new revision; attach the goat if named."""
        with self.transaction():
            capture = self.capture(capture_id)
            named = capture.named(goat_id, "later") if goat_id is not None else capture
            self.db.execute(LABEL, label_row(named))
            self.write_down(*label_acts(author, capture, named))
            if capture.status in (Status.COMPLETED, Status.FAILED):
                self.db.execute("UPDATE captures SET status = 'queued' WHERE id = ?", [capture_id])
                self.write_down(asking_act(author, named))
        return self.capture(capture_id)

    def label(self, capture_id: str, change: Callable[[Capture], Capture], author: str = STATION) -> Capture:
        """Change whose a closed capture is and what it weighed, and owe the cloud the new document: both or neither.

        One that is waiting or being worked on is left as it is.
        """
        with self.transaction():
            capture = self.capture(capture_id)
            labelled = change(capture)
            if not capture.is_unfinished and labelled != capture:
                self.db.execute(LABEL, label_row(labelled))
                self.db.execute(INSERT_OUTBOX, outbox_row(labelled))
                self.write_down(*label_acts(author, capture, labelled))
        return self.capture(capture_id)

    def correct(self, capture_id: str, said: Said) -> Capture:
        """Put what a person says beside what was measured, and owe the cloud the new document: both or neither.

        Raises InputRefused where there is nothing to correct, KeyError where there is no such capture.
        """
        with self.transaction():
            capture = self.capture(capture_id)
            require_sayable(capture, said)
            correction = corrected(capture, said)
            after = replace(capture, corrections=(*capture.corrections, correction))
            self.db.execute(INSERT_CORRECTION, correction_row(capture, correction))
            self.db.execute(INSERT_OUTBOX, outbox_row(after))
            self.write_down(correction_act(capture, after, said))
        return after

    def pin(self, goat_id: str, author: str) -> None:
        """Keep a goat's pictures as taken for ever. Raises KeyError where there is no such goat."""
        self.set_pinned(goat_id, True, author)

    def unpin(self, goat_id: str, author: str) -> None:
        """Let a goat's pictures be pruned as all others are. Raises KeyError where there is no such goat."""
        self.set_pinned(goat_id, False, author)

    def set_pinned(self, goat_id: str, is_pinned: bool, author: str) -> None:
        with self.transaction():
            if self.goat(goat_id)["is_pinned"] != is_pinned:
                self.db.execute(PIN, {"goat_id": goat_id, "is_pinned": int(is_pinned)})
                self.write_down(pin_act(author, goat_id, is_pinned))

    def write_down(self, *acts: dict[str, Any]) -> None:
        """Add to the audit, inside the transaction of the act itself."""
        for act in acts:
            self.db.execute(INSERT_AUDIT, act)

    # What the station does with it.

    def next_queued(self) -> Capture | None:
        """The first press that waits; pictures that are to be measured again wait until there is none."""
        queued = self.unfinished(Status.QUEUED, 1)
        return queued[0] if queued else None

    def begin(self, capture: Capture) -> Capture:
        """Mark a capture as being worked on: what a crash leaves so is closed at the next start."""
        with self.transaction():
            self.db.execute("UPDATE captures SET status = 'processing' WHERE id = ?", [capture.id])
        return replace(capture, status=Status.PROCESSING)

    def close_capture(self, capture: Capture, glances: Iterable[Glance] = ()) -> None:
        """Store what became of a capture, queue it for the cloud and remember its glances: all or nothing."""
        with self.transaction():
            self.db.execute(CLOSE_CAPTURE, closing_row(capture))
            self.db.execute(LABEL, label_row(capture))
            for image in capture.images:
                self.db.execute(INSERT_IMAGE, image_row(capture, image))
            if capture.revision is not None and capture.failure is None:
                self.db.execute(INSERT_REVISION, revision_row(capture, capture.revision))
                for measurement in capture.revision.measurements:
                    self.db.execute(INSERT_MEASUREMENT, measurement_row(capture, measurement))
            self.db.execute(INSERT_OUTBOX, outbox_row(capture))
            for glance in glances:
                self.db.execute(INSERT_GLANCE, glance_row(capture, glance))
                self.db.execute(FORGET_GLANCES, {"view": glance.view, "kept": GLANCES_KEPT})

    def glances(self, calibration_sha256: str, before: str) -> dict[str, list[Glance]]:
        """view -> how it looked in earlier captures under this calibration, oldest first, as far as remembered."""
        found: dict[str, list[Glance]] = {}
        for row in self.all(GLANCES_BEFORE, {"calibration": calibration_sha256, "before": before}):
            found.setdefault(row["view"], []).append(glance_of(row))
        return found

    def interrupted(self) -> list[Capture]:
        """Captures that an earlier run of the station left in the middle."""
        return self.unfinished(Status.PROCESSING, -1)

    def unfinished(self, status: Status, limit: int) -> list[Capture]:
        """Captures that wait or are worked on, oldest first; a limit of -1 is none."""
        return self.whole(self.all(UNFINISHED, {"status": status, "limit": limit}))

    # What people look at.

    def capture(self, capture_id: str) -> Capture:
        """One capture with its newest revision. Raises KeyError where there is none."""
        row = self.one("SELECT * FROM captures WHERE id = ?", [capture_id])
        if row is None:
            raise KeyError(capture_id)
        (found,) = self.whole([row])
        return found

    def captures(
        self, limit: int = 20, before: str | None = None, goat_id: str | None = None
    ) -> list[Capture]:
        """Newest first; `before` is the id of the last capture of the page before this one."""
        page = CAPTURES_PAGE if goat_id is None else GOATS_PAGE
        return self.whole(self.all(page, {"limit": limit, "before": before or AFTER_ALL, "goat_id": goat_id}))

    def whole(self, rows: list[dict[str, Any]]) -> list[Capture]:
        """Captures with all that belongs to them, in as many queries for a page as for one."""
        if not rows:
            return []
        ids = {"ids": json.dumps([row["id"] for row in rows])}
        images = by_capture(self.all(IMAGES_OF, ids))
        corrections = by_capture(self.all(CORRECTIONS_OF, ids))
        revisions = self.revisions([(row["id"], row["revision"]) for row in rows])
        return [
            capture_of(
                row,
                newest_images(images.get(row["id"], [])),
                revisions.get(row["id"]),
                tuple(map(correction_of, corrections.get(row["id"], []))),
            )
            for row in rows
        ]

    def goats(self) -> list[dict[str, Any]]:
        """goat_id, captures (how many), latest (capture id), latest_at and is_pinned of every goat that was here."""
        return list(map(goat_of, self.all(f"{GOATS} ORDER BY goats.id")))

    def goat(self, goat_id: str) -> dict[str, Any]:
        """The same of one goat. Raises KeyError where there is none."""
        row = self.one(f"{GOATS} WHERE goats.id = ?", [goat_id])
        if row is None:
            raise KeyError(goat_id)
        return goat_of(row)

    def audit(self, limit: int) -> list[dict[str, Any]]:
        """What people did, newest first: at, author, act, capture_id, goat_id, before, after."""
        return list(map(act_of, self.all(AUDIT, [limit])))

    def revision(self, capture_id: str, number: int) -> Revision | None:
        return self.revisions([(capture_id, number)]).get(capture_id)

    def revisions(self, keys: list[tuple[str, int]]) -> dict[str, Revision]:
        """capture id -> its revision of that number, where there is one."""
        wanted = {"keys": json.dumps(keys)}
        measurements = by_capture(self.all(MEASUREMENTS_OF, wanted))
        return {
            row["capture_id"]: revision_of(row, measurements.get(row["capture_id"], []))
            for row in self.all(REVISIONS_OF, wanted)
        }

    def counts(self) -> dict[str, int]:
        """status -> how many captures."""
        return self.tally("captures")

    def unknown(self) -> int:
        """How many captures lie on disk that this database has never heard of: it is not the one that made them."""
        return self.number("SELECT COUNT(*) AS number FROM unknown_captures")

    def waiting(self) -> int:
        """How many presses nobody has served yet."""
        return self.counts().get(Status.QUEUED, 0)

    def owed(self) -> int:
        """How many documents wait for the cloud."""
        return self.tally("outbox").get("due", 0)

    def tally(self, what: str) -> dict[str, int]:
        """state -> how many captures or outbox entries are in it, kept by the database as they change."""
        return {row["state"]: row["number"] for row in self.all(TALLY, [what])}

    def number(self, sql: str, parameters: Any = ()) -> int:
        row = self.one(sql, parameters)
        return int(row["number"]) if row else 0

    def one(self, sql: str, parameters: Any = ()) -> dict[str, Any] | None:
        return next(iter(self.all(sql, parameters)), None)

    def all(self, sql: str, parameters: Any = ()) -> list[dict[str, Any]]:
        try:
            return list(self.db.query(sql, parameters))
        except sqlite3.Error as error:
            raise explained(self.path, error) from error


def capture_id(at: datetime, station_id: str) -> str:
    return f"{at:%Y%m%dT%H%M%S}{at.microsecond // 1000:03d}Z_{station_id}"


def time_of(capture_id: str) -> datetime:
    """When a capture was asked for, from its id."""
    stamp = capture_id.split("_", 1)[0]
    return datetime.strptime(stamp[:15] + stamp[15:18] + "000+0000", "%Y%m%dT%H%M%S%f%z")
