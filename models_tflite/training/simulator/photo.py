"""What a real camera adds to a clean picture: blur, noise, vignette, JPEG; and how a look is drawn by lot."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from models_tflite.training.simulator.barn import Light
from models_tflite.training.simulator.render import Look

Rng = np.random.Generator
Picture = NDArray[np.uint8]
HAIR_PX = 256


def draw_look(rng: Rng, light: Light) -> Look:
    """An exposure that suits the light, more or less, and a white balance that is a bit off."""
    brightness = np.mean(light.sky) + 0.35 * np.mean(light.sun)
    exposure = float(np.clip(0.75 / brightness, 0.4, 2.5) * np.exp(rng.normal(0, 0.32)))
    white = np.exp(rng.normal(0, 0.07, 3)) * np.array([1.0 + rng.normal(0, 0.06), 1.0, 1.0])
    return Look(
        exposure=exposure,
        contrast=float(rng.uniform(0.92, 1.25)),
        haze=float(rng.uniform(0.02, 0.12)) if rng.random() < 0.15 else 0.0,
        white=(float(white[0]), float(white[1]), float(white[2])),
        dust=float(rng.uniform(0.05, 0.6)),
    )


def spoil(rng: Rng, picture: Picture) -> Picture:
    """Blur, noise and vignette by lot."""
    result = picture.astype(np.float32)
    scale = picture.shape[1] / 512
    if rng.random() < 0.5:
        blurred = cv2.GaussianBlur(result, (0, 0), float(rng.uniform(0.3, 1.6)) * scale)
        result = np.asarray(blurred, dtype=np.float32)
    if rng.random() < 0.1:
        result = _shaken(rng, result, scale)
    if rng.random() < 0.4:
        result *= _vignette(picture.shape[:2], float(rng.uniform(0.05, 0.4)))[..., None]
    grain = float(rng.uniform(0.5, 9)) if rng.random() < 0.7 else 0.0
    noise = rng.normal(0, 1, picture.shape).astype(np.float32) * grain
    return np.asarray(np.clip(result + noise, 0, 255), dtype=np.uint8)


def _shaken(rng: Rng, picture: NDArray[np.float32], scale: float) -> NDArray[np.float32]:
    length = max(3, int(rng.uniform(3, 8) * scale))
    kernel = np.zeros((length, length), dtype=np.float32)
    end = rng.integers(0, length, 2)
    cv2.line(kernel, (int(end[0]), 0), (int(end[1]), length - 1), (1.0,))
    return np.asarray(cv2.filter2D(picture, -1, kernel / kernel.sum()), dtype=np.float32)


def _vignette(shape: tuple[int, ...], depth: float) -> NDArray[np.float32]:
    rows, columns = np.linspace(-1, 1, shape[0]), np.linspace(-1, 1, shape[1])
    return np.asarray(1 - depth * (rows[:, None] ** 2 + columns[None, :] ** 2) / 2, dtype=np.float32)


def read_hair(folder: Path) -> list[NDArray[np.float32]]:
    """Hair pictures as tiles without seams, each with a mean of 1 per channel; none where there is no folder."""
    tiles = []
    for path in sorted(folder.glob("*.jpg")):
        picture = cv2.imread(str(path))
        if picture is not None:
            tiles.append(_tile(np.asarray(picture, dtype=np.uint8)))
    return tiles


def _tile(picture: Picture) -> NDArray[np.float32]:
    half = cv2.resize(picture[..., ::-1], (HAIR_PX // 2, HAIR_PX // 2)).astype(np.float32)
    smooth = cv2.GaussianBlur(half, (0, 0), HAIR_PX / 16)
    flat = np.clip((half + 6) / (smooth + 6), 0.2, 1.9)
    doubled = np.hstack([flat, flat[:, ::-1]])
    return np.asarray(np.vstack([doubled, doubled[::-1]]), dtype=np.float32)
