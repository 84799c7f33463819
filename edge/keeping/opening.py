"""Opening station.db: created where it is absent, brought up to date where it is old, left alone where it is no use."""

from __future__ import annotations

import random
import sqlite3
import time
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from sqlite_utils import Database

from edge.errors import NewerDatabase, StoreError
from edge.keeping.archive import IMAGE_FOLDER, captures_on_disk
from edge.keeping.disk import cannot_write
from edge.keeping.locks import held_after_others
from edge.keeping.schema import STEPS, migrations
from edge.keeping.trouble import explained

BUSY_TIMEOUT_S = 10.0
# A number is given once: behind all that the database before this one may have given.
COUNT_ON = "UPDATE counters SET last = ? WHERE name = 'press'"
FAR_BEHIND = 1000
INSERT_UNKNOWN = "INSERT INTO unknown_captures (id) VALUES (?) ON CONFLICT DO NOTHING"


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
            open_database(path).close()
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
