"""COCO label files as our own folders, Roboflow, CVAT and Label Studio write them.

Polygons, several per annotation, and both kinds of run-length masks are read, `iscrowd` or not: CVAT
marks every brushed mask so. Keypoints whose names are landmarks of ours become landmarks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from edge.records import Pixels, Points
from models_tflite.training.dataset import DatasetError, read_json
from models_tflite.training.outlines import (
    IGNORED,
    Listed,
    Pictures,
    check_size,
    labels_of_classes,
    plain,
    refuse_missing,
    sound_outline,
)

AGAIN = "export the labels again"
KEYPOINTS_FILE = "person_keypoints_"


def coco_files(folder: Path) -> list[Path]:
    """Where the tools put their label files: Roboflow, CVAT, Label Studio."""
    roboflow = [*folder.glob("_annotations.coco.json"), *folder.glob("*/_annotations.coco.json")]
    cvat = [*folder.glob("annotations/instances_*.json"), *folder.glob(f"annotations/{KEYPOINTS_FILE}*.json")]
    label_studio = [path for path in [folder / "result.json"] if path.is_file()]
    return sorted(roboflow) + sorted(cvat) + label_studio


def other_coco_files(folder: Path) -> list[Path]:
    """JSON files under any name that are COCO inside."""
    tried = [*sorted(folder.glob("*.json")), *sorted(folder.glob("annotations/*.json"))]
    return [path for path in tried if path.name not in ("landmarks.json", "notes.json") and is_coco(path)]


def is_coco(path: Path) -> bool:
    content = read_json(path)
    return isinstance(content, dict) and {"images", "annotations", "categories"} <= content.keys()


def read_coco(
    files: Sequence[Path], pictures: Pictures, mapped: Mapping[str, str], landmarks: Sequence[str]
) -> list[Listed]:
    """Every picture that the files list, once."""
    found: dict[Path, tuple[Listed, Path]] = {}
    for path in files:
        for listed in read_file(path, pictures, mapped, landmarks):
            if listed.path not in found:
                found[listed.path] = listed, path
                continue
            before, source = found[listed.path]
            if path.name.startswith(KEYPOINTS_FILE) == source.name.startswith(KEYPOINTS_FILE):
                message = f"{path}: {listed.called} has labels in {source.name} already"
                twice = "leave one of the two out" if source != path else AGAIN
                raise DatasetError(message, twice)
            # CVAT exports outlines and keypoints of one task as two files.
            outlines = before if before.outlines else listed
            found[listed.path] = replace(outlines, landmarks={**before.landmarks, **listed.landmarks}), source
    return [listed for listed, _ in found.values()]


def read_file(
    path: Path, pictures: Pictures, mapped: Mapping[str, str], landmarks: Sequence[str]
) -> list[Listed]:
    coco = read_json(path)
    try:
        images = by_id(coco["images"], path, "images")
        categories = by_id(coco["categories"], path, "categories")
        outlined = {one["category_id"] for one in coco["annotations"] if one.get("segmentation")}
        names = sorted({categories[number]["name"] for number in outlined if number in categories})
        labels = labels_of_classes(names, mapped, path)
        annotations = annotations_by_image(coco["annotations"], images, categories, path)
        files = {
            key: pictures.find(one["file_name"], path.parent, subset(path)) for key, one in images.items()
        }
        refuse_missing([images[key]["file_name"] for key, file in files.items() if file is None], path)
        return [
            one_picture(path, file, images[key], annotations.get(key, []), categories, labels, landmarks)
            for key, file in files.items()
            if file is not None
        ]
    except (AttributeError, LookupError, TypeError, ValueError, OverflowError, OSError) as error:
        raise DatasetError(f"{path}: not as expected: {error!r}", AGAIN) from None


def subset(path: Path) -> str:
    """instances_train.json -> train."""
    return path.stem.rsplit("_", 1)[-1]


def by_id(entries: Sequence[dict[str, Any]], path: Path, what: str) -> dict[Any, dict[str, Any]]:
    found = {entry["id"]: entry for entry in entries}
    if len(found) < len(entries):
        raise DatasetError(f"{path}: two {what} have the same id", AGAIN)
    return found


def annotations_by_image(
    annotations: Sequence[dict[str, Any]],
    images: Mapping[Any, Any],
    categories: Mapping[Any, Any],
    path: Path,
) -> dict[Any, list[dict[str, Any]]]:
    found: dict[Any, list[dict[str, Any]]] = {}
    for annotation in annotations:
        for key, known in (("image_id", images), ("category_id", categories)):
            if annotation[key] not in known:
                which = f"annotation {annotation.get('id')}"
                raise DatasetError(f"{path}: {which}: {key} {annotation[key]} is not listed", AGAIN)
        found.setdefault(annotation["image_id"], []).append(annotation)
    return found


def one_picture(
    path: Path,
    file: Path,
    entry: Mapping[str, Any],
    annotations: Sequence[Mapping[str, Any]],
    categories: Mapping[Any, Mapping[str, Any]],
    labels: Mapping[str, int],
    names: Sequence[str],
) -> Listed:
    size = int(entry["width"]), int(entry["height"])
    check_size(file, size)
    outlines: list[tuple[int, Points]] = []
    landmarks: dict[str, tuple[float, float]] = {}
    clipped = 0
    for annotation in annotations:
        where = f"{path}: annotation {annotation.get('id')} of {entry['file_name']}"
        category = categories[annotation["category_id"]]
        for name, point in keypoints(annotation, category, names):
            if name in landmarks:
                raise DatasetError(f"{where}: a second {name} in one picture", "label one goat per picture")
            landmarks[name] = point
        if not annotation.get("segmentation"):
            refuse_box(annotation, where)
        elif labels[category["name"]] != IGNORED:
            for points, beyond in annotation_outlines(annotation["segmentation"], size, where):
                outlines.append((labels[category["name"]], points))
                clipped += beyond
    view, goat, truncated = entry.get("view"), entry.get("goat"), entry.get("truncated")
    original = entry.get("extra", {}).get("name", "")  # Roboflow flattens folders and keeps this
    return Listed(
        path=file,
        called=f"{original}/{entry['file_name']}" if original else str(entry["file_name"]),
        size=size,
        outlines=tuple(outlines),
        clipped=clipped,
        landmarks=landmarks,
        view=None if view is None else str(view),
        goat=None if goat is None else str(goat),
        truncated=None if truncated is None else bool(truncated),
    )


def refuse_box(annotation: Mapping[str, Any], where: str) -> None:
    if annotation.get("bbox") and not annotation.get("num_keypoints") and not annotation.get("keypoints"):
        raise DatasetError(f"{where}: a box without an outline", "draw outlines: boxes cannot be measured")


def keypoints(
    annotation: Mapping[str, Any], category: Mapping[str, Any], names: Sequence[str]
) -> Iterator[tuple[str, tuple[float, float]]]:
    """Landmarks among the keypoints; those placed but hidden (v = 1) too, as we mark them behind thin bars."""
    values = np.asarray(annotation.get("keypoints") or [], np.float64).reshape(-1, 3)
    for listed, (x, y, shown) in zip(category.get("keypoints") or [], values, strict=False):
        name = plain(str(listed)).replace(" ", "_")
        if shown > 0 and name in names and np.isfinite([x, y]).all():
            yield name, (float(x), float(y))


# --- outlines --------------------------------------------------------------------------------------


def annotation_outlines(
    segmentation: Any, size: tuple[int, int], where: str
) -> Iterator[tuple[Points, bool]]:
    """Polygons as they are, masks as the polygons around them; and whether each reached beyond the picture."""
    if isinstance(segmentation, dict):
        for points in mask_outlines(decode_mask(segmentation, size, where)):
            yield points, False
        return
    if not isinstance(segmentation[0], list):
        segmentation = [segmentation]  # one polygon without the list around it
    for flat in segmentation:
        if len(flat) % 2:
            raise DatasetError(f"{where}: an odd number of coordinates", AGAIN)
        yield sound_outline(np.asarray(flat, np.float64).reshape(-1, 2), size, where)


def decode_mask(mask: Mapping[str, Any], size: tuple[int, int], where: str) -> Pixels:
    """(H, W) of 0 and 1 from COCO's run lengths, a list or a compressed string: columns first, 0 first."""
    height, width = mask["size"]
    if (width, height) != size:
        message = f"{where}: a mask of {width}x{height} px in a picture of {size[0]}x{size[1]} px"
        raise DatasetError(message, AGAIN)
    counts = mask["counts"]
    runs = decode_counts(counts, where) if isinstance(counts, str) else [int(count) for count in counts]
    if sum(runs) != width * height or min(runs) < 0:
        raise DatasetError(f"{where}: the runs of its mask do not fill the picture", AGAIN)
    values = np.arange(len(runs), dtype=np.uint8) % 2
    return np.repeat(values, runs).reshape(width, height).T


