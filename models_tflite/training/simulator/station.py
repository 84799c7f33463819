"""Where the goat stands and where the three cameras are. World frame: X to the head end, Y to the left, Z up, cm."""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from models_tflite.training.simulator.mesh import Vector

VIEWS = ("side", "top", "front")
Rng = np.random.Generator
Picture = NDArray[np.uint8]
GRID_STEP_PX = 8
# Newton rounds until a bent ray is straight to well below a hundredth of a pixel.
ROUNDS = 8
# A canvas is this much wider than the picture that is cut from it, because a barrel lens sees round the corner.
CANVAS = 1.2


@dataclass(frozen=True, slots=True)
class Camera:
    """A camera as OpenCV describes one.

    size            (width, height), px
    camera_matrix   (3, 3)  px
    world_from_cam  (4, 4)  cm; the camera looks along its Z, its X is right and its Y down in the picture
    distortion      (5,)    k1, k2, p1, p2, k3
    """

    size: tuple[int, int]
    camera_matrix: Vector
    world_from_cam: Vector
    distortion: Vector = field(default_factory=lambda: np.zeros(5))

    def in_camera(self, points_world: Vector) -> Vector:
        """World points in the camera's own frame: (N, 3) cm; the last column is the distance along its axis."""
        return np.asarray((points_world - self.world_from_cam[:3, 3]) @ self.world_from_cam[:3, :3])

    def project(self, points_world: Vector) -> Vector:
        """Pixels of world points: (N, 3) cm to (N, 2) px; pixel centres are whole numbers."""
        points_cam = self.in_camera(points_world)
        bent = distort(points_cam[:, :2] / points_cam[:, 2:], self.distortion)
        return np.asarray(bent @ self.camera_matrix[:2, :2].T + self.camera_matrix[:2, 2])

    def straight_rays(self, pixels: Vector) -> Vector:
        """Where an ideal lens would see what this one shows at pixels: (N, 2) px to (N, 2), at distance 1."""
        bent = (pixels - self.camera_matrix[:2, 2]) / np.diag(self.camera_matrix)[:2]
        straight, step = np.array(bent), 1e-5
        for _ in range(ROUNDS):
            off = bent - distort(straight, self.distortion)
            by_x, by_y = (
                (distort(straight + side, self.distortion) - distort(straight - side, self.distortion))
                / 2
                / step
                for side in step * np.eye(2)
            )
            slope = np.stack([by_x, by_y], axis=-1)
            straight += np.linalg.solve(slope, off[..., None])[..., 0]
        return np.asarray(straight)


def distort(straight: Vector, distortion: Vector) -> Vector:
    """Rays of an ideal lens (N, 2) as a lens with k1, k2, p1, p2, k3 bends them, by OpenCV's formula."""
    k1, k2, p1, p2, k3 = distortion
    x, y = straight[:, 0], straight[:, 1]
    square = x * x + y * y
    radial = 1 + square * (k1 + square * (k2 + square * k3))
    return np.column_stack(
        [
            x * radial + 2 * p1 * x * y + p2 * (square + 2 * x * x),
            y * radial + p1 * (square + 2 * y * y) + 2 * p2 * x * y,
        ]
    )


@dataclass(frozen=True, slots=True)
class Lens:
    """How a picture with distortion is cut from a canvas drawn through an ideal lens.

    ideal   the canvas as a camera without distortion
    map_x, map_y   (height, width) of the picture: where on the canvas each of its pixels comes from, px
    """

    ideal: Camera
    map_x: NDArray[np.float32]
    map_y: NDArray[np.float32]

    def picture(self, drawn: Picture) -> Picture:
        """The picture (H, W, 3) as the real lens takes it."""
        return np.asarray(cv2.remap(drawn, self.map_x, self.map_y, cv2.INTER_LINEAR), dtype=np.uint8)

    def mask(self, drawn: Picture, finer: int) -> Picture:
        """The labels (H, W) of a canvas with `finer` times the pixels, each taken from the nearest."""
        off = (finer - 1) / 2
        map_x, map_y = self.map_x * finer + off, self.map_y * finer + off
        return np.asarray(cv2.remap(drawn, map_x, map_y, cv2.INTER_NEAREST), dtype=np.uint8)


