"""Renders one station as it is lived with: the board for its calibration, then one goat after the other in its crate.

The folder of a station holds what `boards` writes, and goats/ as `simulate` writes it. Crate and cameras stay; light
and who stands where change from picture to picture. All goats are alone, and seen whole by all three cameras.
Run again, it goes on where it stopped; more goats may be asked for later.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from models_tflite.training.simulator.boards import write_site
from models_tflite.training.simulator.body import pose_goat
from models_tflite.training.simulator.goat import draw_build, draw_stance
from models_tflite.training.simulator.render import Renderer
from models_tflite.training.simulator.setup import Setup, draw_setup
from models_tflite.training.simulator.simulate import (
    Sample,
    finished_goats,
    make_folders,
    shoot,
    write_sample,
)
from models_tflite.training.simulator.stage import Station, draw_station, placed
from models_tflite.training.simulator.station import VIEWS, standing

QUALITY = 90
# What a seed is drawn for: the numbers keep the draws of one station apart.
SETUP, GOAT = 76, 78
# A setup shows nearly every goat whole; where it does not, the lot is drawn again.
MOST_DRAWS = 200


def setup_of(seed: int, size: tuple[int, int]) -> Setup:
    """The crate and cameras of a station."""
    return draw_setup(np.random.default_rng([seed, SETUP]), size)


def has_board(folder: Path) -> bool:
    """Whether the station's pictures of the board are all there: its truth is written last."""
    return (folder / "truth.json").exists()


def goats_of(folder: Path) -> Path:
    return folder / "goats"


def write_board(
    renderer: Renderer, seed: int, folder: Path, frames: int, views: tuple[str, ...] = VIEWS, again: int = 0
) -> None:
    """The pictures of the board for some cameras; those taken `again` take the place of the ones before."""
    setup = setup_of(seed, renderer.size)
    write_site(renderer, seed, folder, views, setup=setup, frames=frames, again=again)


def missing_goats(folder: Path, count: int) -> list[int]:
    """Which of the first `count` goats a station does not hold yet; half-written ones are taken out of its index."""
    done = finished_goats(goats_of(folder) / "index.jsonl", len(VIEWS))
    return [number for number in range(count) if number not in done]


def write_goat(renderer: Renderer, seed: int, number: int, folder: Path) -> None:
    """The three pictures of one goat with their masks and their lines of the index."""
    goats = goats_of(folder)
    make_folders(goats)
    records = [write_sample(goats, one, number, QUALITY) for one in whole_goat(renderer, seed, number)]
    with (goats / "index.jsonl").open("a") as lines:
        lines.writelines(json.dumps(record) + "\n" for record in records)


def whole_goat(renderer: Renderer, seed: int, number: int) -> list[Sample]:
    """The pictures of one goat at a station; drawn again until nothing hides a part of it or cuts it off."""
    for rng, station in fitting(seed, number, renderer.size):
        samples = list(shoot(renderer, rng, station, 0))
        renderer.forget_goats()
        if not any(sample.truncated for sample in samples):
            return samples
    raise RuntimeError(f"station {seed}: something hides every goat {number}")


def fitting(seed: int, number: int, size: tuple[int, int]) -> Iterator[tuple[np.random.Generator, Station]]:
    """One goat by lot after another at a station: those that fit into its crate and pictures."""
    setup = setup_of(seed, size)
    for draw in range(MOST_DRAWS):
        rng = np.random.default_rng([seed, GOAT, number, draw])
        station = draw_goat(rng, setup, size)
        if fits(setup, station):
            yield rng, station


def draw_goat(rng: np.random.Generator, setup: Setup, size: tuple[int, int]) -> Station:
    build = draw_build(rng)
    return draw_station(rng, "goat", build, pose_goat(build, draw_stance(rng)), size, setup)


def fits(setup: Setup, station: Station) -> bool:
    assert station.animal
    skin = placed(station.animal)
    return setup.holds(skin) and setup.sees(skin)


# --- the same goat elsewhere -----------------------------------------------------------------------

# move -> X and Y of the goat's middle, cm; its turn, degrees; whether it faces the head end.
MOVES = {
    "in the middle": (0.0, 0.0, 0.0, True),
    "10 cm ahead": (10.0, 0.0, 0.0, True),
    "10 cm back": (-10.0, 0.0, 0.0, True),
    "10 cm to the left": (0.0, 10.0, 0.0, True),
    "10 cm to the right": (0.0, -10.0, 0.0, True),
    "turned left": (0.0, 0.0, 10.0, True),
    "turned right": (0.0, 0.0, -10.0, True),
    "facing the other way": (0.0, 0.0, 0.0, False),
}


def moved_of(folder: Path) -> Path:
    return folder / "moved"


def write_moved(renderer: Renderer, seed: int, number: int, folder: Path) -> None:
    """The outlines of one goat that stands in the same way in different places, and their lines of an index."""
    here = moved_of(folder)
    make_folders(here)
    _, station = next(fitting(seed, number, renderer.size))
    assert station.animal and station.truth
    records = []
    for place, (move, (x, y, turn, ahead)) in enumerate(MOVES.items()):
        animal = replace(station.animal, pose=standing(x, y, turn, ahead))
        for view, camera in station.cameras.items():
            mask = f"masks/{number:05d}_{place:02d}_{view}.png"
            cv2.imwrite(str(here / mask), renderer.mask(animal, camera))
            records.append(
                {
                    "mask": mask,
                    "view": view,
                    "goat": number,
                    "move": move,
                    "faces_head_end": ahead,
                    "traits_cm": station.truth.traits,
                    "pose": animal.pose.round(6).tolist(),
                }
            )
    renderer.forget_goats()
    with (here / "index.jsonl").open("a") as lines:
        lines.writelines(json.dumps(record) + "\n" for record in records)


def missing_moved(folder: Path, count: int) -> list[int]:
    """As `missing_goats`, for the goats that are moved."""
    done = finished_goats(moved_of(folder) / "index.jsonl", len(VIEWS) * len(MOVES))
    return [number for number in range(count) if number not in done]
