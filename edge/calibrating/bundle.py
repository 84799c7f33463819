"""Solves one camera from all its pictures of the board at once: lens, every place of the board, the camera's own.

Levenberg and Marquardt's steps with Cauchy's weights, so that what a shadow moved counts little; a whole line of the
board that is off, because a shadow's edge lies along it, counts less than its neighbours. Weak prior knowledge of
lenses holds what the pictures cannot: a distortion term that they do not show stays near zero, with the doubt that it
really has. The covariance takes errors as they come: alike all along a half edge, partly alike all along a line of the
board, and the same in all pictures of a board that lies still in the same light.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import cv2
import numpy as np
import numpy.typing as npt

from edge.calibrating.sightings import Sightings
from edge.camera import INTRINSICS, pose_of
from edge.records import Points

# One standard deviation of what lenses do before anything is seen: square pixels, a centre within some hundredths of
# the width, distortion as cheap lenses have it.
SQUARENESS_SIGMA = 0.0015
CENTRE_SIGMA = 0.03
DISTORTION_SIGMA = np.array([1.0, 0.5, 0.0015, 0.0015, 0.05])
GLARE_SIGMA_PX = np.array([0.5, 0.1])
# Errors beyond this many standard deviations count less and less.
CAUCHY, LINE_CAUCHY = 2.0, 2.0
FEWEST_IN_LINE, REWEIGHTED = 3, 3
STEPS, ENOUGH = 40, 1e-7
# Whole lines of the board are off together by at least this, px: the paper is not perfectly flat.
LINE_FLOOR_PX = 0.02
# The fit itself swallows a part of what whole lines are off: of some 14 lines it may bend with six.
LINE_SWALLOWED = 1.4
# What the model of errors leaves out, from rendered stations in hard light (`calibration_bench` in training): without
# it 21 of 24 cameras were within their stated doubt, the others up to 1.2 times as far off; with it all are.
LEFT_OUT = 1.3


@dataclass(frozen=True, slots=True)
class View:
    """One picture's sightings, and which board pose they belong to.

    block             pictures of the same block show the board in the same pose
    frame_from_board  (4, 4)  from the board into the frame in which the block's pose is told
    """

    sightings: Sightings
    block: int
    frame_from_board: Points = field(default_factory=lambda: np.eye(4))

    def points(self) -> Points:
        """What was seen, in the block's frame: (N, 3) cm."""
        flat = np.column_stack([self.sightings.places, np.zeros(len(self.sightings))])
        return np.asarray(flat @ self.frame_from_board[:3, :3].T + self.frame_from_board[:3, 3])


@dataclass(frozen=True, slots=True)
class Solution:
    """A camera and the poses of the board.

    inner   (9,)    focal lengths, centre, distortion, as camera.PARAMETERS
    poses   (B, 6)  for each block: OpenCV's rvec and tvec
    glare   (F, 2)  for each picture: how far glare pushes edges towards the dark, px, and more per log2 of light
    cost            what is left, robustly, in units of variance
    scales  (N,)    1 by default; for each sighting: how many times larger its error may be than it says itself
    """

    inner: Points
    poses: Points
    glare: Points
    cost: float = np.inf
    scales: Points = field(default_factory=lambda: np.zeros(0))

    def packed(self) -> Points:
        return np.concatenate([self.inner, self.poses.ravel(), self.glare.ravel()])

    def unpacked(self, values: Points, cost: float) -> Solution:
        end = INTRINSICS + self.poses.size
        poses = values[INTRINSICS:end].reshape(-1, 6)
        return replace(
            self, inner=values[:INTRINSICS], poses=poses, glare=values[end:].reshape(-1, 2), cost=cost
        )

    def matrix(self) -> Points:
        focal_x, focal_y, centre_x, centre_y = self.inner[:4]
        return np.array([[focal_x, 0, centre_x], [0, focal_y, centre_y], [0, 0, 1]])

    def project(self, points: Points, block: int) -> Points:
        """Points (N, 3) in a block's frame to px (N, 2)."""
        pixels, _ = cv2.projectPoints(
            points.reshape(-1, 1, 3),
            self.poses[block, :3],
            self.poses[block, 3:],
            self.matrix(),
            self.inner[4:],
        )
        return np.asarray(pixels.reshape(-1, 2))


