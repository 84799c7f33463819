"""Where a picture shows the board: its corners to begin with, then every border between a dark and a bright square.

A shadow's edge that crosses a row of corners moves them all, and a board seen nearly face on then tilts by degrees.
So the borders are looked at across their whole length: where a shadow runs along one, the sides of the step are not
flat and that look is left out; the median of the rest does not care.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from edge.calibrating.board import LOOKS, REACH, Board, Edges
from edge.records import Pixels, Points

# Boards are looked for in pictures no wider than this: quick, and OpenCV's thresholds are made for it.
SEARCH_SIDE_PX = 1800
FEWEST_CORNERS, FEWEST_MARKERS = 8, 3
CORNER_SIGMA_PX = 0.25
# An edge is looked at in this many places across it.
STEPS = 21
# A look needs this many px on each side, and more than these bring nothing.
NARROWEST_PX, WIDEST_PX = 1.6, 12.0
# Outside this share of its reach a step has to be flat.
FLAT_FROM = 0.6
FAINTEST = 3.0
# What remains of an edge's error however many looks it is the median of, px.
EDGE_FLOOR_PX = 0.03
FEWEST_LOOKS = 5
HALVES = 2
# Light falls together before the camera brightens it: in light, blur moves no edge towards the dark.
LIGHT_OF = (255 * (np.arange(256) / 255) ** 2.2).astype(np.float32)
Project = Callable[[Points], Points]


@dataclass(frozen=True, slots=True)
class Found:
    """The board's corners in one picture.

    corners_px  (N, 2);  ids  (N,)  which inner corners they are
    markers     number -> (4, 2) px, as printed from the top left corner on, clockwise
    """

    corners_px: Points
    ids: npt.NDArray[np.int64]
    markers: dict[int, Points]

    @property
    def is_enough(self) -> bool:
        return len(self.ids) >= FEWEST_CORNERS


@dataclass(frozen=True, slots=True)
class Sightings:
    """Points of the board, each seen somewhere along a line in the picture.

    places    (N, 2)  board X and Y, cm
    seen_px   (N, 2)  a point of the line
    across    (N, 2)  unit vector across the line, from dark to bright
    sigma_px  (N,)    across the line
    glare     (N, 2)  how glare may push it towards the dark: all edges alike, and more where it is brighter; a
                      corner, where bright meets dark both ways, stays
    spot      (N,)    the same number for the same part of the board
    line      (N,)    the same number for the same straight line of the board
    """

    places: Points
    seen_px: Points
    across: Points
    sigma_px: Points
    glare: Points
    spot: npt.NDArray[np.int64]
    line: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.places)


def find_board(gray: Pixels, board: Board) -> Found:
    """The corners of the board in a picture, none where there is no board.

    Markers of a few pixels are found only in an enlarged picture, so that is looked at where the first look fails.
    """
    scale = 1 / max(1, -(-max(gray.shape) // SEARCH_SIDE_PX))
    found = looked_for(gray, board, scale)
    if found.is_enough:
        return found
    enlarged = looked_for(gray, board, 2 * scale)
    return enlarged if len(enlarged.ids) > len(found.ids) else found


def looked_for(gray: Pixels, board: Board, scale: float) -> Found:
    """The board as found in the picture at another scale, in pixels of the picture itself."""
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    other = gray if scale == 1 else cv2.resize(gray, None, fx=scale, fy=scale, interpolation=method)
    corners, ids, marker_corners, numbers = detector(board).detectBoard(np.asarray(other, dtype=np.uint8))
    markers = {}
    if numbers is not None:
        for number, four in zip(np.ravel(numbers), marker_corners, strict=True):
            markers[int(number)] = (np.asarray(four, dtype=float).reshape(4, 2) + 0.5) / scale - 0.5
    if ids is None or len(ids) == 0:
        ids, corners = np.zeros(0), np.zeros((0, 2))
    rough = (np.asarray(corners, dtype=np.float64).reshape(-1, 2) + 0.5) / scale - 0.5
    return completed(gray, Found(rough, np.ravel(ids).astype(np.int64), markers), board)


def detector(board: Board) -> cv2.aruco.CharucoDetector:
    """Takes a corner from one marker, for a shadow may have spoilt the other."""
    near, search = cv2.aruco.CharucoParameters(), cv2.aruco.DetectorParameters()
    near.minMarkers = 1
    search.adaptiveThreshWinSizeMax = 43
    return cv2.aruco.CharucoDetector(board.charuco(), near, search)


def completed(gray: Pixels, found: Found, board: Board) -> Found:
    """All corners that look like corners, also those whose markers a shadow or a bar hides."""
    known = [number for number in found.markers if number < board.marker_count]
    if len(known) < FEWEST_MARKERS:
        return Found(found.corners_px[:0], found.ids[:0], found.markers)
    printed = np.concatenate(
        [board.marker_corners(number) for number in known] + [board.corners_cm()[found.ids]]
    )
    seen = np.concatenate([found.markers[number] for number in known] + [found.corners_px])
    homography, _ = cv2.findHomography(printed, seen, cv2.RANSAC, 0.05 * side_px(found.markers))
    if homography is None:
        return found
    expected = cv2.perspectiveTransform(board.corners_cm()[:, None], homography)[:, 0].astype(float)
    expected[found.ids] = found.corners_px
    corners = refined(gray, expected, found.markers)
    moved = np.linalg.norm(corners - expected, axis=1)
    good = (moved < 0.12 * side_px(found.markers)) & is_corner(
        gray, board, corners, np.asarray(homography, dtype=float)
    )
    return Found(corners[good], np.flatnonzero(good), found.markers)


def is_corner(gray: Pixels, board: Board, corners_px: Points, homography: Points) -> npt.NDArray[np.bool_]:
    """Where two dark and two bright fields meet."""
    places = board.corners_cm()
    ends = np.array([[1, 1], [-1, -1], [1, -1], [-1, 1]]) * board.square_cm / 12
    around = cv2.perspectiveTransform((places[:, None] + ends).reshape(-1, 1, 2), homography).reshape(
        -1, 4, 2
    )
    around = around + (corners_px - cv2.perspectiveTransform(places[:, None], homography)[:, 0])[:, None]
    size = np.array([gray.shape[1], gray.shape[0]])
    inside = np.all((around > 1) & (around < size - 2), axis=(1, 2))
    spots = np.clip(np.round(around), 0, size - 1).astype(int)
    light = gray[spots[..., 1], spots[..., 0]].astype(float)
    column, row = np.round(places / board.square_cm).astype(int).T
    dark = np.where(((column + row) % 2 == 0)[:, None], light[:, :2], light[:, 2:])
    bright = np.where(((column + row) % 2 == 0)[:, None], light[:, 2:], light[:, :2])
    return np.asarray(inside & (dark.max(axis=1) + FAINTEST < bright.min(axis=1)))


def side_px(markers: dict[int, Points]) -> float:
    """How wide the markers are, px."""
    sides = [np.linalg.norm(four - np.roll(four, 1, axis=0), axis=1).mean() for four in markers.values()]
    return float(np.median(sides))


def refined(gray: Pixels, corners_px: Points, markers: dict[int, Points]) -> Points:
    """Corners to a part of a pixel. OpenCV 4.11's own are half a pixel off, right and down."""
    window = int(np.clip(side_px(markers) / 5, 2, 12))
    rule = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 50, 1e-3)
    within = np.clip(corners_px, 0, np.array([gray.shape[1], gray.shape[0]]) - 1)
    start = within.astype(np.float32).reshape(-1, 1, 2)
    return cv2.cornerSubPix(gray, start, (window, window), (-1, -1), rule).reshape(-1, 2).astype(float)


