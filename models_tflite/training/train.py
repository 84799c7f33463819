"""Train the network: `pretrain` on simulated pictures, then `finetune` with photographs.

    python -m models_tflite.training.train pretrain --simulated SIM --out RUNS/base
    python -m models_tflite.training.train finetune --base RUNS/base/network.pt --fold 0 --out RUNS/fold_0
    python -m models_tflite.training.train finetune --base RUNS/base/network.pt --fold all --out RUNS/final

The same command goes on where it was interrupted. A GPU is used where there is one. No photograph
enters `pretrain`, so cross-validation stays honest.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, IterableDataset

from edge.records import VIEWS, Pixels
from models_tflite.training import dataset, labels
from models_tflite.training.augment import UNKNOWN, Pool, fit_matrix, make_pair, pool_of, warp
from models_tflite.training.dataset import DatasetError, Sample, SimulatedPicture
from models_tflite.training.labels import Photograph
from models_tflite.training.network import (
    CHANNELS,
    GoatNet,
    Seen,
    parameter_count,
    trainer_device,
    unpacked,
    without_people,
)

BATCH = 16
SIMULATED_SIDE_PX = 448
CHECKPOINT_S = 60.0
EMA_DECAY = 0.997
CLASS_WEIGHTS = (1.0, 1.0, 2.0)
PHOTOGRAPH_SHARE = 0.5
# A landmark's target is a bell of this width, in cells of its map (4 px of the network's input).
LANDMARK_SPREAD = 1.0
LANDMARK_WEIGHT, SCENE_WEIGHT = 0.08, 0.1
# So many pictures of unseen goats per view judge the network whenever a checkpoint is written.
JUDGES_PER_VIEW = 24
# So many empty scenes serve as backgrounds, so many goats as second goats.
POOL_SIZE = 200


@dataclass(slots=True)
class Source:
    """What batches are drawn from: photographs and simulated pictures, decoded once."""

    photographs: list[Sample] = field(default_factory=list)
    simulated: list[SimulatedPicture] = field(default_factory=list)
    hair: list[Pixels] = field(default_factory=list)
    pool: Pool = field(default_factory=lambda: Pool([]))
    judges: list[Sample] = field(default_factory=list)
    loaded: dict[Path, Sample] = field(default_factory=dict)

    @classmethod
    def open(
        cls,
        photographs: list[Sample],
        folders: Sequence[Path],
        hair: list[Pixels],
        views: Sequence[str] = VIEWS,
    ) -> Source:
        """Read what is there now of these views; the goats that are held out stay out."""
        listed = [
            picture
            for folder in folders
            for picture in dataset.read_simulated(folder)
            if picture.view in views
        ]
        source = cls(photographs, [picture for picture in listed if not picture.held_out], hair)
        empty = [source.load(one) for one in [one for one in source.simulated if one.negative][:POOL_SIZE]]
        goats = [
            source.load(one) for one in [one for one in source.simulated if one.scene == "one"][:POOL_SIZE]
        ]
        source.pool = pool_of(photographs + empty, hair)
        source.pool.goats += goats
        unseen = [one for one in listed if one.held_out and one.scene == "one"]
        for view in VIEWS:
            chosen = [one for one in unseen if one.view == view][-JUDGES_PER_VIEW:]
            source.judges += [one.load(SIMULATED_SIDE_PX) for one in chosen]
        return source

    def load(self, picture: SimulatedPicture) -> Sample:
        if picture.image not in self.loaded:
            self.loaded[picture.image] = picture.load(SIMULATED_SIDE_PX)
        return self.loaded[picture.image]

    def load_all(self) -> None:
        """Decode everything now, so that worker processes share it."""
        for picture in self.simulated:
            self.load(picture)

    def draw(self, rng: np.random.Generator) -> Sample:
        """One picture; photographs at their share, each view as often as the others."""
        wants_photograph = rng.random() < PHOTOGRAPH_SHARE or not self.simulated
        if self.photographs and wants_photograph:
            return self.photographs[balanced_index(self.photographs, rng)]
        return self.load(self.simulated[rng.integers(len(self.simulated))])


def balanced_index(samples: Sequence[Sample], rng: np.random.Generator) -> int:
    views = sorted({sample.view for sample in samples})
    view = views[rng.integers(len(views))]
    return int(rng.choice([index for index, sample in enumerate(samples) if sample.view == view]))


@dataclass(frozen=True, slots=True)
class Batch:
    """Pictures and what the network should say of them.

    pictures   (N, 3, 192, 256)  0..1
    shares     (N, 3, 96, 128)   how much of each cell is background, body, head
    landmarks  (N, L, 2)         px of the picture, nan where not to be seen
    scene      (N,)              index in SCENES, or UNKNOWN
    """

    pictures: Tensor
    shares: Tensor
    landmarks: Tensor
    scene: Tensor

    def on(self, device: torch.device) -> Batch:
        pictures = self.pictures.to(device).float() / 255
        pictures = pictures.contiguous(memory_format=torch.channels_last)
        return Batch(
            pictures, self.shares.to(device).float() / 4, self.landmarks.to(device), self.scene.to(device)
        )


class Batches(IterableDataset[Batch]):  # type: ignore[misc, unused-ignore]
    """Batch after batch from a step on; a step's batch is the same whoever makes it."""

    def __init__(self, source: Source, seed: int, first: int) -> None:
        self.source, self.seed, self.first = source, seed, first

    def __iter__(self) -> Iterator[Batch]:
        worker = torch.utils.data.get_worker_info()
        step = self.first + (worker.id if worker else 0)
        while True:
            yield self.batch(step)
            step += worker.num_workers if worker else 1

    def batch(self, step: int) -> Batch:
        rng = np.random.default_rng([self.seed, step])
        pairs = [make_pair(self.source.draw(rng), self.source.pool, rng) for _ in range(BATCH)]
        pictures = torch.from_numpy(np.stack([pair.rgb for pair in pairs])).permute(0, 3, 1, 2)
        masks = torch.from_numpy(np.stack([pair.mask for pair in pairs]))
        landmarks = torch.from_numpy(np.stack([pair.landmarks for pair in pairs]))
        return Batch(pictures, quarters(masks), landmarks, torch.tensor([pair.scene for pair in pairs]))


