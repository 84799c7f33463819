"""The bench of dirty lenses counts from the capture at which the dirt comes, and knows what a spot hides."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("moderngl", reason="the simulator needs the training extra (moderngl)")
pytest.importorskip("skimage", reason="the simulator needs the training extra (scikit-image)")

from edge.lens import FEWEST_BEFORE, LATELY
from models_tflite.training.lens_bench import CLEAN, KINDS, Lens, detail_of, first_said, report, spotted
from models_tflite.training.simulator.photo import through_dirt

BARS = np.where(np.arange(640) // 6 % 2, 60.0, 180.0).astype(np.float32)[None].repeat(480, axis=0)


def test_a_drop_before_bars_is_said_when_enough_captures_show_it() -> None:
    cover = spotted(np.random.default_rng(1), BARS.shape, 1, 0.15)
    nobody = np.zeros(BARS.shape, np.uint8)
    pictures = [BARS] * FEWEST_BEFORE + [through_dirt(BARS, cover, drops=True)] * LATELY
    details = [detail_of(np.random.default_rng(n), one, nobody, False) for n, one in enumerate(pictures)]
    assert first_said(details, FEWEST_BEFORE) == LATELY
    assert first_said(details[:FEWEST_BEFORE] * 3, FEWEST_BEFORE) is None


def test_a_spot_is_as_wide_as_it_was_asked_for() -> None:
    widths = [
        np.count_nonzero(spotted(np.random.default_rng(seed), (480, 640), 1, 0.1).any(axis=0)) / 640
        for seed in range(60)
    ]
    assert np.median(widths) == pytest.approx(0.1, rel=0.15)


def test_dirt_looks_the_same_through_grey_and_colour() -> None:
    cover = spotted(np.random.default_rng(2), BARS.shape, 3, 0.1)
    colour = through_dirt(np.dstack([BARS] * 3), cover, drops=True)
    assert np.allclose(colour[..., 1], through_dirt(BARS, cover, drops=True), atol=1e-3)


def test_the_report_keeps_false_alarms_and_hidden_drops_apart() -> None:
    kind = next(iter(KINDS))
    said = [
        Lens(1, "side", CLEAN, None, True),
        Lens(1, "top", CLEAN, 3, True),
        Lens(2, "top", CLEAN, None, True),
        Lens(1, "side", kind, 20, True),
        Lens(2, "side", kind, None, False),
    ]
    first, _, drops, *_ = report(said).splitlines()
    assert first == "a clean lens: said of 1 of 3 lenses, at 1 of 2 stations"
    assert drops.split()[-6:] == ["50", "%", "1", "100", "%", "20"]
