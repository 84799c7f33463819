"""A camera that is gone, and one that gives the same picture for ever."""

from __future__ import annotations

from edge.drills.scratch import ALL_VIEWS, Scratch, views_of
from edge.drills.verdicts import require
from edge.records import Capture


def one_camera_absent(scratch: Scratch) -> str:
    """The side camera is unplugged: the others measure, the advice names it, and it comes back by itself."""
    with scratch.station():
        require(views_of(scratch.completed()) == ALL_VIEWS, "not all cameras worked to begin with")
        scratch.break_camera("side", "unplugged")
        without = scratch.completed()
        scratch.mend_cameras()
        scratch.wait(lambda: views_of(scratch.completed()) == ALL_VIEWS, "the camera is back")
    require(views_of(without) == {"top", "front"}, f"there are pictures of {sorted(views_of(without))}")
    require("no_picture" in advice_on(without, "side"), "nobody was told which camera is missing")
    require(is_measured(without, "rump_width_cm"), "the other cameras measured nothing")
    require(not is_measured(without, "withers_height_cm"), "a height was made up without the side camera")
    return "two views measured, the advice named the third, and it came back by itself"


def frozen_camera(scratch: Scratch) -> str:
    """The side camera repeats its last picture: it is never measured as if it were this goat's."""
    with scratch.station():
        scratch.completed()
        scratch.break_camera("side", "frozen")
        frozen = scratch.completed()
    require("camera_frozen" in advice_on(frozen, "side"), "nobody was told that the picture is an old one")
    require(not is_measured(frozen, "withers_height_cm"), "an old picture was measured")
    require(is_measured(frozen, "rump_width_cm"), "the other cameras measured nothing")
    return "the old picture was refused and named, the other views measured"


def advice_on(capture: Capture, view: str) -> set[str]:
    """The codes of what is advised about a view."""
    return {one.code for one in capture.revision.advice if one.view == view} if capture.revision else set()


def is_measured(capture: Capture, trait: str) -> bool:
    measurements = capture.revision.measurements if capture.revision else ()
    return any(one.trait == trait and one.value is not None for one in measurements)
