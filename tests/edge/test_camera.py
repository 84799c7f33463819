"""A camera turns pixels into rays and back, and tells how well it is known."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from edge.camera import PARAMETERS, CameraModel, radius_95
from models_tflite.training.simulator.station import look

DISTORTION = np.array([-0.22, 0.05, 0.0006, -0.0004, 0.002])


def camera(spread: float = 0.0) -> CameraModel:
    seen = look(
        (1600, 1200), 60, np.array([8.0, 170.0, 70.0]), np.array([0.0, 0.0, 45.0]), np.array([0, 0, 1.0])
    )
    covariance = np.diag(np.full(len(PARAMETERS), spread**2))
    return CameraModel(
        seen.size,
        seen.camera_matrix,
        DISTORTION,
        seen.world_from_cam,
        covariance,
        0.2,
        0.6,
        12,
        0,
        3,
        "2026-11-21",
    )


POINTS = np.random.default_rng(1).uniform([-50, -20, 0], [50, 20, 100], (40, 3))


def test_pixels_are_those_of_the_simulators_own_camera() -> None:
    from models_tflite.training.simulator.station import Camera

    model = camera()
    theirs = Camera(model.picture_size, model.camera_matrix, model.world_from_cam, DISTORTION)
    assert model.project(POINTS) == pytest.approx(theirs.project(POINTS), abs=1e-6)


def test_a_ray_through_a_points_pixel_meets_the_point() -> None:
    place, ways = camera().rays(camera().project(POINTS))
    along = np.sum((POINTS - place) * ways, axis=1)
    assert place + along[:, None] * ways == pytest.approx(POINTS, abs=1e-4)
    assert np.all(along > 0)


def test_at_another_size_the_same_pixel_has_the_same_ray() -> None:
    half = camera().at_size((800, 600))
    pixels = camera().project(POINTS)
    assert half.project(POINTS) == pytest.approx((pixels + 0.5) / 2 - 0.5, abs=1e-6)


def test_parameters_and_camera_are_the_same_thing() -> None:
    model = camera()
    again = model.with_parameters(model.parameters())
    assert again.world_from_cam == pytest.approx(model.world_from_cam)
    assert again.project(POINTS) == pytest.approx(model.project(POINTS))


def test_a_doubtful_shift_is_a_doubtful_position() -> None:
    covariance = np.zeros((15, 15))
    covariance[12:, 12:] = 0.5**2 * np.eye(3)
    doubtful = replace(camera(), covariance=covariance)
    # The norm of three independent errors of 0.5 cm is below 1.40 cm in 95 of 100 cases.
    assert doubtful.position_u95_cm == pytest.approx(1.40, abs=0.02)
    assert doubtful.direction_u95_deg == pytest.approx(0.0, abs=1e-6)


def test_19_of_20_cameras_drawn_from_the_covariance_lie_within_the_stated_doubt() -> None:
    rng = np.random.default_rng(3)
    spread = np.array([*np.zeros(9), *np.full(3, 0.004), *np.full(3, 0.6)])
    model = replace(camera(), covariance=np.diag(spread**2))
    drawn = [model.placement(model.parameters() + spread * rng.normal(size=15)) for _ in range(1500)]
    off = [np.linalg.norm(place - model.position_cm) for place, _ in drawn]
    turned = [np.degrees(np.linalg.norm(turn)) for _, turn in drawn]
    assert np.mean(np.array(off) < model.position_u95_cm) == pytest.approx(0.95, abs=0.02)
    assert np.mean(np.array(turned) < model.direction_u95_deg) == pytest.approx(0.95, abs=0.02)


@pytest.mark.parametrize("sigmas", [(1, 1, 1), (3, 0.2, 0.2), (1, 1, 0)])
def test_19_of_20_errors_lie_within_the_stated_radius(sigmas: tuple[float, float, float]) -> None:
    errors = np.random.default_rng(0).normal(size=(20_000, 3)) * sigmas
    inside = np.linalg.norm(errors, axis=1) < radius_95(np.diag(np.square(sigmas)))
    assert inside.mean() == pytest.approx(0.95, abs=0.012)


def test_a_camera_is_written_and_read_whole() -> None:
    model = camera(0.01)
    again = CameraModel.from_document(json.loads(json.dumps(model.as_document())))
    assert again.parameters() == pytest.approx(model.parameters())
    assert again.covariance == pytest.approx(model.covariance)
    assert again.report() == model.report()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("camera_matrix", [[0, 0, 0], [0, 0, 0], [0, 0, 1]]),
        ("camera_matrix", [[1000, 0], [0, 1000]]),
        ("world_from_cam", np.diag([2.0, 1, 1, 1]).tolist()),
        ("world_from_cam", np.diag([-1.0, 1, 1, 1]).tolist()),
        ("covariance", np.full((15, 15), np.nan).tolist()),
        ("covariance", (-np.eye(15)).tolist()),
        ("distortion", [0, 0, 0, 0]),
        ("picture_size", [0, 100]),
        ("picture_size", None),
    ],
)
def test_what_is_no_camera_is_not_read(key: str, value: object) -> None:
    with pytest.raises((ValueError, TypeError)):
        CameraModel.from_document({**camera().as_document(), key: value})
