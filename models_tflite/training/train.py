"""Train the network: `pretrain` on simulated pictures, then `finetune` with photographs.

    python -m models_tflite.training.train pretrain --simulated SIM --out RUNS/base
    python -m models_tflite.training.train finetune --base RUNS/base/network.pt --fold 0 --out RUNS/fold_0
    python -m models_tflite.training.train finetune --base RUNS/base/network.pt --fold all --out RUNS/final

The same command goes on where it was interrupted. `pretrain` re-reads the index of a simulation
that is still running. No photograph enters `pretrain`, so cross-validation stays honest.
"""

from __future__ import annotations

import argparse
import copy
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from edge.records import Pixels
from models_tflite.training import dataset, labels
from models_tflite.training.augment import Pool, make_pair, pool_of
from models_tflite.training.dataset import DatasetError, Sample, SimulatedPicture
from models_tflite.training.labels import Photograph
from models_tflite.training.network import GoatNet, parameter_count

BATCH = 8
SIMULATED_SIDE_PX = 384
CHECKPOINT_S = 60.0
REREAD_STEPS = 100
EMA_DECAY = 0.996
CLASS_WEIGHTS = (1.0, 1.0, 2.0)
PHOTOGRAPH_SHARE = 0.5


@dataclass(slots=True)
class Source:
    """What batches are drawn from: photographs in memory, simulated pictures as they are needed."""

    photographs: list[Sample] = field(default_factory=list)
    simulated_folder: Path | None = None
    hair: list[Pixels] = field(default_factory=list)
    pool: Pool = field(default_factory=lambda: Pool([]))
    simulated: list[SimulatedPicture] = field(default_factory=list)
    loaded: dict[Path, Sample] = field(default_factory=dict)

    def reread(self) -> None:
        """Notice simulated pictures made since; take empty scenes as backgrounds."""
        if self.simulated_folder is not None:
            listed = dataset.read_simulated(self.simulated_folder)
            self.simulated = [picture for picture in listed if not picture.held_out]
        empty = [self.load(picture) for picture in self.simulated if picture.negative][:150]
        self.pool = pool_of(self.photographs + empty, self.hair)

    def load(self, picture: SimulatedPicture) -> Sample:
        if picture.image not in self.loaded:
            self.loaded[picture.image] = picture.load(SIMULATED_SIDE_PX)
        return self.loaded[picture.image]

    def draw(self, rng: np.random.Generator) -> Sample:
        """One picture; photographs at their share, each view as often as the others."""
        wants_photograph = rng.random() < PHOTOGRAPH_SHARE or not self.simulated
        if self.photographs and wants_photograph:
            return self.photographs[balanced_index(self.photographs, rng)]
        return self.load(self.simulated[rng.integers(len(self.simulated))])

    def batch(self, rng: np.random.Generator, size: int = BATCH) -> tuple[Tensor, Tensor]:
        """(size, 3, 192, 256) pictures in 0..1 and (size, 192, 256) classes."""
        pairs = [make_pair(self.draw(rng), self.pool, rng) for _ in range(size)]
        pictures = torch.from_numpy(np.stack([rgb for rgb, _ in pairs])).permute(0, 3, 1, 2)
        masks = torch.from_numpy(np.stack([mask for _, mask in pairs])).long()
        return pictures.float() / 255, masks


def balanced_index(samples: Sequence[Sample], rng: np.random.Generator) -> int:
    views = sorted({sample.view for sample in samples})
    view = views[rng.integers(len(views))]
    return int(rng.choice([index for index, sample in enumerate(samples) if sample.view == view]))


def loss_of(logits: Tensor, classes: Tensor) -> Tensor:
    """Cross entropy with the head weighted up, plus soft Dice of goat and head over the batch."""
    weights = torch.tensor(CLASS_WEIGHTS)
    entropy = functional.cross_entropy(logits, classes, weights)
    share = logits.softmax(dim=1)
    goat = dice_loss(1 - share[:, 0], (classes > 0).float())
    head = dice_loss(share[:, 2], (classes == 2).float())
    return entropy + goat + 0.5 * head


