"""Scores are what they say, and an interrupted evaluation goes on."""

from __future__ import annotations

import numpy as np
import pytest

from edge.records import Landmark, Segmentation
from models_tflite.training import evaluate, tables
from models_tflite.training.score import Ledger, Score, iou, judged, outline_distance_px

OUTLINE_SIDE_PX = 1600


def square(shift: int = 0, size: int = 400) -> np.ndarray:
    mask = np.zeros((size * 3 // 4, size), np.uint8)
    mask[100:200, 100 + shift : 250 + shift] = 1
    return mask


def test_iou_of_equal_shifted_and_empty_masks():
    assert iou(square() > 0, square() > 0) == 1.0
    assert iou(square() > 0, square(75) > 0) == pytest.approx(75 / 225)
    assert np.isnan(iou(square() > 1, square() > 1))


def test_outline_distance_is_in_pixels_of_a_large_picture():
    # Both upright edges are 10 px off, both level ones hardly: 2 * 100 of 500 outline pixels.
    distance = outline_distance_px(square(), square(10))
    assert distance == pytest.approx(10 * 200 / 500 * OUTLINE_SIDE_PX / 400, rel=0.2)
    assert np.isnan(outline_distance_px(square(), np.zeros_like(square())))


def test_landmarks_are_judged_in_cm_above_and_across():
    seen = Segmentation("side", square(), 0.9, {"withers": Landmark(180.0, 100.0, 0.9)})
    marks = {"rump": (120.0, 110.0), "withers": (180.0, 104.0), "poll": (1.0, 1.0)}
    one = judged("a", "7", seen, square(), marks, 0.5, 0.01)
    assert one.height_cm == {}  # which way it faces cannot be told
    turned = {**seen.landmarks, "rump": Landmark(120.0, 100.0, 0.9)}
    both = judged("a", "7", Segmentation("side", square(), 0.9, turned), square(), marks, 0.5, 0.01)
    assert both.height_cm["withers"] == pytest.approx(2.0, abs=0.3)
    assert both.height_cm["rump"] == pytest.approx(5.0, abs=0.3)


def test_a_speck_is_no_goat_whatever_its_confidence():
    speck = np.zeros((300, 400), np.uint8)
    speck[5, 5] = 1
    assert judged("a", "7", Segmentation("side", speck, 0.9), square(), {}, None, 0.01).confidence == 0.0


def test_a_ledger_goes_on_after_half_a_line(tmp_path):
    path = tmp_path / "scores.jsonl"
    Ledger(path, Score).once("one", lambda: Score("one", "side", "7", 0.5, {"none": 0.1}, iou=0.75))
    with path.open("a") as lines:
        lines.write('\n{"key": "two", "na')
    again = Ledger(path, Score)
    assert again.once("one", lambda: pytest.fail("made again")).iou == 0.75
    assert again.once("two", lambda: Score("two", "top", "8", 0.1, {})).view == "top"


def test_the_threshold_keeps_pictures_without_a_goat_out():
    goats = [Score("g", "side", "goat s", 0.95, {"none": 0.0})] * 50
    blobs = [Score("n", "side", "empty s", 0.62, {"none": 0.1})] * 5
    unseen = [Score("n", "side", "empty s", 0.02, {"none": 0.9})] * 45
    value, reason = evaluate.choose_threshold(goats, blobs + unseen)
    assert value == pytest.approx(0.65)
    assert "50 pictures" in reason


def test_a_station_notices_what_one_of_its_views_notices():
    def one(station: str, part: float) -> Score:
        return Score("x", "side", f"half_goat {station}", 0.9, {"part": part, "one": 1 - part})

    scores = [one("a", 0.9), one("a", 0.1), one("b", 0.2), one("b", 0.3)]
    table = tables.scenes(scores, lambda score: True)
    assert "| half_goat | 4 | 75.0% | 25.0% | 2 | 50.0% |" in table


def test_the_table_of_photographs_has_a_row_for_each_and_a_mean_for_each_view():
    scores = [Score("side_g1", "side", "1", 0.9, {}, iou=0.9, height_cm={"withers": -1.0, "rump": 3.0})]
    table = tables.photographs(scores)
    assert "| side_g1 | side | 1 | 0.900 |" in table
    assert "-1.0 | +3.0 | –" in table
    assert "| side | 1 | 0.900 | – | – | – | 2.0 |" in table
