"""The bundled samples belong together: pictures, sticks, calibration and truth."""

from __future__ import annotations

import json

import numpy as np
import pytest

from edge.calibration import read_calibration, scale_from_stick
from edge.camera import CameraModel
from edge.images import read_picture
from edge.records import TRAITS, VIEWS
from tests.conftest import CALIBRATION, SAMPLES

GOATS = sorted((SAMPLES / "captures").iterdir())


@pytest.mark.parametrize("view", VIEWS)
def test_the_scales_are_what_the_sticks_give(view: str) -> None:
    stick = json.loads((SAMPLES / "calibration" / "sticks.json").read_text())[view]
    size = tuple(stick["picture_size"])
    scale = scale_from_stick(tuple(stick["from_px"]), tuple(stick["to_px"]), stick["length_cm"], size)
    kept = read_calibration(SAMPLES / "scales.json").views[view]
    assert kept.px_per_cm == pytest.approx(scale.px_per_cm, rel=1e-4)
    assert kept.picture_size == read_picture(SAMPLES / "calibration" / f"{view}.jpg").full_size


@pytest.mark.parametrize("view", VIEWS)
def test_the_calibrated_cameras_stand_where_the_pictures_were_taken_from(view: str) -> None:
    truth = json.loads((SAMPLES / "calibration" / "sticks.json").read_text())[view]
    camera = read_calibration(CALIBRATION).views[view]
    assert isinstance(camera, CameraModel)
    place, axis = np.array(truth["world_from_cam"])[:3, 3], np.array(truth["world_from_cam"])[:3, 2]
    assert np.linalg.norm(camera.position_cm - place) <= camera.position_u95_cm < 1.0
    off_deg = np.degrees(np.arccos(min(1.0, camera.direction @ axis)))
    assert off_deg <= camera.direction_u95_deg < 0.3
    assert read_calibration(CALIBRATION).references[view]


@pytest.mark.parametrize("goat", GOATS, ids=lambda path: path.name)
def test_every_sample_has_three_pictures_and_a_truth_for_every_trait(goat) -> None:
    assert all((goat / f"{view}.jpg").is_file() for view in VIEWS)
    truth = json.loads((goat / "truth.json").read_text())
    assert set(truth["traits_cm"]) >= {trait.name for trait in TRAITS}
    assert truth["facing"] in ("left", "right")


@pytest.mark.parametrize("goat", GOATS, ids=lambda path: path.name)
@pytest.mark.parametrize("view", VIEWS)
def test_every_picture_of_a_goat_has_its_true_mask_of_the_same_shape(goat, view: str) -> None:
    """Body and head both show, even from behind: the ears are seen above the rump."""
    mask = read_picture(goat / f"{view}_mask.png")
    width, height = read_picture(goat / f"{view}.jpg").full_size
    assert width * mask.full_size[1] == height * mask.full_size[0]
    assert set(np.unique(mask.rgb)) == {0, 1, 2}
    assert 0.01 < (mask.rgb > 0).mean() < 0.5


def test_the_samples_stay_small() -> None:
    assert sum(path.stat().st_size for path in SAMPLES.rglob("*") if path.is_file()) < 5_000_000
