"""The self-test of a model: what it must show on the bundled golden captures before a station trusts it.

`python -m edge.selftest --card F` runs it in a process of its own: a network that crashes or hangs takes nothing
else with it.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import time
import tomllib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import cv2
import numpy as np

from edge.calibration import Calibration, read_calibration
from edge.errors import StationError
from edge.images import read_picture
from edge.measuring.measure import Look, measure
from edge.records import VIEWS, Measurement, Picture, Pixels, Segmentation
from edge.segment import Segmenter

SAMPLES = Path(__file__).resolve().parent / "samples"
TIMED_ROUNDS = 3
# The shipped network's test takes a tenth of it.
LARGEST_DATA_BYTES = 2_000_000_000
HEIGHT = "withers_height_cm"

# What is tested, and why it decides whether a station may use the model.
REASONS: Mapping[str, str] = {
    "goat found": "where no goat is found the barn gets no number at all",
    "side outline": "heights are read off this outline",
    "top outline": "widths are read off this outline",
    "front outline": "the second opinion on the width is read off this outline",
    "empty crate": "a goat seen where there is none becomes a measurement of nothing",
    "withers": "the way to centimetres holds only if the true height lies within the ± that is shown",
    "same again": "a disputed number must come out the same when its pictures are measured again",
    "time": "no limit: machines differ; a slower model is a choice, but a known one",
}


@dataclass(frozen=True, slots=True)
class Check:
    """One finding about a model; `measured` and `wanted` are for people, `figures` for programs."""

    name: str
    passed: bool
    measured: str
    wanted: str
    reason: str
    figures: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Report:
    """All findings about one model."""

    model: Mapping[str, Any]
    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        return all(check.passed for check in self.checks)

    @property
    def failures(self) -> tuple[Check, ...]:
        return tuple(check for check in self.checks if not check.passed)

    def as_document(self) -> dict[str, Any]:
        return {
            "model": dict(self.model),
            "passed": self.passed,
            "checks": [asdict(check) for check in self.checks],
        }

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Report:
        return cls(document["model"], tuple(Check(**check) for check in document["checks"]))


@dataclass(frozen=True, slots=True)
class Golden:
    """One bundled capture whose goat is known: pictures, true masks and true sizes."""

    name: str
    pictures: Mapping[str, Picture]
    masks: Mapping[str, Pixels]
    traits_cm: Mapping[str, float]


Outlines = Mapping[str, Mapping[str, Segmentation]]


def self_test(segmenter: Segmenter, against: Segmenter | None = None, samples: Path = SAMPLES) -> Report:
    """Show the network every golden capture and the empty crate, and judge what it sees."""
    goats = read_goldens(samples / "captures")
    outlines, again = (look_at_all(segmenter, goats) for _ in range(2))
    checks = (
        goat_found(segmenter, outlines),
        *(outline(view, goats, outlines, read_floor(samples, view)) for view in VIEWS),
        empty_crate(segmenter, samples / "empty"),
        withers(goats, outlines, read_calibration(samples / "calibration.json")),
        same_again(outlines, again),
        picture_time(segmenter, against, goats[0]),
    )
    return Report(segmenter.card.as_document(), checks)


def read_goldens(folder: Path) -> list[Golden]:
    return [read_golden(one) for one in sorted(folder.iterdir())]


def read_golden(folder: Path) -> Golden:
    return Golden(
        folder.name,
        {view: read_picture(folder / f"{view}.jpg") for view in VIEWS},
        # Grey decoded as RGB: three times the same label.
        {view: read_picture(folder / f"{view}_mask.png").rgb[..., 0] for view in VIEWS},
        json.loads((folder / "truth.json").read_text())["traits_cm"],
    )


def read_floor(samples: Path, view: str) -> float:
    floors = tomllib.loads((samples / "golden.toml").read_text())["outline_iou"]
    return float(floors[view]["floor"])


def look_at_all(segmenter: Segmenter, goats: Sequence[Golden]) -> Outlines:
    """name -> view -> what the network sees there."""
    return {
        goat.name: {view: segmenter.segment(picture, view) for view, picture in goat.pictures.items()}
        for goat in goats
    }


def finding(name: str, passed: bool, measured: str, wanted: str, **figures: Any) -> Check:
    return Check(name, bool(passed), measured, wanted, REASONS[name], figures)


def goat_found(segmenter: Segmenter, outlines: Outlines) -> Check:
    pictures = {f"{name} {view}": seen for name, views in outlines.items() for view, seen in views.items()}
    missed = [where for where, seen in pictures.items() if not segmenter.finds_goat(seen)]
    measured = f"{len(pictures) - len(missed)} of {len(pictures)} pictures"
    if missed:
        measured += f", not in {first_of(missed)}"
    return finding("goat found", not missed, measured, "all", missed=missed)


def first_of(texts: Sequence[str]) -> str:
    """One stands for all, so that a table stays a table."""
    return texts[0] if len(texts) == 1 else f"{texts[0]} and {len(texts) - 1} more"


def outline(view: str, goats: Sequence[Golden], outlines: Outlines, floor: float) -> Check:
    """How well the goat's outline lies on the true one, in the worst picture of the view."""
    overlap = {goat.name: iou(outlines[goat.name][view].mask, goat.masks[view]) for goat in goats}
    worst = min(overlap, key=overlap.__getitem__)
    rounded = {name: round(value, 4) for name, value in overlap.items()}
    return finding(
        f"{view} outline",
        overlap[worst] >= floor,
        f"IoU {overlap[worst]:.3f} ({worst}), mean {np.mean(list(overlap.values())):.3f}",
        f"at least {floor:.2f}",
        iou=rounded,
        floor=floor,
    )


