"""The small grey picture that a calibration keeps of its view: what the camera saw while it stood where it should."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from edge.calibrating.board import Board
from edge.camera import CameraModel
from edge.records import Pixels, Points

# Structures of a crate are found to a third of a millimetre at this size, and it is quick to look through.
LONGEST_PX = 640
QUALITY = 85


@dataclass(frozen=True, slots=True, eq=False)
class Reference:
    """One view as it was when it was calibrated.

    gray      (h, w)  no side over LONGEST_PX
    board_px  (4, 2)  the corners of the board's sheet in it, which is not there any more
    """

    gray: Pixels
    board_px: Points

    def as_document(self) -> dict[str, Any]:
        _, jpeg = cv2.imencode(".jpg", self.gray, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
        return {
            "jpeg": base64.b64encode(jpeg.tobytes()).decode(),
            "board_px": np.round(self.board_px, 2).tolist(),
        }

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Reference:
        """As read from a calibration file; raises ValueError, KeyError or TypeError for what is no reference."""
        try:
            jpeg = np.frombuffer(base64.b64decode(document["jpeg"], validate=True), np.uint8)
        except binascii.Error:
            raise ValueError("the reference picture is damaged") from None
        gray = cv2.imdecode(jpeg, cv2.IMREAD_GRAYSCALE) if len(jpeg) else None
        board_px = np.array(document["board_px"], dtype=float)
        if gray is None or board_px.shape != (4, 2) or not np.all(np.isfinite(board_px)):
            raise ValueError("the reference picture is damaged")
        return cls(np.asarray(gray, dtype=np.uint8), board_px)


def reference_of(
    gray: Pixels, camera: CameraModel, board: Board, view: str, side_camera_on: str = "left"
) -> Reference:
    """The reference of a view from a picture (H, W), px of the camera, of the board lying in its place."""
    (width, height), (x, y) = board.sheet_cm, (board.margin_x_cm, board.margin_y_cm)
    corners = np.array([[0, 0, 0], [width, 0, 0], [width, height, 0], [0, height, 0]]) - [x, y, 0]
    pose = board.world_from_board(view, side_camera_on)
    small = reduced(gray)
    sheet = camera.at_size((small.shape[1], small.shape[0])).project(corners @ pose[:3, :3].T + pose[:3, 3])
    return Reference(small, sheet)


def reduced(picture: Pixels) -> Pixels:
    """A picture (H, W) or (H, W, 3) in grey with no side over LONGEST_PX."""
    gray = picture if picture.ndim == 2 else cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    height, width = gray.shape
    shrink = min(1.0, LONGEST_PX / max(height, width))
    size = round(width * shrink), round(height * shrink)
    # Whole steps first: several times as quick as averaging over parts of pixels, and as smooth.
    step = max(height, width) // LONGEST_PX
    if step > 1:
        whole = width // step, height // step
        gray = cv2.resize(gray[: whole[1] * step, : whole[0] * step], whole, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(gray, size, interpolation=cv2.INTER_LINEAR), dtype=np.uint8)


def masked(mask: Pixels, size: tuple[int, int], margin: float) -> Pixels:
    """Where a mask (H, W) is, at another size (width, height), grown by a share of the width: (h, w), 0 or 1."""
    small = (cv2.resize(mask, size, interpolation=cv2.INTER_NEAREST) > 0).astype(np.uint8)
    grow = 2 * max(1, round(margin * size[0])) + 1
    return np.asarray(cv2.dilate(small, np.ones((grow, grow), np.uint8)), dtype=np.uint8)
