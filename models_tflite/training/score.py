"""How well one picture was understood, against its truth. Needs no torch."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

import cv2
import numpy as np

from edge.measuring.geometry import landmarks
from edge.records import Label, Pixels, Segmentation

OUTLINE_SIDE_PX = 1600
# Network's landmarks that geometry knows by the same name; compared in the side view.
JUDGED = ("withers", "rump", "poll")
NAN = float("nan")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Score:
    """How well one picture was understood.

    confidence   of the goat; 0 where what was found is too small for one
    scene        name -> probability
    iou...       0..1, nan where neither has any
    outline_px   mean distance between the outlines, both ways, px of a picture 1600 px long
    person       0..1, that somebody is in the way; nan where the network does not tell
    height_cm    landmark -> height found minus true height
    off_cm       landmark -> distance in the picture
    """

    name: str
    view: str
    group: str
    confidence: float
    scene: Mapping[str, float]
    iou: float = NAN
    iou_body: float = NAN
    iou_head: float = NAN
    outline_px: float = NAN
    height_cm: Mapping[str, float] = field(default_factory=dict)
    off_cm: Mapping[str, float] = field(default_factory=dict)
    person: float = NAN


def judged(
    name: str,
    group: str,
    seen: Segmentation,
    truth: Pixels,
    marks: Mapping[str, tuple[float, float]],
    cm_per_px: float | None,
    least_area: float,
) -> Score:
    """The score of one picture.

    truth      (H, W)  0 background, 1 body, 2 head, as large as the mask seen
    marks      landmark -> where it truly is, px
    cm_per_px  at the goat; None leaves the landmarks out
    """
    found = landmarks(seen.mask, seen.view, seen.landmarks) if cm_per_px and seen.view == "side" else {}
    both = {mark: (found[mark], marks[mark]) for mark in JUDGED if mark in found and mark in marks}
    scale = cm_per_px or NAN
    large = float(np.mean(seen.mask != Label.BACKGROUND)) >= least_area
    return Score(
        name,
        seen.view,
        group,
        seen.confidence if large else 0.0,
        dict(seen.scene),
        iou(seen.mask > 0, truth > 0),
        iou(seen.mask == Label.BODY, truth == Label.BODY),
        iou(seen.mask == Label.HEAD, truth == Label.HEAD),
        outline_distance_px(seen.mask, truth),
        {mark: float((true[1] - here[1]) * scale) for mark, (here, true) in both.items()},
        {
            mark: float(np.hypot(here[0] - true[0], here[1] - true[1]) * scale)
            for mark, (here, true) in both.items()
        },
        NAN if seen.person is None else seen.person,
    )


def iou(found: np.ndarray[Any, Any], truth: np.ndarray[Any, Any]) -> float:
    """Intersection over union of two boolean masks; nan where both are empty."""
    union = int(np.logical_or(found, truth).sum())
    return float(np.logical_and(found, truth).sum() / union) if union else NAN


def outline_distance_px(found: Pixels, truth: Pixels) -> float:
    """Mean distance between two outlines, both ways, in px of a picture 1600 px long."""
    edges = [outline(mask > 0) for mask in (found, truth)]
    if not all(edge.any() for edge in edges):
        return NAN
    away = [cv2.distanceTransform((~edge).astype(np.uint8), cv2.DIST_L2, 5) for edge in edges]
    both_ways = (away[1][edges[0]].mean() + away[0][edges[1]].mean()) / 2
    return float(both_ways * OUTLINE_SIDE_PX / max(truth.shape))


def outline(region: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The region's own border pixels; the picture's border is not an outline."""
    inner = cv2.erode(region.astype(np.uint8), np.ones((3, 3), np.uint8), borderValue=[1.0])
    return np.asarray(region & (inner == 0))


class Ledger(Generic[T]):
    """Results already made, one JSON line each, so that an interrupted evaluation goes on where it stopped.

    kind  the dataclass of a result, e.g. Score; it and what it holds must be as JSON has them
    """

    def __init__(self, path: Path | None, kind: Callable[..., T]) -> None:
        self.path = path
        self.known: dict[str, T] = {}
        if path is not None and path.exists():
            for line in path.read_text(encoding="utf-8").splitlines():
                try:
                    entry = json.loads(line)
                    key = entry.pop("key")
                    self.known[key] = kind(**entry)
                except (ValueError, KeyError, TypeError):
                    continue  # half a line, or one of an earlier version: its result is made again

    def once(self, key: str, make: Callable[[], T]) -> T:
        """The result noted under that key, else a new one."""
        if key not in self.known:
            made: Any = make()
            self.known[key] = made
            if self.path is not None:
                # The line break comes first: it ends what an interruption may have left half written.
                with self.path.open("a", encoding="utf-8") as lines:
                    lines.write("\n" + json.dumps({"key": key, **asdict(made)}))
        return self.known[key]


def median_of(values: Iterable[float]) -> float:
    known = [value for value in values if not np.isnan(value)]
    return float(np.median(known)) if known else NAN


def mean_of(values: Iterable[float]) -> float:
    known = [value for value in values if not np.isnan(value)]
    return float(np.mean(known)) if known else NAN
