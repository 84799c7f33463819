"""What a real camera adds to a clean picture: blur, noise, vignette, JPEG; and how a look is drawn by lot."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from models_tflite.training.simulator.barn import Light
from models_tflite.training.simulator.render import Look

Rng = np.random.Generator
Picture = NDArray[np.uint8]
HAIR_PX = 256


def draw_look(rng: Rng, light: Light, station: Look | None = None) -> Look:
    """An exposure that suits the light, more or less, and a white balance that is a bit off.

    With the station's look: one camera's own, a little off from it.
    """
    if station:
        white = np.array(station.white) * np.exp(rng.normal(0, 0.025, 3))
        return replace(
            station,
            exposure=station.exposure * float(np.exp(rng.normal(0, 0.15))),
            haze=float(rng.uniform(0.02, 0.12)) * (0.3 if light.dim else 1.0) if rng.random() < 0.12 else 0.0,
            white=(float(white[0]), float(white[1]), float(white[2])),
        )
    brightness = np.mean(light.sky) + 0.35 * np.mean(light.sun)
    exposure = float(np.clip(0.75 / brightness, 0.4, 2.5) * np.exp(rng.normal(0, 0.25)))
    if light.dim:
        exposure *= float(rng.uniform(0.35, 0.9))
    white = np.exp(rng.normal(0, 0.06, 3)) * np.array([1.0 + rng.normal(0, 0.05), 1.0, 1.0])
    return Look(
        exposure=exposure,
        contrast=float(rng.uniform(0.95, 1.3)),
        white=(float(white[0]), float(white[1]), float(white[2])),
        dust=float(rng.uniform(0.05, 0.6)),
    )


def spoil(rng: Rng, picture: Picture, dim: bool = False) -> Picture:
    """What lens, sensor and software do to a picture, by lot; more noise where it is dim."""
    result = picture.astype(np.float32)
    scale = picture.shape[1] / 512
    if rng.random() < 0.08:
        result = _dirty_lens(rng, result)
    if rng.random() < (0.3 if dim else 0.75):
        result = _developed(rng, result)
    if rng.random() < 0.35:
        blurred = cv2.GaussianBlur(result, (0, 0), float(rng.uniform(0.3, 1.6)) * scale)
        result = np.asarray(blurred, dtype=np.float32)
    elif rng.random() < 0.7:
        soft = cv2.GaussianBlur(result, (0, 0), float(rng.uniform(0.6, 1.3)) * scale)
        result += float(rng.uniform(0.2, 1.1)) * (result - soft)
    if rng.random() < 0.1:
        result = _shaken(rng, result, scale)
    if rng.random() < 0.1:
        result = _cheap(rng, result)
    if rng.random() < 0.4:
        result *= _vignette(picture.shape[:2], float(rng.uniform(0.05, 0.4)))[..., None]
    grain = float(rng.uniform(4, 16)) if dim else float(rng.uniform(0.5, 8)) if rng.random() < 0.7 else 0.0
    if grain:
        result += grain * rng.standard_normal(picture.shape, dtype=np.float32)
    return np.asarray(np.clip(result, 0, 255), dtype=np.uint8)


def _developed(rng: Rng, picture: NDArray[np.float32]) -> NDArray[np.float32]:
    """Levels spread to black and white, as a phone or a camera's own software does."""
    low, high = np.percentile(picture[::4, ::4], [1.5, 98.5])
    dark, bright = rng.uniform(0, 10), rng.uniform(218, 254)
    gain = float(np.clip((bright - dark) / max(high - low, 1), 0.8, 2.2))
    spread = (picture - low) * gain + dark
    share = float(rng.uniform(0.7, 1.0))
    return np.asarray(picture + share * (spread - picture), dtype=np.float32)


def _dirty_lens(rng: Rng, picture: NDArray[np.float32]) -> NDArray[np.float32]:
    """A few water drops that blur what is behind them, or grey specks of dust."""
    height, width = picture.shape[:2]
    drops = rng.random() < 0.5
    cover = np.zeros((height, width), np.float32)
    for _ in range(int(rng.integers(1, 5 if drops else 25))):
        centre = int(rng.integers(width)), int(rng.integers(height))
        add_spot(rng, cover, centre, float(rng.uniform(0.02, 0.09) if drops else rng.uniform(0.002, 0.015)))
    return through_dirt(picture, cover, drops)


def add_spot(rng: Rng, cover: NDArray[np.float32], centre: tuple[int, int], size: float) -> None:
    """Dirt of about that radius, a share of the picture's width, in a cover (H, W) of 0 and 1."""
    axes = tuple(max(1, int(size * cover.shape[1] * grow)) for grow in rng.uniform(0.7, 1.3, 2))
    cv2.ellipse(cover, centre, (axes[0], axes[1]), float(rng.uniform(0, 180)), 0, 360, (1.0,), -1)


def through_dirt(
    picture: NDArray[np.float32], cover: NDArray[np.float32], drops: bool
) -> NDArray[np.float32]:
    """A picture (H, W) or (H, W, 3) as seen through what covers the lens: drops, or else dust."""
    width = picture.shape[1]
    soft = cv2.GaussianBlur(cover, (0, 0), width * (0.006 if drops else 0.004))
    soft = soft if picture.ndim == 2 else soft[..., None]
    blurred = cv2.GaussianBlur(picture, (0, 0), width * 0.02)
    behind = blurred * 0.9 + 22 if drops else 0.5 * blurred + 0.25 * picture
    return np.asarray(picture + (behind - picture) * soft * (0.9 if drops else 0.6), dtype=np.float32)


def _cheap(rng: Rng, picture: NDArray[np.float32]) -> NDArray[np.float32]:
    """What a small sensor and a strong JPEG leave."""
    height, width = picture.shape[:2]
    share = float(rng.uniform(0.4, 0.75))
    small = cv2.resize(
        picture, (max(8, int(width * share)), max(8, int(height * share))), interpolation=cv2.INTER_AREA
    )
    clipped = np.clip(small, 0, 255).astype(np.uint8)
    _, packed = cv2.imencode(".jpg", clipped, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(25, 70))])
    back = cv2.resize(cv2.imdecode(packed, cv2.IMREAD_COLOR), (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(back, dtype=np.float32)


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
    flat = np.clip((half + 6) / (smooth + 6), 0.45, 1.55)
    doubled = np.hstack([flat, flat[:, ::-1]])
    return np.asarray(np.vstack([doubled, doubled[::-1]]), dtype=np.float32)
