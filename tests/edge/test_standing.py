"""The pieces of the joint solution, on shapes whose answer is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.measuring.standing import (
    ALIKE_CM,
    Back,
    Beliefs,
    Plane,
    alike,
    ellipse_perimeter,
    grey_opening,
    straight_line,
    without_legs,
)

ALONG = np.linspace(-36, 36, 60)


@given(st.floats(-0.3, 0.3), st.floats(-12, 12), st.integers(0, 10))
def test_the_axis_is_found_whatever_a_thigh_does_to_some_middles(
    slope: float, shift: float, first: int
) -> None:
    middle = slope * ALONG + shift
    middle[12 + first : 20 + first] += 3.0
    found, at = straight_line(ALONG, middle)
    assert found == pytest.approx(slope, abs=0.01)
    assert at == pytest.approx(shift, abs=0.5)


def test_a_foot_beside_the_trunk_is_cut_off_and_the_barrel_is_not() -> None:
    barrel = 12 - 0.002 * ALONG**2
    with_foot = barrel.copy()
    with_foot[20:25] += 4.0
    assert without_legs(ALONG, barrel) == pytest.approx(barrel, abs=0.2)
    assert without_legs(ALONG, with_foot)[20:25] == pytest.approx(barrel[20:25], abs=0.6)


def test_an_opening_takes_peaks_and_leaves_steps() -> None:
    step = np.repeat([1.0, 5.0], 20)
    assert grey_opening(step, 3) == pytest.approx(step)
    peak = np.ones(40)
    peak[18:21] = 4.0
    assert grey_opening(peak, 3) == pytest.approx(np.ones(40))
    assert grey_opening(peak[:5], 3) == pytest.approx(peak[:5])


def test_the_narrower_side_counts_where_both_differ() -> None:
    assert alike(np.array([12.0]), np.array([12.4])) == pytest.approx(12.2)
    assert alike(np.array([12.0]), np.array([17.0])) == pytest.approx(12.0 + ALIKE_CM / 2)
    assert alike(np.array([17.0]), np.array([12.0])) == pytest.approx(12.0 + ALIKE_CM / 2)


def test_a_plane_and_its_frame_lead_back() -> None:
    plane = Plane.through(np.array([4.0, 7.0]), math.radians(9), -1)
    places = plane.world(np.array([5.0, -20.0]), np.array([0.0, 3.0]), np.array([40.0, 60.0]))
    assert plane.frame(places) == pytest.approx(np.array([[5.0, 0.0, 40.0], [-20.0, 3.0, 60.0]]))
    assert plane.frame(np.array([[4.0, 7.0, 0.0]]))[0, 1] == pytest.approx(0.0)
    # It faces away from the head end, and its left is at the crate's right.
    assert plane.along[0] < 0 and plane.normal[1] < 0


def test_a_circle_is_an_ellipse() -> None:
    assert ellipse_perimeter(10.0, 10.0) == pytest.approx(2 * math.pi * 10)
    # Major axis 2, minor axis 1: 9.688448, by the complete elliptic integral.
    assert ellipse_perimeter(2.0, 1.0) == pytest.approx(9.688448, abs=1e-5)


def test_a_typical_goat_is_widest_below_the_middle_of_its_barrel() -> None:
    back = Back.typical(Beliefs(withers_cm=60.0))
    barrel = back.withers_along + (0.55 - 0.805) * 1.01 * 60
    height = float(back.widest_at(np.array([barrel]), Beliefs())[0])
    assert 0.60 * 60 < height < 0.67 * 60
