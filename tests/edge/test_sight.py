"""Rays of named points, and how errors of a camera move them."""

from __future__ import annotations

import numpy as np
import pytest

from edge.camera import CameraModel
from edge.measuring.sight import Sight, at_height, crossing, on_upright_plane
from edge.records import Points
from tests.edge.photographs import camera_at
from tests.edge.test_together import known

POINTS = np.array([[10.0, 3.0, 40.0], [-25.0, -8.0, 55.0], [30.0, 0.0, 5.0], [0.0, 12.0, 70.0]])


@pytest.fixture
def camera() -> CameraModel:
    return known(camera_at("side"))


def sight_of(camera: CameraModel, points: Points = POINTS) -> Sight:
    pixels = camera.project(points)
    return Sight.of("side", camera, {"first": pixels[:1], "others": pixels[1:]})


def test_rays_of_a_group_lead_back_to_its_points(camera: CameraModel) -> None:
    sight = sight_of(camera)
    at = sight.origin + (POINTS[1:, 1] - sight.origin[1])[:, None] * (
        sight.rays("others") / sight.rays("others")[:, 1:2]
    )
    assert at == pytest.approx(POINTS[1:], abs=1e-3)


def test_a_shift_of_pixels_turns_the_rays_as_the_camera_would(camera: CameraModel) -> None:
    shift = np.array([[1.5, -2.0], [0.0, 3.0], [-1.0, 0.0], [2.0, 2.0]])
    sight = sight_of(camera)
    _, expected = camera.rays(sight.pixels + shift)
    turned = sight.shifted(shift).ways
    turned = turned / np.linalg.norm(turned, axis=1, keepdims=True)
    assert turned == pytest.approx(expected, abs=2e-5)


def test_slopes_are_how_the_picture_moves_with_each_parameter(camera: CameraModel) -> None:
    slopes, at = camera.slopes(POINTS), camera.parameters()
    for number, value in enumerate(at):
        step = 1e-5 * max(1.0, abs(value))
        more, less = at.copy(), at.copy()
        more[number] += step
        less[number] -= step
        moved = camera.with_parameters(more).project(POINTS) - camera.with_parameters(less).project(POINTS)
        assert slopes[:, :, number] == pytest.approx(moved / (2 * step), rel=1e-3, abs=1e-3)


def test_calibration_shifts_hold_nearly_all_that_the_covariance_says_of_the_pixels(
    camera: CameraModel,
) -> None:
    sight = sight_of(camera)
    slopes = camera.slopes(POINTS).reshape(8, -1)
    whole = slopes @ camera.covariance @ slopes.T
    shifts = [shift.ravel() for shift in sight.calibration_shifts(POINTS)]
    kept = sum(np.outer(shift, shift) for shift in shifts)
    assert np.trace(kept) == pytest.approx(np.trace(whole), rel=0.02)
    assert len(shifts) <= 8


def test_reversing_a_group_leaves_the_others(camera: CameraModel) -> None:
    sight = sight_of(camera)
    turned = sight.reversed(["others"])
    assert turned.rays("others") == pytest.approx(sight.rays("others")[::-1])
    assert turned.rays("first") == pytest.approx(sight.rays("first"))


def test_a_camera_knows_whether_it_looks_into_the_crate(camera: CameraModel) -> None:
    assert sight_of(camera).looks_into_the_crate
    turned = camera.world_from_cam.copy()
    turned[:3, [0, 2]] *= -1
    away = CameraModel(
        camera.picture_size,
        camera.camera_matrix,
        camera.distortion,
        turned,
        camera.covariance,
        *(0.2, 0.9, 12, 0, 3, ""),
    )
    assert not Sight.of("side", away, {"any": np.array([[400.0, 300.0]])}).looks_into_the_crate


def test_a_ray_that_never_meets_gives_nan_not_a_point_behind_the_camera() -> None:
    origin, up = np.array([0.0, 0.0, 100.0]), np.array([[0.0, 0.1, 1.0], [0.0, 0.1, -1.0]])
    met = at_height(origin, up, 40.0)
    assert np.isnan(met[0]).all() and met[1] == pytest.approx([0.0, 6.0, 40.0])
    beside = on_upright_plane(origin, np.array([[1.0, 0.0, 0.0]]), np.array([0.0, 1.0]), 5.0)
    assert np.isnan(beside).all()


def test_rays_that_miss_each_other_meet_half_way() -> None:
    origins = np.array([[0.0, 0.0, 0.0], [10.0, 0.0, 2.0]])
    ways = np.array([[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0]])
    assert crossing(origins, ways, np.ones(2)) == pytest.approx([0.0, 0.0, 1.0])
