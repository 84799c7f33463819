"""What the person at the crate can do better: one sentence per code."""

from __future__ import annotations

from edge.records import Advice

TEXTS = {
    "nobody_there": "No goat was found in the {view} picture. Bring the goat into the crate and press again.",
    "several_goats": "More than one goat is in the {view} picture. Let one goat alone into the crate and press again.",
    "part_of_a_goat": "Only a part of the goat is in the {view} picture. Wait until it stands whole in the crate and "
    "press again.",
    "goat_cut_off": "The {view} picture cuts the goat off. Wait until it stands in the middle and press again.",
    "goat_hidden": "The trunk is not seen whole and straight in the {view} picture. Let the goat stand straight, "
    "and move what hides it.",
    "head_not_seen": "The head cannot be seen in the {view} picture, so front and rear cannot be told apart.",
    "head_low": "The goat holds its head low. Wait until it looks up and press again.",
    "legs_not_seen": "The legs cannot be told apart in the {view} picture. Let the goat stand square and press again.",
    "views_disagree": "The top and front pictures disagree about the width. Check both calibrations.",
    "moved_between_pictures": "The goat moved between the pictures. Wait until it stands still and press again.",
    "no_picture": "There is no {view} picture: {why}.",
    "not_calibrated": "{why}.",
}


def advise(code: str, view: str | None = None, why: str = "") -> Advice:
    return Advice(
        code,
        view,
        TEXTS[code].format(view=view, why=why[:1].upper() + why[1:] if code == "not_calibrated" else why),
    )
