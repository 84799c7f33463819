"""Labelled pictures: hand-drawn photographs (COCO polygons) and simulated ones. Needs no torch."""

from __future__ import annotations

import json
import os
import sys
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from edge.errors import StationError
from edge.records import VIEWS, Label, Pixels

LABEL_OF_CLASS = {"body": Label.BODY, "head": Label.HEAD}
PHOTOGRAPHS_VARIABLE = "GOATDEV_REAL_GOATS"
# Training needs 256 px; larger crops are cut from this, and decoding 1600 px each time would rule.
TRAINING_SIDE_PX = 512
FOLDS = 4
# fillPoly takes every pixel that an outline touches: drawn larger and thinned out, that bias is gone.
FINER = 4
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
class Photograph:
    """A photograph with hand-drawn outlines; polygons are (N, 2) points in px of the file."""

    path: Path
    view: str
    goat: str
    size: tuple[int, int]
    truncated: bool
    outlines: tuple[tuple[int, np.ndarray[Any, np.dtype[np.float64]]], ...]

    @property
    def name(self) -> str:
        return self.path.stem

    def load(self, longest_px: int | None = None) -> Sample:
        """The picture and its mask, shrunk to `longest_px` on the long side if given."""
        rgb = read_rgb(self.path)
        if (rgb.shape[1], rgb.shape[0]) != self.size:
            raise DatasetError(f"{self.path}: size differs from its label", "export the labels again")
        scale = 1.0 if longest_px is None else min(1.0, longest_px / max(self.size))
        if scale < 1.0:
            rgb = resize(rgb, scale)
        return Sample(rgb, self.draw_mask(rgb.shape[1], rgb.shape[0]), self.view, self.name)

    def draw_mask(self, width: int, height: int) -> Pixels:
        """(height, width) mask; where the head lies in front of the body, the pixels are head."""
        mask = np.zeros((height * FINER, width * FINER), np.uint8)
        scale = np.array([width, height]) / self.size * FINER
        for label, points in sorted(self.outlines, key=lambda outline: outline[0]):
            # Pixel centres lie at whole numbers for fillPoly and at halves for the labels.
            fixed = np.round((points * scale - 0.5) * 16).astype(np.int32)
            cv2.fillPoly(mask, [fixed], (int(label),), shift=4)
        return mask[FINER // 2 :: FINER, FINER // 2 :: FINER].copy()


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


def read_photographs(folder: Path) -> list[Photograph]:
    """All labelled photographs of a folder with images/ and labels.json (COCO), in file order."""
    coco = read_json(folder / "labels.json")
    try:
        labels = {category["id"]: class_label(category["name"], folder) for category in coco["categories"]}
        outlines = outlines_by_image(coco["annotations"], labels)
        photographs = [
            Photograph(
                path=folder / entry["file_name"],
                view=known_view(entry["view"], folder),
                goat=str(entry["goat"]),
                size=(int(entry["width"]), int(entry["height"])),
                truncated=bool(entry.get("truncated", False)),
                outlines=tuple(outlines.get(entry["id"], ())),
            )
            for entry in coco["images"]
        ]
    except (KeyError, TypeError, IndexError) as error:
        where = folder / "labels.json"
        raise DatasetError(f"{where}: not as expected: {error!r}", "see the model card") from None
    return checked(photographs, folder)


def checked(photographs: list[Photograph], folder: Path) -> list[Photograph]:
    """The photographs, if there are any, each with its file and its outlines."""
    if not photographs:
        raise DatasetError(f"{folder}: no photographs", "labels.json lists none")
    for photograph in photographs:
        if not photograph.path.is_file():
            raise DatasetError(f"{photograph.path}: missing", "labels.json names it")
        if not photograph.outlines:
            raise DatasetError(f"{photograph.path}: has no outline", "label it or take it out of labels.json")
    return photographs


def outlines_by_image(annotations: Iterable[Any], labels: dict[int, int]) -> dict[int, list[Any]]:
    outlines: dict[int, list[Any]] = {}
    for annotation in annotations:
        label = labels[annotation["category_id"]]
        for flat in annotation["segmentation"]:
            points = np.asarray(flat, np.float64).reshape(-1, 2)
            outlines.setdefault(annotation["image_id"], []).append((label, points))
    return outlines


def class_label(name: str, folder: Path) -> int:
    if name not in LABEL_OF_CLASS:
        raise DatasetError(f"{folder}: unknown class {name!r}", f"known are {', '.join(LABEL_OF_CLASS)}")
    return LABEL_OF_CLASS[name]


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