def lens(camera: Camera) -> Lens:
    """The canvas that just holds all that the camera sees, and the way back."""
    width, height = camera.size
    columns, rows = (np.linspace(0, n - 1, -(-n // GRID_STEP_PX) + 1) for n in (width, height))
    grid = np.stack(np.meshgrid(columns, rows), axis=-1)
    rays = camera.straight_rays(grid.reshape(-1, 2)).reshape(grid.shape)
    size = round(width * CANVAS), round(height * CANVAS)
    low, high = rays.min(axis=(0, 1)), rays.max(axis=(0, 1))
    focal_px = float(np.min((np.array(size) - 3) / (high - low)))
    middle = (np.array(size) - 1) / 2 - focal_px * (low + high) / 2
    matrix = np.array([[focal_px, 0, middle[0]], [0, focal_px, middle[1]], [0, 0, 1]])
    on_canvas = rays * focal_px + middle
    maps = [_between(on_canvas[..., i].astype(np.float32), columns, rows, camera.size) for i in (0, 1)]
    return Lens(Camera(size, matrix, camera.world_from_cam), maps[0], maps[1])


def _between(
    values: NDArray[np.float32], columns: Vector, rows: Vector, size: tuple[int, int]
) -> NDArray[np.float32]:
    """Values on a grid of knots (R, K), interpolated to every pixel (height, width)."""
    for axis, (knots, count) in enumerate(((rows, size[1]), (columns, size[0]))):
        place = np.interp(np.arange(count), knots, np.arange(len(knots)))
        before = np.minimum(place.astype(int), len(knots) - 2)
        share = (place - before).astype(np.float32)
        share = share[:, None] if axis == 0 else share[None, :]
        values = values.take(before, axis) * (1 - share) + values.take(before + 1, axis) * share
    return values


def finer(camera: Camera, times: int) -> Camera:
    """The same ideal camera with more pixels."""
    matrix = camera.camera_matrix * times
    matrix[:2, 2] += (times - 1) / 2
    matrix[2, 2] = 1
    return Camera((camera.size[0] * times, camera.size[1] * times), matrix, camera.world_from_cam)


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


def draw_distortion(rng: Rng, wide_deg: float) -> Vector:
    """The distortion of a cheap USB camera, by lot: up to a barrel that pulls the corners in by an eighth."""
    if rng.random() < 0.1:
        return np.zeros(5)
    corner = 1.35 * np.tan(np.radians(wide_deg) / 2)
    pull = rng.uniform(-0.01, 0.13)
    k1, k2, k3 = -pull / corner**2, rng.uniform(0, 0.2) * abs(pull) / corner**4, rng.uniform(-0.004, 0.004)
    p1, p2 = np.clip(rng.normal(0, 0.0008, 2), -0.002, 0.002)
    return np.array([k1, k2, p1, p2, k3])


def draw_cameras(
    rng: Rng, size: tuple[int, int], goat_height_cm: float, crate_cm: Vector, hands: int
) -> dict[str, Camera]:
    """Three cameras by lot, as people mount them: roughly. All are of one make, so that they see equally wide.

    crate_cm (3,) length, width and height of the crate they stay out of; hands +1 or -1, the side camera's side of Y.
    """
    wide_deg = rng.uniform(50, 72)
    distortion = draw_distortion(rng, wide_deg)
    draws = {"side": _side, "top": _top, "front": _front}
    cameras = {}
    for view, draw in draws.items():
        place, aim, up, roll_deg = draw(rng, goat_height_cm, crate_cm, hands, wide_deg)
        ideal = look(size, wide_deg + rng.normal(0, 0.4), place, aim, up, roll_deg)
        ideal.camera_matrix[:2, 2] += rng.normal(0, 0.006, 2) * size[0]
        own = distortion * np.array([1, 1, 0, 0, 1]) * rng.uniform(0.95, 1.05)
        own[2:4] = distortion[2:4] * rng.uniform(-1, 1, 2)
        cameras[view] = Camera(size, ideal.camera_matrix, ideal.world_from_cam, own.round(6))
    return cameras


Mount = tuple[Vector, Vector, Vector, float]
UP = np.array([0.0, 0.0, 1.0])


def _side(rng: Rng, goat_height_cm: float, crate_cm: Vector, hands: int, wide_deg: float) -> Mount:
    """Far enough to see a goat of that height whole, mostly the crate too; a little down."""
    seen_cm = rng.uniform(1.75, 2.9) * goat_height_cm + 25
    away = max(seen_cm / 2 / np.tan(np.radians(wide_deg) / 2), crate_cm[1] / 2 + 45)
    down = np.tan(np.radians(rng.uniform(0, 15)))
    aim = np.array([rng.normal(0, 6), 0.0, 0.52 * goat_height_cm + rng.normal(0, 6)])
    place = np.array([aim[0] + rng.normal(0, 9), hands * away, aim[2] + away * down])
    return place, aim, UP, float(np.clip(rng.normal(0, 1.5), -6, 6))


def _top(rng: Rng, goat_height_cm: float, crate_cm: Vector, hands: int, wide_deg: float) -> Mount:
    """Close above the rails or under the roof, tilted from either side."""
    close = rng.random() < 0.6
    seen_cm = rng.uniform(1.35, 1.9 if close else 2.7) * goat_height_cm + 18
    back = 0.85 * goat_height_cm
    height = max(back + seen_cm / 2 / np.tan(np.radians(wide_deg) / 2), crate_cm[2] + 32)
    tilt = np.tan(np.radians(np.clip(rng.normal(0, 9), -20, 20)))
    place = np.array([rng.normal(0, 9), (height - back) * tilt, height])
    aim = np.array([place[0] + rng.normal(0, 6), rng.normal(0, 3), back])
    up = np.array([0, 1.0 if rng.random() < 0.5 else -1.0, 0])
    return place, aim, up, float(np.clip(rng.normal(0, 4), -10, 10))


def _front(rng: Rng, goat_height_cm: float, crate_cm: Vector, hands: int, wide_deg: float) -> Mount:
    """Before the head gate, a little above the goat, 4 to 15 degrees down."""
    seen_cm = rng.uniform(1.1, 2.1) * goat_height_cm
    away = max(seen_cm / 2 / np.tan(np.radians(0.75 * wide_deg) / 2), crate_cm[0] / 2 + 55)
    down = np.tan(np.radians(rng.uniform(2, 16)))
    aim = np.array([0.0, rng.normal(0, 5), 0.55 * goat_height_cm + rng.normal(0, 5)])
    place = np.array([away, rng.normal(0, 9), aim[2] + away * down])
    return place, aim, UP, float(np.clip(rng.normal(0, 2), -7, 7))


def draw_held(rng: Rng, pattern_cm: tuple[float, float], camera: Camera, number: int) -> Vector:
    """Where somebody holds a calibration board before a camera: all over the picture, near and far, tilted: (4, 4)."""
    width, height = camera.size
    share = rng.uniform(0.35, 0.75)
    away = pattern_cm[0] * camera.camera_matrix[0, 0] / (share * width)
    # Every other frame reaches for a corner of the picture; a little of the board may be lost there.
    reach = 0.62 - 0.5 * share if number % 2 else 0.25
    sides = np.array([[-1, -1], [1, 1], [-1, 1], [1, -1]])[number // 2 % 4]
    aim = np.array([width, height]) * (0.5 + reach * sides * rng.uniform(0.5, 1.0, 2))
    ray = np.append((aim - camera.camera_matrix[:2, 2]) / camera.camera_matrix[0, 0], 1.0)
    turn = rng.uniform(0, 2 * np.pi)
    tilt = np.radians(rng.uniform(12, 42))
    roll = np.radians(rng.normal(0, 12) + (180 if rng.random() < 0.1 else 0))
    leaned, _ = cv2.Rodrigues(tilt * np.array([np.cos(turn), np.sin(turn), 0.0]))
    rolled, _ = cv2.Rodrigues(np.array([0.0, 0.0, roll]))
    pose = np.eye(4)
    pose[:3, :3] = leaned @ rolled
    pose[:3, 3] = away * ray - pose[:3, :3] @ np.array([*np.array(pattern_cm) / 2, 0.0])
    return np.asarray(camera.world_from_cam @ pose)


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
    shift = rng.uniform(-12, 12), float(np.clip(rng.normal(0, 5), -12, 12))
    return standing(*shift, float(np.clip(rng.normal(0, 6), -13, 13)), towards_head_end), towards_head_end
