"""What is trained on: samples in memory, simulated pictures, folds of goats. Needs no torch."""

from __future__ import annotations

import json
import os
import sys
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from edge.errors import StationError
from edge.records import VIEWS, Label, Pixels

if TYPE_CHECKING:
    from models_tflite.training.labels import Photograph

PHOTOGRAPHS_VARIABLE = "GOATDEV_REAL_GOATS"
# Training needs 256 px; larger crops are cut from this, and decoding 1600 px each time would rule.
TRAINING_SIDE_PX = 512
FOLDS = 4
# The goat of pictures that name none, and of pictures that show none.
UNKNOWN_GOAT, NO_GOAT = "unknown", "none"
LARGEST_JSON_BYTES = 400_000_000
# One simulated goat in twenty is never trained on and judges the network.
HELD_OUT_ONE_IN = 20

# What the network points at, in the order of its maps. Left and right are the animal's own; the hooves
# are those nearer the side camera.
PAIRED = ("shoulder", "waist", "rump", "body")
LANDMARKS = (
    *("withers", "rump", "poll", "chest_front", "tail_root", "front_hoof", "hind_hoof"),
    *(f"{part}_{hand}" for part in PAIRED for hand in ("left", "right")),
)
# The landmarks that mean something in each view.
LANDMARKS_OF_VIEW = {
    "side": ("withers", "rump", "poll", "chest_front", "tail_root", "front_hoof", "hind_hoof"),
    "top": ("withers", "rump", "poll", "tail_root", *LANDMARKS[7:]),
    "front": ("poll", "body_left", "body_right"),
}
# How many goats a picture shows, in the order of the network's scores.
SCENES = ("none", "one", "part", "several")
SCENE_OF_KIND = {"goat": "one", "two_goats": "several", "half_goat": "part"}
# Somebody is in the way who hides so much of the goat, or fills so much of the picture where no goat is; one who hides
# less than the other share is not. Between the two nobody could say.
HIDES_TOO_MUCH, FILLS_TOO_MUCH, HIDES_NOTHING = 0.05, 0.02, 0.005


class DatasetError(StationError):
    """The pictures or labels given cannot be trained on."""


@dataclass(frozen=True, slots=True)
class People:
    """Where a simulated picture shows people.

    hide     share of the goat that they hide, of what else would be seen of it; without a goat, of the crate's inside
    instead  share of the picture that people fill who are in the crate instead of a goat
    seen     share of the picture that people fill, wherever they are
    mask     file of a mask, 255 where they hide the goat or are in its place; None where that is nowhere
    """

    hide: float
    instead: float
    seen: float
    mask: Path | None


@dataclass(frozen=True, slots=True)
class Sample:
    """One labelled picture in memory.

    rgb        (H, W, 3)
    mask       (H, W)  0 background, 1 body, 2 head
    landmarks  name -> (x, y), px of rgb, pixel centres at whole numbers; only visible ones
    scene      one of SCENES, or None where nobody said
    """

    rgb: Pixels
    mask: Pixels
    view: str
    name: str
    landmarks: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    scene: str | None = None

    @property
    def has_goat(self) -> bool:
        return bool(self.mask.any())


@dataclass(frozen=True, slots=True)
class SimulatedPicture:
    """A rendered picture with its exact mask; `goat` is the same in all pictures of one animal.

    landmarks  name -> (x, y), px of the file; only those that can be seen
    scene      one of SCENES, or None where it cannot be told
    kind       what the crate holds, as the simulator calls it
    station    the same in the three pictures of one moment
    cm_per_px  of the file, at the goat's middle; None where the index does not tell
    people     None where the index does not tell
    truncated  something wide, somebody or the border hides a part of the goat
    """

    image: Path
    mask: Path
    view: str
    negative: bool
    goat: str
    landmarks: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    scene: str | None = None
    kind: str = "goat"
    station: str = ""
    cm_per_px: float | None = None
    people: People | None = None
    truncated: bool = False

    @property
    def in_the_way(self) -> bool | None:
        """Whether somebody is before the goat or in its place; None where it cannot be told."""
        people = self.people
        if people is None:
            # Who stands about a crate may hide a goat from the side only, and then it counts as truncated.
            may_hide = self.truncated and self.view == "side" and self.kind != "half_goat"
            return None if may_hide or self.kind == "person" else False
        if people.instead:
            return True if people.instead >= FILLS_TOO_MUCH else None
        if people.hide < HIDES_NOTHING:
            return False
        return True if people.hide >= HIDES_TOO_MUCH and not self.negative else None

    @property
    def held_out(self) -> bool:
        """Never trained on: chosen by the goat's name, so that it stays so as the folder grows."""
        return zlib.crc32(self.goat.encode()) % HELD_OUT_ONE_IN == 0

    def load(self, longest_px: int | None = None) -> Sample:
        rgb = read_rgb(self.image)
        mask = cv2.imread(str(self.mask), cv2.IMREAD_GRAYSCALE)
        if mask is None:
            raise DatasetError(f"{self.mask}: not a mask", "render it again")
        if mask.shape != rgb.shape[:2] or mask.max() > Label.HEAD:
            raise DatasetError(f"{self.mask}: does not fit its picture", "render it again")
        size = mask.shape[1], mask.shape[0]
        scale = 1.0 if longest_px is None else min(1.0, longest_px / max(size))
        if scale < 1.0:
            rgb = resize(rgb, scale)
            mask = cv2.resize(mask, rgb.shape[1::-1], interpolation=cv2.INTER_NEAREST)
        landmarks = scaled(self.landmarks, size, (rgb.shape[1], rgb.shape[0]))
        return Sample(rgb, mask.astype(np.uint8), self.view, self.image.stem, landmarks, self.scene)


