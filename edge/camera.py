"""A calibrated camera: pixels become rays in the crate, and it knows how well it knows itself.

World frame as in the design: X to the head end, Y to the animal's left, Z up, cm. Pixel centres are whole numbers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np

from edge.records import Points

# What a camera is described by, in the order of its covariance: px, then no unit, then rad and cm. Rotation and shift
# take the world to the camera, as OpenCV's rvec and tvec do.
PARAMETERS = (
    *("focal_x", "focal_y", "centre_x", "centre_y"),
    *("k1", "k2", "p1", "p2", "k3"),
    *("turn_x", "turn_y", "turn_z"),
    *("shift_x", "shift_y", "shift_z"),
)
INTRINSICS = 9
# Newton's rounds until a bent ray is straight to far below a hundredth of a pixel.
ROUNDS = 10


@dataclass(frozen=True, slots=True, eq=False)
class CameraModel:
    """One view's camera, with what its calibration said about itself.

    picture_size    (width, height) of the pictures it holds for, px
    camera_matrix   (3, 3)    px
    distortion      (5,)      k1, k2, p1, p2, k3 as OpenCV has them
    world_from_cam  (4, 4)    cm; the camera looks along its Z, its X is right and its Y down in the picture
    covariance      (15, 15)  of PARAMETERS, systematic errors of the calibration's pictures included
    coverage        share of the picture in which the board was seen
    date            when it was calibrated, ISO 8601, UTC
    """

    picture_size: tuple[int, int]
    camera_matrix: Points
    distortion: Points
    world_from_cam: Points
    covariance: Points
    reprojection_rms_px: float
    coverage: float
    frames_used: int
    frames_left_out: int
    pose_frames: int
    date: str

    @property
    def position_cm(self) -> Points:
        return np.asarray(self.world_from_cam[:3, 3])

    @property
    def direction(self) -> Points:
        """Where its optical axis points in the world: unit vector."""
        return np.asarray(self.world_from_cam[:3, 2])

    def parameters(self) -> Points:
        """Its PARAMETERS as one vector: (15,)."""
        matrix, cam_from_world = self.camera_matrix, np.linalg.inv(self.world_from_cam)
        turn, _ = cv2.Rodrigues(cam_from_world[:3, :3])
        inner = [matrix[0, 0], matrix[1, 1], matrix[0, 2], matrix[1, 2], *self.distortion]
        return np.array([*inner, *turn.ravel(), *cam_from_world[:3, 3]])

    def with_parameters(self, parameters: Points) -> CameraModel:
        """The same camera with other PARAMETERS: for carrying its covariance into what is measured with it."""
        matrix, distortion, world_from_cam = unpacked(parameters)
        return replace(self, camera_matrix=matrix, distortion=distortion, world_from_cam=world_from_cam)

    def project(self, points_world: Points) -> Points:
        """Pixels of world points: (N, 3) cm to (N, 2) px."""
        turn, shift = self.parameters()[INTRINSICS:].reshape(2, 3)
        pixels, _ = cv2.projectPoints(
            np.asarray(points_world, dtype=float).reshape(-1, 1, 3),
            turn,
            shift,
            self.camera_matrix,
            self.distortion,
        )
        return np.asarray(pixels.reshape(-1, 2))

    def slopes(self, points_world: Points) -> Points:
        """How the pixels of world points (N, 3) move with PARAMETERS: (N, 2, 15)."""
        turn, shift = self.parameters()[INTRINSICS:].reshape(2, 3)
        world = np.asarray(points_world, dtype=float).reshape(-1, 1, 3)
        _, by = cv2.projectPoints(world, turn, shift, self.camera_matrix, self.distortion)
        # OpenCV's order is turn, shift, focal lengths, centre, distortion.
        ordered = np.hstack([by[:, 6:10], by[:, 10:15], by[:, 0:6]])
        return np.asarray(ordered.reshape(-1, 2, len(PARAMETERS)))

    def rays(self, points_px: Points) -> tuple[Points, Points]:
        """The camera's place (3,) cm and the unit directions (N, 3) in the world in which it sees pixels (N, 2)."""
        bent = (np.asarray(points_px, dtype=float) - self.camera_matrix[:2, 2]) / np.diag(self.camera_matrix)[
            :2
        ]
        straight = straightened(bent, self.distortion)
        in_camera = np.column_stack([straight, np.ones(len(straight))])
        in_world = in_camera @ self.world_from_cam[:3, :3].T
        return self.position_cm, in_world / np.linalg.norm(in_world, axis=1, keepdims=True)

    def at_size(self, size: tuple[int, int]) -> CameraModel:
        """The same camera for the same picture at another size."""
        across, down = (new / old for new, old in zip(size, self.picture_size, strict=True))
        scale = np.array([[across, 0, (across - 1) / 2], [0, down, (down - 1) / 2], [0, 0, 1]])
        stretch = np.diag([across, down, across, down, *np.ones(len(PARAMETERS) - 4)])
        return replace(
            self,
            picture_size=size,
            camera_matrix=scale @ self.camera_matrix,
            covariance=stretch @ self.covariance @ stretch,
        )

    def placement(self, parameters: Points | None = None) -> tuple[Points, Points]:
        """Place (3,) in the world, cm, and turn in the world against this camera (3,), rad."""
        _, _, pose = unpacked(self.parameters() if parameters is None else parameters)
        turned, _ = cv2.Rodrigues(pose[:3, :3] @ self.world_from_cam[:3, :3].T)
        return pose[:3, 3], np.asarray(turned, dtype=float).ravel()

    def placement_covariance(self) -> Points:
        """Of place (cm) and turn (rad) in the world: (6, 6)."""
        at, steps = self.parameters(), np.full(6, 1e-3)
        columns = []
        for number, step in enumerate(steps, INTRINSICS):
            moved = np.eye(len(at))[number] * step
            more, less = (np.concatenate(self.placement(at + way * moved)) for way in (1, -1))
            columns.append((more - less) / (2 * step))
        slope = np.column_stack(columns)
        return np.asarray(slope @ self.covariance[INTRINSICS:, INTRINSICS:] @ slope.T)

    @property
    def position_u95_cm(self) -> float:
        """Within this distance of where it says it is, the camera is in 95 of 100 cases."""
        return radius_95(self.placement_covariance()[:3, :3])

    @property
    def direction_u95_deg(self) -> float:
        """As `position_u95_cm`, for how it is turned."""
        return math.degrees(radius_95(self.placement_covariance()[3:, 3:]))

    def as_document(self) -> dict[str, Any]:
        numbers = {
            "camera_matrix": self.camera_matrix,
            "distortion": self.distortion,
            "world_from_cam": self.world_from_cam,
            "covariance": self.covariance,
        }
        return {
            "kind": "camera",
            "picture_size": list(self.picture_size),
            **{name: value.tolist() for name, value in numbers.items()},
            **self.report(),
        }

    def report(self) -> dict[str, Any]:
        """What a person wants to know of it."""
        return {
            "reprojection_rms_px": round(self.reprojection_rms_px, 4),
            "coverage": round(self.coverage, 3),
            "frames_used": self.frames_used,
            "frames_left_out": self.frames_left_out,
            "pose_frames": self.pose_frames,
            "date": self.date,
            "position_cm": [round(float(value), 2) for value in self.position_cm],
            "position_u95_cm": round(self.position_u95_cm, 3),
            "direction": [round(float(value), 5) for value in self.direction],
            "direction_u95_deg": round(self.direction_u95_deg, 4),
        }

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> CameraModel:
        """As read from a calibration file; raises ValueError, KeyError or TypeError for what is no camera."""
        width, height = (int(side) for side in document["picture_size"])
        shapes = {
            "camera_matrix": (3, 3),
            "distortion": (5,),
            "world_from_cam": (4, 4),
            "covariance": (15, 15),
        }
        arrays = {name: np.array(document[name], dtype=float) for name in shapes}
        camera = cls(
            picture_size=(width, height),
            **arrays,
            reprojection_rms_px=float(document["reprojection_rms_px"]),
            coverage=float(document["coverage"]),
            frames_used=int(document["frames_used"]),
            frames_left_out=int(document["frames_left_out"]),
            pose_frames=int(document["pose_frames"]),
            date=str(document["date"]),
        )
        if any(arrays[name].shape != shape for name, shape in shapes.items()) or not camera.is_possible():
            raise ValueError("impossible camera")
        return camera

    def is_possible(self) -> bool:
        turn, matrix = self.world_from_cam[:3, :3], self.camera_matrix
        numbers = (matrix, self.distortion, self.world_from_cam, self.covariance)
        return bool(
            min(self.picture_size) > 0
            and all(np.all(np.isfinite(one)) for one in numbers)
            and np.allclose(turn @ turn.T, np.eye(3), atol=1e-6)
            and np.linalg.det(turn) > 0
            and min(matrix[0, 0], matrix[1, 1]) > 0
            and np.all(np.diag(self.covariance) >= 0)
        )


