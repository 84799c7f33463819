"""Whether a picture is good enough to measure on, and whether its camera stands where it was calibrated.

All of it gives advice; nothing here refuses to measure. How often which advice is given is told by
`python -m models_tflite.training.quality_bench`:
- Of 22 photographs from a barn, some a little soft, none is called anything. Of 300 simulated ones 2.3 % are called
  blurred, all but one of them put out of focus or smeared by the simulator, and 0.3 % washed out, rightly.
- Of pictures out of focus by 0.5 % of their width 91 % are found (photographs 73 %), by 0.8 % 99 % (all); of those
  shaken by 3 % of the width 97 % (91 %). Where the goat alone moved by 3 %, before a crate that is sharp, only a half
  (a third).
- Of pictures four stops too dark 86 %; of those two stops too bright a half, for in the others a dark goat still shows.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from edge.advice import advise
from edge.camera import CameraModel
from edge.lens import fine_detail
from edge.moved import how_far_moved
from edge.records import Advice, Pixels
from edge.reference import Reference, reduced

Floats = npt.NDArray[np.float32]
Region = npt.NDArray[np.bool_]

# Blur is looked for at this width: finer than the network's eye, coarser than grain.
WIDTH_PX = 320
# Edges are compared at two scales, one standard deviation of each, px of WIDTH_PX.
FINE_PX, COARSE_PX = 0.8, 2.0
# One standard deviation of the blur, as a share of the picture's width: of the whole picture, and of the goat's outline
# alone, which a goat that moves smears. 0.45 % is 7 px of 1600, a centimetre at the goat.
MOST_BLUR, MOST_BLUR_OF_GOAT = 0.0045, 0.0050
# Of the edges in one direction this share may be soft by nature: shadows, hair, roundness.
SOFT_BY_NATURE, SOFT_BY_NATURE_OF_GOAT = 0.7, 0.6
FEWEST_EDGES, FAINTEST_EDGE = 25, 1.5
DIRECTIONS = 4
# Nine tenths of the picture darker than this: not a dark goat but a dark barn.
DARKEST = 60.0
# A pixel that is this bright shows nothing any more; how much of the goat, or of a picture without one, may be so.
WASHED_OUT, MOST_WASHED_OUT, MOST_WASHED_OUT_OF_ALL = 250, 0.25, 0.4
SMALLEST_GOAT_PX = 200


@dataclass(frozen=True, slots=True)
class Condition:
    """What was noticed about one picture.

    moved_cm  how far it is off from where its camera was calibrated, at the crate's middle; None where that cannot be
              told
    detail    its fine detail, which tells of the lens; None of a bad picture, or where moved_cm cannot be told
    """

    view: str
    advice: tuple[Advice, ...] = ()
    moved_cm: float | None = None
    detail: Pixels | None = None


def inspect(
    view: str, rgb: Pixels, mask: Pixels | None, reference: Reference | None, camera: CameraModel | None
) -> Condition:
    """Look a picture (H, W, 3) over.

    mask               (H, W)  the goat, or None where none was found
    reference, camera  of the view, where it has been calibrated with pictures of this size
    """
    gray = reduced(rgb)
    small = narrowed(gray)
    goat = None if mask is None else goat_in(mask, small)
    codes = {"too_dark": is_too_dark(small), "too_bright": is_too_bright(small, goat)}
    # What is dark or washed out has no edges to judge.
    codes["blurred"] = not any(codes.values()) and is_blurred(small, goat)
    advice = [advise(code, view) for code, holds in codes.items() if holds]
    # Nor can be told where things are in such a picture.
    moved = how_far_moved(reference, camera, gray, mask) if reference and camera and not advice else None
    if moved and moved.is_moved:
        advice.append(advise("camera_moved", view, cm=f"{moved.cm:.1f}"))
    # What is seen elsewhere than before looks gone there: only a camera that is known to stand still is judged.
    detail = fine_detail(gray, mask) if moved and not advice else None
    return Condition(view, tuple(advice), moved.cm if moved else None, detail)


def narrowed(gray: Pixels) -> Pixels:
    """The picture at the width that blur is judged at; a smaller one stays as it is."""
    height, width = gray.shape
    if width <= WIDTH_PX:
        return gray
    size = WIDTH_PX, round(height * WIDTH_PX / width)
    return np.asarray(cv2.resize(gray, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def goat_in(mask: Pixels, small: Pixels) -> Region | None:
    """Where the goat is in the small picture, if enough of it is there."""
    goat = cv2.resize(mask, small.shape[::-1], interpolation=cv2.INTER_NEAREST) > 0
    return goat if np.count_nonzero(goat) >= SMALLEST_GOAT_PX else None


# Light.


def is_too_dark(small: Pixels) -> bool:
    return float(np.percentile(small, 90)) < DARKEST


def is_too_bright(small: Pixels, goat: Region | None) -> bool:
    washed_out = small >= WASHED_OUT
    if goat is None:
        return float(washed_out.mean()) > MOST_WASHED_OUT_OF_ALL
    return float(washed_out[goat].mean()) > MOST_WASHED_OUT


# Sharpness.


def is_blurred(small: Pixels, goat: Region | None) -> bool:
    width = small.shape[1]
    edges = find_edges(small)
    blur_px = worst_blur_px(edges, edges.is_peak, SOFT_BY_NATURE)
    if blur_px > MOST_BLUR * width:
        return True
    if goat is None:
        return False
    outline_px = worst_blur_px(edges, edges.is_peak & along_outline(edges, goat), SOFT_BY_NATURE_OF_GOAT)
    return outline_px > MOST_BLUR_OF_GOAT * width


@dataclass(frozen=True, slots=True)
class Edges:
    """The edges of a picture: (h, w) each.

    across_x, across_y  the grey slope at the coarse scale;  steep  its length
    blur_px             one standard deviation of the blur that each edge shows
    is_peak             where an edge runs, worth looking at
    """

    across_x: Floats
    across_y: Floats
    steep: Floats
    blur_px: Floats
    is_peak: Region


def find_edges(small: Pixels) -> Edges:
    """How soft each edge is: a step blurred by b is flatter at scale s by sqrt(b² + s²), whatever its height.

    So the ratio of its steepness at two scales gives b, in bright pictures and dark ones, for high edges and low ones.
    """
    gray = small.astype(np.float32)
    fine_x, fine_y = slopes(gray, FINE_PX)
    x, y = slopes(gray, COARSE_PX)
    fine, steep = cv2.magnitude(fine_x, fine_y), cv2.magnitude(x, y)
    # The fine edge may lie a little beside the coarse one.
    fine = cv2.dilate(fine, np.ones((5, 5), np.uint8))
    ratio = np.clip(fine / np.maximum(steep, 0.1), 1.001, COARSE_PX / FINE_PX)
    blur = np.sqrt(np.maximum(0, COARSE_PX**2 - (ratio * FINE_PX) ** 2) / (ratio**2 - 1))
    peak = (steep >= 0.98 * cv2.dilate(steep, np.ones((3, 3), np.uint8))) & (steep > FAINTEST_EDGE)
    rim = round(2 * COARSE_PX)
    inner = np.zeros_like(peak)
    inner[rim:-rim, rim:-rim] = peak[rim:-rim, rim:-rim]
    return Edges(x, y, np.asarray(steep, dtype=np.float32), np.asarray(blur, dtype=np.float32), inner)


def slopes(gray: Floats, scale_px: float) -> tuple[Floats, Floats]:
    soft = cv2.GaussianBlur(gray, (0, 0), scale_px)
    x, y = (cv2.Scharr(soft, cv2.CV_32F, dx, 1 - dx, scale=1 / 32) for dx in (1, 0))
    return np.asarray(x, dtype=np.float32), np.asarray(y, dtype=np.float32)


def worst_blur_px(edges: Edges, where: Region, soft_by_nature: float) -> float:
    """The blur in the direction in which the picture is blurred most: a shaken one is sharp along the shake.

    0 where there are too few edges to tell.
    """
    blur_px, steep = edges.blur_px[where], edges.steep[where]
    angle = np.arctan2(edges.across_y[where], edges.across_x[where])
    sector = np.round(angle / (np.pi / DIRECTIONS)).astype(int) % DIRECTIONS
    worst = 0.0
    for direction in range(DIRECTIONS):
        here = sector == direction
        if np.count_nonzero(here) < FEWEST_EDGES:
            continue
        # The steeper half: faint edges are grain's.
        clear = steep[here] >= np.median(steep[here])
        worst = max(worst, float(np.percentile(blur_px[here][clear], 100 * (1 - soft_by_nature))))
    return worst


def along_outline(edges: Edges, goat: Region) -> Region:
    """Where edges run beside the goat's outline and along it."""
    flat = goat.astype(np.uint8)
    around = np.ones((7, 7), np.uint8)
    ring = cv2.dilate(flat, around) > cv2.erode(flat, around)
    x, y = slopes(flat.astype(np.float32), 3.0)
    agree = np.abs(x * edges.across_x + y * edges.across_y)
    return np.asarray(ring & (agree > 0.9 * cv2.magnitude(x, y) * edges.steep))
