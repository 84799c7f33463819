"""A picture that is blurred, dark or washed out is called so; a dark goat, a white one and grain are not."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.images import read_picture
from edge.quality import WIDTH_PX, find_edges, inspect, worst_blur_px
from edge.records import Pixels
from tests.conftest import SAMPLES

CAPTURES = sorted((SAMPLES / "captures").glob("goat_*"))


def shown(folder: Path, view: str) -> tuple[Pixels, Pixels]:
    rgb = read_picture(folder / f"{view}.jpg").rgb
    mask = read_picture(folder / f"{view}_mask.png").rgb[..., 0]
    return rgb, cv2.resize(mask, rgb.shape[1::-1], interpolation=cv2.INTER_NEAREST)


def said(rgb: Pixels, mask: Pixels | None, view: str = "side") -> list[str]:
    return [one.code for one in inspect(view, rgb, mask, None, None).advice]


@pytest.mark.parametrize("view", ["side", "top", "front"])
@pytest.mark.parametrize("folder", CAPTURES, ids=lambda folder: folder.name)
def test_a_good_picture_is_left_alone_and_a_blurred_one_is_not(folder: Path, view: str) -> None:
    rgb, mask = shown(folder, view)
    assert said(rgb, mask, view) == []
    assert said(cv2.GaussianBlur(rgb, (0, 0), 0.008 * rgb.shape[1]), mask, view) == ["blurred"]


def test_a_shaken_picture_is_blurred_though_it_is_sharp_along_the_shake() -> None:
    rgb, mask = shown(CAPTURES[0], "side")
    assert said(cv2.blur(rgb, (65, 1)), mask) == ["blurred"]


def test_grain_is_neither_sharpness_nor_blur() -> None:
    rgb, mask = shown(CAPTURES[0], "side")
    grain = np.random.default_rng(0).normal(0, 12, rgb.shape)
    assert said(np.clip(rgb + grain, 0, 255).astype(np.uint8), mask) == []
    soft = cv2.GaussianBlur(rgb, (0, 0), 0.01 * rgb.shape[1])
    assert said(np.clip(soft + grain, 0, 255).astype(np.uint8), mask) == ["blurred"]


def test_a_black_smooth_goat_is_neither_blurred_nor_too_dark() -> None:
    rgb, mask = shown(CAPTURES[0], "side")
    smooth = np.where(mask[..., None] > 0, np.uint8(12), rgb)
    assert said(smooth, mask) == []


def test_a_dim_picture_is_not_blurred_and_a_dark_one_says_dark() -> None:
    rgb, mask = shown(CAPTURES[0], "side")
    assert said((rgb * 0.5).astype(np.uint8), mask) == []
    assert said((rgb * 0.15).astype(np.uint8), mask) == ["too_dark"]
    assert said(np.zeros_like(rgb), None) == ["too_dark"]


def test_light_on_the_goat_is_too_bright_and_a_bright_door_behind_it_is_not() -> None:
    rgb, mask = shown(CAPTURES[0], "side")
    assert said(np.where(mask[..., None] > 0, np.uint8(255), rgb), mask) == ["too_bright"]
    door = rgb.copy()
    door[: rgb.shape[0] // 5] = 255
    assert said(door, mask) == []
    assert said(np.full_like(rgb, 255), None) == ["too_bright"]


@settings(max_examples=30, deadline=None)
@given(st.floats(0.8, 3.0), st.integers(15, 120), st.integers(40, 120))
def test_the_blur_of_a_step_is_read_back_whatever_its_height(blur_px: float, low: int, height: int) -> None:
    step = np.full((240, WIDTH_PX), low, np.float32)
    step[:, WIDTH_PX // 2 :] += height
    step = cv2.GaussianBlur(step, (0, 0), blur_px)
    edges = find_edges(step.round().astype(np.uint8))
    assert worst_blur_px(edges, edges.is_peak, 0.5) == pytest.approx(blur_px, abs=0.15 + 0.2 * blur_px)


@settings(max_examples=30, deadline=None)
@given(st.integers(120, 900), st.integers(120, 900), st.integers(0, 255))
def test_any_picture_can_be_looked_over(width: int, height: int, grey: int) -> None:
    rgb = np.full((height, width, 3), grey, np.uint8)
    mask = np.zeros((height, width), np.uint8)
    mask[height // 3 : height // 2, width // 3 : width // 2] = 1
    assert "blurred" not in said(rgb, mask)


def test_photographs_of_real_goats_raise_no_alarm(real_goats: Path) -> None:
    from models_tflite.training.labels import read_labelled

    photographs = [photograph.load() for photograph in read_labelled(real_goats)]
    assert [one.name for one in photographs if said(one.rgb, one.mask, one.view)] == []
