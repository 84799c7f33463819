"""How well stations are calibrated from rendered pictures of the board in hard light, against the truth.

    python -m models_tflite.training.calibration_bench --stations 5 --out /tmp/boards

Renders the stations that DIR does not hold yet, calibrates each view as `goatdev calibrate camera` does, and prints how
far position and direction are off, whether that is within the stated doubt, and how far off sticks of 10 to 80 cm are
that are read back anywhere in the crate, in three ways: both ends by where the rays of two views pass each other;
both ends in a known plane (side: the upright plane through the stick; top: its height; front: its X), in one view.
Stick ends are clicked exactly, so that only the calibration is off.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from edge.calibrating.board import Board
from edge.calibrating.calibrate import calibrate_camera
from edge.camera import CameraModel
from edge.errors import CalibrationRefused
from models_tflite.training.simulator.boards import bench_options, render_missing, write_site
from models_tflite.training.simulator.mesh import Vector
from models_tflite.training.simulator.station import VIEWS

Rng = np.random.Generator
# Where sticks are: in a crate, from the floor to above a tall goat.
LOW_CM, HIGH_CM = np.array([-50.0, -22.0, 0.0]), np.array([50.0, 22.0, 95.0])
STICKS = 200
# In which of X, Y and Z a view has its known plane.
PLANE_AXIS = {"side": 1, "top": 2, "front": 0}


@dataclass(frozen=True, slots=True)
class Judged:
    """One calibrated view against the truth; `refused` says why there is none."""

    station: str
    view: str
    camera: CameraModel | None
    truth: CameraModel | None
    refused: str = ""

    def errors(self) -> tuple[float, float]:
        """How far off the position is, cm, and the direction, degrees."""
        assert self.camera and self.truth
        place, turn = self.camera.placement(self.truth.parameters())
        return float(np.linalg.norm(place - self.camera.position_cm)), math.degrees(
            float(np.linalg.norm(turn))
        )


def judged(folder: Path) -> list[Judged]:
    truth = json.loads((folder / "truth.json").read_text())
    found = []
    for view, real in truth["views"].items():
        frames, poses = (sorted((folder / view).glob(f"{kind}_*.jpg")) for kind in ("frame", "pose"))
        try:
            camera = calibrate_camera(view, frames, poses, Board(), truth["side_camera_on"])
        except CalibrationRefused as error:
            found.append(Judged(folder.name, view, None, None, str(error)))
            continue
        found.append(Judged(folder.name, view, camera, true_camera(camera, real)))
    return found


def true_camera(camera: CameraModel, real: Mapping[str, Any]) -> CameraModel:
    matrix, distortion, pose = (
        np.array(real[key]) for key in ("camera_matrix", "distortion", "world_from_cam")
    )
    return replace(camera, camera_matrix=matrix, distortion=distortion, world_from_cam=pose)


def draw_sticks(rng: Rng, count: int = STICKS) -> Iterator[tuple[Vector, Vector]]:
    """Both ends of sticks of 10 to 80 cm anywhere in the crate."""
    while count:
        start, way = rng.uniform(LOW_CM, HIGH_CM), rng.normal(size=3)
        end = start + rng.uniform(10, 80) * way / np.linalg.norm(way)
        if np.all((end >= LOW_CM) & (end <= HIGH_CM)):
            count -= 1
            yield start, end


def sees(camera: CameraModel, points: Vector) -> bool:
    """Whether all points are before the camera and in its picture."""
    depth = (points - camera.position_cm) @ camera.world_from_cam[:3, 2]
    pixels = camera.project(points)
    return bool(
        np.all(depth > 10) and np.all(pixels > 0) and np.all(pixels < np.array(camera.picture_size) - 1)
    )


def crossing(one: CameraModel, one_px: Vector, other: CameraModel, other_px: Vector) -> Vector:
    """Where the rays of two cameras pass each other most closely: (N, 3) cm."""
    (a, ways_a), (b, ways_b) = one.rays(one_px), other.rays(other_px)
    found = []
    for p, q in zip(ways_a, ways_b, strict=True):
        along = np.linalg.lstsq(np.column_stack([p, -q]), b - a, rcond=None)[0]
        found.append((a + along[0] * p + b + along[1] * q) / 2)
    return np.array(found)


def on_plane(camera: CameraModel, pixels: Vector, axis: int, at: Vector) -> Vector:
    """Where rays meet planes of a known coordinate, one for each pixel: (N, 3) cm."""
    place, ways = camera.rays(pixels)
    return np.asarray(place + ((at - place[axis]) / ways[:, axis])[:, None] * ways)


def stick_errors(rng: Rng, views: Mapping[str, Judged]) -> dict[str, list[float]]:
    """How far off sticks are read back, cm, for each way of reading them."""
    errors: dict[str, list[float]] = {}
    pairs = [(one, other) for one in views for other in views if VIEWS.index(one) < VIEWS.index(other)]
    for ends in draw_sticks(rng):
        points = np.stack(ends)
        length = float(np.linalg.norm(points[1] - points[0]))
        seen = {}
        for view, one in views.items():
            assert one.truth
            if sees(one.truth, points):
                seen[view] = one.truth.project(points)
        read: dict[str, Vector] = {}
        for view, pixels in seen.items():
            camera, axis = views[view].camera, PLANE_AXIS[view]
            assert camera
            read[f"{view}, known plane"] = on_plane(camera, pixels, axis, points[:, axis])
        for one_view, other_view in pairs:
            if one_view in seen and other_view in seen:
                a, b = views[one_view].camera, views[other_view].camera
                assert a and b
                read[f"{one_view} + {other_view}"] = crossing(a, seen[one_view], b, seen[other_view])
        for name, (start, end) in read.items():
            errors.setdefault(name, []).append(abs(float(np.linalg.norm(end - start)) - length))
    return errors


def main() -> None:
    options = bench_options(__doc__, stations=5).parse_args()
    cv2.setNumThreads(1)
    seeds = range(options.first, options.first + options.stations)
    render_missing(options.out, seeds, options.size, write_site)
    cameras, sticks = list[Judged](), dict[str, list[float]]()
    for seed in seeds:
        mine = judged(options.out / str(seed))
        for one in mine:
            print(line(one), flush=True)
        cameras += mine
        made = {one.view: one for one in mine if one.camera}
        for name, errors in stick_errors(np.random.default_rng([seed, 5]), made).items():
            sticks.setdefault(name, []).extend(errors)
    summary(cameras, sticks)


def line(one: Judged) -> str:
    if not one.camera:
        return f"{one.station} {one.view:5}  refused: {one.refused}"
    place, turn = one.errors()
    camera = one.camera
    return (
        f"{one.station} {one.view:5}  position {place:.2f} cm (± {camera.position_u95_cm:.2f})  "
        f"direction {turn:.3f} deg (± {camera.direction_u95_deg:.3f})  "
        f"reprojection {camera.reprojection_rms_px:.2f} px  coverage {camera.coverage:.2f}"
    )


def summary(cameras: list[Judged], sticks: Mapping[str, list[float]]) -> None:
    made = [one for one in cameras if one.camera]
    if not made:
        return
    errors = np.array([one.errors() for one in made])
    stated = np.array(
        [(one.camera.position_u95_cm, one.camera.direction_u95_deg) for one in made if one.camera]
    )
    inside = np.mean(errors <= stated, axis=0)
    half, most = np.median(errors, axis=0), errors.max(axis=0)
    print(f"\n{len(made)} cameras, {len(cameras) - len(made)} refused")
    for column, (name, unit) in enumerate((("position", "cm"), ("direction", "deg"))):
        print(
            f"  {name:9}  median {half[column]:.2f} {unit}, worst {most[column]:.2f} {unit}, "
            f"within the stated ± in {100 * inside[column]:.0f} %"
        )
    print("sticks of 10 to 80 cm, error of the length in cm: median, 95 %, worst, how many")
    for name, values in sorted(sticks.items()):
        print(
            f"  {name:20} {np.median(values):.3f}  {np.percentile(values, 95):.3f}  {max(values):.3f}  {len(values)}"
        )


if __name__ == "__main__":
    main()
