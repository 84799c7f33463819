"""What visitors send, checked; what a goat's id may be is said in edge.identity."""

from __future__ import annotations

import re
from typing import Any

from flask import request

from dashboard.errors import Refusal
from edge.records import Trigger
from edge.triggers import new_trigger

CAPTURE_ID = re.compile(r"\d{8}T\d{9}Z_[a-zA-Z0-9-]{1,32}", re.ASCII)
LONGEST_PAGE = 200


def trigger_sent() -> Trigger:
    """The press that a program sent. The same Idempotency-Key, or request_id, means the same press."""
    body = press_body()
    request_id = request.headers.get("Idempotency-Key", body.get("request_id"))
    return new_trigger("dashboard", body.get("goat_id"), request_id)


def press_body() -> dict[str, Any]:
    """The JSON of a press; no body at all is a press without a goat."""
    if not request.get_data():
        return {}
    body = request.get_json(force=True, silent=True)
    if not isinstance(body, dict):
        raise Refusal(400, "the body is not a JSON object", 'for example {"goat_id": "1234"}, or nothing')
    for key, value in body.items():
        if key not in ("goat_id", "request_id"):
            raise Refusal(400, f"{key}: unknown key", "known: goat_id, request_id")
        if not isinstance(value, str | None):
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
