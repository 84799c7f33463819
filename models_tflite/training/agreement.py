"""How well measured centimetres agree with true ones: the numbers, the table, and the plot of Bland and Altman.

Needs no torch and no renderer.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from edge.measuring.measure import COVERAGE_95
from edge.records import Points
from models_tflite.training.tables import header, number, row


@dataclass(frozen=True, slots=True)
class Measured:
    """One goat measured in one way, against its truth; all in cm.

    goat     names the station and the animal, so that ways can be compared on the same animals
    values   trait -> what was measured, where there is a value
    u95      trait -> its stated half-width, where the way states one
    reasons  trait -> why there is no value
    truth    trait -> what is true
    """

    goat: str
    way: str
    values: Mapping[str, float]
    u95: Mapping[str, float]
    reasons: Mapping[str, str]
    truth: Mapping[str, float]

    def error(self, trait: str) -> float | None:
        return (
            self.values[trait] - self.truth[trait] if trait in self.values and trait in self.truth else None
        )


@dataclass(frozen=True, slots=True)
class Agreement:
    """One trait of one way over many goats, cm.

    goats      how many were measured;  known  how many of them have a value
    spread     standard deviation of the errors
    inside     share of the values whose error is within u95, nan where none is stated
    """

    goats: int
    known: int
    mean_absolute: float
    bias: float
    spread: float
    worst: float
    mean_u95: float
    inside: float

    @property
    def limits(self) -> tuple[float, float]:
        """Between these lie 95 of 100 errors, if they are spread as errors mostly are."""
        return self.bias - COVERAGE_95 * self.spread, self.bias + COVERAGE_95 * self.spread


def agreement(found: Sequence[Measured], trait: str) -> Agreement:
    """How one trait agrees over the goats that way measured."""
    nan = math.nan
    known = [(error, one.u95.get(trait, nan)) for one in found if (error := one.error(trait)) is not None]
    if not known:
        return Agreement(len(found), 0, nan, nan, nan, nan, nan, nan)
    errors, u95 = np.array(known).T
    stated = np.isfinite(u95)
    return Agreement(
        len(found),
        len(known),
        float(np.abs(errors).mean()),
        float(errors.mean()),
        float(errors.std(ddof=1)) if len(errors) > 1 else nan,
        float(np.abs(errors).max()),
        float(u95[stated].mean()) if stated.any() else nan,
        float(np.mean(np.abs(errors[stated]) <= u95[stated])) if stated.any() else nan,
    )


def times_worse(ours: Sequence[Measured], other: Sequence[Measured], trait: str) -> tuple[float, float]:
    """The other way's mean absolute error of a trait, cm, and how many times ours it is, on goats that both give."""
    pairs = both_known(ours, other, trait)
    if not len(pairs):
        return math.nan, math.nan
    mine, theirs = np.abs(pairs).mean(axis=0)
    return float(theirs), float(theirs / mine) if mine else math.inf


def both_known(ours: Sequence[Measured], other: Sequence[Measured], trait: str) -> Points:
    """Errors of the goats for which both ways have a value: (N, 2), cm."""
    theirs = {one.goat: one.error(trait) for one in other}
    pairs = [
        (mine, yours)
        for one in ours
        if (mine := one.error(trait)) is not None and (yours := theirs.get(one.goat)) is not None
    ]
    return np.array(pairs, dtype=float).reshape(-1, 2)


def traits_of(found: Iterable[Measured]) -> list[str]:
    """The traits that were measured or refused and have a truth, in the order in which they were given."""
    names: dict[str, None] = {}
    for one in found:
        given = [trait for trait in one.truth if trait in one.values or trait in one.reasons]
        names |= dict.fromkeys(given)
    return list(names)


# --- the table -------------------------------------------------------------------------------------


def table(ours: Sequence[Measured], others: Mapping[str, Sequence[Measured]]) -> str:
    """A row per trait: how ours agrees, then each other way's mean absolute error and how many times ours that is."""
    names = [f"{name}: mean abs. error (times ours)" for name in others]
    lines = [
        header(
            *(
                "trait, cm",
                "with a value",
                "mean abs. error",
                "bias",
                "SD",
                "worst",
                "mean u95",
                "inside u95",
            ),
            *names,
        )
    ]
    for trait in traits_of(ours):
        one = agreement(ours, trait)
        cells = [times_worse(ours, other, trait) for other in others.values()]
        lines.append(
            row(
                *(trait.removesuffix("_cm"), f"{one.known} of {one.goats}", number(one.mean_absolute, 2)),
                *(signed(one.bias), number(one.spread, 2), number(one.worst, 2), number(one.mean_u95, 2)),
                percent(one.inside),
                *(f"{number(error, 2)} ({number(times, 1)})" for error, times in cells),
            )
        )
    return "\n".join(lines)


