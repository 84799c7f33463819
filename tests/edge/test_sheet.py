"""The printed board has its true size: measured on the page as a printer would draw it."""

from __future__ import annotations

import io
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.calibrating.board import Board
from edge.calibrating.sheet import board_pdf
from edge.cli import main
from edge.records import Pixels

DPI = 200
PX_PER_CM = DPI / 2.54
BOARD = Board()


def page(content: bytes, number: int = 0) -> Pixels:
    """A page as pixels at DPI."""
    pdfium = pytest.importorskip("pypdfium2", reason="pypdfium2 draws the PDF for this test")
    document = pdfium.PdfDocument(io.BytesIO(content))
    drawn = document[number].render(scale=DPI / 72, grayscale=True).to_numpy()
    return np.ascontiguousarray(drawn.reshape(drawn.shape[:2]))


def test_the_sheet_is_a3_and_says_so() -> None:
    content = board_pdf(BOARD)
    assert b"/MediaBox [0 0 1190.5512 841.8898]" in content
    assert content.startswith(b"%PDF-1.4") and content.endswith(b"%%EOF\n")


def test_every_object_begins_where_the_table_of_the_pdf_says() -> None:
    content = board_pdf(BOARD)
    table = content[content.rindex(b"\nxref\n") + 6 :].split(b"\n")
    for number in range(1, int(table[0].split()[1])):
        start = int(table[1 + number].split()[0])
        assert content[start:].startswith(b"%d 0 obj" % number)


def test_the_drawn_board_is_found_at_its_true_size() -> None:
    drawn = page(board_pdf(BOARD))
    corners, ids, _, _ = cv2.aruco.CharucoDetector(BOARD.charuco()).detectBoard(drawn)
    assert len(ids) == 24
    corners = cv2.cornerSubPix(drawn, corners, (9, 9), (-1, -1), (3, 50, 0.0005)).reshape(-1, 2)
    expected = (BOARD.corners_cm()[ids.ravel()] + [1.4, 0.85]) * PX_PER_CM - 0.5
    # The page is drawn on whole pixels, up to one more than it has: 0.03 %.
    assert np.abs(corners - expected).max() < 1.2
    for axis in (0, 1):
        slope = np.polyfit(BOARD.corners_cm()[ids.ravel()][:, axis], corners[:, axis], 1)[0]
        assert slope == pytest.approx(PX_PER_CM, rel=1e-3)


@pytest.mark.parametrize(("number", "upright"), [(0, True), (1, False)])
def test_the_check_bar_is_10_cm_long_on_both_pages(number: int, upright: bool) -> None:
    drawn = page(board_pdf(BOARD), number)
    drawn = drawn if upright else drawn.T
    dark = drawn < 128
    runs = [longest_run(column) for column in (dark.T if number else dark[:, : int(0.7 * PX_PER_CM)].T)]
    assert max(runs) / PX_PER_CM == pytest.approx(10.0, abs=0.03)


def longest_run(values: np.ndarray) -> int:
    edges = np.flatnonzero(np.diff(np.concatenate([[0], values.astype(int), [0]])))
    return int(np.max(edges[1::2] - edges[::2], initial=0))


def test_the_words_tell_how_the_board_lies_for_the_configured_side_camera() -> None:
    left, right = board_pdf(BOARD).decode(), board_pdf(BOARD, "right").decode()
    assert "runs towards the TAIL end" in left and "runs towards the TAIL end" not in right
    assert "runs towards the HEAD end" in right


def test_the_command_writes_the_configured_board(config_path: Path, tmp_path: Path, capsys) -> None:
    config_path.write_text(config_path.read_text() + "[board]\nsquare_cm = 4\nmarker_cm = 3\n")
    out = tmp_path / "board.pdf"
    assert main(["calibrate", "board", "--out", str(out), "--config", str(config_path)]) == 0
    assert "30.8 x 21.7 cm" in capsys.readouterr().out
    assert b"7 x 5 squares of 4 cm" in out.read_bytes()


def test_a_pdf_that_cannot_be_written_says_what_to_do(tmp_path: Path, capsys) -> None:
    assert main(["calibrate", "board", "--out", str(tmp_path / "absent" / "board.pdf")]) == 78
    assert "--out" in capsys.readouterr().err
