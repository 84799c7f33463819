"""Where on a goat's outline the traits are, in pixels. Knows anatomy, no centimetres and no network.

Everything is found from the mask in a frame that faces left or lies along the animal's own axis, so that a mirrored or
turned goat gives the same points. Where somebody points at landmarks with confidence, the outline is read there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from edge.records import Label, Landmark, Pixels

Point = tuple[float, float]
Floats = npt.NDArray[np.float64]
Marks = Mapping[str, Landmark]

NO_MARKS: Marks = {}
# A landmark that is pointed at with less confidence than this is looked for on the outline alone.
SURE = 0.3
FRONT_MARKS = ("poll", "chest_front", "withers", "shoulder_left", "shoulder_right")
REAR_MARKS = ("rump", "tail_root", "rump_left", "rump_right")
# Withers and croup are the highest points within this share of the picture's width around where they are pointed at.
AROUND_MARK = 0.006
# The outline's own withers and croup stand within this share of the distance between the two marks: best of 84 goats at
# stations 6000 to 6013 of the accuracy bench (0.15 costs the withers 0.1 cm), and as good as any for the photographs.
NEAR_MARK = 0.05

# A head smaller than this share of the goat is a speck, not a head.
SMALLEST_HEAD = 0.01
# A head whose centre is nearer than this share of the body's length to its middle says nothing about front and rear.
CLEAR_OF_THE_MIDDLE = 0.1
# A piece of a trunk smaller than this share of the largest one does not count.
SMALLEST_PIECE = 0.05
# Fewer pixels than this across the goat show no anatomy.
SMALLEST_GOAT_PX = 40
# First guesses look at one pixel in so many each way.
COARSE = 4
# A skull is looked for at this size: fine enough for a poll to half a centimetre, and quick.
SKULL_PX = 100


@dataclass(frozen=True, slots=True)
class Width:
    """A width across the trunk: its two ends in the picture, px; from above `start` is on the animal's left."""

    start: Point
    end: Point

    @property
    def px(self) -> float:
        return float(np.hypot(self.end[0] - self.start[0], self.end[1] - self.start[1]))


def sure(marks: Marks) -> dict[str, Point]:
    """The landmarks that are pointed at with confidence, px."""
    return {name: (mark.x, mark.y) for name, mark in marks.items() if mark.confidence >= SURE}


def heading(marks: Marks) -> Floats | None:
    """(2,) from rear to front in the picture, px, by the landmarks pointed at; None where one of both is missing."""
    points = sure(marks)
    front = [points[name] for name in FRONT_MARKS if name in points]
    rear = [points[name] for name in REAR_MARKS if name in points]
    if not front or not rear:
        return None
    return np.asarray(np.mean(front, axis=0) - np.mean(rear, axis=0))


def facing(mask: Pixels, marks: Marks = NO_MARKS) -> str | None:
    """ "left" or "right" in the picture, from where the head is, else from the landmarks; None where neither tells."""
    head, body = mask == Label.HEAD, mask == Label.BODY
    if not body.any():
        return None
    across = np.count_nonzero(body.any(axis=0))
    if head.sum() >= SMALLEST_HEAD * (mask > 0).sum():
        ahead = column_centre(head) - column_centre(body)
        if abs(ahead) >= CLEAR_OF_THE_MIDDLE * across:
            return "left" if ahead < 0 else "right"
    way = heading(marks)
    if way is None or abs(way[0]) < CLEAR_OF_THE_MIDDLE * across:
        return None
    return "left" if way[0] < 0 else "right"


def column_centre(region: npt.NDArray[np.bool_]) -> float:
    columns = region.sum(axis=0)
    return float(np.average(np.arange(len(columns)), weights=columns))


def touched_borders(mask: Pixels, least_px: int = 5) -> frozenset[str]:
    """Which borders of the picture cut the goat off: left, right, top, bottom."""
    goat = mask > 0
    edges = {"left": goat[:, :2], "right": goat[:, -2:], "top": goat[:2], "bottom": goat[-2:]}
    return frozenset(name for name, edge in edges.items() if np.count_nonzero(edge) >= 2 * least_px)


def parts(region: Pixels) -> int:
    """How many separate pieces a region is in; what an ear or a horn cuts off does not count."""
    _, _, stats, _ = cv2.connectedComponentsWithStats((region > 0).astype(np.uint8))
    areas = stats[1:, cv2.CC_STAT_AREA]
    return int(np.count_nonzero(areas >= SMALLEST_PIECE * areas.max())) if len(areas) else 0


