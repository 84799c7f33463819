"""The tables of station.db, as numbered migrations: a released one is never edited, only followed."""

from __future__ import annotations

from contextlib import closing

from sqlite_utils import Database, Migrations

from edge.keeping.record_tables import RECORD_TABLES

migrations = Migrations("goatdev")

FIRST_TABLES = """
CREATE TABLE captures (
    id TEXT PRIMARY KEY,
    status TEXT NOT NULL CHECK (status IN ('queued', 'processing', 'completed', 'failed', 'missed')),
    trigger_id TEXT NOT NULL UNIQUE,
    source TEXT NOT NULL,
    goat_id TEXT,
    requested_at TEXT NOT NULL,
    finished_at TEXT,
    spread_ms REAL,
    revision INTEGER NOT NULL DEFAULT 0,
    failure TEXT,
    hint TEXT
) STRICT;

CREATE INDEX captures_waiting ON captures (id) WHERE status IN ('queued', 'processing');
CREATE INDEX captures_by_goat ON captures (goat_id, id);

CREATE TABLE images (
    capture_id TEXT NOT NULL REFERENCES captures (id),
    kind TEXT NOT NULL CHECK (kind IN ('raw', 'annotated')),
    view TEXT NOT NULL,
    revision INTEGER NOT NULL,
    path TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    width INTEGER,
    height INTEGER,
    size_bytes INTEGER NOT NULL,
    PRIMARY KEY (capture_id, kind, view, revision)
) STRICT;

CREATE TABLE revisions (
    capture_id TEXT NOT NULL REFERENCES captures (id),
    revision INTEGER NOT NULL,
    created_at TEXT NOT NULL,
    readings TEXT NOT NULL,
    advice TEXT NOT NULL,
    model TEXT NOT NULL,
    calibration TEXT NOT NULL,
    software TEXT NOT NULL,
    PRIMARY KEY (capture_id, revision)
) STRICT;

CREATE TABLE measurements (
    capture_id TEXT NOT NULL,
    revision INTEGER NOT NULL,
    trait TEXT NOT NULL,
    value REAL,
    u95 REAL,
    confidence REAL NOT NULL,
    views TEXT NOT NULL,
    reason TEXT,
    PRIMARY KEY (capture_id, revision, trait),
    FOREIGN KEY (capture_id, revision) REFERENCES revisions (capture_id, revision),
    CHECK ((value IS NULL) = (reason IS NOT NULL)),
    CHECK ((value IS NULL) = (u95 IS NULL))
) STRICT;

CREATE TABLE outbox (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    capture_id TEXT NOT NULL REFERENCES captures (id),
    sequence INTEGER NOT NULL,
    document TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'due' CHECK (state IN ('due', 'delivered', 'parked')),
    attempts INTEGER NOT NULL DEFAULT 0,
    next_attempt_at TEXT NOT NULL,
    last_error TEXT,
    UNIQUE (capture_id, sequence)
) STRICT;

CREATE INDEX outbox_due ON outbox (next_attempt_at) WHERE state = 'due';

CREATE TABLE receipts (
    outbox_id INTEGER NOT NULL REFERENCES outbox (id),
    destination TEXT NOT NULL,
    objects TEXT NOT NULL,
    received_at TEXT NOT NULL,
    PRIMARY KEY (outbox_id, destination)
) STRICT;
"""

# SQLite cannot widen a primary key, so the images move into a new table.
BURSTS = """
ALTER TABLE captures ADD COLUMN burst_ms REAL;

CREATE TABLE images_of_bursts (
    capture_id TEXT NOT NULL REFERENCES captures (id),
    kind TEXT NOT NULL CHECK (kind IN ('raw', 'annotated')),
    view TEXT NOT NULL,
    shot INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    path TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    width INTEGER,
    height INTEGER,
    size_bytes INTEGER NOT NULL,
    PRIMARY KEY (capture_id, kind, view, shot, revision)
) STRICT;

INSERT INTO images_of_bursts
SELECT capture_id, kind, view, 1, revision, path, sha256, width, height, size_bytes
FROM images
ORDER BY rowid;

DROP TABLE images;

ALTER TABLE images_of_bursts RENAME TO images;
"""

CURSORS = """
CREATE TABLE cursors (
    name TEXT PRIMARY KEY,
    outbox_id INTEGER NOT NULL
) STRICT;
"""

# What tells a dirty lens: how the views looked in the latest captures, each under its calibration.
GLANCES = """
CREATE TABLE glances (
    capture_id TEXT NOT NULL REFERENCES captures (id),
    view TEXT NOT NULL,
    calibration TEXT NOT NULL,
    columns INTEGER NOT NULL,
    detail BLOB NOT NULL,
    is_dirty INTEGER NOT NULL CHECK (is_dirty IN (0, 1)),
    PRIMARY KEY (capture_id, view)
) STRICT;

CREATE INDEX glances_of_view ON glances (view, capture_id);
"""

