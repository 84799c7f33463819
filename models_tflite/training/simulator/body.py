"""From build and stance to flesh: the posed mesh of a goat in its own frame.

The goat's own frame: X to its head along the spine, Y to its left, Z up, origin on the floor below mid-trunk, cm.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator

from models_tflite.training.simulator.field import Barrel, Cone, Egg, Flesh, Shape, smooth_union, surface
from models_tflite.training.simulator.goat import Build, Coat, Stance
from models_tflite.training.simulator.mesh import (
    Floats,
    Material,
    Mesh,
    Vector,
    ball,
    bare,
    box,
    grid_faces,
    joined,
    tube,
)

# How thick flesh may lie over the skull and still be head, as a share of the withers height.
SKIN_OVER_SKULL = 0.035
CELLS_PER_WITHERS = 58
# Where along the trunk (0 pin bone, 1 point of the shoulder) the hips, the loin and the withers are.
HIPS, LOIN, GIRTH, WITHERS = 0.17, 0.34, 0.56, 0.80
HOOF_COLOUR, HORN_COLOUR = (0.05, 0.04, 0.03), (0.16, 0.12, 0.085)
NOSE_COLOUR, EYE_COLOUR = (0.1, 0.06, 0.05), (0.16, 0.085, 0.02)


@dataclass(frozen=True, slots=True)
class Skull:
    """Where the head is: its centre (3,) cm, its axes (3, 3) as columns face, left, up, and its size in cm."""

    centre: Vector
    axes: Vector
    size: float

    def at(self, face: float, left: float, up: float) -> Vector:
        """A point given in shares of the head's size."""
        return np.asarray(self.centre + self.size * (self.axes @ np.array([face, left, up])))


@dataclass(frozen=True, slots=True)
class PosedGoat:
    """The skin of one goat in one stance, not yet painted.

    skin           head and body without ears and horns
    head_distance  (N,)    from each vertex of the skin to the head, negative inside, cm
    trunk          skin of barrel, shoulders and thighs alone
    hooves         where the hooves stand, (3,) each, cm
    """

    build: Build
    stance: Stance
    skin: Mesh
    head_distance: Floats
    trunk: Mesh
    skull: Skull
    hooves: dict[str, Vector]


def pose_goat(build: Build, stance: Stance, cells_per_withers: int = CELLS_PER_WITHERS) -> PosedGoat:
    """Grow the flesh of a goat in a stance and take its skin."""
    skull = place_skull(build, stance)
    trunk_shapes, hooves = trunk_and_legs(build, stance)
    body = [*trunk_shapes, *neck(build, skull), *tail(build, stance), *udder(build)]
    head = head_shapes(build, skull)
    low, high = _bounds([shape for shape, _ in body + head])
    height = build.withers_cm
    cell = height / cells_per_withers
    body_flesh, head_flesh = _melted(low, high, cell, body), _melted(low, high, cell, head, 0.3 * height)
    everything = smooth_union(body_flesh.values, head_flesh.values, 0.06 * height)
    vertices, normals, faces = _skin(everything, body_flesh, cell)
    head_distance = head_flesh.at(vertices)
    # The neck grows over the back of the skull: what lies close over the skull is head all the same.
    label = np.maximum(body_flesh.at(vertices) - head_distance, SKIN_OVER_SKULL * height - head_distance)
    skin = replace(bare(vertices, normals, faces), label=label)
    return PosedGoat(build, stance, skin, head_distance, _trunk_skin(low, high, cell, body), skull, hooves)


def dress(posed: PosedGoat, coat: Coat) -> Mesh:
    """The goat as it is drawn: its skin in a coat, with ears, eyes and horns."""
    skull, build = posed.skull, posed.build
    leaves = ears(build, posed.stance, coat, skull)
    tags = [ear_tag(leaves[0], coat.tag)] if coat.tag else []
    return joined([paint(posed, coat), *leaves, *tags, *horns(build, skull), *eyes(skull)])