def dice_loss(share: Tensor, truth: Tensor) -> Tensor:
    return 1 - (2 * (share * truth).sum() + 100) / (share.sum() + truth.sum() + 100)


@dataclass(slots=True)
class Run:
    """A training run that can be stopped and taken up again."""

    network: GoatNet
    smooth: GoatNet
    optimiser: torch.optim.Optimizer
    step: int = 0
    elapsed_s: float = 0.0

    @classmethod
    def begin(cls, start: dict[str, Any] | None, learning_rate: float) -> Run:
        network = GoatNet().to(memory_format=torch.channels_last)
        if start is not None:
            network.load_state_dict(start)
        smooth = copy.deepcopy(network).eval()
        optimiser = torch.optim.AdamW(network.parameters(), lr=learning_rate, weight_decay=1e-2)
        return cls(network, smooth, optimiser)

    def save(self, path: Path) -> None:
        """Written beside and renamed: an interruption leaves the earlier checkpoint whole."""
        beside = path.with_suffix(".new")
        state = {
            "network": self.network.state_dict(),
            "smooth": self.smooth.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "step": self.step,
            "elapsed_s": self.elapsed_s,
        }
        torch.save(state, beside)
        beside.replace(path)

    def restore(self, path: Path) -> None:
        state = load_checkpoint(path)
        self.network.load_state_dict(state["network"])
        self.smooth.load_state_dict(state["smooth"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.step, self.elapsed_s = int(state["step"]), float(state["elapsed_s"])

    def update(self, pictures: Tensor, classes: Tensor, learning_rate: float) -> float:
        """One step of gradient descent; returns the loss."""
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate
        pictures = pictures.contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16, enabled=has_bfloat16()):
            logits = self.network(pictures)
        loss = loss_of(logits.float(), classes)
        self.optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), 2.0)
        self.optimiser.step()
        self.step += 1
        average(self.smooth, self.network, min(EMA_DECAY, self.step / (self.step + 20)))
        return float(loss.detach())


def average(smooth: nn.Module, network: nn.Module, decay: float) -> None:
    """Exponential moving average of weights and statistics, in place."""
    with torch.no_grad():
        pairs = zip(smooth.state_dict().values(), network.state_dict().values(), strict=True)
        for kept, new in pairs:
            if kept.is_floating_point():
                kept.lerp_(new, 1 - decay)
            else:
                kept.copy_(new)


def has_bfloat16() -> bool:
    """True where the processor multiplies bfloat16 itself: 1.6 times as fast there."""
    return "avx512_bf16" in cpu_flags() or "amx_bf16" in cpu_flags()


def cpu_flags() -> str:
    info = Path("/proc/cpuinfo")
    return info.read_text(encoding="utf-8") if info.exists() else ""


def learning_rate_at(progress: float, highest: float) -> float:
    """Warm up over the first 4 %, then a cosine down to a hundredth."""
    if progress < 0.04:
        return highest * max(progress / 0.04, 0.02)
    return highest * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(progress, 1.0))))


def train(run: Run, source: Source, options: argparse.Namespace) -> None:
    """Train until the steps or the minutes are used up, saving a checkpoint every minute."""
    checkpoint = options.out / "checkpoint.pt"
    budget_s = options.minutes * 60
    began = saved = time.monotonic()
    before_s, losses = run.elapsed_s, []
    flags = has_bfloat16()
    print(f"{parameter_count(run.network)} parameters, from step {run.step}, bfloat16 {flags}", flush=True)
    while (progress := max(run.step / options.steps, run.elapsed_s / budget_s)) < 1.0:
        if run.step % REREAD_STEPS == 0 or not source.pool.backgrounds:
            source.reread()
        rng = np.random.default_rng([options.seed, run.step])
        losses.append(run.update(*source.batch(rng), learning_rate_at(progress, options.learning_rate)))
        run.elapsed_s = before_s + time.monotonic() - began
        if run.step % 25 == 0:
            report(run, source, progress, losses)
            losses.clear()
        if time.monotonic() - saved > CHECKPOINT_S:
            run.save(checkpoint)
            saved = time.monotonic()
    run.save(checkpoint)


