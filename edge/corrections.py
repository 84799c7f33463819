"""What a person may say of a trait, checked: a slip of the finger is refused before it stands above a measurement."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

from edge.errors import InputRefused
from edge.records import ALL_TRAITS, Capture, Said

# Wide enough for every goat, narrow enough for a slip of the finger: 612 for 61.2, or 6.12. The least are newborn kids
# of small breeds, about 18 cm at the withers and 6 cm wide; the most the tallest bucks on record, hardly 120 cm at the
# withers and a third more at the poll, and the widest does before they kid.
HEIGHT_CM, HEAD_HEIGHT_CM, WIDTH_CM = (15.0, 130.0), (15.0, 170.0), (5.0, 80.0)
LIMITS: Mapping[str, tuple[float, float]] = {
    "head_height_cm": HEAD_HEIGHT_CM,
    "withers_height_cm": HEIGHT_CM,
    "rump_height_cm": HEIGHT_CM,
    "shoulder_width_cm": WIDTH_CM,
    "waist_width_cm": WIDTH_CM,
    "rump_width_cm": WIDTH_CM,
    "body_width_top_cm": WIDTH_CM,
    "body_width_front_cm": WIDTH_CM,
    "body_width_cm": WIDTH_CM,
    # From a newborn's to the longest and thickest of the tall breeds.
    "body_length_cm": (15.0, 150.0),
    "heart_girth_cm": (15.0, 180.0),
    # No goat is wider than it is tall by more than a little, nor a tenth as wide.
    "condition_index": (0.1, 1.2),
    "rump_waist_ratio": (0.3, 3.0),
}
LONGEST_AUTHOR = 60
LONGEST_REASON = 500

UNITS = {trait.name: trait.unit for trait in ALL_TRAITS}
NUMBER = re.compile(r"[0-9]{1,3}(?:[.,][0-9]{1,3})?")


def correction_said(trait: str, value: str | float | None, author: str | None, reason: str | None) -> Said:
    """What somebody says a trait really is, typed or sent. Raises InputRefused for what cannot be."""
    trait = checked_trait(trait)
    return Said(trait, checked_value(trait, value), checked_author(author), checked_reason(reason))


def withdrawal_said(trait: str, author: str | None, reason: str | None) -> Said:
    """That what was said of a trait is taken back."""
    return Said(checked_trait(trait), None, checked_author(author), checked_reason(reason))


def require_sayable(capture: Capture, said: Said) -> None:
    """Raise InputRefused where there is nothing to correct, or nothing to take back."""
    if capture.is_unfinished:
        raise InputRefused(f"this capture is {capture.status}", "wait for its result")
    if capture.revision is None:
        raise InputRefused("nothing was measured in this capture", "take a new one")
    if said.value is None and capture.standing(said.trait).correction is None:
        raise InputRefused(f"{said.trait} is not corrected", "there is nothing to take back")


def checked_trait(trait: str) -> str:
    if trait not in LIMITS:
        raise InputRefused(f"{trait[:60]!r} is not a trait", f"one of {', '.join(LIMITS)}")
    return trait


def checked_value(trait: str, given: str | float | None) -> float:
    low, high = LIMITS[trait]
    limits = f"a number from {low:g} to {high:g}{f' {UNITS[trait]}' if UNITS[trait] else ''}"
    if given is None or given == "":
        raise InputRefused(f"{trait}: no value is given", limits)
    if isinstance(given, str) and not NUMBER.fullmatch(given.strip()):
        raise InputRefused(f"{trait}: {given[:60]!r} is not a number", limits)
    value = float(given.strip().replace(",", ".") if isinstance(given, str) else given)
    if not (math.isfinite(value) and low <= value <= high):
        raise InputRefused(f"{trait}: {value:g} is not what a goat measures", limits)
    return value


def checked_author(given: str | None) -> str:
    """One line that can be read: whoever looks at it in a year must know whom to ask."""
    return checked_line(given, "who says it", LONGEST_AUTHOR, "write a name")


def checked_reason(given: str | None) -> str:
    return checked_line(given, "why", LONGEST_REASON, "write the reason, for example: measured with a stick")


def checked_line(given: str | None, what: str, longest: int, hint: str) -> str:
    line = " ".join((given or "").split())
    if not line:
        raise InputRefused(f"it is not said {what}", hint)
    if len(line) > longest or not line.isprintable():
        raise InputRefused(
            f"{what}: {line[:30]!r} cannot be kept", f"1 to {longest} characters that can be read"
        )
    return line
