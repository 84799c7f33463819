"""What stands in red above everything: a database that is missing or damaged, in the station's language."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

MISSING, DAMAGED = "database_missing", "database_damaged"
COMMAND = "goatdev rescue"

# code -> language -> (what is wrong, what to do); {number} captures on disk.
CATALOGUE: Mapping[str, Mapping[str, tuple[str, str]]] = {
    MISSING: {
        "en": (
            "The database is missing: {number} captures on disk are not in it. Nothing was removed.",
            f"Run `{COMMAND}`",
        ),
        "es": (
            "Falta la base de datos: {number} capturas del disco no están en ella. No se borró nada.",
            f"Ejecute `{COMMAND}`",
        ),
    },
    DAMAGED: {
        "en": (
            "The database is damaged: nothing is measured until it is mended. Nothing was removed.",
            f"Run `{COMMAND}`, or restore a backup",
        ),
        "es": (
            "La base de datos está dañada: no se mide nada hasta arreglarla. No se borró nada.",
            f"Ejecute `{COMMAND}`, o restaure una copia de seguridad",
        ),
    },
}


@dataclass(frozen=True, slots=True)
class Alarm:
    """Something that whoever looks at the station must see."""

    code: str
    text: str
    hint: str


def alarm(code: str, language: str, number: int = 0) -> Alarm:
    """The words of an alarm in one language."""
    text, hint = CATALOGUE[code][language]
    return Alarm(code, text.format(number=number), hint)
