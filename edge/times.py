"""What people are told about a clock that was not set: in the station's language, in whole words."""

from __future__ import annotations

from collections.abc import Mapping

# A clock that was off by less was right, for people.
RIGHT_S = 1.0

# time state -> language -> sentence
SENTENCES: Mapping[str, Mapping[str, str]] = {
    "corrected": {
        "en": "The clock was corrected by {by}: it had not been set when the button was pressed.",
        "es": "El reloj se corrigió en {by}: no estaba en hora cuando se pulsó el botón.",
    },
    "right": {
        "en": "The clock had not been set when the button was pressed, and was right all the same.",
        "es": "El reloj no se había puesto en hora cuando se pulsó el botón, pero iba bien.",
    },
    "waiting": {
        "en": "The clock is not set: this time may be wrong. It is corrected when the clock is set.",
        "es": "El reloj no está en hora: esta hora puede ser falsa. Se corrige cuando el reloj se ponga en hora.",
    },
    "never": {
        "en": "The clock was not set: this time may be wrong.",
        "es": "El reloj no estaba en hora: esta hora puede ser falsa.",
    },
}

# seconds, and how one and several are called
UNITS: Mapping[str, tuple[tuple[int, str, str], ...]] = {
    "en": (
        (31_557_600, "year", "years"),
        (86_400, "day", "days"),
        (3600, "hour", "hours"),
        (60, "minute", "minutes"),
        (1, "second", "seconds"),
    ),
    "es": (
        (31_557_600, "año", "años"),
        (86_400, "día", "días"),
        (3600, "hora", "horas"),
        (60, "minuto", "minutos"),
        (1, "segundo", "segundos"),
    ),
}


def clock_words(state: str, language: str, by_s: float = 0.0) -> str:
    """What to say of a capture whose time is "corrected" (by so many seconds), "waiting" or "never" known."""
    if state == "corrected" and abs(by_s) < RIGHT_S:
        state = "right"
    return SENTENCES[state][language].format(by=span_words(by_s, language))


def span_words(seconds: float, language: str) -> str:
    """A span with its sign in the two largest units that it fills: "+56 years 325 days", "-1 hour"."""
    left, parts = round(abs(seconds)), []
    for unit_s, one, several in UNITS[language]:
        count, left = divmod(left, unit_s)
        if count:
            parts.append(f"{count} {one if count == 1 else several}")
        if parts and (len(parts) == 2 or not count):
            break
    return f"{'-' if seconds < 0 else '+'}{' '.join(parts)}"