def scaled(
    points: Mapping[str, tuple[float, float]], size: tuple[int, int], new: tuple[int, int]
) -> dict[str, tuple[float, float]]:
    """Points of a picture of one size in the same picture of another; pixel centres at whole numbers."""
    across, down = new[0] / size[0], new[1] / size[1]
    return {name: ((x + 0.5) * across - 0.5, (y + 0.5) * down - 0.5) for name, (x, y) in points.items()}


def resize(rgb: Pixels, scale: float) -> Pixels:
    size = round(rgb.shape[1] * scale), round(rgb.shape[0] * scale)
    return cv2.resize(rgb, size, interpolation=cv2.INTER_AREA).astype(np.uint8)


def read_rgb(path: Path) -> Pixels:
    """(H, W, 3) RGB of an image file."""
    bgr = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if bgr is None:
        raise DatasetError(f"{path}: not a picture", "remove it from the labels or copy it again")
    return cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB).astype(np.uint8)


def photographs_folder(given: Path | None) -> Path:
    """The folder of photographs: as given, else GOATDEV_REAL_GOATS."""
    if given is not None:
        return given
    named = os.environ.get(PHOTOGRAPHS_VARIABLE)
    if not named:
        raise DatasetError("no folder of photographs", f"give --photographs or set {PHOTOGRAPHS_VARIABLE}")
    return Path(named)


def known_view(name: str, folder: Path) -> str:
    if name not in VIEWS:
        raise DatasetError(f"{folder}: unknown view {name!r}", f"known are {', '.join(VIEWS)}")
    return name


def read_json(path: Path) -> Any:
    try:
        if path.stat().st_size > LARGEST_JSON_BYTES:
            raise DatasetError(f"{path}: too large to read", "export fewer pictures, or polygons, not masks")
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read: {error.strerror}", "check the folder") from None
    except (ValueError, RecursionError):
        raise DatasetError(f"{path}: not JSON", "export the labels again") from None


def read_simulated(folder: Path) -> list[SimulatedPicture]:
    """The pictures that a simulation has listed so far in index.jsonl; it may still be growing."""
    index = folder / "index.jsonl"
    try:
        lines = index.read_text(encoding="utf-8").splitlines(keepends=True)
    except OSError as error:
        raise DatasetError(f"{index}: cannot be read: {error.strerror}", "simulate pictures first") from None
    # A line without its end is still being written.
    whole = [line for line in lines if line.endswith("\n")]
    if not whole:
        raise DatasetError(f"{folder}: no simulated pictures", "simulate pictures first")
    return [simulated_picture(folder, line, number) for number, line in enumerate(whole, 1)]


def simulated_picture(folder: Path, line: str, number: int) -> SimulatedPicture:
    try:
        entry = json.loads(line)
        return SimulatedPicture(
            image=folder / entry["image"],
            mask=folder / entry["mask"],
            view=known_view(entry["view"], folder),
            negative=bool(entry.get("negative", False)),
            goat=str(entry.get("goat", entry["image"])),
            landmarks=visible_landmarks(entry),
            scene=scene_of(entry),
            kind=str(entry.get("kind", "empty" if entry.get("negative", False) else "goat")),
            station=str(entry.get("station", entry["image"])),
            cm_per_px=cm_per_px(entry),
            people=people_of(folder, entry),
            truncated=bool(entry.get("truncated", False)),
        )
    except (ValueError, KeyError, TypeError) as error:
        where = f"{folder / 'index.jsonl'}: line {number}"
        raise DatasetError(f"{where} not as expected: {error!r}", "simulate again") from None


