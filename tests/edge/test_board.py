"""The board is the one that OpenCV knows, and lies in the crate as the reference poses say."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.calibrating.board import Board
from edge.calibrating.sightings import find_board, looked_for
from edge.config import load_config
from edge.errors import ConfigError
from models_tflite.training.simulator.station import look
from tests.edge.photographs import Photographer, camera_at

BOARD = Board()


def test_the_sheet_is_a3() -> None:
    assert BOARD.sheet_cm == pytest.approx((42.0, 29.7))


def test_the_pattern_is_opencvs_to_the_pixel() -> None:
    ours = BOARD.picture(20)[17:-17, 28:-28]
    theirs = BOARD.charuco().generateImage((ours.shape[1], ours.shape[0]))
    # Their marker cells of 0.6 cm and ours may fall on either side of a pixel.
    assert np.mean(ours != theirs) < 0.001


def test_corners_have_opencvs_ids() -> None:
    assert BOARD.corners_cm() == pytest.approx(BOARD.charuco().getChessboardCorners()[:, :2])


def test_every_edge_has_a_dark_and_a_bright_side() -> None:
    edges, sheet = BOARD.edges(), BOARD.picture(20).astype(float)
    assert len(edges.places) == 6 * 5 + 4 * 7 + 2 * (3 + 4)
    for way, level in ((1, 255), (-1, 0)):
        x, y = np.moveaxis(edges.places + way * 0.2 * edges.across[:, None], -1, 0)
        seen = sheet[((y + 0.85) * 20).astype(int), ((x + 1.4) * 20).astype(int)]
        assert np.all(seen == level)


# Where the printed top left, top right and bottom left corner of the pattern are in the world.
REFERENCE = {
    ("top", "left"): ((-19.6, 14, 0.4), (19.6, 14, 0.4), (-19.6, -14, 0.4)),
    ("side", "left"): ((19.6, 0, 28.85), (-19.6, 0, 28.85), (19.6, 0, 0.85)),
    ("side", "right"): ((-19.6, 0, 28.85), (19.6, 0, 28.85), (-19.6, 0, 0.85)),
    ("front", "left"): ((0, -19.6, 28.85), (0, 19.6, 28.85), (0, -19.6, 0.85)),
}
CAMERAS = {
    ("top", "left"): ((5.0, 3.0, 150.0), (0.0, 1.0, 0.0)),
    ("side", "left"): ((5.0, 150.0, 60.0), (0.0, 0.0, 1.0)),
    ("side", "right"): ((5.0, -150.0, 60.0), (0.0, 0.0, 1.0)),
    ("front", "left"): ((150.0, 5.0, 60.0), (0.0, 0.0, 1.0)),
}


@pytest.mark.parametrize(("view", "side"), list(REFERENCE))
def test_the_board_lies_in_each_view_as_the_reference_pose_says(view: str, side: str) -> None:
    pose = BOARD.world_from_board(view, side)
    corners = np.array([[0, 0, 0, 1], [39.2, 0, 0, 1], [0, 28, 0, 1.0]]) @ pose.T
    assert corners[:, :3] == pytest.approx(np.array(REFERENCE[view, side]))
    assert np.linalg.det(pose[:3, :3]) == pytest.approx(1)


@pytest.mark.parametrize(("view", "side"), list(REFERENCE))
def test_opencv_finds_the_printed_corners_where_the_reference_pose_puts_them(view: str, side: str) -> None:
    """Draws the sheet where the world says it lies and asks OpenCV which corner is where."""
    place, up = CAMERAS[view, side]
    camera = look((1200, 900), 30, np.array(place), np.array([0.0, 0.0, 14.0]), np.array(up))
    pose = BOARD.world_from_board(view, side)
    sheet, px_per_cm = BOARD.picture(20), 20.0
    rim = np.array([[-1.4, -0.85], [40.6, -0.85], [40.6, 28.85], [-1.4, 28.85]])
    seen = camera.project(np.column_stack([rim, np.zeros(4), np.ones(4)]) @ pose.T[:, :3])
    on_sheet = (rim - rim[0]) * px_per_cm - 0.5
    warp = cv2.getPerspectiveTransform(on_sheet.astype(np.float32), seen.astype(np.float32))
    drawn = cv2.warpPerspective(sheet, warp, (1200, 900), borderValue=128)
    corners, ids, _, _ = cv2.aruco.CharucoDetector(BOARD.charuco()).detectBoard(drawn)
    assert len(ids) == 24
    # OpenCV 4.11 tells corners half a pixel too far right and down; its own refinement does not.
    corners = cv2.cornerSubPix(drawn, corners, (5, 5), (-1, -1), (3, 30, 0.001))
    places = BOARD.corners_cm()[ids.ravel()]
    truth = camera.project(
        np.column_stack([places, np.zeros(len(places)), np.ones(len(places))]) @ pose.T[:, :3]
    )
    assert np.abs(corners.reshape(-1, 2) - truth).max() < 0.35


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("collumns = 7", "collumns: unknown key"),
        ("columns = 2", "columns: 2 is out of range"),
        ("marker_cm = 5.5", "marker of 5.5 cm in a square of 5.6 cm"),
        ('dictionary = "DICT_5X6_100"', "is not known"),
        ("columns = 20\nrows = 20", "has 100 markers, 200 are needed"),
        ("square_cm = nan", "out of range"),
    ],
)
def test_a_board_that_cannot_be_printed_is_refused(config_path: Path, key: str, message: str) -> None:
    config_path.write_text(config_path.read_text() + f"[board]\n{key}\n")
    with pytest.raises(ConfigError, match=message):
        Board.configured(load_config(config_path).board)


def test_another_board_comes_from_the_configuration(config_path: Path) -> None:
    config_path.write_text(
        config_path.read_text() + "[board]\nsquare_cm = 4\nmarker_cm = 3.0\npanel_cm = 1\n"
    )
    board = Board.configured(load_config(config_path).board)
    assert board.pattern_cm == (28, 20)
    assert board.world_from_board("top")[:3, 3] == pytest.approx((-14, 10, 1))


def test_a_board_of_a_hundred_pixels_is_found_in_the_enlarged_picture() -> None:
    board, camera = Board(), camera_at("front", size=(520, 390))
    lies = board.world_from_board("front", "left")
    gray = Photographer(camera).photograph(lies)
    assert not looked_for(gray, board, 1.0).is_enough
    found = find_board(gray, board)
    assert found.is_enough
    places = np.column_stack([board.corners_cm()[found.ids], np.zeros(len(found.ids))])
    expected = camera.project(places @ lies[:3, :3].T + lies[:3, 3])
    assert found.corners_px == pytest.approx(expected, abs=0.5)
