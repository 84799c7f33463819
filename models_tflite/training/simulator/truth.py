"""What is true of a posed goat: its landmarks in 3D and its traits in centimetres, read from the mesh."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.spatial import ConvexHull

from models_tflite.training.simulator.body import HIPS, WITHERS, PosedGoat, Skull, trunk_x
from models_tflite.training.simulator.goat import HAIR_IN_OUTLINE, Build
from models_tflite.training.simulator.mesh import Floats, Ints, Mesh, Vector

SLICE_CM = 1.0
# Parts of the trunk (0 pin bone, 1 point of the shoulder) in which a width or height is looked for.
SHOULDER_ZONE = (WITHERS - 0.08, WITHERS + 0.09)
RUMP_ZONE = (HIPS - 0.10, HIPS + 0.09)
WITHERS_ZONE = (WITHERS - 0.05, WITHERS + 0.02)
CROUP_ZONE = (HIPS - 0.06, HIPS + 0.10)
# Where a tape goes round the heart: right behind shoulder blade and elbow.
GIRTH_PLACE = SHOULDER_ZONE[0]


@dataclass(frozen=True, slots=True)
class Truth:
    """landmarks: name to (3,) in the goat's own frame, cm; traits: name to cm."""

    landmarks: dict[str, Vector]
    traits: dict[str, float]


def outline(skin: Mesh, hair_cm: float) -> Floats:
    """Where a person sees the outline: the skin and a share of the hair, as the vertex shader grows it: (N, 3), cm."""
    on_head = _smoothstep(-4, 2, skin.label)
    on_legs = 1 - _smoothstep(10, 32, skin.vertices[:, 2])
    hair = (HAIR_IN_OUTLINE * hair_cm * (1 - 0.85 * on_head) * (1 - 0.65 * on_legs))[:, None]
    droop = np.array([0.25, 0.0, 0.45]) * hair / (1 + hair)
    return np.asarray(skin.vertices + hair * (skin.normals - droop), dtype=np.float32)


def _smoothstep(low: float, high: float, value: Floats) -> Floats:
    share = np.clip((value - low) / (high - low), 0, 1)
    return np.asarray(share * share * (3 - 2 * share), dtype=np.float32)


def measure_truth(posed: PosedGoat, hair_cm: float) -> Truth:
    """Landmarks and traits of one posed goat with hair of that length, in its own frame."""
    build, skull = posed.build, posed.skull
    trunk = replace(posed.trunk, label=np.full(len(posed.trunk.vertices), -9, dtype=np.float32))
    body, hairy = outline(posed.skin, hair_cm), outline(trunk, hair_cm)
    slices = trunk_slices(hairy)
    shoulder = widest(slices, build, SHOULDER_ZONE)
    rump = widest(slices, build, RUMP_ZONE)
    between = slices[(slices[:, 0] > rump[0]) & (slices[:, 0] < shoulder[0])]
    waist = between[np.argmin(between[:, 2] - between[:, 1])]
    barrel = slices[np.argmax(slices[:, 2] - slices[:, 1])]
    tail_root = np.array([trunk_x(build, 0.0), 0.0, 0.90 * build.rump_height * build.withers_cm])
    landmarks = {
        "withers": highest(body, build, WITHERS_ZONE, 0.04),
        "rump": highest(body, build, CROUP_ZONE, 0.06),
        "poll": poll(body, skull),
        "chest_front": nearest(body, hairy[np.argmax(hairy[:, 0])].astype(float)),
        "tail_root": nearest(body, tail_root),
        **posed.hooves,
    }
    for name, (x, right, left, z_right, z_left) in {
        "shoulder": shoulder,
        "waist": waist,
        "rump": rump,
        "body": barrel,
    }.items():
        landmarks[f"{name}_left"] = np.array([x, left, z_left])
        landmarks[f"{name}_right"] = np.array([x, right, z_right])
    length_cm = float(np.ptp(hairy[:, 0]))
    girth_cm = girth(hairy, trunk.faces, trunk_x(build, GIRTH_PLACE))
    return Truth(landmarks, traits_from(landmarks, length_cm, girth_cm))