def visible_landmarks(entry: Mapping[str, Any]) -> dict[str, tuple[float, float]]:
    """The landmarks of one line of the index that its view shows and nothing hides."""
    points = {name: (float(x), float(y)) for name, (x, y) in entry.get("landmarks_px", {}).items()}
    seen = entry.get("visible", {})
    points = {name: point for name, point in points.items() if seen.get(name, True)}
    for hoof in ("front", "hind"):
        pair = [points[name] for hand in ("left", "right") if (name := f"{hoof}_{hand}_hoof") in points]
        if len(pair) == 2:
            # The hoof nearer the camera stands lower in the picture.
            points[f"{hoof}_hoof"] = max(pair, key=lambda point: point[1])
    return {name: points[name] for name in LANDMARKS_OF_VIEW[entry["view"]] if name in points}


def scene_of(entry: Mapping[str, Any]) -> str | None:
    """How many goats a line of the index shows; None for a goat of which some part is hidden."""
    if "kind" in entry:
        # What hides the rear half from the side hides nothing from the front.
        unclear = entry["kind"] == "half_goat" and entry["view"] == "front"
        return None if unclear or entry["kind"] == "handled" else SCENE_OF_KIND.get(entry["kind"], "none")
    if entry.get("negative", False):
        return "none"
    return None if entry.get("truncated", False) else "one"


def people_of(folder: Path, entry: Mapping[str, Any]) -> People | None:
    """Where one line of the index says that people are."""
    if "people" not in entry:
        return None
    told = entry["people"]
    mask = folder / told["mask"] if told["mask"] else None
    return People(float(told["hide"]), float(told["instead"]), float(told["seen"]), mask)


def cm_per_px(entry: Mapping[str, Any]) -> float | None:
    """What one pixel of the file spans at the middle of the goat, cm."""
    if entry.get("pose") is None or "camera" not in entry:
        return None
    world_from_goat, world_from_cam = np.array(entry["pose"]), np.array(entry["camera"]["world_from_cam"])
    middle = world_from_goat[:3, 3] + (0, 0, 0.6 * entry["traits_cm"]["withers_height_cm"])
    depth_cm = (middle - world_from_cam[:3, 3]) @ world_from_cam[:3, 2]
    return float(depth_cm / entry["camera"]["camera_matrix"][0][0])


def goat_folds(photographs: Sequence[Photograph], count: int = FOLDS) -> list[list[str]]:
    """Share the goats out so that each fold has some pictures of each view; no goat is in two.

    Pictures without a goat belong to no fold and are trained on by all.

    returns  `count` lists of goats; the same photographs always give the same folds
    """
    photographs = [photo for photo in photographs if photo.goat != NO_GOAT]
    unknown = [photo.path.name for photo in photographs if photo.goat == UNKNOWN_GOAT]
    if unknown:
        message = f"{len(unknown)} pictures name no goat, {unknown[0]} first: no honest folds"
        ways = "name goats in pictures.csv (file,view,goat) or as g15 in file names"
        raise DatasetError(message, f"{ways}; training with --fold all needs none")
    total = {view: sum(photo.view == view for photo in photographs) for view in VIEWS}
    goats = sorted({photo.goat for photo in photographs})
    pictures = {goat: [photo.view for photo in photographs if photo.goat == goat] for goat in goats}
    if len(goats) < count:
        raise DatasetError(f"{len(goats)} goats cannot make {count} folds", "label more animals")
    # Goats seen from the rarest views are placed first, while there is a choice.
    goats.sort(key=lambda goat: (-sum(1 / total[view] for view in pictures[goat]), goat))
    folds: list[list[str]] = [[] for _ in range(count)]
    load = np.zeros((count, len(VIEWS)))
    for goat in goats:
        adds = np.array([pictures[goat].count(view) / max(total[view], 1) for view in VIEWS])
        cost = ((load + adds) ** 2).sum(axis=1) - (load**2).sum(axis=1)
        lightest = int(np.argmin(cost + 1e-6 * load.sum(axis=1)))
        folds[lightest].append(goat)
        load[lightest] += adds
    return folds


def command(main: Callable[[], None]) -> None:
    """Run a training command; what is wrong with its input becomes one line and exit code 1."""
    try:
        main()
    except StationError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        print("interrupted; the same command goes on from the last checkpoint", file=sys.stderr)
        sys.exit(130)
