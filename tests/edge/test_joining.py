"""A press gets the tag and the weight of the goat that stands there, or none; never those of another goat."""

from __future__ import annotations

import pytest

from edge.devices.joining import TagRead, Weighing, Window, tags_of, weight_of
from edge.devices.weights import read_scale

PRESS = 1000.0
HEIDI, FLORA = "982000001088420", "840003123456789"
TAGS, WEIGHTS = Window(30.0, 5.0), Window(5.0, 5.0)


def at(seconds: float) -> float:
    """A moment, counted from the press."""
    return PRESS + seconds


def tags(*reads: tuple[str, float], used: dict[str, float] | None = None) -> tuple[str, ...]:
    until = {tag: at(seconds) for tag, seconds in (used or {}).items()}
    return tags_of([TagRead(tag, at(seconds)) for tag, seconds in reads], PRESS, TAGS, until)


def kg(*shown: tuple[str, float]) -> float | None:
    """What is taken for the goat's weight of lines and when they came."""
    weighings = [Weighing(read_scale(line.encode(), "kg"), at(seconds)) for line, seconds in shown]
    weight = weight_of(weighings, PRESS, WEIGHTS)
    return round(weight.kg, 3) if weight else None


@pytest.mark.parametrize("seconds", [-30.0, -0.1, 0.0, 5.0])
def test_one_tag_near_the_press_is_the_goats(seconds: float) -> None:
    assert tags((HEIDI, seconds)) == (HEIDI,)
    assert tags((HEIDI, seconds), (HEIDI, seconds)) == (HEIDI,)


@pytest.mark.parametrize("seconds", [-30.1, 5.1, -3600.0, 3600.0])
def test_a_tag_far_from_the_press_is_nobodys(seconds: float) -> None:
    assert tags((HEIDI, seconds)) == ()


def test_two_tags_near_the_press_are_both_told() -> None:
    assert tags((HEIDI, -20), (FLORA, -1)) == (HEIDI, FLORA)
    assert tags((HEIDI, -1), (FLORA, 4)) == (HEIDI, FLORA)


def test_a_tag_that_belonged_to_an_earlier_press_is_not_the_next_goats() -> None:
    assert tags((HEIDI, -20), used={HEIDI: -15}) == ()
    # It lingered at the reader for a while after its own press.
    assert tags((HEIDI, -20), (HEIDI, -10), used={HEIDI: -15}) == ()
    assert tags((HEIDI, -10), (FLORA, -2), used={HEIDI: -15}) == (FLORA,)


def test_a_goat_that_is_still_read_at_the_next_press_is_measured_again() -> None:
    assert tags((HEIDI, -20), (HEIDI, -2), used={HEIDI: -15}) == (HEIDI,)


def test_the_last_stable_weight_before_the_press_is_taken() -> None:
    assert kg(("ST,GS,+00040.0kg", -4), ("ST,GS,+00041.0kg", -1), ("ST,GS,+00042.0kg", 1)) == 41.0
    assert kg(("ST,GS,+00041.0kg", -2), ("US,GS,+00043.0kg", -1)) == 41.0


def test_without_one_the_first_stable_weight_after_the_press_is_taken() -> None:
    assert kg(("US,GS,+00043.0kg", -1), ("US,GS,+00042.0kg", 1), ("ST,GS,+00041.0kg", 2)) == 41.0


def test_an_unstable_weight_is_never_taken() -> None:
    assert kg(("US,GS,+00043.0kg", -1), ("US,GS,+00043.0kg", 1)) is None


def test_a_weight_from_before_the_scale_was_empty_is_another_goats() -> None:
    assert kg(("ST,GS,+00041.0kg", -4), ("ST,GS,+00000.0kg", -3)) is None
    assert kg(("ST,GS,+00041.0kg", -4), ("US,GS,+00000.2kg", -3), ("US,GS,+00050.0kg", -1)) is None
    assert kg(("US,GS,+00000.2kg", -3), ("ST,GS,+00050.0kg", -1)) == 50.0


def test_a_weight_from_after_the_scale_was_empty_is_the_next_goats() -> None:
    assert kg(("US,GS,+00041.0kg", -1), ("ST,GS,+00000.0kg", 2), ("ST,GS,+00050.0kg", 4)) is None


@pytest.mark.parametrize("seconds", [-5.1, 5.1])
def test_a_weight_far_from_the_press_is_not_taken(seconds: float) -> None:
    assert kg(("ST,GS,+00041.0kg", seconds)) is None


def test_nothing_and_far_too_much_are_no_weights() -> None:
    assert kg(("ST,GS,-00041.0kg", -1)) is None
    assert kg(("ST,GS,+00410.0kg", -1)) is None
