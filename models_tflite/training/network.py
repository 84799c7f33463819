"""The network: a U-Net of plain 3x3 convolutions, one for all three views.

Plain convolutions instead of depthwise ones: on a processor the former train at a multiple of the
speed for the same arithmetic, and int8 XNNPACK runs both well. Every operator is one that int8
XNNPACK runs: convolutions with ReLU6, additions, bilinear upsampling, an average over the picture.
Whether somebody stands before the goat is read off the finished network's features by a part of its own, trained
afterwards: what the network says of goats stays as it is, bit by bit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

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
PERSON_WIDTH = 48
# How the names of the weights begin that tell people.
OF_PEOPLE = "person."


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


class PersonMap(nn.Module):  # type: ignore[misc, unused-ignore]
    """Where somebody is before the goat or in its place: logits at 1/16 of the input's resolution.

    Reads features of 1/8 and 1/16, of the way down (what is there) and of the way up (what of it is goat).
    """

    def __init__(self, at8: int, at16: int) -> None:
        super().__init__()
        self.seen8, self.goat8 = conv(at8, PERSON_WIDTH, kernel=1), conv(at8, PERSON_WIDTH, kernel=1)
        self.down = conv(PERSON_WIDTH, PERSON_WIDTH, stride=2)
        self.seen16, self.goat16 = conv(at16, PERSON_WIDTH, kernel=1), conv(at16, PERSON_WIDTH, kernel=1)
        self.refine = nn.Sequential(Residual(PERSON_WIDTH), Residual(PERSON_WIDTH))
        self.out = nn.Conv2d(PERSON_WIDTH, 1, 1)

    def forward(self, seen8: Tensor, goat8: Tensor, seen16: Tensor, goat16: Tensor) -> Tensor:
        fine = self.down(self.seen8(seen8) + self.goat8(goat8))
        where: Tensor = self.out(self.refine(fine + self.seen16(seen16) + self.goat16(goat16)))
        return where


class GoatNet(nn.Module):  # type: ignore[misc, unused-ignore]
    """One look at a picture: (N, 3, 192, 256) RGB in 0..1 to three maps, packed as the station gets them.

    returns  classes (N, 12, 48, 64), landmarks (N, L, 48, 64), scene (N, 4, 1, 1); `unpacked` gives them meaning;
             and where it tells people, person (N, 1, 12, 16)
    """

    def __init__(self, channels: Sequence[int] = CHANNELS, tells_people: bool = False) -> None:
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
        self.person = PersonMap(at8, at16) if tells_people else None

    def forward(self, picture: Tensor) -> tuple[Tensor, ...]:
        at2 = self.stem(picture)
        at4 = self.down[0](at2)
        at8 = self.down[1](at4)
        at16 = self.down[2](at8)
        at32 = self.down[3](at16)
        goat16 = self.join16(at32, at16)
        goat8 = self.join8(goat16, at8)
        fine = self.join4(goat8, at4)
        whole = functional.adaptive_avg_pool2d(at32, 1)
        said = self.classes(fine), self.landmarks(fine), self.scene(whole)
        return said if self.person is None else (*said, self.person(at8, goat8, at16, goat16))


def unpacked(packed: tuple[Tensor, ...]) -> Seen:
    """The network's first three maps as float logits; the cells of `classes` side by side."""
    cells, landmarks, scene = (part.float() for part in packed[:3])
    count, _, height, width = cells.shape
    cells = cells.view(count, FINE, FINE, len(CLASSES), height, width)
    classes = cells.permute(0, 3, 4, 1, 5, 2).reshape(count, len(CLASSES), FINE * height, FINE * width)
    return Seen(classes, landmarks, scene.flatten(1))


def without_people(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights of a network but for what tells people, which fits only the network that it was trained on."""
    return {name: value for name, value in weights.items() if not name.startswith(OF_PEOPLE)}


def network_of(checkpoint: Mapping[str, Any]) -> GoatNet:
    """The network of a `network.pt`, ready to look."""
    tells_people = any(name.startswith(OF_PEOPLE) for name in checkpoint["weights"])
    network = GoatNet(checkpoint.get("channels", CHANNELS), tells_people)
    network.load_state_dict(checkpoint["weights"])
    network.eval()
    return network


def parameter_count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def trainer_device() -> torch.device:
    """The GPU where there is one, else the processor."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
