"""Outlines become centimetres, each with an uncertainty that tells the truth about a plain scale.

A plain scale is true in one plane, at distance D from the camera. What stands a cm nearer looks D / (D - a) times
larger. Neither where the animal stands nor D is known exactly, so each length carries, as one standard deviation:
    sigma_a / D               where the animal's measured part stands
    |a - plane| / D * 15 %    the distance itself, known only from the field of view of typical cameras
    3 %                       the tilt of the camera, which a single scale cannot hold
    the scale's own           how well the ends of the stick were clicked
    the outline's             hair, and the size of a network pixel
    the trait's               how well its place on the outline can be found
added in quadrature; u95 is 1.96 of it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from edge.advice import advise
from edge.calibration import DISTANCE_SIGMA, PlainScale, Ruler, scale_in_the_middle
from edge.camera import CameraModel
from edge.geometry import (
    Point,
    Trunk,
    Width,
    facing,
    find_trunk,
    front_width,
    parts,
    side_landmarks,
    top_widths,
    touched_borders,
)
from edge.records import TRAITS, VIEWS, Advice, Label, Line, Measurement, Pixels, Reading, Segmentation

COVERAGE_95 = 1.96
TILT_SIGMA = 0.03
# One standard deviation of where the network draws an outline, in pixels of its 256 px wide picture. The outlines of
# cross-validated photographs (MODEL_CARD.md) are 1.5 (side), 5 (top, half hidden) and 2.3 (front) off in the mean;
# goats seen whole from above, as in `plain_scale --outlines network`, ask for 2.5.
OUTLINE_SIGMA_NETWORK_PX = {"side": 2.5, "top": 2.5, "front": 3.5}
NETWORK_WIDTH_PX = 256
# Goats stand within about 12 cm of the crate's middle: a uniform spread of +-12 has this standard deviation.
PLACE_SIGMA_CM = 7.0
# Where no stick showed the floor's row it is read off the hooves, which lie nearer and farther than the middle.
HOOF_FLOOR_SIGMA_CM = 2.0
# The trunk is widest at about 0.7 of the withers height; a typical goat where the side view does not tell.
WIDEST_AT = 0.70
TYPICAL_WITHERS_CM, TYPICAL_WITHERS_SIGMA_CM = 62.0, 12.0
# From the front the trunk is seen through its nearest wide part, which lies before the crate's middle.
FRONT_NEARER_CM, FRONT_NEARER_SIGMA_CM = 15.0, 12.0
# Exponent of the support function that fits turned trunks best (`plain_scale` in training); 2 is an ellipse.
TRUNK_ROUNDNESS = 1.6
# One standard deviation of how far the top camera is turned in the crate, rad.
TOP_CAMERA_TURN_SIGMA = 0.04
VIEW_OF = {trait.name: trait.views[0] for trait in TRAITS}
# How well the trait's place on an outline can be found, cm.
PLACE_ON_OUTLINE_SIGMA_CM = {
    "head_height_cm": 4.0,
    "withers_height_cm": 1.0,
    "rump_height_cm": 0.7,
    "shoulder_width_cm": 1.2,
    "waist_width_cm": 1.0,
    "rump_width_cm": 1.2,
    "body_width_top_cm": 0.7,
    "body_width_front_cm": 1.5,
}
# Kids to bucks, with room to spare: beyond it the outline is not a goat's.
PLAUSIBLE_CM = {"height": (20.0, 130.0), "width": (6.0, 70.0)}
# Withers and rump of a standing goat differ by less than this factor.
WITHERS_TO_RUMP = 1.3
# A trunk seen from above is this many times as long as it is wide; a shorter one is partly hidden.
SHORTEST_TRUNK = 1.6


TOP_TRAITS = {
    "shoulder": "shoulder_width_cm",
    "waist": "waist_width_cm",
    "rump": "rump_width_cm",
    "body": "body_width_top_cm",
}
TOP_REASONS = {
    "goat_cut_off": "the picture cuts the goat off",
    "goat_hidden": "the trunk is not seen whole and straight from above",
    "nobody_there": "no goat was found in the top picture",
}


@dataclass(frozen=True, slots=True)
class Look:
    """One view as it comes to be measured: an outline and what measures it, or the reason why there is none."""

    view: str
    segmentation: Segmentation | None = None
    ruler: Ruler | None = None
    reason: str = ""
    advice: Advice | None = None


@dataclass(frozen=True, slots=True)
class Length:
    """A measured length with one standard deviation, cm, and where it lies in the picture."""

    cm: float
    sigma_cm: float
    line: Line


@dataclass(frozen=True, slots=True)
class Turn:
    """How far a trunk of this length is turned out of the crate's direction."""

    rad: float
    length_cm: float


