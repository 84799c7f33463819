"""What every tool's labels have in common: pictures found by name, classes by meaning, sound outlines."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

import cv2
import numpy as np
from PIL import Image, UnidentifiedImageError

from edge.images import upright_size
from edge.records import Label, Points
from models_tflite.training.dataset import DatasetError

PICTURE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")
# Folders that tools make: what lies in them is not told apart by them.
PLAIN_FOLDERS = ("images", "image", "train", "valid", "val", "validation", "test", "default")
# Label Studio puts eight hexadecimal digits before the name of each file it takes in.
HASH = re.compile(r"^[0-9a-f]{8}-")
IGNORED = Label.BACKGROUND
CLASSES = {"body": Label.BODY, "head": Label.HEAD, "ignore": IGNORED}
SYNONYMS = {
    **dict.fromkeys(("body", "torso", "trunk", "cuerpo", "torso neck", "body neck"), Label.BODY),
    **dict.fromkeys(("head", "face", "cabeza"), Label.HEAD),
}
# Words that say nothing: "goat body", "Body of goat" and "goat-torso" are all the body.
FILLERS = ("goat", "goats", "the", "of", "a", "cabra", "de", "la", "el", "mask", "class")
# An outline that crosses itself by less than this share of its area was drawn with a trembling hand.
CROSSED_SHARE = 0.03
# Farther outside than half a picture, an outline was made for another one.
FAR_OUTSIDE = 0.5
OUTSIDE_PX = 1.0


@dataclass(frozen=True, slots=True)
class Listed:
    """What a label file says of one picture.

    called     the picture's name in the label file, with every folder that it names
    size       (width, height) that the labels are meant for, px
    outlines   (label, (N, 2) points), px
    landmarks  as listed, under the names of the design, px
    clipped    how many outlines reached beyond the picture
    """

    path: Path
    called: str
    size: tuple[int, int]
    outlines: tuple[tuple[int, Points], ...]
    clipped: int = 0
    landmarks: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    view: str | None = None
    goat: str | None = None
    truncated: bool | None = None


# --- pictures ------------------------------------------------------------------------------------


class Pictures:
    """The picture files of a folder, found by the names that labels give them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.paths = sorted(path for path in folder.rglob("*") if self.is_picture(path))
        self.by_name: dict[str, list[Path]] = {}
        for path in self.paths:
            self.by_name.setdefault(path.name.lower(), []).append(path)

    def is_picture(self, path: Path) -> bool:
        """Not the "._name.jpg" that a Mac leaves beside each file."""
        parts = path.relative_to(self.folder).parts
        hidden = any(part.startswith(".") or part == "__MACOSX" for part in parts)
        return path.suffix.lower() in PICTURE_SUFFIXES and not hidden and path.is_file()

    def find(self, called: str, near: Path, subset: str = "") -> Path | None:
        """The file that a label file in `near` calls so, whatever folders the tool has put around it."""
        parts = name_parts(called)
        if not parts:
            return None
        for root in (near, self.folder, self.folder / "images", self.folder / "images" / subset):
            if (exact := root.joinpath(*parts)).is_file():
                return exact
        for name in (parts[-1], HASH.sub("", parts[-1]), unquote(parts[-1])):
            fitting = [path for path in self.by_name.get(name.lower(), []) if self.fits(path, parts)]
            closer = [path for path in fitting if path.is_relative_to(near) or subset in path.parts]
            if len(fitting) > 1 and len(closer) != 1:
                both = ", ".join(str(path.relative_to(self.folder)) for path in fitting[:3])
                message = f"{self.folder}: {called!r} may be any of {both}"
                raise DatasetError(message, "give the pictures different names")
            if fitting:
                return fitting[0] if len(fitting) == 1 else closer[0]
        return None

    def fits(self, path: Path, parts: Sequence[str]) -> bool:
        """Whether the folders do not contradict each other; side/1.jpg must not become top/1.jpg."""
        folders = telling(path.relative_to(self.folder).parts[:-1])
        named = telling(parts[:-1])
        shared = min(len(folders), len(named))
        return folders[len(folders) - shared :] == named[len(named) - shared :]


def telling(folders: Sequence[str]) -> list[str]:
    """The folders that a person named, in small letters."""
    return [folder.lower() for folder in folders if folder.lower() not in PLAIN_FOLDERS]


def name_parts(called: str) -> list[str]:
    r"""The parts of "..\..\images\a.jpg", "C:/x/a.jpg" or Label Studio's "/data/local-files/?d=x/a.jpg"."""
    path = PurePosixPath(called.replace("\\", "/").split("?d=")[-1])
    return [part for part in path.parts if part not in ("/", "..", ".") and not part.endswith(":")]


def size_of(path: Path) -> tuple[int, int]:
    """(width, height) of a picture file as people and cv2 see it, turned as its EXIF says."""
    try:
        with Image.open(path) as image:
            return upright_size(image)
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        raise DatasetError(f"{path}: not a picture", "give JPEG or PNG, or copy it again") from None


def check_size(path: Path, size: tuple[int, int]) -> None:
    """Refuse labels made for a picture of another size, or for one that was not yet turned upright."""
    width, height = size_of(path)
    if (width, height) == size:
        return
    differs = f"{path}: the picture has {width}x{height} px, its label {size[0]}x{size[1]}"
    if (height, width) == size:
        raise DatasetError(differs, "save the picture upright, without EXIF rotation, and label it again")
    raise DatasetError(differs, "export labels and pictures together, without resizing")


