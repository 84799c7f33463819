"""Each document that is owed to the cloud, a second time beside its pictures: with them the database can be rebuilt.

    <day>/<capture id>/result.json      the newest document of a capture
    <day>/<capture id>/result.<n>.json  an earlier one, by its sequence in the outbox

Byte for byte what the outbox holds, so that what is delivered after a rescue is what was delivered before. Written
behind a durable cursor in the outbox: what a crash, a full disk or an upgrade left out is written at the next turn.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edge.keeping.archive import Archive
from edge.keeping.cursor import Cursor
from edge.keeping.disk import cannot_write
from edge.keeping.durable import make_folder, write_durably
from edge.keeping.store import Store

CURSOR = "copies"
NEWEST = "result.json"
EARLIER = re.compile(r"result\.([0-9]{1,9})\.json")

DOCUMENTS = "SELECT sequence, document FROM outbox WHERE capture_id = ? ORDER BY sequence"


FROM_THE_FIRST = "UPDATE cursors SET outbox_id = 0 WHERE name = ?"


def write_all_again(store: Store) -> None:
    """For a station whose folders have no copies, as after a restore: they come again, one by one."""
    with store.transaction():
        store.db.execute(FROM_THE_FIRST, [CURSOR])


class Copies:
    """The copies of one station's documents."""

    def __init__(self, store: Store, archive: Archive) -> None:
        self.store = store
        self.archive = archive
        self.cursor = Cursor(store, CURSOR)
        self.cursor.begin_at_first()

    def write_next(self) -> bool:
        """Write the oldest document that has no copy yet; False where there is none."""
        entry = self.cursor.next()
        if entry is None:
            return False
        rows = self.store.all(DOCUMENTS, [entry.capture_id])
        documents = {row["sequence"]: row["document"].encode() for row in rows}
        write_copies(self.archive.folder_of(entry.capture_id), documents)
        self.cursor.advance(entry)
        return True


def write_copies(folder: Path, documents: Mapping[int, bytes]) -> None:
    """Write all documents of a capture, the newest last: what it takes the place of is there by then."""
    newest = max(documents)
    names = {sequence: f"result.{sequence}.json" for sequence in documents} | {newest: NEWEST}
    for sequence in sorted(documents):
        path = folder / names[sequence]
        try:
            if not path.is_file() or path.read_bytes() != documents[sequence]:
                make_folder(folder)
                write_durably(path, documents[sequence])
        except OSError as error:
            raise cannot_write(path, error) from error


def copies_in(folder: Path) -> dict[int, str]:
    """sequence -> document, of each whole one in a capture's folder; the newest follows the one before it."""
    paths = {
        int(name[1]): path for path in folder.glob("result.*.json") if (name := EARLIER.fullmatch(path.name))
    }
    found = {sequence: read_copy(paths[sequence]) for sequence in sorted(paths)}
    newest = read_copy(folder / NEWEST)
    if newest is not None:
        found[json.loads(newest).get("sequence", max(found, default=-1) + 1)] = newest
    return {sequence: text for sequence, text in found.items() if text is not None}


def read_copy(path: Path) -> str | None:
    """A document, if there is a whole one of the capture in whose folder it lies: disks fail, too."""
    try:
        text = path.read_text(encoding="utf-8")
        document: Any = json.loads(text)
    except (OSError, ValueError):
        return None
    is_whole = isinstance(document, dict) and document.get("capture_id") == path.parent.name
    return text if is_whole else None
