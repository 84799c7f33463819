"""What the person who pressed is told, in one word for lamps and buzzers and in one sentence for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edge.errors import StationError
from edge.records import Capture, Status

BUSY, ACCEPTED, DONE, TAKE_AGAIN = "busy", "accepted", "done", "take_again"
MISSED, REFUSED, ERROR, DISK_FULL = "missed", "refused", "error", "disk_full"

# state -> language -> sentence; {why} where something else has said it already.
CATALOGUE: Mapping[str, Mapping[str, str]] = {
    ACCEPTED: {
        "en": "Measuring. Keep the goat where it is.",
        "es": "Midiendo. Deje la cabra donde está.",
    },
    BUSY: {
        "en": "The station is measuring another press. Wait until it is done and press again.",
        "es": "La estación está midiendo otra vez. Espere a que termine y pulse de nuevo.",
    },
    DONE: {
        "en": "Measured. The goat can go.",
        "es": "Medida. La cabra puede salir.",
    },
    TAKE_AGAIN: {
        "en": "Take it again: {why}.",
        "es": "Tómela otra vez: {why}.",
    },
    MISSED: {
        "en": "The press waited too long. Press again while the goat stands in the crate.",
        "es": "El pedido esperó demasiado. Pulse otra vez con la cabra en el cajón.",
    },
    REFUSED: {
        "en": "Nothing was measured: {why}. Mend what was sent and press again.",
        "es": "No se midió nada: {why}. Corrija lo que se envió y pulse otra vez.",
    },
    DISK_FULL: {
        "en": "The press was not taken: the station's disk is full. Tell whoever looks after the station.",
        "es": "No se tomó el pedido: el disco de la estación está lleno. Avise a quien cuida la estación.",
    },
    ERROR: {
        "en": "The press could not be written down: {why}. Tell whoever looks after the station.",
        "es": "No se pudo guardar el pedido: {why}. Avise a quien cuida la estación.",
    },
}


def feedback(state: str, language: str, why: str = "", trigger_id: str | None = None) -> dict[str, Any]:
    """What is said where there is no capture."""
    return {
        "state": state,
        "capture_id": None,
        "trigger_id": trigger_id,
        "verdict": None,
        "text": CATALOGUE[state][language].format(why=why),
    }


def feedback_of(capture: Capture, language: str) -> dict[str, Any]:
    """Where a capture stands; advice, which is in the station's language already, takes the place of our sentence."""
    state = state_of(capture)
    document = feedback(state, language, why_not(capture), capture.trigger.id)
    advice = capture.revision.advice if capture.revision else ()
    return {
        **document,
        "capture_id": capture.id,
        "verdict": capture.revision.verdict if capture.revision else None,
        "text": advice[0].text if advice and state in (DONE, TAKE_AGAIN) else document["text"],
    }


def why_not(capture: Capture) -> str:
    """Why there are no numbers, or fewer; "" where there are all."""
    if capture.failure:
        return str(StationError(capture.failure, capture.hint or ""))
    measurements = capture.revision.measurements if capture.revision else ()
    return next((one.reason for one in measurements if one.reason), "")


def state_of(capture: Capture) -> str:
    match capture.status:
        case Status.QUEUED | Status.PROCESSING:
            return ACCEPTED
        case Status.MISSED:
            return MISSED
        case Status.FAILED:
            return TAKE_AGAIN
        case Status.COMPLETED:
            good = capture.revision is not None and capture.revision.verdict != "take again"
            return DONE if good else TAKE_AGAIN
