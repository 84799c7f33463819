"""What is trained on: samples in memory, simulated pictures, folds of goats. Needs no torch."""

from __future__ import annotations

import json
import os
import sys
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
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
# One simulated goat in twenty is never trained on and judges the network.
HELD_OUT_ONE_IN = 20


class DatasetError(StationError):
    """The pictures or labels given cannot be trained on."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One labelled picture in memory.

    rgb   (H, W, 3)
    mask  (H, W)  0 background, 1 body, 2 head
    """

    rgb: Pixels
    mask: Pixels
    view: str
    name: str

    @property
    def has_goat(self) -> bool:
        return bool(self.mask.any())


@dataclass(frozen=True, slots=True)
class SimulatedPicture:
    """A rendered picture with its exact mask; `goat` is the same in all pictures of one animal."""

    image: Path
    mask: Path
    view: str
    negative: bool
    goat: str

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
        scale = 1.0 if longest_px is None else min(1.0, longest_px / max(mask.shape))
        if scale < 1.0:
            rgb = resize(rgb, scale)
            mask = cv2.resize(mask, rgb.shape[1::-1], interpolation=cv2.INTER_NEAREST)
        return Sample(rgb, mask.astype(np.uint8), self.view, self.image.stem)


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
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read: {error.strerror}", "check the folder") from None
    except ValueError:
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
        )
    except (ValueError, KeyError, TypeError) as error:
        where = f"{folder / 'index.jsonl'}: line {number}"
        raise DatasetError(f"{where} not as expected: {error!r}", "simulate again") from None


def goat_folds(photographs: Sequence[Photograph], count: int = FOLDS) -> list[list[str]]:
    """Share the goats out so that each fold has some pictures of each view; no goat is in two.

    returns  `count` lists of goats; the same photographs always give the same folds
    """
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
