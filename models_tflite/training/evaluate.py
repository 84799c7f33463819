"""Judge the networks on goats and stations they never saw, with the station's own code.

    python -m models_tflite.training.evaluate [--photographs DIR --folds RUNS/folds] [--unseen SIM ...] [--write-card]

With `--folds`, as `crossvalidate` made them, each photograph is judged by the network that never saw its goat.
`--unseen` names simulations whose seeds no training used: they give the simulated table, the scenes, the
threshold and the pictures of failures. `--people` names simulations whose index tells where people are: how often is
somebody said to be in the way, there and in the photographs. The tables are Markdown; `--write-card` puts them between
the marker comments of MODEL_CARD.md, as they are printed. With `--ledger FILE` an interrupted evaluation goes on.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from edge.images import read_picture
from edge.measuring.geometry import SURE
from edge.records import VIEWS, Picture, Pixels
from edge.segment import Segmenter, new_interpreter, read_card
from models_tflite.training import dataset, labels, tables
from models_tflite.training.dataset import DatasetError, SimulatedPicture
from models_tflite.training.labels import Photograph
from models_tflite.training.score import Ledger, Score, judged

HERE = Path(__file__).resolve().parent
MODEL = HERE.parent / "goat_segmenter.toml"
CARD = HERE.parent / "MODEL_CARD.md"
FAILURES = HERE.parent / "failures.jpg"
FALSE_ALARMS = 0.01
# Below this most of what is found is a part of a goat, or several pieces of one.
LOWEST_CONFIDENCE = 0.4
# Below this it is likelier that nobody is in the way.
LOWEST_PERSON = 0.5
# An advice that is often wrong is soon ignored.
PEOPLE_ALARMS, PHOTOGRAPH_ALARMS = 0.02, 1
FAILURES_PER_VIEW = 4


@dataclass(frozen=True, slots=True)
class Network:
    """A network with the goats it never saw; `key` names its weights."""

    name: str
    key: str
    segmenter: Segmenter
    held_out: tuple[str, ...]


def fold_networks(folder: Path, exact: bool = False) -> list[Network]:
    """The fold networks, or their float twins."""
    cards = sorted(folder.glob("fold_*.toml"))
    if not cards:
        raise DatasetError(f"{folder}: no fold_*.toml", "train and quantise the folds first")
    return [fold_network(card, exact) for card in cards]


def fold_network(path: Path, exact: bool) -> Network:
    held_out = tuple(tomllib.loads(path.read_text(encoding="utf-8"))["held_out_goats"])
    name, card = path.stem.removeprefix("fold_"), read_card(path)
    if not exact:
        return Network(name, card.sha256, Segmenter.load(path), held_out)
    try:
        interpreter = new_interpreter((path.with_suffix("") / "float.tflite").read_bytes(), 2)
    except OSError as error:
        raise DatasetError(
            f"{error.filename}: {error.strerror}", "run crossvalidate, or leave --float out"
        ) from None
    interpreter.allocate_tensors()
    return Network(name, f"{card.sha256} float", Segmenter(card, interpreter), held_out)


# --- scores ----------------------------------------------------------------------------------------


def score_photographs(
    photographs: Sequence[Photograph], networks: Iterable[Network], ledger: Ledger[Score]
) -> list[Score]:
    """Every photograph of every network's held-out goats; `group` is the goat."""
    rulers = read_rulers(photographs)
    scores = []
    for network in networks:
        for photo in photographs:
            if photo.goat in network.held_out:
                key = f"{network.key} {photo.path.name}"
                cm_per_px = rulers.get(photo.name)
                scores.append(ledger.once(key, lambda: score_photograph(photo, network, cm_per_px)))  # noqa: B023
    return sorted(scores, key=lambda one: (VIEWS.index(one.view), one.name))


def score_photograph(photo: Photograph, network: Network, cm_per_px: float | None) -> Score:
    """cm_per_px  of the file, on the clear panel; the goat stands behind it, so true differences are larger"""
    picture = read_picture(photo.path)
    seen = network.segmenter.segment(picture, photo.view)
    marks = dataset.scaled(photo.landmarks, photo.size, picture.size)
    scale = cm_per_px * photo.size[0] / picture.size[0] if cm_per_px else None
    least = network.segmenter.card.min_area_fraction
    return judged(photo.name, photo.goat, seen, photo.draw_mask(*picture.size), marks, scale, least)


