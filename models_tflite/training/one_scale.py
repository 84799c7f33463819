"""What calibrated views are compared with: one scale for a view, and heights as they were read from outlines alone."""

from __future__ import annotations

import numpy as np

from edge.calibration import PlainScale
from edge.camera import CameraModel
from edge.measuring.geometry import back_line
from edge.records import Label, Pixels

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


# Between rump and neck: where the lowest point of the back was looked for, as shares of the body from its rear end; and
# the part in which the highest one was taken for the rump.
BACK, REAR = (0.2, 0.85), (0.0, 0.35)


def heights_px(mask: Pixels, facing: str | None) -> dict[str, float]:
    """Heights of a side view's outline as the system before this one read them: from the lowest pixel up.

    The head ends at its highest pixel, horns and ears counted; the withers are the lowest point of the back.
    """
    goat = np.flatnonzero((mask > 0).any(axis=1))
    head = np.flatnonzero((mask == Label.HEAD).any(axis=1))
    back = back_line(mask)
    columns = np.flatnonzero(np.isfinite(back))
    found = {}
    if len(head):
        found["head_height_cm"] = float(goat[-1] - head[0] + 1)
    if facing is not None and len(columns) > 2:
        line = back[columns] if facing == "right" else back[columns][::-1]
        rear, middle = (line[int(a * len(line)) : int(b * len(line)) + 1] for a, b in (REAR, BACK))
        found |= {
            "withers_height_cm": goat[-1] + 0.5 - middle.max(),
            "rump_height_cm": goat[-1] + 0.5 - rear.min(),
        }
    return {trait: float(height) for trait, height in found.items()}
