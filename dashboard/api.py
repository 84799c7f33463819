"""The HTTP API under /api/v1."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from flask import Blueprint, request, url_for

from dashboard.context import config, store
from dashboard.health import checks, http_status
from dashboard.inputs import (
    before_of,
    body_sent,
    correction_sent,
    label_sent,
    limit_of,
    trigger_sent,
    withdrawal_sent,
)
from dashboard.queries import (
    ask_again,
    capture_or_404,
    captures_page,
    correct,
    goat_or_404,
    label,
    pin,
    result_document,
)
from edge.devices.identity import checked_goat_id
from edge.document import corrections_document, measurements_document, standing_document, weight_kg
from edge.health.check import worst
from edge.pressing import press as press_button
from edge.records import Capture

api = Blueprint("api", __name__, url_prefix="/api/v1")

Answer = tuple[dict[str, Any], int]


@api.post("/captures")
def press() -> Answer:
    """Press the button."""
    return accepted(press_button(store(), config(), trigger_sent()))


@api.post("/captures/<capture_id>")
def label_capture(capture_id: str) -> dict[str, Any]:
    """Say later which goat it was or what it weighed, without measuring again."""
    return result_document(store(), label(store(), capture_id, label_sent()))


@api.post("/captures/<capture_id>/corrections")
def correct_trait(capture_id: str) -> Answer:
    """Say what a trait really is; the measured value stays beside it."""
    return result_document(store(), correct(store(), capture_id, correction_sent())), 201


@api.post("/captures/<capture_id>/corrections/withdraw")
def withdraw_correction(capture_id: str) -> Answer:
    """Take back what was said of a trait; the measured value stands again."""
    return result_document(store(), correct(store(), capture_id, withdrawal_sent())), 201


@api.post("/process/<capture_id>")
def process(capture_id: str) -> Answer:
    """Measure the stored pictures again, and attach the goat where one is named."""
    goat_id = checked_goat_id(request.args.get("goat_id"))
    return accepted(ask_again(store(), capture_id, goat_id))


def accepted(capture: Capture) -> Answer:
    return {
        "capture_id": capture.id,
        "timestamp": capture.id,
        "status": capture.status,
        "result_url": url_for("api.result", capture_id=capture.id),
    }, 202


@api.get("/results/<capture_id>")
def result(capture_id: str) -> dict[str, Any]:
    return result_document(store(), capture_or_404(store(), capture_id))


@api.get("/captures")
def captures() -> dict[str, Any]:
    """One page of captures, newest first; `next` is what to give as `before` for the next page."""
    found, following = page_asked_for()
    return {"captures": [result_document(store(), one) for one in found], "next": following}


@api.get("/goats")
def goats() -> dict[str, Any]:
    return {"goats": store().goats()}


@api.get("/goats/<path:goat_id>")
def goat(goat_id: str) -> dict[str, Any]:
    """One goat, with its latest capture."""
    known = goat_or_404(store(), goat_id)
    return {**known, "result": result_document(store(), store().capture(known["latest"]))}


@api.get("/goats/<path:goat_id>/measurements")
def history(goat_id: str) -> dict[str, Any]:
    """What was measured of one goat, newest first. A page may be short: failed captures are left out."""
    goat_or_404(store(), goat_id)
    found, following = page_asked_for(goat_id)
    entries = [measured(one) for one in found if one.revision is not None]
    return {"goat_id": goat_id, "measurements": entries, "next": following}


def page_asked_for(goat_id: str | None = None) -> tuple[list[Capture], str | None]:
    limit, before = limit_of(request.args.get("limit"), 20), before_of(request.args.get("before"))
    return captures_page(store(), limit, before, goat_id)


def measured(capture: Capture) -> dict[str, Any]:
    assert capture.revision is not None
    return {
        "capture_id": capture.id,
        "timestamp": capture.id,
        "requested_at": capture.trigger.requested_at.isoformat(),
        "taken_at": capture.taken_at.isoformat(),
        "time_state": capture.time_state,
        "revision": capture.revision_number,
        "verdict": capture.revision.verdict,
        "weight_kg": weight_kg(capture.weight),
        "measurements": measurements_document(capture.revision.measurements),
        "corrections": corrections_document(capture),
        "standing": standing_document(capture),
    }


@api.post("/goats/<path:goat_id>/pin")
def pin_goat(goat_id: str) -> dict[str, Any]:
    """Keep this goat's pictures for ever."""
    return pin(store(), goat_id, True, body_sent("author").get("author"))


@api.post("/goats/<path:goat_id>/unpin")
def unpin_goat(goat_id: str) -> dict[str, Any]:
    """Treat this goat's pictures as all others are."""
    return pin(store(), goat_id, False, body_sent("author").get("author"))


@api.get("/health")
def health() -> Answer:
    """Every check with its state and what to do; 503 when one of them fails."""
    found = checks()
    return {"status": worst(found), "checks": [asdict(check) for check in found]}, http_status(found)