def refuse_missing(missing: Sequence[str], where: Path) -> None:
    if missing:
        message = f"{where}: {some(missing)}: no such picture"
        raise DatasetError(message, "copy the pictures beside the labels, or export with pictures")


def some(names: Sequence[str], most: int = 3) -> str:
    """The first few names, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


# --- classes -------------------------------------------------------------------------------------


def labels_of_classes(names: Iterable[str], mapped: Mapping[str, str], where: Path) -> dict[str, int]:
    """Class name -> label, for all names that outlines use; IGNORED where so mapped."""
    own = {plain(name): CLASSES[known] for name, known in mapped.items()}
    found = {name: own.get(plain(name), SYNONYMS.get(meaning(name))) for name in names}
    unknown = sorted(name for name, label in found.items() if label is None)
    if unknown:
        message = f"{where}: unknown class {', '.join(repr(name) for name in unknown)}"
        example = f"{unknown[0]},body"
        raise DatasetError(
            message,
            f"body and head are known; say what others are in classes.csv: name,class, then {example}",
        )
    return {name: label for name, label in found.items() if label is not None}


def plain(name: str) -> str:
    return " ".join(re.findall(r"[^\W_]+", name.lower()))


def meaning(name: str) -> str:
    """The words of a class name that tell it from others."""
    return " ".join(word for word in plain(name).split() if word not in FILLERS)


# --- outlines --------------------------------------------------------------------------------------


def sound_outline(points: Points, size: tuple[int, int], where: str) -> tuple[Points, bool]:
    """The outline as far as it lies in its picture, and whether it reached beyond it."""
    if not np.isfinite(points).all():
        raise DatasetError(f"{where}: a point is not a number", "draw this outline again")
    if len(np.unique(points, axis=0)) < 3:
        raise DatasetError(f"{where}: fewer than 3 points are no outline", "draw it again or delete it")
    if outside_px(points, size) > FAR_OUTSIDE * max(size):
        width, height = size
        message = f"{where}: lies far outside of its picture of {width}x{height} px"
        raise DatasetError(message, "these labels were made for another picture or size")
    refuse_crossed(points, where)
    if outside_px(points, size) <= 0:
        return points, False
    inside = clip(points, size)
    if len(inside) < 3:
        raise DatasetError(f"{where}: lies outside of its picture", "delete it or draw it again")
    return inside, outside_px(points, size) > OUTSIDE_PX


def outside_px(points: Points, size: tuple[int, int]) -> float:
    """How far the farthest point lies beyond the picture's border; 0 or less if none does."""
    return float(max(-points.min(), (points - size).max()))


def clip(points: Points, size: tuple[int, int]) -> Points:
    """The part of a polygon inside its picture (Sutherland and Hodgman)."""
    for axis, limit in enumerate(size):
        for edge, inward in ((0.0, 1.0), (float(limit), -1.0)):
            if len(points) == 0:
                return points
            depth = (points[:, axis] - edge) * inward
            kept: list[Points] = []
            for index in range(len(points)):
                before, here = depth[index - 1], depth[index]
                if (before < 0) != (here < 0):
                    share = before / (before - here)
                    kept.append(points[index - 1] + share * (points[index] - points[index - 1]))
                if here >= 0:
                    kept.append(points[index])
            points = np.array(kept, np.float64).reshape(-1, 2)
    return points


def refuse_crossed(points: Points, where: str) -> None:
    """Refuse an outline whose corners come in the wrong order: what is inside is then a guess."""
    crossing = crossing_of(points)
    if crossing is None:
        return
    # A bow tie fills more than its signed area; drawn at 1000 px, a trembling line does not count.
    low = points.min(axis=0)
    scale = 1000 / max(float(np.ptp(points, axis=0).max()), 1e-9)
    drawn = np.zeros((1001, 1001), np.uint8)
    shifted = (points - low) * scale
    cv2.fillPoly(drawn, [np.round(shifted).astype(np.int32)], (1,))
    filled, signed = float(drawn.sum()), cv2.contourArea(shifted.astype(np.float32))
    border = float(np.hypot(*np.diff(shifted, axis=0, append=shifted[:1]).T).sum())
    if abs(filled - signed) > CROSSED_SHARE * filled + 0.6 * border:
        x, y = crossing
        raise DatasetError(f"{where}: the outline crosses itself near x {x:.0f}, y {y:.0f}", "draw it again")


def crossing_of(points: Points) -> tuple[float, float] | None:
    """Where two edges of a polygon properly cross; None where none do."""
    corners = points[:: -(-len(points) // 2000)]
    edges = np.roll(corners, -1, axis=0) - corners
    # above[i, j]: on which side of edge i corner j lies, as twice the area of their triangle.
    above = np.outer(edges[:, 0], corners[:, 1]) - np.outer(edges[:, 1], corners[:, 0])
    above -= (edges[:, 0] * corners[:, 1] - edges[:, 1] * corners[:, 0])[:, None]
    straddles = above * np.roll(above, -1, axis=1) < 0
    first, second = np.nonzero(np.triu(straddles & straddles.T, 1))
    if len(first) == 0:
        return None
    one, other = int(first[0]), int(second[0])
    after = (other + 1) % len(corners)
    share = above[one, other] / (above[one, other] - above[one, after])
    x, y = corners[other] + share * edges[other]
    return float(x), float(y)
