"""Where an animal stands and how large it is, from all calibrated views together.

The animal is taken to have an upright sagittal plane, and a trunk whose cross-sections are as wide as an ellipse around
the height at which the section is widest. From above a ray that touches the trunk at slope t (sideways per cm down) is
tangent to a section of half width a and half height b at sqrt(a^2 + t^2 b^2) from its middle; from the side a ray of
slope m touches a back of curvature radius r at m^2 r / 2 above its highest point. So the side view gives each section
its height, the top view its middle and width, the middle its distance from the side camera: a few rounds settle all.

Frame: `along` (towards the animal's front) and `across` (to its left) on the floor, Z up; cm.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from edge.measuring.sight import Sight, at_height, crossing, on_upright_plane
from edge.records import Points

ROUNDS = 3
# Where along the trunk (0 rear end, 1 front end) a section is widest at which share of its depth, from below; and where
# its widest place, its top and its bottom are as shares of the withers' height. Means of 300 goats of the simulator;
# belly line and back are used instead where the side view shows them.
ALONG = (0.0, 0.155, 0.33, 0.55, 0.73, 1.0)
WIDEST_SHARE = (0.49, 0.467, 0.413, 0.385, 0.356, 0.34)
BELLY_OF_WITHERS = (0.48, 0.481, 0.505, 0.45, 0.45, 0.45)
BACK_OF_WITHERS = (0.97, 0.989, 0.97, 0.965, 0.979, 0.98)
# Curvature radius of the back across, as a share of the withers' height.
WITHERS_RADIUS, RUMP_RADIUS = 0.088, 0.142
# A belly that hangs lower or higher than these shares of the withers' height is a leg, an udder or a shadow.
PLAUSIBLE_BELLY = (0.36, 0.60)
# The girth is taken behind the fore legs: so much of the withers' height behind the withers. It is 1.02 of an ellipse
# there, but outlines show the legs' muscles too: the plain ellipse of what is seen comes out right.
GIRTH_BEHIND_WITHERS = 0.09
# The trunk's shape from above where the top view does not show it: half width against place along it.
TYPICAL_HALF_WIDTH = (0.55, 0.92, 0.83, 1.0, 0.95, 0.6)
TYPICAL_TRUNK_LENGTH = 1.01
TYPICAL_WIDTH = 0.374
# Rump and shoulder are looked for in these shares of the trunk from above.
REAR_SHARE, FRONT_SHARE = 0.3, 0.64
# Fewer sections are no trunk.
FEWEST_SECTIONS = 12
# The axis is the line through the middles of these sections (shares of them, rear to front).
AXIS_FROM = (0.2, 0.8)
# Middles farther from it than this are those of a section with a leg.
ON_AXIS_CM = 0.6
# What stands out of the trunk's edge over less than this length, by more than this share of the half width, is a leg.
LEG_CM, LEG_STANDS_OUT = 11.0, 0.06
# Both sides of a trunk are alike to this much.
ALIKE_CM = 0.7
# From the front the trunk's edges are read within this share of the withers' height around its widest place.
FRONT_BAND, FRONT_PERCENTILE = 0.1, 80
LEAST_EDGE = 3
# Both sides are alike to this share of the half width; where one is so much wider, something is before the other.
ALIKE_SHARE, UNALIKE = 0.06, 1.25
# Along the trunk (0 rear end, 1 front end) the withers are here.
WITHERS_ALONG = 0.805
# A first guess of the height at which the trunk is widest, as a share of the withers' height.
WIDEST_OF_WITHERS = 0.64


@dataclass(frozen=True, slots=True)
class Beliefs:
    """What is taken for true where no view tells, and what the shape of goats is taken to be.

    turn_rad        how far the animal is turned from the crate's axis
    offset_cm       how far to the left of the crate's axis it stands
    along_cm        how far towards its own front it stands
    withers_cm      how tall it is
    poll_across_cm  how far to the left of its sagittal plane its poll is
    widest_share    added to WIDEST_SHARE
    roundness       factor on the curvature radii of the back
    """

    turn_rad: float = 0.0
    offset_cm: float = 0.0
    along_cm: float = 0.0
    withers_cm: float = 62.0
    poll_across_cm: float = 0.0
    widest_share: float = 0.0
    roundness: float = 1.0


DEFAULT = Beliefs()
# One standard deviation of each belief: goats stand as they like within a crate, and breeds differ more than the goats
# of the simulator do (0.02 in `widest_share`).
BELIEF_SIGMAS = Beliefs(0.10, 5.0, 8.0, 11.0, 5.0, 0.04, 0.25)


@dataclass(frozen=True, slots=True)
class Plane:
    """An upright plane: points (X, Y) with normal . (X, Y) = offset; `along` lies in it, `normal` to its left."""

    along: Points
    normal: Points
    offset: float

    @classmethod
    def through(cls, point: Points, turn_rad: float, forwards: int) -> Plane:
        along = np.array([forwards * math.cos(turn_rad), forwards * math.sin(turn_rad)])
        normal = np.array([-along[1], along[0]])
        return cls(along, normal, float(normal @ point[:2]))

    def frame(self, points: Points) -> Points:
        """World points (n, 3) as along, across, Z: (n, 3) cm."""
        flat = points[:, :2]
        return np.column_stack([flat @ self.along, flat @ self.normal - self.offset, points[:, 2]])

    def world(self, along_cm: Points, across_cm: Points, height_cm: Points) -> Points:
        flat = np.outer(along_cm, self.along) + np.outer(across_cm + self.offset, self.normal)
        return np.column_stack([flat, height_cm])


@dataclass(frozen=True, slots=True, eq=False)
class Profile:
    """The trunk cut across its axis, rear to front: (n,) each, in the animal's frame, cm.

    along, middle, half  where the section is, its middle across and its half width
    widest               height at which it is widest
    """

    along: Points
    middle: Points
    half: Points
    widest: Points


@dataclass(frozen=True, slots=True, eq=False)
class Solved:
    """What all views say together.

    sections  name -> which section of the profile has that width
    lengths   name -> cm: withers, rump, poll; shoulder_width, waist_width, rump_width, body_width; front_width;
              length, girth
    """

    sights: Mapping[str, Sight]
    plane: Plane
    back: Back
    profile: Profile | None
    sections: Mapping[str, int]
    lengths: Mapping[str, float]


def solve(sights: Mapping[str, Sight], forwards: int, beliefs: Beliefs = DEFAULT) -> Solved:
    """Where an animal stands, its heights and widths.

    forwards  +1 where it faces the head end of the crate, -1 where it faces the other way
    """
    plane = Plane.through(np.array([0.0, beliefs.offset_cm]), beliefs.turn_rad, forwards)
    back, profile = Back.typical(beliefs), None
    for _ in range(ROUNDS):
        plane, back, profile = once_more(sights, plane, back, beliefs)
    return solved(sights, plane, back, profile, named_sections(profile), beliefs, UNALIKE)


def solve_again(sights: Mapping[str, Sight], near: Solved, beliefs: Beliefs = DEFAULT) -> Solved:
    """As `solve`, for what is only a little different: from there on, each name at the section where it was.

    What `solve` found to be a trunk stays one, so that a doubt moves a length and does not take it away.
    """
    stands_as_before = beliefs is DEFAULT and all(
        sights.get(view) is near.sights.get(view) for view in ("side", "top")
    )
    if stands_as_before and near.profile is not None:
        return solved(sights, near.plane, near.back, near.profile, near.sections, beliefs, math.inf)
    plane = near.plane
    if not any(
        "left" in sights[view] and "right" in sights[view] for view in ("top", "front") if view in sights
    ):
        forwards = 1 if plane.along[0] > 0 else -1
        plane = Plane.through(np.array([0.0, beliefs.offset_cm]), beliefs.turn_rad, forwards)
    back = near.back if "side" in sights and "back" in sights["side"] else Back.typical(beliefs)
    plane, back, profile = once_more(sights, plane, back, beliefs)
    return solved(sights, plane, back, profile, near.sections, beliefs, math.inf)


def once_more(
    sights: Mapping[str, Sight], plane: Plane, back: Back, beliefs: Beliefs
) -> tuple[Plane, Back, Profile | None]:
    """One round: the plane from above (or from the front), then the back in that plane."""
    side, top, front = (sights.get(view) for view in ("side", "top", "front"))
    profile = None
    if top and "left" in top:
        plane, profile = trunk_from_above(top, plane, back, beliefs)
    elif front and "left" in front and "right" in front:
        plane = plane_from_the_front(front, plane, back)
    if side and "back" in side:
        back = Back.seen(side, plane, beliefs)
    return plane, back, profile


def solved(
    sights: Mapping[str, Sight],
    plane: Plane,
    back: Back,
    profile: Profile | None,
    sections: Mapping[str, int],
    beliefs: Beliefs,
    unalike: float,
) -> Solved:
    """The lengths of an animal that stands so.

    unalike  so many times wider than the other may one side look from the front
    """
    side, front = sights.get("side"), sights.get("front")
    lengths = heights(side, plane, back, beliefs) | poll_height(sights, plane, beliefs)
    if profile is not None:
        lengths |= {f"{name}_width": 2 * float(profile.half[at]) for name, at in sections.items()}
    lengths |= front_width(front, plane, back, profile, sections.get("body"), unalike)
    lengths |= estimates(side, plane, back, profile)
    return Solved(sights, plane, back, profile, sections, lengths)


def named_sections(profile: Profile | None) -> dict[str, int]:
    """Which sections shoulder, waist, rump and the greatest width are."""
    if profile is None:
        return {}
    half, ends = profile.half, (profile.along[0], profile.along[-1])
    share = (profile.along - ends[0]) / (ends[1] - ends[0])
    rump = int(np.argmax(np.where(share < REAR_SHARE, half, -1)))
    shoulder = int(np.argmax(np.where(share > FRONT_SHARE, half, -1)))
    first, last = sorted((rump, shoulder))
    waist = first + int(np.argmin(half[first : last + 1]))
    return {"shoulder": shoulder, "waist": waist, "rump": rump, "body": int(np.argmax(half))}


@dataclass(frozen=True, slots=True, eq=False)
class Back:
    """The animal in its sagittal plane: where its withers and rump are along it, its back and its belly.

    along, top      (n,) cm, rear to front
    belly_along, belly  (m,) cm; may be empty
    withers_along, rump_along, withers  cm
    """

    along: Points
    top: Points
    belly_along: Points
    belly: Points
    withers_along: float
    rump_along: float
    withers: float

    @classmethod
    def typical(cls, beliefs: Beliefs) -> Back:
        """An animal of the believed height where it is believed to stand."""
        height, nothing, middle = beliefs.withers_cm, np.zeros(0), beliefs.along_cm
        return cls(nothing, nothing, nothing, nothing, middle + 0.3 * height, middle - 0.33 * height, height)

    @classmethod
    def seen(cls, side: Sight, plane: Plane, beliefs: Beliefs) -> Back:
        spine = highest_line(side, "back", plane, WITHERS_RADIUS * beliefs.withers_cm * beliefs.roundness)
        order = np.argsort(spine[:, 0])
        named = {name: on_plane(side, name, plane)[0] for name in ("withers", "rump") if name in side}
        withers = float(named["withers"][2]) if "withers" in named else float(np.nanmax(spine[:, 2]))
        withers_along = float(named["withers"][0]) if "withers" in named else float(spine[order[-1], 0])
        rump_along = float(named["rump"][0]) if "rump" in named else withers_along - 0.63 * withers
        belly = on_plane(side, "belly", plane) if "belly" in side else np.zeros((0, 3))
        share = belly[:, 2] / withers
        belly = belly[(share > PLAUSIBLE_BELLY[0]) & (share < PLAUSIBLE_BELLY[1])]
        belly = belly[np.argsort(belly[:, 0])]
        return cls(
            spine[order, 0], spine[order, 2], belly[:, 0], belly[:, 2], withers_along, rump_along, withers
        )

    def share_along(self, along: Points) -> Points:
        """Places in the animal's frame as shares of the trunk, 0 rear end, 1 front end."""
        length = TYPICAL_TRUNK_LENGTH * self.withers
        return np.asarray((along - self.withers_along) / length + WITHERS_ALONG)

    def top_at(self, along: Points) -> Points:
        if not len(self.along):
            return np.interp(self.share_along(along), ALONG, BACK_OF_WITHERS) * self.withers
        return np.interp(along, self.along, self.top)

    def bottom_at(self, along: Points) -> Points:
        if not len(self.belly):
            return np.interp(self.share_along(along), ALONG, BELLY_OF_WITHERS) * self.withers
        return np.interp(along, self.belly_along, self.belly)

    def widest_at(self, along: Points, beliefs: Beliefs) -> Points:
        """Height at which the section there is widest."""
        share = np.interp(self.share_along(along), ALONG, WIDEST_SHARE) + beliefs.widest_share
        low, high = self.bottom_at(along), self.top_at(along)
        return np.asarray(low + share * (high - low))


