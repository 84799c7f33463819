"""Where the goat stands and where the three cameras are. World frame: X to the head end, Y to the left, Z up, cm."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models_tflite.training.simulator.mesh import Vector

VIEWS = ("side", "top", "front")
Rng = np.random.Generator


@dataclass(frozen=True, slots=True)
class Camera:
    """A pinhole camera.

    size            (width, height), px
    camera_matrix   (3, 3)  px
    world_from_cam  (4, 4)  cm; the camera looks along its Z, its X is right and its Y down in the picture
    """

    size: tuple[int, int]
    camera_matrix: Vector
    world_from_cam: Vector

    def project(self, points_world: Vector) -> Vector:
        """Pixels of world points: (N, 3) cm to (N, 2) px; pixel centres are whole numbers."""
        points_cam = (points_world - self.world_from_cam[:3, 3]) @ self.world_from_cam[:3, :3]
        homogeneous = points_cam @ self.camera_matrix.T
        return np.asarray(homogeneous[:, :2] / homogeneous[:, 2:])


def look(
    size: tuple[int, int], fov_deg: float, place: Vector, target: Vector, up: Vector, roll_deg: float = 0.0
) -> Camera:
    """A camera at a place that looks at a target; `up` points up in the picture."""
    forward = np.subtract(target, place).astype(float)
    forward /= np.linalg.norm(forward)
    right = np.cross(forward, up)
    right /= np.linalg.norm(right)
    down = np.cross(forward, right)
    roll = np.radians(roll_deg)
    pose = np.eye(4)
    pose[:3, 0] = np.cos(roll) * right + np.sin(roll) * down
    pose[:3, 1] = np.cos(roll) * down - np.sin(roll) * right
    pose[:3, 2], pose[:3, 3] = forward, place
    focal_px = size[0] / 2 / np.tan(np.radians(fov_deg) / 2)
    matrix = np.array([[focal_px, 0, (size[0] - 1) / 2], [0, focal_px, (size[1] - 1) / 2], [0, 0, 1]])
    return Camera(size, matrix, pose)


def draw_camera(
    rng: Rng, view: str, size: tuple[int, int], goat_height_cm: float, crate_cm: Vector
) -> Camera:
    """A camera by lot, as people mount them: roughly, and not always on the left.

    crate_cm (3,) length, width and height of the crate the camera stays out of.
    """
    roll = float(np.clip(rng.normal(0, 2.0), -8, 8))
    draw = {"side": _side, "top": _top, "front": _front}[view]
    return draw(rng, size, goat_height_cm, roll, crate_cm)


def _side(rng: Rng, size: tuple[int, int], goat_height_cm: float, roll: float, crate_cm: Vector) -> Camera:
    hand = 1 if rng.random() < 0.7 else -1
    away = rng.uniform(115, 175) + (goat_height_cm - 62) * 1.5
    place = np.array([rng.normal(0, 9), hand * away, rng.uniform(42, 88)])
    aim = np.array([place[0] + rng.normal(0, 7), 0, 0.55 * goat_height_cm + rng.normal(0, 7)])
    return look(size, rng.uniform(50, 70), place, aim, np.array([0, 0, 1.0]), roll)


def _top(rng: Rng, size: tuple[int, int], goat_height_cm: float, roll: float, crate_cm: Vector) -> Camera:
    close = rng.random() < 0.6
    lowest = max(goat_height_cm + 70, crate_cm[2] + 35)
    height = rng.uniform(lowest, max(lowest, 185)) if close else rng.uniform(max(lowest, 175), 250)
    tilt = rng.normal(0, 0.16)
    place = np.array([rng.normal(0, 14 if close else 8), height * tilt, height])
    aim = np.array([place[0] + rng.normal(0, 8), rng.normal(0, 5), 0.6 * goat_height_cm])
    up = np.array([0, 1.0 if rng.random() < 0.5 else -1.0, 0])
    return look(size, rng.uniform(46, 66), place, aim, up, roll * 1.5)


def _front(rng: Rng, size: tuple[int, int], goat_height_cm: float, roll: float, crate_cm: Vector) -> Camera:
    place = np.array([crate_cm[0] / 2 + rng.uniform(50, 145), rng.normal(0, 9), rng.uniform(45, 105)])
    aim = np.array([0, rng.normal(0, 8), 0.52 * goat_height_cm + rng.normal(0, 8)])
    return look(size, rng.uniform(45, 68), place, aim, np.array([0, 0, 1.0]), roll)


def standing(x_cm: float, y_cm: float, turn_deg: float, facing_head_end: bool = True) -> Vector:
    """Pose (4, 4) of a goat in the crate: world from the goat's own frame."""
    angle = np.radians(turn_deg + (0 if facing_head_end else 180))
    pose = np.eye(4)
    pose[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    pose[:2, 3] = x_cm, y_cm
    return pose


def draw_standing(rng: Rng) -> tuple[Vector, bool]:
    """Where the goat stands, by lot: shifted, turned, sometimes facing the far end."""
    towards_head_end = bool(rng.random() < 0.65)
    shift = rng.uniform(-12, 12), rng.uniform(-7, 7)
    return standing(*shift, float(np.clip(rng.normal(0, 6), -13, 13)), towards_head_end), towards_head_end
