"""Makes the bundled sample captures: four goats of known size before the same three cameras, and the calibrations.

Beside each picture of a goat lies its true outline, <view>_mask.png: the golden captures of `goatdev models verify`.

calibration.json is what `goatdev calibrate camera` makes of rendered pictures of the board, which are not kept
(--boards DIR keeps them); scales.json is what `goatdev calibrate scale` makes of the pictures in calibration/. Their
sticks are 60 cm long: upright at the origin for side and front, lying on the floor along X for top.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.calibrating.board import Board
from edge.calibration import scale_from_stick, write_view
from edge.cli import main as goatdev
from models_tflite.training.simulator.barn import Light, plain_barn, stick
from models_tflite.training.simulator.boards import TEXELS_PER_CM, Site, shoot_view
from models_tflite.training.simulator.body import dress, pose_goat
from models_tflite.training.simulator.crate import Crate, thin_parts
from models_tflite.training.simulator.goat import Build, Coat, Stance
from models_tflite.training.simulator.mesh import Mesh, Vector, joined
from models_tflite.training.simulator.render import Animal, Look, Renderer, Scene
from models_tflite.training.simulator.station import VIEWS, Camera, look, standing
from models_tflite.training.simulator.truth import measure_truth

SIZE = (1600, 1200)
QUALITY = 84
# Twice as fine as the network sees; small enough to be bundled.
MASK_SIZE = (512, 384)
FINE_CELLS = 110
STICK_CM = 60.0
STICKS: dict[str, tuple[Vector, Vector]] = {
    "side": (np.zeros(3), np.array([0.0, 0.0, STICK_CM])),
    "top": (np.array([-STICK_CM / 2, 0.0, 0.0]), np.array([STICK_CM / 2, 0.0, 0.0])),
    "front": (np.zeros(3), np.array([0.0, 0.0, STICK_CM])),
}
SUN_FROM = np.array([0.25, 0.62, 0.74]) / np.linalg.norm([0.25, 0.62, 0.74])
LIGHT = Light(SUN_FROM, (1.5, 1.44, 1.32), (0.56, 0.58, 0.61), (0.27, 0.24, 0.2))
WHITE, BROWN, BLACK = (0.74, 0.70, 0.62), (0.25, 0.10, 0.04), (0.035, 0.028, 0.024)
LOOK = Look(exposure=0.72, contrast=1.08)
CRATE = Crate(
    length=160.0,
    width=58.0,
    height=108.0,
    near_glass=False,
    side_bars=(-4.0,),
    top_bars=(-48.0, 34.0),
    bar=2.2,
)


def cameras() -> dict[str, Camera]:
    """The three cameras of the sample station."""
    up, left = np.array([0.0, 0.0, 1.0]), np.array([0.0, 1.0, 0.0])
    return {
        "side": look(SIZE, 60, np.array([3.0, 168.0, 64.0]), np.array([3.0, 0.0, 46.0]), up),
        "top": look(SIZE, 60, np.array([3.0, -3.0, 206.0]), np.array([3.0, 0.0, 50.0]), left),
        "front": look(SIZE, 46, np.array([196.0, 2.0, 84.0]), np.array([0.0, 0.0, 47.0]), up),
    }


@dataclass(frozen=True, slots=True)
class Model:
    """One goat of the samples: what it is, how and where it stands; facing is seen in the side picture."""

    build: Build
    stance: Stance
    coat: Coat
    pose: Vector
    facing: str


def patched_doe() -> Model:
    build = Build(63.0, ears="lop", ear_length=0.24, horn_length=0.13, belly=0.46, barrel=0.40)
    stance = Stance(48, 8, -16, 34, 2, feet_x=(0.03, -0.05, -0.07, 0.05))
    coat = Coat(
        "patched", WHITE, BROWN, edge_noise=0.6, patch_size_cm=24, hair=0.8, patch_seed=3.0, hair_cm=0.9
    )
    return Model(build, stance, coat, standing(-6, 2, 3), "left")


def black_wether() -> Model:
    """Faces the far end of the crate: the front camera sees its rump."""
    build = Build(
        57.0, ears="level", ear_length=0.19, shoulder=0.30, barrel=0.35, waist=0.27, rump=0.30, beard=0.06
    )
    stance = Stance(52, -10, 12, 38, feet_x=(-0.04, 0.03, 0.04, -0.06), tail_up=True)
    coat = Coat(
        "tan_points", BLACK, (0.3, 0.17, 0.08), edge_noise=0.3, patch_size_cm=12, shine=0.25, hair=0.7
    )
    return Model(build, stance, coat, standing(6, -3, -5, facing_head_end=False), "right")


def tan_kid() -> Model:
    build = Build(
        44.0, length=0.9, ears="lop", ear_length=0.27, barrel=0.33, waist=0.26, belly=0.50, head=1.12
    )
    stance = Stance(56, 14, -20, 30, feet_x=(0.0, 0.05, -0.03, 0.06), tail_up=True)
    coat = Coat("solid", (0.36, 0.19, 0.09), WHITE, hair=0.8, hair_cm=0.4)
    return Model(build, stance, coat, standing(-4, 3, 6), "left")


def boer_buck() -> Model:
    trunk = {"shoulder": 0.37, "barrel": 0.44, "waist": 0.33, "rump": 0.355, "belly": 0.44}
    head = {"roman_nose": 1.0, "ear_length": 0.27, "horn_length": 0.24, "beard": 0.05}
    build = Build(76.0, length=1.04, neck_girth=1.3, bone=1.15, ears="lop", **trunk, **head)
    stance = Stance(42, 6, -10, 40, feet_x=(0.05, -0.03, -0.06, 0.04))
    coat = Coat("boer", WHITE, (0.24, 0.085, 0.032), edge_noise=0.6, patch_size_cm=14, hair=0.8, blaze=True)
    return Model(build, stance, coat, standing(-10, 0, -2), "left")


def sample_goats() -> dict[str, Model]:
    return {"goat_1": patched_doe(), "goat_2": black_wether(), "goat_3": tan_kid(), "goat_4": boer_buck()}


def capture(
    renderer: Renderer, crate: Mesh, animal: Animal | None, view: str
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """One clean picture with a little blur and grain, as a good camera takes it; and the true mask."""
    picture, mask = renderer.draw(Scene(LIGHT, LOOK, plain_barn(), crate, animal), cameras()[view])
    grain = np.random.default_rng(3).normal(0, 1.6, picture.shape)
    soft = cv2.GaussianBlur(picture, (0, 0), 0.7).astype(float)
    return np.asarray(np.clip(soft + grain, 0, 255), dtype=np.uint8), mask


def write_goats(renderer: Renderer, folder: Path) -> None:
    crate = thin_parts(CRATE)
    for name, model in sample_goats().items():
        posed = pose_goat(model.build, model.stance, FINE_CELLS)
        animal = Animal(dress(posed, model.coat), model.pose, model.coat, model.build.withers_cm)
        (folder / name).mkdir(parents=True, exist_ok=True)
        for view in VIEWS:
            picture, mask = capture(renderer, crate, animal, view)
            _write_picture(folder / name / f"{view}.jpg", picture)
            _write_mask(folder / name / f"{view}_mask.png", mask)
        traits = measure_truth(posed, model.coat.hair_cm).traits
        _write_json(folder / name / "truth.json", {"facing": model.facing, "traits_cm": traits})


def write_empty(renderer: Renderer, folder: Path) -> None:
    """The crate with nobody in it."""
    folder.mkdir(parents=True, exist_ok=True)
    for view in VIEWS:
        _write_picture(folder / f"{view}.jpg", capture(renderer, thin_parts(CRATE), None, view)[0])


def write_sticks(renderer: Renderer, folder: Path) -> None:
    """The empty crate with a stick of known length in each view, and where its ends are."""
    folder.mkdir(parents=True, exist_ok=True)
    views: dict[str, Any] = {}
    for view, camera in cameras().items():
        start, end = STICKS[view]
        shown = stick(start, end)
        crate = joined([thin_parts(CRATE), shown])
        _write_picture(folder / f"{view}.jpg", capture(renderer, crate, None, view)[0])
        from_px, to_px = camera.project(np.stack([start, end]))
        views[view] = {
            "from_px": [round(float(value), 2) for value in from_px],
            "to_px": [round(float(value), 2) for value in to_px],
            "length_cm": STICK_CM,
            "picture_size": list(camera.size),
            "camera_matrix": camera.camera_matrix.round(4).tolist(),
            "world_from_cam": camera.world_from_cam.round(8).tolist(),
        }
    _write_json(folder / "sticks.json", views)


def write_boards(folder: Path) -> None:
    """The board before each camera, held in different places and then lying in the view's reference pose."""
    renderer = Renderer(SIZE, sheet=Board().picture(TEXELS_PER_CM))
    looks = dict.fromkeys(VIEWS, LOOK)
    site = Site(cameras(), LIGHT, looks, plain_barn(), thin_parts(CRATE), None, None, "left")
    for number, view in enumerate(VIEWS):
        (folder / view).mkdir(parents=True, exist_ok=True)
        held, lying = shoot_view(renderer, np.random.default_rng([5, number]), Board(), site, view)
        for kind, pictures in (("frame", held), ("pose", lying)):
            for at, picture in enumerate(pictures):
                _write_picture(folder / view / f"{kind}_{at:02d}.jpg", picture)


