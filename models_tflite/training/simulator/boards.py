"""Renders what somebody who calibrates a station would photograph: the board in hand, then lying in its place.

    python -m models_tflite.training.simulator.boards --out DIR

For each view DIR/<view>/frame_*.jpg and pose_*.jpg; DIR/truth.json holds the cameras. Light is hard: mostly sun through
bars and beams, whose shadows lie across the board.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.calibrating.board import Board
from models_tflite.training.simulator.barn import Light, draw_barn, draw_light, draw_shades
from models_tflite.training.simulator.crate import Crate, draw_crate, glass, thin_parts
from models_tflite.training.simulator.mesh import Material, Mesh, Vector, bare, box, joined
from models_tflite.training.simulator.photo import draw_look
from models_tflite.training.simulator.render import Look, Renderer, Scene
from models_tflite.training.simulator.setup import Setup
from models_tflite.training.simulator.station import VIEWS, Camera, draw_cameras, draw_held

Rng = np.random.Generator
Picture = NDArray[np.uint8]
SIZE = (1600, 1200)
FRAMES, POSE_FRAMES = 12, 3
TEXELS_PER_CM = 20.0
HARD_LIGHT = 0.8
# Of an overcast sky, in which nothing throws a shadow that a board would show.
SOFT_SUN = 0.35
QUALITY = 92


@dataclass(frozen=True, slots=True)
class Site:
    """A station without a goat, ready to be calibrated.

    side_camera_on  "left" or "right" of the animal
    """

    cameras: dict[str, Camera]
    light: Light
    looks: dict[str, Look]
    barn: Mesh
    crate: Mesh
    clear: Mesh | None
    shades: Mesh | None
    side_camera_on: str

    def scene(self, board: Mesh, inside: bool) -> Scene:
        """The board in the crate, or held before a camera with the crate out of the way."""
        thin = joined([self.crate, board]) if inside else board
        look = next(iter(self.looks.values()))
        clear = self.clear if inside else None
        return Scene(self.light, look, self.barn, thin, glass=clear, shades=self.shades)


def draw_site(
    rng: Rng,
    size: tuple[int, int],
    side_camera_on: str | None = None,
    setup: Setup | None = None,
    easy: bool = False,
) -> Site:
    """A station by lot, mostly in hard light; with its own crate and cameras unless a setup is given.

    easy  as refused pictures are taken again: in even light, and with the gates open and the bars out of the way
    """
    right = rng.random() < 0.3 if side_camera_on is None else side_camera_on == "right"
    hands = setup.crate.hands if setup else -1 if right else 1
    light = draw_light(rng, hands)
    hard = rng.random() < HARD_LIGHT and not easy
    while hard and max(light.sun) < 0.8:
        light = draw_light(rng, hands)
    while easy and (light.dim or max(light.sun) > SOFT_SUN):
        light = draw_light(rng, hands)
    setup = setup or draw_empty(rng, size, hands)
    crate, cameras = setup.crate, setup.cameras
    look = draw_look(rng, light)
    return Site(
        cameras,
        light,
        {view: draw_look(rng, light, look) for view in cameras},
        draw_barn(rng, float(cameras["side"].world_from_cam[1, 3])),
        thin_parts(opened(crate) if easy else crate),
        None if easy else glass(crate),
        draw_shades(rng, light),
        setup.side_camera_on,
    )


def opened(crate: Crate) -> Crate:
    """A crate without what stands between a board in it and the cameras."""
    return replace(crate, side_bars=(), side_rails=(), front_bars=(), top_bars=())


def draw_empty(rng: Rng, size: tuple[int, int], hands: int) -> Setup:
    """A crate that nothing covers, and its cameras, for goats of a height by lot."""
    goat_height_cm = float(rng.uniform(50, 80))
    crate = draw_crate(rng, goat_height_cm, (0.75 * goat_height_cm, 20.0, 1.2 * goat_height_cm), hands)
    crate_cm = np.array([crate.length, crate.width, crate.height])
    cameras = draw_cameras(rng, size, goat_height_cm, crate_cm, hands)
    return Setup(replace(crate, wide_over_top=None, beam_x=None), cameras)


def board_mesh(board: Board, world_from_board: Vector) -> Mesh:
    """The panel with its sheet; the sheet's colour says where on the texture each corner is."""
    (width, height), (x, y) = board.sheet_cm, (board.margin_x_cm, board.margin_y_cm)
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]])
    places = np.column_stack([corners - [x, y], np.zeros(4)])
    sheet = bare(places, np.tile([0.0, 0.0, -1.0], (4, 1)), np.array([[0, 1, 2], [0, 2, 3]]))
    colours = np.column_stack([corners / [width, height], np.zeros(4), np.ones(4)]).astype(np.float32)
    sheet = replace(sheet, colours=colours, material=np.full(4, Material.BOARD, dtype=np.float32))
    panel = box((-x, -y, 0.03), (width - x, height - y, max(board.panel_cm, 0.1)))
    return joined([sheet, panel.painted((0.3, 0.22, 0.14), Material.PLAIN)]).moved(world_from_board)


