"""The printed ChArUco board: what is on it, and where it lies in the crate in each view's reference pose.

Board frame: origin at the printed top left corner of the pattern, X to the printed right, Y down, Z into the panel, cm.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import cv2
import numpy as np

from edge.errors import ConfigError
from edge.records import Pixels, Points
from edge.settings import BoardConfig

# For each view: where in the world the board's X, Y and Z point in its reference pose.
AXES = {
    "top": ((1, 0, 0), (0, -1, 0), (0, 0, -1)),
    "side": ((-1, 0, 0), (0, 0, -1), (0, -1, 0)),
    "side_right": ((1, 0, 0), (0, 0, -1), (0, 1, 0)),
    "front": ((0, 1, 0), (0, 0, -1), (-1, 0, 0)),
}
# Edges are looked at this far on both sides, as a share of a square: a marker's quiet zone is an eighth of one.
REACH = 1 / 16
# Looks per edge of a square, and how much of it is left out at both ends, where other edges begin.
LOOKS = 24
ENDS = 0.1


@dataclass(frozen=True, slots=True)
class Edges:
    """The borders between dark and bright squares, each looked at in LOOKS places.

    places  (E, LOOKS, 2)  board X and Y, cm
    across  (E, 2)         unit vector from the dark to the bright side
    line    (E,)           which straight line of the pattern the edge lies on
    """

    places: Points
    across: Points
    line: Points
    square_cm: float


@dataclass(frozen=True, slots=True)
class Board(BoardConfig):
    """A ChArUco board as printed and glued: what [board] says of it, and where everything on it is."""

    @classmethod
    def configured(cls, config: BoardConfig) -> Board:
        """The board of the [board] table; raises ConfigError where no such board can be printed."""
        board = cls(**asdict(config))
        have = len(board.markers.bytesList)
        if board.marker_count > have:
            raise ConfigError(
                f"[board] dictionary: {board.dictionary} has {have} markers, {board.marker_count} are needed",
                "take a larger dictionary or fewer squares",
            )
        return board

    @property
    def pattern_cm(self) -> tuple[float, float]:
        """Width and height of the squares."""
        return self.columns * self.square_cm, self.rows * self.square_cm

    @property
    def sheet_cm(self) -> tuple[float, float]:
        """Width and height of the paper."""
        width, height = self.pattern_cm
        return width + 2 * self.margin_x_cm, height + 2 * self.margin_y_cm

    @property
    def marker_count(self) -> int:
        return self.columns * self.rows // 2

    @property
    def markers(self) -> cv2.aruco.Dictionary:
        return cv2.aruco.getPredefinedDictionary(getattr(cv2.aruco, self.dictionary))

    def charuco(self) -> cv2.aruco.CharucoBoard:
        return cv2.aruco.CharucoBoard((self.columns, self.rows), self.square_cm, self.marker_cm, self.markers)

    def corners_cm(self) -> Points:
        """The inner corners of the squares in the order of their ids: (N, 2) board X and Y, cm."""
        y, x = np.mgrid[1 : self.rows, 1 : self.columns]
        return np.column_stack([x.ravel(), y.ravel()]) * self.square_cm

    def is_dark(self, column: int, row: int) -> bool:
        """Whether a square is black all over; the others hold a marker, or lie outside the pattern."""
        inside = 0 <= column < self.columns and 0 <= row < self.rows
        return inside and (column + row) % 2 == 0

    def marker_cells(self, number: int) -> Pixels:
        """The cells of one marker with its black rim: (n, n), 0 black, 1 white."""
        count = self.markers.markerSize + 2
        return np.asarray(self.markers.generateImageMarker(number, count) > 127, dtype=np.uint8)

    def marker_squares(self) -> list[tuple[int, int]]:
        """Column and row of the square that holds each marker, in the order of their numbers."""
        return [
            (column, row)
            for row in range(self.rows)
            for column in range(self.columns)
            if not self.is_dark(column, row)
        ]

    def marker_corners(self, number: int) -> Points:
        """As printed from the top left one on, clockwise: (4, 2) board X and Y, cm."""
        square, rim = np.array(self.marker_squares()[number]), (self.square_cm - self.marker_cm) / 2
        ends = np.array([[0, 0], [1, 0], [1, 1], [0, 1]])
        return np.asarray(square * self.square_cm + rim + self.marker_cm * ends)

    def edges(self) -> Edges:
        places, across, line = [], [], []
        along = np.linspace(ENDS, 1 - ENDS, LOOKS)
        for turned in (False, True):
            # Upright lines first, then lying ones: the same with columns and rows exchanged.
            lines, squares = (self.rows, self.columns) if turned else (self.columns, self.rows)
            for at in range(lines + 1):
                for square in range(squares):
                    here, before = (
                        self.is_dark(*((square, one) if turned else (one, square))) for one in (at, at - 1)
                    )
                    if here == before:
                        continue
                    spots = np.column_stack([np.full(LOOKS, at), square + along]) * self.square_cm
                    way = np.array([-1.0 if here else 1.0, 0.0])
                    places.append(spots[:, ::-1] if turned else spots)
                    across.append(way[::-1] if turned else way)
                    line.append(at + (self.columns + 1 if turned else 0))
        return Edges(np.array(places), np.array(across), np.array(line, dtype=float), self.square_cm)

    def world_from_board(self, view: str, side_camera_on: str = "left") -> Points:
        """Where the board lies in a view's reference pose: (4, 4), cm.

        side_camera_on  "left" or "right" of the animal
        """
        right = view == "side" and side_camera_on == "right"
        pose = np.eye(4)
        pose[:3, :3] = np.array(AXES["side_right" if right else view], dtype=float).T
        width, height = self.pattern_cm
        middle = np.array([width / 2, height / 2, 0.0])
        centre_z = self.panel_cm if view == "top" else self.margin_y_cm + height / 2
        pose[:3, 3] = np.array([0.0, 0.0, centre_z]) - pose[:3, :3] @ middle
        return pose

    def picture(self, px_per_cm: float) -> Pixels:
        """The whole sheet as a picture, 0 black, 255 white."""
        width, height = (round(side * px_per_cm) for side in self.sheet_cm)
        sheet = np.full((height, width), 255, dtype=np.uint8)
        for left, top, right, bottom in self.black_boxes():
            x, y = (
                [round((side + margin) * px_per_cm) for side in pair]
                for pair, margin in (((left, right), self.margin_x_cm), ((top, bottom), self.margin_y_cm))
            )
            sheet[y[0] : y[1], x[0] : x[1]] = 0
        return sheet

    def black_boxes(self) -> list[tuple[float, float, float, float]]:
        """All that is black: left, top, right, bottom, cm from the printed top left corner of the pattern."""
        size = self.square_cm
        boxes = [
            (column * size, row * size, (column + 1) * size, (row + 1) * size)
            for row in range(self.rows)
            for column in range(self.columns)
            if self.is_dark(column, row)
        ]
        rim = (size - self.marker_cm) / 2
        for number, (column, row) in enumerate(self.marker_squares()):
            cells = self.marker_cells(number)
            cell = self.marker_cm / len(cells)
            left, top = column * size + rim, row * size + rim
            for i, j in np.ndindex(cells.shape):
                if not cells[i, j]:
                    x, y = left + j * cell, top + i * cell
                    boxes.append((x, y, x + cell, y + cell))
        return boxes
