"""A rendered station on another day: its cameras stand still, and one that was knocked is found."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

pytest.importorskip("moderngl", reason="the simulator needs the training extra (moderngl)")
pytest.importorskip("skimage", reason="the simulator needs the training extra (scikit-image)")

from edge.calibrating.board import Board
from edge.moved import CRATE_MIDDLE_CM, how_far_moved
from edge.reference import reduced, reference_of
from models_tflite.training.moved_bench import camera_document, knocked, later_scene, true_camera
from models_tflite.training.simulator.boards import TEXELS_PER_CM, board_mesh, draw_site
from models_tflite.training.simulator.render import Renderer
from models_tflite.training.simulator.station import look
from tests.rendering import open_renderer

SIZE = (640, 480)
BOARD = Board()


@pytest.fixture(scope="module")
def renderer() -> Renderer:
    return open_renderer(SIZE, sheet=BOARD.picture(TEXELS_PER_CM))


def test_other_light_and_another_goat_are_no_movement_and_two_cm_are(renderer: Renderer) -> None:
    rng = np.random.default_rng([1, 311])
    site, view = draw_site(rng, SIZE), "top"
    camera = site.cameras[view]
    lying = board_mesh(BOARD, BOARD.world_from_board(view, site.side_camera_on))
    seen = renderer.shoot(site.scene(lying, inside=True), [camera], [site.looks[view]])[0].picture
    model = true_camera(camera_document(camera))
    gray = cv2.cvtColor(seen, cv2.COLOR_BGR2GRAY)
    reference = reference_of(gray, model, BOARD, view, site.side_camera_on)
    scene = later_scene(rng, site)
    cameras = [camera, knocked(rng, camera, 2.0, "turned")]
    still, turned = renderer.shoot(scene, cameras, [scene.look, scene.look])
    found = [
        how_far_moved(reference, model, reduced(np.ascontiguousarray(shot.picture[..., ::-1])), shot.mask)
        for shot in (still, turned)
    ]
    assert found[0] is not None
    assert found[1] is not None
    assert not found[0].is_moved
    assert found[1].cm == pytest.approx(2.0, abs=0.4)


@pytest.mark.parametrize("how", ["turned", "shifted"])
def test_a_knocked_camera_sees_the_crates_middle_elsewhere_by_so_many_cm(how: str) -> None:
    up = np.array([0.0, 0.0, 1.0])
    camera = look(SIZE, 60, np.array([3.0, 150.0, 60.0]), np.array([3.0, 0.0, 45.0]), up)
    for seed in range(5):
        moved = knocked(np.random.default_rng(seed), camera, 3.0, how)
        off_px = np.linalg.norm(moved.project(CRATE_MIDDLE_CM) - camera.project(CRATE_MIDDLE_CM))
        away = camera.in_camera(CRATE_MIDDLE_CM)[0, 2]
        assert off_px * away / camera.camera_matrix[0, 0] == pytest.approx(3.0, rel=0.06)
