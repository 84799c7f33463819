"""Judge the networks on goats they never saw, with the station's own segmentation and landmarks.

    python -m models_tflite.training.evaluate [--photographs DIR] [--simulated SIM] [--write-card]

Each photograph is judged by the fold network that never saw its goat. The tables are Markdown;
`--write-card` puts them between the marker comments of MODEL_CARD.md, as they are printed.
"""

from __future__ import annotations

import argparse
import json
import re
import time
import tomllib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from edge.geometry import side_landmarks
from edge.images import read_picture
from edge.records import VIEWS, Label, Picture, Pixels
from edge.segment import Segmenter, new_interpreter, read_card
from models_tflite.training import dataset, labels
from models_tflite.training.augment import texture
from models_tflite.training.dataset import DatasetError, SimulatedPicture
from models_tflite.training.labels import Photograph

HERE = Path(__file__).resolve().parent
MODEL = HERE.parent / "goat_segmenter.toml"
CARD = HERE.parent / "MODEL_CARD.md"
FOLDS = HERE / "folds"
OUTLINE_SIDE_PX = 1600
MARKED = {"withers": "withers_top", "rump": "rump_top", "poll": "poll_top"}
TEXTURES = 300
FALSE_ALARMS = 0.01
# Below this most of what is found is a part of a goat, or several pieces of one.
LOWEST_CONFIDENCE = 0.4


@dataclass(frozen=True, slots=True)
class Score:
    """How well one mask agrees with its truth. IoUs in 0..1, distance in px at 1600, heights in cm."""

    name: str
    view: str
    goat: str
    fold: str
    confidence: float
    iou: float
    iou_body: float
    iou_head: float
    outline_px: float
    off_cm: dict[str, float]


def iou(found: np.ndarray[Any, Any], truth: np.ndarray[Any, Any]) -> float:
    """Intersection over union of two boolean masks; nan where both are empty."""
    union = int(np.logical_or(found, truth).sum())
    return float(np.logical_and(found, truth).sum() / union) if union else float("nan")


def outline_distance_px(found: Pixels, truth: Pixels) -> float:
    """Mean distance between two outlines, both ways, in px of a picture 1600 px long."""
    edges = [outline(mask > 0) for mask in (found, truth)]
    if not all(edge.any() for edge in edges):
        return float("nan")
    away = [cv2.distanceTransform((~edge).astype(np.uint8), cv2.DIST_L2, 5) for edge in edges]
    both_ways = (away[1][edges[0]].mean() + away[0][edges[1]].mean()) / 2
    return float(both_ways * OUTLINE_SIDE_PX / max(truth.shape))