def landmarks(mask: Pixels, view: str, marks: Marks = NO_MARKS) -> dict[str, Point]:
    """The named points of a view's outline that can be found, px.

    side   withers, rump, poll, fore_hoof, hind_hoof
    top    shoulder, waist and rump, each _left and _right as the animal has them
    front  chest_left and chest_right as the picture has them: the ends of the widest row of the trunk
    """
    if view == "side":
        return side_landmarks(mask, marks)
    if view == "top":
        trunk = find_trunk(mask, marks)
        widths = top_widths(trunk) if trunk else {}
        return edge_points({name: width for name, width in widths.items() if name != "body"})
    widest = front_width(mask)
    return edge_points({"chest": widest}) if widest else {}


def edge_points(widths: Mapping[str, Width]) -> dict[str, Point]:
    """Both ends of each width as landmarks."""
    left = {f"{name}_left": width.start for name, width in widths.items()}
    return left | {f"{name}_right": width.end for name, width in widths.items()}


# The side view.


@dataclass(frozen=True, slots=True)
class Stance:
    """Where a left-facing goat stands in the side picture: columns and rows, px.

    fore_x, hind_x  columns of the fore and hind legs
    back_y          row of the back between them
    ground_y        mean row of the lowest points of fore and hind legs
    """

    fore_x: float
    hind_x: float
    back_y: float
    ground_y: float

    @property
    def span(self) -> float:
        return self.hind_x - self.fore_x


def side_landmarks(mask: Pixels, marks: Marks = NO_MARKS, way: str | None = None) -> dict[str, Point]:
    """withers, rump, poll, fore_hoof and hind_hoof of a goat seen from the side, as far as they can be found.

    mask     (H, W)  0 background, 1 body, 2 head
    marks    where the network points
    way      "left" or "right" where it is known which way the goat faces
    returns  name -> (x, y), px
    """
    way, marked = way or facing(mask, marks), sure(marks)
    if way is None:
        return {}
    if way == "left":
        points = left_facing_landmarks(mask, "poll" not in marked)
    else:
        mirrored = left_facing_landmarks(np.ascontiguousarray(mask[:, ::-1]), "poll" not in marked)
        points = {name: (mask.shape[1] - 1 - x, y) for name, (x, y) in mirrored.items()}
    return corrected(mask, points, marked)


def corrected(mask: Pixels, points: Mapping[str, Point], marked: Mapping[str, Point]) -> dict[str, Point]:
    """The points of the outline, where need be moved to where they are pointed at.

    On the back the outline's own point stays unless it is far from the mark: of photographs it is the better one. The
    poll, which ears and horns hide, lies where it is pointed at.
    """
    reach = AROUND_MARK * mask.shape[1]
    found = dict(points) | {name: marked[name] for name in ("poll",) if name in marked}
    near = (
        NEAR_MARK * abs(marked["withers"][0] - marked["rump"][0])
        if {"withers", "rump"} <= marked.keys()
        else 0
    )
    both = {"withers", "rump"} & marked.keys()
    wrong = [name for name in both if name not in points or abs(points[name][0] - marked[name][0]) > near]
    back = back_line(mask) if wrong else np.zeros(0)
    for name in wrong:
        x, y = marked[name]
        found[name] = highest(back, x - reach, x + reach) or (x, y)
    return found


def left_facing_landmarks(mask: Pixels, with_poll: bool = True) -> dict[str, Point]:
    """The side landmarks of a goat whose head is at the left."""
    points = {"poll": find_poll(mask) if with_poll else None}
    stance = find_stance(mask)
    if stance is not None:
        back = back_line(mask)
        points["withers"] = find_withers(back, stance)
        points["rump"] = find_rump(back, stance)
        points["fore_hoof"] = (stance.fore_x, stance.ground_y)
        points["hind_hoof"] = (stance.hind_x, stance.ground_y)
    return {name: point for name, point in points.items() if point is not None}


