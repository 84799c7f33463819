"""What measuring with one number per view used to read from an outline."""

from __future__ import annotations

import numpy as np
import pytest

from edge.records import Label
from models_tflite.training.one_scale import heights_px


def test_heights_as_before_are_from_the_lowest_pixel_to_horns_the_lowest_back_and_the_rump() -> None:
    mask = np.zeros((300, 400), np.uint8)
    mask[100:200, 50:300] = Label.BODY
    mask[90:100, 60:110] = Label.BODY  # the croup
    mask[200:280, 60:80] = mask[200:280, 270:290] = Label.BODY
    mask[40:120, 300:360] = Label.HEAD
    mask[20:40, 310:315] = Label.HEAD  # a horn
    facing_right = heights_px(mask, "right")
    assert facing_right["head_height_cm"] == 260
    assert facing_right["withers_height_cm"] == pytest.approx(180, abs=0.5)
    assert facing_right["rump_height_cm"] == pytest.approx(190, abs=0.5)
    assert heights_px(mask[:, ::-1], "left") == facing_right
    assert heights_px(mask, None).keys() == {"head_height_cm"}
