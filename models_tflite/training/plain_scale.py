"""How true the centimetres of a plain scale are: simulated goats of known size before the sample station's cameras.

    python -m models_tflite.training.plain_scale --goats 100 --outlines true
    python -m models_tflite.training.plain_scale --goats 100 --outlines network

`true` takes the simulator's own outlines, so that what is left is the error of one scale per view; `network` takes the
shipped network's. The goats are drawn from a seed that no training used; the crate and cameras are the samples'.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from edge.calibration import Calibration, read_calibration
from edge.eye import Eye
from edge.measuring.measure import Look as ViewLook
from edge.measuring.measure import measure
from edge.records import TRAITS, VIEWS, Measurement, Picture, Pixels, Segmentation
from edge.segment import Segmenter
from models_tflite.training.evaluate import CARD, write_tables
from models_tflite.training.simulator.barn import plain_barn
from models_tflite.training.simulator.body import dress, pose_goat
from models_tflite.training.simulator.crate import thin_parts
from models_tflite.training.simulator.goat import draw_build, draw_coat, draw_stance
from models_tflite.training.simulator.render import Animal, Renderer, Scene
from models_tflite.training.simulator.samples import CRATE, LIGHT, LOOK, SIZE, cameras
from models_tflite.training.simulator.station import draw_standing
from models_tflite.training.simulator.truth import measure_truth

CALIBRATION = Path(__file__).resolve().parents[2] / "edge" / "samples" / "scales.json"
SEED = 90_000

Shown = dict[str, tuple[Pixels, Pixels]]
Errors = dict[str, list[tuple[Measurement, float]]]


def goats(number: int) -> Iterator[tuple[Shown, dict[str, float]]]:
    """view -> (picture, true mask) of each goat, and its true traits in cm."""
    renderer = Renderer(SIZE)
    crate = thin_parts(CRATE)
    for goat in range(number):
        random = np.random.default_rng([SEED, goat])
        build = draw_build(random)
        posed = pose_goat(build, draw_stance(random))
        coat, (pose, _) = draw_coat(random), draw_standing(random)
        animal = Animal(dress(posed, coat), pose, coat, build.withers_cm)
        scene = Scene(LIGHT, LOOK, plain_barn(), crate, animal)
        yield (
            {view: renderer.draw(scene, cameras()[view]) for view in VIEWS},
            measure_truth(posed, coat.hair_cm).traits,
        )
        renderer.forget_goats()
        print(f"\r{goat + 1} of {number} goats", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)


def look(view: str, shown: Shown, calibration: Calibration, segmenter: Segmenter | None) -> ViewLook:
    """One view as the station would see it, with the network's outline or, without a network, the true one."""
    picture, mask = shown[view]
    if segmenter is not None:
        return Eye(segmenter, calibration).look_at(view, Picture(picture, SIZE))
    return ViewLook(view, Segmentation(view, mask, 1.0), calibration.ruler_for(view, SIZE, SIZE))


def measured(number: int, segmenter: Segmenter | None) -> Errors:
    """trait -> each goat's measurement and truth, cm."""
    calibration = read_calibration(CALIBRATION)
    errors: Errors = {trait.name: [] for trait in TRAITS}
    for shown, truth in goats(number):
        findings = measure({view: look(view, shown, calibration, segmenter) for view in VIEWS})
        for one in findings.measurements:
            if one.trait in errors:
                errors[one.trait].append((one, truth[one.trait]))
    return errors


def table(errors: Errors) -> str:
    """Per trait, cm: mean absolute error, bias, worst, mean u95; inside u95 and without a value, percent."""
    rows = [
        "| trait | mean abs. error | bias | worst | mean u95 | inside u95 | no value |",
        "|---|---|---|---|---|---|---|",
    ]
    for trait, pairs in errors.items():
        known = [(one.value - truth, one.u95) for one, truth in pairs if one.value is not None and one.u95]
        missing = 100 * (1 - len(known) / len(pairs))
        if not known:
            rows.append(f"| {trait} | | | | | | {missing:.0f} % |")
            continue
        off, u95 = np.array(known).T
        rows.append(
            f"| {trait} | {np.abs(off).mean():.1f} | {off.mean():+.1f} | {np.abs(off).max():.1f} | {u95.mean():.1f} "
            f"| {100 * np.mean(np.abs(off) <= u95):.0f} % | {missing:.0f} % |"
        )
    return "\n".join(rows)


def main() -> int:
    parser = argparse.ArgumentParser(description="How true the centimetres of a plain scale are.")
    parser.add_argument("--goats", type=int, default=100, metavar="N")
    parser.add_argument("--outlines", choices=("true", "network"), default="true")
    parser.add_argument("--write-card", action="store_true", help="put the table into MODEL_CARD.md")
    options = parser.parse_args()
    if options.goats < 1:
        parser.error("--goats: at least 1")
    segmenter = Segmenter.load() if options.outlines == "network" else None
    found = table(measured(options.goats, segmenter))
    print(found)
    if options.write_card:
        write_tables(CARD, {f"plain-scale-{options.outlines}": found})
    return 0


if __name__ == "__main__":
    sys.exit(main())