def quarters(masks: Tensor) -> Tensor:
    """(N, 192, 256) classes to (N, 3, 96, 128) uint8: how many of each cell's four pixels are of each class."""
    of_class = torch.stack([masks == label for label in range(3)], dim=1).to(torch.uint8)
    return (
        of_class[:, :, ::2, ::2]
        + of_class[:, :, 1::2, ::2]
        + of_class[:, :, ::2, 1::2]
        + of_class[:, :, 1::2, 1::2]
    )


def loss_of(seen: Seen, batch: Batch) -> Tensor:
    """What the network is trained to make small: outline, landmarks and scene together."""
    return (
        outline_loss(seen.classes, batch.shares)
        + LANDMARK_WEIGHT * landmark_loss(seen.landmarks, batch.landmarks)
        + SCENE_WEIGHT * functional.cross_entropy(seen.scene, batch.scene, ignore_index=UNKNOWN)
    )


def outline_loss(logits: Tensor, shares: Tensor) -> Tensor:
    """Cross entropy with the head weighted up, plus soft Dice of goat and head over the batch."""
    weights = torch.tensor(CLASS_WEIGHTS, device=logits.device).view(1, -1, 1, 1)
    entropy = -(weights * shares * logits.log_softmax(dim=1)).sum(dim=1).mean()
    found = logits.softmax(dim=1)
    goat = dice_loss(1 - found[:, 0], 1 - shares[:, 0])
    head = dice_loss(found[:, 2], shares[:, 2])
    return entropy + goat + 0.5 * head


def dice_loss(share: Tensor, truth: Tensor) -> Tensor:
    return 1 - (2 * (share * truth).sum() + 25) / (share.sum() + truth.sum() + 25)


def landmark_loss(logits: Tensor, landmarks: Tensor) -> Tensor:
    """Cross entropy between each landmark's map and a bell around where it is; hidden ones do not count."""
    height, width = logits.shape[2:]
    known = torch.isfinite(landmarks).all(dim=2)
    cells = (torch.nan_to_num(landmarks) + 0.5) / 4 - 0.5
    across = torch.arange(width, device=logits.device) - cells[..., :1]
    down = torch.arange(height, device=logits.device) - cells[..., 1:]
    bell_x = (-(across**2) / (2 * LANDMARK_SPREAD**2)).exp()
    bell_y = (-(down**2) / (2 * LANDMARK_SPREAD**2)).exp()
    bell = bell_y[..., :, None] * bell_x[..., None, :]
    target = bell / bell.sum(dim=(2, 3), keepdim=True).clamp_min(1e-6)
    entropy = -(target * logits.flatten(2).log_softmax(dim=2).view_as(logits)).sum(dim=(2, 3))
    return (entropy * known).sum() / known.sum().clamp_min(1)


