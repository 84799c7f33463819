"""Signed distance fields on a grid: flesh as a smooth union of simple shapes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates
from skimage.measure import marching_cubes

Floats = NDArray[np.float32]
Vector = NDArray[np.float64]
FAR = 50.0


@dataclass(frozen=True, slots=True)
class Cone:
    """A rounded cone from one point to another; `flat` below 1 squeezes it across the animal (along Y)."""

    start: Vector
    end: Vector
    start_radius: float
    end_radius: float
    flat: float = 1.0

    def bounds(self, margin: float) -> tuple[Vector, Vector]:
        reach = max(self.start_radius, self.end_radius) + margin
        return np.minimum(self.start, self.end) - reach, np.maximum(self.start, self.end) + reach

    def distance(self, x: Floats, y: Floats, z: Floats) -> Floats:
        axis = self.end - self.start
        from_start = (x - self.start[0], y - self.start[1], z - self.start[2])
        along = from_start[0] * axis[0] + from_start[1] * axis[1] + from_start[2] * axis[2]
        share = np.clip(along / max(float(axis @ axis), 1e-9), 0, 1)
        across = (from_start[1] - share * axis[1]) / self.flat
        aside = (from_start[0] - share * axis[0]) ** 2 + across**2 + (from_start[2] - share * axis[2]) ** 2
        radius = self.start_radius + share * (self.end_radius - self.start_radius)
        return np.asarray(np.sqrt(aside) - radius, dtype=np.float32)


@dataclass(frozen=True, slots=True)
class Egg:
    """An ellipsoid; the columns of `axes` (3, 3) are its directions."""

    centre: Vector
    radii: Vector
    axes: Vector

    def bounds(self, margin: float) -> tuple[Vector, Vector]:
        reach = float(self.radii.max()) + margin
        return self.centre - reach, self.centre + reach

    def distance(self, x: Floats, y: Floats, z: Floats) -> Floats:
        offset = (x - self.centre[0], y - self.centre[1], z - self.centre[2])
        near: Floats | float = 0.0
        steep: Floats | float = 0.0
        for axis, radius in zip(self.axes.T, self.radii, strict=True):
            share = (offset[0] * axis[0] + offset[1] * axis[1] + offset[2] * axis[2]) / radius
            near = near + share**2
            steep = steep + (share / radius) ** 2
        size = np.sqrt(near)
        return np.asarray(size * (size - 1) / (np.sqrt(steep) + 1e-6), dtype=np.float32)


@dataclass(frozen=True, slots=True)
class Barrel:
    """A trunk along X: at each X a centre height, a half width and a half height; wider below than above.

    stations (K,) X in ascending order, cm; the others have one value for each, cm (taper is a share).
    """

    stations: Vector
    middle: Vector
    half_width: Vector
    half_height: Vector
    taper: Vector

    def bounds(self, margin: float) -> tuple[Vector, Vector]:
        wide, low = self.half_width.max() * 1.3 + margin, (self.middle - self.half_height).min() - margin
        high = (self.middle + self.half_height).max() + margin
        return (
            np.array([self.stations[0] - margin, -wide, low]),
            np.array([self.stations[-1] + margin, wide, high]),
        )

    def distance(self, x: Floats, y: Floats, z: Floats) -> Floats:
        beyond = np.maximum(np.maximum(self.stations[0] - x, x - self.stations[-1]), 0)
        middle, width, height, taper = (
            np.interp(x, self.stations, values).astype(np.float32)
            for values in (self.middle, self.half_width, self.half_height, self.taper)
        )
        up = (z - middle) / height
        aside = y / (width * (1 - taper * np.clip(up, -1, 1)))
        size = (np.abs(up) ** 2.3 + np.abs(aside) ** 2.3) ** (1 / 2.3)
        return np.asarray((size - 1) * np.minimum(width, height) + beyond, dtype=np.float32)


Shape = Cone | Egg | Barrel


class Flesh:
    """A block of space in which shapes are melted together."""

    def __init__(self, low: Vector, high: Vector, cell_cm: float) -> None:
        self.low, self.cell_cm = low, cell_cm
        self.counts = np.ceil((high - low) / cell_cm).astype(int) + 1
        self.axes = [(low[i] + cell_cm * np.arange(self.counts[i])).astype(np.float32) for i in range(3)]
        self.values: Floats = np.full(self.counts, FAR, dtype=np.float32)

    def melt(self, shape: Shape, softness: float, margin: float) -> None:
        """Add a shape; where it meets the rest within `softness` cm the seam is rounded.

        Farther than `margin` cm from the shape the field does not know of it.
        """
        block = self._block(*shape.bounds(max(margin, softness) + 2 * self.cell_cm))
        x, y, z = (self.axes[i][block[i]] for i in range(3))
        added = shape.distance(x[:, None, None], y[None, :, None], z[None, None, :])
        self.values[block] = smooth_union(self.values[block], added, softness)

    def _block(self, low: Vector, high: Vector) -> tuple[slice, slice, slice]:
        first = np.clip(np.floor((low - self.low) / self.cell_cm), 0, self.counts).astype(int)
        last = np.clip(np.ceil((high - self.low) / self.cell_cm) + 1, 0, self.counts).astype(int)
        return slice(first[0], last[0]), slice(first[1], last[1]), slice(first[2], last[2])

    def at(self, points: NDArray[np.floating[Any]]) -> Floats:
        """The field at points (N, 3), interpolated."""
        cells = (points - self.low).T / self.cell_cm
        return np.asarray(map_coordinates(self.values, cells, order=1, mode="nearest"), dtype=np.float32)


def smooth_union(one: Floats, other: Floats, softness: float) -> Floats:
    """The smaller of two fields, rounded where they are nearly equal."""
    blend = np.maximum(softness - np.abs(one - other), 0) / softness
    return np.asarray(np.minimum(one, other) - blend * blend * softness / 4, dtype=np.float32)


def surface(values: Floats, low: Vector, cell_cm: float) -> tuple[Floats, Floats, NDArray[np.int32]]:
    """The skin of a field: vertices (N, 3) cm, outward normals (N, 3), triangles (M, 3)."""
    vertices, faces, normals, _ = marching_cubes(values, level=0.0, spacing=(cell_cm,) * 3)
    return (vertices + low).astype(np.float32), -normals.astype(np.float32), faces.astype(np.int32)