def report(run: Run, source: Source, progress: float, losses: list[float]) -> None:
    counts = f"{len(source.photographs)} photographs, {len(source.simulated)} simulated"
    mean = sum(losses) / len(losses)
    print(f"{progress:5.1%} step {run.step} {run.elapsed_s:.0f} s loss {mean:.3f} ({counts})", flush=True)


def finish(run: Run, out: Path, about: dict[str, Any]) -> None:
    """The averaged weights as the result, with what they were made from."""
    beside = out / "network.new"
    torch.save({"weights": run.smooth.state_dict(), **about}, beside)
    beside.replace(out / "network.pt")
    print(f"wrote {out / 'network.pt'}", flush=True)


def load_checkpoint(path: Path) -> dict[str, Any]:
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises whatever the damage makes it raise
        raise DatasetError(f"{path}: not a checkpoint: {error}", "train it first, or delete it") from None
    return state


def fold_photographs(photographs: list[Photograph], fold: str) -> tuple[list[Photograph], list[str]]:
    """The photographs to train on and the goats held out, for a fold number or `all`."""
    if fold == "all":
        return photographs, []
    folds = dataset.goat_folds(photographs)
    held_out = folds[int(fold)]
    return [photo for photo in photographs if photo.goat not in held_out], held_out


def pretrain(options: argparse.Namespace) -> tuple[Source, dict[str, Any] | None, dict[str, Any]]:
    if options.simulated is None:
        raise DatasetError("no folder of simulated pictures", "give --simulated")
    source = Source(simulated_folder=options.simulated, hair=read_hair(options.coats))
    return source, None, {"held_out_goats": [], "photographs": 0}


def finetune(options: argparse.Namespace) -> tuple[Source, dict[str, Any] | None, dict[str, Any]]:
    photographs = labels.read_labelled(dataset.photographs_folder(options.photographs))
    chosen, held_out = fold_photographs(photographs, options.fold)
    samples = [photo.load(dataset.TRAINING_SIDE_PX) for photo in chosen]
    source = Source(samples, options.simulated, read_hair(options.coats))
    base = load_checkpoint(options.base)["weights"] if options.base else None
    return source, base, {"held_out_goats": held_out, "photographs": len(chosen)}


def read_hair(folder: Path | None) -> list[Pixels]:
    """Patches of hair for coats, or none."""
    return [] if folder is None else [dataset.read_rgb(path) for path in sorted(folder.glob("*.jpg"))]


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="models_tflite.training.train", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("stage", choices=("pretrain", "finetune"))
    parser.add_argument("--simulated", type=Path, help="folder with index.jsonl, images/, masks/")
    parser.add_argument("--photographs", type=Path, help="folder with labels.json and images/")
    parser.add_argument("--coats", type=Path, help="folder of hair patches, *.jpg")
    parser.add_argument("--base", type=Path, help="network.pt to start from")
    parser.add_argument("--fold", choices=("0", "1", "2", "3", "all"), default="all")
    parser.add_argument("--out", type=Path, required=True, help="folder of this run")
    parser.add_argument("--steps", type=int, default=3000, help=f"batches of {BATCH}")
    parser.add_argument("--minutes", type=float, default=1e6, help="end (annealed) after this time at most")
    parser.add_argument("--learning-rate", type=float, default=2e-3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    return parser.parse_args(arguments)


def main() -> None:
    options = parse()
    torch.set_num_threads(options.threads)
    cv2.setNumThreads(1)
    torch.manual_seed(options.seed)
    source, base, about = (pretrain if options.stage == "pretrain" else finetune)(options)
    source.reread()
    options.out.mkdir(parents=True, exist_ok=True)
    run = Run.begin(base, options.learning_rate)
    if (options.out / "checkpoint.pt").exists():
        run.restore(options.out / "checkpoint.pt")
    train(run, source, options)
    finish(run, options.out, {**about, "steps": run.step, "simulated": len(source.simulated)})


if __name__ == "__main__":
    dataset.command(main)
