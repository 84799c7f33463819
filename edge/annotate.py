"""Pictures that show what was measured: the outline, the lines, the numbers with their doubt."""

from __future__ import annotations

from collections.abc import Iterable

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from edge.images import drawn_jpeg
from edge.records import Label, Line, Measurement, Picture, Pixels, Reading

BODY_COLOUR = (64, 224, 160)
HEAD_COLOUR = (255, 176, 32)
LINE_COLOUR = (255, 255, 255)
SHADE = (16, 24, 32)

Colour = tuple[int, int, int]
Point = tuple[float, float]
Box = tuple[float, float, float, float]
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


def annotate(
    picture: Picture, mask: Pixels | None, reading: Reading, measurements: Iterable[Measurement]
) -> bytes:
    """A JPEG of the picture with outline, measured lines and numbers drawn on it.

    mask  (H, W) at the picture's working size, or None where nothing was seen
    """
    image = Image.fromarray(picture.rgb)
    draw = ImageDraw.Draw(image)
    stroke = max(2, image.width // 400)
    font = ImageFont.load_default(max(14, image.width // 44))
    if mask is not None:
        for label, colour in ((Label.BODY, BODY_COLOUR), (Label.HEAD, HEAD_COLOUR)):
            draw_outline(draw, mask == label, colour, stroke)
    numbers = {one.trait: one for one in measurements if one.value is not None}
    drawn = [line for line in reading.lines if line.trait in numbers]
    for line in drawn:
        draw_line(draw, line, stroke)
    plates: list[Box] = []
    for line in drawn:
        place = min(line.start, line.end, key=lambda point: point[1])
        write(draw, place, label_text(numbers[line.trait]), font, plates)
    if not drawn:
        write(draw, (12, 12), first_reason(reading, measurements), font, plates)
    return drawn_jpeg(image)


def draw_outline(draw: ImageDraw.ImageDraw, region: Pixels, colour: Colour, stroke: int) -> None:
    contours, _ = cv2.findContours(region.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    for contour in contours:
        points = [(int(x), int(y)) for x, y in contour[:, 0]]
        draw.line([*points, points[0]], fill=colour, width=stroke, joint="curve")


def draw_line(draw: ImageDraw.ImageDraw, line: Line, stroke: int) -> None:
    """The measured distance with a dot at each end, dark below white so that it shows on any coat."""
    draw.line([line.start, line.end], fill=SHADE, width=stroke * 2 + 2)
    draw.line([line.start, line.end], fill=LINE_COLOUR, width=stroke)
    for x, y in (line.start, line.end):
        r = stroke * 2.5
        draw.ellipse([x - r, y - r, x + r, y + r], fill=LINE_COLOUR, outline=SHADE, width=stroke // 2)


def label_text(measurement: Measurement) -> str:
    name = measurement.trait.removesuffix("_cm").replace("_", " ")
    return f"{name} {measurement.value:.1f} ± {measurement.u95:.1f} cm"


def first_reason(reading: Reading, measurements: Iterable[Measurement]) -> str:
    reasons = [one.reason for one in measurements if reading.view in one.views and one.reason]
    return reasons[0] if reasons else ""


def write(draw: ImageDraw.ImageDraw, place: Point, text: str, font: Font, plates: list[Box]) -> None:
    """White text on a dark plate beside a point, inside the picture and below the plates already there."""
    if not text:
        return
    left, top, right, bottom = draw.textbbox((0, 0), text, font=font)
    pad = 6
    width, height = right - left + 2 * pad, bottom - top + 2 * pad
    x = min(max(place[0] + 2 * pad, pad), draw.im.size[0] - width - pad)
    y = min(max(place[1] + 2 * pad, pad), draw.im.size[1] - height - pad)
    while any(overlap((x, y, x + width, y + height), plate) for plate in plates):
        y += height + pad
    plates.append((x, y, x + width, y + height))
    draw.rectangle(plates[-1], fill=SHADE)
    draw.text((x + pad - left, y + pad - top), text, fill=LINE_COLOUR, font=font)


def overlap(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