def decode_counts(text: str, where: str = "mask") -> list[int]:
    """Run lengths from COCO's string: six bits a character, five of them value, later runs as differences."""
    counts: list[int] = []
    value = shift = 0
    for character in text:
        bits = ord(character) - 48
        if not 0 <= bits < 64:
            raise DatasetError(f"{where}: the mask is not COCO run lengths", AGAIN)
        value |= (bits & 31) << shift
        shift += 5
        if bits & 32:
            continue
        if bits & 16:
            value -= 1 << shift
        if len(counts) > 2:
            value += counts[-2]
        counts.append(value)
        value = shift = 0
    return counts


def mask_outlines(mask: Pixels) -> list[Points]:
    """Polygons along the outer edges of a mask's pixels; a hole is cut out through a slit."""
    rows, columns = np.nonzero(mask.any(axis=1))[0], np.nonzero(mask.any(axis=0))[0]
    if len(rows) == 0:
        return []
    top, left = rows[0], columns[0]
    region = mask[top : rows[-1] + 1, left : columns[-1] + 1]
    height, width = region.shape
    # Every second row and column is a line between pixels, so that contours run on pixel edges.
    lines = np.zeros((2 * height + 1, 2 * width + 1), np.uint8)
    for down in range(3):
        for right in range(3):
            lines[down : down + 2 * height : 2, right : right + 2 * width : 2] |= region
    contours, tree = cv2.findContours(lines, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    outlines = []
    for index, contour in enumerate(contours):
        if tree[0, index, 3] < 0:
            points = contour[:, 0].astype(np.float64)
            for hole, parent in zip(contours, tree[0, :, 3], strict=True):
                if parent == index:
                    points = with_hole(points, hole[:, 0].astype(np.float64))
            outlines.append(points / 2 + (left, top))
    return outlines


def with_hole(outer: Points, hole: Points) -> Points:
    """One polygon that goes from its corner nearest to the hole around the hole and back."""
    nearest = int(np.argmin(np.hypot(*(outer - hole[0]).T)))
    return np.concatenate([outer[: nearest + 1], hole, hole[:1], outer[nearest:]])