NAMES_AND_WEIGHTS = """
ALTER TABLE captures ADD COLUMN goat_source TEXT CHECK (goat_source IN ('typed', 'press', 'reader', 'later'));

ALTER TABLE captures ADD COLUMN goat_note TEXT;

ALTER TABLE captures ADD COLUMN weight_kg REAL CHECK (weight_kg > 0);

ALTER TABLE captures ADD COLUMN weight_source TEXT CHECK (weight_source IN ('typed', 'scale'));

ALTER TABLE captures ADD COLUMN weight_raw TEXT;
"""

# Earlier rows keep no clock: nobody wrote it down. Their order is that of their ids, which always increased.
CLOCKS = """
ALTER TABLE captures ADD COLUMN sequence INTEGER;

ALTER TABLE captures ADD COLUMN clock_source TEXT CHECK (clock_source IN ('ntp', 'rtc', 'unsynchronised'));

ALTER TABLE captures ADD COLUMN utc_offset_min INTEGER;

ALTER TABLE captures ADD COLUMN boot_id TEXT;

ALTER TABLE captures ADD COLUMN since_boot_s REAL;

ALTER TABLE captures ADD COLUMN dated_from TEXT CHECK (dated_from IN ('ntp', 'set', 'never'));

ALTER TABLE captures ADD COLUMN dated_at TEXT;

ALTER TABLE captures ADD COLUMN dating_note TEXT;

ALTER TABLE captures ADD COLUMN taken_at TEXT;

ALTER TABLE captures ADD COLUMN clock_behind_s REAL;

UPDATE captures
SET sequence = earlier.place
FROM (SELECT id, ROW_NUMBER() OVER (ORDER BY id) AS place FROM captures) AS earlier
WHERE captures.id = earlier.id;

CREATE UNIQUE INDEX captures_in_order ON captures (sequence);

CREATE INDEX captures_of_boot ON captures (boot_id, sequence) WHERE clock_source <> 'ntp';

CREATE INDEX captures_undated ON captures (boot_id) WHERE clock_source = 'unsynchronised' AND dated_from IS NULL;

CREATE TABLE counters (
    name TEXT PRIMARY KEY,
    last INTEGER NOT NULL
) STRICT;

INSERT INTO counters (name, last) SELECT 'press', COUNT(*) FROM captures;

CREATE TABLE boots (
    boot_id TEXT PRIMARY KEY,
    booted_at TEXT NOT NULL
) STRICT;
"""

# What the cloud refused is counted and named whenever somebody looks at the station.
REFUSALS = """
CREATE INDEX outbox_parked ON outbox (id) WHERE state = 'parked';
"""


# unknown_captures: what lay on disk, by its folder's name, when this database was made in the place of another.
PRUNING = """
ALTER TABLE images ADD COLUMN pruned_at TEXT;

CREATE INDEX images_not_pruned ON images (capture_id) WHERE kind = 'raw' AND pruned_at IS NULL;
CREATE INDEX images_pruned ON images (pruned_at) WHERE pruned_at IS NOT NULL;

CREATE TABLE unknown_captures (
    id TEXT PRIMARY KEY
) STRICT;
"""


@migrations()
def first_tables(db: Database) -> None:
    """Captures with images, revisions, measurements; the outbox and its receipts."""
    run(db, FIRST_TABLES)


@migrations()
def bursts(db: Database) -> None:
    """Several shots of one press: each image knows its shot, each capture how long its burst took."""
    run(db, BURSTS)


@migrations()
def cursors(db: Database) -> None:
    """How far the outbox was read by those who only tell of it."""
    run(db, CURSORS)


@migrations()
def glances(db: Database) -> None:
    """How each view looked in the latest captures."""
    run(db, GLANCES)


@migrations()
def names_and_weights(db: Database) -> None:
    """Who named the goat, and what it weighed."""
    run(db, NAMES_AND_WEIGHTS)


@migrations()
def clocks(db: Database) -> None:
    """Which press it was, how far its clock could be trusted, and when it was really taken."""
    run(db, CLOCKS)


@migrations()
def refusals(db: Database) -> None:
    """What the cloud refused is found without looking through all that it took."""
    run(db, REFUSALS)


@migrations()
def goats_corrections_audit(db: Database) -> None:
    """Goats and which are pinned, what people corrected and did, and tallies of what there is much of."""
    for statement in RECORD_TABLES:
        db.execute(statement)


@migrations()
def pruning(db: Database) -> None:
    """When original pictures were removed, and which captures on disk the database does not know."""
    run(db, PRUNING)


def run(db: Database, statements: str) -> None:
    """One after the other, inside the transaction that is open."""
    for statement in statements.split(";"):
        if statement.strip():
            db.execute(statement)


def all_steps() -> tuple[str, ...]:
    """The names of all migrations, in their order."""
    with closing(Database(memory=True)) as empty:
        return tuple(migration.name for migration in migrations.pending(empty))


# A database that has seen another step than these is newer than this software.
STEPS = all_steps()
