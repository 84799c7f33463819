"""Teach a finished network to tell whether somebody is before the goat or in its place.

    python -m models_tflite.training.person --network RUNS/mean/network.pt --simulated SIM ... \\
        --out RUNS/person/network.pt

Only the part of the network that tells people is trained, on the features of all else: what the network says of goats
stays as it is, bit by bit. The features of every picture are computed once, so that minutes on one core are enough.
No photograph is trained on.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from edge.records import Pixels
from models_tflite.training import augment, dataset
from models_tflite.training.augment import HEIGHT, WIDTH, Floats, Rng
from models_tflite.training.dataset import DatasetError, Sample, SimulatedPicture
from models_tflite.training.network import OF_PEOPLE, GoatNet, PersonMap, network_of, without_people
from models_tflite.training.train import (
    SIMULATED_SIDE_PX,
    has_bfloat16,
    learning_rate_at,
    load_checkpoint,
    save_checkpoint,
)

# One cell of the map, px of the network's input.
CELL_PX = 16
# A cell of which more than this is somebody in the way is to say so; one with less, or beside such a cell, may say
# what it likes.
CELL_SHARE = 0.15
EITHER = -1.0
# How often each picture is looked at anew: somebody in the way; somebody who is not; an empty crate, for without a goat
# is not with a person; all else.
LOOKS = {"in the way": 3, "people near": 2, "empty": 1, "other": 1}
# Of all else so many pictures are taken at most.
MOST_OTHERS = 3600
BATCH, EPOCHS, LEARNING_RATE = 48, 10, 2e-3
FEATURE_BATCH = 16

Features = tuple[Tensor, Tensor, Tensor, Tensor]


@dataclass(frozen=True, slots=True)
class Glimpse:
    """A picture as the network gets it, and where it shows somebody in the way.

    rgb     (192, 256, 3)
    cells   (12, 16)  1 somebody, 0 nobody, EITHER
    in_way  1, 0 or EITHER
    """

    rgb: Pixels
    cells: Floats
    in_way: float


@dataclass(frozen=True, slots=True)
class Lesson:
    """Features of pictures as PersonMap reads them, in half precision, and what it should say of each."""

    features: Features
    cells: Tensor
    in_way: Tensor

    def part(self, rows: Tensor) -> tuple[list[Tensor], Tensor, Tensor]:
        return [one[rows].float() for one in self.features], self.cells[rows], self.in_way[rows]


def chosen(pictures: Sequence[SimulatedPicture], rng: Rng) -> list[SimulatedPicture]:
    """The pictures to learn from, each as often as it is looked at."""
    known = [one for one in pictures if one.in_the_way is not None and not one.held_out]
    others = [one for one in known if group(one) == "other"]
    kept = {others[index].image for index in rng.permutation(len(others))[:MOST_OTHERS]}
    taken = [one for one in known if group(one) != "other" or one.image in kept]
    if not any(one.in_the_way for one in taken):
        raise DatasetError("nobody is in the way in any picture", "simulate --kinds handled,keeper first")
    return [one for one in taken for _ in range(LOOKS[group(one)])]


def group(picture: SimulatedPicture) -> str:
    if picture.in_the_way:
        return "in the way"
    if picture.people is not None and picture.people.seen > 0:
        return "people near"
    return "empty" if picture.kind in ("empty", "things") else "other"


def glimpse(picture: SimulatedPicture, rng: Rng) -> Glimpse:
    """The whole picture or a closer look at the goat, as the station has both, in another light and camera."""
    sample = picture.load(SIMULATED_SIDE_PX)
    before = read_before(picture, sample)
    way = rng.choice(["fit", "mild", "close"], p=[0.2, 0.4, 0.4])
    shown = Sample(sample.rgb, np.maximum(sample.mask, before), sample.view, sample.name)
    if way == "close" and shown.has_goat:
        matrix = augment.close_warp(shown, rng)
    elif way in ("mild", "close"):
        matrix = augment.mild_warp(shown, rng)
    else:
        matrix = augment.fit_matrix(sample.rgb.shape[1], sample.rgb.shape[0])
    rgb, there = augment.warp(sample.rgb, before, matrix)
    rgb, left = augment.occlude(rgb, there, rng)
    rgb = augment.look_through_camera(augment.light(rgb, rng), rng)
    cells = cells_of(left)
    is_in_way = bool(picture.in_the_way)
    seen = bool((cells == 1).any())
    return Glimpse(rgb, cells, float(is_in_way) if seen == is_in_way else EITHER)


def read_before(picture: SimulatedPicture, sample: Sample) -> Pixels:
    """(H, W) 1 where somebody hides the goat or is in its place."""
    height, width = sample.mask.shape
    if picture.people is None or picture.people.mask is None:
        return np.zeros((height, width), np.uint8)
    mask = cv2.imread(str(picture.people.mask), cv2.IMREAD_GRAYSCALE)
    if mask is None:
        raise DatasetError(f"{picture.people.mask}: not a mask", "render it again")
    return (cv2.resize(mask, (width, height), interpolation=cv2.INTER_NEAREST) > 0).astype(np.uint8)


def cells_of(before: Pixels) -> Floats:
    """What each cell is to say of a (192, 256) mask."""
    rows, columns = HEIGHT // CELL_PX, WIDTH // CELL_PX
    share = before.reshape(rows, CELL_PX, columns, CELL_PX).mean(axis=(1, 3))
    somebody = share > CELL_SHARE
    near = cv2.dilate(somebody.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    cells = np.where(near | (share > 0), EITHER, 0.0)
    return np.where(somebody, 1.0, cells).astype(np.float32)


def features_of(network: GoatNet, pictures: Tensor) -> Features:
    """What PersonMap reads of a batch of pictures: (N, 3, 192, 256) in 0..1."""
    at4 = network.down[0](network.stem(pictures))
    at8 = network.down[1](at4)
    at16 = network.down[2](at8)
    goat16 = network.join16(network.down[3](at16), at16)
    return at8, network.join8(goat16, at8), at16, goat16


def learn_features(network: GoatNet, pictures: Sequence[SimulatedPicture], seed: int) -> Lesson:
    """All pictures through the network once."""
    parts: list[Features] = []
    cells, in_way = [], []
    for first in range(0, len(pictures), FEATURE_BATCH):
        some = [
            glimpse(one, np.random.default_rng([seed, number]))
            for number, one in enumerate(pictures[first : first + FEATURE_BATCH], first)
        ]
        rgb = torch.from_numpy(np.stack([one.rgb for one in some])).permute(0, 3, 1, 2).float() / 255
        with torch.no_grad(), quick():
            features = features_of(network, rgb.contiguous(memory_format=torch.channels_last))
        at8, goat8, at16, goat16 = (part.half().contiguous() for part in features)
        parts.append((at8, goat8, at16, goat16))
        cells += [one.cells for one in some]
        in_way += [one.in_way for one in some]
        print(f"\r{first + len(some)} of {len(pictures)} looks", end="", flush=True)
    print()
    at8, goat8, at16, goat16 = (torch.cat([part[place] for part in parts]) for place in range(4))
    return Lesson((at8, goat8, at16, goat16), torch.from_numpy(np.stack(cells)), torch.tensor(in_way))


def loss_of(where: Tensor, cells: Tensor, in_way: Tensor) -> Tensor:
    """Cell by cell, and of each picture the cell that is surest."""
    by_cell = functional.binary_cross_entropy_with_logits(where, cells.clamp_min(0), reduction="none")
    asked = (cells != EITHER).float() * (1 + 2 * (cells == 1).float())
    surest = where.flatten(1).max(dim=1).values
    whole = functional.binary_cross_entropy_with_logits(surest, in_way.clamp_min(0), reduction="none")
    known = (in_way != EITHER).float()
    return (by_cell * asked).sum() / asked.sum() + 0.5 * (whole * known).sum() / known.sum().clamp_min(1)


def teach(person: PersonMap, lesson: Lesson, epochs: int) -> None:
    """Gradient descent over all looks, so many times."""
    optimiser = torch.optim.AdamW(person.parameters(), lr=LEARNING_RATE, weight_decay=1e-2)
    person.train()
    count = len(lesson.in_way)
    steps = epochs * (count // BATCH)
    for step, rows in enumerate(batches(count, epochs)):
        for settings in optimiser.param_groups:
            settings["lr"] = learning_rate_at(step / max(steps, 1), LEARNING_RATE)
        features, cells, in_way = lesson.part(rows)
        with quick():
            where = person(*features).squeeze(1)
        loss = loss_of(where.float(), cells, in_way)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if (step + 1) % 100 == 0:
            print(f"step {step + 1} of {steps}, loss {float(loss):.3f}", flush=True)
    person.eval()


def quick() -> torch.autocast:
    """Half the digits where the processor multiplies those itself."""
    return torch.autocast("cpu", torch.bfloat16, enabled=has_bfloat16())


def batches(count: int, epochs: int) -> Iterator[Tensor]:
    for _ in range(epochs):
        order = torch.randperm(count)
        for first in range(0, count - BATCH + 1, BATCH):
            yield order[first : first + BATCH]


def main() -> None:
    parser = argparse.ArgumentParser(prog="models_tflite.training.person", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("--network", type=Path, required=True, help="network.pt of a training run")
    parser.add_argument(
        "--simulated", type=Path, nargs="+", required=True, help="simulations, some of them with people"
    )
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    cv2.setNumThreads(1)
    torch.manual_seed(options.seed)
    checkpoint = load_checkpoint(options.network)
    network = network_of(checkpoint)
    listed = [one for folder in options.simulated for one in dataset.read_simulated(folder)]
    pictures = chosen(listed, np.random.default_rng(options.seed))
    lesson = learn_features(network, pictures, options.seed)
    person = PersonMap(*network.down[1][0][0].weight.shape[:1], *network.down[2][0][0].weight.shape[:1])
    teach(person, lesson, options.epochs)
    learnt = {
        OF_PEOPLE + name: value.half() if value.is_floating_point() else value
        for name, value in person.state_dict().items()
    }
    weights = without_people(checkpoint["weights"]) | learnt
    about = {**checkpoint, "weights": weights, "people": len({one.image for one in pictures})}
    save_checkpoint(about, options.out)
    print(f"wrote {options.out}")


if __name__ == "__main__":
    dataset.command(main)
