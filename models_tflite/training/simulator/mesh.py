"""Triangle meshes and the few shapes everything but the goat's flesh is built from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ints = NDArray[np.int32]
Vector = NDArray[np.float64]


class Material(IntEnum):
    """What a surface is made of; the numbers are known to the shader."""

    COAT = 0
    PLAIN = 1
    STEEL = 2
    PANEL = 3
    GRATING = 4
    STRAW = 5
    WOOD = 6
    SHEET_METAL = 7
    RUBBER = 8
    CONCRETE = 9
    HORN = 10
    LAMP = 11
    BOARD = 12


@dataclass(frozen=True, slots=True)
class Mesh:
    """Triangles with what the renderer needs at each corner.

    vertices  (N, 3)  cm
    normals   (N, 3)  unit length, outwards
    colours   (N, 4)  linear red, green, blue and how much of it covers the coat, 0..1
    material  (N,)    a Material
    pattern   (N,)    coat only: above 0 the second colour of the coat
    label     (N,)    goat only: below 0 body, above 0 head (a signed distance, so that the seam is smooth)
    faces     (M, 3)
    """

    vertices: Floats
    normals: Floats
    colours: Floats
    material: Floats
    pattern: Floats
    label: Floats
    faces: Ints

    def packed(self) -> Floats:
        """One row of 13 numbers per vertex, as the vertex buffer wants it: (N, 13)."""
        parts = [self.vertices, self.normals, self.colours]
        columns = [self.material[:, None], self.pattern[:, None], self.label[:, None]]
        return np.ascontiguousarray(np.hstack(parts + columns), dtype=np.float32)

    def painted(self, colour: tuple[float, ...], material: Material) -> Mesh:
        """The same shape in one colour and material."""
        colours = np.tile(np.array([*colour, 1.0], dtype=np.float32), (len(self.vertices), 1))
        return replace(
            self, colours=colours, material=np.full(len(self.vertices), material, dtype=np.float32)
        )

    def moved(self, pose: Vector) -> Mesh:
        """The same mesh after a rigid motion (4, 4)."""
        turn = pose[:3, :3].T.astype(np.float32)
        shift = pose[:3, 3].astype(np.float32)
        return replace(self, vertices=self.vertices @ turn + shift, normals=self.normals @ turn)


def bare(
    vertices: NDArray[np.floating[Any]], normals: NDArray[np.floating[Any]], faces: NDArray[np.integer[Any]]
) -> Mesh:
    """A plain grey mesh from its geometry alone."""
    count = len(vertices)
    grey = np.tile(np.array([0.5, 0.5, 0.5, 1.0], dtype=np.float32), (count, 1))
    plain = np.full(count, Material.PLAIN, dtype=np.float32)
    zeros = np.zeros(count, dtype=np.float32)
    return Mesh(
        vertices.astype(np.float32),
        normals.astype(np.float32),
        grey,
        plain,
        zeros,
        zeros,
        faces.astype(np.int32),
    )


def joined(meshes: list[Mesh]) -> Mesh:
    """Several meshes as one."""
    starts = np.cumsum([0] + [len(mesh.vertices) for mesh in meshes[:-1]])
    return Mesh(
        np.concatenate([mesh.vertices for mesh in meshes]),
        np.concatenate([mesh.normals for mesh in meshes]),
        np.concatenate([mesh.colours for mesh in meshes]),
        np.concatenate([mesh.material for mesh in meshes]),
        np.concatenate([mesh.pattern for mesh in meshes]),
        np.concatenate([mesh.label for mesh in meshes]),
        np.concatenate([mesh.faces + start for mesh, start in zip(meshes, starts, strict=True)]).astype(
            np.int32
        ),
    )


_CUBE_AXES = np.array([[axis, side] for axis in range(3) for side in (-1, 1)])


def box(low: tuple[float, float, float], high: tuple[float, float, float]) -> Mesh:
    """An upright box between two corners, cm."""
    centre, half = (np.add(low, high)) / 2, np.subtract(high, low) / 2
    vertices: list[Vector] = []
    normals: list[Vector] = []
    faces: list[list[int]] = []
    for axis, side in _CUBE_AXES:
        normal = np.zeros(3)
        normal[axis] = side
        across, along = np.eye(3)[(axis + 1) % 3], np.eye(3)[(axis + 2) % 3]
        start = len(vertices)
        for a, b in ((-1, -1), (1, -1), (1, 1), (-1, 1)):
            vertices.append(centre + half * (normal + a * across + b * along))
            normals.append(normal)
        faces += [[start, start + 1, start + 2], [start, start + 2, start + 3]]
    return bare(np.array(vertices), np.array(normals), np.array(faces))


def bar(start: Vector, end: Vector, width: float, depth: float | None = None) -> Mesh:
    """A square tube from one point to another, cm."""
    axis = np.asarray(end, dtype=float) - start
    length = float(np.linalg.norm(axis))
    pose = np.eye(4)
    pose[:3, :3] = frame_along(axis / length)
    pose[:3, 3] = start
    half, deep = width / 2, (depth or width) / 2
    return box((0.0, -half, -deep), (length, half, deep)).moved(pose)


def frame_along(forward: Vector, up: Vector | None = None) -> Vector:
    """Rotation (3, 3) whose columns are forward, left and up."""
    up = np.array([0.0, 0.0, 1.0]) if up is None else up
    if abs(forward @ up) > 0.98:
        up = np.array([1.0, 0.0, 0.0])
    left = _cross(up, forward)
    left /= np.sqrt(left @ left)
    return np.array([forward, left, _cross(forward, left)]).T


def _cross(one: Vector, other: Vector) -> Vector:
    """numpy's own takes twenty times as long for two single vectors."""
    (a, b, c), (d, e, f) = one, other
    return np.array([b * f - c * e, c * d - a * f, a * e - b * d])


