"""What visitors send, checked; what a goat's id may be is said in edge.devices.identity."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any

from flask import request

from dashboard.errors import Refusal
from edge.corrections import correction_said, withdrawal_said
from edge.devices.identity import checked_goat_id
from edge.devices.weights import typed_weight
from edge.records import Capture, Said, Trigger, Weight
from edge.triggers import new_trigger

CAPTURE_ID = re.compile(r"\d{8}T\d{9}Z_[a-zA-Z0-9-]{1,32}", re.ASCII)
LONGEST_PAGE = 200
LABELS = ("goat_id", "weight_lb", "weight_kg")
NUMBERS = ("weight_lb", "weight_kg", "value")


@dataclass(frozen=True, slots=True)
class Label:
    """Whose a capture is and what it weighed; None for what was not said."""

    goat_id: str | None
    weight: Weight | None

    def on(self, capture: Capture) -> Capture:
        """The capture with what was said of it later."""
        named = capture.named(self.goat_id, "later") if self.goat_id else capture
        return replace(named, weight=self.weight) if self.weight else named


def trigger_sent() -> Trigger:
    """The press that a program sent. The same Idempotency-Key, or request_id, means the same press."""
    body = body_sent(*LABELS, "request_id")
    request_id = request.headers.get("Idempotency-Key", body.get("request_id"))
    return new_trigger("dashboard", body.get("goat_id"), request_id, weight_in(body))


def label_sent() -> Label:
    """Whose a capture is and what it weighed, as a program sent it."""
    body = body_sent(*LABELS)
    return Label(checked_goat_id(body.get("goat_id")), weight_in(body))


def label_typed() -> Label:
    """The same from a form."""
    return Label(checked_goat_id(request.form.get("goat_id")), weight_in_form())


def correction_sent() -> Said:
    """What a trait really is, as a program sent it."""
    body = body_sent("trait", "value", "author", "reason")
    return correction_said(body.get("trait") or "", body.get("value"), body.get("author"), body.get("reason"))


def withdrawal_sent() -> Said:
    """That a correction is taken back, as a program sent it."""
    body = body_sent("trait", "author", "reason")
    return withdrawal_said(body.get("trait") or "", body.get("author"), body.get("reason"))


def correction_typed() -> Said:
    """The same from a form: its two buttons differ in where they send it."""
    form = request.form
    return correction_said(form.get("trait", ""), form.get("value"), form.get("author"), form.get("reason"))


def withdrawal_typed() -> Said:
    form = request.form
    return withdrawal_said(form.get("trait", ""), form.get("author"), form.get("reason"))


def weight_in_form() -> Weight | None:
    return typed_weight(request.form.get("weight"), request.form.get("weight_unit", "lb"))


def weight_in(body: dict[str, Any]) -> Weight | None:
    given = {unit: body[f"weight_{unit}"] for unit in ("lb", "kg") if body.get(f"weight_{unit}") is not None}
    if len(given) > 1:
        raise Refusal(400, "the weight is given twice", "write weight_lb or weight_kg, not both")
    for unit, value in given.items():
        return typed_weight(str(value), unit)
    return None


def body_sent(*known: str) -> dict[str, Any]:
    """A JSON object with these keys and no others; no body at all is an empty one."""
    if not request.get_data():
        return {}
    body = request.get_json(force=True, silent=True)
    if not isinstance(body, dict):
        raise Refusal(400, "the body is not a JSON object", 'for example {"goat_id": "1234"}, or nothing')
    for key, value in body.items():
        if key not in known:
            raise Refusal(400, f"{key}: unknown key", f"known: {', '.join(known)}")
        if key in NUMBERS:
            if isinstance(value, bool) or not isinstance(value, int | float | str | None):
                raise Refusal(400, f"{key} is not a number", f'for example {{"{key}": 55.5}}')
        elif not isinstance(value, str | None):
            raise Refusal(400, f"{key} is not text", f'write it in quotes: {{"{key}": "1234"}}')
    return body


def limit_of(given: str | None, usual: int) -> int:
    """How many on one page."""
    if given is None:
        return usual
    if not re.fullmatch(r"[0-9]{1,3}", given) or not 1 <= int(given) <= LONGEST_PAGE:
        raise Refusal(400, "limit is out of range", f"a whole number from 1 to {LONGEST_PAGE}")
    return int(given)


def before_of(given: str | None) -> str | None:
    """The capture that the page before ended with."""
    if given is not None and not CAPTURE_ID.fullmatch(given):
        raise Refusal(400, "before is not a capture id", "give what `next` said")
    return given
