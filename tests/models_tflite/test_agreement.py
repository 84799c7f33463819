"""Agreement is what the numbers say, in the table and in the plot; and a change is counted from the middle."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models_tflite.training import agreement
from models_tflite.training.agreement import Measured, draw_agreement, reasons, times_worse, traits_of
from models_tflite.training.invariance import Moved, changes, moved_table

WITHERS, RUMP, WIDTH = "withers_height_cm", "rump_height_cm", "body_width_cm"


def goat(name: str, error: float | None, u95: float | None = 1.0, true: float = 60.0) -> Measured:
    if error is None:
        return Measured(name, "a", {}, {}, {WITHERS: f"no legs within {true} px"}, {WITHERS: true})
    return Measured(name, "a", {WITHERS: true + error}, {WITHERS: u95} if u95 else {}, {}, {WITHERS: true})


# --- statistics ----------------------------------------------------------------------------------------


def test_agreement_is_what_the_numbers_say() -> None:
    errors = (1.0, -1.0, 3.0, 1.0)
    found = agreement.agreement([*(goat(f"{e}", e) for e in errors), goat("blind", None)], WITHERS)
    assert (found.goats, found.known) == (5, 4)
    assert found.mean_absolute == 1.5
    assert found.bias == 1.0
    assert found.worst == 3.0
    assert found.spread == pytest.approx(math.sqrt(8 / 3))
    assert found.limits == pytest.approx((1 - 1.96 * math.sqrt(8 / 3), 1 + 1.96 * math.sqrt(8 / 3)))


def test_inside_counts_errors_up_to_their_own_u95() -> None:
    found = [goat("a", 1.0, 1.0), goat("b", -1.0, 0.5), goat("c", 0.2, 3.0), goat("d", 9.0, None)]
    one = agreement.agreement(found, WITHERS)
    assert one.inside == pytest.approx(2 / 3)
    assert one.mean_u95 == pytest.approx(1.5)


def test_what_states_no_doubt_is_inside_of_nothing() -> None:
    one = agreement.agreement([goat("a", 1.0, None)], WITHERS)
    assert math.isnan(one.inside) and math.isnan(one.mean_u95) and one.mean_absolute == 1.0


def test_ways_are_compared_on_the_goats_that_both_measured() -> None:
    ours = [goat("a", 1.0), goat("b", -1.0), goat("c", 8.0)]
    other = [goat("a", 4.0), goat("b", 2.0), goat("c", None), goat("d", 50.0)]
    assert times_worse(ours, other, WITHERS) == (3.0, 3.0)
    assert all(math.isnan(value) for value in times_worse(ours, [], WITHERS))


def test_the_table_has_a_row_for_each_trait_that_has_a_truth() -> None:
    strange = Measured("b", "a", {WITHERS: 61.0, "weight_kg": 40.0}, {WITHERS: 2.0}, {}, {WITHERS: 60.0})
    table = agreement.table([goat("a", None), strange], {"stick": [goat("b", -2.0)]})
    assert traits_of([strange]) == [WITHERS]
    assert "| withers_height | 1 of 2 | 1.00 | +1.00 | – | 1.00 | 2.00 | 100 % | 2.00 (2.0) |" in table


def test_reasons_are_counted_whatever_numbers_they_name() -> None:
    assert reasons([goat("a", None, true=60.0), goat("b", None, true=61.5)]) == (
        "- 2 x withers_height: no legs within … px"
    )


def test_the_plot_shows_each_group_of_traits_that_there_is(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)

    def herd_of(spread: float) -> list[Measured]:
        truths = [{WITHERS: rng.uniform(40, 80), WIDTH: rng.uniform(15, 35)} for _ in range(30)]
        return [
            Measured(str(n), "a", {t: v + rng.normal(0, spread) for t, v in truth.items()}, {}, {}, truth)
            for n, truth in enumerate(truths)
        ]

    draw_agreement({"ours": herd_of(1.0), "stick": herd_of(4.0)}, tmp_path / "plot.png")
    with Image.open(tmp_path / "plot.png") as picture:
        assert picture.width == 2 * agreement.PANEL[0]
        colours = {colour for _, colour in picture.getcolors(1 << 20) or []}
    assert set(agreement.COLOURS[:2]) <= colours


def test_labels_never_lie_on_each_other() -> None:
    placed = agreement.apart(
        [(50.0, "a", (0, 0, 0)), (51.0, "b", (0, 0, 0)), (99.0, "c", (0, 0, 0))], 18, 0, 100
    )
    rows = [row for row, _, _ in placed]
    assert rows == sorted(rows) and min(np.diff(rows)) >= 18 and max(rows) <= 100


# --- moved -----------------------------------------------------------------------------------------------


def at(move: str, withers: float, rump: float = 58.0, facing: str | None = "left") -> Moved:
    truth = {WITHERS: 60.0, RUMP: 58.0}
    return Moved("g", move, {WITHERS: withers, RUMP: rump}, truth, facing, "left")


def test_a_change_is_counted_from_the_middle() -> None:
    blind = Moved("g", "turned left", {}, {WITHERS: 60.0}, None, "left")
    found = [at("in the middle", 60.5), at("10 cm ahead", 61.0), at("10 cm back", 59.0), blind]
    assert changes(found, WITHERS, ("10 cm ahead", "10 cm back")) == ([0.5, -1.5], 0)
    assert changes(found, WITHERS, ("turned left",)) == ([], 1)
    assert "| withers_height | 1.50 | – | – | – | 1.40 | 1 | 1.50 |" in moved_table(found, {"scale": found})


def test_head_and_rump_are_swapped_where_it_faces_the_wrong_way_or_their_heights_are_exchanged() -> None:
    assert not at("a", 60.2).is_swapped
    assert not at("a", 60.2, facing=None).is_swapped
    assert at("a", 60.2, facing="right").is_swapped
    assert at("a", 58.0, rump=60.0).is_swapped
    assert not at("a", 58.9, rump=59.2).is_swapped  # too near to each other to tell
