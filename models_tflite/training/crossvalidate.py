"""Train one network for each fold of goats, so that every photograph is judged by one that never saw its goat.

    python -m models_tflite.training.crossvalidate --photographs DIR --simulated SIM --base base.pt --out RUNS/folds

Writes fold_K.toml and fold_K.tflite for `evaluate --folds`. The same command goes on where it was interrupted:
finished folds are left alone, the one in progress goes on from its checkpoint.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from models_tflite.training import dataset, labels
from models_tflite.training.dataset import FOLDS, DatasetError


def train_fold(fold: int, options: argparse.Namespace) -> None:
    """Fine-tune and quantise one fold, each in a process of its own."""
    run = options.out / f"fold_{fold}"
    pictures = ["--simulated", *map(str, options.simulated), "--photographs", str(options.photographs)]
    if not (run / "network.pt").exists():
        coats = ["--coats", str(options.coats)] if options.coats else []
        budget = ["--minutes", str(options.minutes), "--learning-rate", str(options.learning_rate)]
        call("train", "finetune", *pictures, *coats, *budget, "--base", str(options.base), "--fold", str(fold),
             "--steps", "1000000", "--out", str(run))  # fmt: skip
    call(
        "quantise",
        "--network",
        str(run / "network.pt"),
        *pictures,
        "--into",
        str(options.out / f"fold_{fold}.toml"),
    )


def call(command: str, *arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", f"models_tflite.training.{command}", *arguments], check=False
    )
    if done.returncode:
        raise DatasetError(f"{command} ended with {done.returncode}", "see above; the same command goes on")


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="models_tflite.training.crossvalidate", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("--photographs", type=Path, help=f"default: ${dataset.PHOTOGRAPHS_VARIABLE}")
    parser.add_argument("--simulated", type=Path, nargs="+", required=True)
    parser.add_argument("--coats", type=Path, help="folder of hair patches, *.jpg")
    parser.add_argument(
        "--base", type=Path, required=True, help="network to start from; it must know no photograph"
    )
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=7.0, help="of fine-tuning for each fold")
    parser.add_argument("--learning-rate", type=float, default=1.5e-3)
    return parser.parse_args(arguments)


def main() -> None:
    options = parse()
    options.photographs = dataset.photographs_folder(options.photographs)
    folds = dataset.goat_folds(labels.read_labelled(options.photographs))
    for fold, goats in enumerate(folds[:FOLDS]):
        print(f"fold {fold} of {len(folds)}: goats {', '.join(goats)} are held out", flush=True)
        train_fold(fold, options)


if __name__ == "__main__":
    dataset.command(main)
