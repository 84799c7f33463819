"""Lengths by a plain scale, each with a doubt that tells the truth about it.

A plain scale is true in one plane, at distance D from the camera. What stands a cm nearer looks D / (D - a) times
larger. Neither where the animal stands nor D is known exactly, so each length carries, as one standard deviation:
    sigma_a / D               where the animal's measured part stands
    |a - plane| / D * 15 %    the distance itself, known only from the field of view of typical cameras
    3 %                       the tilt of the camera, which a single scale cannot hold
    the scale's own           how well the ends of the stick were clicked
    the outline's             hair, and the size of a network pixel
    the trait's               how well its place on the outline can be found
added in quadrature.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from edge.calibration import DISTANCE_SIGMA, PlainScale
from edge.measuring.geometry import Point, Width, front_width, top_widths
from edge.measuring.lengths import Length, Readout, quadrature
from edge.measuring.outline import FRONT_TRAIT, SIDE_TRAITS, TOP_TRAITS, Outline
from edge.records import Line

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


@dataclass(frozen=True, slots=True)
class Turn:
    """How far a trunk of this length is turned out of the crate's direction."""

    rad: float
    length_cm: float


# A goat in a crate, where the top view does not tell.
TYPICAL_TURN = Turn(0.08, 50.0)


def by_plain_scales(
    outlines: Mapping[str, Outline], scales: Mapping[str, PlainScale], known: Mapping[str, Length]
) -> Readout:
    """What views with a plain scale give.

    outlines  view -> outline, of all views
    known     lengths that other views have already given
    """
    found, turned = Readout(), None
    if "side" in scales:
        found = heights(outlines["side"], scales["side"])
    if "top" in scales and outlines["top"].trunk is not None:
        lengths = trunk_widths(outlines["top"], scales["top"], {**known, **found.lengths})
        turned = turn_of(outlines["top"], lengths)
        found = found.with_more(Readout(lengths))
    if "front" in scales:
        found = found.with_more(width_from_the_front(outlines["front"], scales["front"], turned))
    return found


# Heights.


def heights(outline: Outline, scale: PlainScale) -> Readout:
    """Head, withers and rump height in the animal's sagittal plane, above the floor."""
    floor_y_px, floor_sigma_cm, warnings = find_floor(outline.points, scale)
    if floor_y_px is None:
        reason = "the floor cannot be found: the calibration does not give it and the hooves cannot be seen"
        return Readout(reasons=dict.fromkeys(SIDE_TRAITS.values(), reason))
    lengths = {
        trait: height(trait, outline.points[name], floor_y_px, floor_sigma_cm, scale)
        for name, trait in SIDE_TRAITS.items()
        if name in outline.points
    }
    return Readout(lengths, warnings={"side": warnings})


def find_floor(points: Mapping[str, Point], scale: PlainScale) -> tuple[float | None, float, tuple[str, ...]]:
    """The floor's row below the animal, px; its standard deviation, cm; and what to warn of."""
    if scale.floor_y_px is not None:
        return scale.floor_y_px, 0.5, ()
    if "fore_hoof" in points:
        return points["fore_hoof"][1], HOOF_FLOOR_SIGMA_CM, ("floor_from_hooves",)
    return None, 0.0, ()


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
        outline_sigma_cm("side", scale),
        PLACE_ON_OUTLINE_SIGMA_CM[trait],
    )
    return Length(cm, sigma, Line(trait, (point[0], floor_y_px), point))


# Widths.


def trunk_widths(outline: Outline, scale: PlainScale, known: Mapping[str, Length]) -> dict[str, Length]:
    """Shoulder, waist, rump and greatest width across the animal's own axis."""
    assert outline.trunk is not None
    nearer_cm, sigma_cm = widest_above_floor(known)
    return {
        TOP_TRAITS[name]: width(TOP_TRAITS[name], "top", across, nearer_cm, sigma_cm, scale)
        for name, across in top_widths(outline.trunk).items()
    }


def turn_of(outline: Outline, lengths: Mapping[str, Length]) -> Turn:
    assert outline.trunk is not None
    body = lengths["body_width_top_cm"]
    assert body.line is not None
    cm_per_px = body.cm / math.dist(body.line.start, body.line.end)
    return Turn(outline.trunk.turn_rad, outline.trunk.length_px * cm_per_px)


def widest_above_floor(known: Mapping[str, Length]) -> tuple[float, float]:
    """Height of the trunk's widest part above the floor and its standard deviation, cm."""
    withers = known.get("withers_height_cm")
    if withers is None:
        return WIDEST_AT * TYPICAL_WITHERS_CM, WIDEST_AT * TYPICAL_WITHERS_SIGMA_CM
    return WIDEST_AT * withers.cm, quadrature(WIDEST_AT * withers.sigma_cm, 4.0)


def width_from_the_front(outline: Outline, scale: PlainScale, turned: Turn | None) -> Readout:
    """The greatest width of the trunk seen from the front."""
    widest = front_width(outline.mask)
    if widest is None:
        return Readout(reasons={FRONT_TRAIT: "the trunk cannot be told from the legs"})
    seen = width(FRONT_TRAIT, "front", widest, FRONT_NEARER_CM, FRONT_NEARER_SIGMA_CM, scale)
    return Readout({FRONT_TRAIT: across_own_axis(seen, turned)})


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


def width(
    trait: str, view: str, across: Width, nearer_cm: float, nearer_sigma_cm: float, scale: PlainScale
) -> Length:
    """A width that lies nearer_cm nearer to the camera than the floor (top) or the crate's middle (front)."""
    distance = scale.camera_distance_cm()
    offset_cm = nearer_cm - scale.plane_cm
    cm = across.px / scale.px_per_cm * max(0.0, distance - offset_cm) / distance
    sigma = quadrature(
        cm * nearer_sigma_cm / distance,
        cm * offset_cm / distance * DISTANCE_SIGMA,
        cm * TILT_SIGMA,
        cm * scale.scale_sigma,
        math.sqrt(2) * outline_sigma_cm(view, scale),
        PLACE_ON_OUTLINE_SIGMA_CM[trait],
    )
    return Length(cm, sigma, Line(trait, across.start, across.end))


def outline_sigma_cm(view: str, scale: PlainScale) -> float:
    return OUTLINE_SIGMA_NETWORK_PX[view] * max(scale.picture_size) / NETWORK_WIDTH_PX / scale.px_per_cm
