"""What people read: labels, numbers and times, and what a capture comes to in a few words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from markupsafe import Markup, escape

from edge.devices.weights import KG
from edge.document import weight_kg
from edge.health.check import FAIL, OK, WARN
from edge.records import (
    ALL_TRAITS,
    TRAITS,
    Capture,
    Revision,
    Standing,
    Status,
    StoredImage,
    Trait,
    Weight,
)
from edge.times import clock_words

# Read at three metres: heights first, then widths.
KEY_TRAITS = {
    "withers_height_cm": "Withers",
    "rump_height_cm": "Rump",
    "head_height_cm": "Head",
    "body_width_cm": "Body width",
    "waist_width_cm": "Waist",
}
SYNC_WORDS = {"due": "waiting", "delivered": "delivered", "parked": "refused"}
SOURCE_WORDS = {"dashboard": "this dashboard", "command": "the command line", "mqtt": "the button"}
GOAT_SOURCE_WORDS = {
    "typed": "typed with the press",
    "press": "sent with the press",
    "reader": "the tag reader",
    "later": "said later",
}
WEIGHT_SOURCE_WORDS = {"scale": "scale", "typed": "typed"}
CLOCK_WORDS = {
    "ntp": "kept right by a time server",
    "rtc": "from the battery clock",
    "unsynchronised": "not set at the press",
}
NOT_MEASURED = "—"
# check -> language -> title; what a check is of, a view or a device, is named with it.
CHECK_TITLES = {
    "station": {"en": "Station", "es": "Estación"},
    "model": {"en": "Model", "es": "Modelo"},
    "camera": {"en": "Camera", "es": "Cámara"},
    "broker": {"en": "MQTT broker", "es": "Servidor MQTT"},
    "reader": {"en": "Tag reader", "es": "Lector de aretes"},
    "scale": {"en": "Scale", "es": "Báscula"},
    "sync": {"en": "Sync", "es": "Sincronización"},
    "calibration": {"en": "Calibration", "es": "Calibración"},
    "database": {"en": "Database", "es": "Base de datos"},
    "backlog": {"en": "Waiting for the cloud", "es": "En espera de la nube"},
    "last_capture": {"en": "Last capture", "es": "Última captura"},
    "disk": {"en": "Disk", "es": "Disco"},
    "power": {"en": "Power supply", "es": "Alimentación"},
    "temperature": {"en": "Temperature", "es": "Temperatura"},
    "clock": {"en": "Clock", "es": "Reloj"},
}
VIEW_TITLES = {
    "side": {"en": "side", "es": "lateral"},
    "top": {"en": "top", "es": "superior"},
    "front": {"en": "front", "es": "frontal"},
}
# state -> the tone of its colour, and what it is called
STATE_TONES = {OK: "good", WARN: "look", FAIL: "again"}
STATE_TITLES = {
    OK: {"en": "Well", "es": "Bien"},
    WARN: {"en": "Look after it", "es": "Revisar"},
    FAIL: {"en": "Broken", "es": "Falla"},
}
HEALTH_WORDS = {
    "title": {"en": "Health", "es": "Salud"},
    "what to do": {"en": "What to do:", "es": "Qué hacer:"},
    OK: {"en": "All is well", "es": "Todo está bien"},
    WARN: {"en": "It measures; something wants to be looked after", "es": "Mide; hay algo que revisar"},
    FAIL: {"en": "Something is broken", "es": "Algo falla"},
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a capture comes to: a tone for the colour, a title, and sentences that say why."""

    tone: str
    title: str
    sentences: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Shown:
    """What is shown of one view, and its pictures as they were taken, shot after shot, where they are kept."""

    view: str
    shown: StoredImage
    taken: tuple[StoredImage, ...]


def outcome(capture: Capture) -> Outcome:
    """The verdict on a capture, or where it stands."""
    match capture.status:
        case Status.QUEUED:
            return Outcome("busy", "Queued", ("The station takes it as soon as it is free.",))
        case Status.PROCESSING:
            return Outcome("busy", "Measuring", ("Keep the goat where it is.",))
        case Status.MISSED:
            return Outcome("again", "Missed", sentences(capture.failure, capture.hint))
        case Status.FAILED:
            return Outcome("again", "Take again", sentences(capture.failure, capture.hint))
        case Status.COMPLETED:
            return verdict(capture)


def verdict(capture: Capture) -> Outcome:
    assert capture.revision is not None
    advice = tuple(one.text for one in capture.revision.advice)
    late = (f"Measuring it again failed: {capture.failure}", capture.hint) if capture.failure else ()
    why = (*sentences(*late), *(advice or reasons(capture.revision)))
    match capture.revision.verdict:
        case "good":
            return Outcome("good", "Good", why or ("All traits are measured.",))
        case "look again":
            return Outcome("look", "Look again", why)
        case _:
            return Outcome("again", "Take again", why)


