"""Whether a camera still stands as it was calibrated: fixed structures of the crate, then and now.

Light, goats and straw change from day to day; posts, rails and rivets do not. What light leaves alone of them is which
way their edges run. So both pictures become fields of edge directions; small patches around corners of the reference
are looked for in the new one; and those that are found again must agree on one way in which the whole picture moved.
Where too few do, nothing is said. `python -m models_tflite.training.moved_bench` says how often this is right.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from edge.camera import CameraModel
from edge.records import Pixels, Points
from edge.reference import Reference, masked

# Ten times what a camera that stands still is off by; half of what measuring can bear.
MOVED_CM = 0.5
CRATE_MIDDLE_CM = np.array([[0.0, 0.0, 45.0]])
# All px from here on are those of a field of directions, which has half the reference's size.
MOST_CORNERS, CORNER_APART_PX, WEAKEST_CORNER = 150, 5, 0.002
CELLS = (8, 6)
# A patch reaches so far from its corner, and is looked for so far away.
PATCH_PX, NEAR_PX = 6, 6
FAINTEST_SLOPE, EMPTIEST_PATCH = 3.0, 0.05
ALIKE = 0.6
# A patch that looks like its own neighbourhood could be found anywhere.
OWN_ALIKE = 0.85
# Corners agree on a movement when they are this near to it; a shifted camera moves what is near more than what is far,
# so that part of a movement may differ.
AGREE_PX, DEPTH_SHARE = 0.8, 0.12
# Of two stations that have nothing in common, up to 7 corners agree nearby, and up to 13, mostly fewer than 10, where
# their edges lie upon each other best.
FEWEST_AGREE, FEWEST_AGREE_FAR, LEAST_SHARE = 8, 11, 0.3
MOST_TURN, MOST_STRETCH = 0.12, 0.08
# The whole picture's edges are compared at every second px, so many steps away; bars repeat, so several ways are tried.
STEP_PX, FAR_STEPS, LIKELY_WAYS, PEAK_STEPS = 2, 18, 4, 4
# What goes with the goat: hair and shadow beyond its outline, and the network's doubt; share of the width.
AROUND_GOAT = 0.03

Places = npt.NDArray[np.intp]
Field = npt.NDArray[np.float32]
Spectrum = npt.NDArray[np.complex128]


@dataclass(frozen=True, slots=True)
class Moved:
    """How far a view's picture is off from the one that its camera was calibrated in.

    cm          at the crate's middle
    structures  how many of the crate's structures say so
    """

    cm: float
    structures: int

    @property
    def is_moved(self) -> bool:
        return self.cm > MOVED_CM


@dataclass(frozen=True, slots=True, eq=False)
class Landmarks:
    """What there is to find again of a reference.

    field     (h, w, 2)  its edge directions
    corners   (N, 2)     px
    spectrum             of the field at every second px, without the board
    """

    field: Field
    corners: Places
    spectrum: Spectrum


def how_far_moved(
    reference: Reference, camera: CameraModel, gray: Pixels, mask: Pixels | None
) -> Moved | None:
    """How far the picture `gray` (h, w) moved since the reference was taken, or None where that cannot be told.

    mask  (H, W)  the goat, at any size; what it hides is left out
    """
    if gray.shape != reference.gray.shape:
        return None
    then, now = landmarks_of(reference), directions(gray)
    size = now.shape[1], now.shape[0]
    hidden = np.zeros(now.shape[:2], np.uint8) if mask is None else masked(mask, size, AROUND_GOAT)
    corners = then.corners[hidden[then.corners[:, 1], then.corners[:, 0]] == 0]
    agreed = agreement(*found_again(then.field, now, corners, corners), FEWEST_AGREE)
    if agreed is None:
        agreed = farther_away(then, now, hidden, corners)
    if agreed is None:
        return None
    shift_px = float(np.median(np.linalg.norm(agreed, axis=1)))
    return Moved(shift_px / px_per_cm(camera.at_size(size)), len(agreed))


def farther_away(then: Landmarks, now: Field, hidden: Pixels, corners: Places) -> Points | None:
    """Corners looked for where the whole picture's edges lie upon the reference's best."""
    for way in likely_ways(then.spectrum, now, hidden):
        agreed = agreement(*found_again(then.field, now, corners, corners + way), FEWEST_AGREE_FAR)
        if agreed is not None:
            return agreed
    return None


def likely_ways(then: Spectrum, now: Field, hidden: Pixels) -> Iterator[Places]:
    """How the picture may have moved as a whole, likeliest first, to STEP_PX: (2,) px."""
    alike = np.fft.ifft2(np.conj(then) * spectrum_of(now, hidden)).real
    steps = np.r_[0 : FAR_STEPS + 1, -FAR_STEPS:0]
    alike = alike[np.ix_(steps % alike.shape[0], steps % alike.shape[1])]
    for _ in range(LIKELY_WAYS):
        row, column = divmod(int(np.argmax(alike)), len(steps))
        yield STEP_PX * np.array([steps[column], steps[row]])
        beside = np.abs(steps - steps[row])[:, None] < PEAK_STEPS, np.abs(steps - steps[column]) < PEAK_STEPS
        alike[beside[0] & beside[1]] = -np.inf


def directions(gray: Pixels) -> Field:
    """Which way edges run in a picture (h, w): (h/2, w/2, 2), the doubled angle as cosine and sine, short where faint.

    Doubled, because light from the other side turns a slope round and leaves its edge.
    """
    half = cv2.resize(gray, (gray.shape[1] // 2, gray.shape[0] // 2), interpolation=cv2.INTER_AREA)
    soft = cv2.GaussianBlur(half, (0, 0), 1.0)
    x, y = (cv2.Scharr(soft, cv2.CV_32F, dx, 1 - dx, scale=1 / 32) for dx in (1, 0))
    xx, yy = x * x, y * y
    strength = xx + yy + np.float32(FAINTEST_SLOPE**2)
    return np.asarray(cv2.merge([(xx - yy) / strength, 2 * x * y / strength]), dtype=np.float32)


def spectrum_of(field: Field, hidden: Pixels) -> Spectrum:
    """What is not hidden (0 or 1) of a field, coarser, as frequencies, with room to move in."""
    shown = np.where(hidden[..., None] > 0, np.float32(0), field)
    size = field.shape[1] // STEP_PX, field.shape[0] // STEP_PX
    coarse = cv2.resize(shown, size, interpolation=cv2.INTER_AREA)
    return np.asarray(
        np.fft.fft2(coarse[..., 0] + 1j * coarse[..., 1], (size[1] + FAR_STEPS, size[0] + FAR_STEPS))
    )


@lru_cache(maxsize=8)
def landmarks_of(reference: Reference) -> Landmarks:
    """Found once for each reference, for it takes longer than all that is done with a picture."""
    field = directions(reference.gray)
    size = field.shape[1], field.shape[0]
    board = cv2.resize(sheet_of(reference), size, interpolation=cv2.INTER_NEAREST)
    hidden = np.asarray(board, dtype=np.uint8)
    half = np.asarray(cv2.resize(reference.gray, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    return Landmarks(field, corners_of(half, field, hidden), spectrum_of(field, hidden))


def sheet_of(reference: Reference) -> Pixels:
    """Where the board lay, and a little around: (h, w) of the reference, 0 or 1."""
    covered = np.zeros(reference.gray.shape, np.uint8)
    sheet = np.round(reference.board_px).astype(np.int32)
    cv2.fillConvexPoly(covered, sheet, (1,))
    cv2.polylines(covered, [sheet], True, (1,), 4 * PATCH_PX)
    return covered


def corners_of(gray: Pixels, field: Field, hidden: Pixels) -> Places:
    """What is worth looking for where nothing is hidden: (N, 2) px."""
    height, width = gray.shape
    allowed, rim = np.zeros(gray.shape, np.uint8), PATCH_PX + NEAR_PX + 1
    allowed[rim:-rim, rim:-rim] = 1
    allowed[hidden > 0] = 0
    soft = cv2.GaussianBlur(gray, (0, 0), 0.8)
    found = cv2.goodFeaturesToTrack(
        soft, 8 * MOST_CORNERS, WEAKEST_CORNER, CORNER_APART_PX, mask=allowed, blockSize=5
    )
    corners = np.zeros((0, 2), np.intp) if found is None else np.round(found[:, 0]).astype(np.intp)
    corners = corners[np.array([is_unmistakable(field, one) for one in corners], dtype=bool)]
    # The best of each part of the picture in turn, so that one bright corner does not have all the say.
    cells = corners[:, 0] * CELLS[0] // width + corners[:, 1] * CELLS[1] // height * CELLS[0]
    ranks = np.array([np.count_nonzero(cells[:n] == cell) for n, cell in enumerate(cells)], dtype=int)
    return np.asarray(corners[np.argsort(ranks, kind="stable")[:MOST_CORNERS]])


def is_unmistakable(field: Field, corner: Places) -> bool:
    own = patch(field, corner, PATCH_PX)
    if float(np.abs(own).mean()) < EMPTIEST_PATCH:
        return False
    alike = cv2.matchTemplate(patch(field, corner, PATCH_PX + NEAR_PX), own, cv2.TM_CCORR_NORMED)
    alike[NEAR_PX - 2 : NEAR_PX + 3, NEAR_PX - 2 : NEAR_PX + 3] = -1
    return bool(alike.max() < OWN_ALIKE)


def patch(field: Field, at: Places, reach: int) -> Field:
    return field[at[1] - reach : at[1] + reach + 1, at[0] - reach : at[0] + reach + 1]


def found_again(then: Field, now: Field, corners: Places, expected: Places) -> tuple[Points, Points]:
    """Where corners (N, 2) px are now, looked for around where they are expected: both (M, 2), to parts of a px."""
    room = np.array([now.shape[1], now.shape[0]]) - 1
    reach = PATCH_PX + NEAR_PX
    before, after = [], []
    for corner, around in zip(corners, expected, strict=True):
        if np.any(around < reach) or np.any(around + reach > room):
            continue
        alike = cv2.matchTemplate(
            patch(now, around, reach), patch(then, corner, PATCH_PX), cv2.TM_CCORR_NORMED
        )
        _, best, _, (x, y) = cv2.minMaxLoc(alike)
        if best < ALIKE or not (0 < x < 2 * NEAR_PX and 0 < y < 2 * NEAR_PX):
            continue
        aside = peak_off(float(alike[y, x - 1]), best, float(alike[y, x + 1]))
        below = peak_off(float(alike[y - 1, x]), best, float(alike[y + 1, x]))
        before.append(corner)
        after.append((around[0] - NEAR_PX + x + aside, around[1] - NEAR_PX + y + below))
    return np.array(before, dtype=float).reshape(-1, 2), np.array(after, dtype=float).reshape(-1, 2)


def peak_off(before: float, best: float, after: float) -> float:
    """Where a parabola through three neighbours has its top, from the middle one: -0.5 to 0.5."""
    bend = before + after - 2 * best
    return 0.0 if bend >= 0 else (before - after) / (2 * bend)


def agreement(before: Points, after: Points, fewest: int) -> Points | None:
    """How the corners that moved together moved, as a picture does when its camera is knocked: (M, 2) px.

    None where too few agree.
    """
    if len(before) < fewest:
        return None
    shift_px = float(np.median(np.linalg.norm(after - before, axis=1)))
    way, agree = cv2.estimateAffinePartial2D(
        before, after, method=cv2.RANSAC, ransacReprojThreshold=AGREE_PX + DEPTH_SHARE * shift_px
    )
    if way is None or not is_small(way):
        return None
    together = agree.ravel() > 0
    count = int(together.sum())
    if count < fewest or count < LEAST_SHARE * len(before):
        return None
    return np.asarray(before[together] @ way[:, :2].T + way[:, 2] - before[together])


def is_small(way: npt.NDArray[Any]) -> bool:
    """Whether a similarity neither turns nor stretches more than a knocked camera does."""
    cosine, sine = way[0, 0], way[1, 0]
    return bool(abs(np.hypot(cosine, sine) - 1) < MOST_STRETCH and abs(np.arctan2(sine, cosine)) < MOST_TURN)


def px_per_cm(camera: CameraModel) -> float:
    """How large a centimetre across the line of sight is in the crate's middle, px."""
    away = float((CRATE_MIDDLE_CM[0] - camera.position_cm) @ camera.direction)
    return float(np.sqrt(camera.camera_matrix[0, 0] * camera.camera_matrix[1, 1])) / away