# A goat in a crate, where the top view does not tell.
TYPICAL_TURN = Turn(0.08, 50.0)


@dataclass(slots=True)
class ViewResult:
    """What one view says: lengths or reasons per trait, and what was noticed."""

    reading: Reading
    lengths: dict[str, Length] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    advice: list[Advice] = field(default_factory=list)
    turned: Turn | None = None


@dataclass(frozen=True, slots=True)
class Findings:
    """All traits, each a value or a reason; per view what was seen; what to do better."""

    measurements: tuple[Measurement, ...]
    readings: tuple[Reading, ...]
    advice: tuple[Advice, ...]


def measure(looks: Mapping[str, Look]) -> Findings:
    """All traits of DESIGN 4 from the views that there are."""
    results: dict[str, ViewResult] = {}
    for view in VIEWS:
        look = looks.get(view, Look(view, reason=f"no {view} picture"))
        results[view] = read_view(look, results)
    single = [finished(trait.name, results[trait.views[0]]) for trait in TRAITS if len(trait.views) == 1]
    body, disagreement = best_body_width(single)
    advice = [one for view in VIEWS for one in results[view].advice]
    readings = tuple(results[view].reading for view in VIEWS if view in looks)
    return Findings((*single, body), readings, tuple(advice + disagreement))


def read_view(look: Look, earlier: Mapping[str, ViewResult]) -> ViewResult:
    """Measure one view; the side view comes first, for the top view needs to know how tall the animal is."""
    traits = [trait.name for trait in TRAITS if trait.views == (look.view,)]
    if look.segmentation is None or look.ruler is None:
        confidence = look.segmentation.confidence if look.segmentation else 0.0
        advice = [look.advice] if look.advice else []
        warnings = tuple(one.code for one in advice)
        return ViewResult(
            Reading(look.view, confidence, warnings=warnings), {}, dict.fromkeys(traits, look.reason), advice
        )
    readers = {"side": read_side, "top": read_top, "front": read_front}
    scale = scale_in_the_middle(look.view, look.ruler) if isinstance(look.ruler, CameraModel) else look.ruler
    return readers[look.view](look.segmentation, scale, earlier)


# Heights.


def read_side(segmentation: Segmentation, scale: PlainScale, earlier: Mapping[str, ViewResult]) -> ViewResult:
    """Head, withers and rump height in the animal's sagittal plane, above the floor."""
    mask, marks = segmentation.mask, segmentation.landmarks
    way, points = facing(mask, marks), side_landmarks(mask, marks)
    floor_y_px, floor_sigma_cm, warnings = find_floor(points, scale)
    result = ViewResult(Reading("side", segmentation.confidence, way, warnings, points))
    borders = touched_borders(mask)
    landmarks = {"head_height_cm": "poll", "withers_height_cm": "withers", "rump_height_cm": "rump"}
    for trait, landmark in landmarks.items():
        reason = side_reason(trait, landmark, points, way, borders)
        if reason is None and floor_y_px is None:
            reason = (
                "the floor cannot be found: the calibration does not give it and the hooves cannot be seen"
            )
        if reason is not None:
            result.reasons[trait] = reason
        else:
            assert floor_y_px is not None
            result.lengths[trait] = height(trait, points[landmark], floor_y_px, floor_sigma_cm, scale)
    refuse_unequal_ends(result)
    result.advice = side_advice(points, way, borders)
    return with_advice_as_warnings(result)


def refuse_unequal_ends(result: ViewResult) -> None:
    """Take back withers and rump where no standing goat has such a pair."""
    ends = [result.lengths.get(trait) for trait in ("withers_height_cm", "rump_height_cm")]
    heights = [end.cm for end in ends if end is not None]
    if len(heights) == 2 and max(heights) > WITHERS_TO_RUMP * min(heights):
        for trait in ("withers_height_cm", "rump_height_cm"):
            del result.lengths[trait]
            result.reasons[trait] = (
                "the outline is not that of a standing goat: withers and rump do not fit together"
            )


def find_floor(points: Mapping[str, Point], scale: PlainScale) -> tuple[float | None, float, tuple[str, ...]]:
    """The floor's row below the animal, px; its standard deviation, cm; and what to warn of."""
    if scale.floor_y_px is not None:
        return scale.floor_y_px, 0.5, ()
    if "fore_hoof" in points:
        return points["fore_hoof"][1], HOOF_FLOOR_SIGMA_CM, ("floor_from_hooves",)
    return None, 0.0, ()


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