def back_line(mask: Pixels) -> Floats:
    """(W,) topmost body row of each column, smoothed against hair; NaN where there is no body or a head above it."""
    body, head = mask == Label.BODY, mask == Label.HEAD
    top = np.where(body.any(axis=0), body.argmax(axis=0), np.nan).astype(float)
    head_top = np.where(head.any(axis=0), head.argmax(axis=0), np.inf)
    top[head_top < top] = np.nan
    return smoothed(top, max(3, mask.shape[1] // 200))


def smoothed(values: Floats, half_window: int) -> Floats:
    """Running mean that steps over NaN."""
    known = np.isfinite(values)
    kernel = np.ones(2 * half_window + 1)
    total = np.convolve(np.where(known, values, 0.0), kernel, mode="same")
    count = np.convolve(known.astype(float), kernel, mode="same")
    return np.where(known, total / np.maximum(count, 1), np.nan)


def find_stance(mask: Pixels) -> Stance | None:
    """The legs of a left-facing goat, or None where no two pairs can be told apart."""
    body = mask == Label.BODY
    columns = np.flatnonzero(body.any(axis=0))
    if len(columns) < SMALLEST_GOAT_PX:
        return None
    bottom = body.shape[0] - 1 - body[::-1].argmax(axis=0)
    middle = columns[int(0.35 * len(columns)) : int(0.75 * len(columns))]
    back_y = float(np.median(body.argmax(axis=0)[middle]))
    lowest = float(bottom[columns].max())
    height = lowest - back_y
    is_leg = body.any(axis=0) & (bottom > lowest - 0.22 * height)
    legs = np.flatnonzero(is_leg)
    split = (legs.min() + legs.max()) / 2
    fore, hind = legs[legs < split], legs[legs >= split]
    if not len(fore) or not len(hind) or hind.mean() - fore.mean() < 0.3 * height:
        return None
    # Near hooves look lower than far ones; the animal's middle is between them.
    ground_y = float(np.mean([middle_ground(bottom[fore]), middle_ground(bottom[hind])]))
    return Stance(float(fore.mean()), float(hind.mean()), back_y, ground_y)


def middle_ground(bottom: npt.NDArray[np.int64]) -> float:
    """Half-way between the lower and the upper of the hooves of one pair, px."""
    return float((bottom.max() + np.percentile(bottom, 25)) / 2)


def find_withers(back: Floats, stance: Stance) -> Point | None:
    """The highest point behind the corner in which the neck leaves the back, above the fore legs."""
    span = stance.span
    corner = neck_corner(back, stance.fore_x - 0.45 * span, stance.fore_x + 0.55 * span)
    start = stance.fore_x - 0.05 * span if corner is None else corner
    start = float(np.clip(start, stance.fore_x - 0.15 * span, stance.fore_x + 0.3 * span))
    return highest(back, start, start + 0.15 * span)


def neck_corner(back: Floats, neck_x: float, mid_back_x: float) -> float | None:
    """The column farthest below the chord from neck to mid-back; None where the neck does not rise."""
    xs = known_columns(back, neck_x, mid_back_x)
    if len(xs) < 3:
        return None
    ys = back[xs]
    chord = np.interp(xs, [xs[0], xs[-1]], [ys[0], ys[-1]])
    below = ys - chord
    deepest = int(np.argmax(below))
    return float(xs[deepest]) if below[deepest] > 0.03 * (xs[-1] - xs[0]) else None


def find_rump(back: Floats, stance: Stance) -> Point | None:
    """The highest point of the croup, over the hips."""
    return highest(back, stance.hind_x - 0.3 * stance.span, stance.hind_x + 0.02 * stance.span)


def highest(back: Floats, start_x: float, end_x: float) -> Point | None:
    """The highest point of the back between two columns."""
    xs = known_columns(back, start_x, end_x)
    if not len(xs):
        return None
    x = xs[int(np.argmin(back[xs]))]
    return float(x), float(back[x])


def known_columns(back: Floats, start_x: float, end_x: float) -> npt.NDArray[np.int64]:
    xs = np.arange(max(0, round(start_x)), min(len(back), round(end_x) + 1))
    return np.asarray(xs[np.isfinite(back[xs])])


def find_poll(mask: Pixels) -> Point | None:
    """The top of the skull of a left-facing goat: head and nape without what is thinner than a skull (ears, horns)."""
    head = (mask == Label.HEAD).astype(np.uint8)
    left, top, width, height = cv2.boundingRect(head)
    if min(width, height) < SMALLEST_GOAT_PX / 4:
        return None
    # The nape belongs to the body, but without it the corner of the skull would be rounded off.
    left, top = max(0, left - width), max(0, top - height)
    around = slice(top, top + 3 * height), slice(left, left + 3 * width)
    shrink = min(1.0, SKULL_PX / float(np.sqrt(head.sum())))
    head, goat = shrunk(head[around], shrink), shrunk((mask[around] > 0).astype(np.uint8), shrink)
    size = float(np.sqrt(head.sum()))
    skull, silhouette = without_thin_parts(head, size), without_thin_parts(goat, size)
    columns = np.flatnonzero(skull.any(axis=0))
    if not len(columns):
        return None
    # The poll lies where the rear half of the skull meets the nape.
    rear = np.arange(columns[len(columns) // 2], min(columns[-1] + round(0.15 * size), silhouette.shape[1]))
    rear = rear[silhouette[:, rear].any(axis=0)]
    if not len(rear):
        return None
    tops = silhouette[:, rear].argmax(axis=0)
    best = int(np.argmin(tops))
    return left + float(rear[best]) / shrink, top + float(tops[best]) / shrink


def shrunk(region: Pixels, factor: float) -> Pixels:
    return np.asarray(cv2.resize(region, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA), np.uint8)


def without_thin_parts(region: Pixels, head_size: float) -> Pixels:
    """A region opened with a disc of nearly half the head's size: ears and horns vanish, the skull stays."""
    diameter = 2 * round(0.2 * head_size) + 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (diameter, diameter))
    opened = cv2.morphologyEx(np.pad(region, diameter), cv2.MORPH_OPEN, disc)
    return np.asarray(opened[diameter:-diameter, diameter:-diameter], np.uint8)


# The top view.


@dataclass(frozen=True, slots=True)
class Trunk:
    """A trunk seen from above, cut across its own axis.

    centre, along   a point of the axis and its unit vector towards the head (or an end, where there is no head)
    stations        (N,) positions along the axis, px, rear to front
    left, right     (N,) the trunk's edges across the axis, px
    knows_front     whether it is known which end is the front
    """

    centre: Floats
    along: Floats
    stations: Floats
    left: Floats
    right: Floats
    knows_front: bool

    @property
    def widths(self) -> Floats:
        return self.right - self.left

    @property
    def length_px(self) -> float:
        return float(self.stations[-1] - self.stations[0])

    @property
    def turn_rad(self) -> float:
        """How far the axis is turned from the nearer of the picture's own two directions, 0 to pi / 4."""
        x, y = np.abs(self.along)
        return float(np.arctan2(min(x, y), max(x, y)))

    def width_at(self, index: int) -> Width:
        across = np.array([-self.along[1], self.along[0]])
        on_axis = self.centre + self.stations[index] * self.along
        start, end = on_axis + self.left[index] * across, on_axis + self.right[index] * across
        return Width((float(start[0]), float(start[1])), (float(end[0]), float(end[1])))


def find_trunk(mask: Pixels, marks: Marks = NO_MARKS) -> Trunk | None:
    """The trunk of a goat seen from above: the body without the neck, tail and head."""
    body = mask == Label.BODY
    area = int(np.count_nonzero(body))
    if area < SMALLEST_GOAT_PX**2:
        return None
    moments, head = moments_of(body), mask == Label.HEAD
    forward = heading(marks)
    if np.count_nonzero(head) >= SMALLEST_HEAD * area:
        forward = moments_of(head).centre - moments.centre
    # The outermost pixels of every section are on the outline, so the others need not be looked at.
    outline = outline_pixels(body)
    trunk = cut_across(outline, moments, forward)
    # The neck may be turned: look again along the axis of the trunk alone.
    for _ in range(2):
        if trunk is None:
            return None
        inside = (outline - trunk.centre) @ trunk.along
        outline = outline[(inside >= trunk.stations[0]) & (inside <= trunk.stations[-1])]
        moments = moments_between(trunk)
        if moments.area < SMALLEST_GOAT_PX**2:
            return None
        trunk = cut_across(outline, moments, forward)
    return trunk


@dataclass(frozen=True, slots=True)
class Moments:
    """A region's area (px), centre (2,) and covariance (2, 2), px."""

    area: float
    centre: Floats
    covariance: Floats


def moments_of(region: npt.NDArray[np.bool_]) -> Moments:
    # Every fourth pixel each way says it as well, for a fraction of the time.
    coarse = np.ascontiguousarray(region[COARSE // 2 :: COARSE, COARSE // 2 :: COARSE], np.uint8)
    found = cv2.moments(coarse, binaryImage=True)
    area = max(found["m00"], 1.0)
    covariance = np.array([[found["mu20"], found["mu11"]], [found["mu11"], found["mu02"]]]) / area
    centre = np.array([found["m10"], found["m01"]]) / area
    return Moments(area * COARSE**2, centre * COARSE + COARSE // 2, covariance * COARSE**2)


def moments_between(trunk: Trunk) -> Moments:
    """Of all that lies between both edges of a trunk."""
    s, widths, middle = trunk.stations, trunk.widths + 1, (trunk.left + trunk.right) / 2
    area = float(widths.sum())
    mean_s, mean_w = (float(widths @ values) / area for values in (s, middle))
    off_s, off_w = s - mean_s, middle - mean_w
    across_all = float(widths @ off_w**2 + (widths**3).sum() / 12)
    together = float(widths @ (off_s * off_w))
    own = np.array([[float(widths @ off_s**2), together], [together, across_all]]) / area
    across = np.array([-trunk.along[1], trunk.along[0]])
    frame = np.column_stack([trunk.along, across])
    return Moments(area, trunk.centre + frame @ (mean_s, mean_w), frame @ own @ frame.T)


def outline_pixels(region: npt.NDArray[np.bool_]) -> Floats:
    """Points (N, 2) along the outer borders of a region, less than a pixel apart."""
    contours, _ = cv2.findContours(region.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    closed = [contour[:, 0].astype(float) for contour in contours]
    return np.concatenate([part for one in closed for part in (one, (one + np.roll(one, 1, axis=0)) / 2)])


def cut_across(outline: Floats, moments: Moments, forward: Floats | None) -> Trunk | None:
    """Cut a region across its principal axis, one station per pixel of length; None where nothing is left of it.

    outline  (N, 2) pixels of its border
    forward  (2,) roughly towards the head, or None where nothing tells
    """
    _, vectors = np.linalg.eigh(moments.covariance)
    along = vectors[:, 1]
    if forward is not None and forward @ along < 0:
        along = -along
    across = np.array([-along[1], along[0]])
    s, w = (outline - moments.centre) @ along, (outline - moments.centre) @ across
    if len(s) < SMALLEST_GOAT_PX:
        return None
    index = np.round(s - s.min()).astype(int)
    left, right = np.full(index.max() + 1, np.inf), np.full(index.max() + 1, -np.inf)
    np.minimum.at(left, index, w)
    np.maximum.at(right, index, w)
    stations = s.min() + np.arange(len(left), dtype=float)
    full = (right - left) > 0.55 * np.nanmax(np.where(np.isfinite(right), right - left, np.nan))
    first, last = int(np.argmax(full)), len(full) - int(np.argmax(full[::-1]))
    keep = np.isfinite(left[first:last])
    if np.count_nonzero(keep) < SMALLEST_GOAT_PX:
        return None
    return Trunk(
        *(moments.centre, along, stations[first:last][keep], left[first:last][keep], right[first:last][keep]),
        knows_front=forward is not None,
    )


def top_widths(trunk: Trunk) -> dict[str, Width]:
    """shoulder, waist and rump (only where front and rear are told apart) and body: the widths of DESIGN 4, px."""
    count = len(trunk.stations)
    widths = smoothed(trunk.widths, max(1, count // 60))
    found = {"body": int(np.argmax(widths))}
    if trunk.knows_front:
        rump = int(np.argmax(widths[: int(0.3 * count)]))
        shoulder = int(0.6 * count) + int(np.argmax(widths[int(0.6 * count) :]))
        waist = rump + int(np.argmin(widths[rump : shoulder + 1]))
        found |= {"shoulder": shoulder, "waist": waist, "rump": rump}
    return {name: trunk.width_at(index) for name, index in found.items()}


# The front view.


def front_width(mask: Pixels) -> Width | None:
    """The widest row of the trunk seen from the front, above the legs; pixels hidden by the head count as trunk."""
    body, goat = mask == Label.BODY, mask > 0
    rows = np.flatnonzero(body.any(axis=1))
    if len(rows) < SMALLEST_GOAT_PX:
        return None
    upper = rows[: max(1, int(0.6 * len(rows)))]
    left = body.argmax(axis=1)[upper]
    right = body.shape[1] - 1 - body[:, ::-1].argmax(axis=1)[upper]
    filled = np.array([goat[y, a : b + 1].mean() for y, a, b in zip(upper, left, right, strict=True)])
    widths = np.where(filled > 0.95, right - left + 1.0, 0.0)
    best = int(np.argmax(smoothed(widths, max(1, len(upper) // 60))))
    if widths[best] <= 0:
        return None
    y = float(upper[best])
    return Width((float(left[best]), y), (float(right[best]) + 1.0, y))