@dataclass(frozen=True, slots=True)
class System:
    """All equations of one step, each in units of its own standard deviation.

    off    (N,)     how far each sighting is from where it should be
    slope  (N, P)   how that changes with the parameters
    sigma  (N,)     px
    """

    off: Points
    slope: Points
    sigma: Points


def solve(views: Sequence[View], start: Solution, picture_size: tuple[int, int]) -> Solution:
    """The best camera near `start`; each picture and each line is weighed by how large its errors turn out to be."""
    solution = replace(start, scales=np.ones(sum(len(view.sightings) for view in views)))
    for _ in range(REWEIGHTED):
        solution = descend(views, solution, picture_size)
        solution = replace(solution, scales=scales_of(views, solution))
    return descend(views, solution, picture_size)


def descend(views: Sequence[View], start: Solution, picture_size: tuple[int, int]) -> Solution:
    """The best camera near `start` with the weights that it has."""
    if not len(start.scales):
        start = replace(start, scales=np.ones(sum(len(view.sightings) for view in views)))
    values, damping = start.packed(), 1e-3
    prior, precision = priors(start, picture_size)
    system = equations(views, start)
    cost = cost_of(system, values, prior, precision)
    for _ in range(STEPS):
        weights = 1 / (1 + (system.off / CAUCHY) ** 2)
        heavy = system.slope * weights[:, None]
        normal = heavy.T @ system.slope + precision
        downhill = -(heavy.T @ system.off) - precision @ (values - prior)
        step = np.linalg.solve(normal + damping * np.diag(np.diag(normal)), downhill)
        tried = start.unpacked(values + step, cost)
        try_system = equations(views, tried)
        try_cost = cost_of(try_system, values + step, prior, precision)
        if not try_cost < cost:
            damping *= 10
            if damping > 1e9:
                break
            continue
        gain, damping = cost - try_cost, max(damping / 10, 1e-12)
        values, system, cost = values + step, try_system, try_cost
        if gain < ENOUGH * (1 + cost):
            break
    return start.unpacked(values, cost)


def priors(start: Solution, picture_size: tuple[int, int]) -> tuple[Points, Points]:
    """What is known beforehand: the expected parameters (P,) and how surely, as a precision (P, P)."""
    count = len(start.packed())
    expected, precision = np.zeros(count), np.zeros((count, count))
    expected[2:4] = (np.array(picture_size) - 1) / 2
    precision[[2, 3], [2, 3]] = 1 / (CENTRE_SIGMA * max(picture_size)) ** 2
    square = 1 / (SQUARENESS_SIGMA * start.inner[0]) ** 2
    precision[:2, :2] = square * np.array([[1, -1], [-1, 1]])
    lens = np.arange(4, INTRINSICS)
    precision[lens, lens] = 1 / DISTORTION_SIGMA**2
    glare = np.arange(INTRINSICS + start.poses.size, count)
    precision[glare, glare] = 1 / np.tile(GLARE_SIGMA_PX, len(start.glare)) ** 2
    return expected, precision


def equations(views: Sequence[View], solution: Solution) -> System:
    count = len(solution.packed())
    parts = []
    scales = np.split(solution.scales, np.cumsum([len(view.sightings) for view in views])[:-1])
    for number, (view, scale) in enumerate(zip(views, scales, strict=True)):
        seen = view.sightings
        pixels, slopes = cv2.projectPoints(
            view.points().reshape(-1, 1, 3),
            solution.poses[view.block, :3],
            solution.poses[view.block, 3:],
            solution.matrix(),
            solution.inner[4:],
        )
        sigma = seen.sigma_px * scale
        off = np.sum(seen.across * (pixels.reshape(-1, 2) - seen.seen_px), axis=1)
        off += seen.glare @ solution.glare[number]
        by = np.einsum("ni,nip->np", seen.across, slopes.reshape(len(seen), 2, -1))
        slope = np.zeros((len(seen), count))
        # OpenCV orders its slopes: turn, shift, focal lengths, centre, distortion.
        slope[:, :INTRINSICS] = by[:, 6 : 6 + INTRINSICS]
        first = INTRINSICS + 6 * view.block
        slope[:, first : first + 6] = by[:, :6]
        first = INTRINSICS + solution.poses.size + 2 * number
        slope[:, first : first + 2] = seen.glare
        parts.append((off / sigma, slope / sigma[:, None], sigma))
    off, slope, sigma = (np.concatenate(one) for one in zip(*parts, strict=True))
    return System(off, slope, sigma)


