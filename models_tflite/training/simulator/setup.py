"""Crate and cameras as they are set up once: what stays as it is from goat to goat."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from models_tflite.training.simulator.crate import Crate, draw_crate
from models_tflite.training.simulator.mesh import Vector
from models_tflite.training.simulator.station import Camera, draw_cameras

Rng = np.random.Generator
# What a setup for goats up to a height must see whole and hold, as shares of that height: greatest |X|, |Y| and Z.
ROOM = np.array([0.78, 0.22, 1.22])
# Each try mounts the cameras for a goat that is larger by so much, so that one of the first few sees all of it.
LARGER = 1.02
# How clear of a picture's border a goat stays, as a share of the picture's width.
CLEAR = 0.003125


@dataclass(frozen=True, slots=True)
class Setup:
    """A crate, and one camera for each view."""

    crate: Crate
    cameras: dict[str, Camera]

    @property
    def side_camera_on(self) -> str:
        """ "left" or "right" of the animal."""
        return "left" if self.crate.hands > 0 else "right"

    def sees(self, points: Vector) -> bool:
        """Whether every camera has all these points of the world in its picture: (N, 3) cm."""
        return all(in_picture(camera, points) for camera in self.cameras.values())

    def holds(self, points: Vector) -> bool:
        """Whether these points are within the crate: (N, 3) cm."""
        size = np.array([self.crate.length / 2, self.crate.width / 2, self.crate.height])
        return bool(np.all(np.abs(points).max(axis=0) < size))


def in_picture(camera: Camera, points: Vector) -> bool:
    """Whether points are before the camera and clear of its picture's border."""
    pixels, border_px = camera.project(points), CLEAR * camera.size[0]
    inside = (pixels > border_px) & (pixels < np.array(camera.size) - 1 - border_px)
    return bool(np.all(inside) and np.all(camera.in_camera(points)[:, 2] > 0))


def draw_setup(rng: Rng, size: tuple[int, int]) -> Setup:
    """A setup by lot for a herd: nothing wide hides a goat, and goats up to a tall one are seen whole."""
    tall_cm = float(rng.uniform(74, 86))
    reach = ROOM * tall_cm
    hands = 1 if rng.random() < 0.7 else -1
    crate = draw_crate(rng, tall_cm, (float(reach[0]), float(reach[1]), float(reach[2])), hands)
    crate = replace(crate, wide_over_top=None, beam_x=None)
    crate_cm = np.array([crate.length, crate.width, crate.height])
    goat, mounted_for_cm = tall_goat(reach), tall_cm
    while True:
        setup = Setup(crate, draw_cameras(rng, size, mounted_for_cm, crate_cm, hands))
        if setup.sees(goat):
            return setup
        mounted_for_cm *= LARGER


def tall_goat(reach: Vector) -> Vector:
    """Corners of the box that a goat fills which reaches so far: (N, 3) cm."""
    corners = np.stack(np.meshgrid([-1, 1], [-1, 1], [0, 1]), axis=-1).reshape(-1, 3)
    return np.asarray(corners * reach)
