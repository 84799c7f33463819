"""The points of an outline: on plain drawn goats, on real ones, and on what is no goat at all."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from edge.measuring.geometry import (
    facing,
    find_trunk,
    front_width,
    landmarks,
    parts,
    side_landmarks,
    top_widths,
    touched_borders,
)
from edge.records import Landmark, Pixels
from tests.conftest import goat_outline


def trunk_from_above(turn_deg: float, mirrored: bool = False) -> Pixels:
    """Rump 100 px, waist 80 px, shoulder 90 px wide, 300 px long, the head at the right, turned about its middle."""
    mask = np.zeros((600, 800), np.uint8)
    outline = [(250, 250), (310, 250), (400, 260), (490, 255), (550, 255)]
    lower = [(x, 600 - y) for x, y in reversed(outline)]
    cv2.fillPoly(mask, [np.array(outline + lower)], 1)
    cv2.rectangle(mask, (550, 285), (620, 315), 1, -1)
    cv2.ellipse(mask, (650, 300), (45, 25), 0, 0, 360, 2, -1)
    turn = cv2.getRotationMatrix2D((400, 300), turn_deg, 1.0)
    turned = cv2.warpAffine(mask, turn, (800, 600), flags=cv2.INTER_NEAREST)
    return np.ascontiguousarray(turned[:, ::-1]) if mirrored else turned


def test_a_plain_goat_gives_withers_rump_and_poll_where_they_were_drawn() -> None:
    points = side_landmarks(goat_outline())
    assert points["withers"] == pytest.approx((260, 201), abs=12)
    assert points["withers"][1] == pytest.approx(201, abs=3)
    assert points["rump"][1] == pytest.approx(192, abs=3)
    assert points["poll"][1] == pytest.approx(124, abs=8)


def test_a_mirrored_goat_gives_the_same_points_mirrored() -> None:
    mask = goat_outline()
    points = side_landmarks(mask)
    mirrored = side_landmarks(np.ascontiguousarray(mask[:, ::-1]))
    assert facing(mask) == "left"
    assert mirrored.keys() == points.keys()
    for name, (x, y) in points.items():
        assert mirrored[name] == pytest.approx((mask.shape[1] - 1 - x, y))


def test_without_a_head_front_and_rear_are_not_guessed() -> None:
    mask = np.where(goat_outline() == 2, 0, goat_outline()).astype(np.uint8)
    assert facing(mask) is None
    assert side_landmarks(mask) == {}


def pointed_at(confidence: float = 0.9, **points: tuple[float, float]) -> dict[str, Landmark]:
    return {name: Landmark(x, y, confidence) for name, (x, y) in points.items()}


def test_far_from_where_the_network_points_the_height_is_read_off_the_outline_there() -> None:
    marks = pointed_at(withers=(320.0, 260.0), rump=(450.0, 150.0), poll=(150.0, 130.0))
    points = side_landmarks(goat_outline(), marks)
    for name in ("withers", "rump"):
        assert points[name][0] == pytest.approx(marks[name].x, abs=6)
        assert points[name][1] == pytest.approx(200, abs=12)  # the back, not where it was pointed at
    assert points["poll"] == (150.0, 130.0)


def test_near_where_the_network_points_the_outlines_own_point_stays() -> None:
    own = side_landmarks(goat_outline())
    marks = pointed_at(withers=(own["withers"][0] + 8, 210.0), rump=(own["rump"][0] - 8, 205.0))
    points = side_landmarks(goat_outline(), marks)
    assert (points["withers"], points["rump"]) == (own["withers"], own["rump"])


def test_an_unsure_network_changes_nothing() -> None:
    marks = pointed_at(0.1, withers=(300.0, 260.0), rump=(480.0, 150.0), poll=(10.0, 10.0))
    assert side_landmarks(goat_outline(), marks) == side_landmarks(goat_outline())


def test_landmarks_tell_front_and_rear_where_the_head_is_hidden() -> None:
    mask = np.where(goat_outline() == 2, 0, goat_outline()).astype(np.uint8)
    marks = pointed_at(withers=(260.0, 200.0), rump=(480.0, 195.0))
    assert facing(mask, marks) == "left"
    assert {"withers", "rump"} <= side_landmarks(mask, marks).keys()
    assert facing(mask, pointed_at(withers=(260.0, 200.0))) is None


@pytest.mark.parametrize("forward", [1, -1])
def test_a_headless_trunk_from_above_is_turned_by_its_landmarks(forward: int) -> None:
    mask = np.where(trunk_from_above(0) == 2, 0, trunk_from_above(0)).astype(np.uint8)
    middle, reach = 400.0, 120.0 * forward
    marks = pointed_at(withers=(middle + reach, 300.0), tail_root=(middle - reach, 300.0))
    trunk = find_trunk(mask, marks)
    assert trunk is not None and trunk.knows_front
    assert np.sign(trunk.along[0]) == forward
    headless = find_trunk(mask)
    assert headless is not None and not headless.knows_front


def test_a_goat_with_its_head_down_still_has_its_withers_above_the_fore_legs() -> None:
    mask = np.where(goat_outline() == 2, 0, goat_outline()).astype(np.uint8)
    mask[:210, :230] = 0
    cv2.ellipse(mask, (150, 420), (50, 30), 0, 0, 360, 2, -1)
    x, y = side_landmarks(mask)["withers"]
    assert 230 <= x <= 330
    assert y == pytest.approx(201, abs=6)


@pytest.mark.parametrize("mirrored", [False, True])
def test_left_and_right_from_above_are_the_animals_own(mirrored: bool) -> None:
    """Seen from above, a goat that faces right has its left flank at the top of the picture; facing left, below."""
    points = landmarks(trunk_from_above(0, mirrored), "top")
    for name in ("shoulder", "waist", "rump"):
        is_above = points[f"{name}_left"][1] < points[f"{name}_right"][1]
        assert is_above != mirrored


@pytest.mark.parametrize("turn_deg", [0, 10, -12, 90, 180])
@pytest.mark.parametrize("mirrored", [False, True])
def test_widths_from_above_do_not_depend_on_how_the_goat_lies(turn_deg: float, mirrored: bool) -> None:
    trunk = find_trunk(trunk_from_above(turn_deg, mirrored))
    assert trunk is not None
    widths = {name: width.px for name, width in top_widths(trunk).items()}
    assert widths["rump"] == pytest.approx(100, abs=4)
    assert widths["waist"] == pytest.approx(80, abs=4)
    assert widths["shoulder"] == pytest.approx(90, abs=4)
    assert widths["body"] == pytest.approx(100, abs=4)


def test_a_front_view_is_as_wide_as_the_trunk_not_the_legs_or_the_head() -> None:
    mask = np.zeros((600, 400), np.uint8)
    cv2.ellipse(mask, (200, 250), (75, 120), 0, 0, 360, 1, -1)
    for x in (120, 260):
        cv2.rectangle(mask, (x, 330), (x + 20, 560), 1, -1)
    cv2.ellipse(mask, (200, 150), (90, 30), 0, 0, 360, 2, -1)
    width = front_width(mask)
    assert width is not None
    assert width.px == pytest.approx(150, abs=4)


def test_the_borders_that_cut_a_goat_off_are_named() -> None:
    mask = np.zeros((100, 100), np.uint8)
    mask[40:60, :30] = 1
    assert touched_borders(mask) == {"left"}


def test_a_goat_behind_a_beam_is_in_two_parts() -> None:
    mask = trunk_from_above(0)
    mask[:, 380:440] = 0
    assert parts(mask) == 2


@settings(max_examples=60, deadline=None)
@given(arrays.arrays(np.uint8, (48, 64), elements=st.integers(0, 2)))
def test_noise_never_raises(mask: Pixels) -> None:
    large = cv2.resize(mask, (256, 192), interpolation=cv2.INTER_NEAREST)
    side_landmarks(large)
    front_width(large)
    trunk = find_trunk(large)
    if trunk is not None:
        top_widths(trunk)


@pytest.mark.parametrize("label", [0, 1, 2])
def test_pictures_full_of_one_label_never_raise(label: int) -> None:
    mask = np.full((200, 300), label, np.uint8)
    assert side_landmarks(mask) == {} or label == 1
    front_width(mask)
    find_trunk(mask)


def test_hand_drawn_outlines_of_real_goats_give_the_hand_marked_points(real_goats: Path) -> None:
    """Withers and rump within 1.5 cm, the poll (horns and ears overlap it) within 4 cm, wherever they are visible."""
    labels = json.loads((real_goats / "labels.json").read_text())
    marks = json.loads((real_goats / "landmarks.json").read_text())["side"]
    for name, marked in marks.items():
        points = side_landmarks(drawn_mask(labels, f"images/{name}.jpg"))
        px_per_cm = ruler_scale(marked["ruler_marks"])
        for landmark, mark, tolerance_cm in (
            ("withers", "withers_top", 1.5),
            ("rump", "rump_top", 1.5),
            ("poll", "poll_top", 4.0),
        ):
            if marked[mark] and landmark in points:
                apart_cm = (points[landmark][1] - marked[mark][1]) / px_per_cm
                assert abs(apart_cm) <= tolerance_cm, f"{name} {landmark}: {apart_cm:.1f} cm"


def drawn_mask(labels: dict, file_name: str) -> Pixels:
    image = next(one for one in labels["images"] if one["file_name"] == file_name)
    mask = np.zeros((image["height"], image["width"]), np.uint8)
    for label in (1, 2):
        for one in labels["annotations"]:
            if one["image_id"] == image["id"] and one["category_id"] == label:
                polygons = [np.array(s).reshape(-1, 2).round().astype(int) for s in one["segmentation"]]
                cv2.fillPoly(mask, polygons, label)
    return mask


def ruler_scale(ruler_marks: list[dict]) -> float:
    """px per cm of the ruler on the clear panel nearest the camera."""
    rows = {mark["value"]: mark["y"] for mark in ruler_marks if mark["unit"] == "cm"}
    return (max(rows.values()) - min(rows.values())) / (max(rows) - min(rows))
