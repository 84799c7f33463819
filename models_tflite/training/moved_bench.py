"""How well a camera that was knocked is told from one that was not, on rendered stations whose truth is known.

    python -m models_tflite.training.moved_bench --stations 12 --out /tmp/moved

For each station and view: the picture with the board, from which the reference is taken; then pictures of other days,
with another goat, other light, people and things elsewhere and straw strewn anew, from the same camera and from one
that was turned or shifted. Renders the stations that DIR does not hold yet, compares, and prints how often camera_moved
is said: of cameras that stand still (false), and of moved ones by how many cm the crate's middle moved in the picture.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from edge.calibrating.board import Board
from edge.camera import CameraModel
from edge.images import read_gray
from edge.moved import CRATE_MIDDLE_CM, Moved, how_far_moved, landmarks_of
from edge.reference import Reference, reduced, reference_of
from models_tflite.training.simulator.barn import clutter, draw_bystanders, draw_light, draw_shades
from models_tflite.training.simulator.boards import (
    Site,
    bench_options,
    board_mesh,
    draw_site,
    photographed,
    render_missing,
)
from models_tflite.training.simulator.body import dress, pose_goat
from models_tflite.training.simulator.goat import draw_build, draw_coat, draw_stance
from models_tflite.training.simulator.mesh import Material, Mesh, box, joined
from models_tflite.training.simulator.photo import draw_look
from models_tflite.training.simulator.render import Animal, Renderer, Scene
from models_tflite.training.simulator.station import VIEWS, Camera, draw_standing

Rng = np.random.Generator
SIZE = (960, 720)
# Pictures of a camera that stood still, for each view of a station, and how far those of a moved one are moved, cm.
STILL = 8
MOVES_CM = (0.5, 1.0, 1.0, 1.5, 2.0, 3.0, 5.0, 8.0)
STRAWS = 150
QUALITY = 88


@dataclass(frozen=True, slots=True)
class Trial:
    """One later picture: how far the camera was moved and how, and what was said of it."""

    view: str
    how: str
    cm: float
    found: Moved | None
    ms: float


def later_scene(rng: Rng, site: Site) -> Scene:
    """Another day at the same station: everything that is not bolted down is elsewhere or otherwise."""
    hands = -1 if site.side_camera_on == "right" else 1
    light = draw_light(rng, hands)
    build = draw_build(rng)
    pose, _ = draw_standing(rng)
    coat = draw_coat(rng)
    goat = Animal(dress(pose_goat(build, draw_stance(rng)), coat), pose, coat, build.withers_cm)
    half_length, half_width = 75.0, 28.0
    around = [straw(rng) for _ in range(STRAWS)]
    around += [clutter(rng, rng.uniform([-70, -25, 0], [70, 25, 1])) for _ in range(rng.integers(0, 2))]
    return Scene(
        light,
        draw_look(rng, light),
        joined([site.barn, *chain(*draw_bystanders(rng, half_length, half_width, hands))]),
        joined([site.crate, *around]),
        goat,
        glass=site.clear,
        shades=draw_shades(rng, light),
    )


def straw(rng: Rng) -> Mesh:
    """One straw or leaf on the floor, in the crate or around it."""
    shade = rng.uniform(0.6, 1.5)
    bit = box((-rng.uniform(2, 12), -0.3, 0.0), (rng.uniform(2, 12), 0.3, 0.5)).painted(
        (0.3 * shade, 0.2 * shade, 0.08 * shade), Material.PLAIN
    )
    pose, angle = np.eye(4), rng.uniform(0, 2 * np.pi)
    pose[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    pose[:3, 3] = *rng.uniform([-140, -110], [140, 110]), rng.uniform(0, 1)
    return bit.moved(pose)


def knocked(rng: Rng, camera: Camera, cm: float, how: str) -> Camera:
    """The camera turned or shifted so far that the crate's middle moves by so many cm in its picture."""
    pose = camera.world_from_cam.copy()
    middle = camera.in_camera(CRATE_MIDDLE_CM)[0]
    angle = rng.uniform(0, 2 * np.pi)
    across = np.array([np.cos(angle), np.sin(angle), 0.0])
    if how == "shifted":
        pose[:3, 3] += pose[:3, :3] @ (cm * across)
    else:
        axis = across + np.array([0, 0, rng.normal(0, 0.3)])
        axis /= np.linalg.norm(axis)
        turn, _ = cv2.Rodrigues(cm / float(np.linalg.norm(np.cross(axis, middle))) * axis)
        pose[:3, :3] = pose[:3, :3] @ turn
    return replace(camera, world_from_cam=pose)