def cost_of(system: System, values: Points, prior: Points, precision: Points) -> float:
    robust = CAUCHY**2 * np.log1p((system.off / CAUCHY) ** 2)
    return float(np.sum(robust) + (values - prior) @ precision @ (values - prior))


def scales_of(views: Sequence[View], solution: Solution) -> Points:
    """How many times larger errors are than the sightings say: of whole pictures, and of lines along a shadow."""
    system = equations(views, replace(solution, scales=np.ones_like(solution.scales)))
    ends = np.cumsum([len(view.sightings) for view in views])[:-1]
    spreads = [max(1.0, 1.4826 * float(np.median(np.abs(part)))) for part in np.split(system.off, ends)]
    scales = np.repeat(spreads, [len(view.sightings) for view in views])
    blocks, lines = labels(views, "line")
    off_px = system.off * system.sigma
    for block in np.unique(blocks):
        mine = blocks == block
        means = line_means(off_px, system.sigma * scales, np.where(mine, lines, -1))
        usual = max(LINE_FLOOR_PX, 1.4826 * float(np.median(np.abs(list(means.values())))))
        for line, mean in means.items():
            # A line that is off as a whole has a shadow's edge along it: it may say where it is, not loudly.
            scales[mine & (lines == line)] *= 1 + (mean / (LINE_CAUCHY * usual)) ** 2
    return scales


def labels(views: Sequence[View], name: str) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """For each sighting its block, and its spot or line."""
    blocks = [np.full(len(view.sightings), view.block, dtype=np.int64) for view in views]
    return np.concatenate(blocks), np.concatenate([getattr(view.sightings, name) for view in views])


def line_means(off_px: Points, sigma_px: Points, lines: npt.NDArray[np.int64]) -> dict[int, float]:
    """How far each line is off as a whole, px; below 0 is no line."""
    means = {}
    for line in np.unique(lines[lines >= 0]):
        mine = lines == line
        if np.count_nonzero(mine) >= FEWEST_IN_LINE:
            middle = float(np.median(off_px[mine]))
            near = 1 / (sigma_px[mine] ** 2 + (off_px[mine] - middle) ** 2)
            means[int(line)] = float(np.sum(near * off_px[mine]) / np.sum(near))
    return means


def covariance_of(
    views: Sequence[View], solution: Solution, block: int, picture_size: tuple[int, int]
) -> Points:
    """Of the lens and one block's pose: (15, 15)."""
    _, precision = priors(solution, picture_size)
    system = equations(views, solution)
    weights = 1 / (1 + (system.off / CAUCHY) ** 2)
    pull = system.slope * (weights / system.sigma)[:, None]  # what an error of 1 px does to each equation
    inverse = np.linalg.inv((system.slope * weights[:, None]).T @ system.slope + precision)
    blocks, spots = labels(views, "spot")
    _, lines = labels(views, "line")
    variance = precision + shared(pull, system.sigma**2, blocks * 10_000 + spots)
    line_px = np.empty(len(pull))
    for one in np.unique(blocks):
        mine = blocks == one
        line_px[mine] = line_error(system, np.where(mine, lines, -1))
    line_px = np.maximum(line_px, np.median(line_px))
    variance += shared(pull, line_px**2, blocks * 10_000 + lines)
    whole = LEFT_OUT**2 * inverse @ variance @ inverse
    kept = np.concatenate([np.arange(INTRINSICS), INTRINSICS + 6 * block + np.arange(6)])
    return np.asarray(whole[np.ix_(kept, kept)])


def shared(pull: Points, variance_px: Points, groups: npt.NDArray[np.int64]) -> Points:
    """The part of the normal equations' variance from errors that all members of a group have in common."""
    names, which = np.unique(groups, return_inverse=True)
    summed = np.zeros((len(names), pull.shape[1]))
    np.add.at(summed, which.ravel(), pull * np.sqrt(variance_px)[:, None])
    return np.asarray(summed.T @ summed)


def line_error(system: System, lines: npt.NDArray[np.int64]) -> float:
    """One standard deviation of what whole lines of a board are off together, px."""
    means = np.array(list(line_means(system.off * system.sigma, system.sigma, lines).values()))
    if not len(means):
        return LINE_FLOOR_PX
    return float(LINE_SWALLOWED * max(1.4826 * np.median(np.abs(means)), LINE_FLOOR_PX))


def cam_from_frame(solution: Solution, block: int) -> Points:
    """A block's pose as (4, 4)."""
    return pose_of(solution.poses[block])
