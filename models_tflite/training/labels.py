"""Photographs that people have labelled, whichever tool they used. Needs no torch.

    python -m models_tflite.training.labels FOLDER [--sheet sheet.jpg]

says what lies in a folder of pictures and labels and draws the outlines over the pictures, so that a
person sees whether they fit. Read are

- our own labels.json (COCO) with a `view` and a `goat` for each picture, and landmarks.json beside it;
- COCO with polygons or masks: Roboflow's _annotations.coco.json in train/, valid/ and test/, CVAT's
  annotations/instances_*.json with images/, Label Studio's result.json with images/;
- YOLO segmentation: data.yaml or classes.txt, with images/ and labels/ in any arrangement of splits.

The view of a picture is its `view` in our own format, else its row of a pictures.csv in the folder
(file,view,goat and, if wanted, truncated), else the word side, top or front in its name or folders.

The goat is found likewise: `goat`, pictures.csv, or g15, goat15, goat_15 in its name or folders. Pictures
whose goat nobody names all go to one goat called unknown: training takes them, judging by animal refuses
them, because the same animal might be trained on and judged. A picture that its label file lists without
any outline shows no goat, and is trained on as such.

Classes are told by their names (body, torso, goat_body, head, goat-head ...); a classes.csv in the
folder (name,class with class body, head or ignore) says what other names mean.
"""

from __future__ import annotations

import argparse
import csv
import re
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

import cv2
import numpy as np

from edge.records import VIEWS, Label, Pixels
from models_tflite.training.coco import coco_files, other_coco_files, read_coco
from models_tflite.training.dataset import (
    NO_GOAT,
    UNKNOWN_GOAT,
    DatasetError,
    Sample,
    command,
    known_view,
    read_json,
    read_rgb,
    resize,
    scaled,
)
from models_tflite.training.outlines import (
    CLASSES,
    PICTURE_SUFFIXES,
    PLAIN_FOLDERS,
    Listed,
    Pictures,
    some,
)
from models_tflite.training.yolo import read_yolo, yolo_files

OWN, COCO, YOLO = "own", "coco", "yolo"
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
# What the network points at beyond those marks.
LANDMARKS_ALSO = {"side": ("tail_root",), "top": ("withers", "rump", "poll", "tail_root"), "front": ("poll",)}
LANDMARK_NAMES = (*LANDMARKS, "tail_root")
GOAT_NAME = re.compile(r"(?<![a-z0-9])(?:g|goat[ _-]?)0*(\d+)(?![a-z0-9])")
# Roboflow calls a.jpg a_jpg.rf.0123456789abcdef0123456789abcdef.jpg; the hash must not be read as words.
ROBOFLOW = re.compile(r"_(?:jpe?g|png|bmp|webp|tiff?)\.rf\.[0-9A-Za-z]+(?=\.[a-z]+$)", re.IGNORECASE)
# Closer to the border than this, an outline is taken to go on beyond it.
BORDER_PX = 1.5
YES, NO = ("yes", "true", "1"), ("no", "false", "0")
SHEET_MOST = 96
TILE = (400, 300)
COLOURS = {Label.BODY: (60, 220, 60), Label.HEAD: (255, 150, 0)}
# fillPoly takes every pixel that an outline touches: drawn larger and thinned out, that bias is gone.
FINER = 4


