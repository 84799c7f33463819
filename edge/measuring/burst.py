"""The shots of one press become one result: outliers drop, the rest are combined, their spread enters the doubt.

What shot i says of a trait is

    x_i = truth + c + p_i        c    the same in all shots: calibration, model, how the goat chose to stand
                                 p_i  of this shot alone: posture, breathing, a pixel here or there

and its u95 is taken to be all of c. Shots of one second show the same coat to the same network through the same lens,
and nothing says how much of u95 would be drawn anew in another picture; taking it all as common never promises what
more shots cannot give. Assumed besides is that p_i scatter about 0 and are drawn anew in each shot. Then, with weights
w_i proportional to 1 / u95_i^2 and summing to 1, over the m shots that remain,

    value   = sum w_i x_i
    common  = sum w_i u95_i                                          does not shrink with m
    s^2     = sum w_i (x_i - value)^2 / (1 - sum w_i^2)              unbiased; the usual one for equal weights
    spread  = t(m - 1) s sqrt(sum w_i^2)                             t: Student's 97.5 % point, for s is a guess too
    u95     = sqrt(common^2 + spread^2)

Before that a shot drops whose value lies further from the median than 1.5 of its own u95 and than 6 robust standard
deviations (1.4826 x the median distance from the median). Half of the shots or more always remain, and of two shots
both: nothing says which of them is wrong.

Two values that remain tell their own spread so badly (t = 12.7) that two shots would be worth less than one. They are
given the t of three. Where this ends, in standard uncertainties of a single shot (`tests/edge/test_burst.py` counts):

- Posture that scatters by up to 2: the truth lies inside in 94 to 98 % of cases, also where one of three or more shots
  went wrong. At 4 it is 88 % with three shots and 94 % with five; `moved_between_pictures` then says what to do.
- What moves more slowly than the burst is seen in part only, and more shots in the same second see no more of it:
  breath of 1 (a period of 2 to 4 s) leaves 97 % with three shots and 90 % with nine.
- Where more than a third of u95's variance is in truth drawn anew in each shot, the interval is wider than need be.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import TypeVar

from edge.advice import advise
from edge.measuring.measure import Findings
from edge.records import TRAITS, VIEWS, Advice, Measurement, Reading

OUTLIER_U95 = 1.5
OUTLIER_ROBUST_SIGMAS = 6 * 1.4826
# Student's 97.5 % point by degrees of freedom; that of 2 also stands for 1.
STUDENT_95 = (4.303, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306)
# The goat moved where its moving makes the doubt twice what it would be.
MOVED_U95 = 2.0
MOVED = "moved_between_pictures"
# trait -> the view in which it is seen.
OWN_VIEW = {trait.name: trait.views[0] for trait in TRAITS if len(trait.views) == 1}

Word = TypeVar("Word", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Combined:
    """What all shots say together, and in which of them each view is shown.

    shown  view -> index of the shot
    """

    findings: Findings
    shown: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Estimate:
    """One trait as all shots have it, and how much of its doubt is the measuring's and how much the moving's, cm."""

    measurement: Measurement
    common_u95: float = 0.0
    spread_u95: float = 0.0

    @property
    def moved(self) -> bool:
        return math.hypot(self.common_u95, self.spread_u95) > MOVED_U95 * self.common_u95


def combine(shots: Sequence[Findings]) -> Combined:
    """One result from the shots of one press. A single shot stays as it is."""
    estimates = [
        combine_trait([shot.measurements[place] for shot in shots])
        for place in range(len(shots[0].measurements))
    ]
    measurements = tuple(one.measurement for one in estimates)
    shown = shown_shots(shots, calmest_first(shots, measurements))
    numberless = {view: place for view, place in shown.items() if not measures(measurements, view)}
    readings = [agreed_reading(view, place, shots, view in numberless) for view, place in shown.items()]
    advice = agreed_advice(shots, numberless)
    if moved := moved_views(estimates):
        readings = [warned(one, MOVED) if one.view in moved else one for one in readings]
        advice.append(advise(MOVED))
    return Combined(Findings(measurements, tuple(readings), tuple(advice)), shown)


# Values.


def combine_trait(shots: Sequence[Measurement]) -> Estimate:
    """One trait from what each shot says of it; one that no shot has keeps the reason that most shots give."""
    known = [one for one in shots if one.value is not None]
    if not known:
        reason = Counter(one.reason for one in shots).most_common(1)[0][0]
        return Estimate(next(one for one in shots if one.reason == reason))
    kept = without_outliers(known)
    values, u95s = [value_of(one) for one in kept], [u95_of(one) for one in kept]
    weights = normalised([1 / u95**2 for u95 in u95s])
    value = math.fsum(w * x for w, x in zip(weights, values, strict=True))
    common = math.fsum(w * u95 for w, u95 in zip(weights, u95s, strict=True))
    spread = spread_u95(values, weights, value)
    views = tuple(dict.fromkeys(view for one in kept for view in one.views))
    confidence = round(median(one.confidence for one in kept), 3)
    measurement = Measurement(kept[0].trait, views, value, math.hypot(common, spread), confidence)
    return Estimate(measurement, common, spread)


def without_outliers(known: Sequence[Measurement]) -> list[Measurement]:
    """The shots that agree; of one or two shots, all."""
    middle = median(value_of(one) for one in known)
    robust_cm = OUTLIER_ROBUST_SIGMAS * median(abs(value_of(one) - middle) for one in known)
    return [one for one in known if abs(value_of(one) - middle) <= max(OUTLIER_U95 * u95_of(one), robust_cm)]


def spread_u95(values: Sequence[float], weights: Sequence[float], value: float) -> float:
    """What the scatter of the shots adds to the doubt of their mean, cm."""
    if len(values) == 1:
        return 0.0
    squares = math.fsum(w**2 for w in weights)
    variance = math.fsum(w * (x - value) ** 2 for w, x in zip(weights, values, strict=True)) / (1 - squares)
    student = STUDENT_95[min(len(values) - 2, len(STUDENT_95) - 1)]
    return student * math.sqrt(variance * squares)


def normalised(weights: Sequence[float]) -> list[float]:
    return [weight / math.fsum(weights) for weight in weights]


def value_of(one: Measurement) -> float:
    assert one.value is not None
    return one.value


def u95_of(one: Measurement) -> float:
    assert one.u95 is not None
    return one.u95


# The shot that shows them.


def calmest_first(shots: Sequence[Findings], combined: Sequence[Measurement]) -> list[int]:
    """Indices of the shots: fewest traits missing first, then nearest to the combined values."""

    def unrest(place: int) -> tuple[int, float]:
        pairs = [pair for pair in zip(shots[place].measurements, combined, strict=True) if has_value(pair[1])]
        both = [(one, whole) for one, whole in pairs if has_value(one)]
        far = math.fsum(((value_of(one) - value_of(whole)) / u95_of(one)) ** 2 for one, whole in both)
        return len(pairs) - len(both), far

    return sorted(range(len(shots)), key=unrest)


def shown_shots(shots: Sequence[Findings], calmest: Sequence[int]) -> dict[str, int]:
    """view -> the calmest shot that measured something in it, or else the one that saw most of a goat."""
    shown = {}
    for view in VIEWS:
        there = {place: reading for place in calmest if (reading := reading_of(shots[place], view))}
        if there:
            measured = [place for place in there if measures(shots[place].measurements, view)]
            shown[view] = (measured or sorted(there, key=lambda place: -there[place].confidence))[0]
    return shown


def reading_of(shot: Findings, view: str) -> Reading | None:
    return next((reading for reading in shot.readings if reading.view == view), None)


def measures(measurements: Iterable[Measurement], view: str) -> bool:
    """Whether a view gives a number of its own; others may use it to know where the animal stands."""
    return any(has_value(one) and OWN_VIEW.get(one.trait) == view for one in measurements)


def has_value(one: Measurement) -> bool:
    return one.value is not None


# What is said of them.


def agreed(said: Sequence[Sequence[Word]], anyway: Sequence[Word]) -> list[Word]:
    """What more than half of the shots say, and what is to be said anyway."""
    votes = Counter(one for shot in said for one in dict.fromkeys(shot))
    return [one for one in votes if votes[one] > len(said) / 2 or one in anyway]


def agreed_advice(shots: Sequence[Findings], numberless: Mapping[str, int]) -> list[Advice]:
    """What most shots advise, and for a view without any number what the shot that shows it advises."""
    first: dict[tuple[str, str | None], Advice] = {}
    for one in (one for shot in shots for one in shot.advice):
        first.setdefault((one.code, one.view), one)
    said = [[(one.code, one.view) for one in shot.advice] for shot in shots]
    anyway = [key for view, place in numberless.items() for key in said[place] if key[1] == view]
    return [first[key] for key in agreed(said, anyway)]


def agreed_reading(view: str, place: int, shots: Sequence[Findings], is_numberless: bool) -> Reading:
    """The reading of the shot that shows the view, warning of what holds for all shots together."""
    reading = reading_of(shots[place], view)
    assert reading is not None
    said = [found.warnings if (found := reading_of(shot, view)) else () for shot in shots]
    return replace(reading, warnings=tuple(agreed(said, reading.warnings if is_numberless else ())))


def moved_views(estimates: Sequence[Estimate]) -> set[str]:
    """The views whose own traits were not the same from shot to shot."""
    moved = {one.measurement.trait for one in estimates if one.moved}
    return {view for trait, view in OWN_VIEW.items() if trait in moved}


def warned(reading: Reading, code: str) -> Reading:
    return replace(reading, warnings=(*reading.warnings, code))
