"""What the ways of measuring have in common: lengths with their doubt, or reasons."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from edge.records import Line


@dataclass(frozen=True, slots=True)
class Length:
    """A measured length with one standard deviation, cm (a ratio without unit), and where it lies in the picture."""

    cm: float
    sigma_cm: float
    line: Line | None = None


@dataclass(frozen=True, slots=True)
class Readout:
    """What one way of measuring says.

    lengths   trait -> length
    reasons   trait -> why there is none
    views     trait -> the views that had a say, where that is more than the trait's own
    warnings  view -> codes
    """

    lengths: Mapping[str, Length] = field(default_factory=dict)
    reasons: Mapping[str, str] = field(default_factory=dict)
    views: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    warnings: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def with_more(self, other: Readout) -> Readout:
        return Readout(
            {**self.lengths, **other.lengths},
            {**self.reasons, **other.reasons},
            {**self.views, **other.views},
            {**self.warnings, **other.warnings},
        )


def quadrature(*sigmas: float) -> float:
    return math.sqrt(sum(sigma**2 for sigma in sigmas))