@dataclass(frozen=True, slots=True)
class Photograph:
    """A photograph with hand-drawn outlines; without any it shows no goat.

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
        scene = "none" if not self.outlines else None if self.truncated else "one"
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


def to_stderr(note: str) -> None:
    print(f"note: {note}", file=sys.stderr)


def read_labelled(
    folder: Path,
    classes: Mapping[str, str] | None = None,
    kind: str | None = None,
    tell: Callable[[str], None] = to_stderr,
) -> list[Photograph]:
    """All labelled photographs of a folder, whichever tool wrote its labels; see the module's own words.

    classes  class name of the labels -> body, head or ignore, beyond those known and those in classes.csv
    kind     own, coco or yolo, for a folder that holds labels of more than one kind
    tell     is given one sentence for each thing that is allowed but may not be meant
    """
    kind = kind or recognise(folder)
    mapped = {**read_classes(folder / "classes.csv"), **(classes or {})}
    pictures = Pictures(folder)
    listed = read_kind(kind, folder, pictures, mapped)
    if not listed:
        raise DatasetError(f"{folder}: no photographs", "its labels list none")
    refuse_points_alone(listed, folder)
    rows = rows_of(listed, folder)
    views = views_of(listed, rows, folder)
    photographs = [photograph(one, views[one.path], rows.get(one.path, {}), folder) for one in listed]
    for note in notes(listed, photographs, pictures):
        tell(note)
    return refuse_mostly_empty(photographs, folder)


def recognise(folder: Path) -> str:
    """The kind of labels that lie in a folder; refused if there is none, or more than one."""
    if not folder.is_dir():
        what = "unpack it first" if folder.suffix == ".zip" else "check the path"
        raise DatasetError(f"{folder}: no such folder", what)
    own = [path for path in [folder / "labels.json"] if path.is_file()]
    marks = {OWN: own, COCO: coco_files(folder), YOLO: yolo_files(folder)}
    if not any(marks.values()):
        marks[COCO] = other_coco_files(folder)
    found = [kind for kind, files in marks.items() if files]
    if len(found) > 1:
        both = " and ".join(str(marks[kind][0].relative_to(folder)) for kind in found)
        message = f"{folder}: holds labels of several kinds: {both}"
        raise DatasetError(message, f"keep one, or name one: --format {' or '.join(found)}")
    if not found:
        raise no_labels(folder)
    return found[0]


def no_labels(folder: Path) -> DatasetError:
    inside = [path for path in folder.iterdir() if path.is_dir() and not path.name.startswith((".", "__"))]
    deeper = f"perhaps {inside[0]} is meant" if len(inside) == 1 else ""
    kinds = "labels.json, COCO (Roboflow, CVAT, Label Studio) or YOLO segmentation"
    return DatasetError(f"{folder}: no labels found", deeper or f"expected {kinds}")


def read_kind(kind: str, folder: Path, pictures: Pictures, mapped: Mapping[str, str]) -> list[Listed]:
    if kind == YOLO:
        if not yolo_files(folder):
            raise no_labels(folder)
        return read_yolo(folder, pictures, mapped)
    if kind == COCO:
        files = coco_files(folder) or other_coco_files(folder)
        if not files:
            raise no_labels(folder)
        return read_coco(files, pictures, mapped, LANDMARK_NAMES)
    listed = read_coco([folder / "labels.json"], pictures, mapped, LANDMARK_NAMES)
    landmarks = read_landmarks(folder / "landmarks.json")
    return [replace(one, landmarks={**one.landmarks, **landmarks.get(one.path.stem, {})}) for one in listed]


def photograph(listed: Listed, view: str, row: Mapping[str, str], folder: Path) -> Photograph:
    borders = [bool((points.min() < BORDER_PX) or (listed.size - points < BORDER_PX).any())
               for _, points in listed.outlines]  # fmt: skip
    said = yes_or_no(row.get("truncated", ""), listed.path)
    truncated = said if said is not None else listed.truncated
    meant = (*LANDMARK_OF_MARK[view].values(), *LANDMARKS_ALSO[view])
    return Photograph(
        path=listed.path,
        view=view,
        goat=goat_of(listed, row, folder) if listed.outlines else NO_GOAT,
        size=listed.size,
        truncated=any(borders) if truncated is None else truncated,
        outlines=listed.outlines,
        landmarks={name: point for name, point in listed.landmarks.items() if name in meant},
    )


def refuse_points_alone(listed: Sequence[Listed], folder: Path) -> None:
    """Landmarks without an outline are a goat: such a picture must not count as one without."""
    names = [one.path.name for one in listed if one.landmarks and not one.outlines]
    if names:
        message = f"{folder}: {len(names)} pictures have landmarks and no outline: {some(names)}"
        raise DatasetError(message, "outline body and head too")


def refuse_mostly_empty(photographs: list[Photograph], folder: Path) -> list[Photograph]:
    """Pictures without outlines teach what is no goat; more of them than goats are a job half done."""
    empty = [photo.path.name for photo in photographs if not photo.outlines]
    if 2 * len(empty) > len(photographs):
        message = (
            f"{folder}: {len(empty)} of {len(photographs)} pictures listed: has no outline: {some(empty)}"
        )
        raise DatasetError(message, "label them, or take them out of the export")
    return photographs


def notes(listed: Sequence[Listed], photographs: Sequence[Photograph], pictures: Pictures) -> list[str]:
    """What is allowed but may not be meant, one sentence each."""
    found = []
    if empty := [photo.path.name for photo in photographs if not photo.outlines]:
        found.append(
            f"{len(empty)} pictures are listed without an outline and count as no goat: {some(empty)}"
        )
    used = {one.path for one in listed}
    folders = {path.parent for path in used}
    if unused := [path.name for path in pictures.paths if path not in used and path.parent in folders]:
        found.append(f"{len(unused)} pictures have no labels and are not used: {some(unused)}")
    if clipped := sum(one.clipped for one in listed):
        found.append(f"{clipped} outlines reached beyond their picture and were cut at its border")
    if all(photo.size[0] == photo.size[1] for photo in photographs):
        found.append("every picture is square: if the tool stretched them, export again without resizing")
    if unknown := [photo.path.name for photo in photographs if photo.goat == UNKNOWN_GOAT]:
        found.append(
            f"{len(unknown)} pictures name no goat: they can be trained on, but not judged by animal"
        )
    pairs = zip(listed, photographs, strict=True)
    if dropped := sum(len(one.landmarks) - len(photo.landmarks) for one, photo in pairs):
        found.append(f"{dropped} landmarks belong to another view than their picture's and are left out")
    return found


# --- which view, which goat --------------------------------------------------------------------------


def views_of(
    listed: Sequence[Listed], rows: Mapping[Path, Mapping[str, str]], folder: Path
) -> dict[Path, str]:
    """Picture -> its view; refused if some have none, or two."""
    words = {one.path: view_words(one, rows.get(one.path, {}), folder) for one in listed}
    for count, wrong in ((0, "do not say their view"), (2, "say more than one view")):
        names = [path.name for path, found in words.items() if min(len(found), 2) == count]
        if names:
            message = f"{folder}: {len(names)} pictures {wrong}: {some(names)}"
            ways = "put them in folders side, top and front, or call them like g15_top_1.jpg, or write pictures.csv"
            raise DatasetError(message, f"{ways} with the columns file,view,goat")
    return {path: next(iter(found)) for path, found in words.items()}


def view_words(listed: Listed, row: Mapping[str, str], folder: Path) -> set[str]:
    if said := listed.view or row.get("view"):
        return {known_view(said.strip().lower(), folder)}
    named = set(re.findall("[a-z]+", name_of(listed, folder))) & set(VIEWS)
    return named or set(re.findall("[a-z]+", folder.resolve().name.lower())) & set(VIEWS)


def goat_of(listed: Listed, row: Mapping[str, str], folder: Path) -> str:
    if said := listed.goat or row.get("goat"):
        return goat_number(said)
    numbers = set(GOAT_NAME.findall(name_of(listed, folder)))
    if len(numbers) > 1:
        message = f"{listed.path}: names the goats {', '.join(sorted(numbers))}"
        raise DatasetError(message, "say in pictures.csv which it is: file,view,goat")
    return str(numbers.pop()) if numbers else UNKNOWN_GOAT


def goat_number(said: str) -> str:
    """G15, goat 15 and 015 are all 15: one animal under two names would be trained on and judged."""
    match = re.fullmatch(r"(?:g|goat)?[ _-]?0*(\d+)", said.strip().lower())
    return match[1] if match else said.strip()


def name_of(listed: Listed, folder: Path) -> str:
    """All that a picture is called, with its folders, in small letters and without what tools add."""
    names = (listed.path.relative_to(folder).as_posix(), listed.called.replace("\\", "/"))
    return " ".join(ROBOFLOW.sub("", name) for name in names).lower()


def rows_of(listed: Sequence[Listed], folder: Path) -> dict[Path, dict[str, str]]:
    """Picture -> its row of pictures.csv, where there is one."""
    rows: dict[str, dict[str, str]] = {}
    for row in read_csv(folder / "pictures.csv", "file"):
        key = file_key(row["file"])
        if rows.setdefault(key, row) != row:
            raise DatasetError(f"{folder / 'pictures.csv'}: {row['file']}: two rows differ", "leave one")
    found = {one.path: name for one in listed if (name := row_key(one, folder, rows)) is not None}
    places: dict[str, set[str]] = {}
    for path, key in found.items():
        places.setdefault(key, set()).add(place(path, folder))
    for key, several in places.items():
        if len(several) > 1:
            message = f"{folder / 'pictures.csv'}: {key} lies in {' and '.join(sorted(several))}"
            raise DatasetError(message, "write the folder before the name")
    return {path: rows[key] for path, key in found.items()}


def row_key(listed: Listed, folder: Path, rows: Mapping[str, Any]) -> str | None:
    names = [listed.path.relative_to(folder).as_posix(), listed.called]
    keys = [file_key(name) for name in names]
    tails = ["/".join(key.split("/")[start:]) for key in keys for start in range(key.count("/") + 1)]
    return next((tail for tail in tails if tail in rows), None)


def file_key(name: str) -> str:
    """A file's name to compare by: no ending, no Roboflow hash, small letters."""
    key = ROBOFLOW.sub("", name.strip().replace("\\", "/")).removeprefix("./").lower()
    path = PurePosixPath(key)
    return str(path.with_suffix("")) if path.suffix in PICTURE_SUFFIXES else key


