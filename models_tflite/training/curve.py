"""Draw how well unseen goats are found against the pictures trained on: what more training would still bring.

python -m models_tflite.training.curve RUNS/base [RUNS/other ...] --out curve.png
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
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


def read_progress(run: Path) -> list[dict[str, Any]]:
    """The lines that training noted: pictures seen, and view -> IoU of unseen goats."""
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


def draw_curves(runs: Sequence[tuple[str, list[dict[str, Any]]]], out: Path) -> None:
    """One line per run and view; IoU from LOWEST to 1 against thousands of pictures."""
    image = Image.new("RGB", SIZE, "white")
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(16)
    most = max(line["pictures"] for _, lines in runs for line in lines)
    for step in range(7):
        value = LOWEST + (1 - LOWEST) * step / 6
        y = height_of(value)
        draw.line([(LEFT, y), (RIGHT, y)], fill=(220, 220, 220))
        draw.text((20, y - 10), f"{value:.2f}", fill="black", font=font)
        x = LEFT + (RIGHT - LEFT) * step / 6
        draw.text((x - 16, BOTTOM + 8), f"{most * step / 6000:.0f}", fill="black", font=font)
    draw.text((LEFT, BOTTOM + 34), "thousand pictures trained on", fill="black", font=font)
    draw.text(
        (LEFT, 10), "IoU of goats never trained on, whole pictures at 256 x 192", fill="black", font=font
    )
    for number, (name, lines) in enumerate(runs):
        for row, view in enumerate(VIEWS):
            points = [
                (LEFT + (RIGHT - LEFT) * line["pictures"] / most, height_of(line["unseen_iou"][view]))
                for line in lines
                if view in line["unseen_iou"]
            ]
            draw.line(points, fill=COLOURS[view], width=3 if number == 0 else 1)
            if points:
                label = f"{name} {view} {lines[-1]['unseen_iou'].get(view, 0):.3f}"
                place = (RIGHT - 200, BOTTOM - 30 - 22 * (row + 3 * number))
                draw.text(place, label, fill=COLOURS[view], font=font)
    image.save(out)


def height_of(value: float) -> float:
    return BOTTOM - (BOTTOM - TOP) * (max(value, LOWEST) - LOWEST) / (1 - LOWEST)


def main() -> None:
    parser = argparse.ArgumentParser(prog="models_tflite.training.curve", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN")
    parser.add_argument("--out", type=Path, default=Path("curve.png"))
    options = parser.parse_args()
    draw_curves([(run.name, read_progress(run)) for run in options.runs], options.out)
    print(f"wrote {options.out}")


if __name__ == "__main__":
    dataset.command(main)