def side_advice(points: Mapping[str, Point], way: str | None, borders: frozenset[str]) -> list[Advice]:
    advice = []
    if borders & {"left", "right", "top"}:
        advice.append(advise("goat_cut_off", "side"))
    if way is None:
        advice.append(advise("head_not_seen", "side"))
    elif "withers" not in points:
        advice.append(advise("legs_not_seen", "side"))
    elif "poll" in points and points["poll"][1] > points["withers"][1]:
        advice.append(advise("head_down", "side"))
    return advice


def height(trait: str, point: Point, floor_y_px: float, floor_sigma_cm: float, scale: PlainScale) -> Length:
    distance = scale.camera_distance_cm()
    magnified = (distance + scale.plane_cm) / distance
    cm = (floor_y_px - point[1]) / scale.px_per_cm * magnified
    sigma = quadrature(
        cm * PLACE_SIGMA_CM / (distance + scale.plane_cm),
        cm * abs(scale.plane_cm) / distance * DISTANCE_SIGMA,
        cm * TILT_SIGMA,
        cm * scale.scale_sigma,
        floor_sigma_cm,
        outline_sigma_cm(trait, scale),
        PLACE_ON_OUTLINE_SIGMA_CM[trait],
    )
    return Length(cm, sigma, Line(trait, (point[0], floor_y_px), point))


# Widths.


def read_top(segmentation: Segmentation, scale: PlainScale, earlier: Mapping[str, ViewResult]) -> ViewResult:
    """Shoulder, waist, rump and greatest width across the animal's own axis."""
    mask, marks = segmentation.mask, segmentation.landmarks
    result = ViewResult(Reading("top", segmentation.confidence, facing(mask, marks)))
    trunk = find_trunk(mask, marks)
    problem = top_problem(mask, trunk)
    if trunk is None or problem is not None:
        code = problem or "nobody_there"
        result.reasons = dict.fromkeys(TOP_TRAITS.values(), TOP_REASONS[code])
        result.advice.append(advise(code, "top"))
        return with_advice_as_warnings(result)
    widths = top_widths(trunk)
    nearer_cm, sigma_cm = widest_above_floor(earlier)
    for name, trait in TOP_TRAITS.items():
        if name in widths:
            result.lengths[trait] = width(trait, widths[name], nearer_cm, sigma_cm, scale)
        else:
            result.reasons[trait] = "the head cannot be seen, so shoulder and rump cannot be told apart"
    cm_per_px = result.lengths["body_width_top_cm"].cm / widths["body"].px
    result.turned = Turn(trunk.turn_rad, trunk.length_px * cm_per_px)
    if not trunk.knows_front:
        result.advice.append(advise("head_not_seen", "top"))
    return with_advice_as_warnings(result)


def top_problem(mask: Pixels, trunk: Trunk | None) -> str | None:
    """Why the trunk as seen from above is not whole; a muzzle outside the picture does no harm."""
    body = (mask == Label.BODY).astype(np.uint8)
    if trunk is None:
        return "nobody_there"
    if touched_borders(body):
        return "goat_cut_off"
    is_short = trunk.length_px < SHORTEST_TRUNK * float(trunk.widths.max())
    return "goat_hidden" if is_short or parts(body) > 1 else None


def widest_above_floor(earlier: Mapping[str, ViewResult]) -> tuple[float, float]:
    """Height of the trunk's widest part above the floor and its standard deviation, cm."""
    withers = earlier["side"].lengths.get("withers_height_cm")
    if withers is None:
        return WIDEST_AT * TYPICAL_WITHERS_CM, WIDEST_AT * TYPICAL_WITHERS_SIGMA_CM
    return WIDEST_AT * withers.cm, quadrature(WIDEST_AT * withers.sigma_cm, 4.0)


def read_front(
    segmentation: Segmentation, scale: PlainScale, earlier: Mapping[str, ViewResult]
) -> ViewResult:
    """The greatest width of the trunk seen from the front."""
    mask, trait = segmentation.mask, "body_width_front_cm"
    has_head = bool((mask == Label.HEAD).sum() >= 0.02 * (mask > 0).sum())
    result = ViewResult(Reading("front", segmentation.confidence, "camera" if has_head else "away"))
    widest = front_width(mask)
    if touched_borders(mask) & {"left", "right"}:
        result.reasons[trait] = TOP_REASONS["goat_cut_off"]
        result.advice.append(advise("goat_cut_off", "front"))
    elif widest is None:
        result.reasons[trait] = "the trunk cannot be told from the legs"
    else:
        seen = width(trait, widest, FRONT_NEARER_CM, FRONT_NEARER_SIGMA_CM, scale)
        result.lengths[trait] = across_own_axis(seen, earlier["top"].turned)
    return with_advice_as_warnings(result)


