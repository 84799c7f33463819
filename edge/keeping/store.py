"""station.db: every capture with its numbers, and what is owed to the cloud. The only door to the database."""

from __future__ import annotations

import json
import random
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from sqlite_utils import Database

from edge.corrections import require_sayable
from edge.errors import NewerDatabase, StoreError
from edge.keeping.archive import IMAGE_FOLDER, captures_on_disk
from edge.keeping.disk import cannot_write
from edge.keeping.locks import held_after_others
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
from edge.keeping.schema import STEPS, migrations
from edge.keeping.trouble import explained, require_sound
from edge.records import (
    Capture,
    Glance,
    Revision,
    Said,
    Status,
    Trigger,
)

BUSY_TIMEOUT_S = 10.0
# Captures of a view of which it is remembered how it looked: what stays changed for longer is how it looks.
GLANCES_KEPT = 120

INSERT_CAPTURE = """
INSERT INTO captures (
    id, status, trigger_id, source, requested_at, goat_id, goat_source, weight_kg, weight_source, weight_raw,
    sequence, clock_source, utc_offset_min, boot_id, since_boot_s
)
VALUES (
    :id, 'queued', :trigger_id, :source, :requested_at, :goat_id, :goat_source, :weight_kg, :weight_source, :weight_raw,
    :sequence, :clock_source, :utc_offset_min, :boot_id, :since_boot_s
)
"""

# A number that was given is never given again, also where a capture should be removed one day.
NEXT_SEQUENCE = """
UPDATE counters
SET last = last + 1
WHERE name = 'press'
RETURNING last AS number
"""

# Said as the index of waiting captures says it, else SQLite does not see that it fits and walks through all years.
UNFINISHED = """
SELECT * FROM captures
WHERE status IN ('queued', 'processing')
  AND status = :status
ORDER BY finished_at IS NOT NULL, sequence
LIMIT :limit
"""

CLOSE_CAPTURE = """
UPDATE captures
SET status = :status,
    revision = :revision,
    spread_ms = :spread_ms,
    burst_ms = :burst_ms,
    failure = :failure,
    hint = :hint,
    finished_at = :finished_at
WHERE id = :id
"""

LABEL = """
UPDATE captures
SET goat_id = :goat_id,
    goat_source = :goat_source,
    goat_note = :goat_note,
    weight_kg = :weight_kg,
    weight_source = :weight_source,
    weight_raw = :weight_raw
WHERE id = :id
"""

# A capture may be closed again, after a new measurement of its images: what it already has stays as it is.
INSERT_IMAGE = """
INSERT INTO images (capture_id, kind, view, shot, revision, path, sha256, width, height, size_bytes)
VALUES (:capture_id, :kind, :view, :shot, :revision, :path, :sha256, :width, :height, :size_bytes)
ON CONFLICT DO NOTHING
"""

INSERT_REVISION = """
INSERT INTO revisions (capture_id, revision, created_at, readings, advice, model, calibration, software)
VALUES (:capture_id, :revision, :created_at, :readings, :advice, :model, :calibration, :software)
"""

INSERT_MEASUREMENT = """
INSERT INTO measurements (capture_id, revision, trait, value, u95, confidence, views, reason)
VALUES (:capture_id, :revision, :trait, :value, :u95, :confidence, :views, :reason)
"""

INSERT_OUTBOX = """
INSERT INTO outbox (capture_id, sequence, document, next_attempt_at)
SELECT :capture_id, COALESCE(MAX(sequence) + 1, 0), :document, :next_attempt_at
FROM outbox
WHERE capture_id = :capture_id
"""

INSERT_GLANCE = """
INSERT INTO glances (capture_id, view, calibration, columns, detail, is_dirty)
VALUES (:capture_id, :view, :calibration, :columns, :detail, :is_dirty)
"""

FORGET_GLANCES = """
DELETE FROM glances
WHERE view = :view
  AND capture_id NOT IN (SELECT capture_id FROM glances WHERE view = :view ORDER BY capture_id DESC LIMIT :kept)
"""

GLANCES_BEFORE = """
SELECT view, columns, detail, is_dirty
FROM glances
WHERE calibration = :calibration
  AND capture_id < :before
ORDER BY capture_id
"""

# Behind every id there can be.
AFTER_ALL = "~"
# A number is given once: behind all that the database before this one may have given.
COUNT_ON = "UPDATE counters SET last = ? WHERE name = 'press'"
FAR_BEHIND = 1000

INSERT_UNKNOWN = "INSERT INTO unknown_captures (id) VALUES (?) ON CONFLICT DO NOTHING"

# Also what an earlier database knew: its pictures lie under their ids.
LAST_ID = """
SELECT MAX(id) AS id
FROM (SELECT MAX(id) AS id FROM captures UNION ALL SELECT MAX(id) FROM unknown_captures)
"""

CAPTURES_PAGE = """
SELECT * FROM captures
WHERE id < :before
ORDER BY id DESC
LIMIT :limit
"""

GOATS_PAGE = """
SELECT * FROM captures
WHERE goat_id = :goat_id
  AND id < :before
ORDER BY id DESC
LIMIT :limit
"""

# What belongs to captures, for all captures of a page at once.
IMAGES_OF = """
SELECT * FROM images
WHERE capture_id IN (SELECT value FROM json_each(:ids))
ORDER BY revision
"""