def straightened(bent: Points, distortion: Points) -> Points:
    """Where an ideal lens would see what this one shows: (N, 2) at distance 1, before and after."""
    nothing, straight = np.zeros(3), np.array(bent)
    for _ in range(ROUNDS):
        flat = np.column_stack([straight, np.ones(len(straight))])
        shown, slopes = cv2.projectPoints(flat.reshape(-1, 1, 3), nothing, nothing, np.eye(3), distortion)
        # At distance 1, moving the camera is moving the point: OpenCV's slopes by its shift are what is needed.
        by = slopes[:, 3:5].reshape(-1, 2, 2)
        straight += np.linalg.solve(by, (bent - shown.reshape(-1, 2))[..., None])[..., 0]
    return straight


def unpacked(parameters: Points) -> tuple[Points, Points, Points]:
    """camera_matrix (3, 3), distortion (5,) and world_from_cam (4, 4) of PARAMETERS (15,)."""
    focal_x, focal_y, centre_x, centre_y = parameters[:4]
    matrix = np.array([[focal_x, 0, centre_x], [0, focal_y, centre_y], [0, 0, 1]])
    return matrix, np.array(parameters[4:INTRINSICS]), np.linalg.inv(pose_of(parameters[INTRINSICS:]))


def pose_of(turn_and_shift: Points) -> Points:
    """(4, 4) of OpenCV's rvec and tvec (6,)."""
    pose = np.eye(4)
    pose[:3, :3], _ = cv2.Rodrigues(np.asarray(turn_and_shift[:3], dtype=float))
    pose[:3, 3] = turn_and_shift[3:]
    return pose


def radius_95(covariance: Points) -> float:
    """The distance within which an error of this covariance lies in 95 of 100 cases (Wilson and Hilferty)."""
    spread = float(np.trace(covariance))
    if spread <= 0:
        return 0.0
    freedom = spread**2 / float(np.sum(covariance**2))
    small = 2 / (9 * freedom)
    return math.sqrt(spread * (1 - small + 1.645 * math.sqrt(small)) ** 3)
