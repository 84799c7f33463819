"""The tables of the model card, as Markdown."""

from __future__ import annotations

import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from enum import StrEnum
from pathlib import Path

import numpy as np

from edge.calibration import read_calibration
from edge.eye import Eye
from edge.images import read_picture
from edge.measuring.measure import measure
from edge.records import VIEWS
from edge.segment import NOT_ONE_AT, Segmenter
from models_tflite.training.dataset import FILLS_TOO_MUCH, HIDES_NOTHING, HIDES_TOO_MUCH, SimulatedPicture
from models_tflite.training.score import JUDGED, Score, mean_of, median_of

NO_ANIMAL = ("empty", "person", "things")
SAMPLE = Path(__file__).resolve().parents[2] / "edge" / "samples"


class Somebody(StrEnum):
    """What there may be of people in a simulated picture: in the way, in between, not in the way."""

    HIDES_LITTLE = "somebody hides 5 to 15 % of the goat"
    HIDES_MORE = "15 to 30 %"
    HIDES_MOST = "more than 30 %"
    INSTEAD = "somebody in the crate instead of a goat"
    HARDLY_HIDES = "(somebody hides 0.5 to 5 % of the goat)"
    HARDLY_INSTEAD = "(somebody in the crate fills less than 2 % of the picture)"
    BEFORE_NO_GOAT = "(somebody before a crate without a goat)"
    ELSEWHERE = "a goat, people elsewhere in the picture"
    NOBODY = "a goat, nobody in the picture"
    EMPTY = "an empty crate, nobody before it"
    THINGS = "things in the crate, nobody before it"
    DOG = "a dog in the crate, nobody before it"


NOBODY_THERE = {"dog": Somebody.DOG, "things": Somebody.THINGS}


def photographs(scores: Sequence[Score]) -> str:
    """One row per photograph, then the means per view."""
    head = header(
        *("photo", "view", "goat", "IoU goat", "IoU body", "IoU head", "outline px"),
        *("withers cm", "rump cm", "poll cm", "confidence"),
    )
    rows = [photograph_row(one) for one in scores]
    means = header(
        "view", "photographs", "IoU goat", "IoU body", "IoU head", "outline px", "withers, rump cm"
    )
    return "\n".join([head, *rows, "", means, *(mean_row(view, scores) for view in VIEWS)])


def photograph_row(one: Score) -> str:
    heights = [f"{one.height_cm[mark]:+.1f}" if mark in one.height_cm else "–" for mark in JUDGED]
    return row(
        *(one.name, one.view, one.group, number(one.iou), number(one.iou_body), number(one.iou_head)),
        *(number(one.outline_px, 1), *heights, f"{one.confidence:.2f}"),
    )


def mean_row(view: str, scores: Sequence[Score]) -> str:
    """Means over the pictures of one view; of withers and rump the median of their absolute differences."""
    of_view = [one for one in scores if one.view == view]
    heights = [
        abs(one.height_cm[mark]) for one in of_view for mark in ("withers", "rump") if mark in one.height_cm
    ]
    return row(
        *(view, str(len(of_view)), number(mean_of(one.iou for one in of_view))),
        number(mean_of(one.iou_body for one in of_view)),
        number(mean_of(one.iou_head for one in of_view)),
        number(mean_of(one.outline_px for one in of_view), 1),
        number(median_of(heights), 1),
    )


def simulated(scores: Sequence[Score]) -> str:
    """Means and, because a few are lost altogether, medians by view; landmarks as medians."""
    head = header(
        *("view", "pictures", "IoU goat", "median", "IoU head", "outline px", "median"),
        *("withers cm: height, place", "rump cm: height, place", "poll cm: height, place"),
    )
    return "\n".join([head, *(simulated_row(view, scores) for view in VIEWS)])


def simulated_row(view: str, scores: Sequence[Score]) -> str:
    of_view = [one for one in scores if one.view == view]
    marks = [mark_cell(mark, of_view) for mark in JUDGED]
    ious, outlines = [one.iou for one in of_view], [one.outline_px for one in of_view]
    return row(
        *(view, str(len(of_view)), number(mean_of(ious)), number(median_of(ious))),
        number(mean_of(one.iou_head for one in of_view)),
        *(number(mean_of(outlines), 1), number(median_of(outlines), 1), *marks),
    )


def mark_cell(mark: str, scores: Sequence[Score]) -> str:
    """Medians of how far off a landmark's height and its place are, cm."""
    height = median_of(abs(one.height_cm[mark]) for one in scores if mark in one.height_cm)
    place = median_of(one.off_cm[mark] for one in scores if mark in one.off_cm)
    return "–" if np.isnan(place) else f"{height:.1f}, {place:.1f}"


def scenes(scores: Sequence[Score], taken: Callable[[Score], bool]) -> str:
    """By what the crate holds: how often a picture is taken for one whole goat, or a part or several are said.

    At a station nothing is noticed only where all three pictures are taken for one whole goat.
    """
    by_kind: dict[str, list[Score]] = defaultdict(list)
    for one in scores:
        by_kind[one.group.split(" ", 1)[0]].append(one)
    head = header(
        *("the crate holds", "pictures", "taken for one whole goat", "a part or several said"),
        *("stations", "nothing noticed"),
    )
    return "\n".join([head, *(scene_row(kind, found, taken) for kind, found in sorted(by_kind.items()))])


def scene_row(kind: str, scores: Sequence[Score], taken: Callable[[Score], bool]) -> str:
    stations: dict[str, list[bool]] = defaultdict(list)
    for one in scores:
        stations[one.group].append(taken(one) and not not_one(one))
    each = [found for station in stations.values() for found in station]
    said = np.mean([taken(one) and not_one(one) for one in scores])
    unnoticed = np.mean([all(station) for station in stations.values()])
    return row(
        *(kind, str(len(each)), f"{np.mean(each):.1%}", f"{said:.1%}", str(len(stations)), f"{unnoticed:.1%}")
    )


