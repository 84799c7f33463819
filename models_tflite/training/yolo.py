"""YOLO segmentation labels as Roboflow, CVAT, Label Studio and Ultralytics write them.

One text file per picture, one line per outline: the class's number and then x and y in 0..1. The
splits of an export are read together: our own folds share the goats out anew, by animal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edge.records import Points
from models_tflite.training.dataset import DatasetError
from models_tflite.training.outlines import (
    IGNORED,
    PLAIN_FOLDERS,
    Listed,
    Pictures,
    labels_of_classes,
    size_of,
    some,
    sound_outline,
)

# A number 1.02 is a shaky hand at the border; 30 is px.
LARGEST_SHARE = 1.5


def yolo_files(folder: Path) -> list[Path]:
    """The file that names the classes, or the labels where none does."""
    named = [folder / name for name in ("data.yaml", "data.yml", "dataset.yaml", "classes.txt")]
    unnamed = [folder / "labels", *(folder / split / "labels" for split in PLAIN_FOLDERS)]
    folders = [path for path in unnamed if path.is_dir()]
    others = sorted([*folder.glob("*.yaml"), *folder.glob("*.yml")]) if folders else []
    return [path for path in named if path.is_file()] or others or folders


def read_yolo(folder: Path, pictures: Pictures, mapped: Mapping[str, str]) -> list[Listed]:
    """Every picture that has a label file, an empty one too."""
    names = class_names(folder)
    labelled = pair_up(folder, pictures)
    lines = {picture: read_lines(text) for picture, text in labelled.items()}
    used = {
        number: names_class(names, number, where) for all_of in lines.values() for number, _, where in all_of
    }
    labels = labels_of_classes(sorted(set(used.values())), mapped, folder)
    return [
        one_picture(
            folder, picture, [(labels[used[number]], shares, where) for number, shares, where in found]
        )
        for picture, found in lines.items()
    ]


def pair_up(folder: Path, pictures: Pictures) -> dict[Path, Path]:
    """Picture -> its label file, each in one pair only."""
    pairs = {path: label for path in pictures.paths if (label := label_of(path, folder)).is_file()}
    owners: dict[Path, Path] = {}
    for picture, label in pairs.items():
        if label in owners:
            message = f"{label}: labels both {owners[label].name} and {picture.name}"
            raise DatasetError(message, "give the pictures different names")
        owners[label] = picture
    texts = {text for text in folder.rglob("*.txt") if "labels" in text.relative_to(folder).parts[:-1]}
    alone = sorted(text for text in texts - owners.keys() if not text.name.startswith("."))
    if alone:
        names = some([str(path.relative_to(folder)) for path in alone])
        raise DatasetError(
            f"{folder}: labels without a picture: {names}", "copy the pictures or delete the labels"
        )
    if not pairs:
        raise DatasetError(
            f"{folder}: no picture has a label file", "expected images/NAME.jpg and labels/NAME.txt"
        )
    return pairs


def label_of(picture: Path, folder: Path) -> Path:
    """images/a.jpg -> labels/a.txt by the last folder so called, else beside the picture."""
    parts = list(picture.relative_to(folder).with_suffix(".txt").parts)
    folders = parts[:-1]
    if "images" in folders:
        parts[len(folders) - 1 - folders[::-1].index("images")] = "labels"
    return folder.joinpath(*parts)


def read_lines(path: Path) -> list[tuple[int, Points, str]]:
    """(class, (N, 2) points in shares of the picture, where) of each line; blank lines are nothing."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{path}: cannot be read: {error}", "export the labels again") from None
    named = [(line.split(), f"{path}: line {number}") for number, line in enumerate(lines, 1)]
    return [read_line(fields, where) for fields, where in named if fields]


def read_line(fields: Sequence[str], where: str) -> tuple[int, Points, str]:
    try:
        number = int(fields[0])
        values = np.array([float(text) for text in fields[1:]], np.float64)
    except ValueError:
        raise DatasetError(
            f"{where}: not a class number and coordinates", "export as YOLO segmentation"
        ) from None
    if len(values) == 4:
        raise DatasetError(f"{where}: a box, not an outline", "draw outlines and export as YOLO segmentation")
    if len(values) % 2 or len(values) < 6:
        message = f"{where}: {len(values)} coordinates are no outline"
        raise DatasetError(message, "at least 3 points, each with x and y")
    if np.abs(values).max() > LARGEST_SHARE:
        raise DatasetError(
            f"{where}: coordinates are shares of the picture, 0 to 1", "export the labels again"
        )
    return number, values.reshape(-1, 2), where


def one_picture(folder: Path, picture: Path, found: Sequence[tuple[int, Points, str]]) -> Listed:
    size = size_of(picture)
    outlines: list[tuple[int, Points]] = []
    clipped = 0
    for label, shares, where in found:
        if label != IGNORED:
            points, beyond = sound_outline(shares * size, size, where)
            outlines.append((label, points))
            clipped += beyond
    return Listed(picture, picture.relative_to(folder).as_posix(), size, tuple(outlines), clipped)


# --- names of classes ------------------------------------------------------------------------------


def names_class(names: Mapping[int, str], number: int, where: str) -> str:
    if number not in names:
        raise DatasetError(f"{where}: class {number} has no name", f"named are {', '.join(map(str, names))}")
    return names[number]


def class_names(folder: Path) -> dict[int, str]:
    """Number -> name, from data.yaml or Label Studio's classes.txt."""
    path = yolo_files(folder)[0]
    if path.suffix == ".txt":
        lines = path.read_text(encoding="utf-8-sig").splitlines()
        return {number: line.strip() for number, line in enumerate(lines) if line.strip()}
    if path.is_dir():
        message = f"{folder}: neither data.yaml nor classes.txt says what the classes are"
        raise DatasetError(message, "copy it from the export")
    content = read_yaml(path)
    if not isinstance(content, dict) or not isinstance(content.get("names"), list | dict):
        raise DatasetError(f"{path}: no names of classes", "expected names: [body, head]")
    if "kpt_shape" in content:
        raise DatasetError(f"{path}: keypoint labels are not read from YOLO", "export them as COCO keypoints")
    names = content["names"]
    pairs = names.items() if isinstance(names, dict) else enumerate(names)
    try:
        return {int(number): str(name) for number, name in pairs}
    except (TypeError, ValueError):
        raise DatasetError(f"{path}: names are not numbered", "expected names: {0: body, 1: head}") from None


def read_yaml(path: Path) -> Any:
    try:
        import yaml
    except ImportError:
        raise DatasetError("PyYAML is absent", "pip install '.[training]'") from None
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        line = str(error).splitlines()[0]
        raise DatasetError(f"{path}: not YAML: {line}", "export the labels again") from None