def corner_sightings(found: Found, board: Board) -> Sightings:
    """Each corner twice, across and down."""
    count = len(found.ids)
    twice = np.repeat(np.arange(count), 2)
    return Sightings(
        board.corners_cm()[found.ids][twice],
        found.corners_px[twice],
        np.tile(np.eye(2), (count, 1)),
        np.full(2 * count, CORNER_SIGMA_PX),
        np.zeros((2 * count, 2)),
        found.ids[twice],
        found.ids[twice] // (board.columns - 1),
    )


def edge_sightings(gray: Pixels, edges: Edges, project: Project) -> Sightings:
    """Where the picture shows each half of each edge, looked for where `project` expects it.

    project  board X and Y (N, 2), cm, to px (N, 2)
    """
    places = edges.places.reshape(-1, 2)
    bright = np.repeat(edges.across, LOOKS, axis=0)
    step = 0.02
    middle = project(places)
    along = project(places + step * bright[:, ::-1]) - project(places - step * bright[:, ::-1])
    towards = (project(places + step * bright) - project(places - step * bright)) / (2 * step)
    across = np.column_stack([-along[:, 1], along[:, 0]])
    across /= np.linalg.norm(across, axis=1, keepdims=True)
    depth = np.sum(across * towards, axis=1)
    across *= np.sign(depth)[:, None]
    reach = np.minimum(np.abs(depth) * REACH * edges.square_cm, WIDEST_PX)
    return halves(edges, places, middle, across, find_steps(gray, middle, across, reach))