@dataclass(slots=True)
class Run:
    """A training run that can be stopped and taken up again."""

    network: GoatNet
    smooth: GoatNet
    optimiser: torch.optim.Optimizer
    step: int = 0
    elapsed_s: float = 0.0

    @classmethod
    def begin(cls, start: dict[str, Any] | None, learning_rate: float, channels: Sequence[int]) -> Run:
        network = GoatNet(channels).to(trainer_device(), memory_format=torch.channels_last)
        if start is not None:
            network.load_state_dict(without_people(start))
        smooth = copy.deepcopy(network).eval()
        optimiser = torch.optim.AdamW(network.parameters(), lr=learning_rate, weight_decay=1e-2)
        return cls(network, smooth, optimiser)

    def save(self, path: Path) -> None:
        state = {
            "network": self.network.state_dict(),
            "smooth": self.smooth.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "step": self.step,
            "elapsed_s": self.elapsed_s,
        }
        save_checkpoint(state, path)

    def restore(self, path: Path) -> None:
        state = load_checkpoint(path)
        self.network.load_state_dict(state["network"])
        self.smooth.load_state_dict(state["smooth"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.step, self.elapsed_s = int(state["step"]), float(state["elapsed_s"])

    def update(self, batch: Batch, learning_rate: float) -> float:
        """One step of gradient descent; returns the loss."""
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate
        device = next(self.network.parameters()).device
        batch = batch.on(device)
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda" or has_bfloat16()):
            packed = self.network(batch.pictures)
        loss = loss_of(unpacked(packed), batch)
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


def judge(network: GoatNet, samples: Sequence[Sample]) -> dict[str, float]:
    """view -> mean IoU of the goat in whole pictures, at the network's own resolution."""
    device = next(network.parameters()).device
    found: dict[str, list[float]] = {}
    for sample in samples:
        matrix = fit_matrix(sample.rgb.shape[1], sample.rgb.shape[0])
        rgb, mask = warp(sample.rgb, sample.mask, matrix)
        picture = torch.from_numpy(rgb).permute(2, 0, 1)[None].to(device).float() / 255
        with torch.no_grad():
            seen = unpacked(network(picture.contiguous(memory_format=torch.channels_last)))
        goat = (
            functional.interpolate(seen.classes, rgb.shape[:2], mode="bilinear")
            .argmax(dim=1)[0]
            .cpu()
            .numpy()
            > 0
        )
        union = np.count_nonzero(goat | (mask > 0))
        found.setdefault(sample.view, []).append(np.count_nonzero(goat & (mask > 0)) / max(union, 1))
    return {view: round(float(np.mean(ious)), 4) for view, ious in found.items()}


def note_progress(run: Run, source: Source, out: Path) -> None:
    """One line more in progress.jsonl: how well goats are found that no training shows."""
    unseen = judge(run.smooth, source.judges)
    line = {
        "pictures": run.step * BATCH,
        "parameters": parameter_count(run.network),
        "elapsed_s": round(run.elapsed_s),
        "unseen_iou": unseen,
    }
    with (out / "progress.jsonl").open("a", encoding="utf-8") as lines:
        lines.write(json.dumps(line) + "\n")
    print(f"unseen goats: IoU {unseen}", flush=True)


def train(run: Run, source: Source, options: argparse.Namespace) -> None:
    """Train until the steps or the minutes are used up, saving a checkpoint every minute."""
    checkpoint = options.out / "checkpoint.pt"
    budget_s = options.minutes * 60
    if options.workers:
        source.load_all()
    batches = iter(
        DataLoader(Batches(source, options.seed, run.step), batch_size=None, num_workers=options.workers)
    )
    began = saved = time.monotonic()
    before_s, losses = run.elapsed_s, []
    where = f"{trainer_device()}, bfloat16 {has_bfloat16()}"
    print(f"{parameter_count(run.network)} parameters, from step {run.step}, {where}", flush=True)
    while (progress := max(run.step / options.steps, run.elapsed_s / budget_s)) < 1.0:
        losses.append(run.update(next(batches), learning_rate_at(progress, options.learning_rate)))
        run.elapsed_s = before_s + time.monotonic() - began
        if run.step % 25 == 0:
            report(run, source, progress, losses)
            losses.clear()
        if time.monotonic() - saved > CHECKPOINT_S:
            run.save(checkpoint)
            note_progress(run, source, options.out)
            saved = time.monotonic()
    run.save(checkpoint)
    note_progress(run, source, options.out)


def report(run: Run, source: Source, progress: float, losses: list[float]) -> None:
    counts = f"{len(source.photographs)} photographs, {len(source.simulated)} simulated"
    mean = sum(losses) / len(losses)
    print(f"{progress:5.1%} step {run.step} {run.elapsed_s:.0f} s loss {mean:.3f} ({counts})", flush=True)


def finish(run: Run, out: Path, about: dict[str, Any]) -> None:
    """The averaged weights as the result, with what they were made from; half precision is enough for them."""
    weights = {
        name: value.cpu().half() if value.is_floating_point() else value.cpu()
        for name, value in run.smooth.state_dict().items()
    }
    save_checkpoint({"weights": weights, **about}, out / "network.pt")
    print(f"wrote {out / 'network.pt'}", flush=True)


def save_checkpoint(state: dict[str, Any], path: Path) -> None:
    """Written beside and renamed: an interruption leaves the earlier one whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(".new")
    torch.save(state, beside)
    beside.replace(path)


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
    if not options.simulated:
        raise DatasetError("no folder of simulated pictures", "give --simulated")
    source = Source.open([], options.simulated, read_hair(options.coats), options.views)
    return source, None, {"held_out_goats": [], "photographs": 0}


def finetune(options: argparse.Namespace) -> tuple[Source, dict[str, Any] | None, dict[str, Any]]:
    photographs = labels.read_labelled(dataset.photographs_folder(options.photographs))
    chosen, held_out = fold_photographs(photographs, options.fold)
    samples = [photo.load(dataset.TRAINING_SIDE_PX) for photo in chosen if photo.view in options.views]
    source = Source.open(samples, options.simulated, read_hair(options.coats), options.views)
    if held_out:
        source.judges = [
            photo.load(dataset.TRAINING_SIDE_PX) for photo in photographs if photo.goat in held_out
        ]
    if options.base is None:
        return source, None, {"held_out_goats": held_out, "photographs": len(chosen)}
    base = load_checkpoint(options.base)
    options.channels = tuple(base.get("channels", CHANNELS))
    return source, base["weights"], {"held_out_goats": held_out, "photographs": len(chosen)}


def read_hair(folder: Path | None) -> list[Pixels]:
    """Patches of hair for coats, or none."""
    return [] if folder is None else [dataset.read_rgb(path) for path in sorted(folder.glob("*.jpg"))]


def channel_widths(text: str) -> tuple[int, ...]:
    """'16,32,64,96,128' as numbers."""
    parts = text.split(",")
    if len(parts) != len(CHANNELS) or not all(part.strip().isdigit() and int(part) > 0 for part in parts):
        given = ",".join(map(str, CHANNELS))
        raise argparse.ArgumentTypeError(f"{text}: write it as five widths, e.g. {given}")
    return tuple(map(int, parts))


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="models_tflite.training.train", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("stage", choices=("pretrain", "finetune"))
    parser.add_argument(
        "--simulated", type=Path, nargs="+", default=[], help="folders with index.jsonl, images/, masks/"
    )
    parser.add_argument("--photographs", type=Path, help="folder with labels.json and images/")
    parser.add_argument("--coats", type=Path, help="folder of hair patches, *.jpg")
    parser.add_argument("--base", type=Path, help="network.pt to start from")
    parser.add_argument("--fold", choices=("0", "1", "2", "3", "all"), default="all")
    parser.add_argument("--out", type=Path, required=True, help="folder of this run")
    parser.add_argument("--steps", type=int, default=3000, help=f"batches of {BATCH}")
    parser.add_argument("--minutes", type=float, default=1e6, help="end (annealed) after this time at most")
    parser.add_argument("--learning-rate", type=float, default=2e-3)
    parser.add_argument(
        "--channels",
        type=channel_widths,
        default=CHANNELS,
        help="features at 1/2 to 1/32: the network's size",
    )
    parser.add_argument("--views", nargs="+", choices=VIEWS, default=VIEWS, help="see only these views")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    workers = max((os.cpu_count() or 2) - 1, 1) if torch.cuda.is_available() else 0
    parser.add_argument(
        "--workers", type=int, default=workers, help="processes that make batches beside the training"
    )
    return parser.parse_args(arguments)


def main() -> None:
    options = parse()
    torch.set_num_threads(options.threads)
    cv2.setNumThreads(1)
    torch.manual_seed(options.seed)
    source, base, about = (pretrain if options.stage == "pretrain" else finetune)(options)
    options.out.mkdir(parents=True, exist_ok=True)
    run = Run.begin(base, options.learning_rate, options.channels)
    if (options.out / "checkpoint.pt").exists():
        run.restore(options.out / "checkpoint.pt")
    train(run, source, options)
    seen = len({one.image for one in source.simulated})
    made = {"channels": list(options.channels), "steps": run.step, "simulated": seen}
    finish(run, options.out, {**about, **made})


if __name__ == "__main__":
    dataset.command(main)
