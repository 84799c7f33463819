"""Lengths from all calibrated views together, each with what it is unsure of.

Doubts are carried, not guessed: each independent error of one standard deviation (an outline drawn too far out, a
camera that is turned a little, a goat of another build) is put in, the whole is solved again, and the changes of a
length add in quadrature. What is left, how well a trait's place can be found on an outline, is added per trait.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import fields, replace

import numpy as np

from edge.advice import advise
from edge.camera import CameraModel
from edge.measuring.geometry import sure
from edge.measuring.lengths import Length, Readout, quadrature
from edge.measuring.outline import FRONT_TRAIT, SIDE_TRAITS, TOP_TRAITS, Outline, facing_other_way
from edge.measuring.sight import Sight, at_height, on_upright_plane
from edge.measuring.standing import (
    BELIEF_SIGMAS,
    DEFAULT,
    WIDEST_OF_WITHERS,
    Beliefs,
    Solved,
    solve,
    solve_again,
)
from edge.measuring.traces import traces_of
from edge.records import SOFTNESS_PX, TRAITS, Line, Points, Softness

# trait -> its name among the solved lengths.
SOLVED_AS = {
    **{trait: name for name, trait in SIDE_TRAITS.items()},
    **{trait: f"{name}_width" for name, trait in TOP_TRAITS.items()},
    FRONT_TRAIT: "front_width",
    "body_length_cm": "length",
    "heart_girth_cm": "girth",
}
# One standard deviation of the network's error, in logits: times how far a logit moves the outline it is the outline's
# own. No outline is better than this many pixels. These and PLACE_SIGMA_CM are such that some 95 of 100 lie inside u95,
# of 248 goats that no training saw (seeds 901 and 6000 to 6013 of the simulator); others check them (MODEL_CARD.md).
LOGITS_SIGMA = {"side": 2.6, "top": 3.2, "front": 3.3}
LEAST_OUTLINE_SIGMA_PX = 0.5
# How much a vote of the front view on where the animal faces counts against one of the others.
FRONT_VOTE = 0.4
# How well a trait's place on an outline can be found, one standard deviation, cm.
PLACE_SIGMA_CM = {
    "head_height_cm": 0.8,
    "withers_height_cm": 0.55,
    "rump_height_cm": 0.2,
    "shoulder_width_cm": 0.8,
    "waist_width_cm": 0.25,
    "rump_width_cm": 0.9,
    "body_width_top_cm": 0.45,
    "body_width_front_cm": 1.2,
    "body_length_cm": 1.65,
    "heart_girth_cm": 2.5,
}
# Where nobody points at the landmark with confidence and the outline alone has to show it.
UNMARKED_SIGMA_CM = {"head_height_cm": 1.3, "withers_height_cm": 1.2}
# An animal that is turned farther than this in the crate stands askew.
ASKEW_DEG = 15.0
ASTRAY = "by its calibration the camera does not look into the crate: calibrate it again"


def by_cameras(
    outlines: Mapping[str, Outline], cameras: Mapping[str, CameraModel]
) -> tuple[Readout, dict[str, Outline]]:
    """What the calibrated views give, and their outlines as read in the end.

    outlines, cameras  view -> its outline and its camera, of the calibrated views
    """
    seen = {view: outlines[view] for view in cameras}
    forwards = faces_head_end(seen, cameras)
    if "side" in seen and side_vote(seen["side"], cameras["side"]) * (forwards or 0) < 0:
        seen["side"] = facing_other_way(seen["side"])
    sights = {}
    for view, outline in seen.items():
        traces = traces_of(outline)
        if traces:
            sights[view] = Sight.of(view, cameras[view], traces)
    astray = [view for view, sight in sights.items() if not sight.looks_into_the_crate]
    for view in astray:
        del sights[view]
    reasons = {trait.name: ASTRAY for trait in TRAITS for view in astray if trait.views == (view,)}
    if not sights:
        return Readout(reasons=reasons), seen
    if "top" in sights and "left" in sights["top"]:
        sights["top"] = left_as_the_animal_has_it(sights["top"], forwards or 1)
    best = solve(sights, forwards or 1)
    spreads = spread_of(sights, best, {view: one.segmentation.softness for view, one in seen.items()})
    lengths, views = {}, {}
    for trait, name in SOLVED_AS.items():
        if name in best.lengths:
            sigma = quadrature(spreads[name], place_sigma_cm(trait, name, seen))
            lengths[trait] = Length(best.lengths[name], sigma, line_of(trait, best, sights))
            views[trait] = views_behind(trait, best)
    turned_deg = math.degrees(math.asin(min(1.0, abs(float(best.plane.along[1])))))
    if best.profile is not None and turned_deg > ASKEW_DEG:
        seen["top"] = replace(seen["top"], advice=(*seen["top"].advice, advise("goat_turned", "top")))
    return Readout(lengths, reasons, views), seen


def place_sigma_cm(trait: str, landmark: str, outlines: Mapping[str, Outline]) -> float:
    """How well the trait's place on its outline is known."""
    if trait in UNMARKED_SIGMA_CM and landmark not in sure(outlines["side"].segmentation.landmarks):
        return UNMARKED_SIGMA_CM[trait]
    return PLACE_SIGMA_CM[trait]