def ear_tag(ear: Mesh, colour: tuple[float, float, float]) -> Mesh:
    """A plastic tag through the middle of an ear, hanging."""
    place = ear.vertices[len(ear.vertices) // 4].astype(float)
    low, high = np.subtract(place, [1.6, 1.0, 4.2]), np.add(place, [1.6, 1.0, 0.6])
    tag = box((low[0], low[1], low[2]), (high[0], high[1], high[2])).painted(colour, Material.HORN)
    return replace(tag, label=np.ones(len(tag.vertices), dtype=np.float32))


Part = tuple[Shape, float]


def _bounds(shapes: list[Shape]) -> tuple[Vector, Vector]:
    bounds = [shape.bounds(3.0) for shape in shapes]
    low = np.min([low for low, _ in bounds], axis=0)
    low[2] = -2.0
    return low, np.max([high for _, high in bounds], axis=0)


def _melted(low: Vector, high: Vector, cell: float, parts: list[Part], margin: float = 0.0) -> Flesh:
    flesh = Flesh(low, high, cell)
    for shape, softness in parts:
        flesh.melt(shape, softness, margin)
    return flesh


def _skin(values: Floats, flesh: Flesh, cell: float) -> tuple[Floats, Floats, NDArray[np.int32]]:
    """The skin of the whole, cut flat at the floor so that the hooves stand on it."""
    standing = np.maximum(values, -flesh.axes[2][None, None, :])
    return surface(standing, flesh.low, cell)


def _trunk_skin(low: Vector, high: Vector, cell: float, body: list[Part]) -> Mesh:
    """Skin of what counts as trunk: the first shapes of the body, see trunk_and_legs."""
    trunk = _melted(low, high, cell, body[:TRUNK_PARTS])
    return bare(*surface(trunk.values, low, cell))


# Barrel, two shoulder blades, two thighs: the first shapes of trunk_and_legs.
TRUNK_PARTS = 5


def trunk_x(build: Build, share: float) -> float:
    """X of a place along the trunk: 0 pin bone, 1 point of the shoulder, cm."""
    return (share - 0.52) * build.length * build.withers_cm


def trunk_and_legs(build: Build, stance: Stance) -> tuple[list[Part], dict[str, Vector]]:
    """Barrel, shoulder blades and thighs (the trunk), then the legs; and where the hooves stand."""
    height = build.withers_cm
    legs: list[Part] = []
    muscles: list[Part] = []
    hooves = {}
    for index, (name, side) in enumerate(
        (("front_left", 1), ("front_right", -1), ("hind_left", 1), ("hind_right", -1))
    ):
        grow = _fore_leg if index < 2 else _hind_leg
        muscle, leg, hoof = grow(build, side, stance.feet_x[index], stance.feet_spread[index // 2])
        muscles.append((muscle, 0.09 * height))
        legs += [(shape, 0.035 * height) for shape in leg]
        hooves[f"{name}_hoof"] = hoof
    return [(barrel(build), 0.05 * height), *muscles, *legs], hooves


def barrel(build: Build) -> Barrel:
    """The trunk without the muscles of the legs."""
    places = [0.0, 0.07, HIPS, LOIN, GIRTH, WITHERS, 0.92, 1.0]
    top = np.array([0.84, 0.94, 1.0, 0.975, 0.965, 1.0, 0.90, 0.80])
    top *= np.interp(places, [0.1, 0.65], [build.rump_height, 1.0])
    belly = build.belly
    bottom = np.array([0.64, 0.59, belly + 0.09, belly + 0.05, belly - 0.01, belly, belly + 0.05, 0.60])
    waist, girth = build.waist, build.barrel
    width = np.array([0.6, 0.85, 0.94, 1, 1, 0.94, 0.68, 0.5])
    width *= np.array([build.rump] * 3 + [waist, girth, build.shoulder, build.shoulder, build.shoulder]) / 2
    taper = np.array([0.1, 0.1, 0.08, 0.12, 0.16, 0.24, 0.1, 0.05])
    share = np.linspace(0, 1, 160)
    cap = np.minimum(_cap(share / 0.10), _cap((1 - share) / 0.16))
    curves = [PchipInterpolator(places, values)(share) for values in (top, bottom, width, taper)]
    height = build.withers_cm
    half = np.maximum((curves[0] - curves[1]) / 2 * cap, 0.01) * height
    middle = (curves[0] + curves[1]) / 2 * height
    stations = np.array([trunk_x(build, value) for value in share])
    return Barrel(stations, middle, np.maximum(curves[2] * cap, 0.01) * height, half, curves[3])


def _cap(share: NDArray[np.floating[Any]]) -> Vector:
    return np.asarray(np.sqrt(np.maximum(1 - (1 - np.clip(share, 0, 1)) ** 2, 0)))


def _fore_leg(build: Build, side: int, step: float, spread: float) -> tuple[Cone, list[Shape], Vector]:
    height, bone = build.withers_cm, build.bone
    x = trunk_x(build, 0.82) / height
    y = side * build.shoulder * 0.30
    foot_y = y * spread
    blade = _cone(height, (x - 0.05, y * 0.62, 0.86), (x + 0.06, y * 1.0, 0.60), 0.055, 0.085, flat=0.55)
    points = [
        (x + 0.05, y * 1.05, 0.59),
        (x - 0.035, y * 1.05, 0.475),
        (x + 0.01 + step * 0.5, (y + foot_y) / 2, 0.27),
        (x + step * 0.95, foot_y, 0.085),
        (x + 0.02 + step, foot_y, 0.022),
    ]
    radii = np.array([0.072, 0.051, 0.029, 0.0215, 0.029]) * np.array([1, 1, bone, bone, bone])
    leg: list[Shape] = list(_chain(height, points, radii))
    leg.append(_egg(height, points[2], (0.031 * bone, 0.030 * bone, 0.042)))
    return blade, leg, np.array([points[-1][0], foot_y, 0.0]) * height


def _hind_leg(build: Build, side: int, step: float, spread: float) -> tuple[Cone, list[Shape], Vector]:
    height, bone = build.withers_cm, build.bone
    hip = trunk_x(build, 0.13) / height
    stifle = trunk_x(build, 0.20) / height
    y = side * build.rump * 0.30
    foot_y = y * spread
    thigh = _cone(height, (hip - 0.01, y * 0.85, 0.80), (stifle - 0.02, y * 1.0, 0.58), 0.10, 0.085, flat=0.6)
    points = [
        (stifle - 0.01, y * 1.05, 0.56),
        (stifle - 0.03 + step * 0.25, y * 1.1, 0.48),
        (hip - 0.085 + step * 0.7, (y + foot_y) / 2, 0.30),
        (hip - 0.045 + step * 0.97, foot_y, 0.085),
        (hip - 0.02 + step, foot_y, 0.022),
    ]
    radii = np.array([0.088, 0.068, 0.031, 0.0225, 0.029]) * np.array([1, 1, bone, bone, bone])
    leg: list[Shape] = list(_chain(height, points, radii))
    leg.append(_cone(height, (hip - 0.06, y, 0.62), points[2], 0.052, 0.024))
    return thigh, leg, np.array([points[-1][0], foot_y, 0.0]) * height


Point = tuple[float, float, float]


def _cone(size: float, start: Point, end: Point, first: float, last: float, flat: float = 1.0) -> Cone:
    return Cone(np.array(start) * size, np.array(end) * size, first * size, last * size, flat)


def _chain(size: float, points: list[Point], radii: Vector) -> list[Cone]:
    ends = list(pairwise(points))
    return [_cone(size, *ends[i], float(radii[i]), float(radii[i + 1])) for i in range(len(ends))]


def _egg(size: float, centre: Point, radii: Point) -> Egg:
    return Egg(np.array(centre) * size, np.array(radii) * size, np.eye(3))


def tail(build: Build, stance: Stance) -> list[Part]:
    """A short tail, up or down; a long one in three pieces, hanging or carried."""
    height, length = build.withers_cm, build.tail
    x, z = trunk_x(build, 0.02) / height, 0.90 * build.rump_height
    reach, rise = (0.35 * length, 0.86 * length) if stance.tail_up else (0.5 * length, -0.93 * length)
    end = (x - reach, 0.01, z + rise)
    bend = (x - 0.035, 0.0, z + 0.05) if stance.tail_up else (x - 0.045, 0.0, z - 0.02)
    thin = 0.009 if length < 0.25 else 0.018
    shapes = [_cone(height, (x + 0.04, 0, z - 0.01), bend, 0.04, 0.03), _cone(height, bend, end, 0.03, thin)]
    return [(shape, 0.03 * height) for shape in shapes]


def udder(build: Build) -> list[Part]:
    """The bag between the thighs, with two teats."""
    if not build.udder:
        return []
    height, size = build.withers_cm, 0.05 + 0.05 * build.udder
    x, z = trunk_x(build, 0.16) / height, build.belly + 0.06 - 0.5 * size
    bag = _egg(height, (x, 0, z), (1.1 * size, 0.9 * size, 1.2 * size))
    teats = [
        _cone(height, (x, 0.5 * y, z - size), (x + 0.01, 0.6 * y, z - 1.6 * size), 0.025, 0.012)
        for y in (size, -size)
    ]
    return [(bag, 0.05 * height), *((teat, 0.02 * height) for teat in teats)]


def _direction(pitch_deg: float, yaw_deg: float) -> Vector:
    pitch, yaw = np.radians([pitch_deg, yaw_deg])
    return np.array([np.cos(pitch) * np.cos(yaw), np.cos(pitch) * np.sin(yaw), np.sin(pitch)])


def neck_root(build: Build) -> Vector:
    return np.array([trunk_x(build, 0.90), 0.0, 0.80 * build.withers_cm])


def place_skull(build: Build, stance: Stance) -> Skull:
    """The head at the end of the neck."""
    reach = build.neck_length * build.withers_cm
    centre = neck_root(build) + reach * _direction(stance.neck_pitch_deg, stance.neck_yaw_deg)
    face = _direction(-stance.face_pitch_deg, stance.neck_yaw_deg + stance.head_yaw_deg)
    left = np.cross([0.0, 0.0, 1.0], face)
    left /= np.linalg.norm(left)
    roll = np.radians(stance.head_roll_deg)
    up = np.cross(face, left)
    left, up = np.cos(roll) * left + np.sin(roll) * up, np.cos(roll) * up - np.sin(roll) * left
    size = 0.30 * build.head * build.withers_cm
    centre[2] = max(centre[2], size * 0.25 - min(0.0, size * 0.8 * face[2]))
    return Skull(centre, np.column_stack([face, left, up]), size)


def neck(build: Build, skull: Skull) -> list[Part]:
    """A deep neck from withers and chest to the back of the skull and the throat."""
    height, girth = build.withers_cm, build.neck_girth
    crest = np.array([trunk_x(build, 0.86), 0.0, 0.875 * height])
    chest = np.array([trunk_x(build, 0.92), 0.0, 0.70 * height])
    nape, throat = skull.at(-0.12, 0, 0.02), skull.at(-0.08, 0, -0.2)
    wide = min(0.09 * girth, build.shoulder * 0.4)
    shapes = [
        Cone(crest, nape, 0.085 * height * girth, 0.058 * height, wide / (0.1 * girth)),
        Cone(chest, throat, 0.115 * height * girth, 0.055 * height, wide / (0.115 * girth)),
        Cone(
            (crest + chest) / 2,
            (nape + throat) / 2,
            0.11 * height * girth,
            0.06 * height,
            wide / (0.11 * girth),
        ),
    ]
    return [(shape, 0.1 * height) for shape in shapes]


def head_shapes(build: Build, skull: Skull) -> list[Part]:
    """Skull, brows, face, jaw and muzzle."""
    size, nose = skull.size, 0.03 + 0.05 * build.roman_nose
    parts: list[Part] = [
        (Egg(skull.centre, np.array([0.25, 0.205, 0.235]) * size, skull.axes), 0.05 * size),
        (Cone(skull.at(0.1, 0, 0.0), skull.at(0.68, 0, -0.09), 0.19 * size, 0.105 * size), 0.12 * size),
        (Cone(skull.at(0.15, 0, 0.07), skull.at(0.5, 0, nose - 0.04), 0.13 * size, 0.10 * size), 0.1 * size),
        (Cone(skull.at(0.0, 0, -0.13), skull.at(0.62, 0, -0.17), 0.15 * size, 0.075 * size), 0.12 * size),
        (Egg(skull.at(0.70, 0, -0.08), np.array([0.1, 0.115, 0.1]) * size, skull.axes), 0.06 * size),
    ]
    brow = np.array([0.09, 0.05, 0.06]) * size
    parts += [(Egg(skull.at(0.13, 0.165 * side, 0.1), brow, skull.axes), 0.06 * size) for side in (1, -1)]
    if build.beard:
        tip = skull.at(0.42, 0, -0.2) - np.array([0, 0, build.beard * build.withers_cm])
        parts.append((Cone(skull.at(0.45, 0, -0.2), tip, 0.085 * size, 0.02 * size), 0.1 * size))
    return parts


def ears(build: Build, stance: Stance, coat: Coat, skull: Skull) -> list[Mesh]:
    """Two leaf-shaped sheets, hanging, level or upright, with the colour of the head."""
    drops = {"lop": (0.62, -1.1), "level": (1.0, -0.12), "upright": (0.75, 0.75)}
    out, up = drops[build.ears]
    sweep = np.radians(stance.ear_sweep_deg)
    return [_ear(build, coat, skull, side, out, up, float(np.sin(sweep))) for side in (1, -1)]


def _ear(build: Build, coat: Coat, skull: Skull, side: int, out: float, up: float, sweep: float) -> Mesh:
    along, across = np.meshgrid(np.linspace(0, 1, 12), np.linspace(-1, 1, 7), indexing="ij")
    length = build.ear_length * build.withers_cm * build.head
    heading = (
        skull.axes @ np.array([sweep - 0.22, side * out, 0.0])
        + np.array([0, 0, up]) * along[..., None] ** 0.5
    )
    heading /= np.linalg.norm(heading, axis=-1, keepdims=True)
    spine = skull.at(-0.13, 0.18 * side, 0.09) + np.cumsum(heading, axis=0) * length / len(along)
    width = (0.26 * np.sin(np.pi * np.clip(along, 0, 1) ** 0.75 * 0.93 + 0.2)) * min(
        length, 0.2 * build.withers_cm
    )
    wide = np.cross(heading, skull.axes @ np.array([0.35, side * 1.0, 0.15 + 0.8 * (build.ears != "lop")]))
    wide /= np.linalg.norm(wide, axis=-1, keepdims=True)
    outwards = np.cross(wide, heading) * side
    cup = (across**2)[..., None] * 0.25 * width[..., None] * outwards
    sheet = spine + wide * (across * width)[..., None] - cup
    faces = grid_faces(along.shape[0], along.shape[1])
    skin = [
        bare((sheet + outwards * gap).reshape(-1, 3), (outwards * np.sign(gap)).reshape(-1, 3), faces)
        for gap in (0.25, -0.25)
    ]
    ear = joined([facing_out(one) for one in skin])
    pattern = 1.0 if coat.pattern in ("boer", "tan_points") else -1.0 if coat.pattern != "patched" else 0.0
    size = len(ear.vertices)
    return replace(
        ear,
        colours=np.tile(np.array([0.35, 0.18, 0.14, 0.0], dtype=np.float32), (size, 1)),
        material=np.zeros(size, dtype=np.float32),
        pattern=np.full(size, pattern, dtype=np.float32),
        label=np.full(size, 1.0, dtype=np.float32),
    )


def facing_out(sheet: Mesh) -> Mesh:
    """A sheet with its triangles wound so that they face where its normals point."""
    a, b, c = (sheet.vertices[sheet.faces[:, i]] for i in range(3))
    inwards = np.sum(np.cross(b - a, c - a) * sheet.normals[sheet.faces[:, 0]], axis=1) < 0
    faces = np.where(inwards[:, None], sheet.faces[:, ::-1], sheet.faces)
    return replace(sheet, faces=np.ascontiguousarray(faces, dtype=np.int32))


def horns(build: Build, skull: Skull) -> list[Mesh]:
    """Horns that rise from the forehead and sweep back and apart."""
    if not build.horn_length:
        return []
    length = build.horn_length * build.withers_cm
    share = np.linspace(0, 1, 16)
    found = []
    for side in (1, -1):
        back = -1.25 * share**1.4
        up = 0.9 * share - 0.55 * share**2.2
        apart = side * (0.25 * share + 0.35 * share**2)
        path = (
            skull.at(-0.02, 0.075 * side, 0.19) + length * np.column_stack([back, apart, up]) @ skull.axes.T
        )
        radii = (
            (0.35 + 0.65 * (1 - share))
            * np.sqrt(1 - share**4)
            * 0.075
            * skull.size
            * (0.7 + 1.4 * build.horn_length)
        )
        horn = tube(path, radii).painted(HORN_COLOUR, Material.HORN)
        found.append(replace(horn, label=np.ones(len(horn.vertices), dtype=np.float32)))
    return found


def eyes(skull: Skull) -> list[Mesh]:
    """Eyes with a dark slit, and nostrils."""
    spots = []
    for side in (1, -1):
        spots.append((skull.at(0.21, 0.160 * side, 0.05), 0.056, EYE_COLOUR))
        spots.append((skull.at(0.225, 0.180 * side, 0.055), 0.04, (0.005, 0.004, 0.003)))
        spots.append((skull.at(0.775, 0.062 * side, -0.055), 0.026, (0.02, 0.01, 0.008)))
    found = []
    for centre, radius, colour in spots:
        size = radius * skull.size
        eye = ball(centre, (size, size, size), 9).painted(colour, Material.HORN)
        found.append(replace(eye, label=np.ones(len(eye.vertices), dtype=np.float32)))
    return found


def paint(posed: PosedGoat, coat: Coat) -> Mesh:
    """Hooves and nose in their colours, the coat's pattern as a smooth field for the shader."""
    vertices, skull, height = posed.skin.vertices, posed.skull, posed.build.withers_cm
    colours = np.zeros((len(vertices), 4), dtype=np.float32)
    hoof = _fade(vertices[:, 2], 0.055 * height, 0.05 * height)
    nose = np.linalg.norm(vertices - skull.at(0.83, 0, -0.06), axis=1)
    colours[:, :3] = np.where(hoof[:, None] > 0, HOOF_COLOUR, NOSE_COLOUR)
    colours[:, 3] = np.maximum(hoof, 0.8 * _fade(nose, 0.10 * skull.size, 0.04 * skull.size))
    pattern = coat_pattern(posed, coat)
    return replace(
        posed.skin, colours=colours, pattern=pattern, material=np.zeros(len(pattern), dtype=np.float32)
    )


def _fade(value: Floats, edge: float, width: float) -> Floats:
    return np.asarray(np.clip((edge - value) / width + 0.5, 0, 1), dtype=np.float32)


def coat_pattern(posed: PosedGoat, coat: Coat) -> Floats:
    """Above 0 where the second colour goes, about -1 to 1; the shader makes the edge ragged. (N,)"""
    height, kind, points = posed.build.withers_cm, coat.pattern, posed.skin.vertices
    x, z = points[:, 0] / height, points[:, 2] / height
    ahead = -posed.head_distance / height
    fields: dict[str, Floats] = {
        "solid": np.full(len(x), -9.0, dtype=np.float32),
        "patched": np.zeros(len(x), dtype=np.float32),
        "boer": (ahead + 0.13) / 0.16,
        "saddle": np.minimum((0.28 - np.abs(x + 0.05)) / 0.12, (z - 0.62) / 0.1),
        "belted": (0.17 - np.abs(x + 0.02)) / 0.06,
        "tan_points": np.maximum((0.34 - z) / 0.1, ahead / 0.1 - 0.6),
        "pale_belly": (0.56 - z) / 0.08,
    }
    pattern = np.clip(fields[kind], -9 if kind == "solid" else -1.5, 1.5)
    if coat.blaze and kind != "solid":
        on_face = _on_blaze(posed.skull, points) & (posed.head_distance < 0.02 * height)
        pattern = np.where(on_face, -1.5, pattern)
    return np.asarray(pattern, dtype=np.float32)


def _on_blaze(skull: Skull, points: Floats) -> NDArray[np.bool_]:
    """Points on the stripe from forehead to nose."""
    face, left, up = ((points - skull.centre) @ skull.axes / skull.size).T
    return np.asarray((np.abs(left) < 0.055 + 0.06 * face) & (up > -0.12) & (face > 0.0))
