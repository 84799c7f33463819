"""The calibration board as a PDF at true size: a page to glue, and a page that says how."""

from __future__ import annotations

import math
from collections.abc import Sequence

from edge.calibrating.board import Board

POINTS_PER_CM = 72 / 2.54
A4_CM = (21.0, 29.7)
BAR_CM = 10.0
# The bar beside the pattern needs this much margin, so that the squares keep white paper around them.
BAR_MARGIN_CM = 1.0
HEADING_PT, TEXT_PT, SMALL_PT = 15.0, 10.5, 7.0
SIDE_WORDS = {
    "left": "Side camera on the animal's left: the printed left-to-right runs towards the TAIL end of the crate.",
    "right": "Side camera on the animal's right: the printed left-to-right runs towards the HEAD end of the crate.",
}


def board_pdf(board: Board, side_camera_on: str = "left") -> bytes:
    """Both pages; the first has the size of the sheet and is for printing at 100 %."""
    return pdf([(board.sheet_cm, pattern_page(board)), (A4_CM, words_page(board, side_camera_on))])


def pattern_page(board: Board) -> list[str]:
    width, height = board.sheet_cm
    x, y = board.margin_x_cm, height - board.margin_y_cm
    # One path, filled once: no white hairlines between boxes that touch.
    parts = [
        rectangle(x + left, y - bottom, right - left, bottom - top)
        for left, top, right, bottom in board.black_boxes()
    ]
    parts.append("f")
    squares = f"{board.columns} x {board.rows} squares of {board.square_cm:g} cm"
    if board.margin_x_cm >= BAR_MARGIN_CM and height >= BAR_CM + 1:
        parts += bar(0.4, (height - BAR_CM) / 2, upright=True)
        note = f"check bar: {BAR_CM:g} cm. If it measures otherwise, print again at 100 %, not fitted to the page"
        parts.append(text(0.75, 1.0, note, SMALL_PT, turned=True))
        parts.append(
            text(
                width - 0.4,
                1.0,
                f"goatdev board, {squares}, markers {board.marker_cm:g} cm, {board.dictionary}",
                SMALL_PT,
                turned=True,
            )
        )
    if board.margin_y_cm >= 0.6:
        parts.append(text(width / 2 - 1.2, height - 0.45, "PRINTED TOP EDGE", SMALL_PT))
    return parts


def words_page(board: Board, side_camera_on: str) -> list[str]:
    parts, y = [], A4_CM[1] - 2.2
    for line, size in words(board, side_camera_on):
        parts.append(text(2.0, y, line, size))
        y -= 1.65 * size / POINTS_PER_CM
    return parts + bar(2.0, y - 0.6, upright=False) + [text(2.0, y - 1.3, "check bar: 10 cm", TEXT_PT)]


def words(board: Board, side_camera_on: str) -> list[tuple[str, float]]:
    """The instructions, each line with its size."""
    width, height = board.sheet_cm
    lines = [
        f"1. Print page 1 on paper of {width:.1f} x {height:.1f} cm (A3 is 42.0 x 29.7) at 100 %, without borders.",
        "    Measure the check bar beside the pattern: exactly 10.0 cm. If not, print again: every length",
        "    that the station measures would be off by as much.",
        f"2. Glue it flat, without bubbles, to a stiff panel {board.panel_cm * 10:g} mm thick, cut at its edge.",
        "    Matt paper; no lamination, it shines.",
        "",
        "3. In hand, for the lens: about a dozen pictures for each camera, crate empty. Fill half of the picture",
        "    with the board, reach into all its corners, tilt it 20 to 40 degrees, another way each time. Hold still.",
        "",
        "4. In its place, for where the camera is: two or three pictures for each view, best in shade or at",
        "    different times of the day. The mark is the painted origin on the crate's floor.",
        "    TOP: flat on the floor, face up, centre of the sheet on the mark. Printed left-to-right towards the",
        "    HEAD end of the crate, printed top edge towards the animal's LEFT.",
        "    SIDE: upright on its lower edge, face exactly over the mark and along the crate, centred on the mark,",
        "    facing the side camera.",
        f"    {SIDE_WORDS[side_camera_on]}",
        "    FRONT: upright on its lower edge, face exactly over the mark and across the crate, centred on the mark,",
        "    facing the front camera at the head end. Printed left-to-right towards the animal's LEFT.",
        "    Use a square or a level: a board that leans by 1 degree puts the camera 3 cm off.",
        "",
        "5. goatdev calibrate camera side --frames 'side/frame*.jpg' --pose 'side/pose*.jpg'",
        "        --into calibration.json",
    ]
    return [("Calibration board", HEADING_PT), ("", TEXT_PT), *((line, TEXT_PT) for line in lines)]


# The few words of PDF that this takes. Lengths are cm from the lower left corner of the page.


def pt(cm: float) -> str:
    return f"{cm * POINTS_PER_CM:.4f}"


def rectangle(x: float, y: float, width: float, height: float) -> str:
    return f"{pt(x)} {pt(y)} {pt(width)} {pt(height)} re"


def bar(x: float, y: float, upright: bool) -> list[str]:
    """A line of BAR_CM from the outer edge of one end mark to that of the other."""
    line, mark = 0.03, 0.3
    boxes = [(-line / 2, 0.0, line, BAR_CM), *((-mark / 2, end, mark, line) for end in (0.0, BAR_CM - line))]
    if not upright:
        boxes = [(low, left, long, wide) for left, low, wide, long in boxes]
    return [*(rectangle(x + left, y + low, wide, long) for left, low, wide, long in boxes), "f"]


def text(x: float, y: float, words: str, size_pt: float, turned: bool = False) -> str:
    angle = math.pi / 2 if turned else 0.0
    cos, sin = math.cos(angle), math.sin(angle)
    shown = words.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")
    place = f"{cos:.0f} {sin:.0f} {-sin:.0f} {cos:.0f} {pt(x)} {pt(y)} Tm"
    return f"BT /F1 {size_pt:g} Tf {place} ({shown}) Tj ET"


def pdf(pages: Sequence[tuple[tuple[float, float], Sequence[str]]]) -> bytes:
    """A PDF of pages, each a size in cm and its drawing."""
    kids = " ".join(f"{4 + 2 * number} 0 R" for number in range(len(pages)))
    objects = [
        "<< /Type /Catalog /Pages 2 0 R /ViewerPreferences << /PrintScaling /None >> >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
    ]
    for number, ((width, height), drawing) in enumerate(pages):
        content = "\n".join(drawing)
        box = f"/MediaBox [0 0 {pt(width)} {pt(height)}]"
        fonts = "/Resources << /Font << /F1 3 0 R >> >>"
        objects.append(f"<< /Type /Page /Parent 2 0 R {box} {fonts} /Contents {5 + 2 * number} 0 R >>")
        objects.append(f"<< /Length {len(content)} >>\nstream\n{content}\nendstream")
    return assembled(objects)


def assembled(objects: Sequence[str]) -> bytes:
    """Numbered objects with the table of where each begins."""
    whole = "%PDF-1.4\n"
    starts = []
    for number, content in enumerate(objects, 1):
        starts.append(len(whole))
        whole += f"{number} 0 obj\n{content}\nendobj\n"
    table = "".join(f"{start:010d} 00000 n \n" for start in starts)
    count = len(objects) + 1
    end = f"xref\n0 {count}\n0000000000 65535 f \n{table}trailer\n<< /Size {count} /Root 1 0 R >>\n"
    return f"{whole}{end}startxref\n{len(whole)}\n%%EOF\n".encode("ascii")
