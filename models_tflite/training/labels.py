"""Photographs that people have labelled: outlines of body and head, and landmarks. Needs no torch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from edge.records import Label, Pixels
from models_tflite.training.dataset import (
    DatasetError,
    Sample,
    known_view,
    read_json,
    read_rgb,
    resize,
    scaled,
)

LABEL_OF_CLASS = {"body": Label.BODY, "head": Label.HEAD}
# In a landmarks.json the widest row of a front picture is marked by the picture's left and right; an
# animal that faces the camera has its own left on the picture's right.
LANDMARK_OF_MARK = {
    "side": {
        "withers_top": "withers",
        "rump_top": "rump",
        "poll_top": "poll",
        "front_hoof_bottom": "front_hoof",
        "rear_hoof_bottom": "hind_hoof",
        "chest_front": "chest_front",
        "tail_rear": "tail",
    },
    "top": {
        name: name for part in ("shoulder", "waist", "rump") for name in (f"{part}_left", f"{part}_right")
    },
    "front": {"chest_left": "body_right", "chest_right": "body_left"},
}
LANDMARKS = tuple(name for names in LANDMARK_OF_MARK.values() for name in names.values())
# fillPoly takes every pixel that an outline touches: drawn larger and thinned out, that bias is gone.
FINER = 4


@dataclass(frozen=True, slots=True)
class Photograph:
    """A photograph with hand-drawn outlines.

    size       (width, height), px of the file
    outlines   (label, (N, 2) points), px of the file; the corner of the picture is 0, 0
    landmarks  name -> (x, y), px of the file; left and right are the animal's own
    """

    path: Path
    view: str
    goat: str
    size: tuple[int, int]
    truncated: bool
    outlines: tuple[tuple[int, np.ndarray[Any, np.dtype[np.float64]]], ...]
    landmarks: Mapping[str, tuple[float, float]] = field(default_factory=dict)

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
        size = rgb.shape[1], rgb.shape[0]
        landmarks = scaled(self.landmarks, self.size, size)
        # Of a goat of which a part is hidden nobody has said how much.
        scene = None if self.truncated else "one"
        return Sample(rgb, self.draw_mask(*size), self.view, self.name, landmarks, scene)

    def draw_mask(self, width: int, height: int) -> Pixels:
        """(height, width) mask; where the head lies in front of the body, the pixels are head."""
        mask = np.zeros((height * FINER, width * FINER), np.uint8)
        scale = np.array([width, height]) / self.size * FINER
        for label, points in sorted(self.outlines, key=lambda outline: outline[0]):
            # Pixel centres lie at whole numbers for fillPoly and at halves for the labels.
            fixed = np.round((points * scale - 0.5) * 16).astype(np.int32)
            cv2.fillPoly(mask, [fixed], (int(label),), shift=4)
        return mask[FINER // 2 :: FINER, FINER // 2 :: FINER].copy()


def read_labelled(folder: Path) -> list[Photograph]:
    """All labelled photographs of a folder with images/ and labels.json (COCO), in file order."""
    coco = read_json(folder / "labels.json")
    landmarks = read_landmarks(folder / "landmarks.json")
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
                landmarks=landmarks.get(Path(entry["file_name"]).stem, {}),
            )
            for entry in coco["images"]
        ]
    except (KeyError, TypeError, IndexError) as error:
        where = folder / "labels.json"
        raise DatasetError(f"{where}: not as expected: {error!r}", "see the model card") from None
    return checked(photographs, folder)


def read_landmarks(path: Path) -> dict[str, dict[str, tuple[float, float]]]:
    """Stem of a picture -> its landmarks; none where there is no such file."""
    if not path.exists():
        return {}
    marked = read_json(path)
    try:
        return {
            stem: picture_landmarks(view, marks)
            for view in LANDMARK_OF_MARK
            for stem, marks in marked.get(view, {}).items()
        }
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise DatasetError(f"{path}: not as expected: {error!r}", "see the model card") from None


def picture_landmarks(view: str, marks: Mapping[str, Any]) -> dict[str, tuple[float, float]]:
    """The marks of one picture under the names we train on; what was marked as doubtful is left out."""
    names = LANDMARK_OF_MARK[view]
    if view == "front" and not marks.get("faces_camera", True):
        names = dict(zip(names, reversed(names.values()), strict=True))
    return {
        name: (float(marks[mark][0]), float(marks[mark][1]))
        for mark, name in names.items()
        if marks.get(mark) is not None and marks.get(f"{mark.split('_')[0]}_confidence") != "low"
    }


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
