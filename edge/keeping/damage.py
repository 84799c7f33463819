"""That the database is damaged, written down beside it by who found out, for those who have not looked so closely."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

from edge.errors import DatabaseDamaged
from edge.keeping.durable import write_durably


def note_damage(path: Path, error: DatabaseDamaged) -> None:
    """Leave a note of what is wrong with the database at that path; a disk that cannot take it changes nothing."""
    with suppress(OSError):
        write_durably(note_of(path), json.dumps({"message": error.message, "hint": error.hint}).encode())


def noted_damage(path: Path) -> DatabaseDamaged | None:
    """What was noted, if anything was."""
    try:
        note = json.loads(note_of(path).read_text(encoding="utf-8"))
        return DatabaseDamaged(note["message"], note["hint"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def forget_damage(path: Path) -> None:
    """The database is sound, or another one."""
    with suppress(OSError):
        note_of(path).unlink(missing_ok=True)


def note_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.damage.json")