def photographed(rng: Rng, picture: Picture, held: bool) -> Picture:
    """Lens blur, now and then the shake of a hand, grain."""
    scale = picture.shape[1] / 1600
    # Light blurs before the camera brightens it.
    light = (np.arange(256, dtype=np.float32) / 255) ** 2.2
    result = cv2.GaussianBlur(light[picture], (0, 0), float(rng.uniform(0.5, 1.1)) * scale)
    if held and rng.random() < 0.25:
        steps, way = max(2, round(rng.uniform(2, 8) * scale)), rng.uniform(0, 2 * np.pi)
        kernel = np.zeros((2 * steps + 1, 2 * steps + 1), np.float32)
        for step in np.linspace(-0.5, 0.5, 4 * steps) * steps:
            kernel[round(steps + step * np.sin(way)), round(steps + step * np.cos(way))] += 1
        result = np.asarray(cv2.filter2D(result, -1, kernel / kernel.sum()), dtype=np.float32)
    result = 255 * result ** (1 / 2.2)
    result += float(rng.uniform(1, 5)) * rng.standard_normal(picture.shape, dtype=np.float32)
    return np.asarray(np.clip(result, 0, 255), dtype=np.uint8)


def shoot_view(
    renderer: Renderer, rng: Rng, board: Board, site: Site, view: str, frames: int = FRAMES
) -> tuple[list[Picture], list[Picture]]:
    """The frames with the board in hand, and those with it lying in the view's reference pose."""
    camera, look = site.cameras[view], site.looks[view]
    held = []
    for number in range(frames):
        mesh = board_mesh(board, draw_held(rng, board.pattern_cm, camera, number))
        shot = renderer.shoot(site.scene(mesh, inside=False), [camera], [look])[0]
        held.append(photographed(rng, shot.picture, held=True))
    lying = board_mesh(board, board.world_from_board(view, site.side_camera_on))
    picture = renderer.shoot(site.scene(lying, inside=True), [camera], [look])[0].picture
    return held, [photographed(rng, picture, held=False) for _ in range(POSE_FRAMES)]


def write_site(
    renderer: Renderer,
    seed: int,
    folder: Path,
    views: tuple[str, ...] = VIEWS,
    quality: int = QUALITY,
    setup: Setup | None = None,
    frames: int = FRAMES,
    again: int = 0,
) -> None:
    """One station's pictures and their truth.

    again  how many times these views' pictures were taken and refused before: now they are taken with more care, maybe
           larger. Give a setup with it, so that the cameras stay; what truth.json says of them stays, too.
    """
    rng, board = np.random.default_rng([seed, 77, again] if again else [seed, 77]), Board()
    site = draw_site(rng, renderer.size, setup=setup, easy=again > 0)
    truth: dict[str, Any] = {"seed": seed, "side_camera_on": site.side_camera_on, "views": {}}
    if again:
        truth = json.loads((folder / "truth.json").read_text())
    for view in views:
        (folder / view).mkdir(parents=True, exist_ok=True)
        held, lying = shoot_view(renderer, rng, board, site, view, frames)
        for name, pictures in (("frame", held), ("pose", lying)):
            for number, picture in enumerate(pictures):
                path = folder / view / f"{name}_{number:02d}.jpg"
                cv2.imwrite(str(path), picture, [cv2.IMWRITE_JPEG_QUALITY, quality])
        if not again:
            truth["views"][view] = camera_entry(site.cameras[view])
        truth["views"][view]["again"] = again
    (folder / "truth.json").write_text(json.dumps(truth, indent=1) + "\n")


def camera_entry(camera: Camera) -> dict[str, Any]:
    return {
        "size": list(camera.size),
        "camera_matrix": camera.camera_matrix.round(6).tolist(),
        "distortion": camera.distortion.round(6).tolist(),
        "world_from_cam": camera.world_from_cam.round(8).tolist(),
    }


def bench_options(
    description: str | None, stations: int, size: tuple[int, int] = SIZE
) -> argparse.ArgumentParser:
    """What every bench on rendered boards is told: which stations, where, how large."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--stations", type=int, default=stations, metavar="N")
    parser.add_argument("--first", type=int, default=0, metavar="SEED")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="where the pictures are, or will be"
    )
    parser.add_argument("--size", type=size_of, default=size, metavar="WxH")
    return parser


def render_missing(
    folder: Path, seeds: range, size: tuple[int, int], write: Callable[[Renderer, int, Path], None]
) -> None:
    """The stations that a folder does not hold whole."""
    missing = [seed for seed in seeds if not (folder / str(seed) / "truth.json").exists()]
    if missing:
        renderer = Renderer(size, sheet=Board().picture(TEXELS_PER_CM))
        for seed in missing:
            write(renderer, seed, folder / str(seed))


def size_of(text: str) -> tuple[int, int]:
    width, height = (int(side) for side in text.split("x"))
    return width, height


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--size", type=size_of, default=SIZE, metavar="WxH")
    options = parser.parse_args()
    renderer = Renderer(options.size, sheet=Board().picture(TEXELS_PER_CM))
    write_site(renderer, options.seed, options.out)


if __name__ == "__main__":
    main()
