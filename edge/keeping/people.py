"""What people do to what is kept, as rows: corrections, pinned goats, and the audit of every such act."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from edge.records import Capture, Correction, Said, utc_now

# Who acts where nobody says a name: the station itself (a tag that was read after the press), or somebody at its pages.
STATION = "station"

INSERT_CORRECTION = """
INSERT INTO corrections (capture_id, revision, trait, measured, value, author, reason, corrected_at)
VALUES (:capture_id, :revision, :trait, :measured, :value, :author, :reason, :corrected_at)
"""

INSERT_AUDIT = """
INSERT INTO audit (at, author, act, capture_id, goat_id, before, after)
VALUES (:at, :author, :act, :capture_id, :goat_id, :before, :after)
"""

AUDIT = """
SELECT at, author, act, capture_id, goat_id, before, after FROM audit
ORDER BY id DESC
LIMIT ?
"""

# Without those whose name was a slip and has been taken from every capture since.
GOATS = """
SELECT goats.id AS goat_id,
       goats.captures,
       latest.id AS latest,
       COALESCE(latest.taken_at, latest.requested_at) AS latest_at,
       goats.is_pinned
FROM goats
CROSS JOIN captures AS latest ON latest.id = (SELECT MAX(id) FROM captures WHERE goat_id = goats.id)
"""

PIN = """
UPDATE goats
SET is_pinned = :is_pinned
WHERE id = :goat_id
"""


def corrected(capture: Capture, said: Said) -> Correction:
    """What was said, beside what is measured now."""
    measurement = capture.standing(said.trait).measurement
    return Correction(said, capture.revision_number, measurement.value if measurement else None, utc_now())


def correction_row(capture: Capture, correction: Correction) -> dict[str, Any]:
    said = correction.said
    return {
        "capture_id": capture.id,
        "revision": correction.revision,
        "trait": said.trait,
        "measured": correction.measured,
        "value": said.value,
        "author": said.author,
        "reason": said.reason,
        "corrected_at": correction.at.isoformat(),
    }


def correction_of(row: Mapping[str, Any]) -> Correction:
    said = Said(row["trait"], row["value"], row["author"], row["reason"])
    return Correction(said, row["revision"], row["measured"], datetime.fromisoformat(row["corrected_at"]))


def goat_of(row: Mapping[str, Any]) -> dict[str, Any]:
    return {**row, "is_pinned": bool(row["is_pinned"])}


def act_of(row: Mapping[str, Any]) -> dict[str, Any]:
    return {**row, "before": json.loads(row["before"]), "after": json.loads(row["after"])}


# Acts, each with what was before it and what is after it.


def audit_row(
    author: str,
    act: str,
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    capture_id: str | None = None,
    goat_id: str | None = None,
) -> dict[str, Any]:
    return {
        "at": utc_now().isoformat(),
        "author": author,
        "act": act,
        "capture_id": capture_id,
        "goat_id": goat_id,
        "before": json.dumps(before),
        "after": json.dumps(after),
    }


def label_acts(author: str, before: Capture, after: Capture) -> Iterator[dict[str, Any]]:
    """That a capture was said to be another goat's, and that it was said to weigh something else."""
    for act, told_of in (("name", name_of), ("weigh", weight_of)):
        if told_of(before) != told_of(after):
            yield audit_row(author, act, told_of(before), told_of(after), after.id, after.goat_id)


def name_of(capture: Capture) -> dict[str, Any]:
    return {"goat_id": capture.goat_id, "source": capture.goat_source, "note": capture.goat_note}


def weight_of(capture: Capture) -> dict[str, Any]:
    weight = capture.weight
    return {"kg": weight.kg, "source": weight.source, "raw": weight.raw} if weight else {}


def correction_act(before: Capture, after: Capture, said: Said) -> dict[str, Any]:
    was, stands = before.standing(said.trait), after.standing(said.trait)
    return audit_row(
        said.author,
        "correct" if said.value is not None else "withdraw",
        {"trait": said.trait, "value": was.value, "corrected": was.correction is not None},
        {
            "trait": said.trait,
            "value": stands.value,
            "corrected": stands.correction is not None,
            "reason": said.reason,
        },
        after.id,
        after.goat_id,
    )


def pin_act(author: str, goat_id: str, is_pinned: bool) -> dict[str, Any]:
    act = "pin" if is_pinned else "unpin"
    return audit_row(author, act, {"is_pinned": not is_pinned}, {"is_pinned": is_pinned}, goat_id=goat_id)


def asking_act(author: str, capture: Capture) -> dict[str, Any]:
    """That somebody wanted a closed capture measured again."""
    before = {"status": capture.status, "revision": capture.revision_number}
    return audit_row(author, "measure again", before, {"status": "queued"}, capture.id, capture.goat_id)
