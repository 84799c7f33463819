"""A camera that was knocked is told from one that stands still, whatever the light and the goat do."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.calibrating.board import Board
from edge.calibration import read_calibration, write_view
from edge.camera import CameraModel
from edge.moved import CRATE_MIDDLE_CM, MOVED_CM, how_far_moved
from edge.quality import inspect
from edge.records import Pixels
from edge.reference import Reference, reduced, reference_of
from tests.edge.photographs import camera_at

SIZE = (640, 480)


def model(view: str = "side", size: tuple[int, int] = SIZE) -> CameraModel:
    camera = camera_at(view, size=size)
    return CameraModel(
        size, camera.camera_matrix, np.zeros(5), camera.world_from_cam, np.eye(15), 0.1, 0.9, 10, 0, 1, "2026"
    )


def crate(seed: int = 0, size: tuple[int, int] = SIZE) -> Pixels:
    """Something like a barn: boards, bars and rivets of many greys."""
    rng = np.random.default_rng(seed)
    picture = np.full((480, 640), 120, np.uint8)
    for _ in range(90):
        x, y = rng.integers(0, 640), rng.integers(0, 480)
        wide, tall = rng.integers(5, 90), rng.integers(5, 90)
        cv2.rectangle(picture, (x, y), (x + wide, y + tall), (int(rng.integers(20, 235)),), -1)
    for _ in range(12):
        ends = rng.integers(0, 640, 4)
        cv2.line(picture, ends[:2].tolist(), ends[2:].tolist(), (int(rng.integers(10, 90)),), 7)
    return cv2.GaussianBlur(cv2.resize(picture, size), (0, 0), 0.8)


def turned(picture: Pixels, camera: CameraModel, cm: float, angle: float) -> Pixels:
    """What the camera sees when it is turned so far that the crate's middle moves by so many cm."""
    middle = (CRATE_MIDDLE_CM[0] - camera.position_cm) @ camera.world_from_cam[:3, :3]
    axis = np.array([np.cos(angle), np.sin(angle), 0.0])
    turn, _ = cv2.Rodrigues(cm / np.linalg.norm(np.cross(axis, middle)) * axis)
    way = camera.camera_matrix @ turn @ np.linalg.inv(camera.camera_matrix)
    return cv2.warpPerspective(picture, way, picture.shape[::-1], borderMode=cv2.BORDER_REFLECT)


