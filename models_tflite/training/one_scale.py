"""What one scale for a view would be where a camera is known: the method that calibrated views are compared with."""

from __future__ import annotations

import numpy as np

from edge.calibration import PlainScale
from edge.camera import CameraModel

# Where a camera's scale is taken, world cm, and its one standard deviation as a fraction: lens and tilt over a goat.
STICKS_CM = {
    "side": ((0.0, 0.0, 0.0), (0.0, 0.0, 60.0)),
    "top": ((-30.0, 0.0, 0.0), (30.0, 0.0, 0.0)),
    "front": ((0.0, -20.0, 45.0), (0.0, 20.0, 45.0)),
}
CAMERA_SCALE_SIGMA = 0.02


def scale_in_the_middle(view: str, camera: CameraModel) -> PlainScale:
    """What a stick in the middle of the crate would give: upright on the floor, across (front), on the floor (top).

    It has a plain scale's doubts: what the camera knows of perspective is left unused.
    """
    ends_cm, length_cm = STICKS_CM[view], float(np.linalg.norm(np.diff(STICKS_CM[view], axis=0)))
    length_px = float(np.linalg.norm(np.diff(camera.project(np.array(ends_cm)), axis=0)))
    floor_y_px = float(camera.project(np.zeros((1, 3)))[0, 1]) if view == "side" else None
    return PlainScale(camera.picture_size, length_px / length_cm, CAMERA_SCALE_SIGMA, 0.0, floor_y_px)
