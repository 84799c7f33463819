"""Makes a training set: stations of three pictures each, masks and an index with the truth of every picture.

Run again, it goes on where it stopped.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from models_tflite.training.simulator.body import pose_goat
from models_tflite.training.simulator.goat import draw_build, draw_stance
from models_tflite.training.simulator.photo import read_hair, spoil
from models_tflite.training.simulator.render import PeopleSeen, Renderer, Shot
from models_tflite.training.simulator.stage import KINDS, KINDS_ON_REQUEST, Station, draw_kind, draw_station
from models_tflite.training.simulator.station import VIEWS, Camera

Picture = NDArray[np.uint8]
Record = dict[str, Any]
ALL_KINDS = tuple(KINDS)
PARTS = ("images", "masks", "people")
SMALLEST_PX = 64
# A goat of which more than this share is hidden or cut off counts as truncated.
TRUNCATED_SHARE = 0.015


@dataclass(frozen=True, slots=True)
class Sample:
    """One picture of a station with its truth; `visible` tells for each landmark whether the picture shows it."""

    picture: Picture
    mask: Picture
    view: str
    number: int
    station: Station
    truncated: bool
    landmarks_px: dict[str, tuple[float, float]]
    visible: dict[str, bool]
    people: PeopleSeen

    @property
    def camera(self) -> Camera:
        return self.station.cameras[self.view]


def goat_samples(
    renderer: Renderer, seed: int, goat_id: int, per_goat: int, kinds: tuple[str, ...] = ALL_KINDS
) -> Iterator[Sample]:
    """The pictures of one goat, three to a station; at each station it stands otherwise and wears another coat."""
    build = draw_build(np.random.default_rng([seed, goat_id]))
    for number in range(per_goat // len(VIEWS)):
        rng = np.random.default_rng([seed, goat_id, number])
        posed = pose_goat(build, draw_stance(rng))
        station = draw_station(rng, draw_kind(rng, kinds), build, posed, renderer.size)
        yield from shoot(renderer, rng, station, number)
        renderer.forget_goats()


def shoot(renderer: Renderer, rng: np.random.Generator, station: Station, number: int) -> Iterator[Sample]:
    """The three pictures of a station."""
    names, points = list[str](), np.zeros((0, 3))
    if station.truth and station.animal:
        pose = station.animal.pose
        names = list(station.truth.landmarks)
        points = np.array(list(station.truth.landmarks.values())) @ pose[:3, :3].T + pose[:3, 3]
    views, cameras = list(station.cameras), list(station.cameras.values())
    looks = [station.looks[view] for view in views]
    shots = renderer.shoot(station.scene, cameras, looks, points)
    for view, camera, shot in zip(views, cameras, shots, strict=True):
        pixels = camera.project(points).round(2)
        yield Sample(
            spoil(rng, shot.picture, dim=station.scene.light.dim),
            shot.mask,
            view,
            number,
            station,
            is_truncated(shot),
            {name: (float(x), float(y)) for name, (x, y) in zip(names, pixels, strict=True)},
            {name: bool(seen) for name, seen in zip(names, shot.seen, strict=True)},
            shot.people,
        )


def is_truncated(shot: Shot) -> bool:
    """Whether something wide or the border of the picture hides a part of the goat."""
    mask = shot.mask
    border = np.concatenate([mask[0], mask[-1], mask[:, 0], mask[:, -1]])
    return bool(np.any(border) or np.count_nonzero(mask) < (1 - TRUNCATED_SHARE) * shot.whole_px)


def write_sample(folder: Path, sample: Sample, goat_id: int, quality: int) -> Record:
    """Write picture and mask; return their line of the index."""
    name = f"{goat_id:05d}_{sample.number:02d}_{sample.view}"
    image, mask = f"images/{name}.jpg", f"masks/{name}.png"
    cv2.imwrite(str(folder / image), sample.picture, [cv2.IMWRITE_JPEG_QUALITY, quality])
    cv2.imwrite(str(folder / mask), sample.mask)
    people = sample.people
    if people.before.any():
        cv2.imwrite(str(folder / f"people/{name}.png"), people.before)
    station, camera = sample.station, sample.camera
    animal, truth = station.animal, station.truth
    return {
        "image": image,
        "mask": mask,
        "view": sample.view,
        "goat": goat_id,
        "station": f"{goat_id:05d}_{sample.number:02d}",
        "kind": station.kind,
        "negative": animal is None,
        "truncated": sample.truncated,
        "faces_head_end": station.faces_head_end,
        "landmarks_px": sample.landmarks_px,
        "visible": sample.visible,
        "traits_cm": truth.traits if truth else {},
        "people": {
            "hide": round(people.hide, 4),
            "instead": round(people.instead, 4),
            "seen": round(people.seen, 4),
            "mask": f"people/{name}.png" if people.before.any() else None,
        },
        "pose": animal.pose.round(6).tolist() if animal else None,
        "camera": {
            "size": list(camera.size),
            "camera_matrix": camera.camera_matrix.round(6).tolist(),
            "distortion": camera.distortion.round(6).tolist(),
            "world_from_cam": camera.world_from_cam.round(8).tolist(),
        },
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


def simulate(
    folder: Path,
    goats: int,
    seed: int,
    size: tuple[int, int],
    per_goat: int,
    coats: Path,
    kinds: tuple[str, ...] = ALL_KINDS,
) -> None:
    """Fill a folder with pictures, masks and index.jsonl."""
    make_folders(folder)
    index = folder / "index.jsonl"
    done = finished_goats(index, per_goat)
    renderer = Renderer(size, read_hair(coats))
    started, fresh = time.monotonic(), 0
    for goat_id in [number for number in range(goats) if number not in done]:
        quality = int(np.random.default_rng([seed, goat_id, 99]).integers(55, 96))
        samples = goat_samples(renderer, seed, goat_id, per_goat, kinds)
        records = [write_sample(folder, sample, goat_id, quality) for sample in samples]
        with index.open("a") as lines:
            lines.writelines(json.dumps(record) + "\n" for record in records)
        fresh += len(records)
        _progress(goat_id + 1, goats, (time.monotonic() - started) / fresh)


def make_folders(folder: Path) -> None:
    """Room for pictures and masks, or an end in plain words."""
    try:
        for part in PARTS:
            (folder / part).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SystemExit(
            f"{folder}: no folder can be made there ({error.strerror}); choose another --out"
        ) from error
    for place in (folder, *(folder / part for part in PARTS)):
        if not os.access(place, os.W_OK):
            raise SystemExit(f"{place}: may not be written to; choose another --out")


def _progress(goat: int, goats: int, seconds_each: float) -> None:
    sys.stderr.write(f"\rgoat {goat} of {goats}, {seconds_each:.3f} s a picture ")
    sys.stderr.flush()


def picture_size(text: str) -> tuple[int, int]:
    """'512x384' as (512, 384)."""
    width, _, height = text.partition("x")
    if not (width.isdigit() and height.isdigit() and min(int(width), int(height)) >= SMALLEST_PX):
        raise argparse.ArgumentTypeError(
            f"{text}: write it as WIDTHxHEIGHT, e.g. 512x384, at least {SMALLEST_PX}x{SMALLEST_PX}"
        )
    return int(width), int(height)


def kinds_of_picture(text: str) -> tuple[str, ...]:
    """'goat,dog' as ('goat', 'dog')."""
    kinds = tuple(part.strip() for part in text.split(","))
    for kind in kinds:
        if kind not in KINDS | KINDS_ON_REQUEST:
            known = ", ".join(KINDS | KINDS_ON_REQUEST)
            raise argparse.ArgumentTypeError(f"{kind}: no such kind; choose among {known}")
    return kinds


def whole_stations(text: str) -> int:
    """A number of pictures that makes whole stations."""
    if not text.isdigit() or int(text) == 0 or int(text) % len(VIEWS):
        raise argparse.ArgumentTypeError(f"{text}: a station has three pictures, so take 3, 6, 9, ...")
    return int(text)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder to fill")
    parser.add_argument("--goats", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--size", type=picture_size, default=(512, 384))
    parser.add_argument(
        "--per-goat", type=whole_stations, default=9, help="pictures of each goat, three to a station"
    )
    parser.add_argument(
        "--kinds",
        type=kinds_of_picture,
        default=ALL_KINDS,
        help=f"some of {','.join(KINDS)}, which are the default, and of {','.join(KINDS_ON_REQUEST)}",
    )
    parser.add_argument(
        "--coats", type=Path, default=Path("../shared/coats"), help="pictures of hair; may be absent"
    )
    given = parser.parse_args()
    simulate(given.out, given.goats, given.seed, given.size, given.per_goat, given.coats, given.kinds)
    sys.stderr.write("\n")


if __name__ == "__main__":
    main()