def calibrate_cameras(boards: Path, into: Path) -> None:
    """As somebody at a station does it, view by view."""
    into.unlink(missing_ok=True)
    for view in VIEWS:
        frames, poses = (str(boards / view / f"{kind}_*.jpg") for kind in ("frame", "pose"))
        given = ["calibrate", "camera", view, "--frames", frames, "--pose", poses, "--into", str(into)]
        if goatdev(given) != 0:
            raise SystemExit(f"the {view} camera cannot be calibrated")


def calibrate_scales(sticks: Path, into: Path) -> None:
    """The plain scales that `goatdev calibrate scale` makes of the sticks; an upright stick stands on the floor."""
    into.unlink(missing_ok=True)
    for view, seen in json.loads(sticks.read_text()).items():
        start, end = tuple(seen["from_px"]), tuple(seen["to_px"])
        floor_y_px = None if view == "top" else start[1]
        scale = scale_from_stick(
            start, end, seen["length_cm"], tuple(seen["picture_size"]), floor_y_px=floor_y_px
        )
        write_view(into, view, scale)


def _write_picture(path: Path, picture: NDArray[np.uint8]) -> None:
    cv2.imwrite(str(path), picture, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])


def _write_mask(path: Path, mask: NDArray[np.uint8]) -> None:
    cv2.imwrite(str(path), cv2.resize(mask, MASK_SIZE, interpolation=cv2.INTER_NEAREST))


def _write_json(path: Path, document: dict[str, Any]) -> None:
    path.write_text(json.dumps(document, indent=1) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("edge/samples"))
    parser.add_argument("--boards", type=Path, help="keep the pictures of the board there")
    parser.add_argument("--calibrations", action="store_true", help="make the calibrations only")
    options = parser.parse_args()
    folder: Path = options.out
    if not options.calibrations:
        renderer = Renderer(SIZE)
        write_goats(renderer, folder / "captures")
        write_empty(renderer, folder / "empty")
        write_sticks(renderer, folder / "calibration")
    calibrate_scales(folder / "calibration" / "sticks.json", folder / "scales.json")
    with tempfile.TemporaryDirectory() as scratch:
        boards = options.boards or Path(scratch)
        write_boards(boards)
        calibrate_cameras(boards, folder / "calibration.json")


if __name__ == "__main__":
    main()