def views_behind(trait: str, best: Solved) -> tuple[str, ...]:
    """The views that have a say in a length, its own first."""
    sights = best.sights
    placed_by = "top" if best.profile is not None else "front"
    if trait in SIDE_TRAITS.values():
        named = [view for view in sights if trait == SIDE_TRAITS["poll"] and "poll" in sights[view]]
        wanted = ("side", placed_by, *named)
    elif trait == "body_length_cm":
        wanted = ("side", placed_by)
    elif trait == "heart_girth_cm":
        wanted = ("side", "top")
    elif trait in TOP_TRAITS.values():
        wanted = ("top", "side")
    else:
        wanted = ("front", "top", "side")
    return tuple(view for view in dict.fromkeys(wanted) if view in sights)


# Which way it faces.


def faces_head_end(outlines: Mapping[str, Outline], cameras: Mapping[str, CameraModel]) -> int | None:
    """+1 where the animal faces the head end of the crate, -1 the other way, None where no view tells."""
    votes = 0.0
    for view, outline in outlines.items():
        if view == "side":
            votes += side_vote(outline, cameras[view])
        elif view == "top":
            votes += top_vote(outline, cameras[view])
        else:
            towards = 1 if cameras[view].position_cm[0] > 0 else -1
            votes += FRONT_VOTE * (towards if outline.facing == "camera" else -towards)
    if all(one.facing is None for view, one in outlines.items() if view != "front") and "side" in outlines:
        return None
    return (votes > 0) - (votes < 0) or None


def side_vote(outline: Outline, camera: CameraModel) -> int:
    if outline.facing is None:
        return 0
    right_is = 1 if camera.world_from_cam[0, 0] > 0 else -1
    return right_is if outline.facing == "right" else -right_is


def top_vote(outline: Outline, camera: CameraModel) -> int:
    if outline.trunk is None or not outline.trunk.knows_front:
        return 0
    trunk = outline.trunk
    ends = np.stack([trunk.centre + trunk.stations[at] * trunk.along for at in (0, -1)])
    rear, front = at_height(*camera.rays(ends), WIDEST_OF_WITHERS * DEFAULT.withers_cm)
    return 1 if front[0] > rear[0] else -1


def left_as_the_animal_has_it(top: Sight, forwards: int) -> Sight:
    """The same sight with its edges named as the animal has them and its sections from rear to front."""
    height = WIDEST_OF_WITHERS * DEFAULT.withers_cm
    left, right = (at_height(top.origin, top.rays(name), height) for name in ("left", "right"))
    if (left[-1, 0] - left[0, 0]) * forwards < 0:
        top = top.reversed(("left", "right"))
        left, right = left[::-1], right[::-1]
    way = left[-1, :2] - left[0, :2]
    across = np.median(left[:, :2] - right[:, :2], axis=0)
    if way[0] * across[1] - way[1] * across[0] >= 0:
        return top
    places = {**top.places, "left": top.places["right"], "right": top.places["left"]}
    return replace(top, places=places)


# Doubts.


def spread_of(
    sights: Mapping[str, Sight], best: Solved, softness: Mapping[str, Softness | None]
) -> dict[str, float]:
    """Name of a length -> its one standard deviation by all that is in doubt, cm."""
    squares = dict.fromkeys(best.lengths, 0.0)
    for changed in [*moved_outlines(sights, softness), *moved_cameras(sights, best)]:
        add_squares(squares, best, solve_again({**sights, **changed}, best))
    for beliefs in other_beliefs():
        add_squares(squares, best, solve_again(sights, best, beliefs))
    return {name: float(np.sqrt(square)) for name, square in squares.items()}


def add_squares(squares: dict[str, float], best: Solved, other: Solved) -> None:
    """What one error changes; a length that it takes away altogether is as unsure as it is long."""
    for name, value in best.lengths.items():
        squares[name] += (other.lengths.get(name, 0.0) - value) ** 2


def moved_outlines(
    sights: Mapping[str, Sight], softness: Mapping[str, Softness | None]
) -> Iterator[dict[str, Sight]]:
    """Each view with one edge of its outline farther out by one standard deviation."""
    for view, sight in sights.items():
        for names, way in EDGES[view].items():
            shift = np.zeros_like(sight.pixels)
            for name in names:
                if name in sight:
                    shift[sight.places[name]] = np.asarray(way) * outline_sigma_px(
                        sight, name, softness[view]
                    )
            if shift.any():
                yield {view: sight.shifted(outwards(sight, names, shift) if view == "top" else shift)}


