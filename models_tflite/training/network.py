"""The network: a MobileNetV2-like U-Net, small enough for a Raspberry Pi.

Every operator is one that int8 XNNPACK runs: convolutions with ReLU6, additions, bilinear
upsampling and concatenation. The last stage before the output works at half resolution.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

INPUT_WIDTH = 256
INPUT_HEIGHT = 192
CLASSES = ("background", "body", "head")


def conv(inputs: int, outputs: int, kernel: int = 3, stride: int = 1, groups: int = 1) -> nn.Sequential:
    """Convolution, batch normalisation, ReLU6."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU6(inplace=True),
    )


def linear(inputs: int, outputs: int) -> nn.Sequential:
    """1x1 convolution without activation: the bottleneck of an inverted residual."""
    return nn.Sequential(nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs))


class InvertedResidual(nn.Module):  # type: ignore[misc, unused-ignore]
    """Widen, look around in each channel, narrow; add the input where the shapes agree."""

    def __init__(self, inputs: int, outputs: int, expand: int, stride: int = 1) -> None:
        super().__init__()
        hidden = inputs * expand
        self.adds = stride == 1 and inputs == outputs
        self.layers = nn.Sequential(
            conv(inputs, hidden, kernel=1),
            conv(hidden, hidden, stride=stride, groups=hidden),
            linear(hidden, outputs),
        )

    def forward(self, features: Tensor) -> Tensor:
        out: Tensor = self.layers(features)
        return features + out if self.adds else out


class Join(nn.Module):  # type: ignore[misc, unused-ignore]
    """Double the resolution, put the encoder's features of that size beside, mix."""

    def __init__(self, coarse: int, fine: int, outputs: int) -> None:
        super().__init__()
        both = coarse + fine
        self.upsample = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False)
        self.mix = nn.Sequential(
            conv(both, both, groups=both),
            conv(both, outputs, kernel=1),
            conv(outputs, outputs, groups=outputs),
            conv(outputs, outputs, kernel=1),
        )

    def forward(self, coarse: Tensor, fine: Tensor) -> Tensor:
        mixed: Tensor = self.mix(torch.cat([self.upsample(coarse), fine], dim=1))
        return mixed


def stage(inputs: int, outputs: int, expand: int, blocks: int) -> nn.Sequential:
    """Halve the resolution, then refine."""
    first = InvertedResidual(inputs, outputs, expand, stride=2)
    rest = [InvertedResidual(outputs, outputs, expand) for _ in range(blocks - 1)]
    return nn.Sequential(first, *rest)


class GoatNet(nn.Module):  # type: ignore[misc, unused-ignore]
    """Pixels to classes, one network for all views.

    input    (N, 3, 192, 256)  RGB in 0..1; the first convolution learns its own normalisation
    returns  (N, 3, 192, 256)  logits of background, body, head
    """

    def __init__(self) -> None:
        super().__init__()
        self.stem = conv(3, 16, stride=2)
        self.down4 = stage(16, 24, expand=3, blocks=2)
        self.down8 = stage(24, 32, expand=4, blocks=3)
        self.down16 = stage(32, 64, expand=4, blocks=3)
        self.down32 = stage(64, 96, expand=4, blocks=3)
        self.join16 = Join(96, 64, 64)
        self.join8 = Join(64, 32, 40)
        self.join4 = Join(40, 24, 32)
        self.join2 = Join(32, 16, 24)
        self.classify = nn.Conv2d(24, len(CLASSES), 1)
        self.upsample = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False)

    def forward(self, picture: Tensor) -> Tensor:
        at2 = self.stem(picture)
        at4 = self.down4(at2)
        at8 = self.down8(at4)
        at16 = self.down16(at8)
        deep = self.join16(self.down32(at16), at16)
        fine = self.join2(self.join4(self.join8(deep, at8), at4), at2)
        logits: Tensor = self.upsample(self.classify(fine))
        return logits


def parameter_count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())