def reasons(revision: Revision) -> tuple[str, ...]:
    """Why traits are missing, each reason once."""
    asked = {trait.name for trait in TRAITS}
    found = dict.fromkeys(one.reason for one in revision.measurements if one.reason and one.trait in asked)
    return sentences(*found)


def sentences(*texts: str | None) -> tuple[str, ...]:
    """Messages written for logs, as sentences."""
    return tuple(f"{text[0].upper()}{text[1:].rstrip('.')}." for text in texts if text)


def state_words(capture: Capture | None) -> str:
    """The one line under the button."""
    if capture is None:
        return "Ready."
    match capture.status:
        case Status.QUEUED:
            return "Queued …"
        case Status.PROCESSING:
            return "Measuring …"
        case Status.COMPLETED:
            return f"Done at {clock(finished_at(capture))}."
        case _:
            return f"{outcome(capture).title} at {clock(finished_at(capture))}."


def finished_at(capture: Capture) -> datetime:
    """When it was done: shortly after the press, by a clock that may have been wrong then."""
    corrected = capture.time_state == "corrected"
    return capture.taken_at if corrected else capture.finished_at or capture.taken_at


def clock_note(capture: Capture, language: str) -> str:
    """What is to be said of a time that is not simply true; empty where it is."""
    if capture.dating is not None:
        return capture.dating.note
    return clock_words("waiting", language) if capture.time_state == "waiting" else ""


def clock_source_words(capture: Capture) -> str:
    clock = capture.trigger.clock
    return CLOCK_WORDS[clock.source] if clock else "not known"


def key_traits(capture: Capture) -> Iterator[tuple[str, Standing | None]]:
    """What stands of the five numbers, with their short titles; None where nothing was computed yet."""
    for name, title in KEY_TRAITS.items():
        one = capture.standing(name)
        yield title, one if one.measurement or one.correction else None


def all_traits(capture: Capture) -> Iterator[tuple[Trait, Standing]]:
    """What stands of every trait that was asked for or corrected."""
    found = ((trait, capture.standing(trait.name)) for trait in ALL_TRAITS)
    return ((trait, one) for trait, one in found if one.measurement or one.correction)


def pictures(capture: Capture) -> Iterator[Shown]:
    """One picture per view: with what was measured, or else as taken."""
    annotated = {image.view: image for image in capture.images_of("annotated")}
    for view in dict.fromkeys(image.view for image in capture.images):
        taken = capture.taken(view)
        yield Shown(view, annotated.get(view) or taken[0], taken)


def cm(value: float | None) -> str:
    return NOT_MEASURED if value is None else f"{value:.1f}"


def ratio(value: float | None) -> str:
    return NOT_MEASURED if value is None else f"{value:.2f}"


def percent(share: float) -> str:
    return f"{share:.0%}".replace("%", " %")


def weight(one: Weight) -> str:
    """What a goat weighed, in both units."""
    return f"{one.kg:.1f} kg ({one.kg / KG['lb']:.1f} lb), {WEIGHT_SOURCE_WORDS[one.source]}"


def divided(goat_id: str) -> str:
    """An electronic id as it is printed and read aloud, country and number apart."""
    return f"{goat_id[:3]} {goat_id[3:]}" if re.fullmatch(r"[0-9]{15}", goat_id) else goat_id


def label_key(capture: Capture | None) -> str:
    """What an open page compares to see that something was said since; measure.js writes it the same way."""
    if capture is None:
        return ""
    kg = weight_kg(capture.weight)
    weight_said = "" if kg is None else f"{kg:g}"
    return "|".join(
        (capture.goat_id or "", weight_said, capture.goat_note or "", str(len(capture.corrections)))
    )


def goat_source_words(source: str | None) -> str:
    return GOAT_SOURCE_WORDS.get(source or "", "not known")


def check_title(name: str, language: str) -> str:
    """What a check is about, in the station's language."""
    title, _, view = name.partition("_") if name not in CHECK_TITLES else (name, "", "")
    words = CHECK_TITLES[title][language]
    return f"{words}: {VIEW_TITLES[view][language]}" if view else words


def commands(text: str) -> Markup:
    """A sentence with the commands in it set as such."""
    parts = text.split("`")
    marked = (
        Markup("<code>{}</code>").format(one) if odd % 2 else escape(one) for odd, one in enumerate(parts)
    )
    return Markup("").join(marked)


def clock(at: datetime) -> str:
    return f"{at.astimezone():%H:%M:%S}"


def sync_words(state: str | None) -> str:
    return SYNC_WORDS.get(state or "", NOT_MEASURED)


def source_words(source: str) -> str:
    return SOURCE_WORDS.get(source, source)