def place(path: Path, folder: Path) -> str:
    """The folder of a picture, without those that tools make."""
    return "/".join(part for part in path.relative_to(folder).parts[:-1] if part not in PLAIN_FOLDERS)


def yes_or_no(word: str, path: Path) -> bool | None:
    if word.lower() in YES:
        return True
    if not word or word.lower() in NO:
        return False if word else None
    raise DatasetError(f"pictures.csv: truncated of {path.name} is {word!r}", "write yes or no")


def read_classes(path: Path) -> dict[str, str]:
    """What classes.csv says about class names; nothing if there is none."""
    return known_classes(
        {row["name"]: row.get("class", "").lower() for row in read_csv(path, "name")}, str(path)
    )


def known_classes(mapped: dict[str, str], where: str) -> dict[str, str]:
    for name, known in mapped.items():
        if known not in CLASSES:
            message = f"{where}: {name!r} cannot be {known!r}"
            raise DatasetError(message, f"a class is one of {', '.join(CLASSES)}")
    return mapped


def read_csv(path: Path, key: str) -> list[dict[str, str]]:
    """The rows of a small table as a spreadsheet writes it, with , or ; between; none if it is absent."""
    if not path.exists():
        return []
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError):
        raise DatasetError(f"{path}: cannot be read", "save it as CSV UTF-8") from None
    lines = text.splitlines()
    separator = ";" if lines and ";" in lines[0] else ","
    try:
        cells = [[cell.strip() for cell in row] for row in csv.reader(lines, delimiter=separator)]
    except csv.Error as error:
        raise DatasetError(f"{path}: not a table: {error}", "save it as CSV UTF-8") from None
    head = [name.lower() for name in cells[0]] if cells else []
    if key not in head:
        raise DatasetError(f"{path}: no column {key!r}", f"its first line names the columns: {key},...")
    blank = dict.fromkeys(head, "")
    return [{**blank, **dict(zip(head, row, strict=False))} for row in cells[1:] if any(row)]