REVISIONS_OF = """
SELECT * FROM revisions
WHERE (capture_id, revision) IN (SELECT value ->> 0, value ->> 1 FROM json_each(:keys))
"""

MEASUREMENTS_OF = """
SELECT * FROM measurements
WHERE (capture_id, revision) IN (SELECT value ->> 0, value ->> 1 FROM json_each(:keys))
ORDER BY rowid
"""

CORRECTIONS_OF = """
SELECT * FROM corrections
WHERE capture_id IN (SELECT value FROM json_each(:ids))
ORDER BY id
"""

TALLY = """
SELECT state, number FROM tallies
WHERE what = ?
  AND number > 0
"""


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


def open_database(path: Path) -> Database:
    """Open the database, or create it; whatever is wrong with it, it is left as it was."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(path, error, "check [station] data_dir and its permissions") from error
    if is_absent(path):
        with held_after_others(path.with_name(f"{path.name}.creating")):
            set_remains_aside(path)
            connected(path).close()
    return connected(path)


def is_absent(path: Path) -> bool:
    """Whether there is no database, or an empty file in its place, which holds as much."""
    return not path.exists() or path.stat().st_size == 0


def set_remains_aside(path: Path) -> None:
    """Keep the write-ahead log of a database that is gone: SQLite would delete it."""
    # Looked at first: once somebody creates the database it has a log of its own.
    remains = [one for one in parts_of(path)[1:] if one.exists()]
    if is_absent(path):
        set_aside(remains)


def parts_of(path: Path) -> list[Path]:
    """The database, its write-ahead log, and the log's index."""
    return [path.with_name(path.name + suffix) for suffix in ("", "-wal", "-shm")]


def set_aside(parts: Iterable[Path]) -> list[Path]:
    """Rename parts of a database that is no use: station.db-wal -> station.db.damaged-<time>-wal. None is deleted."""
    stamp, renamed = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}", []
    for part in parts:
        name, dash, suffix = part.name.partition("-")
        renamed.append(part.rename(part.with_name(f"{name}.damaged-{stamp}{dash}{suffix}")))
    return renamed


def connected(path: Path) -> Database:
    hint = "check [station] data_dir and its permissions"
    try:
        connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None)
    except sqlite3.Error as error:
        raise explained(path, error, hint) from error
    try:
        return prepared(connection, path)
    except sqlite3.Error as error:
        connection.close()
        raise explained(path, error, hint) from error
    except NewerDatabase as error:
        close_untouched(connection, path)
        raise NewerDatabase(f"{path}: {error.message}", error.hint) from None


def refuse_newer(path: Path) -> None:
    """Raise NewerDatabase where a newer version wrote the database; nothing else about it matters here."""
    try:
        if path.exists():
            Store(path).close()
    except NewerDatabase:
        raise
    except StoreError:
        return


def close_untouched(connection: sqlite3.Connection, path: Path) -> None:
    """Close without moving what a newer version left in its log into the database, as the last to close would."""
    log = path.with_name(f"{path.name}-wal")
    if not (log.exists() and log.stat().st_size):
        connection.close()
        return
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as reader:
        reader.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()
        connection.close()


def require_known(applied: set[str]) -> None:
    """Raise NewerDatabase where the tables are of a version that this one knows nothing of."""
    unknown = applied - set(STEPS)
    if unknown:
        raise NewerDatabase(
            f"this database was written by a newer Goatdev, with tables this version does not know "
            f"({', '.join(sorted(unknown))})",
            "it was left as it is: install that version again, or restore a backup made before it",
        )


def prepared(connection: sqlite3.Connection, path: Path) -> Database:
    """In WAL mode, fully synchronous, with every migration applied; a new one knows what it does not know.

    Raises NewerDatabase before anything is touched.
    """
    db = Database(connection)
    applied = {migration.name for migration in migrations.applied(db)}
    require_known(applied)
    switch_to_wal(connection)
    # A press that was acknowledged survives a power cut.
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    if applied != set(STEPS):
        # Station, dashboard and sync may start at the same moment: one migrates, the others wait and find it done.
        with write_transaction(db):
            is_new = not migrations.applied(db)
            migrations.apply(db)
            if is_new:
                ids = captures_on_disk(path.with_name(IMAGE_FOLDER))
                unknown = connection.executemany(INSERT_UNKNOWN, [(one,) for one in ids]).rowcount
                if unknown > 0:
                    connection.execute(COUNT_ON, [unknown + FAR_BEHIND])
    return db


def switch_to_wal(connection: sqlite3.Connection) -> None:
    """Once in a database's life, and SQLite waits for nobody then: station, dashboard and sync may start together."""
    end = time.monotonic() + BUSY_TIMEOUT_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > end:
                raise
            time.sleep(random.uniform(0.005, 0.05))


@contextmanager
def write_transaction(db: Database) -> Iterator[None]:
    """All or nothing. Takes the write lock first, so that what is read inside stays true."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        db.execute("ROLLBACK")
        raise
    db.execute("COMMIT")


def capture_id(at: datetime, station_id: str) -> str:
    return f"{at:%Y%m%dT%H%M%S}{at.microsecond // 1000:03d}Z_{station_id}"


def time_of(capture_id: str) -> datetime:
    """When a capture was asked for, from its id."""
    stamp = capture_id.split("_", 1)[0]
    return datetime.strptime(stamp[:15] + stamp[15:18] + "000+0000", "%Y%m%dT%H%M%S%f%z")
