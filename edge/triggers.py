"""What makes the station measure: a press, from wherever, becomes a Trigger."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable

from edge.clock import read_clock
from edge.devices.identity import checked_goat_id
from edge.errors import InputRefused
from edge.records import Stamp, Trigger, Weight

TRIGGER_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")


def new_trigger(
    source: str,
    goat_id: str | None = None,
    trigger_id: str | None = None,
    weight: Weight | None = None,
    clock: Callable[[], Stamp] = read_clock,
) -> Trigger:
    """A press that happens now. Raises InputRefused for an id that no goat or request can have."""
    if trigger_id is not None and not TRIGGER_ID.fullmatch(trigger_id):
        raise InputRefused("not a request id", "1 to 64 letters, digits and ._:-")
    named, now = checked_goat_id(goat_id), clock()
    return Trigger(trigger_id or str(uuid.uuid4()), source, now.at, named, weight, now.clock)