# --- our own landmarks -------------------------------------------------------------------------------


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


# --- the command -------------------------------------------------------------------------------------


def table(photographs: Sequence[Photograph]) -> str:
    """What there is of each view, as lines of text."""
    lines = [f"{'view':8}{'pictures':>10}{'goats':>8}{'landmarks':>11}{'truncated':>11}{'no goat':>9}"]
    for view in VIEWS:
        seen = [photo for photo in photographs if photo.view == view]
        counts = (
            len(seen),
            len({photo.goat for photo in seen} - {NO_GOAT, UNKNOWN_GOAT}),
            sum(bool(photo.landmarks) for photo in seen),
            sum(photo.truncated for photo in seen),
            sum(not photo.outlines for photo in seen),
        )
        lines.append(
            f"{view:8}"
            + "".join(f"{count:>{width}}" for count, width in zip(counts, (10, 8, 11, 11, 9), strict=True))
        )
    marks = Counter(name for photo in photographs for name in photo.landmarks)
    if marks:
        lines.append("landmarks: " + ", ".join(f"{name} {count}" for name, count in sorted(marks.items())))
    return "\n".join(lines)


def sheet(photographs: Sequence[Photograph]) -> Pixels:
    """(H, W, 3) BGR: the pictures side by side with their outlines and landmarks drawn over them."""
    step = -(-len(photographs) // SHEET_MOST)
    tiles = [tile(photo) for photo in photographs[::step]]
    across = min(len(tiles), 6)
    tiles += [np.zeros_like(tiles[0])] * (-len(tiles) % across)
    rows = [np.hstack(tiles[start : start + across]) for start in range(0, len(tiles), across)]
    return np.vstack(rows).astype(np.uint8)


def tile(photograph: Photograph) -> Pixels:
    """One picture of the sheet, with its name, view and goat."""
    rgb = read_rgb(photograph.path)
    scale = min(TILE[0] / rgb.shape[1], TILE[1] / rgb.shape[0])
    small = cv2.cvtColor(resize(rgb, scale), cv2.COLOR_RGB2BGR)
    for label, points in sorted(photograph.outlines, key=lambda outline: outline[0]):
        line = np.round((points * scale - 0.5) * 16).astype(np.int32)
        cv2.polylines(small, [line], True, COLOURS[label], 2, cv2.LINE_AA, shift=4)
    for x, y in photograph.landmarks.values():
        cv2.circle(small, (round(x * scale), round(y * scale)), 4, (0, 0, 255), -1, cv2.LINE_AA)
    framed = np.zeros((TILE[1] + 24, TILE[0] + 4, 3), np.uint8)
    framed[: small.shape[0], : small.shape[1]] = small
    said = f"{photograph.view}  goat {photograph.goat}  {photograph.name}"
    cv2.putText(
        framed, said[:60], (4, TILE[1] + 17), cv2.FONT_HERSHEY_SIMPLEX, 0.42, (255, 255, 255), 1, cv2.LINE_AA
    )
    return framed


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="models_tflite.training.labels", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("folder", type=Path)
    parser.add_argument(
        "--sheet", type=Path, help="draw the outlines over the pictures into this JPEG or PNG"
    )
    parser.add_argument("--format", choices=(OWN, COCO, YOLO), help="where a folder holds several kinds")
    parser.add_argument("--map", action="append", default=[], metavar="NAME=CLASS",
                        help="what a class name means: body, head or ignore; classes.csv says it for good")  # fmt: skip
    return parser.parse_args(arguments)


def main() -> None:
    options = parse()
    pairs = dict(entry.rpartition("=")[::2] for entry in options.map)
    photographs = read_labelled(options.folder, known_classes(pairs, "--map"), options.format)
    print(table(photographs))
    if options.sheet is not None:
        if options.sheet.suffix.lower() not in PICTURE_SUFFIXES or not options.sheet.parent.is_dir():
            raise DatasetError(f"{options.sheet}: cannot be written", "name a .jpg in a folder that exists")
        beside = options.sheet.with_stem(f"{options.sheet.stem}.new")
        cv2.imwrite(str(beside), sheet(photographs))
        beside.replace(options.sheet)
        print(f"wrote {options.sheet}: body green, head blue, landmarks red")


if __name__ == "__main__":
    command(main)
