"""What is said around corrections and pinned goats, in the station's language: who corrects stands at the crate."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from dashboard.words import cm, ratio
from edge.records import ALL_TRAITS, Capture, Correction, Standing, Trait

# code -> language -> words; details in braces.
CATALOGUE: Mapping[str, Mapping[str, str]] = {
    "corrected": {"en": "corrected", "es": "corregido"},
    "measured": {"en": "measured {value}", "es": "medido {value}"},
    "not_measured": {"en": "not measured", "es": "sin medir"},
    "corrections": {"en": "Corrections", "es": "Correcciones"},
    "said": {
        "en": "{trait} is {value}, measured {measured}",
        "es": "{trait} es {value}, medido {measured}",
    },
    "taken_back": {"en": "{trait}: correction taken back", "es": "{trait}: corrección retirada"},
    "stands": {"en": "stands", "es": "vale"},
    "correct_a_number": {"en": "Correct a number", "es": "Corregir un número"},
    "trait": {"en": "Which number", "es": "Qué número"},
    "value": {"en": "What it really is", "es": "Cuánto es de verdad"},
    "author": {"en": "Your name", "es": "Su nombre"},
    "reason": {"en": "Why", "es": "Por qué"},
    "reason_example": {"en": "measured with a stick", "es": "medido con regla"},
    "save": {"en": "Save correction", "es": "Guardar corrección"},
    "withdraw": {"en": "Take correction back", "es": "Retirar corrección"},
    "what_stays": {
        "en": "What was measured stays beside it.",
        "es": "Lo medido se conserva al lado.",
    },
    "pinned": {
        "en": "Pinned: its pictures are kept for ever.",
        "es": "Fijada: sus fotos se guardan para siempre.",
    },
    "pinned_goat": {"en": "pinned", "es": "fijada"},
    "not_pinned": {
        "en": "Pin this goat, and its pictures are kept for ever.",
        "es": "Fije esta cabra y sus fotos se guardan para siempre.",
    },
    "pin": {"en": "Pin", "es": "Fijar"},
    "unpin": {"en": "Unpin", "es": "Soltar"},
}

TRAITS_ES: Mapping[str, str] = {
    "head_height_cm": "Altura de la cabeza",
    "withers_height_cm": "Altura a la cruz",
    "rump_height_cm": "Altura a la grupa",
    "shoulder_width_cm": "Ancho de hombros",
    "waist_width_cm": "Ancho de cintura",
    "rump_width_cm": "Ancho de grupa",
    "body_width_top_cm": "Ancho del cuerpo desde arriba",
    "body_width_front_cm": "Ancho del cuerpo de frente",
    "body_width_cm": "Ancho del cuerpo",
    "body_length_cm": "Largo del cuerpo (estimado)",
    "heart_girth_cm": "Perímetro torácico (estimado)",
    "condition_index": "Índice de condición (ancho / cruz)",
    "rump_waist_ratio": "Grupa / cintura",
}
TRAITS = {trait.name: trait for trait in ALL_TRAITS}


def worded(language: str, code: str, **details: str) -> str:
    return CATALOGUE[code][language].format_map(details)


def trait_words(language: str, name: str) -> str:
    return TRAITS_ES[name] if language == "es" else TRAITS[name].title


def choices(language: str) -> Iterator[tuple[Trait, str]]:
    """What can be corrected, and how it is called."""
    return ((trait, trait_words(language, trait.name)) for trait in ALL_TRAITS)


def number(trait: str, value: float | None) -> str:
    """A value in the unit of its trait."""
    return f"{cm(value)} cm" if TRAITS[trait].unit and value is not None else ratio(value)


def was_measured(language: str, one: Standing) -> str:
    """What was measured, beside the number that a person put above it."""
    if one.measurement is None or one.measurement.value is None:
        return worded(language, "not_measured")
    return worded(language, "measured", value=number(one.trait, one.measurement.value))


def sentence(language: str, one: Correction) -> str:
    """What somebody said of a trait."""
    trait = trait_words(language, one.said.trait)
    if one.said.value is None:
        return worded(language, "taken_back", trait=trait)
    value, measured = number(one.said.trait, one.said.value), number(one.said.trait, one.measured)
    return worded(language, "said", trait=trait, value=value, measured=measured)


def told(language: str, capture: Capture) -> Iterator[tuple[str, Correction, bool]]:
    """Every correction of a capture in words, newest first, and whether it is the one that stands."""
    for one in reversed(capture.corrections):
        yield sentence(language, one), one, capture.standing(one.said.trait).correction is one
