"""What SQLite's errors mean for who runs the station: a full disk, a read-only one, a damaged database, or another."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from threading import Timer

from edge.errors import DatabaseDamaged, DiskFull, DiskTrouble, StationError, StoreError
from edge.keeping.disk import DAMAGED_HINT, FULL_HINT, READ_ONLY_HINT, disk_below

RESCUE_HINT = "it was left as it is: run `goatdev rescue`, which builds a new one, or restore a backup"
# Extended codes carry what happened in their upper bits.
PRIMARY = 0xFF


def explained(
    path: Path, error: sqlite3.Error, hint: str = "check the disk: `goatdev doctor`"
) -> StationError:
    """The error of ours that says what an SQLite error means; `hint` is for one that is none of the known."""
    code = getattr(error, "sqlite_errorcode", 0)
    if code & PRIMARY == sqlite3.SQLITE_NOTADB:
        return DatabaseDamaged(f"{path}: cannot be used as the station's database: {error}", RESCUE_HINT)
    if code & PRIMARY == sqlite3.SQLITE_CORRUPT:
        return DatabaseDamaged(f"{path}: the database is damaged: {error}", RESCUE_HINT)
    if code == sqlite3.SQLITE_READONLY_DBMOVED:
        return StoreError(f"{path}: the database was moved or removed while it was open", "start it again")
    if code & PRIMARY == sqlite3.SQLITE_FULL:
        return full(path)
    if code & PRIMARY in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN):
        return disk_trouble(path, error, hint)
    return StoreError(f"{path}: {error}", hint)


def disk_trouble(path: Path, error: sqlite3.Error, hint: str) -> StationError:
    """SQLite only says that it cannot read or write; the disk itself says why."""
    disk = disk_below(path.parent)
    if disk.is_read_only:
        return DiskTrouble(f"{path}: cannot be written: the disk is read-only", READ_ONLY_HINT)
    if disk.used > 0.999:
        return full(path)
    if error.sqlite_errorcode & PRIMARY == sqlite3.SQLITE_IOERR:
        return DiskTrouble(f"{path}: {error}", DAMAGED_HINT)
    return StoreError(f"{path}: {error}", hint)


def full(path: Path) -> DiskFull:
    return DiskFull(f"{path}: cannot be written: the disk is full", FULL_HINT)


def require_sound(path: Path, connection: sqlite3.Connection, within_s: float | None = None) -> None:
    """Raise DatabaseDamaged where SQLite's quick check finds damage; what it reaches in time is checked."""
    # A progress handler would not do: SQLite walks through a whole table without asking it.
    timer = Timer(within_s or 0, connection.interrupt)
    if within_s is not None:
        timer.start()
    try:
        found = str(connection.execute("PRAGMA quick_check(1)").fetchone()[0])
    except sqlite3.Error as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT:
            raise explained(path, error) from error
        return
    finally:
        timer.cancel()
        if within_s is not None:
            timer.join()
    if found != "ok":
        raise DatabaseDamaged(f"{path}: the database is damaged: {found.splitlines()[-1]}", RESCUE_HINT)