def read_rulers(photographs: Sequence[Photograph]) -> dict[str, float]:
    """Picture -> cm per px of its file, for side photographs whose ruler was marked."""
    path = photographs[0].path.parent.parent / "landmarks.json"
    if not path.exists():
        return {}
    sides = dict(dataset.read_json(path).get("side", {}))
    marked = {name: entry["ruler_marks"] for name, entry in sides.items() if entry.get("ruler_marks")}
    return {name: 1 / ruler_px_per_cm(marks) for name, marks in marked.items()}


def ruler_px_per_cm(ruler_marks: Iterable[dict[str, Any]]) -> float:
    """Scale of the clear panel from its cm marks: the slope of a line through them."""
    marks = [(mark["value"], mark["y"]) for mark in ruler_marks if mark["unit"] == "cm"]
    values, rows = np.array(marks, np.float64).T
    return float(-np.polyfit(values, rows, 1)[0])


def score_simulated(
    pictures: Sequence[SimulatedPicture], network: Network, ledger: Ledger[Score]
) -> list[Score]:
    """Every picture; `group` is what its crate holds, and its station."""
    scores = []
    for number, picture in enumerate(pictures, 1):
        key = f"{network.key} {picture.image}"
        scores.append(ledger.once(key, lambda: score_picture(picture, network.segmenter)))  # noqa: B023
        print(f"\r{number} of {len(pictures)} simulated pictures", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return scores


def score_picture(picture: SimulatedPicture, segmenter: Segmenter) -> Score:
    sample = picture.load()
    seen = segmenter.segment(whole(sample.rgb), sample.view)
    name, group = f"{picture.image}", f"{picture.kind} {picture.image.parent.parent.name}/{picture.station}"
    least = segmenter.card.min_area_fraction
    return judged(name, group, seen, sample.mask, sample.landmarks, picture.cm_per_px, least)


def whole(rgb: Pixels) -> Picture:
    return Picture(rgb, (rgb.shape[1], rgb.shape[0]))


# --- what it fails on ----------------------------------------------------------------------------------


def draw_failures(scores: Sequence[Score], segmenter: Segmenter, path: Path) -> None:
    """The simulated goats understood worst, a row per view: true outline white, found one orange."""
    rows = []
    for view in VIEWS:
        of_view = [
            one for one in scores if one.view == view and kind_of(one) == "goat" and not np.isnan(one.iou)
        ]
        worst = sorted(of_view, key=lambda one: one.iou)[:FAILURES_PER_VIEW]
        if len(worst) == FAILURES_PER_VIEW:
            rows.append(np.hstack([draw_failure(one, segmenter) for one in worst]))
    if rows:
        cv2.imwrite(str(path), np.vstack(rows), [cv2.IMWRITE_JPEG_QUALITY, 80])


def draw_failure(one: Score, segmenter: Segmenter) -> Pixels:
    """(240, 320, 3) BGR."""
    rgb = dataset.read_rgb(Path(one.name))
    folder, stem = Path(one.name).parent.parent, Path(one.name).stem
    truth = cv2.imread(str(folder / "masks" / f"{stem}.png"), cv2.IMREAD_GRAYSCALE)
    found = segmenter.segment(whole(rgb), one.view).mask
    bgr = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)
    for mask, colour in ((truth, (255, 255, 255)), (found, (0, 140, 255))):
        if mask is not None:
            edges, _ = cv2.findContours((mask > 0).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
            cv2.drawContours(bgr, edges, -1, colour, 2)
    small = cv2.resize(bgr, (320, 240), interpolation=cv2.INTER_AREA)
    cv2.putText(
        small, f"IoU {one.iou:.2f}", (8, 20), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (0, 0, 0), 3, cv2.LINE_AA
    )
    cv2.putText(
        small, f"IoU {one.iou:.2f}", (8, 20), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (255, 255, 255), 1, cv2.LINE_AA
    )
    return np.asarray(small, np.uint8)


def kind_of(one: Score) -> str:
    return one.group.split(" ", 1)[0]


# --- threshold -------------------------------------------------------------------------------------------


def choose_threshold(goats: Sequence[Score], others: Sequence[Score]) -> tuple[float, str]:
    """The lowest confidence that keeps 99 % of pictures without an animal out, and the figures as its reason."""
    steps = np.round(np.arange(LOWEST_CONFIDENCE, 0.96, 0.05), 2)
    taken = [float(np.mean([taken_for_goat(one, step) for one in others])) for step in steps]
    fits = [float(step) for step, share in zip(steps, taken, strict=True) if share <= FALSE_ALARMS]
    value = fits[0] if fits else float(steps[-1])
    kept = float(np.mean([taken_for_goat(one, value) for one in goats]))
    wrong = float(np.mean([taken_for_goat(one, value) for one in others]))
    reason = (
        f"lowest step of 0.05 from {LOWEST_CONFIDENCE} up that takes at most {FALSE_ALARMS:.0%} of "
        f"{len(others)} pictures without an animal for a goat ({wrong:.1%}); "
        f"keeps {kept:.1%} of {len(goats)} goats never trained on"
    )
    return value, reason


def taken_for_goat(one: Score, confidence: float) -> bool:
    return one.confidence >= confidence


def choose_person_threshold(
    pictures: Sequence[SimulatedPicture], scores: Sequence[Score], photographs: Sequence[float]
) -> tuple[float, str]:
    """The lowest probability at which few goats with nobody in the way cause an alarm, and the figures as its reason.

    photographs  what the network says of each photograph of a goat with nobody in the way
    """
    pairs = list(zip(pictures, scores, strict=True))
    goats = np.array([score.person for one, score in pairs if one.in_the_way is False and not one.negative])
    there = np.array([score.person for one, score in pairs if one.in_the_way])
    real = np.array(photographs)
    steps = np.round(np.arange(LOWEST_PERSON, 0.991, 0.01), 2)
    fits = [
        float(step)
        for step in steps
        if np.mean(goats >= step) <= PEOPLE_ALARMS and np.sum(real >= step) <= PHOTOGRAPH_ALARMS
    ]
    value = fits[0] if fits else float(steps[-1])
    reason = (
        f"lowest step of 0.01 from {LOWEST_PERSON} up with an alarm on at most {PEOPLE_ALARMS:.0%} of {len(goats)} "
        f"simulated goats with nobody in the way ({np.mean(goats >= value):.1%}) and on at most {PHOTOGRAPH_ALARMS} of "
        f"{len(real)} photographs ({np.sum(real >= value)}); finds {np.mean(there >= value):.1%} of {len(there)} "
        "people in the way"
    )
    return value, reason


def write_threshold(path: Path, name: str, value: float, reason: str) -> None:
    """Replace one threshold in one card; everything else stays."""
    text = path.read_text(encoding="utf-8")
    table = f"[thresholds.{name}]\nvalue = {value}\nreason = {json.dumps(reason)}\n"
    pattern = rf"\[thresholds\.{name}\]\nvalue = .*\nreason = .*\n"
    beside = path.with_suffix(".new")
    beside.write_text(re.sub(pattern, lambda _: table, text), encoding="utf-8")
    beside.replace(path)


# --- the command -------------------------------------------------------------------------------------


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="models_tflite.training.evaluate", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("--photographs", type=Path, help=f"default: ${dataset.PHOTOGRAPHS_VARIABLE}")
    parser.add_argument("--unseen", type=Path, nargs="+", default=[], help="simulations that no training saw")
    parser.add_argument(
        "--people", type=Path, nargs="+", default=[], help="simulations with people that no training saw"
    )
    parser.add_argument("--folds", type=Path, help="fold_K.toml of crossvalidate; judges the photographs")
    parser.add_argument(
        "--float", action="store_true", help="the folds' float networks too: int8 against float"
    )
    parser.add_argument("--model", type=Path, default=MODEL)
    parser.add_argument(
        "--choose-threshold", action="store_true", help="rewrite min_confidence (and person_from) in the card"
    )
    parser.add_argument("--latency", action="store_true")
    parser.add_argument(
        "--failures", action="store_true", help=f"draw the worst pictures into {FAILURES.name}"
    )
    parser.add_argument("--write-card", action="store_true")
    parser.add_argument(
        "--ledger", type=Path, help="file of scores already made; a new one after a change of the code"
    )
    return parser.parse_args(arguments)


def tables_for(options: argparse.Namespace) -> dict[str, str]:
    """Name -> Markdown, in the order of the card."""
    ledger = Ledger(options.ledger, Score)
    unseen = [one for folder in options.unseen for one in dataset.read_simulated(folder)]
    found: dict[str, str] = {}
    scores: list[Score] = []
    if options.folds is not None:
        photographs = labels.read_labelled(dataset.photographs_folder(options.photographs))
        scores = score_photographs(photographs, fold_networks(options.folds), ledger)
        found["photographs"] = tables.photographs(scores)
        if options.float:
            exact = score_photographs(photographs, fold_networks(options.folds, exact=True), ledger)
            found["quantisation"] = tables.quantisation(scores, exact)
    segmenter = Segmenter.load(options.model)
    if unseen:
        shipped = Network("shipped", segmenter.card.sha256, segmenter, ())
        simulated = score_simulated(unseen, shipped, ledger)
        found |= unseen_tables(options, scores, simulated, segmenter)
    if options.people:
        found["people"] = people_table(options, segmenter, ledger)
    if options.latency:
        found["latency"] = tables.latency(segmenter, MODEL)
    return found


def people_table(options: argparse.Namespace, segmenter: Segmenter, ledger: Ledger[Score]) -> str:
    """How often somebody is said to be in the way, in simulated pictures and in photographs."""
    card = segmenter.card
    if card.person_from is None:
        raise DatasetError(f"{card.name} tells no people", "leave --people out, or train person first")
    listed = [one for folder in options.people for one in dataset.read_simulated(folder)]
    pictures = [one for one in listed if one.people is not None]
    scores = score_simulated(pictures, Network("shipped", card.sha256, segmenter, ()), ledger)
    photographs = labels.read_labelled(dataset.photographs_folder(options.photographs))
    seen = [(photo.view, segmenter.segment(read_picture(photo.path), photo.view)) for photo in photographs]
    least = card.person_from
    if options.choose_threshold:
        least, reason = choose_person_threshold(pictures, scores, [one.person or 0.0 for _, one in seen])
        write_threshold(options.model, "person_from", least, reason)
    alarms = [(view, (one.person or 0.0) >= least) for view, one in seen]
    return f"{tables.people(pictures, scores, least)}\n{tables.people_row('photographs', alarms)}"


def unseen_tables(
    options: argparse.Namespace,
    photographs: Sequence[Score],
    simulated: Sequence[Score],
    segmenter: Segmenter,
) -> dict[str, str]:
    """What the simulated pictures say; writes the threshold and the failures where asked."""
    goats = [one for one in simulated if kind_of(one) == "goat" and not np.isnan(one.iou)]
    # A dog has the outline of an animal: no confidence in outlines keeps it out, only the scene does.
    others = [one for one in simulated if kind_of(one) in tables.NO_ANIMAL]
    value, reason = choose_threshold([*photographs, *goats], others)
    if options.choose_threshold:
        write_threshold(options.model, "min_confidence", value, reason)
    if options.failures:
        draw_failures(goats, segmenter, FAILURES)
    return {
        "simulated": tables.simulated(goats),
        "scenes": tables.scenes(simulated, lambda one: taken_for_goat(one, value)),
        "threshold": f"min_confidence {value}: {reason}; a landmark counts from confidence {SURE} up.",
    }


def write_tables(card: Path, found: dict[str, str]) -> None:
    """Put each table between `<!-- NAME:begin -->` and `<!-- NAME:end -->`."""
    text = card.read_text(encoding="utf-8")
    for name, table in found.items():
        begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
        if begin not in text or end not in text:
            raise DatasetError(f"{card}: no markers for {name}", f"add {begin} and {end}")
        before, rest = text.split(begin, 1)
        text = f"{before}{begin}\n{table}\n{end}{rest.split(end, 1)[1]}"
    beside = card.with_suffix(".new")
    beside.write_text(text, encoding="utf-8")
    beside.replace(card)


def main() -> None:
    options = parse()
    began = time.monotonic()
    found = tables_for(options)
    for name, table in found.items():
        print(f"\n{name}\n\n{table}", flush=True)
    if options.write_card:
        write_tables(CARD, found)
        print(f"\nwrote {CARD} after {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    dataset.command(main)
