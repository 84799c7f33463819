"""Draw how well unseen goats are found against the pictures trained on, or against the size of the network.

python -m models_tflite.training.curve RUNS/base [RUNS/other ...] --out curve.png
python -m models_tflite.training.curve RUNS/small RUNS/base ... --against parameters --out sizes.png

Against the size each run counts with its last line, so compare runs that saw equally many pictures.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont

from edge.records import VIEWS
from models_tflite.training import dataset
from models_tflite.training.dataset import DatasetError

SIZE = (900, 560)
LEFT, RIGHT, TOP, BOTTOM = 80, 870, 40, 490
COLOURS = {"side": (0, 90, 160), "top": (200, 90, 0), "front": (30, 130, 60)}
LOWEST = 0.4
TICKS = 6
UNDER = {"pictures": "thousand pictures trained on", "parameters": "thousand parameters"}


@dataclass(frozen=True, slots=True)
class Curve:
    """(x, IoU) points of one view, and what is written beside the last of them."""

    view: str
    points: list[tuple[float, float]]
    label: str
    thick: bool = True


def read_progress(run: Path) -> list[dict[str, Any]]:
    """The lines that training noted: pictures seen, parameters, and view -> IoU of unseen goats."""
    path = run / "progress.jsonl"
    try:
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read: {error.strerror}", "train first") from None
    except ValueError:
        raise DatasetError(f"{path}: not as training writes it", "train again") from None
    if not lines:
        raise DatasetError(f"{path}: empty", "train for more than a minute")
    return lines


def over_time(runs: Sequence[tuple[str, list[dict[str, Any]]]]) -> list[Curve]:
    """A curve for each run and view: thousands of pictures trained on."""
    curves = []
    for number, (name, lines) in enumerate(runs):
        for view in VIEWS:
            points = [
                (line["pictures"] / 1000, line["unseen_iou"][view])
                for line in lines
                if view in line["unseen_iou"]
            ]
            if points:
                curves.append(Curve(view, points, f"{name} {view} {points[-1][1]:.3f}", number == 0))
    return curves


def over_size(runs: Sequence[tuple[str, list[dict[str, Any]]]]) -> list[Curve]:
    """A curve for each view: thousands of parameters of each run, at its last line."""
    last = sorted((lines[-1] for _, lines in runs), key=lambda line: line.get("parameters", 0))
    if any("parameters" not in line for line in last):
        raise DatasetError("a run does not say how large its network is", "train it again")
    pictures = " / ".join(f"{line['pictures'] // 1000}" for line in last)
    curves = []
    for view in VIEWS:
        points = [
            (line["parameters"] / 1000, line["unseen_iou"][view])
            for line in last
            if view in line["unseen_iou"]
        ]
        if points:
            curves.append(Curve(view, points, f"{view}, after {pictures} thousand pictures"))
    return curves


def draw_curves(curves: Sequence[Curve], under: str, out: Path) -> None:
    """IoU from LOWEST to 1 against what is written under it."""
    image = Image.new("RGB", SIZE, "white")
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(16)
    most = max(x for curve in curves for x, _ in curve.points)
    for step in range(TICKS + 1):
        value = LOWEST + (1 - LOWEST) * step / TICKS
        draw.line([(LEFT, height_of(value)), (RIGHT, height_of(value))], fill=(220, 220, 220))
        draw.text((20, height_of(value) - 10), f"{value:.2f}", fill="black", font=font)
        x = LEFT + (RIGHT - LEFT) * step / TICKS
        draw.text((x - 16, BOTTOM + 8), f"{most * step / TICKS:.0f}", fill="black", font=font)
    draw.text((LEFT, BOTTOM + 34), under, fill="black", font=font)
    title = "IoU of goats never trained on, whole pictures at 256 x 192"
    draw.text((LEFT, 10), title, fill="black", font=font)
    for row, curve in enumerate(curves):
        places = [(LEFT + (RIGHT - LEFT) * x / most, height_of(iou)) for x, iou in curve.points]
        draw.line(places, fill=COLOURS[curve.view], width=3 if curve.thick else 1)
        for x, y in places if len(places) < 10 else []:
            draw.ellipse([x - 5, y - 5, x + 5, y + 5], fill=COLOURS[curve.view])
        width = draw.textlength(curve.label, font=font)
        draw.text((RIGHT - width, BOTTOM - 30 - 22 * row), curve.label, fill=COLOURS[curve.view], font=font)
    image.save(out)


def height_of(value: float) -> float:
    return BOTTOM - (BOTTOM - TOP) * (max(value, LOWEST) - LOWEST) / (1 - LOWEST)


def main() -> None:
    parser = argparse.ArgumentParser(prog="models_tflite.training.curve", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN")
    parser.add_argument("--against", choices=tuple(UNDER), default="pictures")
    parser.add_argument("--out", type=Path, default=Path("curve.png"))
    options = parser.parse_args()
    runs = [(run.name, read_progress(run)) for run in options.runs]
    curves = over_time(runs) if options.against == "pictures" else over_size(runs)
    draw_curves(curves, UNDER[options.against], options.out)
    print(f"wrote {options.out}")


if __name__ == "__main__":
    dataset.command(main)