def across_own_axis(seen: Length, turned: Turn | None) -> Length:
    """The width of a trunk that stands turned: what its length adds to the view from the front is taken off again.

    A trunk seen from above is nearly a superellipse; its extent across a turned direction is
    ((width cos)^q + (length sin)^q)^(1/q), the support function of that curve.
    """
    turn = turned or TYPICAL_TURN
    extent_cm = turn.length_cm * math.sin(turn.rad)
    q = TRUNK_ROUNDNESS
    across_cm = max(0.0, seen.cm**q - extent_cm**q) ** (1 / q) / math.cos(turn.rad)
    sigma = turn.length_cm * (TOP_CAMERA_TURN_SIGMA if turned else TYPICAL_TURN.rad) / 2
    return Length(across_cm, quadrature(seen.sigma_cm, sigma, 0.5 * (seen.cm - across_cm)), seen.line)


def width(trait: str, across: Width, nearer_cm: float, nearer_sigma_cm: float, scale: PlainScale) -> Length:
    """A width that lies nearer_cm nearer to the camera than the floor (top) or the crate's middle (front)."""
    distance = scale.camera_distance_cm()
    offset_cm = nearer_cm - scale.plane_cm
    cm = across.px / scale.px_per_cm * max(0.0, distance - offset_cm) / distance
    sigma = quadrature(
        cm * nearer_sigma_cm / distance,
        cm * offset_cm / distance * DISTANCE_SIGMA,
        cm * TILT_SIGMA,
        cm * scale.scale_sigma,
        math.sqrt(2) * outline_sigma_cm(trait, scale),
        PLACE_ON_OUTLINE_SIGMA_CM[trait],
    )
    return Length(cm, sigma, Line(trait, across.start, across.end))


# Together.


def finished(trait: str, result: ViewResult) -> Measurement:
    """One trait of one view as a measurement, if it is a plausible one."""
    view = result.reading.view
    length = result.lengths.get(trait)
    if length is None:
        return Measurement(trait, (view,), reason=result.reasons[trait])
    least, most = PLAUSIBLE_CM["height" if "height" in trait else "width"]
    if not (math.isfinite(length.cm) and math.isfinite(length.sigma_cm) and least <= length.cm <= most):
        return Measurement(trait, (view,), reason=f"{length.cm:.1f} cm is not plausible for a goat")
    return Measurement(
        trait, (view,), length.cm, COVERAGE_95 * length.sigma_cm, round(result.reading.confidence, 3)
    )


def best_body_width(measurements: Iterable[Measurement]) -> tuple[Measurement, list[Advice]]:
    """The greatest trunk width from top and front, each weighted by its certainty."""
    trait = "body_width_cm"
    found = {one.trait: one for one in measurements}
    both = [found["body_width_top_cm"], found["body_width_front_cm"]]
    known = [one for one in both if one.value is not None]
    if not known:
        return Measurement(
            trait, ("top", "front"), reason="neither the top nor the front view gives a width"
        ), []
    weights = [1 / one.u95**2 for one in known if one.u95]
    value = sum(w * one.value for w, one in zip(weights, known, strict=True) if one.value) / sum(weights)
    shares = [w * one.u95 / sum(weights) for w, one in zip(weights, known, strict=True) if one.u95]
    # One network draws both outlines, so half of their errors are taken to be the same error.
    u95 = math.sqrt((sum(share**2 for share in shares) + sum(shares) ** 2) / 2)
    apart = abs(known[0].value - known[-1].value) if known[0].value and known[-1].value else 0.0
    disagree = apart > quadrature(*(one.u95 for one in known if one.u95))
    views = tuple(one.views[0] for one in known)
    confidence = min(one.confidence for one in known)
    # Where the views disagree by more than their doubts allow, the truth may be with either of them.
    best = Measurement(trait, views, value, max(u95, apart / 2 if disagree else 0.0), confidence)
    return best, [advise("views_disagree")] if disagree else []


def with_advice_as_warnings(result: ViewResult) -> ViewResult:
    """Note each advice as a warning of the view, and the lines that were measured."""
    reading = result.reading
    result.reading = Reading(
        reading.view,
        reading.confidence,
        reading.facing,
        reading.warnings + tuple(one.code for one in result.advice),
        reading.landmarks,
        tuple(length.line for length in result.lengths.values()),
    )
    return result


def outline_sigma_cm(trait: str, scale: PlainScale) -> float:
    return (
        OUTLINE_SIGMA_NETWORK_PX[VIEW_OF[trait]]
        * max(scale.picture_size)
        / NETWORK_WIDTH_PX
        / scale.px_per_cm
    )


def quadrature(*sigmas: float) -> float:
    return math.sqrt(sum(sigma**2 for sigma in sigmas))