def iou(mask: Pixels, golden: Pixels) -> float:
    """Overlap of head and body together with the golden ones, at the golden mask's size."""
    height, width = golden.shape
    seen = cv2.resize(mask, (width, height), interpolation=cv2.INTER_NEAREST) > 0
    known = golden > 0
    return float((seen & known).sum() / (seen | known).sum())


def empty_crate(segmenter: Segmenter, folder: Path) -> Check:
    pictures = {view: read_picture(folder / f"{view}.jpg") for view in VIEWS}
    ghosts = [view for view in VIEWS if segmenter.finds_goat(segmenter.segment(pictures[view], view))]
    measured = f"a goat in {', '.join(ghosts)}" if ghosts else "no goat"
    return finding("empty crate", not ghosts, measured, "no goat", ghosts=ghosts)


def withers(goats: Sequence[Golden], outlines: Outlines, calibration: Calibration) -> Check:
    """Whether the true height lies in the interval that the station would show."""
    heights = {goat.name: measured_height(goat, outlines[goat.name], calibration) for goat in goats}
    misses = {goat.name: how_far_off(heights[goat.name], goat.traits_cm[HEIGHT]) for goat in goats}
    bad = [f"{name}: {why}" for name, why in misses.items() if why]
    errors = {
        goat.name: round(one.value - goat.traits_cm[HEIGHT], 2)
        for goat in goats
        if (one := heights[goat.name]).value is not None
    }
    worst = max(map(abs, errors.values()), default=None)
    measured = f"at most {worst:.1f} cm off" if worst is not None and not bad else first_of(bad)
    u95 = {name: one.u95 and round(one.u95, 2) for name, one in heights.items()}
    return finding("withers", not bad, measured, "within ± of the truth", error_cm=errors, u95_cm=u95)


def measured_height(
    goat: Golden, outlines: Mapping[str, Segmentation], calibration: Calibration
) -> Measurement:
    looks = {
        view: Look(view, outlines[view], calibration.ruler_for(view, picture.full_size, picture.size))
        for view, picture in goat.pictures.items()
    }
    return next(one for one in measure(looks).measurements if one.trait == HEIGHT)


def how_far_off(height: Measurement, truth_cm: float) -> str:
    """Why a height is not right, or nothing."""
    if height.value is None or height.u95 is None:
        return height.reason or "no height"
    off_cm = height.value - truth_cm
    return f"{off_cm:+.1f} cm off, ± {height.u95:.1f}" if abs(off_cm) > height.u95 else ""


def same_again(outlines: Outlines, again: Outlines) -> Check:
    differing = [
        f"{name} {view}"
        for name, views in outlines.items()
        for view, seen in views.items()
        if not np.array_equal(seen.mask, again[name][view].mask)
    ]
    measured = f"differs in {first_of(differing)}" if differing else "the same outlines"
    return finding("same again", not differing, measured, "the same", differing=differing)


def picture_time(segmenter: Segmenter, against: Segmenter | None, goat: Golden) -> Check:
    """Turn about, so that both have the same share of whatever else the machine does."""
    own_ms: list[float] = []
    other_ms: list[float] = []
    for _ in range(TIMED_ROUNDS):
        for view, picture in goat.pictures.items():
            own_ms.append(milliseconds(segmenter, picture, view))
            if against:
                other_ms.append(milliseconds(against, picture, view))
    ratio = round(median(own_ms) / median(other_ms), 2) if other_ms else None
    measured = f"{median(own_ms):.0f} ms a picture"
    if ratio is not None:
        measured += f", {ratio:.2f} times the current model's"
    return finding("time", True, measured, "-", median_ms=round(median(own_ms), 1), ratio_to_current=ratio)


def milliseconds(segmenter: Segmenter, picture: Picture, view: str) -> float:
    start = time.perf_counter()
    segmenter.segment(picture, view)
    return (time.perf_counter() - start) * 1000


def main() -> int:
    """Print the report, or why there is none, as one JSON document."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--card", type=Path, required=True)
    options.add_argument("--against", type=Path)
    given = options.parse_args()
    step_back()
    try:
        against = Segmenter.load(given.against) if given.against else None
        report = self_test(Segmenter.load(given.card), against)
    except StationError as error:
        print(json.dumps({"message": error.message, "hint": error.hint}))
        return error.exit_code
    print(json.dumps(report.as_document()))
    return 0


def step_back() -> None:
    """Leave processor and memory to the running station, and be the first to go where memory runs out."""
    os.nice(10)
    resource.setrlimit(resource.RLIMIT_DATA, (LARGEST_DATA_BYTES, LARGEST_DATA_BYTES))
    with suppress(OSError):  # a sandbox may keep /proc from being written
        Path("/proc/self/oom_score_adj").write_text("1000")


if __name__ == "__main__":
    sys.exit(main())
