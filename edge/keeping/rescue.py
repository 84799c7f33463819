"""Builds the database again from what lies beside the pictures, for a station whose database was lost or damaged.

A damaged one is set aside, never removed; a new one takes its place, which knows which captures on disk it does not
know (`unknown_captures`), and these are taken in, some at a time: a rescue that was interrupted goes on where it was.

Numbers come from the documents. What was delivered comes from the damaged database as far as it can be read, and from
the notes of what was pruned: a document that is owed again is the same to the byte, and the cloud finds that it has it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from edge.document import capture_document
from edge.errors import DatabaseDamaged
from edge.keeping.archive import Archive
from edge.keeping.census import Census
from edge.keeping.copies import copies_in
from edge.keeping.damage import forget_damage
from edge.keeping.dating import DATE
from edge.keeping.documents import capture_told
from edge.keeping.old import OldDatabase
from edge.keeping.opening import parts_of, set_aside
from edge.keeping.people import INSERT_CORRECTION, PIN, correction_row
from edge.keeping.prune import read_note
from edge.keeping.rows import (
    closing_row,
    dating_row,
    image_row,
    label_row,
    measurement_row,
    press_row,
    revision_row,
)
from edge.keeping.statements import (
    CLOSE_CAPTURE,
    INSERT_CAPTURE,
    INSERT_IMAGE,
    INSERT_MEASUREMENT,
    INSERT_REVISION,
    LABEL,
)
from edge.keeping.store import Store, time_of
from edge.records import Capture, Status, Trigger, utc_now

# Taken in with one transaction.
AT_ONCE = 100
# The first document that is made here: behind all that the lost database may have delivered of this capture.
FIRST_MADE = 1000

UNKNOWN = "SELECT id FROM unknown_captures ORDER BY id LIMIT ?"

COUNTED = "UPDATE counters SET last = MAX(last, COALESCE(:sequence, 0)) WHERE name = 'press'"

INSERT_ENTRY = """
INSERT INTO outbox (capture_id, sequence, document, state, next_attempt_at)
VALUES (:capture_id, :sequence, :document, :state, :next_attempt_at)
"""

INSERT_RECEIPT = """
INSERT INTO receipts (outbox_id, destination, objects, received_at)
SELECT id, :destination, :objects, :received_at
FROM outbox
WHERE capture_id = :capture_id
  AND sequence = :sequence
"""

# A rescue that is done again adds nothing.
ADD_ACT = """
INSERT INTO audit (at, author, act, capture_id, goat_id, before, after)
SELECT :at, :author, :act, :capture_id, :goat_id, :before, :after
WHERE NOT EXISTS (SELECT 1 FROM audit WHERE at = :at AND author = :author AND act = :act AND after = :after)
"""

# Who listens to results and had heard all is not told those of years again.
HEARD_ALL = """
UPDATE cursors
SET outbox_id = (SELECT MAX(id) FROM outbox)
WHERE name <> 'copies'
  AND outbox_id = :newest
