"""The network: a U-Net of plain 3x3 convolutions, one for all three views.

Plain convolutions instead of depthwise ones: on a processor the former train at a multiple of the
speed for the same arithmetic, and int8 XNNPACK runs both well. Every operator is one that int8
XNNPACK runs: convolutions with ReLU6, additions, bilinear upsampling, an average over the picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from models_tflite.training.dataset import LANDMARKS, SCENES

INPUT_WIDTH = 256
INPUT_HEIGHT = 192
CLASSES = ("background", "body", "head")
# Classes come at half the input's resolution, packed as FINE x FINE cells per feature pixel.
FINE = 2
CHANNELS = (16, 32, 64, 96, 128)
BLOCKS = (1, 2, 2, 2)


@dataclass(frozen=True, slots=True)
class Seen:
    """What the network says of a batch.

    classes    (N, 3, 96, 128)  logits of background, body, head
    landmarks  (N, L, 48, 64)   logits of where each landmark lies, by softmax over the 48 x 64 cells
    scene      (N, 4)           logits of none, one whole goat, part of one, several
    """

    classes: Tensor
    landmarks: Tensor
    scene: Tensor


def conv(inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    """Convolution, batch normalisation, ReLU6."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU6(inplace=True),
    )


class Residual(nn.Module):  # type: ignore[misc, unused-ignore]
    """Two convolutions beside a short cut (He et al. 2016, basic block)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = conv(width, width)
        self.second = nn.Sequential(nn.Conv2d(width, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width))

    def forward(self, features: Tensor) -> Tensor:
        return functional.relu6(features + self.second(self.first(features)))


class Join(nn.Module):  # type: ignore[misc, unused-ignore]
    """Double the resolution, add the encoder's features of that size, refine."""

    def __init__(self, coarse: int, fine: int) -> None:
        super().__init__()
        self.narrow = conv(coarse, fine, kernel=1)
        self.upsample = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False)
        self.skip = conv(fine, fine, kernel=1)
        self.refine = Residual(fine)

    def forward(self, coarse: Tensor, fine: Tensor) -> Tensor:
        mixed: Tensor = self.refine(self.upsample(self.narrow(coarse)) + self.skip(fine))
        return mixed


class GoatNet(nn.Module):  # type: ignore[misc, unused-ignore]
    """One look at a picture: (N, 3, 192, 256) RGB in 0..1 to three maps, packed as the station gets them.

    returns  classes (N, 12, 48, 64), landmarks (N, L, 48, 64), scene (N, 4, 1, 1); `unpacked` gives them meaning
    """

    def __init__(self, channels: Sequence[int] = CHANNELS) -> None:
        """channels  features at 1/2, 1/4, 1/8, 1/16 and 1/32 of the input's resolution"""
        super().__init__()
        at4, at8, at16, at32 = channels[1:]
        self.stem = conv(3, channels[0], stride=2)
        self.down = nn.ModuleList(
            nn.Sequential(conv(above, here, stride=2), *(Residual(here) for _ in range(blocks)))
            for above, here, blocks in zip(channels, channels[1:], BLOCKS, strict=False)
        )
        self.join16, self.join8, self.join4 = Join(at32, at16), Join(at16, at8), Join(at8, at4)
        self.classes = nn.Conv2d(at4, len(CLASSES) * FINE * FINE, 3, padding=1)
        self.landmarks = nn.Conv2d(at4, len(LANDMARKS), 1)
        self.scene = nn.Sequential(conv(at32, at32, kernel=1), nn.Conv2d(at32, len(SCENES), 1))

    def forward(self, picture: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        at2 = self.stem(picture)
        at4 = self.down[0](at2)
        at8 = self.down[1](at4)
        at16 = self.down[2](at8)
        at32 = self.down[3](at16)
        fine = self.join4(self.join8(self.join16(at32, at16), at8), at4)
        whole = functional.adaptive_avg_pool2d(at32, 1)
        return self.classes(fine), self.landmarks(fine), self.scene(whole)


def unpacked(packed: tuple[Tensor, Tensor, Tensor]) -> Seen:
    """The network's three maps as float logits; the cells of `classes` side by side."""
    cells, landmarks, scene = (part.float() for part in packed)
    count, _, height, width = cells.shape
    cells = cells.view(count, FINE, FINE, len(CLASSES), height, width)
    classes = cells.permute(0, 3, 4, 1, 5, 2).reshape(count, len(CLASSES), FINE * height, FINE * width)
    return Seen(classes, landmarks, scene.flatten(1))


def parameter_count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def trainer_device() -> torch.device:
    """The GPU where there is one, else the processor."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
