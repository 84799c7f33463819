"""How often pictures are called blurred, too dark or too bright: good ones, photographs, and ones spoiled on purpose.

    python -m models_tflite.training.quality_bench --simulated DIR [DIR ...] [--photographs DIR] [--most 300]

Simulated pictures are taken as they come, with the blur, dusk and glare that the simulator draws by lot: what is said
of them "as taken" is the false alarms and the simulator's own bad pictures together. Outlines are the true ones.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.quality import inspect
from edge.records import Pixels
from models_tflite.training.dataset import Sample, command, read_simulated
from models_tflite.training.labels import read_labelled

Rng = np.random.Generator
Spoil = Callable[[Rng, Pixels, Pixels], Pixels]
CODES = ("blurred", "too_dark", "too_bright")


def out_of_focus(share: float) -> Spoil:
    """Blurred by so much of the width, one standard deviation."""
    return lambda rng, rgb, mask: np.asarray(
        cv2.GaussianBlur(rgb, (0, 0), share * rgb.shape[1]), dtype=np.uint8
    )


def shaken(share: float) -> Spoil:
    """The whole picture smeared along a line of so much of the width."""
    return lambda rng, rgb, mask: np.asarray(np.clip(smeared(rng, rgb, share), 0, 255), dtype=np.uint8)


def goat_moved(share: float) -> Spoil:
    """The goat alone smeared, before a crate that stands still."""

    def spoil(rng: Rng, rgb: Pixels, mask: Pixels) -> Pixels:
        goat = (mask > 0).astype(np.float32)
        seed = int(rng.integers(1 << 30))
        cover, body = (
            smeared(np.random.default_rng(seed), one, share) for one in (goat, rgb * goat[..., None])
        )
        hidden = cv2.dilate((mask > 0).astype(np.uint8), np.ones((5, 5), np.uint8))
        small = cv2.resize(rgb, (256, 192)), cv2.resize(hidden, (256, 192))
        behind = cv2.resize(cv2.inpaint(*small, 3, cv2.INPAINT_TELEA), rgb.shape[1::-1])
        scene = np.where(goat[..., None] > 0, behind, rgb)
        return np.asarray(np.clip(body + scene * (1 - cover[..., None]), 0, 255), dtype=np.uint8)

    return spoil


def smeared(rng: Rng, picture: NDArray[Any], share: float) -> NDArray[np.float32]:
    length, way = max(3, round(share * picture.shape[1])) | 1, rng.uniform(0, np.pi)
    kernel, middle = np.zeros((length, length), np.float32), length // 2
    for step in np.linspace(-middle, middle, 4 * length):
        kernel[round(middle + step * np.sin(way)), round(middle + step * np.cos(way))] += 1
    return np.asarray(cv2.filter2D(picture.astype(np.float32), -1, kernel / kernel.sum()), dtype=np.float32)


def exposed(stops: float) -> Spoil:
    """So many stops more light, in the camera's curve, and what then is brighter than white is white."""
    table = np.clip(255 * ((np.arange(256) / 255) ** 2.2 * 2**stops) ** (1 / 2.2), 0, 255).astype(np.uint8)
    return lambda rng, rgb, mask: np.asarray(table[rgb], dtype=np.uint8)


SPOILS: Mapping[str, Spoil] = {
    "as taken": lambda rng, rgb, mask: rgb,
    "focus off, 0.3 % of the width": out_of_focus(0.003),
    "focus off, 0.5 %": out_of_focus(0.005),
    "focus off, 0.8 %": out_of_focus(0.008),
    "shaken, 1.5 %": shaken(0.015),
    "shaken, 3 %": shaken(0.03),
    "goat moved, 3 %": goat_moved(0.03),
    "goat moved, 5 %": goat_moved(0.05),
    "3 stops darker": exposed(-3),
    "4 stops darker": exposed(-4),
    "5 stops darker": exposed(-5),
    "2 stops brighter": exposed(2),
    "3 stops brighter": exposed(3),
}


def said(sample: Sample, spoil: Spoil, rng: Rng) -> tuple[set[str], float]:
    """The codes that are said of a picture, and how long it took, ms."""
    rgb = spoil(rng, sample.rgb, sample.mask)
    started = time.process_time()
    condition = inspect(sample.view, rgb, sample.mask, None, None)
    return {one.code for one in condition.advice}, 1000 * (time.process_time() - started)


def table(samples: list[Sample], name: str) -> str:
    lines = [
        f"\n{name}, {len(samples)} pictures: said of, %",
        f"{'':32}" + "".join(f"{c:>12}" for c in CODES),
    ]
    for how, spoil in SPOILS.items():
        rng = np.random.default_rng(3)
        found = [said(sample, spoil, rng) for sample in samples]
        shares = [100 * float(np.mean([code in codes for codes, _ in found])) for code in CODES]
        lines.append(f"{how:32}" + "".join(f"{share:12.1f}" for share in shares))
        if how == "as taken":
            lines[0] += f"   ({np.median([ms for _, ms in found]):.1f} ms each)"
            lines += [
                f"    {sample.name}: {', '.join(sorted(codes))}"
                for sample, (codes, _) in zip(samples, found, strict=True)
                if codes
            ]
    return "\n".join(lines)


def simulated(folder: Path, most: int) -> Iterator[Sample]:
    pictures = read_simulated(folder)
    for picture in pictures[:: max(1, len(pictures) // most)]:
        yield picture.load()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--simulated", type=Path, nargs="*", default=[], metavar="DIR")
    parser.add_argument("--photographs", type=Path, metavar="DIR")
    parser.add_argument(
        "--most", type=int, default=300, metavar="N", help="simulated pictures of each folder"
    )
    options = parser.parse_args()
    cv2.setNumThreads(1)
    for folder in options.simulated:
        print(table(list(simulated(folder, options.most)), folder.name))
    if options.photographs:
        print(table([one.load() for one in read_labelled(options.photographs)], "photographs"))


if __name__ == "__main__":
    command(main)