def outline_sigma_px(sight: Sight, name: str, softness: Softness | None) -> float:
    """One standard deviation of where a part of an outline runs, px."""
    if softness is None:
        return LEAST_OUTLINE_SIGMA_PX
    at = (sight.pixels[sight.places[name]] / SOFTNESS_PX).astype(int)
    rows, columns = (np.clip(at[:, axis], 0, softness.shape[1 - axis] - 1) for axis in (1, 0))
    soft_px = float(np.median(softness[rows, columns]))
    return max(LOGITS_SIGMA[sight.view] * soft_px, LEAST_OUTLINE_SIGMA_PX)


# view -> the parts of its outline that are off together, and which way is out; from above it is across the trunk. The
# poll is pointed at rather than outlined, and less wrong from the side.
EDGES: dict[str, dict[tuple[str, ...], tuple[float, float]]] = {
    "side": {
        ("withers", "rump", "back"): (0, -1),
        ("poll",): (0, -0.6),
        ("belly",): (0, 1),
        ("chest",): (1, 0),
    },
    "top": {("left",): (1, 0), ("right",): (1, 0), ("poll",): (0, 2)},
    "front": {("left",): (-1, 0), ("right",): (1, 0), ("poll",): (2, 0)},
}


def outwards(sight: Sight, names: tuple[str, ...], shift: Points) -> Points:
    """The shift of a trunk's edge, turned to point away from the other edge; others as they are."""
    for name, other in (("left", "right"), ("right", "left")):
        if name in names:
            away = sight.pixels[sight.places[name]] - sight.pixels[sight.places[other]]
            unit = away / np.linalg.norm(away, axis=1, keepdims=True)
            shift[sight.places[name]] = shift[sight.places[name]][:, :1] * unit
    return shift


def moved_cameras(sights: Mapping[str, Sight], best: Solved) -> Iterator[dict[str, Sight]]:
    """Each view as a camera would see it that is off by one standard deviation in one of its ways."""
    for view, sight in sights.items():
        for shift in sight.calibration_shifts(places_in_the_world(view, sight, best)):
            yield {view: sight.shifted(shift)}


def places_in_the_world(view: str, sight: Sight, best: Solved) -> Points:
    """Where the points of a sight are, (N, 3) cm; near enough for how an error of its camera moves them."""
    plane, back = best.plane, best.back
    along_cm = np.array([(back.withers_along + back.rump_along) / 2])
    middle = plane.world(along_cm, np.zeros(1), np.array([WIDEST_OF_WITHERS * back.withers]))[0]
    if view == "side":
        points = on_upright_plane(sight.origin, sight.ways, plane.normal, plane.offset)
    elif view == "top":
        points = at_height(sight.origin, sight.ways, float(middle[2]))
    else:
        points = on_upright_plane(sight.origin, sight.ways, plane.along, float(plane.along @ middle[:2]))
    return np.where(np.isfinite(points), points, middle)


def other_beliefs() -> Iterator[Beliefs]:
    for one in fields(Beliefs):
        believed = getattr(DEFAULT, one.name)
        yield replace(DEFAULT, **{one.name: believed + getattr(BELIEF_SIGMAS, one.name)})


# Where it is in the picture.


def line_of(trait: str, best: Solved, sights: Mapping[str, Sight]) -> Line | None:
    """A length as drawn in its picture, by the camera that sees it."""
    if trait in SIDE_TRAITS.values():
        return height_line(trait, best, sights["side"])
    if trait in TOP_TRAITS.values() and best.profile is not None:
        at = best.sections[trait.removesuffix("_width_cm").removesuffix("_width_top_cm")]
        return width_line(trait, best, sights["top"], at, best.lengths[SOLVED_AS[trait]])
    if trait == FRONT_TRAIT and "body" in best.sections:
        return width_line(trait, best, sights["front"], best.sections["body"], best.lengths["front_width"])
    return None


def height_line(trait: str, best: Solved, side: Sight) -> Line:
    name = SOLVED_AS[trait]
    met = on_upright_plane(side.origin, side.rays(name), best.plane.normal, best.plane.offset)[0]
    start, _ = side.camera.project(np.array([(met[0], met[1], 0.0), met]))
    x, y = side.pixels[side.places[name]][0]
    return Line(trait, (float(start[0]), float(start[1])), (float(x), float(y)))


def width_line(trait: str, best: Solved, sight: Sight, at: int, width_cm: float) -> Line:
    profile = best.profile
    assert profile is not None
    across = profile.middle[at] + np.array([0.5, -0.5]) * width_cm
    along, height = np.full(2, profile.along[at]), np.full(2, profile.widest[at])
    start, end = sight.camera.project(best.plane.world(along, across, height))
    return Line(trait, (float(start[0]), float(start[1])), (float(end[0]), float(end[1])))
