"""Average the weights of networks that share their beginnings: surer than either, at no cost when it runs.

    python -m models_tflite.training.average RUNS/a/network.pt RUNS/b/network.pt --out RUNS/final/network.pt

Runs that were fine-tuned from the same base, or of which one went on from the other, lie in one valley; its middle
generalises better than its edges (Wortsman et al. 2022, "Model soups"). Whether that is so is for `evaluate` to say.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from models_tflite.training import dataset
from models_tflite.training.dataset import DatasetError
from models_tflite.training.network import CHANNELS
from models_tflite.training.train import load_checkpoint, save_checkpoint


def average(networks: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """One network of the mean weights; raises DatasetError where they are not of one kind.

    What it was made from adds up: the steps and pictures of all, the goats that none of them saw.
    """
    first = networks[0]
    for other in networks[1:]:
        if list(other.get("channels", CHANNELS)) != list(first.get("channels", CHANNELS)):
            raise DatasetError("the networks are of different sizes", "average networks of one size")
        if other["held_out_goats"] != first["held_out_goats"]:
            raise DatasetError(
                "the networks were kept from different goats", "average networks of the same fold"
            )
    weights = {}
    for name, value in first["weights"].items():
        if value.is_floating_point():
            mean = torch.stack([one["weights"][name].float() for one in networks]).mean(dim=0)
            weights[name] = mean.to(value.dtype)
        else:
            weights[name] = value
    totals = {name: max(one.get(name, 0) for one in networks) for name in ("photographs", "simulated")}
    steps = sum(one.get("steps", 0) for one in networks)
    return {**first, **totals, "weights": weights, "steps": steps, "averaged": len(networks)}


def main() -> None:
    parser = argparse.ArgumentParser(prog="models_tflite.training.average", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("networks", type=Path, nargs="+", metavar="NETWORK", help="network.pt of a run")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    if len(options.networks) < 2:
        parser.error("name two networks at least")
    averaged = average([load_checkpoint(path) for path in options.networks])
    save_checkpoint(averaged, options.out)
    print(f"wrote {options.out}")


if __name__ == "__main__":
    dataset.command(main)