def reasons(found: Sequence[Measured]) -> str:
    """Why values are missing: a line per trait and reason, the most frequent first."""
    counted = Counter(
        (trait.removesuffix("_cm"), without_numbers(why))
        for one in found
        for trait, why in one.reasons.items()
        if trait in one.truth
    )
    return "\n".join(f"- {count} x {trait}: {why}" for (trait, why), count in counted.most_common())


def without_numbers(text: str) -> str:
    return re.sub(r"\d+(\.\d+)?", "…", text)


def signed(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:+.2f}"


def percent(share: float) -> str:
    return "–" if math.isnan(share) else f"{100 * share:.0f} %"


# --- the plot --------------------------------------------------------------------------------------

# A panel for each; traits that are in none of them get one of their own together.
GROUPS = {
    "heights": ("head_height_cm", "withers_height_cm", "rump_height_cm"),
    "widths from above": ("shoulder_width_cm", "waist_width_cm", "rump_width_cm", "body_width_top_cm"),
    "width from the front, and from both": ("body_width_front_cm", "body_width_cm"),
    "length and girth": ("body_length_cm", "heart_girth_cm"),
}
COLOURS = ((0, 90, 160), (225, 130, 30), (120, 120, 120))
PANEL = (780, 470)
# Around a panel's axes: left, right, top, bottom, px.
MARGINS = (76, 150, 44, 62)
HEAD_PX = 56
TEXT_PX = 18


@dataclass(frozen=True, slots=True)
class Panel:
    """Where differences (up) against truths (right) lie in the picture."""

    left: int
    top: int
    truths: tuple[float, float]
    differences: tuple[float, float]

    def at(self, truth: float, difference: float) -> tuple[float, float]:
        """A point of the picture, px."""
        across = (truth - self.truths[0]) / (self.truths[1] - self.truths[0])
        up = (difference - self.differences[0]) / (self.differences[1] - self.differences[0])
        x0, y0, x1, y1 = self.frame
        return x0 + across * (x1 - x0), y1 - up * (y1 - y0)

    @property
    def frame(self) -> tuple[int, int, int, int]:
        """Left, top, right and bottom of the axes, px."""
        left, right, top, bottom = MARGINS
        return self.left + left, self.top + top, self.left + PANEL[0] - right, self.top + PANEL[1] - bottom


def draw_agreement(ways: Mapping[str, Sequence[Measured]], out: Path) -> None:
    """Difference against truth, a panel per group of traits; bias and 95 % limits of agreement of each way as lines."""
    groups = groups_of({trait for found in ways.values() for trait in traits_of(found)})
    columns = min(2, max(1, len(groups)))
    rows = math.ceil(len(groups) / columns)
    image = Image.new("RGB", (columns * PANEL[0], HEAD_PX + rows * PANEL[1]), "white")
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(TEXT_PX)
    x = float(MARGINS[0])
    for (name, _), colour in zip(ways.items(), COLOURS, strict=False):
        draw.ellipse([x, 20, x + 14, 34], fill=colour)
        draw.text((x + 22, 17), name, fill="black", font=font)
        x += 64 + font.getlength(name)
    for place, (title, traits) in enumerate(groups.items()):
        corner = place % columns * PANEL[0], HEAD_PX + place // columns * PANEL[1]
        draw_panel(draw, corner, title, {name: points_of(found, traits) for name, found in ways.items()})
    image.save(out)


def groups_of(traits: set[str]) -> dict[str, tuple[str, ...]]:
    """Title -> those of its traits that there are; empty groups are left out."""
    grouped = {trait for group in GROUPS.values() for trait in group}
    every = {**GROUPS, "others": tuple(sorted(traits - grouped))}
    held = {title: tuple(trait for trait in group if trait in traits) for title, group in every.items()}
    return {title: group for title, group in held.items() if group}


def points_of(found: Sequence[Measured], traits: Sequence[str]) -> Points:
    """Truth and difference of every value of these traits: (N, 2), cm."""
    points = [
        (one.truth[trait], error)
        for one in found
        for trait in traits
        if (error := one.error(trait)) is not None
    ]
    return np.array(points, dtype=float).reshape(-1, 2)