def write_station(renderer: Renderer, seed: int, folder: Path) -> None:
    rng, board = np.random.default_rng([seed, 311]), Board()
    site = draw_site(rng, renderer.size)
    truth: dict[str, Any] = {"side_camera_on": site.side_camera_on, "views": {}}
    for view in VIEWS:
        (folder / view).mkdir(parents=True, exist_ok=True)
        camera = site.cameras[view]
        lying = board_mesh(board, board.world_from_board(view, site.side_camera_on))
        picture = renderer.shoot(site.scene(lying, inside=True), [camera], [site.looks[view]])[0].picture
        write(folder / view / "reference.jpg", photographed(rng, picture, held=False))
        truth["views"][view] = {"camera": camera_document(camera), "later": []}
    plans = [("still", 0.0)] * STILL + [(("turned", "shifted")[n % 2], cm) for n, cm in enumerate(MOVES_CM)]
    for number, (how, cm) in enumerate(plans):
        scene = later_scene(rng, site)
        cameras = [knocked(rng, site.cameras[view], cm, how) if cm else site.cameras[view] for view in VIEWS]
        looks = [draw_look(rng, scene.light, scene.look) for _ in VIEWS]
        for view, shot in zip(VIEWS, renderer.shoot(scene, cameras, looks), strict=True):
            name = f"later_{number:02d}"
            write(folder / view / f"{name}.jpg", photographed(rng, shot.picture, held=False))
            cv2.imwrite(str(folder / view / f"{name}_mask.png"), shot.mask)
            truth["views"][view]["later"].append({"name": name, "how": how, "cm": cm})
        renderer.forget_goats()
    (folder / "truth.json").write_text(json.dumps(truth, indent=1) + "\n")


def write(path: Path, picture: Any) -> None:
    cv2.imwrite(str(path), picture, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])


def camera_document(camera: Camera) -> dict[str, Any]:
    return {
        "picture_size": list(camera.size),
        "camera_matrix": camera.camera_matrix.tolist(),
        "distortion": camera.distortion.tolist(),
        "world_from_cam": camera.world_from_cam.tolist(),
    }


def trials(folder: Path) -> Iterator[Trial]:
    """All later pictures of a station, compared with the reference picture of their view."""
    truth, board = json.loads((folder / "truth.json").read_text()), Board()
    for view, known in truth["views"].items():
        camera, files = true_camera(known["camera"]), folder / view
        gray = read_gray(files / "reference.jpg")
        reference = reference_of(gray, camera, board, view, truth["side_camera_on"])
        # As a calibration file gives it back.
        reference = Reference.from_document(reference.as_document())
        landmarks_of(reference)
        for one in known["later"]:
            now = read_gray(files / f"{one['name']}.jpg")
            mask = read_gray(files / f"{one['name']}_mask.png")
            small, started = reduced(now), time.process_time()
            found = how_far_moved(reference, camera, small, mask)
            yield Trial(view, one["how"], one["cm"], found, 1000 * (time.process_time() - started))


def true_camera(document: dict[str, Any]) -> CameraModel:
    width, height = document["picture_size"]
    return CameraModel(
        picture_size=(width, height),
        camera_matrix=np.array(document["camera_matrix"]),
        distortion=np.array(document["distortion"]),
        world_from_cam=np.array(document["world_from_cam"]),
        covariance=np.zeros((15, 15)),
        reprojection_rms_px=0.0,
        coverage=1.0,
        frames_used=0,
        frames_left_out=0,
        pose_frames=1,
        date="",
    )


def report(found: list[Trial]) -> str:
    still = [one for one in found if one.how == "still"]
    lines = [f"{'':20} pictures  said moved  cannot tell  off by (median, 95 %), cm"]
    groups = {
        "still": still,
        **{f"still, {view}": [one for one in still if one.view == view] for view in VIEWS},
    }
    for how in ("turned", "shifted"):
        for cm in sorted({one.cm for one in found if one.how == how}):
            groups[f"{how} by {cm:g} cm"] = [one for one in found if (one.how, one.cm) == (how, cm)]
    for view in VIEWS:
        groups[f"moved >= 1 cm, {view}"] = [one for one in found if one.view == view and one.cm >= 1]
    groups["moved >= 1 cm"] = [one for one in found if one.cm >= 1]
    lines += [line(name, group) for name, group in groups.items() if group]
    ms = [one.ms for one in found]
    return "\n".join([*lines, f"{np.median(ms):.1f} ms a picture (95 %: {np.percentile(ms, 95):.1f})"])


def line(name: str, group: list[Trial]) -> str:
    told = [one.found for one in group if one.found]
    said, silent = sum(one.is_moved for one in told), len(group) - len(told)
    off = [abs(one.found.cm - one.cm) for one in group if one.found] or [float("nan")]
    return (
        f"{name:20} {len(group):8}  {100 * said / len(group):8.1f} %  {100 * silent / len(group):9.1f} %  "
        f"{np.median(off):.2f}, {np.percentile(off, 95):.2f}"
    )


def main() -> None:
    options = bench_options(__doc__, stations=12, size=SIZE).parse_args()
    cv2.setNumThreads(1)
    seeds = range(options.first, options.first + options.stations)
    render_missing(options.out, seeds, options.size, write_station)
    print(report([trial for seed in seeds for trial in trials(options.out / str(seed))]))


if __name__ == "__main__":
    main()
