"""What a calibrated camera sees of an animal: named points of its outline, as rays in the crate.

World frame as in the design, cm. To carry an error into what is measured, the pixels are shifted: an error of the
camera itself moves the picture of a point by the slope of its projection, which is the same shift the other way round.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from edge.camera import CameraModel
from edge.records import Points

# Errors of a calibration that move no point by more than this share of what the largest one does are left out.
SMALLEST_SHARE = 0.05
# Where animals are, more or less.
MIDDLE_CM = np.array([0.0, 0.0, 40.0])


@dataclass(frozen=True, slots=True, eq=False)
class Sight:
    """Named points of one view and the rays through them.

    places   name -> rows of `pixels` that belong to it
    pixels   (N, 2)     px
    origin   (3,)       the camera's place, cm
    ways     (N, 3)     directions of the rays in the world, of any length
    by_px    (N, 3, 2)  how `ways` change by a shift of the pixel, per px
    """

    view: str
    camera: CameraModel
    places: Mapping[str, slice]
    pixels: Points
    origin: Points
    ways: Points
    by_px: Points

    @classmethod
    def of(cls, view: str, camera: CameraModel, groups: Mapping[str, Points]) -> Sight:
        """groups  name -> (n, 2) px"""
        places, first = dict[str, slice](), 0
        for name, points in groups.items():
            places[name] = slice(first, first + len(points))
            first += len(points)
        pixels = np.concatenate([np.asarray(points, float).reshape(-1, 2) for points in groups.values()])
        beside = [pixels, pixels + np.array([1, 0]), pixels + np.array([0, 1])]
        origin, ways = camera.rays(np.concatenate(beside))
        here, right, below = ways.reshape(3, -1, 3)
        return cls(view, camera, places, pixels, origin, here, np.stack([right - here, below - here], axis=2))

    @property
    def looks_into_the_crate(self) -> bool:
        """Whether the animal is before the camera at all."""
        return float((MIDDLE_CM - self.origin) @ self.camera.direction) > 0

    def __contains__(self, name: str) -> bool:
        return name in self.places

    def rays(self, name: str) -> Points:
        """Directions (n, 3) of the rays through a group of points."""
        return self.ways[self.places[name]]

    def reversed(self, names: Iterable[str]) -> Sight:
        """The same view with the points of these groups in the opposite order."""
        order = np.arange(len(self.pixels))
        for name in names:
            order[self.places[name]] = order[self.places[name]][::-1]
        return replace(self, pixels=self.pixels[order], ways=self.ways[order], by_px=self.by_px[order])

    def shifted(self, shift_px: Points) -> Sight:
        """The same view with its pixels (N, 2) elsewhere."""
        return replace(self, ways=self.ways + np.einsum("nij,nj->ni", self.by_px, shift_px))

    def calibration_shifts(self, points_cm: Points) -> list[Points]:
        """Shifts (N, 2) px, each one standard deviation of one independent error of the camera.

        points_cm  (N, 3) where the points are in the world
        """
        values, modes = np.linalg.eigh(self.camera.covariance)
        strength = np.sqrt(np.clip(values, 0, None))
        slopes = self.camera.slopes(points_cm).reshape(2 * len(points_cm), -1)
        if not np.all(np.isfinite(slopes)):
            return []
        # The strongest combinations of what the camera is unsure of, as far as these points feel them.
        left, sizes, _ = np.linalg.svd(slopes @ (modes * strength), full_matrices=False)
        felt = sizes > SMALLEST_SHARE * max(sizes[0], 1e-12)
        return [-(left[:, k] * sizes[k]).reshape(-1, 2) for k in np.flatnonzero(felt)]


def on_upright_plane(origin: Points, ways: Points, normal: Points, offset: float) -> Points:
    """Where rays meet the upright plane normal . (X, Y) = offset: (n, 3) cm; NaN where they run beside it."""
    towards = ways[:, :2] @ normal
    with np.errstate(divide="ignore", invalid="ignore"):
        far = (offset - normal @ origin[:2]) / towards
    return origin + before(far)[:, None] * ways


def at_height(origin: Points, ways: Points, height_cm: Points | float) -> Points:
    """Where rays pass a height above the floor: (n, 3) cm; NaN where they never do."""
    with np.errstate(divide="ignore", invalid="ignore"):
        far = (height_cm - origin[2]) / ways[:, 2]
    return np.asarray(origin + before(far)[:, None] * ways)


def before(far: Points) -> Points:
    """How far along their rays points are; NaN for those behind the camera, and for rays that never get there."""
    return np.where((far > 0) & np.isfinite(far), far, np.nan)


def crossing(origins: Points, ways: Points, weights: Points) -> Points:
    """The point (3,) nearest to rays from origins (n, 3) along ways (n, 3), in the least-squares sense."""
    units = ways / np.linalg.norm(ways, axis=1, keepdims=True)
    across = np.eye(3) - units[:, :, None] * units[:, None, :]
    weighted = weights[:, None, None] * across
    return np.asarray(np.linalg.pinv(weighted.sum(axis=0)) @ np.einsum("nij,nj->i", weighted, origins))