def traits_from(landmarks: dict[str, Vector], length_cm: float, girth_cm: float) -> dict[str, float]:
    """The traits of the design from the landmarks in the goat's own frame, the trunk's length and its girth, cm.

    The trunk is as long as from the point of the shoulder to the pin bone; brisket and neck reach 1 to 5 cm farther.
    """
    width = {
        name: float(landmarks[f"{name}_left"][1] - landmarks[f"{name}_right"][1])
        for name in ("shoulder", "waist", "rump", "body")
    }
    traits = {
        "head_height_cm": float(landmarks["poll"][2]),
        "withers_height_cm": float(landmarks["withers"][2]),
        "rump_height_cm": float(landmarks["rump"][2]),
        "shoulder_width_cm": width["shoulder"],
        "waist_width_cm": width["waist"],
        "rump_width_cm": width["rump"],
        "body_width_top_cm": width["body"],
        "body_width_front_cm": width["body"],
        "body_width_cm": width["body"],
        "body_length_cm": length_cm,
        "heart_girth_cm": girth_cm,
    }
    return {name: round(value, 2) for name, value in traits.items()}


def trunk_slices(trunk: Floats) -> Vector:
    """Slices across the trunk: x, y of the right edge, y of the left edge and the heights of both: (N, 5), cm."""
    order = np.argsort(trunk[:, 0])
    points = trunk[order].astype(float)
    centres = np.arange(points[0, 0] + 2, points[-1, 0] - 2, SLICE_CM)
    rows = []
    for x in centres:
        first, last = np.searchsorted(points[:, 0], [x - SLICE_CM, x + SLICE_CM])
        cut = points[first:last]
        left, right = cut[np.argmax(cut[:, 1])], cut[np.argmin(cut[:, 1])]
        rows.append([x, right[1], left[1], right[2], left[2]])
    return np.array(rows)


def girth(trunk: Floats, faces: Ints, x: float) -> float:
    """How long a tape is that lies round the trunk there, across hollows, cm."""
    return float(
        ConvexHull(section(trunk, faces, x)).area
    )  # of a plane figure, scipy's area is the perimeter


def section(trunk: Floats, faces: Ints, x: float) -> Vector:
    """Where a plane across the trunk cuts the edges of its triangles: y and z, (N, 2), cm."""
    ends = trunk.astype(float)[np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])]
    start, end = ends[(ends[:, 0, 0] < x) != (ends[:, 1, 0] < x)].transpose(1, 0, 2)
    share = (x - start[:, 0]) / (end[:, 0] - start[:, 0])
    return np.asarray((start + share[:, None] * (end - start))[:, 1:])


def widest(slices: Vector, build: Build, zone: tuple[float, float]) -> Vector:
    inside = slices[(slices[:, 0] > trunk_x(build, zone[0])) & (slices[:, 0] < trunk_x(build, zone[1]))]
    return np.asarray(inside[np.argmax(inside[:, 2] - inside[:, 1])])


def highest(body: Floats, build: Build, zone: tuple[float, float], half_width: float) -> Vector:
    """The highest point of the back within a zone of the trunk, cm."""
    near = np.abs(body[:, 1]) < half_width * build.withers_cm
    inside = body[near & (body[:, 0] > trunk_x(build, zone[0])) & (body[:, 0] < trunk_x(build, zone[1]))]
    return np.asarray(inside[np.argmax(inside[:, 2])], dtype=float)


def nearest(body: Floats, place: Vector) -> Vector:
    """The point of the skin nearest to a place in the flesh, cm."""
    return np.asarray(body[np.argmin(np.sum((body - place) ** 2, axis=1))], dtype=float)


def poll(body: Floats, skull: Skull) -> Vector:
    """The top of the skull between the ears, cm."""
    face, left, _ = ((body - skull.centre) @ skull.axes / skull.size).T
    away = np.linalg.norm(body - skull.centre, axis=1) / skull.size
    between_ears = (np.abs(left) < 0.15) & (face > -0.25) & (face < 0.15)
    # On a large skull with long hair no vertex may lie nearer than that.
    near = away < max(0.4, 1.1 * away[between_ears].min())
    top = body[between_ears & near]
    return np.asarray(top[np.argmax(top[:, 2])], dtype=float)