def tube(path: Vector, radii: Vector, sides: int = 12) -> Mesh:
    """A round tube along a path (N, 3) with a radius at each point, closed by its own taper."""
    tangents = np.gradient(path, axis=0)
    tangents /= np.linalg.norm(tangents, axis=1, keepdims=True)
    angles = np.linspace(0, 2 * np.pi, sides, endpoint=False)
    ring = np.column_stack([np.zeros(sides), np.cos(angles), np.sin(angles)])
    outwards = np.stack([ring @ frame_along(tangent).T for tangent in tangents])
    vertices = path[:, None] + radii[:, None, None] * outwards
    return bare(vertices.reshape(-1, 3), outwards.reshape(-1, 3), grid_faces(len(path), sides, wrap=True))


def grid_faces(rows: int, columns: int, wrap: bool = False) -> NDArray[np.int64]:
    """Triangles of a sheet of rows x columns vertices; wrap joins the last column to the first."""
    row, column = np.meshgrid(np.arange(rows - 1), np.arange(columns if wrap else columns - 1), indexing="ij")
    beside = (column + 1) % columns
    a, b = (row * columns + column).ravel(), (row * columns + beside).ravel()
    c, d = ((row + 1) * columns + column).ravel(), ((row + 1) * columns + beside).ravel()
    return np.concatenate([np.column_stack([a, b, d]), np.column_stack([a, d, c])])


def ball(centre: Vector, radii: tuple[float, float, float], detail: int = 12) -> Mesh:
    """An ellipsoid, cm."""
    lat, lon = np.meshgrid(
        np.linspace(-np.pi / 2, np.pi / 2, detail),
        np.linspace(0, 2 * np.pi, 2 * detail, endpoint=False),
        indexing="ij",
    )
    unit = np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], axis=-1).reshape(
        -1, 3
    )
    normals = unit / np.asarray(radii)
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    return bare(unit * radii + centre, normals, grid_faces(detail, 2 * detail, wrap=True))
