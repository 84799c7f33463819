"""Whether the same animal measures the same wherever in the crate it stands. Needs no torch and no renderer."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from models_tflite.training.tables import header, number, row

# What a goat was moved by -> the places that show it; all are compared with its place in the middle.
MIDDLE = "in the middle"
KINDS = {
    "10 cm along the crate": ("10 cm ahead", "10 cm back"),
    "10 cm across": ("10 cm to the left", "10 cm to the right"),
    "turned by 10 degrees": ("turned left", "turned right"),
    "facing the other way": ("facing the other way",),
}
# Withers and rump that differ by less than this cannot be told to be exchanged, cm.
CLEARLY_APART_CM = 1.0


@dataclass(frozen=True, slots=True)
class Moved:
    """One goat in one place, measured; lengths in cm.

    facing, truly_facing  in the side picture: "left", "right", or None where it was not told
    """

    goat: str
    move: str
    values: Mapping[str, float]
    truth: Mapping[str, float]
    facing: str | None
    truly_facing: str

    @property
    def is_swapped(self) -> bool:
        """Whether head and rump were taken for each other: it faces the wrong way, or their heights are exchanged."""
        wrong_way = self.facing is not None and self.facing != self.truly_facing
        pair = ("withers_height_cm", "rump_height_cm")
        if not all(trait in self.values and trait in self.truth for trait in pair):
            return wrong_way
        true_step = self.truth[pair[0]] - self.truth[pair[1]]
        step = self.values[pair[0]] - self.values[pair[1]]
        exchanged = true_step * step < 0 and min(abs(true_step), abs(step)) > CLEARLY_APART_CM
        return wrong_way or exchanged


def changes(found: Sequence[Moved], trait: str, moves: Sequence[str]) -> tuple[list[float], int]:
    """How much a trait changes from the middle to these places, cm, and how often it has no value there."""
    middle = {one.goat: one.values[trait] for one in found if one.move == MIDDLE and trait in one.values}
    there = [one for one in found if one.move in moves and one.goat in middle]
    known = [one.values[trait] - middle[one.goat] for one in there if trait in one.values]
    return known, len(there) - len(known)


def moved_table(ours: Sequence[Moved], others: Mapping[str, Sequence[Moved]]) -> str:
    """A row per trait: its largest change for each kind of move, that of nine in ten, how often it has no value."""
    every = [move for moves in KINDS.values() for move in moves]
    lines = [
        header(
            "largest change, cm",
            *KINDS,
            "nine in ten change less",
            "no value there",
            *(f"{name}: any move" for name in others),
        )
    ]
    for trait in dict.fromkeys(trait for one in ours for trait in one.values if trait in one.truth):
        by_kind = [number(largest(changes(ours, trait, moves)[0]), 2) for moves in KINDS.values()]
        all_changes, missing = changes(ours, trait, every)
        beside = [number(largest(changes(other, trait, every)[0]), 2) for other in others.values()]
        most = number(nine_in_ten(all_changes), 2)
        lines.append(row(trait.removesuffix("_cm"), *by_kind, most, str(missing), *beside))
    swaps = sum(one.is_swapped for one in ours)
    goats = len({one.goat for one in ours})
    return "\n".join([*lines, "", f"{goats} goats in {len(ours)} places; head and rump swapped in {swaps}."])


def largest(values: Sequence[float]) -> float:
    return max(map(abs, values)) if values else math.nan


def nine_in_ten(values: Sequence[float]) -> float:
    return float(np.percentile(np.abs(values), 90)) if values else math.nan