def outline(region: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The region's own border pixels; the picture's border is not an outline."""
    inner = cv2.erode(region.astype(np.uint8), np.ones((3, 3), np.uint8), borderValue=[1.0])
    return np.asarray(region & (inner == 0))


def score(
    name: str, view: str, goat: str, fold: str, mask: Pixels, confidence: float, truth: Pixels
) -> Score:
    return Score(
        name, view, goat, fold, confidence,
        iou=iou(mask > 0, truth > 0),
        iou_body=iou(mask == Label.BODY, truth == Label.BODY),
        iou_head=iou(mask == Label.HEAD, truth == Label.HEAD),
        outline_px=outline_distance_px(mask, truth),
        off_cm={},
    )  # fmt: skip


# --- photographs, by cross-validation ------------------------------------------------------------


def score_photographs(photographs: Sequence[Photograph], networks: Iterable[Network]) -> list[Score]:
    """Every photograph of every network's held-out goats."""
    landmarks = read_landmarks(photographs)
    scores = []
    for network in networks:
        for photograph in photographs:
            if photograph.goat in network.held_out:
                scores.append(score_photograph(photograph, network, landmarks.get(photograph.name, {})))
    return sorted(scores, key=lambda one: (VIEWS.index(one.view), one.name))


def score_photograph(photograph: Photograph, network: Network, marks: dict[str, Any]) -> Score:
    picture = read_picture(photograph.path)
    seen = network.segmenter.segment(picture, photograph.view)
    truth = photograph.draw_mask(*picture.size)
    who = photograph.name, photograph.view, photograph.goat, network.name
    one = score(*who, seen.mask, seen.confidence, truth)
    if marks:
        one.off_cm.update(landmark_differences_cm(seen.mask, marks))
    return one


def read_landmarks(photographs: Sequence[Photograph]) -> dict[str, Any]:
    """Hand-marked landmarks per side photograph, where the folder has them."""
    path = photographs[0].path.parent.parent / "landmarks.json"
    return dict(dataset.read_json(path)["side"]) if path.exists() else {}


def landmark_differences_cm(mask: Pixels, marks: dict[str, Any]) -> dict[str, float]:
    """Height found minus height marked, cm on the clear panel; only what both have."""
    found = side_landmarks(mask)
    px_per_cm = ruler_px_per_cm(marks["ruler_marks"])
    return {
        name: (marks[mark][1] - found[name][1]) / px_per_cm
        for name, mark in MARKED.items()
        if name in found and marks.get(mark) is not None
    }


def ruler_px_per_cm(ruler_marks: Iterable[dict[str, Any]]) -> float:
    """Scale of the clear panel from its cm marks: the slope of a line through them."""
    marks = [(mark["value"], mark["y"]) for mark in ruler_marks if mark["unit"] == "cm"]
    values, rows = np.array(marks, np.float64).T
    return float(-np.polyfit(values, rows, 1)[0])


@dataclass(frozen=True, slots=True)
class Network:
    """A network with the goats it never saw."""

    name: str
    segmenter: Segmenter
    held_out: tuple[str, ...]


def fold_networks(folder: Path, float_folder: Path | None = None) -> list[Network]:
    """The fold networks; their float twins where `float_folder` holds fold_K/float.tflite."""
    cards = sorted(folder.glob("fold_*.toml"))
    if not cards:
        raise DatasetError(f"{folder}: no fold_*.toml", "train and quantise the folds first")
    return [fold_network(card, float_folder) for card in cards]


def fold_network(path: Path, float_folder: Path | None) -> Network:
    held_out = tuple(tomllib.loads(path.read_text(encoding="utf-8"))["held_out_goats"])
    if float_folder is None:
        return Network(path.stem.removeprefix("fold_"), Segmenter.load(path), held_out)
    interpreter = new_interpreter((float_folder / path.stem / "float.tflite").read_bytes(), 2)
    interpreter.allocate_tensors()
    return Network(path.stem.removeprefix("fold_"), Segmenter(read_card(path), interpreter), held_out)


# --- simulated pictures and pictures of no goat ----------------------------------------------------


def score_simulated(pictures: Sequence[SimulatedPicture], segmenter: Segmenter) -> list[Score]:
    """Pictures of goats never trained on."""
    scores = []
    for picture in pictures:
        sample = picture.load()
        if sample.has_goat:
            seen = segmenter.segment(whole(sample.rgb), sample.view)
            scores.append(score(sample.name, sample.view, "", "", seen.mask, seen.confidence, sample.mask))
    return scores


def whole(rgb: Pixels) -> Picture:
    return Picture(rgb, (rgb.shape[1], rgb.shape[0]))


def alarms(segmenter: Segmenter, pictures: Iterable[Pixels]) -> list[float]:
    """The confidence with which a goat is found in each picture of no goat; 0 where too small."""
    confidences = []
    for rgb in pictures:
        seen = segmenter.segment(whole(rgb), "side")
        large = float(np.mean(seen.mask != Label.BACKGROUND)) >= segmenter.card.min_area_fraction
        confidences.append(seen.confidence if large else 0.0)
    return confidences


def choose_threshold(goats: Sequence[float], others: Sequence[float]) -> tuple[float, str]:
    """The lowest confidence that keeps 99 % of goat-less pictures out, and the figures as its reason."""
    steps = np.round(np.arange(LOWEST_CONFIDENCE, 0.96, 0.05), 2)
    taken = [float(np.mean(np.asarray(others) >= step)) for step in steps]
    value = next(
        (float(step) for step, share in zip(steps, taken, strict=True) if share <= FALSE_ALARMS), 0.95
    )
    kept = float(np.mean(np.asarray(goats) >= value))
    wrong = float(np.mean(np.asarray(others) >= value))
    reason = (
        f"lowest step of 0.05 from {LOWEST_CONFIDENCE} up that takes at most {FALSE_ALARMS:.0%} of "
        f"{len(others)} pictures without a goat for one ({wrong:.1%}); "
        f"keeps {kept:.1%} of {len(goats)} goats never trained on"
    )
    return value, reason


def write_threshold(path: Path, value: float, reason: str) -> None:
    """Replace min_confidence in one card; everything else stays."""
    text = path.read_text(encoding="utf-8")
    table = f"[thresholds.min_confidence]\nvalue = {value}\nreason = {json.dumps(reason)}\n"
    pattern = r"\[thresholds\.min_confidence\]\nvalue = .*\nreason = .*\n"
    beside = path.with_suffix(".new")
    beside.write_text(re.sub(pattern, lambda _: table, text), encoding="utf-8")
    beside.replace(path)


# --- tables ------------------------------------------------------------------------------------------


def photograph_table(scores: Sequence[Score]) -> str:
    """One row per photograph, then the means per view."""
    head = (
        "| photo | view | goat | fold | IoU goat | IoU body | IoU head | outline px "
        "| withers cm | rump cm | poll cm | confidence |\n" + "|---" * 12 + "|"
    )
    rows = [photograph_row(one) for one in scores]
    means = "| view | photographs | IoU goat | IoU body | IoU head | outline px |\n" + "|---" * 6 + "|"
    return "\n".join([head, *rows, "", means, *mean_rows(scores)])


def photograph_row(one: Score) -> str:
    heights = " | ".join(f"{one.off_cm[name]:+.1f}" if name in one.off_cm else "–" for name in MARKED)
    return (
        f"| {one.name} | {one.view} | {one.goat} | {one.fold} | {one.iou:.3f} | {one.iou_body:.3f} "
        f"| {number(one.iou_head)} | {number(one.outline_px, 1)} | {heights} | {one.confidence:.2f} |"
    )


def number(value: float, digits: int = 3) -> str:
    return "–" if np.isnan(value) else f"{value:.{digits}f}"


def mean_rows(scores: Sequence[Score]) -> list[str]:
    return [mean_row(view, [one for one in scores if one.view == view]) for view in VIEWS]


def mean_row(view: str, scores: Sequence[Score]) -> str:
    def mean(value: Callable[[Score], float], digits: int = 3) -> str:
        values = [value(one) for one in scores if not np.isnan(value(one))]
        return number(float(np.mean(values)), digits) if values else "–"

    return (
        f"| {view} | {len(scores)} | {mean(lambda one: one.iou)} | {mean(lambda one: one.iou_body)} "
        f"| {mean(lambda one: one.iou_head)} | {mean(lambda one: one.outline_px, 1)} |"
    )


def simulated_table(scores: Sequence[Score]) -> str:
    head = "| view | pictures | IoU goat | IoU body | IoU head | outline px |\n" + "|---" * 6 + "|"
    return "\n".join([head, *mean_rows(scores)])


def quantisation_table(rounded: Sequence[Score], exact: Sequence[Score]) -> str:
    """int8 and float on the same photographs, by view."""
    head = "| view | IoU goat int8 | IoU goat float | difference |\n" + "|---" * 4 + "|"
    rows = []
    for view in VIEWS:
        small, full = (
            np.mean([one.iou for one in scores if one.view == view]) for scores in (rounded, exact)
        )
        rows.append(f"| {view} | {small:.3f} | {full:.3f} | {small - full:+.4f} |")
    return "\n".join([head, *rows])


def latency_table(segmenter: Segmenter) -> str:
    """Median time of the network alone and of one whole segmentation, on this machine."""
    width, height = segmenter.card.input_size
    rgb = np.full((1205, 1600, 3), 127, np.uint8)
    small = np.full((height, width, 3), 127, np.uint8)
    inference = median_ms(lambda: segmenter.run(small))
    picture = median_ms(lambda: segmenter.segment(whole(rgb), "side"))
    size_kb = segmenter.card.path.stat().st_size / 1000
    return (
        "| network alone, 2 threads | a 1600 px picture to its mask | file |\n|---|---|---|\n"
        f"| {inference:.1f} ms | {picture:.1f} ms | {size_kb:.0f} kB |"
    )


def median_ms(action: Callable[[], object], repeats: int = 25) -> float:
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        action()
        times.append(time.perf_counter() - began)
    return float(np.median(times)) * 1000


def write_tables(card: Path, tables: dict[str, str]) -> None:
    """Put each table between `<!-- NAME:begin -->` and `<!-- NAME:end -->`."""
    text = card.read_text(encoding="utf-8")
    for name, table in tables.items():
        begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
        if begin not in text or end not in text:
            raise DatasetError(f"{card}: no markers for {name}", f"add {begin} and {end}")
        before, rest = text.split(begin, 1)
        text = f"{before}{begin}\n{table}\n{end}{rest.split(end, 1)[1]}"
    beside = card.with_suffix(".new")
    beside.write_text(text, encoding="utf-8")
    beside.replace(card)


# --- the command -------------------------------------------------------------------------------------


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="models_tflite.training.evaluate", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("--photographs", type=Path, help=f"default: ${dataset.PHOTOGRAPHS_VARIABLE}")
    parser.add_argument("--simulated", type=Path, help="judge the shipped network on held-out goats too")
    parser.add_argument("--folds", type=Path, default=FOLDS)
    parser.add_argument("--float-folds", type=Path, help="runs with fold_K/float.tflite: int8 against float")
    parser.add_argument("--model", type=Path, default=MODEL)
    parser.add_argument("--choose-threshold", action="store_true", help="rewrite min_confidence in the cards")
    parser.add_argument("--latency", action="store_true")
    parser.add_argument("--write-card", action="store_true")
    return parser.parse_args(arguments)


def tables_for(options: argparse.Namespace) -> dict[str, str]:
    photographs = labels.read_labelled(dataset.photographs_folder(options.photographs))
    scores = score_photographs(photographs, fold_networks(options.folds))
    tables = {"photographs": photograph_table(scores)}
    if options.float_folds is not None:
        exact = score_photographs(photographs, fold_networks(options.folds, options.float_folds))
        tables["quantisation"] = quantisation_table(scores, exact)
    segmenter = Segmenter.load(options.model)
    if options.simulated is not None:
        unseen = [picture for picture in dataset.read_simulated(options.simulated) if picture.held_out]
        simulated = score_simulated(unseen, segmenter)
        tables["simulated"] = simulated_table(simulated)
        goats = [one.confidence for one in scores + simulated]
        tables["threshold"] = threshold_note(options, segmenter, goats, unseen)
    if options.latency:
        tables["latency"] = latency_table(segmenter)
    return tables


def threshold_note(
    options: argparse.Namespace,
    segmenter: Segmenter,
    goats: Sequence[float],
    unseen: Sequence[SimulatedPicture],
) -> str:
    """What min_confidence should be, with its figures; written into the cards if asked."""
    empty = [picture.load().rgb for picture in unseen if picture.negative]
    rng = np.random.default_rng(11)
    others = alarms(segmenter, [*empty, *(texture(rng) for _ in range(TEXTURES))])
    value, reason = choose_threshold(goats, others)
    if options.choose_threshold:
        for card in [options.model, *sorted(options.folds.glob("fold_*.toml"))]:
            write_threshold(card, value, reason)
    return f"min_confidence {value}: {reason} ({len(empty)} empty simulated crates, {TEXTURES} textures)."


def main() -> None:
    options = parse()
    tables = tables_for(options)
    for name, table in tables.items():
        print(f"\n{name}\n\n{table}", flush=True)
    if options.write_card:
        write_tables(CARD, tables)
        print(f"\nwrote {CARD}")


if __name__ == "__main__":
    dataset.command(main)
