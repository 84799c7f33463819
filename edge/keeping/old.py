"""What can still be read of a database that was set aside; nothing in it is changed, or taken that cannot be right."""

from __future__ import annotations

import json
import re
import sqlite3
from pathlib import Path
from types import TracebackType
from typing import Any

SHA256 = re.compile(r"[0-9a-f]{64}")

DOCUMENTS = "SELECT sequence, document FROM outbox WHERE capture_id = ?"

AUDIT = "SELECT at, author, act, capture_id, goat_id, before, after FROM audit ORDER BY id"
PINNED = "SELECT id FROM goats WHERE is_pinned = 1"

RECEIPTS = """
SELECT destination, objects
FROM receipts
JOIN outbox ON outbox.id = outbox_id
WHERE capture_id = ?
  AND sequence = ?
"""


class OldDatabase:
    """A damaged database: each question is answered as far as its pages can be read, and with nothing where not."""

    def __init__(self, path: Path) -> None:
        self.connection: sqlite3.Connection | None = None
        try:
            self.connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
        except sqlite3.Error:
            self.connection = None

    def __enter__(self) -> OldDatabase:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.connection is not None:
            self.connection.close()

    def documents(self, capture_id: str) -> dict[int, str]:
        """sequence -> document, those that are whole."""
        rows = self.rows(DOCUMENTS, [capture_id])
        return {sequence: text for sequence, text in rows if is_of(capture_id, text)}

    def receipts(self, capture_id: str, sequence: int) -> dict[str, dict[str, str]]:
        """destination -> key -> SHA-256, as the cloud acknowledged them."""
        found = {}
        for destination, text in self.rows(RECEIPTS, [capture_id, sequence]):
            objects = json_object(text)
            if objects and all(capture_id in key and SHA256.fullmatch(str(objects[key])) for key in objects):
                found[destination] = objects
        return found

    def audit(self) -> list[dict[str, Any]]:
        """What people did, oldest first."""
        names = ("at", "author", "act", "capture_id", "goat_id", "before", "after")
        found = (dict(zip(names, row, strict=True)) for row in self.rows(AUDIT, []))
        return [row for row in found if is_object(row["before"]) and is_object(row["after"])]

    def pinned(self) -> list[str]:
        """The goats whose pictures are to be kept for ever."""
        return [goat_id for (goat_id,) in self.rows(PINNED, []) if isinstance(goat_id, str)]

    def rows(self, sql: str, parameters: list[Any]) -> list[tuple[Any, ...]]:
        if self.connection is None:
            return []
        try:
            return self.connection.execute(sql, parameters).fetchall()
        except (sqlite3.Error, UnicodeDecodeError):
            return []


def is_of(capture_id: str, text: Any) -> bool:
    return json_object(text).get("capture_id") == capture_id


def is_object(text: Any) -> bool:
    return text == "{}" or bool(json_object(text))


def json_object(text: Any) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, TypeError):
        return {}
    return found if isinstance(found, dict) else {}
