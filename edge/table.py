"""Results as text for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edge.records import ALL_TRAITS, Capture, Measurement, Revision, Standing, Weight

TITLES = {trait.name: trait.title for trait in ALL_TRAITS}
UNITS = {trait.name: trait.unit for trait in ALL_TRAITS}


def measurements_table(revision: Revision) -> str:
    """All traits with ±; a missing one with its reason."""
    width = max(map(len, TITLES.values()))
    rows = [measurement_row(one, width) for one in revision.measurements]
    return "\n".join([*rows, f"{'Verdict':{width}}  {revision.verdict}"])


def measurement_row(one: Measurement, width: int) -> str:
    title = f"{TITLES[one.trait]:{width}}"
    if one.value is None:
        return f"{title}      –             {one.reason}"
    if not UNITS[one.trait]:
        return f"{title}  {one.value:6.2f} ± {one.u95:4.2f}      {' + '.join(one.views)}"
    return f"{title}  {one.value:6.1f} ± {one.u95:4.1f} cm   {' + '.join(one.views)}"


def captures_table(captures: Sequence[Capture], image_folder: Path) -> str:
    if not captures:
        return "no captures yet"
    rows = [capture_row(capture) for capture in captures]
    return "\n".join([*rows, f"pictures: {image_folder}"])


def capture_row(capture: Capture) -> str:
    number = standing_words(capture.standing("withers_height_cm"))
    goat, weight = capture.goat_id or "-", weight_words(capture.weight) or "-"
    said = f"{number or capture.failure or ''}{time_words(capture)}"
    return f"{capture.id}  {capture.status:10}  {goat:16}  {weight:>8}  {said}"


def time_words(capture: Capture) -> str:
    """What its id does not say rightly of when it was taken."""
    if capture.time_state == "corrected":
        return f"  (taken {capture.taken_at:%Y-%m-%d %H:%M} UTC)"
    return "  (the clock was not set)" if capture.time_state in ("waiting", "never") else ""


def standing_words(withers: Standing) -> str:
    if withers.value is None:
        return ""
    doubt = "cm, corrected" if withers.correction else f"± {withers.u95:.1f} cm"
    return f"withers {withers.value:.1f} {doubt}"


def capture_title(capture: Capture) -> str:
    """Which capture it is, whose and how heavy."""
    return "  ".join(part for part in (capture.id, capture.goat_id, weight_words(capture.weight)) if part)


def weight_words(weight: Weight | None) -> str:
    return f"{weight.kg:.1f} kg" if weight else ""
