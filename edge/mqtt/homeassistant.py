"""What Home Assistant is shown of a station: one device with its sensors, a button and the feedback."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edge import __version__
from edge.mqtt.feedback import CATALOGUE
from edge.records import ALL_TRAITS, Trait


def device_id(station_id: str) -> str:
    """Letters, digits, hyphens and underscores, as a discovery topic wants it; station ids are made of these."""
    return f"goatdev_{station_id}"


def discovery(station_id: str, topic_root: str) -> dict[str, Any]:
    """The device's own description, to be retained on <prefix>/device/<device id>/config."""
    device = device_id(station_id)
    parts = {
        **{trait.name: sensor(trait) for trait in ALL_TRAITS},
        **{name: text_sensor(name, title) for name, title in TEXTS.items()},
        "weight_kg": {
            "p": "sensor",
            "name": "Weight",
            "state_class": "measurement",
            "suggested_display_precision": 1,
            "unit_of_measurement": "kg",
            "device_class": "weight",
            "value_template": "{{ value_json.weight_kg }}",
        },
        "finished_at": {**text_sensor("finished_at", "Measured at"), "device_class": "timestamp"},
        "measure": {
            "p": "button",
            "name": "Measure",
            "icon": "mdi:camera",
            "command_topic": f"{topic_root}/trigger",
            "payload_press": "press",
        },
        "feedback": {
            "p": "event",
            "name": "Feedback",
            "icon": "mdi:message-alert",
            "state_topic": f"{topic_root}/feedback",
            "event_types": list(CATALOGUE),
            "value_template": '{{ {"event_type": value_json.state, "text": value_json.text} | to_json }}',
        },
    }
    return {
        "dev": {
            "ids": [device],
            "name": f"Goatdev {station_id}",
            "mf": "Goatdev",
            "mdl": "Weigh crate station",
            "sw": __version__,
        },
        "o": {"name": "goatdev", "sw": __version__},
        "cmps": {name: {**part, "unique_id": f"{device}_{name}"} for name, part in parts.items()},
        "state_topic": f"{topic_root}/state",
        "availability_topic": f"{topic_root}/availability",
        "qos": 1,
    }


TEXTS = {"goat_id": "Goat", "verdict": "Verdict", "advice": "Advice"}
# Home Assistant refuses a state that is longer.
LONGEST_TEXT = 255


def sensor(trait: Trait) -> dict[str, Any]:
    """A number of the newest capture; a length has a unit and, with it, a class."""
    length = {"unit_of_measurement": trait.unit, "device_class": "distance"} if trait.unit == "cm" else {}
    return {
        "p": "sensor",
        "name": trait.title,
        "state_class": "measurement",
        "suggested_display_precision": 1 if length else 2,
        "value_template": f"{{{{ value_json.{trait.name} }}}}",
        **length,
    }


def text_sensor(name: str, title: str) -> dict[str, Any]:
    shown = f"{{{{ (value_json.{name} or '')[:{LONGEST_TEXT}] }}}}"
    return {"p": "sensor", "name": title, "value_template": shown}


def is_corrected(document: Mapping[str, Any]) -> bool:
    """Whether the clock that said when it was finished was wrong."""
    return document.get("time_state") == "corrected"


def state(document: Mapping[str, Any]) -> dict[str, Any]:
    """The newest capture in one flat object: what was not measured is null, never the value of the goat before."""
    measurements = document["measurements"]
    advice = document["advice"]
    return {
        "capture_id": document["capture_id"],
        "status": document["status"],
        "finished_at": document["taken_at" if is_corrected(document) else "finished_at"],
        "goat_id": document["goat_id"],
        "weight_kg": document.get("weight_kg"),
        "verdict": document.get("verdict"),
        "advice": advice[0]["text"] if advice else document["failure"],
        **{trait.name: measurements.get(trait.name, {}).get("value") for trait in ALL_TRAITS},
        **{f"{trait.name}_u95": measurements.get(trait.name, {}).get("u95") for trait in ALL_TRAITS},
    }
