"""One view's outline as it comes to be measured: what it shows, and which traits it cannot give."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from edge.advice import advise
from edge.measuring.geometry import (
    Point,
    Trunk,
    facing,
    find_trunk,
    parts,
    side_landmarks,
    sure,
    touched_borders,
)
from edge.records import Advice, Label, Pixels, Segmentation

SIDE_TRAITS = {"poll": "head_height_cm", "withers": "withers_height_cm", "rump": "rump_height_cm"}
TOP_TRAITS = {
    "shoulder": "shoulder_width_cm",
    "waist": "waist_width_cm",
    "rump": "rump_width_cm",
    "body": "body_width_top_cm",
}
FRONT_TRAIT = "body_width_front_cm"
TOP_REASONS = {
    "goat_cut_off": "the picture cuts the goat off",
    "goat_hidden": "the trunk is not seen whole and straight from above",
    "nobody_there": "no goat was found in the top picture",
}
# A trunk seen from above is this many times as long as it is wide; a shorter one is partly hidden.
SHORTEST_TRUNK = 1.6
# Feet of a pair farther apart than this share of the way from the fore to the hind feet are not set square: fewer
# than one in a hundred goats of the simulator stand so.
NOT_SQUARE = 0.45
HOOVES = {
    "fore": ("front_left_hoof", "front_right_hoof"),
    "hind": ("hind_left_hoof", "hind_right_hoof"),
}
# From the front a head smaller than this share of the goat is not one that looks at the camera.
HEAD_BEFORE_CAMERA = 0.02


@dataclass(frozen=True, slots=True, eq=False)
class Outline:
    """What one view shows of the animal.

    facing   "left" or "right" in the picture (side, top), "camera" or "away" (front), or None
    points   name -> (x, y), working px
    trunk    the trunk as seen from above (top only)
    reasons  trait -> why this view cannot give it
    """

    view: str
    segmentation: Segmentation
    facing: str | None
    points: Mapping[str, Point] = field(default_factory=dict)
    trunk: Trunk | None = None
    reasons: Mapping[str, str] = field(default_factory=dict)
    advice: tuple[Advice, ...] = ()

    @property
    def mask(self) -> Pixels:
        return self.segmentation.mask


def read_outline(segmentation: Segmentation) -> Outline:
    """What a segmentation shows, by the anatomy of its view."""
    readers = {"side": read_side, "top": read_top, "front": read_front}
    return readers[segmentation.view](segmentation)


def read_side(segmentation: Segmentation, way: str | None = None) -> Outline:
    """Withers, rump, poll and hooves; `way` where other views know better which way the animal faces."""
    mask, marks = segmentation.mask, segmentation.landmarks
    way = way or facing(mask, marks)
    points = side_landmarks(mask, marks, way)
    borders = touched_borders(mask)
    found = {
        trait: side_reason(trait, landmark, points, way, borders) for landmark, trait in SIDE_TRAITS.items()
    }
    reasons = {trait: reason for trait, reason in found.items() if reason}
    advice = side_advice(points, way, borders)
    if not advice and stands_apart(sure(marks)):
        advice = (advise("not_square", "side"),)
    return Outline("side", segmentation, way, points, None, reasons, advice)


def stands_apart(marked: Mapping[str, Point]) -> bool:
    """Whether a pair of feet is set far apart; False where not all four are seen."""
    if not all(name in marked for pair in HOOVES.values() for name in pair):
        return False
    columns = {pair: [marked[name][0] for name in names] for pair, names in HOOVES.items()}
    span = abs(sum(columns["fore"]) - sum(columns["hind"])) / 2
    return any(abs(one - other) > NOT_SQUARE * span for one, other in columns.values())


def facing_other_way(outline: Outline) -> Outline:
    """The side view's outline read the other way round."""
    other = "right" if outline.facing == "left" else "left"
    return read_side(outline.segmentation, other)


def side_reason(
    trait: str, landmark: str, points: Mapping[str, Point], way: str | None, borders: frozenset[str]
) -> str | None:
    if way is None:
        return "the head cannot be seen, so front and rear cannot be told apart"
    rear = "right" if way == "left" else "left"
    ends = {"head_height_cm": {way, "top"}, "withers_height_cm": {"top"}, "rump_height_cm": {rear, "top"}}
    cut = sorted(borders & ends[trait])
    if cut:
        return f"the picture cuts the goat off ({', '.join(cut)})"
    if landmark not in points:
        return f"the {landmark} cannot be found on the outline"
    return None


def side_advice(points: Mapping[str, Point], way: str | None, borders: frozenset[str]) -> tuple[Advice, ...]:
    advice = []
    if borders & {"left", "right", "top"}:
        advice.append(advise("goat_cut_off", "side"))
    if way is None:
        advice.append(advise("head_not_seen", "side"))
    elif "withers" not in points:
        advice.append(advise("legs_not_seen", "side"))
    elif "poll" in points and points["poll"][1] > points["withers"][1]:
        advice.append(advise("head_down", "side"))
    return tuple(advice)


def read_top(segmentation: Segmentation) -> Outline:
    """The trunk across its own axis."""
    mask, marks = segmentation.mask, segmentation.landmarks
    trunk = find_trunk(mask, marks)
    outline = Outline("top", segmentation, facing(mask, marks), {}, trunk)
    problem = top_problem(mask, trunk)
    if problem is not None:
        reasons = dict.fromkeys(TOP_TRAITS.values(), TOP_REASONS[problem])
        return replace(outline, trunk=None, reasons=reasons, advice=(advise(problem, "top"),))
    assert trunk is not None
    if not trunk.knows_front:
        unnamed = [trait for name, trait in TOP_TRAITS.items() if name != "body"]
        reason = "the head cannot be seen, so shoulder and rump cannot be told apart"
        reasons = dict.fromkeys(unnamed, reason)
        return replace(outline, reasons=reasons, advice=(advise("head_not_seen", "top"),))
    return outline


def top_problem(mask: Pixels, trunk: Trunk | None) -> str | None:
    """Why the trunk as seen from above is not whole; a muzzle outside the picture does no harm."""
    body = (mask == Label.BODY).astype(np.uint8)
    if trunk is None:
        return "nobody_there"
    if touched_borders(body):
        return "goat_cut_off"
    is_short = trunk.length_px < SHORTEST_TRUNK * float(trunk.widths.max())
    return "goat_hidden" if is_short or parts(body) > 1 else None


def read_front(segmentation: Segmentation) -> Outline:
    """Whether the animal looks at the camera, and whether it is seen from edge to edge."""
    mask = segmentation.mask
    has_head = bool((mask == Label.HEAD).sum() >= HEAD_BEFORE_CAMERA * (mask > 0).sum())
    outline = Outline("front", segmentation, "camera" if has_head else "away")
    if touched_borders(mask) & {"left", "right"}:
        reasons = {FRONT_TRAIT: TOP_REASONS["goat_cut_off"]}
        return replace(outline, reasons=reasons, advice=(advise("goat_cut_off", "front"),))
    return outline
