"""A snapshot of station.db: made while others write to it, and looked at where it lies, never changed."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from sqlite_utils import Database

from edge.errors import StoreError
from edge.keeping.schema import STEPS, migrations


def copy_database(source: Path, target: Path) -> None:
    """Copy a database as it is at this moment into one new file; whoever uses it goes on meanwhile."""
    if not source.is_file():
        raise StoreError(f"{source}: there is no database", "is [station] data_dir the right folder?")
    with reading(source) as db, closing(sqlite3.connect(target)) as copy:
        db.backup(copy)
        # Without a log beside it, so that the one file is all of it.
        copy.execute("PRAGMA journal_mode = DELETE")


def damage_of(database: Path) -> str | None:
    """What is wrong with the file, in SQLite's words; None for a whole one."""
    try:
        with reading(database) as db:
            found: str = db.execute("PRAGMA integrity_check(1)").fetchone()[0]
    except StoreError as error:
        return error.message
    return None if found == "ok" else found


def rows_by_table(database: Path) -> dict[str, int]:
    """table -> how many rows."""
    with reading(database) as db:
        names = [
            name
            for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
        ]
        own = [name for name in names if not name.startswith(("sqlite_", "_"))]
        return {name: db.execute(f'SELECT COUNT(*) FROM "{name}"').fetchone()[0] for name in own}


def migrations_of(database: Path) -> tuple[str, ...]:
    """The steps that brought a database to its shape, first to last."""
    with reading(database) as db:
        return tuple(one.name for one in migrations.applied(Database(db)))


def unknown_migrations(database: Path) -> list[str]:
    """What a newer version did to a database, and this one knows nothing of."""
    return [name for name in migrations_of(database) if name not in STEPS]


def pictures_named(database: Path, with_originals: bool = True) -> Iterator[str]:
    """The path of every picture that a database names and does not say is pruned, below the image folder, in order."""
    kinds = ("raw", "annotated") if with_originals else ("annotated", "annotated")
    with reading(database) as db:
        columns = {row[1] for row in db.execute("PRAGMA table_info(images)")}
        kept = "pruned_at IS NULL" if "pruned_at" in columns else "TRUE"  # an older database knows no pruning
        rows = db.execute(
            f"SELECT DISTINCT path FROM images WHERE kind IN (?, ?) AND {kept} ORDER BY path", kinds
        )
        for (path,) in rows:
            yield path


@contextmanager
def reading(database: Path) -> Iterator[sqlite3.Connection]:
    """A connection that cannot write; what SQLite refuses becomes StoreError."""
    try:
        with closing(sqlite3.connect(f"{database.resolve().as_uri()}?mode=ro", uri=True)) as connection:
            yield connection
    except sqlite3.Error as error:
        raise StoreError(f"{database}: {error}", "check the disk: `goatdev doctor`") from error