def later(picture: Pixels, seed: int = 1) -> tuple[Pixels, Pixels]:
    """The same on another day: other light, a shadow across it, grain, and a goat; and the goat's mask."""
    rng = np.random.default_rng(seed)
    height, width = picture.shape
    light = np.linspace(rng.uniform(0.5, 1), rng.uniform(0.5, 1), width)
    bright = picture * light
    bright[:, width // 3 : width // 2] *= 0.6
    mask = np.zeros(picture.shape, np.uint8)
    cv2.ellipse(mask, (width // 2, height // 2), (width // 5, height // 6), 0, 0, 360, (1,), -1)
    bright[mask > 0] = rng.uniform(20, 220)
    return np.clip(bright + rng.normal(0, 3, picture.shape), 0, 255).astype(np.uint8), mask


@pytest.fixture(scope="module")
def camera() -> CameraModel:
    return model()


@pytest.fixture(scope="module")
def reference(camera: CameraModel) -> Reference:
    return reference_of(crate(), camera, Board(), "side")


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000))
def test_other_light_and_another_goat_move_nothing(
    reference: Reference, camera: CameraModel, seed: int
) -> None:
    found = how_far_moved(reference, camera, *later(crate(), seed))
    assert found is not None
    assert found.cm < 0.2


@settings(max_examples=25, deadline=None)
@given(st.floats(1.0, 8.0), st.floats(0, 6.28), st.integers(0, 100))
def test_a_turned_camera_is_found_with_how_far_it_moved(
    reference: Reference, camera: CameraModel, cm: float, angle: float, seed: int
) -> None:
    found = how_far_moved(reference, camera, *later(turned(crate(), camera, cm, angle), seed))
    assert found is not None
    assert found.is_moved
    assert found.cm == pytest.approx(cm, rel=0.2)


def test_a_hair_is_no_movement(reference: Reference, camera: CameraModel) -> None:
    found = how_far_moved(reference, camera, *later(turned(crate(), camera, MOVED_CM / 2, 1.0)))
    assert found is not None
    assert not found.is_moved


@pytest.mark.parametrize("seed", range(3, 9))
def test_where_nothing_is_known_again_nothing_is_said(
    reference: Reference, camera: CameraModel, seed: int
) -> None:
    assert how_far_moved(reference, camera, *later(crate(seed))) is None


@pytest.mark.parametrize("grey", [0, 128, 255])
def test_a_picture_of_nothing_tells_nothing(reference: Reference, camera: CameraModel, grey: int) -> None:
    nothing = np.full(SIZE[::-1], grey, np.uint8)
    assert how_far_moved(reference, camera, nothing, None) is None
    empty = Reference(nothing, reference.board_px)
    assert how_far_moved(empty, camera, crate(), None) is None


def test_a_picture_of_another_size_tells_nothing(reference: Reference, camera: CameraModel) -> None:
    assert how_far_moved(reference, camera, crate(size=(480, 360)), None) is None


def test_the_advice_says_which_camera_and_how_many_cm() -> None:
    large = (1280, 960)
    camera = model(size=large)
    reference = reference_of(crate(size=large), camera, Board(), "side")
    now, mask = later(turned(crate(size=large), camera, 3.0, 0.5))
    condition = inspect("side", cv2.cvtColor(now, cv2.COLOR_GRAY2RGB), mask, reference, camera)
    said = {one.code: one for one in condition.advice}
    assert condition.moved_cm == pytest.approx(3.0, abs=0.3)
    assert f"about {condition.moved_cm:.1f} cm" in said["camera_moved"].text
    still, mask = later(crate(size=large))
    condition = inspect("side", cv2.cvtColor(still, cv2.COLOR_GRAY2RGB), mask, reference, camera)
    assert condition.moved_cm == pytest.approx(0.0, abs=0.2)
    assert "camera_moved" not in [one.code for one in condition.advice]


# The calibration file.


def test_a_calibration_file_keeps_what_the_camera_saw(tmp_path: Path, camera: CameraModel) -> None:
    path = tmp_path / "calibration.json"
    seen = reference_of(crate(), camera, Board(), "side")
    write_view(path, "side", camera, seen)
    write_view(path, "top", model("top"))
    kept = read_calibration(path)
    assert set(kept.references) == {"side"}
    assert kept.references["side"].gray.shape == seen.gray.shape
    assert np.abs(kept.references["side"].gray.astype(int) - seen.gray).mean() < 3
    assert kept.references["side"].board_px == pytest.approx(seen.board_px, abs=0.01)
    assert path.stat().st_size < 200_000
    again = json.loads(path.read_text())["views"]
    write_view(path, "top", model("top"))
    assert json.loads(path.read_text())["views"] == again


def test_a_new_calibration_of_a_view_forgets_what_the_old_camera_saw(
    tmp_path: Path, camera: CameraModel
) -> None:
    path = tmp_path / "calibration.json"
    write_view(path, "side", camera, reference_of(crate(), camera, Board(), "side"))
    write_view(path, "side", camera)
    assert read_calibration(path).references == {}


def test_a_reference_counts_only_for_pictures_of_its_cameras_size(
    tmp_path: Path, camera: CameraModel
) -> None:
    path = tmp_path / "calibration.json"
    write_view(path, "side", camera, reference_of(crate(), camera, Board(), "side"))
    kept = read_calibration(path)
    assert kept.standing("side", SIZE)[0] is kept.references["side"]
    assert kept.standing("side", (1600, 1200)) == (None, None)
    assert kept.standing("top", SIZE) == (None, None)


@pytest.mark.parametrize(
    "damage", [{"jpeg": "no base64!"}, {"jpeg": ""}, {"jpeg": "aGVsbG8="}, {"board_px": [[1, 2]]}]
)
def test_a_damaged_reference_is_a_damaged_file(tmp_path: Path, camera: CameraModel, damage: dict) -> None:
    from edge.errors import ConfigError

    path = tmp_path / "calibration.json"
    write_view(path, "side", camera, reference_of(crate(), camera, Board(), "side"))
    document = json.loads(path.read_text())
    document["views"]["side"]["reference"].update(damage)
    path.write_text(json.dumps(document))
    with pytest.raises(ConfigError, match="not a calibration file"):
        read_calibration(path)


def test_the_board_is_left_out_where_it_lay(camera: CameraModel) -> None:
    """A board that is there only in the reference: its corners are looked for in vain by nobody."""
    from edge.moved import landmarks_of

    seen = reference_of(crate(), camera, Board(), "side")
    corners = landmarks_of(seen).corners * 2.0
    assert len(corners) > 50
    sheet = seen.board_px.astype(np.float32)
    assert all(cv2.pointPolygonTest(sheet, (float(x), float(y)), False) < 0 for x, y in corners)


@settings(max_examples=20, deadline=None)
@given(st.integers(120, 4700), st.integers(120, 3600))
def test_any_picture_becomes_a_small_grey_one_of_its_shape(width: int, height: int) -> None:
    small = reduced(np.full((height, width), 77, np.uint8))
    assert max(small.shape) == min(640, max(width, height))
    shrink = min(1.0, 640 / max(width, height))
    assert small.shape == pytest.approx((height * shrink, width * shrink), abs=0.51)
    assert np.all(small == 77)


def test_a_camera_at_half_the_size_tells_the_same(reference: Reference, camera: CameraModel) -> None:
    whole = replace(camera.at_size((1600, 1200)))
    now, mask = later(turned(crate(), camera, 2.0, 0.3))
    one, other = (how_far_moved(reference, each, now, mask) for each in (camera, whole))
    assert one is not None
    assert other is not None
    assert one.cm == pytest.approx(other.cm, abs=1e-6)
