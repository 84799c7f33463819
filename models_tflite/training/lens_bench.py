"""x"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from edge.board import Board
from models_tflite.training.moved_bench import camera_document, later_scene, write
from models_tflite.training.simulator.boards import (
    bench_options,
    board_mesh,
    draw_site,
    photographed,
    render_missing,
)
from models_tflite.training.simulator.photo import draw_look
from models_tflite.training.simulator.render import Renderer
from models_tflite.training.simulator.station import VIEWS

SIZE = (640, 480)
CAPTURES, SESSION = 36, 4


def write_station(renderer: Renderer, seed: int, folder: Path) -> None:
    rng, board = np.random.default_rng([seed, 313]), Board()
    site = draw_site(rng, renderer.size)
    truth: dict[str, Any] = {"side_camera_on": site.side_camera_on, "cameras": {}, "dim": []}
    for view in VIEWS:
        (folder / view).mkdir(parents=True, exist_ok=True)
        camera = site.cameras[view]
        lying = board_mesh(board, board.world_from_board(view, site.side_camera_on))
        picture = renderer.shoot(site.scene(lying, inside=True), [camera], [site.looks[view]])[0].picture
        write(folder / view / "reference.jpg", photographed(rng, picture, held=False))
        truth["cameras"][view] = camera_document(camera)
    day = later_scene(rng, site)
    for number in range(CAPTURES):
        scene = later_scene(rng, site)
        day = scene if number % SESSION == 0 else day
        # Light and shade stay for a while; goats, people and straw do not.
        scene = replace(scene, light=day.light, look=day.look, shades=day.shades)
        looks = [draw_look(rng, scene.light, scene.look) for _ in VIEWS]
        shots = renderer.shoot(scene, [site.cameras[view] for view in VIEWS], looks)
        for view, shot in zip(VIEWS, shots, strict=True):
            write(folder / view / f"{number:02d}.jpg", shot.picture)
            cv2.imwrite(str(folder / view / f"{number:02d}_mask.png"), shot.mask)
        truth["dim"].append(scene.light.dim)
        renderer.forget_goats()
        sys.stderr.write(f"\rstation {seed}, capture {number + 1} of {CAPTURES} ")
        sys.stderr.flush()
    (folder / "truth.json").write_text(json.dumps(truth, indent=1) + "\n")


def main() -> None:
    options = bench_options(__doc__, stations=12, size=SIZE).parse_args()
    cv2.setNumThreads(1)
    seeds = range(options.first, options.first + options.stations)
    render_missing(options.out, seeds, options.size, write_station)


if __name__ == "__main__":
    main()
