"""The self-test of a model: the shipped one passes, and every way of being wrong is found by the check meant for it."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count

import numpy as np
import pytest

from edge.records import Label, Picture, Pixels, Segmentation
from edge.segment import SHIPPED_MODEL, Segmenter, read_card
from edge.selftest import REASONS, SAMPLES, Golden, Report, iou, read_goldens, self_test

Wrong = Callable[[Picture, Pixels], Pixels]
GOATS = read_goldens(SAMPLES / "captures")


class Painter:
    """A network that knows the golden masks by heart, and is wrong on request."""

    card = read_card(SHIPPED_MODEL)

    def __init__(self, wrong: Wrong = lambda picture, mask: mask) -> None:
        self.wrong = wrong

    def segment(self, picture: Picture, view: str) -> Segmentation:
        mask = self.wrong(picture, self.golden_mask(picture, view))
        return Segmentation(view, mask, 1.0)

    def golden_mask(self, picture: Picture, view: str) -> Pixels:
        """At the picture's size; nothing for a picture that is not golden."""
        width, height = picture.size
        for goat in GOATS:
            if np.array_equal(goat.pictures[view].rgb, picture.rgb):
                golden = goat.masks[view]
                # Rounded so that the self-test, which rounds down, comes upon the same pixel again.
                rows = ((np.arange(height) + 1) * golden.shape[0] - 1) // height
                columns = ((np.arange(width) + 1) * golden.shape[1] - 1) // width
                return golden[rows][:, columns]
        return np.zeros((height, width), np.uint8)

    def finds_goat(self, segmentation: Segmentation) -> bool:
        return bool((segmentation.mask > 0).mean() > 0.01)


def report_of(wrong: Wrong) -> Report:
    return self_test(Painter(wrong))  # type: ignore[arg-type]


def failed(report: Report) -> set[str]:
    return {check.name for check in report.failures}


def test_the_shipped_model_passes(segmenter: Segmenter) -> None:
    report = self_test(segmenter, segmenter)
    assert report.passed, report.failures
    assert [check.name for check in report.checks] == list(REASONS)
    assert all(len(check.reason) > 20 for check in report.checks)
    assert 0.2 < report.checks[-1].figures["ratio_to_current"] < 5


def test_a_network_that_is_right_passes() -> None:
    report = report_of(lambda picture, mask: mask)
    assert report.passed, report.failures
    assert all(min(check.figures["iou"].values()) == 1.0 for check in report.checks[1:4])


def test_a_report_survives_its_way_through_json(segmenter: Segmenter) -> None:
    report = self_test(segmenter)
    assert Report.from_document(report.as_document()).as_document() == report.as_document()


def test_a_goat_seen_everywhere_is_found_out_by_the_empty_crate() -> None:
    def block(picture: Picture, mask: Pixels) -> Pixels:
        mask = mask.copy()
        if not mask.any():
            mask[400:700, 500:1000] = Label.BODY
        return mask

    assert failed(report_of(block)) == {"empty crate"}


def test_a_network_that_sees_nothing_fails_all_but_the_empty_crate() -> None:
    report = report_of(lambda picture, mask: np.zeros_like(mask))
    assert failed(report) == {"goat found", "side outline", "top outline", "front outline", "withers"}
    assert report.checks[0].measured == "0 of 12 pictures, not in goat_1 side and 11 more"


def test_outlines_that_are_twice_too_fat_fail() -> None:
    def fat(picture: Picture, mask: Pixels) -> Pixels:
        shifted = [np.roll(mask, by, axis) for axis in (0, 1) for by in range(-80, 81, 20)]
        return np.where(mask > 0, mask, np.max(shifted, axis=0)).astype(np.uint8)

    assert {"side outline", "top outline", "front outline"} <= failed(report_of(fat))


def test_a_network_that_knows_no_head_fails_by_the_height_that_nobody_can_read() -> None:
    report = report_of(lambda picture, mask: np.minimum(mask, Label.BODY))
    assert failed(report) == {"withers"}
    assert "the head cannot be seen" in report.failures[0].measured


def test_outlines_that_change_from_one_look_to_the_next_fail() -> None:
    looks = count()

    def restless(picture: Picture, mask: Pixels) -> Pixels:
        mask = mask.copy()
        mask[0, next(looks) % mask.shape[1]] = Label.BODY if mask.any() else Label.BACKGROUND
        return mask

    assert "same again" in failed(report_of(restless))


@pytest.mark.parametrize("goat", GOATS, ids=lambda goat: goat.name)
def test_the_overlap_of_an_outline_with_itself_is_whole_and_with_nothing_none(goat: Golden) -> None:
    for mask in goat.masks.values():
        large = np.repeat(np.repeat(mask, 3, axis=0), 3, axis=1)
        assert iou(large, mask) == 1.0
        assert iou(np.zeros_like(large), mask) == 0.0
