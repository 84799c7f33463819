"""What makes the station measure: a press, from wherever, becomes a Trigger."""

from __future__ import annotations

import re
import uuid

from edge.errors import StationError
from edge.records import Trigger, utc_now

GOAT_ID = re.compile(r"[\w .\-/]{1,40}")
TRIGGER_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")


class TriggerRefused(StationError):
    """A request to measure that cannot be understood."""


def new_trigger(source: str, goat_id: str | None = None, trigger_id: str | None = None) -> Trigger:
    """A press that happens now. Raises TriggerRefused for an id that no goat or request can have."""
    if trigger_id is not None and not TRIGGER_ID.fullmatch(trigger_id):
        raise TriggerRefused("not a request id", "1 to 64 letters, digits and ._:-")
    return Trigger(trigger_id or str(uuid.uuid4()), source, utc_now(), checked_goat_id(goat_id))


def checked_goat_id(text: str | None) -> str | None:
    """The goat's id without stray spaces; None for an empty one."""
    trimmed = (text or "").strip()
    if not trimmed:
        return None
    if not GOAT_ID.fullmatch(trimmed) or not fits_in_an_address(trimmed):
        raise TriggerRefused(
            f"{trimmed[:60]!r} is not a goat's id", "1 to 40 letters, digits, spaces and ._/-"
        )
    return trimmed


def fits_in_an_address(goat_id: str) -> bool:
    """Each goat has a page of its own: browsers take empty parts, "." and ".." out of an address."""
    return all(part.strip() not in ("", ".", "..") for part in goat_id.split("/"))
