"""Dirt on a lens is told over many captures: it hides what used to be seen, which light, goats and straw do not."""

from __future__ import annotations

from collections.abc import Iterable

import cv2
import numpy as np
import pytest

from edge.keeping.store import GLANCES_KEPT
from edge.lens import CELL_PX, FEWEST_BEFORE, HIDDEN, LATELY, find_dirt, fine_detail, is_in_the_way
from edge.records import Glance, Pixels

SIZE = 640, 480
DROP, RADIUS = (430, 150), 26
GOAT = (300, 280), (110, 70)


def crate(seed: int = 0) -> np.ndarray:
    """A wall with many rails before it: (480, 640), grey."""
    rng = np.random.default_rng(seed)
    view = np.full(SIZE[::-1], 150, np.float32)
    for _ in range(60):
        ends = rng.integers(0, SIZE, (2, 2))
        cv2.line(
            view, ends[0].tolist(), ends[1].tolist(), float(rng.uniform(50, 220)), int(rng.integers(2, 9))
        )
    return view


def through_a_drop(view: np.ndarray) -> np.ndarray:
    cover = np.zeros(SIZE[::-1], np.float32)
    cv2.circle(cover, DROP, RADIUS, (1.0,), -1)
    cover = 0.9 * cv2.GaussianBlur(cover, (0, 0), 3)
    return view + (cv2.GaussianBlur(view, (0, 0), 12) + 15 - view) * cover


def capture(number: int, dirty: bool = False) -> Pixels:
    """The detail of one capture: a goat somewhere, a shadow across, other light, and at dusk much grain."""
    rng = np.random.default_rng([number, 7])
    view = crate()
    mask = np.zeros(SIZE[::-1], np.uint8)
    centre = (np.array(GOAT[0]) + rng.integers(-20, 20, 2)).tolist()
    cv2.ellipse(mask, centre, GOAT[1], 0, 0, 360, (1,), -1)
    view[mask > 0] = 90
    shade = np.ones(SIZE[::-1], np.float32)
    corners = rng.integers([0, 0], SIZE, (3, 2)).astype(np.int32)
    cv2.fillConvexPoly(shade, corners, (float(rng.uniform(0.4, 0.9)),))
    view = view * shade
    if dirty:
        view = through_a_drop(view)
    light, flat = rng.uniform(0.4, 1.1), rng.uniform(0, 40)
    grain = rng.normal(0, 8 if rng.random() < 0.2 else 2, view.shape)
    return fine_detail(np.clip(view * light + flat + grain, 0, 255).astype(np.uint8), mask)


def remembered(details: Iterable[Pixels], memory: list[Glance]) -> list[bool]:
    """In which captures dirt is found, one after the other, with a memory as long as the station's."""
    said = []
    for detail in details:
        dirty = bool(find_dirt(memory[-GLANCES_KEPT:], detail).any())
        memory.append(Glance("side", detail, dirty))
        said.append(dirty)
    return said


@pytest.fixture(scope="module")
def clean() -> list[Pixels]:
    return [capture(number) for number in range(FEWEST_BEFORE + LATELY + 10)]


@pytest.fixture(scope="module")
def dirty() -> list[Pixels]:
    return [capture(100 + number, dirty=True) for number in range(LATELY + 30)]


def learnt(clean: list[Pixels]) -> list[Glance]:
    return [Glance("side", detail) for detail in clean[:FEWEST_BEFORE]]


def test_light_goats_shadows_and_grain_are_no_dirt(clean: list[Pixels]) -> None:
    assert not any(remembered(clean, []))


def test_a_drop_is_said_after_twenty_captures_and_as_long_as_it_is_there(
    clean: list[Pixels], dirty: list[Pixels]
) -> None:
    said = remembered(dirty, learnt(clean))
    assert said == [number >= LATELY for number in range(1, len(dirty) + 1)]


def test_a_drop_is_found_where_it_is_and_nowhere_else(clean: list[Pixels], dirty: list[Pixels]) -> None:
    memory = learnt(clean) + [Glance("side", detail) for detail in dirty[: LATELY - 1]]
    rows, columns = np.nonzero(find_dirt(memory, dirty[LATELY - 1]))
    away_px = np.hypot((columns + 0.5) * CELL_PX - DROP[0], (rows + 0.5) * CELL_PX - DROP[1])
    assert away_px.min() < CELL_PX
    assert away_px.max() < RADIUS + 3 * CELL_PX


def test_the_first_capture_after_wiping_is_clean(clean: list[Pixels], dirty: list[Pixels]) -> None:
    memory = learnt(clean)
    assert remembered(dirty[: LATELY + 5], memory)[-1]
    assert not any(remembered(clean[FEWEST_BEFORE:], memory))


def test_what_stays_for_longer_than_the_memory_is_how_the_view_looks(
    clean: list[Pixels], dirty: list[Pixels]
) -> None:
    said = remembered(dirty * 4, learnt(clean))
    assert said[LATELY:90] == [True] * (90 - LATELY)
    assert not any(said[GLANCES_KEPT:])


def test_a_view_that_was_always_soft_there_says_nothing(dirty: list[Pixels]) -> None:
    assert not any(remembered(dirty, []))


def test_what_only_ever_a_goat_hides_is_not_judged(clean: list[Pixels], dirty: list[Pixels]) -> None:
    def hidden(details: list[Pixels]) -> list[Pixels]:
        over_the_drop = np.zeros(details[0].shape, bool)
        over_the_drop[DROP[1] // 8 - 6 : DROP[1] // 8 + 7, DROP[0] // 8 - 6 : DROP[0] // 8 + 7] = True
        return [np.where(over_the_drop, HIDDEN, detail).astype(np.uint8) for detail in details]

    assert not any(remembered(hidden(dirty), learnt(hidden(clean))))


def test_pictures_of_another_size_are_not_compared(clean: list[Pixels], dirty: list[Pixels]) -> None:
    assert not any(remembered([detail[:-1] for detail in dirty], learnt(clean)))


def test_half_the_light_leaves_the_same_detail() -> None:
    bright = np.clip(crate(), 0, 255)
    whole, half = (
        fine_detail(one.astype(np.uint8), None).astype(float) for one in (bright, (bright + 16) / 2 - 16)
    )
    clear = whole > 16
    assert np.median(half[clear] / whole[clear]) == pytest.approx(1, abs=0.05)


def test_dirt_is_in_the_way_only_before_the_goat() -> None:
    now, dirt = np.full((6, 8), 9, np.uint8), np.zeros((6, 8), bool)
    now[2:5, 3:6] = HIDDEN
    dirt[0, 0] = True
    assert not is_in_the_way(dirt, now)
    dirt[4, 5] = True
    assert is_in_the_way(dirt, now)
