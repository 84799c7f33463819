"""A contact sheet of a simulated set: pictures with the outline of body and head, to be looked at."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
BODY_BGR, HEAD_BGR, POINT_BGR = (60, 60, 255), (60, 255, 60), (0, 255, 255)


def thumbnail(folder: Path, record: dict[str, object], width: int, bare: bool) -> Picture:
    """One picture at thumbnail size, with its outlines unless bare."""
    picture = cv2.imread(str(folder / str(record["image"])))
    mask = cv2.imread(str(folder / str(record["mask"])), cv2.IMREAD_GRAYSCALE)
    if picture is None or mask is None:
        raise FileNotFoundError(f"{record['image']} or its mask is missing")
    if not bare:
        for label, colour in ((1, BODY_BGR), (2, HEAD_BGR)):
            outlines, _ = cv2.findContours(
                (mask == label).astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE
            )
            cv2.drawContours(picture, outlines, -1, colour, 1)
    height = round(width * picture.shape[0] / picture.shape[1])
    return np.asarray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA), dtype=np.uint8)


def contact_sheet(folder: Path, columns: int, rows: int, width: int, bare: bool, first: int = 0) -> Picture:
    """Thumbnails side by side, in the order of the index."""
    index = folder / "index.jsonl"
    lines = index.read_text().splitlines()[first : first + columns * rows] if index.exists() else []
    if not lines:
        raise SystemExit(f"{folder}: no pictures in index.jsonl yet")
    tiles = [thumbnail(folder, json.loads(line), width, bare) for line in lines]
    tiles += [np.zeros_like(tiles[0])] * (-len(tiles) % columns)
    return np.vstack([np.hstack(tiles[i : i + columns]) for i in range(0, len(tiles), columns)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, default=Path("sheet.png"))
    parser.add_argument("--columns", type=int, default=6)
    parser.add_argument("--rows", type=int, default=6)
    parser.add_argument("--width", type=int, default=320)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--bare", action="store_true", help="without outlines")
    given = parser.parse_args()
    sheet = contact_sheet(given.folder, given.columns, given.rows, given.width, given.bare, given.first)
    cv2.imwrite(str(given.out), sheet)


if __name__ == "__main__":
    main()
