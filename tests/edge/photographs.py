"""Takes pictures of the board with a known camera, in shade or with hard shadows across it; needs no graphics."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from edge.calibrating.board import Board
from edge.images import encode_mask
from edge.records import Pixels, Points
from models_tflite.training.simulator.station import Camera, draw_held, look

TEXELS_PER_CM = 20.0
SIZE = (960, 720)
DISTORTION = np.array([-0.2, 0.05, 0.0005, -0.0004, 0.0])
PLACES = {"side": (6.0, 150.0, 62.0), "top": (4.0, -6.0, 175.0), "front": (150.0, 5.0, 70.0)}
AIMS = {"side": (2.0, 0.0, 45.0), "top": (2.0, 0.0, 50.0), "front": (0.0, 2.0, 45.0)}


def camera_at(view: str, place: tuple[float, ...] | None = None, size: tuple[int, int] = SIZE) -> Camera:
    up = np.array([0.0, 1.0, 0.0] if view == "top" else [0.0, 0.0, 1.0])
    ideal = look(size, 58, np.array(place or PLACES[view]), np.array(AIMS[view]), up, 1.5)
    ideal.camera_matrix[:2, 2] += np.array([5.0, -4.0]) * size[0] / 960
    return Camera(size, ideal.camera_matrix, ideal.world_from_cam, DISTORTION)


@dataclass
class Photographer:
    """One camera, one board, and how hard the sun shines (0 overcast, 1 shadows nearly black)."""

    camera: Camera
    board: Board = field(default_factory=Board)
    sun: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(self.seed)
        width, height = self.camera.size
        pixels = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1).reshape(-1, 1, 2)
        straight = cv2.undistortPoints(
            pixels.astype(float), self.camera.camera_matrix, self.camera.distortion
        ).reshape(-1, 2)
        self.rays = np.column_stack([straight, np.ones(len(straight))])
        self.sheet = (self.board.picture(TEXELS_PER_CM) > 127).astype(np.float32) * 0.7 + 0.04

    def photograph(self, world_from_board: Points) -> Pixels:
        """The board in one pose: (H, W)."""
        width, height = self.camera.size
        board_from_cam = np.linalg.inv(world_from_board) @ self.camera.world_from_cam
        place, ways = board_from_cam[:3, 3], self.rays @ board_from_cam[:3, :3].T
        on_board = (place + (-place[2] / ways[:, 2])[:, None] * ways)[:, :2]
        texels = (on_board + np.array([self.board.margin_x_cm, self.board.margin_y_cm])) * TEXELS_PER_CM - 0.5
        texels = texels.reshape(height, width, 2).astype(np.float32)
        # As wide as one pixel sees, so that nothing is stepped.
        away = np.linalg.norm(world_from_board[:3, 3] - self.camera.world_from_cam[:3, 3])
        seen = cv2.GaussianBlur(
            self.sheet, (0, 0), 0.45 * away / self.camera.camera_matrix[0, 0] * TEXELS_PER_CM
        )
        light = cv2.remap(seen, texels[..., 0], texels[..., 1], cv2.INTER_LINEAR, borderValue=0.15)
        light = light * self.shadows(on_board.reshape(height, width, 2))
        light = cv2.GaussianBlur(light, (0, 0), 0.6)
        brightened = 255 * np.clip(light, 0, 1) ** (1 / 2.2) + self.rng.normal(0, 2, light.shape)
        return np.clip(brightened, 0, 255).astype(np.uint8)

    def shadows(self, on_board: Points) -> np.ndarray:
        """Stripes of bars and beams across the board, some along its rows."""
        light = np.ones(on_board.shape[:2], np.float32)
        for _ in range(3 if self.sun else 0):
            turn = self.rng.choice([0, np.pi / 2]) + self.rng.normal(0, 0.25)
            across = (on_board - [19.6, 14.0]) @ [np.cos(turn), np.sin(turn)] - self.rng.uniform(-18, 18)
            edge = np.clip((self.rng.uniform(1, 6) - np.abs(across)) / 0.2, 0, 1)
            light *= 1 - self.sun * edge.astype(np.float32)
        return light

    def held(self, number: int) -> Pixels:
        return self.photograph(draw_held(self.rng, self.board.pattern_cm, self.camera, number))


def write(folder: Path, name: str, pictures: list[Pixels]) -> list[Path]:
    paths = []
    for number, picture in enumerate(pictures):
        paths.append(folder / f"{name}_{number:02d}.png")
        paths[-1].write_bytes(encode_mask(picture, (picture.shape[1], picture.shape[0])))
    return paths
