"""Between the station's nouns and the rows of its tables."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import datetime
from functools import lru_cache
from typing import Any

import numpy as np

from edge.document import capture_document
from edge.records import (
    VIEWS,
    Advice,
    Capture,
    Clock,
    Correction,
    Dating,
    Glance,
    Line,
    Measurement,
    Reading,
    Revision,
    Status,
    StoredImage,
    Trigger,
    Weight,
    utc_now,
)


def press_row(capture_id: str, trigger: Trigger) -> dict[str, Any]:
    return {
        "id": capture_id,
        "trigger_id": trigger.id,
        "source": trigger.source,
        "requested_at": trigger.requested_at.isoformat(),
        "goat_id": trigger.goat_id,
        "goat_source": trigger.goat_source,
        **weight_columns(trigger.weight),
        **clock_columns(trigger.clock),
    }


def clock_columns(clock: Clock | None) -> dict[str, Any]:
    return {
        "clock_source": clock.source if clock else None,
        "utc_offset_min": clock.utc_offset_min if clock else None,
        "boot_id": clock.boot_id if clock else None,
        "since_boot_s": clock.since_boot_s if clock else None,
    }


def dating_row(capture: Capture, dating: Dating) -> dict[str, Any]:
    return {
        "id": capture.id,
        "dated_from": dating.source,
        "dated_at": dating.at.isoformat(),
        "dating_note": dating.note,
        "taken_at": dating.taken_at.isoformat() if dating.taken_at else None,
        "clock_behind_s": dating.by_s,
    }


def label_row(capture: Capture) -> dict[str, Any]:
    return {
        "id": capture.id,
        "goat_id": capture.goat_id,
        "goat_source": capture.goat_source,
        "goat_note": capture.goat_note,
        **weight_columns(capture.weight),
    }


def weight_columns(weight: Weight | None) -> dict[str, Any]:
    return {
        "weight_kg": weight.kg if weight else None,
        "weight_source": weight.source if weight else None,
        "weight_raw": weight.raw if weight else None,
    }


def closing_row(capture: Capture) -> dict[str, Any]:
    return {
        "id": capture.id,
        "status": capture.status,
        "revision": capture.revision_number,
        "spread_ms": capture.spread_ms,
        "burst_ms": capture.burst_ms,
        "failure": capture.failure,
        "hint": capture.hint,
        "finished_at": capture.finished_at.isoformat() if capture.finished_at else None,
    }


def image_row(capture: Capture, image: StoredImage) -> dict[str, Any]:
    revision = 0 if image.kind == "raw" else capture.revision_number
    return {**asdict(image), "capture_id": capture.id, "revision": revision}


def revision_row(capture: Capture, revision: Revision) -> dict[str, Any]:
    return {
        "capture_id": capture.id,
        "revision": capture.revision_number,
        "created_at": utc_now().isoformat(),
        "readings": json.dumps([asdict(reading) for reading in revision.readings]),
        "advice": json.dumps([asdict(advice) for advice in revision.advice]),
        "model": json.dumps(dict(revision.model)),
        "calibration": json.dumps(dict(revision.calibration)),
        "software": revision.software,
    }


def measurement_row(capture: Capture, measurement: Measurement) -> dict[str, Any]:
    return {
        **asdict(measurement),
        "views": json.dumps(measurement.views),
        "capture_id": capture.id,
        "revision": capture.revision_number,
    }


def glance_row(capture: Capture, glance: Glance) -> dict[str, Any]:
    assert capture.revision is not None
    return {
        "capture_id": capture.id,
        "view": glance.view,
        "calibration": capture.revision.calibration["sha256"],
        "columns": glance.detail.shape[1],
        "detail": glance.detail.tobytes(),
        "is_dirty": int(glance.is_dirty),
    }


def outbox_row(capture: Capture) -> dict[str, Any]:
    """The document is frozen here, so that a repeated delivery sends the same bytes."""
    return {
        "capture_id": capture.id,
        "document": json.dumps(capture_document(capture), sort_keys=True),
        "next_attempt_at": utc_now().isoformat(),
    }


def capture_of(
    row: Mapping[str, Any],
    images: tuple[StoredImage, ...],
    revision: Revision | None,
    corrections: tuple[Correction, ...] = (),
) -> Capture:
    requested_at = datetime.fromisoformat(row["requested_at"])
    weight, clock = weight_of(row), clock_of(row)
    return Capture(
        id=row["id"],
        trigger=Trigger(row["trigger_id"], row["source"], requested_at, row["goat_id"], weight, clock),
        status=Status(row["status"]),
        goat_id=row["goat_id"],
        revision_number=row["revision"],
        images=images,
        revision=revision,
        spread_ms=row["spread_ms"],
        burst_ms=row["burst_ms"],
        failure=row["failure"],
        hint=row["hint"],
        finished_at=datetime.fromisoformat(row["finished_at"]) if row["finished_at"] else None,
        goat_source=row["goat_source"],
        goat_note=row["goat_note"],
        weight=weight,
        sequence=row["sequence"],
        dating=dating_of(row),
        corrections=corrections,
    )


def clock_of(row: Mapping[str, Any]) -> Clock | None:
    if row["clock_source"] is None:
        return None
    return Clock(row["clock_source"], row["utc_offset_min"], row["boot_id"], row["since_boot_s"])


def dating_of(row: Mapping[str, Any]) -> Dating | None:
    if row["dated_from"] is None:
        return None
    taken_at = datetime.fromisoformat(row["taken_at"]) if row["taken_at"] else None
    dated_at = datetime.fromisoformat(row["dated_at"])
    return Dating(row["dated_from"], dated_at, row["dating_note"], taken_at, row["clock_behind_s"])


def weight_of(row: Mapping[str, Any]) -> Weight | None:
    if row["weight_kg"] is None:
        return None
    return Weight(row["weight_kg"], row["weight_source"], row["weight_raw"])


def by_capture(rows: Iterable[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """capture id -> its rows, in their order."""
    found: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        found.setdefault(row["capture_id"], []).append(row)
    return found


def newest_images(rows: Iterable[Mapping[str, Any]]) -> tuple[StoredImage, ...]:
    """Raw images of all shots and the annotated ones of the newest revision, from rows in the order of revisions."""
    newest = {image.place: image for image in map(image_of, rows)}
    return tuple(sorted(newest.values(), key=image_order))


def image_of(row: Mapping[str, Any]) -> StoredImage:
    columns = ("view", "kind", "path", "sha256", "width", "height", "size_bytes", "shot", "pruned_at")
    return StoredImage(**{column: row[column] for column in columns})


def glance_of(row: Mapping[str, Any]) -> Glance:
    detail = np.frombuffer(row["detail"], np.uint8).reshape(-1, row["columns"])
    return Glance(row["view"], detail, bool(row["is_dirty"]))


def image_order(image: StoredImage) -> tuple[int, bool, int]:
    """View by view, each as taken, shot after shot, and then with what was measured."""
    return VIEWS.index(image.view), image.kind != "raw", image.shot


def revision_of(row: Mapping[str, Any], measurements: list[dict[str, Any]]) -> Revision:
    return Revision(
        measurements=tuple(measurement_of(one) for one in measurements),
        readings=tuple(reading_of(one) for one in json.loads(row["readings"])),
        advice=tuple(Advice(**one) for one in json.loads(row["advice"])),
        model=json.loads(row["model"]),
        calibration=json.loads(row["calibration"]),
        software=row["software"],
    )


def measurement_of(row: Mapping[str, Any]) -> Measurement:
    columns = ("trait", "value", "u95", "confidence", "reason")
    return Measurement(views=views_of(row["views"]), **{column: row[column] for column in columns})


@lru_cache(64)
def views_of(text: str) -> tuple[str, ...]:
    """There are few ways to put three views together, and a page of captures says them hundreds of times."""
    return tuple(json.loads(text))


def reading_of(document: Mapping[str, Any]) -> Reading:
    lines = tuple(Line(one["trait"], tuple(one["start"]), tuple(one["end"])) for one in document["lines"])
    landmarks = {name: tuple(point) for name, point in document["landmarks"].items()}
    warnings = tuple(document["warnings"])
    return Reading(document["view"], document["confidence"], document["facing"], warnings, landmarks, lines)