def draw_panel(
    draw: ImageDraw.ImageDraw, corner: tuple[int, int], title: str, ways: Mapping[str, Points]
) -> None:
    together = np.concatenate(list(ways.values()))
    lines = [value for points in ways.values() for value in limits_of(points)]
    panel = Panel(*corner, spanned(together[:, 0], 5.0), around_zero(np.append(together[:, 1], lines)))
    small, font = ImageFont.load_default(TEXT_PX - 2), ImageFont.load_default(TEXT_PX)
    draw_axes(draw, panel, title, font, small)
    coloured = list(zip(ways.values(), COLOURS, strict=False))
    # The first way is the one it is about: it lies on top.
    for points, colour in reversed(coloured):
        for truth, difference in points:
            x, y = panel.at(truth, difference)
            draw.ellipse([x - 3, y - 3, x + 3, y + 3], fill=colour)
    labels = [
        label for points, colour in reversed(coloured) for label in draw_limits(draw, panel, points, colour)
    ]
    for y, text, colour in apart(labels, TEXT_PX, panel.frame[1] + 4, panel.frame[3]):
        draw.text((panel.frame[2] + 8, y - TEXT_PX / 2 - 2), text, fill=colour, font=small)


def draw_axes(
    draw: ImageDraw.ImageDraw, panel: Panel, title: str, font: ImageFont.ImageFont | ImageFont.FreeTypeFont,
    small: ImageFont.ImageFont | ImageFont.FreeTypeFont,
) -> None:  # fmt: skip
    x0, y0, x1, y1 = panel.frame
    draw.text((x0, y0 - 30), title, fill="black", font=font)
    for value in ticks(*panel.differences):
        _, y = panel.at(panel.truths[0], value)
        draw.line([(x0, y), (x1, y)], fill=(120, 120, 120) if value == 0 else (225, 225, 225))
        draw.text((x0 - 8, y), f"{value:+g}" if value else "0", fill="black", font=small, anchor="rm")
    for value in ticks(*panel.truths):
        x, _ = panel.at(value, 0.0)
        draw.line([(x, y1), (x, y1 + 5)], fill="black")
        draw.text((x, y1 + 8), f"{value:g}", fill="black", font=small, anchor="ma")
    draw.rectangle([x0, y0, x1, y1], outline=(120, 120, 120))
    draw.text(((x0 + x1) / 2, y1 + 32), "true, cm", fill="black", font=small, anchor="ma")
    draw.text((x1, y0 - 26), "measured - true, cm", fill="black", font=small, anchor="ra")


def draw_limits(
    draw: ImageDraw.ImageDraw, panel: Panel, points: Points, colour: tuple[int, int, int]
) -> list[tuple[float, str, tuple[int, int, int]]]:
    """Bias as a full line, both limits dashed; returns what to write beside them: row, text, colour."""
    x0, _, x1, _ = panel.frame
    labels = []
    for value, name in zip(limits_of(points), ("limit", "bias", "limit"), strict=False):
        y, dash = panel.at(panel.truths[0], value)[1], x1 - x0 if name == "bias" else 9
        for x in range(x0, x1, 2 * dash):
            draw.line([(x, y), (min(x + dash, x1), y)], fill=colour, width=2)
        labels.append((y, f"{value:+.1f} {name}", colour))
    return labels


def limits_of(points: Points) -> list[float]:
    """Lower limit of agreement, bias and upper limit of differences; nothing where one difference tells no spread."""
    if len(points) < 2:
        return []
    bias, spread = float(points[:, 1].mean()), float(points[:, 1].std(ddof=1))
    return [bias - COVERAGE_95 * spread, bias, bias + COVERAGE_95 * spread]


Labels = list[tuple[float, str, tuple[int, int, int]]]


def apart(labels: Labels, least_px: float, top: float, bottom: float) -> Labels:
    """The same texts, moved up or down until no two lie on each other."""
    placed: Labels = []
    for y, text, colour in sorted(labels):
        lowest = placed[-1][0] + least_px if placed else top
        placed.append((max(y, lowest), text, colour))
    for index in range(len(placed) - 1, -1, -1):
        limit = placed[index + 1][0] - least_px if index + 1 < len(placed) else bottom
        y, text, colour = placed[index]
        placed[index] = min(y, limit), text, colour
    return placed


def spanned(values: Points, step: float) -> tuple[float, float]:
    """From the step below the least value to the step above the greatest."""
    if not len(values):
        return 0.0, step
    low, high = math.floor(float(values.min()) / step) * step, math.ceil(float(values.max()) / step) * step
    return low, high if high > low else low + step


def around_zero(values: Points) -> tuple[float, float]:
    reach = math.ceil(1.05 * float(np.abs(values).max(initial=0.5)))
    return -float(reach), float(reach)


def ticks(low: float, high: float, most: int = 8) -> list[float]:
    """Round numbers from low to high, few enough to be read."""
    step = next(
        base * 10.0**power
        for power in range(-1, 6)
        for base in (1, 2, 5)
        if (high - low) / (base * 10.0**power) <= most
    )
    return [float(value) for value in np.arange(math.ceil(low / step), math.floor(high / step) + 1) * step]