def on_plane(sight: Sight, name: str, plane: Plane) -> Points:
    """A group of points where their rays meet the sagittal plane, in the animal's frame: (n, 3) cm."""
    return plane.frame(on_upright_plane(sight.origin, sight.rays(name), plane.normal, plane.offset))


def highest_line(side: Sight, name: str, plane: Plane, radius: float) -> Points:
    """The ridge of a rounded back whose rays touch it: (n, 3) in the animal's frame, cm."""
    touched = on_plane(side, name, plane)
    ways = side.rays(name)
    slope = ways[:, 2] / (ways[:, :2] @ plane.normal)
    touched[:, 2] -= slope**2 * radius / 2
    return touched


# From above.


def trunk_from_above(top: Sight, plane: Plane, back: Back, beliefs: Beliefs) -> tuple[Plane, Profile | None]:
    """The sagittal plane through the middles of the sections, and the sections; none where the rays do not meet any."""
    half_way = (top.rays("left") + top.rays("right")) / 2
    rough = plane.frame(at_height(top.origin, half_way, WIDEST_OF_WITHERS * back.withers))
    widest = back.widest_at(rough[:, 0], beliefs)
    up = back.top_at(rough[:, 0]) - widest
    along, middle, half = sections(top, plane, widest, up)
    if np.count_nonzero(np.isfinite(along + middle)) < len(along) or len(along) < FEWEST_SECTIONS:
        return plane, None
    tilt, shift = straight_line(along, middle)
    turned = math.atan(tilt)
    # A point of the line, in the world; then the plane through it, turned by the same angle.
    point = plane.world(np.zeros(1), np.array([shift]), np.zeros(1))[0]
    way = math.cos(turned) * plane.along + math.sin(turned) * plane.normal
    normal = np.array([-way[1], way[0]])
    found = Plane(way, normal, float(normal @ point[:2]))
    along, middle, half = sections(top, found, widest, up)
    left, right = without_legs(along, middle + half), without_legs(along, half - middle)
    return found, Profile(along, (left - right) / 2, alike(left, right), widest)


