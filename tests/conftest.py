"""Shared by all tests: a station in a temporary folder, true outlines, and what lies outside the repository."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from edge.app import Station, open_station
from edge.config import Config, load_config
from edge.segment import Segmenter

REPO = Path(__file__).resolve().parent.parent
SAMPLES = REPO / "edge" / "samples"
CALIBRATION = SAMPLES / "calibration.json"

CONFIG = """
[station]
id = "barn1"
data_dir = "data"

[cameras]
side = "simulated:{samples}/captures"
top = "simulated:{samples}/captures"
front = "simulated:{samples}/captures"
burst_shots = 1

[measure]
calibration = "{samples}/calibration.json"

[sync]
destination = "folder:cloud"
poll_s = 0.1
"""


@pytest.fixture
def config_path(tmp_path: Path) -> Path:
    path = tmp_path / "goatdev.toml"
    path.write_text(CONFIG.format(samples=SAMPLES))
    return path


@pytest.fixture
def config(config_path: Path) -> Config:
    return load_config(config_path)


@pytest.fixture
def station(config: Config) -> Iterator[Station]:
    with open_station(config) as station:
        yield station


@pytest.fixture(scope="session")
def segmenter() -> Segmenter:
    return Segmenter.load()


@pytest.fixture(scope="session")
def real_goats() -> Path:
    """The folder of labelled photographs, which are never part of the repository."""
    folder = Path(os.environ.get("GOATDEV_REAL_GOATS", REPO.parent / "shared" / "real_goats"))
    if not (folder / "labels.json").is_file():
        pytest.skip(f"no labelled photographs in {folder} (set GOATDEV_REAL_GOATS)")
    return folder


def jpeg(width: int = 640, height: int = 480, colour: tuple[int, int, int] = (90, 120, 60)) -> bytes:
    """A picture of nothing in particular."""
    image = Image.new("RGB", (width, height), colour)
    ImageDraw.Draw(image).ellipse([width / 3, height / 3, width / 2, height / 2], fill=(200, 190, 170))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG")
    return buffer.getvalue()


def goat_outline(width: int = 800, height: int = 600, scale: float = 1.0) -> np.ndarray:
    """A plain goat that faces left: withers at (260, 200), rump at (520, 190), poll at (120, 120), floor at 500."""
    image = Image.new("L", (width, height))
    draw = ImageDraw.Draw(image)

    def polygon(points: list[tuple[float, float]], label: int) -> None:
        draw.polygon([(x * scale, y * scale) for x, y in points], fill=label)

    trunk = [(240, 210), (260, 200), (400, 205), (520, 190), (560, 230), (560, 360), (240, 380), (210, 300)]
    polygon(trunk, 1)
    polygon([(250, 200), (210, 320), (100, 190), (150, 130)], 1)
    for x in (250, 300, 490, 535):
        polygon([(x, 340), (x + 24, 340), (x + 20, 500), (x + 4, 500)], 1)
    polygon([(120, 120), (160, 130), (160, 190), (60, 240), (40, 220), (80, 140)], 2)
    return np.asarray(image)
