"""What the shots of one press say together: how often the truth lies inside, what drops, what is shown and said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.measuring.burst import Combined, Estimate, combine, combine_trait
from edge.measuring.measure import Findings
from edge.records import Advice, Line, Measurement, Reading

TRUTH_CM = 61.0
SIGMA_CM = 0.5
U95_CM = 1.96 * SIGMA_CM


def height(value: float | None, u95: float = U95_CM, reason: str = "no goat was found") -> Measurement:
    if value is None:
        return Measurement("withers_height_cm", ("side",), reason=reason)
    return Measurement("withers_height_cm", ("side",), value, u95, 0.9)


def heights(*values: float | None) -> list[Measurement]:
    return [height(value) for value in values]


def value_and_doubt(estimate: Estimate) -> tuple[float, float]:
    measurement = estimate.measurement
    assert measurement.value is not None
    assert measurement.u95 is not None
    return measurement.value, measurement.u95


# How often the truth lies inside. All in standard uncertainties of a single shot.

REGIMES = {
    "a goat that stands still": {"posture": 0.0},
    "a goat that breathes and shifts": {"posture": 0.7},
    "a goat that moves twice as much as the measuring errs": {"posture": 2.0},
    "one shot that is wrong": {"posture": 0.2, "wrong": 8.0},
    "one shot that is wrong, of a goat that moves": {"posture": 1.0, "wrong": 12.0},
}


def share_inside(shots: int, posture: float, wrong: float = 0.0, anew: float = 0.3) -> float:
    """How often the truth lies in the combined interval.

    anew   part of a shot's error that is drawn anew in each shot; the rest is the same in all of them
    wrong  least size of the error of one shot that has gone wrong
    """
    random = np.random.default_rng([shots, round(10 * posture), round(wrong)])
    inside, trials = 0, 3000
    for _ in range(trials):
        errors = random.normal(0.0, np.sqrt(1 - anew**2)) + random.normal(0.0, np.hypot(anew, posture), shots)
        if wrong:
            errors[random.integers(shots)] += random.choice([-1, 1]) * random.uniform(wrong, 2 * wrong)
        shown = heights(*(TRUTH_CM + SIGMA_CM * errors))
        value, u95 = value_and_doubt(combine_trait(shown))
        inside += abs(value - TRUTH_CM) <= u95
    return 100 * inside / trials


# Of two shots nothing says which is wrong.
COUNTED = [
    (regime, shots)
    for regime in REGIMES
    for shots in (2, 3, 5, 9)
    if shots > 2 or "wrong" not in REGIMES[regime]
]


@pytest.mark.parametrize(("regime", "shots"), COUNTED)
def test_the_truth_lies_in_the_stated_interval_as_often_as_stated(regime: str, shots: int) -> None:
    assert 93 <= share_inside(shots, **REGIMES[regime]) <= 99


def test_the_shot_that_is_wrong_costs_little() -> None:
    value, u95 = value_and_doubt(combine_trait(heights(61.0, 61.1, 68.0)))
    assert value == pytest.approx(61.05)
    assert u95 < 1.2 * U95_CM


# The rules, one by one.


def test_one_shot_stays_as_it_is() -> None:
    alone = Findings((height(61.3),), (reading(),), (Advice("head_down", "side", "Wait."),))
    assert combine([alone]) == Combined(alone, {"side": 0})


@given(st.floats(20, 120), st.floats(0.05, 9), st.integers(2, 9))
def test_errors_that_all_shots_share_do_not_shrink_with_their_number(
    cm: float, u95: float, shots: int
) -> None:
    value, doubt = value_and_doubt(combine_trait([height(cm, u95)] * shots))
    assert value == pytest.approx(cm)
    assert doubt == pytest.approx(u95)


@given(st.lists(st.tuples(st.floats(20, 120), st.floats(0.05, 9)), min_size=1, max_size=9))
def test_the_value_lies_among_the_shots_and_is_never_surer_than_the_surest(
    shots: list[tuple[float, float]],
) -> None:
    value, u95 = value_and_doubt(combine_trait([height(*shot) for shot in shots]))
    assert min(cm for cm, _ in shots) - 1e-9 <= value <= max(cm for cm, _ in shots) + 1e-9
    assert u95 >= min(doubt for _, doubt in shots) - 1e-9


@given(st.lists(st.floats(55, 65), min_size=2, max_size=9), st.randoms())
def test_the_order_of_the_shots_does_not_matter(values: list[float], random) -> None:
    shuffled = random.sample(values, len(values))
    assert value_and_doubt(combine_trait(heights(*shuffled))) == pytest.approx(
        value_and_doubt(combine_trait(heights(*values)))
    )


@given(st.lists(st.floats(60.9, 61.1), min_size=2, max_size=8), st.sampled_from([25.0, 52.0, 70.0, 118.0]))
def test_a_shot_far_off_changes_nothing(values: list[float], far: float) -> None:
    assert combine_trait(heights(*values, far)) == combine_trait(heights(*values))


def test_of_two_shots_that_differ_both_count_and_the_doubt_holds_both() -> None:
    value, u95 = value_and_doubt(combine_trait(heights(58.0, 64.0)))
    assert value == 61.0
    assert u95 > 3.0


def test_two_pairs_that_differ_are_all_kept() -> None:
    value, u95 = value_and_doubt(combine_trait(heights(58.0, 58.1, 64.0, 64.1)))
    assert value == pytest.approx(61.05)
    assert u95 > 3.0


def test_a_surer_shot_counts_more() -> None:
    value, _ = value_and_doubt(combine_trait([height(61.0, 0.5), height(62.0, 1.0)]))
    assert value == pytest.approx(61.2)


def test_a_trait_that_some_shots_miss_has_a_value_and_one_that_all_miss_the_most_frequent_reason() -> None:
    assert combine_trait(heights(None, 61.0, None)).measurement == height(61.0)
    cut, hidden = height(None, reason="cut off"), height(None, reason="hidden")
    assert combine_trait([hidden, cut, cut]).measurement.reason == "cut off"


# What is shown, and what is said.


def reading(view: str = "side", confidence: float = 0.9, warnings: tuple[str, ...] = ()) -> Reading:
    return Reading(
        view, confidence, "left", warnings, {}, (Line("withers_height_cm", (0, 0), (0, confidence)),)
    )


def found(value: float | None, *codes: str, confidence: float = 0.9) -> Findings:
    advice = tuple(Advice(code, "side", f"{code}.") for code in codes)
    return Findings((height(value),), (reading(confidence=confidence, warnings=codes),), advice)


def codes(combined: Combined) -> list[str]:
    return [one.code for one in combined.findings.advice]


def test_the_calmest_shot_is_shown() -> None:
    shots = [found(60.5, confidence=0.7), found(61.1, confidence=0.8), found(61.6, confidence=0.9)]
    combined = combine(shots)
    assert combined.shown == {"side": 1}
    assert combined.findings.readings == shots[1].readings


def test_a_view_that_the_calmest_shot_lacks_is_shown_from_another() -> None:
    """The front camera failed in the shots in which the goat stood best."""
    width = Measurement("body_width_front_cm", ("front",), 25.0, 1.0, 0.9)
    none = Measurement("body_width_front_cm", ("front",), reason="front: no frame")
    calm = Findings((height(61.0), none), (reading(),), ())
    restless = Findings((height(None), width), (reading(), reading("front")), ())
    combined = combine([calm, calm, restless])
    assert combined.shown == {"side": 0, "front": 2}
    assert [one.value for one in combined.findings.measurements] == [61.0, 25.0]


def test_a_view_that_measures_nothing_is_shown_where_most_of_a_goat_was_seen() -> None:
    shots = [
        found(None, confidence=0.0),
        found(None, "goat_cut_off", confidence=0.8),
        found(None, "nobody_there"),
    ]
    assert combine([*shots[:2], replace(shots[2], readings=(reading(confidence=0.2),))]).shown == {"side": 1}


def test_advice_is_what_most_shots_say() -> None:
    shots = [found(61.0, "head_down"), found(61.1, "head_down", "goat_hidden"), found(61.0)]
    combined = combine(shots)
    assert codes(combined) == ["head_down"]
    assert combined.findings.readings[0].warnings == ("head_down",)


def test_a_view_without_any_number_says_why_even_where_the_shots_disagree() -> None:
    shots = [found(None, "goat_cut_off"), found(None, "goat_hidden"), found(None, "nobody_there")]
    assert codes(combine(shots)) == ["goat_cut_off"]


def test_warnings_that_are_no_advice_stay_where_most_shots_have_them() -> None:
    warned = replace(found(61.0), readings=(reading(warnings=("floor_from_hooves",)),))
    assert combine([warned, warned, found(61.2)]).findings.readings[0].warnings == ("floor_from_hooves",)
    assert combine([warned, found(61.2), found(61.1)]).findings.readings[0].warnings == ()


@pytest.mark.parametrize(
    ("values", "moved"),
    [
        ((61.0, 61.2, 61.1), False),
        ((59.5, 61.0, 62.8), True),
        ((61.0, 61.1, 75.0), False),
        ((59.0, 61.0), True),
    ],
)
def test_a_goat_that_moved_is_told_to_stand_still(values: Sequence[float], moved: bool) -> None:
    combined = combine([found(value) for value in values])
    assert codes(combined) == ["moved_between_pictures"] * moved
    assert combined.findings.readings[0].warnings == ("moved_between_pictures",) * moved


def test_a_goat_that_moved_in_two_views_is_told_so_once() -> None:
    def shot(cm: float) -> Findings:
        width = Measurement("body_width_front_cm", ("front",), cm - 36.0, U95_CM, 0.9)
        both = Measurement("body_width_cm", ("top", "front"), 25.0, U95_CM, 0.9)
        return Findings((height(cm), width, both), (reading(), reading("top"), reading("front")), ())

    combined = combine([shot(59.5), shot(61.0), shot(62.8)])
    assert [(one.code, one.view) for one in combined.findings.advice] == [("moved_between_pictures", None)]
    assert [bool(one.warnings) for one in combined.findings.readings] == [True, False, True]


def test_a_view_is_warned_of_its_own_traits_and_measures_only_what_it_shows_itself() -> None:
    """From calibrated cameras a height names the top view too, which says where the animal stands."""

    def shot(cm: float) -> Findings:
        withers = Measurement("withers_height_cm", ("side", "top"), cm, 0.4, 0.9)
        waist = Measurement("waist_width_cm", ("top",), reason="the trunk is not seen whole")
        hidden = Advice("goat_hidden", "top", "Move what hides it.")
        readings = (Reading("side", 0.9), Reading("top", 0.9, None, ("goat_hidden",)))
        return Findings((withers, waist), readings, (hidden,) if cm < 60 else ())

    combined = combine([shot(58.0), shot(61.0), shot(64.0)])
    side, top = combined.findings.readings
    assert "moved_between_pictures" in side.warnings
    assert "moved_between_pictures" not in top.warnings
    assert combined.findings.measurements[0].views == ("side", "top")
    # The top view has no number of its own, so what its shown shot advises is said, however few shots say it.
    calm = combined.shown["top"]
    assert ("goat_hidden" in [one.code for one in combined.findings.advice]) == (calm == 0)
