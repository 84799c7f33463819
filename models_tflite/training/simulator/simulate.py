"""Makes a training set: pictures, masks and an index with the truth of each. Run again, it goes on where it stopped."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from models_tflite.training.simulator.barn import clutter, draw_barn, draw_bystanders, draw_light, person
from models_tflite.training.simulator.body import PosedGoat, dress, pose_goat
from models_tflite.training.simulator.crate import Crate, draw_crate, glass, thin_parts, wide_parts
from models_tflite.training.simulator.goat import Build, draw_build, draw_coat, draw_stance
from models_tflite.training.simulator.mesh import Mesh, Vector, joined
from models_tflite.training.simulator.photo import draw_look, read_hair, spoil
from models_tflite.training.simulator.render import Animal, Renderer, Scene
from models_tflite.training.simulator.station import VIEWS, Camera, draw_camera, draw_standing, standing
from models_tflite.training.simulator.truth import Truth, measure_truth

Rng = np.random.Generator
Picture = NDArray[np.uint8]
Record = dict[str, Any]
NEGATIVE_SHARE = 0.1
STRANGER_SHARE = 0.12
# A goat of which more than this share is hidden or cut off counts as truncated.
TRUNCATED_SHARE = 0.015


@dataclass(frozen=True, slots=True)
class Sample:
    """One picture with its truth; goat_id is None on a picture without a goat."""

    picture: Picture
    mask: Picture
    view: str
    truth: Truth | None
    landmarks_px: dict[str, tuple[float, float]]
    truncated: bool
    faces_head_end: bool | None


def goat_samples(renderer: Renderer, seed: int, goat_id: int, per_goat: int) -> Iterator[Sample]:
    """The pictures of one goat, the views in turn; every three pictures it takes another stance."""
    build = draw_build(np.random.default_rng([seed, goat_id]))
    posed: PosedGoat | None = None
    for number in range(per_goat):
        rng = np.random.default_rng([seed, goat_id, number])
        if posed is None or number % len(VIEWS) == 0:
            posed = pose_goat(build, draw_stance(rng))
        view = VIEWS[number % len(VIEWS)]
        empty = rng.random() < NEGATIVE_SHARE
        yield draw_sample(renderer, rng, view, None if empty else posed, build)
    renderer.forget_goats()


def draw_sample(renderer: Renderer, rng: Rng, view: str, posed: PosedGoat | None, build: Build) -> Sample:
    """One picture by lot of a goat, or of a crate without one."""
    pose, faces_head_end = draw_standing(rng)
    coat = draw_coat(rng)
    animal = Animal(dress(posed, coat), pose, coat, build.withers_cm) if posed else None
    crate = draw_crate(rng, build.withers_cm, view, _reach(animal))
    crate_cm = np.array([crate.length, crate.width, crate.height])
    camera = draw_camera(rng, view, renderer.size, build.withers_cm, crate_cm)
    crate = _open_to(camera, view, crate, rng)
    scene = draw_scene(rng, view, crate, animal, float(camera.world_from_cam[1, 3]))
    picture, mask = renderer.draw(scene, camera)
    picture = spoil(rng, picture)
    if animal is None or posed is None:
        return Sample(picture, mask, view, None, {}, False, None)
    truth = measure_truth(posed, coat.hair_cm)
    landmarks = _landmarks_px(truth, pose, camera)
    truncated = is_truncated(mask, renderer.mask(animal, camera))
    return Sample(picture, mask, view, truth, landmarks, truncated, faces_head_end)


def _reach(animal: Animal | None) -> tuple[float, float, float]:
    """How far the goat reaches in the crate: greatest |X|, |Y| and Z, cm."""
    if animal is None:
        return 0.0, 0.0, 0.0
    placed = animal.mesh.vertices @ animal.pose[:3, :3].T + animal.pose[:3, 3]
    far = np.abs(placed).max(axis=0)
    return float(far[0]), float(far[1]), float(far[2])


def _open_to(camera: Camera, view: str, crate: Crate, rng: Rng) -> Crate:
    """The crate turned so that its clear side is towards the side camera."""
    if view == "side":
        return replace(crate, hands=1 if camera.world_from_cam[1, 3] > 0 else -1)
    return replace(crate, hands=int(rng.choice([-1, 1])))


def draw_scene(rng: Rng, view: str, crate: Crate, animal: Animal | None, camera_y_cm: float) -> Scene:
    """The crate in a barn by lot, with light and the camera's look; a stranger goat now and then."""
    light = draw_light(rng)
    thin = [thin_parts(crate)]
    if animal is None:
        thin += intruders(rng)
    others: tuple[Animal, ...] = ()
    if animal and view != "top" and rng.random() < STRANGER_SHARE:
        others = (stranger(rng, animal, view, camera_y_cm),)
    wide = wide_parts(crate) + draw_bystanders(rng, view, camera_y_cm)
    barn, look = draw_barn(rng, camera_y_cm), draw_look(rng, light)
    return Scene(
        light, look, barn, joined(thin), animal, joined(wide) if wide else None, glass(crate), others
    )


def intruders(rng: Rng) -> list[Mesh]:
    """What may be in a crate that holds no goat: nothing, a person, things."""
    kind = rng.choice(["nothing", "person", "things"], p=[0.45, 0.3, 0.25])
    if kind == "person":
        return [person(rng, np.array([rng.uniform(-35, 35), rng.uniform(-10, 10), 0.0]))]
    if kind == "things":
        places = rng.uniform([-45, -14, 0], [45, 14, 1], (rng.integers(1, 4), 3))
        return [clutter(rng, place) for place in places]
    return []


