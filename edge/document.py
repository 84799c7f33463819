"""The one JSON form of a result: printed by the command line, served by the API, sent to the cloud."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from edge import __version__
from edge.records import (
    Advice,
    Capture,
    Correction,
    Dating,
    Measurement,
    Reading,
    Revision,
    StoredImage,
    Weight,
)


def software() -> str:
    return f"goatdev {__version__}"


def revision_document(capture_id: str | None, revision: Revision) -> dict[str, Any]:
    """What `goatdev measure --json` prints."""
    return {
        "capture_id": capture_id,
        "measurements": measurements_document(revision.measurements),
        "views": {reading.view: reading_document(reading) for reading in revision.readings},
        "advice": [advice_document(advice) for advice in revision.advice],
        "verdict": revision.verdict,
        "model": dict(revision.model),
        "calibration": dict(revision.calibration),
        "software": revision.software,
    }


def capture_document(capture: Capture) -> dict[str, Any]:
    """A capture with all that is known of it; where nothing was measured, why."""
    numbers: dict[str, Any] = {"measurements": {}, "views": {}, "advice": []}
    if capture.revision is not None:
        numbers = revision_document(capture.id, capture.revision)
    return {
        **numbers,
        "corrections": corrections_document(capture),
        "capture_id": capture.id,
        "timestamp": capture.id,
        "station_id": capture.id.split("_", 1)[1],
        "status": str(capture.status),
        "goat_id": capture.goat_id,
        "goat_id_source": capture.goat_source,
        "goat_note": capture.goat_note,
        "weight_kg": weight_kg(capture.weight),
        "weight": weight_document(capture.weight) if capture.weight else None,
        "source": capture.trigger.source,
        "trigger_id": capture.trigger.id,
        "requested_at": capture.trigger.requested_at.isoformat(),
        **time_document(capture),
        "finished_at": capture.finished_at.isoformat() if capture.finished_at else None,
        "spread_ms": capture.spread_ms,
        "burst_ms": capture.burst_ms,
        "revision": capture.revision_number,
        "failure": capture.failure,
        "hint": capture.hint,
        "images": [image_document(image) for image in capture.images],
    }


def time_document(capture: Capture) -> dict[str, Any]:
    """When it was really taken, as far as known; how far that can be trusted; and what was found out later."""
    clock, dating = capture.trigger.clock, capture.dating
    return {
        "taken_at": capture.taken_at.isoformat(),
        "time_state": capture.time_state,
        "clock": {
            "source": clock.source if clock else None,
            "utc_offset_min": clock.utc_offset_min if clock else None,
            "boot_id": clock.boot_id if clock else None,
            "since_boot_s": rounded(clock.since_boot_s, 3) if clock else None,
            "sequence": capture.sequence,
        },
        "clock_correction": dating_document(dating) if dating else None,
    }


def dating_document(dating: Dating) -> dict[str, Any]:
    return {
        "source": dating.source,
        "by_s": rounded(dating.by_s, 3),
        "found_at": dating.at.isoformat(),
        "text": dating.note,
    }


def measurements_document(measurements: Iterable[Measurement]) -> dict[str, Any]:
    return {
        one.trait: {
            "value": rounded(one.value, 2),
            "u95": rounded(one.u95, 2),
            "confidence": rounded(one.confidence, 3),
            "views": list(one.views),
            "reason": one.reason,
        }
        for one in measurements
    }


def corrections_document(capture: Capture) -> list[dict[str, Any]]:
    """What people said of traits, oldest first; `stands` marks what goes before the measured value."""
    return [
        {**correction_document(one), "stands": one is capture.standing(one.said.trait).correction}
        for one in capture.corrections
    ]


def correction_document(correction: Correction) -> dict[str, Any]:
    """A value of null takes back what was said before."""
    return {
        "trait": correction.said.trait,
        "value": rounded(correction.said.value, 2),
        "measured": rounded(correction.measured, 2),
        "revision": correction.revision,
        "author": correction.said.author,
        "reason": correction.said.reason,
        "corrected_at": correction.at.isoformat(),
    }


def standing_document(capture: Capture) -> dict[str, Any]:
    """trait -> what stands, for those who want one number: the person's where one was said, else the measured."""
    traits = [one.trait for one in capture.revision.measurements] if capture.revision else []
    traits += [one.said.trait for one in capture.corrections]
    standings = [capture.standing(trait) for trait in dict.fromkeys(traits)]
    return {
        one.trait: {
            "value": rounded(one.value, 2),
            "u95": rounded(one.u95, 2),
            "corrected": one.correction is not None,
        }
        for one in standings
    }


def reading_document(reading: Reading) -> dict[str, Any]:
    return {
        "confidence": rounded(reading.confidence, 3),
        "facing": reading.facing,
        "warnings": list(reading.warnings),
    }


def weight_kg(weight: Weight | None) -> float | None:
    return round(weight.kg, 3) if weight else None


def weight_document(weight: Weight) -> dict[str, Any]:
    return {"kg": weight_kg(weight), "source": weight.source, "raw": weight.raw}


def advice_document(advice: Advice) -> dict[str, Any]:
    return {"code": advice.code, "view": advice.view, "text": advice.text}


def image_document(image: StoredImage) -> dict[str, Any]:
    return {
        "view": image.view,
        "kind": image.kind,
        "shot": image.shot,
        "sha256": image.sha256,
        "width": image.width,
        "height": image.height,
        "size_bytes": image.size_bytes,
    }


def rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)
