"""The simulator's calibration board is seen where the truth says it is."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

pytest.importorskip("moderngl", reason="the simulator needs the training extra (moderngl)")
pytest.importorskip("skimage", reason="the simulator needs the training extra (scikit-image)")

from edge.calibrating.board import Board
from edge.calibrating.sightings import find_board
from models_tflite.training.simulator.boards import TEXELS_PER_CM, board_mesh, draw_site
from models_tflite.training.simulator.render import Renderer
from models_tflite.training.simulator.station import draw_held
from tests.rendering import open_renderer

SIZE = (640, 480)
BOARD = Board()


@pytest.fixture(scope="module")
def renderer() -> Renderer:
    return open_renderer(SIZE, sheet=BOARD.picture(TEXELS_PER_CM))


@pytest.mark.parametrize("view", ["side", "top", "front"])
def test_the_boards_corners_are_where_the_true_camera_sees_them(renderer: Renderer, view: str) -> None:
    site = draw_site(np.random.default_rng(5), SIZE)
    camera = site.cameras[view]
    poses = [draw_held(np.random.default_rng(2), BOARD.pattern_cm, camera, 0)]
    poses.append(BOARD.world_from_board(view, site.side_camera_on))
    for pose, inside in zip(poses, (False, True), strict=True):
        shot = renderer.shoot(site.scene(board_mesh(BOARD, pose), inside), [camera], [site.looks[view]])[0]
        found = find_board(cv2.cvtColor(shot.picture, cv2.COLOR_BGR2GRAY), BOARD)
        if inside and not found.is_enough:
            continue  # small, and maybe behind bars; where it is found, it must be right
        assert found.is_enough
        places = BOARD.corners_cm()[found.ids]
        flat = np.column_stack([places, np.zeros(len(places)), np.ones(len(places))])
        off = found.corners_px - camera.project((flat @ pose.T)[:, :3])
        # A shadow's edge may move some corners; a board drawn half a pixel elsewhere would move them all.
        assert np.median(np.linalg.norm(off, axis=1)) < 0.35
        assert np.abs(np.median(off, axis=0)).max() < 0.35
