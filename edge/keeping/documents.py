"""A capture read back from its document, as far as that tells: numbers as they were rounded, no lines, no landmarks."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from edge.keeping.archive import Archive, file_name
from edge.keeping.objects import shot_of
from edge.records import (
    Advice,
    Capture,
    Clock,
    Correction,
    Dating,
    Measurement,
    Reading,
    Revision,
    Said,
    Status,
    StoredImage,
    Trigger,
    Weight,
)


def capture_told(document: Mapping[str, Any], archive: Archive) -> Capture:
    """The capture that a document tells of. Raises KeyError, TypeError or ValueError for a document that is none."""
    weight = weight_told(document.get("weight"))
    requested_at = datetime.fromisoformat(document["requested_at"])
    goat_id = document["goat_id"]
    return Capture(
        id=document["capture_id"],
        trigger=Trigger(
            document["trigger_id"], document["source"], requested_at, goat_id, weight, clock_told(document)
        ),
        status=Status(document["status"]),
        goat_id=goat_id,
        revision_number=document["revision"],
        images=tuple(image_told(document["capture_id"], one, archive) for one in document["images"]),
        revision=revision_told(document) if document["revision"] else None,
        spread_ms=document["spread_ms"],
        burst_ms=document.get("burst_ms"),
        failure=document["failure"],
        hint=document["hint"],
        finished_at=datetime.fromisoformat(document["finished_at"]) if document["finished_at"] else None,
        goat_source=document.get("goat_id_source"),
        goat_note=document.get("goat_note"),
        weight=weight,
        sequence=document.get("clock", {}).get("sequence"),
        dating=dating_told(document),
        corrections=tuple(correction_told(one) for one in document.get("corrections", ())),
    )


def clock_told(document: Mapping[str, Any]) -> Clock | None:
    """Documents from before clocks were written down tell nothing of it."""
    clock = document.get("clock", {})
    if clock.get("source") is None:
        return None
    return Clock(clock["source"], clock["utc_offset_min"], clock["boot_id"], clock["since_boot_s"])


def dating_told(document: Mapping[str, Any]) -> Dating | None:
    told = document.get("clock_correction")
    if told is None:
        return None
    taken_at = None if told["source"] == "never" else datetime.fromisoformat(document["taken_at"])
    return Dating(
        told["source"], datetime.fromisoformat(told["found_at"]), told["text"], taken_at, told["by_s"]
    )


def correction_told(told: Mapping[str, Any]) -> Correction:
    said = Said(told["trait"], told["value"], told["author"], told["reason"])
    return Correction(said, told["revision"], told["measured"], datetime.fromisoformat(told["corrected_at"]))


def weight_told(weight: Mapping[str, Any] | None) -> Weight | None:
    return Weight(weight["kg"], weight["source"], weight["raw"]) if weight else None


def image_told(capture_id: str, image: Mapping[str, Any], archive: Archive) -> StoredImage:
    name = file_name(image["view"], image["kind"], image["sha256"], shot_of(dict(image)))
    return StoredImage(
        view=image["view"],
        kind=image["kind"],
        path=str((archive.folder_of(capture_id) / name).relative_to(archive.folder)),
        sha256=image["sha256"],
        width=image["width"],
        height=image["height"],
        size_bytes=image["size_bytes"],
        shot=shot_of(dict(image)),
    )


def revision_told(document: Mapping[str, Any]) -> Revision:
    return Revision(
        measurements=tuple(
            Measurement(trait, **{**one, "views": tuple(one["views"])})
            for trait, one in document["measurements"].items()
        ),
        readings=tuple(
            Reading(view, one["confidence"], one["facing"], tuple(one["warnings"]))
            for view, one in document["views"].items()
        ),
        advice=tuple(Advice(one["code"], one["view"], one["text"]) for one in document["advice"]),
        model=document["model"],
        calibration=document["calibration"],
        software=document["software"],
    )