def not_one(one: Score) -> bool:
    return max(one.scene.get("part", 0.0), one.scene.get("several", 0.0)) > NOT_ONE_AT


def people(pictures: Sequence[SimulatedPicture], scores: Sequence[Score], person_from: float) -> str:
    """How often somebody is said to be in the way, by how much of the goat people hide."""
    said: dict[Somebody, list[tuple[str, bool]]] = {kind: [] for kind in Somebody}
    for picture, score in zip(pictures, scores, strict=True):
        said[somebody(picture)].append((picture.view, score.person >= person_from))
    head = header("in the picture", "pictures", "said to be in the way", *VIEWS)
    return "\n".join([head, *(people_row(kind, found) for kind, found in said.items() if found)])


def people_row(name: str, said: Sequence[tuple[str, bool]]) -> str:
    """said  for each picture its view, and whether somebody is said to be in the way"""
    groups = [
        [found for view, found in said if view in views] for views in (VIEWS, *((one,) for one in VIEWS))
    ]
    return row(name, str(len(said)), *(f"{np.mean(found):.1%}" if found else "–" for found in groups))


def somebody(picture: SimulatedPicture) -> Somebody:
    """What a picture shows of people whose index tells where they are."""
    there = picture.people
    assert there is not None
    if there.instead:
        return Somebody.INSTEAD if there.instead >= FILLS_TOO_MUCH else Somebody.HARDLY_INSTEAD
    if there.hide < HIDES_NOTHING:
        if picture.negative:
            return NOBODY_THERE.get(picture.kind, Somebody.EMPTY)
        return Somebody.ELSEWHERE if there.seen else Somebody.NOBODY
    if picture.negative:
        return Somebody.BEFORE_NO_GOAT
    limits = {HIDES_TOO_MUCH: Somebody.HARDLY_HIDES, 0.15: Somebody.HIDES_LITTLE, 0.3: Somebody.HIDES_MORE}
    return next((kind for limit, kind in limits.items() if there.hide < limit), Somebody.HIDES_MOST)


def quantisation(rounded: Sequence[Score], exact: Sequence[Score]) -> str:
    """int8 and float on the same photographs, by view."""
    lines = [
        header("view", "IoU goat int8", "IoU goat float", "difference", "withers, rump: int8 - float, cm")
    ]
    for view in VIEWS:
        small, full = ([one for one in scores if one.view == view] for scores in (rounded, exact))
        ious = mean_of(one.iou for one in small), mean_of(one.iou for one in full)
        apart = [
            abs(one.height_cm[mark] - other.height_cm[mark])
            for one, other in zip(small, full, strict=True)
            for mark in ("withers", "rump")
            if mark in one.height_cm and mark in other.height_cm
        ]
        lines.append(
            row(
                view, number(ious[0]), number(ious[1]), f"{ious[0] - ious[1]:+.4f}", number(mean_of(apart), 2)
            )
        )
    return "\n".join(lines)


def latency(segmenter: Segmenter, card: Path) -> str:
    """Median times on this machine with a sample capture, and the memory of a whole `goatdev measure`."""
    width, height = segmenter.card.input_size
    small = np.full((height, width, 3), 127, np.uint8)
    pictures = {view: read_picture(SAMPLE / "captures" / "goat_1" / f"{view}.jpg") for view in VIEWS}
    calibration = read_calibration(SAMPLE / "calibration.json")
    looks = {view: Eye(segmenter, calibration).look_at(view, picture) for view, picture in pictures.items()}
    inference = median_ms(lambda: segmenter.run(small))
    views = median_ms(lambda: [segmenter.segment(picture, view) for view, picture in pictures.items()])
    geometry = median_ms(lambda: measure(looks))
    size_mb = sum(file.stat().st_size for file in card.parent.glob("*.tflite")) / 1e6
    times = (f"{inference:.1f} ms", f"{views:.0f} ms", f"{geometry:.0f} ms")
    head = header(
        *("network alone, 2 threads", "three views to masks", "masks to centimetres"),
        *("peak memory of `goatdev measure`", "models"),
    )
    return "\n".join([head, row(*times, f"{peak_mb():.0f} MB", f"{size_mb:.2f} MB")])


def peak_mb() -> float:
    """Peak resident memory of `goatdev measure` on a sample capture, MB."""
    views = [
        part for view in VIEWS for part in (f"--{view}", str(SAMPLE / "captures" / "goat_1" / f"{view}.jpg"))
    ]
    # Not ru_maxrss, which begins with what the process had that started it.
    program = (
        "import pathlib, sys; from edge.cli import main; main(sys.argv[1:]);"
        "print(pathlib.Path('/proc/self/status').read_text().split('VmHWM:')[1].split()[0], file=sys.stderr)"
    )
    command = [sys.executable, "-c", program, "measure", *views, "--json"]
    command += ["--calibration", str(SAMPLE / "calibration.json")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(done.stderr.strip().splitlines()[-1]) / 1000


def median_ms(action: Callable[[], object], repeats: int = 15) -> float:
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        action()
        times.append(time.perf_counter() - began)
    return float(np.median(times)) * 1000


def header(*names: str) -> str:
    return row(*names) + "\n" + "|---" * len(names) + "|"


def row(*cells: str) -> str:
    return "| " + " | ".join(cells) + " |"


def number(value: float, digits: int = 3) -> str:
    return "–" if np.isnan(value) else f"{value:.{digits}f}"