def stranger(rng: Rng, animal: Animal, view: str, camera_y_cm: float) -> Animal:
    """Another goat outside the crate, beside or behind it, in another coat."""
    place = rng.uniform(-190, 0), float(rng.choice([-1, 1])) * 90
    if view == "side":
        place = rng.uniform(-90, 90), -np.sign(camera_y_cm) * rng.uniform(80, 120)
    pose = standing(*place, rng.uniform(0, 360))
    return Animal(animal.mesh, pose, draw_coat(rng), animal.withers_cm)


def _landmarks_px(truth: Truth, pose: Vector, camera: Camera) -> dict[str, tuple[float, float]]:
    points = np.array(list(truth.landmarks.values())) @ pose[:3, :3].T + pose[:3, 3]
    pixels = camera.project(points)
    return {
        name: (round(float(x), 2), round(float(y), 2))
        for name, (x, y) in zip(truth.landmarks, pixels, strict=True)
    }


def is_truncated(mask: Picture, whole: Picture) -> bool:
    """Whether something wide or the border of the picture hides a part of the goat."""
    visible, all_of_it = np.count_nonzero(mask), np.count_nonzero(whole)
    border = np.concatenate([mask[0], mask[-1], mask[:, 0], mask[:, -1]])
    return bool(np.any(border) or visible < (1 - TRUNCATED_SHARE) * all_of_it)


def write_sample(folder: Path, name: str, sample: Sample, goat_id: int, quality: int) -> Record:
    """Write picture and mask; return their line of the index."""
    image, mask = f"images/{name}.jpg", f"masks/{name}.png"
    cv2.imwrite(str(folder / image), sample.picture, [cv2.IMWRITE_JPEG_QUALITY, quality])
    cv2.imwrite(str(folder / mask), sample.mask)
    return {
        "image": image,
        "mask": mask,
        "view": sample.view,
        "goat": goat_id,
        "negative": sample.truth is None,
        "truncated": sample.truncated,
        "faces_head_end": sample.faces_head_end,
        "landmarks_px": sample.landmarks_px,
        "traits_cm": sample.truth.traits if sample.truth else {},
    }


def finished_goats(index: Path, per_goat: int) -> set[int]:
    """Goats with all their pictures in the index; lines of others are taken out."""
    if not index.exists():
        return set()
    records = [_read_line(line) for line in index.read_text().splitlines()]
    counts: dict[int, int] = {}
    for record in records:
        if record:
            counts[record["goat"]] = counts.get(record["goat"], 0) + 1
    done = {goat for goat, count in counts.items() if count >= per_goat}
    kept = [json.dumps(record) + "\n" for record in records if record and record["goat"] in done]
    beside = index.with_suffix(".part")
    beside.write_text("".join(kept))
    beside.replace(index)
    return done


def _read_line(line: str) -> Record | None:
    """One line of the index, or None where a power cut left half of it."""
    try:
        record: Record = json.loads(line)
    except json.JSONDecodeError:
        return None
    return record


def simulate(folder: Path, goats: int, seed: int, size: tuple[int, int], per_goat: int, coats: Path) -> None:
    """Fill a folder with pictures, masks and index.jsonl."""
    for part in ("images", "masks"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    index = folder / "index.jsonl"
    done = finished_goats(index, per_goat)
    renderer = Renderer(size, read_hair(coats))
    started, fresh = time.monotonic(), 0
    for goat_id in [number for number in range(goats) if number not in done]:
        quality = int(np.random.default_rng([seed, goat_id, 99]).integers(55, 96))
        samples = goat_samples(renderer, seed, goat_id, per_goat)
        records = [
            write_sample(folder, f"{goat_id:05d}_{number:02d}_{sample.view}", sample, goat_id, quality)
            for number, sample in enumerate(samples)
        ]
        with index.open("a") as lines:
            lines.writelines(json.dumps(record) + "\n" for record in records)
        fresh += len(records)
        _progress(goat_id + 1, goats, (time.monotonic() - started) / fresh)


def _progress(goat: int, goats: int, seconds_each: float) -> None:
    sys.stderr.write(f"\rgoat {goat} of {goats}, {seconds_each:.3f} s a picture ")
    sys.stderr.flush()


def picture_size(text: str) -> tuple[int, int]:
    """'512x384' as (512, 384)."""
    width, _, height = text.partition("x")
    if not (width.isdigit() and height.isdigit() and int(width) >= 64 and int(height) >= 64):
        raise argparse.ArgumentTypeError(f"{text}: write it as WIDTHxHEIGHT, e.g. 512x384, at least 64x64")
    return int(width), int(height)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder to fill")
    parser.add_argument("--goats", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--size", type=picture_size, default=(512, 384))
    parser.add_argument("--per-goat", type=int, default=9, help="pictures of each goat, views in turn")
    parser.add_argument(
        "--coats", type=Path, default=Path("../shared/coats"), help="pictures of hair; may be absent"
    )
    given = parser.parse_args()
    simulate(given.out, given.goats, given.seed, given.size, given.per_goat, given.coats)
    sys.stderr.write("\n")


if __name__ == "__main__":
    main()