"""


@dataclass(frozen=True, slots=True)
class Rescued:
    """What a rescue came to."""

    captures: int
    pictures_only: int
    delivered: int
    set_aside: tuple[str, ...]


def rescue(path: Path, archive: Archive, tell: Callable[[int, int], None]) -> Rescued:
    """Take in every capture on disk that the database does not know; nothing on disk is changed or removed.

    The caller holds the locks of station and sync. `tell` hears how many are done, of how many.
    """
    aside = set_damaged_aside(path)
    with ExitStack() as opened:
        store = opened.enter_context(Store(path))
        census = Census(store, archive)
        while not census.is_done:
            census.look_at_next_day()
        olds = [opened.enter_context(OldDatabase(one)) for one in damaged_ones(path)]
        total, done, pictures_only, delivered = store.unknown(), 0, 0, 0
        while batch := [row["id"] for row in store.all(UNKNOWN, [AT_ONCE])]:
            with store.transaction():
                newest = {"newest": store.number("SELECT COALESCE(MAX(id), 0) AS number FROM outbox")}
                for capture_id in batch:
                    found = find(capture_id, archive, olds)
                    take_in(store, found)
                    pictures_only += found.is_made
                    delivered += bool(found.receipts)
                store.db.execute(HEARD_ALL, newest)
            done += len(batch)
            tell(done, total)
        with store.transaction():
            for old in olds:
                take_over_acts(store, old)
    forget_damage(path)
    return Rescued(done, pictures_only, delivered, tuple(str(one) for one in aside))


def set_damaged_aside(path: Path) -> list[Path]:
    """Rename a database that cannot be read whole, with its log; returns what it is called now."""
    try:
        with Store(path) as store:
            store.require_sound()
        return []
    except DatabaseDamaged:
        return set_aside([one for one in parts_of(path) if one.exists()])


def damaged_ones(path: Path) -> list[Path]:
    """The databases that were set aside here, newest first."""
    return sorted((one for one in path.parent.glob(f"{path.name}.damaged-*Z")), reverse=True)


@dataclass(frozen=True, slots=True)
class Found:
    """What is known of a capture.

    capture    as it stands
    documents  sequence -> what is owed to the cloud, or was
    receipts   sequence -> destination -> key -> SHA-256
    revisions  those that the documents tell, oldest first
    is_made    whether there were only pictures, and its document was made here
    """

    capture: Capture
    documents: dict[int, str]
    receipts: dict[int, dict[str, dict[str, str]]]
    revisions: tuple[Capture, ...]
    is_made: bool = False


def find(capture_id: str, archive: Archive, olds: Sequence[OldDatabase]) -> Found:
    """Everything that disk and damaged databases tell of a capture."""
    folder = archive.folder_of(capture_id)
    documents, receipts = copies_in(folder), dict[int, dict[str, dict[str, str]]]()
    for old in olds:
        for sequence, text in old.documents(capture_id).items():
            documents.setdefault(sequence, text)
            if documents[sequence] == text:
                receipts.setdefault(sequence, old.receipts(capture_id, sequence))
    try:
        stages = tuple(capture_told(json.loads(documents[one]), archive) for one in sorted(documents))
    except (KeyError, TypeError, ValueError):  # whole, and not what we write
        stages = ()
    if not stages:
        return pictures_only(capture_id, archive)
    note = read_note(folder)
    if note is not None:
        stages = tuple(with_pruned(stage, note["pruned_at"], archive) for stage in stages)
        for destination, objects in note["receipts"].items():
            receipts.setdefault(min(documents), {}).setdefault(destination, {}).update(objects)
    return Found(stages[-1], documents, receipts, stages)


def pictures_only(capture_id: str, archive: Archive) -> Found:
    """A capture of which nothing was written down but its pictures: they can be measured again."""
    at = time_of(capture_id)
    images = archive.raw_images_of(capture_id)
    message = "rescued: pictures only" if images else "rescued: nothing of it was kept"
    hint = "measure its pictures again: `goatdev replay`, or its page" if images else "measure the goat again"
    trigger = Trigger(f"rescued-{capture_id}", "command", at)
    capture = Capture(capture_id, trigger, Status.PROCESSING).with_images(images).failed(message, hint, at)
    document = {**capture_document(capture), "sequence": FIRST_MADE}
    return Found(capture, {FIRST_MADE: json.dumps(document, sort_keys=True)}, {}, (capture,), is_made=True)


def with_pruned(capture: Capture, pruned_at: str, archive: Archive) -> Capture:
    """The capture with those of its pictures marked as pruned that are not there any more."""
    marked = (
        image
        if image.kind != "raw" or (archive.folder / image.path).exists()
        else replace(image, pruned_at=pruned_at)
        for image in capture.images
    )
    return replace(capture, images=tuple(marked))


def take_in(store: Store, found: Found) -> None:
    """Write all rows of a capture, inside the transaction that is open."""
    capture = found.capture
    # A successor counts its own presses; where it gave a number again, the first to have had it goes without.
    counted = {"sequence": capture.sequence}
    is_given = store.number("SELECT COUNT(*) AS number FROM captures WHERE sequence = :sequence", counted)
    row = press_row(capture.id, capture.trigger) | ({"sequence": None} if is_given else counted)
    store.db.execute(INSERT_CAPTURE, row)
    store.db.execute(COUNTED, counted)
    if capture.dating is not None:
        store.db.execute(DATE, dating_row(capture, capture.dating))
    for stage in found.revisions:
        for image in stage.images:
            store.db.execute(INSERT_IMAGE, {**image_row(stage, image)})
            if image.pruned_at:
                store.db.execute(
                    "UPDATE images SET pruned_at = :pruned_at WHERE capture_id = :id AND path = :path",
                    {"pruned_at": image.pruned_at, "id": capture.id, "path": image.path},
                )
        if stage.revision is not None and store.revision(capture.id, stage.revision_number) is None:
            made = {"created_at": (stage.finished_at or utc_now()).isoformat()}
            store.db.execute(INSERT_REVISION, {**revision_row(stage, stage.revision), **made})
            for measurement in stage.revision.measurements:
                store.db.execute(INSERT_MEASUREMENT, measurement_row(stage, measurement))
    store.db.execute(CLOSE_CAPTURE, closing_row(capture))
    store.db.execute(LABEL, label_row(capture))
    for correction in capture.corrections:
        store.db.execute(INSERT_CORRECTION, correction_row(capture, correction))
    for sequence, document in sorted(found.documents.items()):
        take_in_entry(store, capture.id, sequence, document, found.receipts.get(sequence, {}))
    store.db.execute("DELETE FROM unknown_captures WHERE id = ?", [capture.id])


def take_over_acts(store: Store, old: OldDatabase) -> None:
    """What people did that no document tells of: the audit, and which goats they pinned."""
    for row in old.audit():
        store.db.execute(ADD_ACT, row)
    for goat_id in old.pinned():
        store.db.execute(PIN, {"goat_id": goat_id, "is_pinned": 1})


def take_in_entry(
    store: Store, capture_id: str, sequence: int, document: str, receipts: dict[str, dict[str, str]]
) -> None:
    """What is owed, or was; a receipt counts as delivery only where it names the result."""
    is_delivered = any(key.endswith("result.json") for held in receipts.values() for key in held)
    now = utc_now().isoformat()
    place = {"capture_id": capture_id, "sequence": sequence}
    state = "delivered" if is_delivered else "due"
    store.db.execute(INSERT_ENTRY, {**place, "document": document, "state": state, "next_attempt_at": now})
    for destination, objects in receipts.items():
        row = {**place, "destination": destination, "objects": json.dumps(objects), "received_at": now}
        store.db.execute(INSERT_RECEIPT, row)
