"""Looking at a database that may be damaged, from an older or newer version, or in use: nothing is changed in it."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from urllib.parse import quote

from sqlite_utils import Database

from edge.errors import StoreError
from edge.keeping.opening import BUSY_TIMEOUT_S
from edge.keeping.schema import migrations
from edge.keeping.store import Store

RESTORE = "stop the station, keep a copy of the data folder, and restore a backup: `goatdev restore`"


class StoreToLookAt(Store):
    """The station's database as it is: opened without creating or upgrading it. Raises StoreError."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.damage_found = ""
        self.open()

    def open(self) -> None:
        self.is_in_use = log_of(self.path).exists()
        try:
            self.db = Database(connection(self.path, self.is_in_use))
        except sqlite3.Error as error:
            raise StoreError(f"{self.path}: cannot be read: {error}", RESTORE) from error

    def look_for_damage(self, thorough: bool) -> None:
        """Keep the first damage that SQLite finds; `thorough` compares every index with its table as well."""
        check = "integrity_check" if thorough else "quick_check"
        found = self.one(f"PRAGMA {check}(1)") or {check: "no answer"}
        if found[check] != "ok" and not self.is_in_use and log_of(self.path).exists():
            # Somebody began to write meanwhile: what was read is of two moments.
            self.close()
            self.open()
            self.look_for_damage(thorough)
        else:
            self.damage_found = "" if found[check] == "ok" else str(found[check])

    def is_of_this_version(self) -> bool:
        return not self.unknown_steps() and not self.pending_steps()

    def unknown_steps(self) -> list[str]:
        """Upgrades of its tables that only a newer version knows."""
        known = {one.name for one in migrations.pending(Database(memory=True))}
        return [one.name for one in migrations.applied(self.db) if one.name not in known]

    def pending_steps(self) -> list[str]:
        """Upgrades that the next start will do."""
        return [one.name for one in migrations.pending(self.db)]


def log_of(path: Path) -> Path:
    """What SQLite writes beside a database as long as somebody has it open."""
    return path.with_name(path.name + "-wal")


def connection(path: Path, is_in_use: bool) -> sqlite3.Connection:
    """Read only. Where nobody has the database open it is read as a plain file, so that no file appears beside it."""
    address = f"file:{quote(str(path.resolve()))}?mode=ro{'' if is_in_use else '&immutable=1'}"
    return sqlite3.connect(address, uri=True, timeout=BUSY_TIMEOUT_S, isolation_level=None)