@dataclass(frozen=True, slots=True)
class Steps:
    """Looks across edges.

    offset  (N,)  how far from where it was expected the picture steps from dark to bright, px
    bright  (N,)  how bright its bright side is, as log2 of light
    good    (N,)  whether there is a clean step
    """

    offset: Points
    bright: Points
    good: npt.NDArray[np.bool_]


def find_steps(gray: Pixels, middle: Points, across: Points, reach: Points) -> Steps:
    """The steps near `middle` (N, 2) along `across` (N, 2), no farther than `reach` (N,), px."""
    ticks = np.linspace(-1, 1, STEPS)
    spots = middle[:, None] + reach[:, None, None] * ticks[:, None] * across[:, None]
    profile = np.asarray(
        cv2.remap(
            LIGHT_OF[gray],
            spots[..., 0].astype(np.float32),
            spots[..., 1].astype(np.float32),
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        ),
        dtype=float,
    )
    low, high = profile[:, ticks < -FLAT_FROM], profile[:, ticks > FLAT_FROM]
    dark, bright = low.mean(axis=1), high.mean(axis=1)
    contrast = bright - dark
    safe = np.where(contrast > FAINTEST, contrast, 1.0)
    # The area above the step says where it is, from all of its pixels and whatever the blur.
    share = ((profile - dark[:, None]) / safe[:, None]).mean(axis=1) * STEPS / (STEPS - 1) - 0.5 / (STEPS - 1)
    offset = reach * (1 - 2 * share)
    rough = np.maximum(low.std(axis=1), high.std(axis=1)) / safe
    over = np.maximum(profile.max(axis=1) - high.max(axis=1), low.min(axis=1) - profile.min(axis=1)) / safe
    size = np.array([gray.shape[1], gray.shape[0]])
    inside = np.all((spots > 1) & (spots < size - 2), axis=(1, 2))
    good = inside & (reach >= NARROWEST_PX) & (contrast > FAINTEST) & (np.abs(offset) < 0.7 * reach)
    if np.any(good):
        usual = float(np.median(rough[good]))
        good &= (rough < max(0.08, 2.0 * usual)) & (over < 0.1)
    return Steps(offset, np.log2(np.maximum(bright, 0.1)), good)


def halves(edges: Edges, places: Points, middle: Points, across: Points, steps: Steps) -> Sightings:
    """Each half of each edge as one sighting: the median of its good looks."""
    shape = (len(edges.places) * HALVES, LOOKS // HALVES)
    good = steps.good.reshape(shape)
    used = good.sum(axis=1) >= FEWEST_LOOKS
    good = good[used]
    looks = good.sum(axis=1)
    weights = good / np.maximum(looks, 1)[:, None]

    def mean(values: Points) -> Points:
        return np.asarray(np.einsum("ij,ijk->ik", weights, values.reshape(*shape, -1)[used]))

    normal = mean(across)
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    offset, spread = medians(np.where(good, steps.offset.reshape(shape)[used], np.nan))
    bright = mean(steps.bright)[:, 0]
    numbers = np.flatnonzero(used)
    return Sightings(
        mean(places),
        mean(middle) + offset[:, None] * normal,
        normal,
        # Looks that lie beside each other see the same pixels: half of them count.
        np.hypot(1.25 * spread / np.sqrt(looks / 2), EDGE_FLOOR_PX),
        np.column_stack([np.ones(len(numbers)), bright - (np.median(bright) if len(bright) else 0.0)]),
        numbers.astype(np.int64),
        np.asarray(edges.line[numbers // HALVES], dtype=np.int64),
    )


def medians(rows: Points) -> tuple[Points, Points]:
    """Median and robust standard deviation of each row; NaN does not count."""
    if not len(rows):
        return np.zeros(0), np.zeros(0)
    middle = np.nanmedian(rows, axis=1)
    return middle, 1.4826 * np.nanmedian(np.abs(rows - middle[:, None]), axis=1)