def straight_line(along: Points, middle: Points) -> tuple[float, float]:
    """Slope and height at 0 of the line near which most middles lie, whatever legs and thighs do to the others.

    Of the lines through two middles the one with the least sum of distances, none counted for more than ON_AXIS_CM;
    then the least-squares line of those near it.
    """
    inner = slice(int(AXIS_FROM[0] * len(along)), int(AXIS_FROM[1] * len(along)) + 1)
    x, y = along[inner], middle[inner]
    first, second = np.triu_indices(len(x), len(x) // 3)
    slopes = (y[second] - y[first]) / (x[second] - x[first])
    off = np.abs(y - (y[first, None] + slopes[:, None] * (x - x[first, None])))
    best = int(np.argmin(np.minimum(off, ON_AXIS_CM).sum(axis=1)))
    near = off[best] < ON_AXIS_CM
    slope, shift = np.polyfit(x[near], y[near], 1)
    return float(slope), float(shift)


def without_legs(along: Points, edge: Points) -> Points:
    """A trunk's edge without what sticks out of it over a short stretch: feet and knees."""
    step = max(1, round(LEG_CM / 2 / max(float(np.median(np.diff(along))), 1e-3)))
    opened = grey_opening(edge, step)
    return np.where(edge - opened > LEG_STANDS_OUT * np.median(edge), opened, edge)


def grey_opening(values: Points, reach: int) -> Points:
    """Peaks narrower than 2 reach + 1 cut off (Serra 1982)."""
    window = 2 * reach + 1
    if len(values) <= window:
        return values
    low = sliding_window_view(np.pad(values, reach, mode="edge"), window).min(axis=1)
    return np.asarray(sliding_window_view(np.pad(low, reach, mode="edge"), window).max(axis=1))


def alike(left: Points, right: Points, within: float = ALIKE_CM) -> Points:
    """Half widths of a trunk whose sides are alike: where one bulges (a thigh, a leg set out) the other one counts."""
    less, more = np.minimum(left, right), np.maximum(left, right)
    return np.asarray(less + np.minimum(more - less, within) / 2)


def sections(top: Sight, plane: Plane, widest: Points, up: Points) -> tuple[Points, Points, Points]:
    """Where sections are along the animal, their middles across and their half widths: (n,) cm each."""
    left = plane.frame(at_height(top.origin, top.rays("left"), widest))
    right = plane.frame(at_height(top.origin, top.rays("right"), widest))
    lean_left, lean_right = (
        (ways[:, :2] @ plane.normal) / ways[:, 2] * up for ways in (top.rays("left"), top.rays("right"))
    )
    apart = left[:, 1] - right[:, 1]
    half = apart / 2
    for _ in range(3):
        both = np.hypot(half, lean_left) + np.hypot(half, lean_right)
        half = half * np.clip(apart / both, 0.5, 1.5)
    middle = left[:, 1] - np.hypot(half, lean_left)
    return (left[:, 0] + right[:, 0]) / 2, middle, half


# From the front.


def plane_from_the_front(front: Sight, plane: Plane, back: Back) -> Plane:
    """The sagittal plane through the middle of the trunk as seen from the front, turned as believed."""
    at = back.withers_along - 0.25 * back.withers
    edges = [outermost(front, plane, back, sign, at, WIDEST_OF_WITHERS * back.withers) for sign in (1, -1)]
    if edges[0] is None or edges[1] is None:
        return plane
    return replace(plane, offset=plane.offset + (edges[0] - edges[1]) / 2)


def outermost(
    front: Sight, plane: Plane, back: Back, sign: int, along_cm: float, height_cm: float
) -> float | None:
    """How far out the trunk's left (+1) or right (-1) side reaches at a section, near the height where it is widest."""
    # The animal's left is at the picture's right where it looks at the camera, at the left where it looks away.
    before = plane.frame(front.origin[None])[0, 0] > along_cm
    name = "right" if (sign > 0) == before else "left"
    if name not in front:
        return None
    reached = on_across_plane(front, name, plane, along_cm)
    near = np.abs(reached[:, 2] - height_cm) < FRONT_BAND * back.withers
    if np.count_nonzero(near) < LEAST_EDGE:
        return None
    return float(np.percentile(sign * reached[near, 1], FRONT_PERCENTILE))


def front_width(
    front: Sight | None,
    plane: Plane,
    back: Back,
    profile: Profile | None,
    body: int | None,
    unalike: float,
) -> dict[str, float]:
    """The trunk's width from the rays that touch it on both sides, seen from before or behind.

    The rays touch the trunk where it looks widest from the camera. How wide each section is against the others is taken
    from the top view (or from what is typical); how wide the trunk is, is not.
    """
    if front is None:
        return {}
    along, half, middle = shape_from_above(profile, back)
    camera = plane.frame(front.origin[None])[0]
    away = np.abs(camera[0] - along)
    grown = []
    for sign in (1, -1):
        edge = middle + sign * half
        widest = int(np.argmax(sign * (edge - camera[1]) / away))
        height = float(back.widest_at(along[widest : widest + 1], DEFAULT)[0])
        reached = outermost(front, plane, back, sign, float(along[widest]), height)
        if reached is not None and sign * edge[widest] > 0:
            grown.append(reached / float(sign * edge[widest]))
    if not grown:
        return {}
    both = float(alike(np.array([min(grown)]), np.array([max(grown)]), ALIKE_SHARE)[0])
    if max(grown) > unalike * min(grown):
        return {}
    widest_half = float(half.max()) if profile is None or body is None else float(profile.half[body])
    return {"front_width": both * 2 * widest_half}


def on_across_plane(front: Sight, name: str, plane: Plane, along_cm: float) -> Points:
    """Where rays meet the section there, in the animal's frame: (n, 3) cm."""
    at = along_cm * plane.along + plane.offset * plane.normal
    met = on_upright_plane(front.origin, front.rays(name), plane.along, float(plane.along @ at))
    return plane.frame(met)


def shape_from_above(profile: Profile | None, back: Back) -> tuple[Points, Points, Points]:
    """Along, half width and middle of the trunk's sections, cm."""
    if profile is not None:
        good = np.isfinite(profile.half)
        return profile.along[good], profile.half[good], profile.middle[good]
    share = np.linspace(0.05, 0.9, 30)
    along = back.withers_along + (share - WITHERS_ALONG) * TYPICAL_TRUNK_LENGTH * back.withers
    half = np.interp(share, ALONG, TYPICAL_HALF_WIDTH) * TYPICAL_WIDTH / 2 * back.withers
    return along, half, np.zeros(len(share))


# Lengths.


def heights(side: Sight | None, plane: Plane, back: Back, beliefs: Beliefs) -> dict[str, float]:
    found = {}
    for name, radius in (("withers", WITHERS_RADIUS), ("rump", RUMP_RADIUS)):
        if side and name in side:
            ridge = highest_line(side, name, plane, radius * back.withers * beliefs.roundness)
            found[name] = float(ridge[0, 2])
    return found


def poll_height(sights: Mapping[str, Sight], plane: Plane, beliefs: Beliefs) -> dict[str, float]:
    """The poll, where the rays to it pass each other; from the side alone it is taken to be in the sagittal plane."""
    side = sights.get("side")
    if side is None or "poll" not in side:
        return {}
    seen = [sight for sight in sights.values() if "poll" in sight]
    if len(seen) == 1:
        beside = replace(plane, offset=plane.offset + beliefs.poll_across_cm)
        return {"poll": float(on_plane(side, "poll", beside)[0, 2])}
    origins = np.array([sight.origin for sight in seen])
    ways = np.array([sight.rays("poll")[0] for sight in seen])
    met = crossing(origins, ways, np.ones(len(seen)))
    # The others say where across it is; how high it is says the side view, there.
    across = float(plane.normal @ met[:2])
    return {"poll": float(on_plane(side, "poll", replace(plane, offset=across))[0, 2])}


def estimates(side: Sight | None, plane: Plane, back: Back, profile: Profile | None) -> dict[str, float]:
    """Body length and heart girth, as far as the views show what they need."""
    found = {}
    if side and "chest" in side and "tail" in side:
        chest, tail = (on_plane(side, name, plane)[0, 0] for name in ("chest", "tail"))
        found["length"] = float(chest - tail)
    if profile is not None and len(back.belly):
        at = np.array([back.withers_along - GIRTH_BEHIND_WITHERS * back.withers])
        half_width = float(np.interp(at, profile.along, profile.half)[0])
        half_depth = float((back.top_at(at) - back.bottom_at(at))[0]) / 2
        if min(half_width, half_depth) > 0:
            found["girth"] = ellipse_perimeter(half_width, half_depth)
    return found


def ellipse_perimeter(a: float, b: float) -> float:
    """Ramanujan 1914, second approximation."""
    h = ((a - b) / (a + b)) ** 2
    return math.pi * (a + b) * (1 + 3 * h / (10 + math.sqrt(4 - 3 * h)))
