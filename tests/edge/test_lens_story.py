"""A drop falls on one lens of a station, is said after twenty presses, also after a restart, and gone after wiping."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.app import Station, open_station
from edge.calibration import Calibration, read_calibration
from edge.cameras import open_rig
from edge.config import Config
from edge.images import read_picture
from edge.lens import CELL_PX, FEWEST_BEFORE, LATELY, fine_detail
from edge.records import Capture
from edge.reference import reduced
from edge.settings import CamerasConfig
from edge.triggers import new_trigger
from tests.conftest import SAMPLES

GOATS = sorted(one.name for one in (SAMPLES / "captures").iterdir())
LIGHTS = (1.0, 0.8, 0.65, 1.1)
RADIUS = 0.05


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """clean/ and dirty/: the bundled goats from the side, each in several lights, without and with a drop."""
    folder = tmp_path_factory.mktemp("lens")
    x, y = place_of_detail()
    for goat in GOATS:
        picture = cv2.imread(str(SAMPLES / "captures" / goat / "side.jpg")).astype(np.float32)
        height, width = picture.shape[:2]
        cover = np.zeros((height, width), np.float32)
        cv2.circle(cover, (round(x * width), round(y * width)), round(RADIUS * width), (1.0,), -1)
        cover = cv2.GaussianBlur(cover, (0, 0), 0.005 * width)[..., None]
        behind = picture + (cv2.GaussianBlur(picture, (0, 0), 0.02 * width) - picture) * 0.9 * cover
        for number, light in enumerate(LIGHTS):
            for name, seen in (("clean", picture), ("dirty", behind)):
                place = folder / name / f"{number}_{goat}"
                place.mkdir(parents=True)
                cv2.imwrite(str(place / "side.jpg"), np.clip(light * seen, 0, 255).astype(np.uint8))
    return folder


def place_of_detail() -> tuple[float, float]:
    """Where all samples show the crate best, as shares of the width."""
    details = []
    for goat in GOATS:
        gray = reduced(read_picture(SAMPLES / "captures" / goat / "side.jpg").rgb)
        mask = read_picture(SAMPLES / "captures" / goat / "side_mask.png").rgb[..., 0]
        details.append(fine_detail(gray, mask))
    least = cv2.blur(np.min(details, axis=0).clip(0, 40).astype(np.float32), (9, 9))
    row, column = np.unravel_index(np.argmax(least), least.shape)
    return (column + 0.5) * CELL_PX / gray.shape[1], (row + 0.5) * CELL_PX / gray.shape[1]


@contextmanager
def opened(config: Config, pictures: Path) -> Iterator[Station]:
    """The station with its side camera alone, which plays a folder."""
    with open_station(config) as station:
        yield played(station, pictures)


def played(station: Station, pictures: Path, shots: int = 1) -> Station:
    cameras = CamerasConfig(side=f"simulated:{pictures}", burst_shots=shots, burst_s=0)
    return replace(station, rig=open_rig(cameras, pictures))


def calibrated(station: Station, calibration: Calibration) -> Station:
    return replace(station, eye=replace(station.eye, calibration=calibration))


def pressed(station: Station) -> Capture:
    return station.serve(station.store.press(new_trigger("command"), station.config.station.id))


def advised(capture: Capture) -> list[str]:
    assert capture.revision is not None
    return [one.code for one in capture.revision.advice]


def said(capture: Capture) -> list[str | None]:
    """The views whose lens is called dirty."""
    assert capture.revision is not None
    return [one.view for one in capture.revision.advice if one.code == "lens_dirty"]


def test_a_drop_is_said_after_twenty_presses_also_after_a_restart_and_no_more_once_it_is_wiped(
    config: Config, pictures: Path
) -> None:
    with opened(config, pictures / "clean") as station:
        assert not any(said(pressed(station)) for _ in range(FEWEST_BEFORE))
        through_a_drop = played(station, pictures / "dirty")
        assert [said(pressed(through_a_drop)) for _ in range(LATELY)] == [[]] * (LATELY - 1) + [["side"]]
    with opened(config, pictures / "dirty") as station:
        last = pressed(station)
        assert said(last) == ["side"]
        before = remembered(station)
        again = station.serve(station.store.ask_again(last.id, None))
        assert said(again) == ["side"]
        assert remembered(station) == before
        other = calibrated(station, replace(station.eye.calibration, sha256="another calibration"))
        assert said(pressed(other)) == []
        assert said(pressed(station)) == ["side"]
        assert said(pressed(played(station, pictures / "clean"))) == []


def remembered(station: Station) -> int:
    return len(station.store.all("SELECT * FROM glances"))


def test_a_press_is_remembered_once_and_a_picture_that_cannot_be_compared_never(
    config: Config, pictures: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "one"
    shutil.copytree(pictures / "clean" / f"0_{GOATS[0]}", folder / "goat")
    path = folder / "goat" / "side.jpg"
    sharp = cv2.imread(str(path))
    with opened(config, folder) as station:
        pressed(played(station, folder, shots=3))
        assert remembered(station) == 1
        cv2.imwrite(str(path), cv2.GaussianBlur(sharp, (0, 0), 0.008 * sharp.shape[1]))
        assert advised(pressed(station)) == ["blurred"]
        cv2.imwrite(str(path), np.roll(sharp, sharp.shape[1] // 50, axis=1))
        assert "camera_moved" in advised(pressed(station))
        cv2.imwrite(str(path), sharp)
        pressed(calibrated(station, read_calibration(SAMPLES / "scales.json")))
        assert remembered(station) == 1
        pressed(station)
        assert remembered(station) == 2
