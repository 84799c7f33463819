"""Calibrated views solved together: where the animal stands no longer matters, and doubts say what is missing.

The animal is a flat outline in its sagittal plane and a round trunk, seen through cameras that bend light: what is
measured is known exactly, and nothing of the code under test draws it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from edge.calibration import scale_from_stick
from edge.camera import CameraModel
from edge.measuring.measure import Findings, Look, measure
from edge.records import VIEWS, Label, Landmark, Measurement, Pixels, Points, Segmentation
from models_tflite.training.one_scale import scale_in_the_middle
from models_tflite.training.simulator.station import Camera
from tests.conftest import goat_outline
from tests.edge.photographs import SIZE, camera_at

# The drawn side outline: 5 px to a cm, the floor in row 500, the middle of the animal in column 400, facing left.
# Withers 60.0, rump 61.9 cm above the floor, poll about 76.
SIDE_PX_PER_CM = 5.0
# The trunk, rear to front: place along it, half width, cm. Its sections are widest 38 cm above the floor.
TRUNK = ((-36, 8.0), (-34, 12.5), (-22, 12.5), (0, 10.0), (22, 11.25), (34, 11.25), (36, 7.0))
WIDEST_CM, UP_CM, DOWN_CM = 38.0, 20.0, 12.0
WIDTHS = {"rump_width_cm": 25.0, "waist_width_cm": 20.0, "shoulder_width_cm": 22.5}
OTHER_SIDE = (6.0, -150.0, 62.0)


@dataclass(frozen=True)
class Standing:
    """Where the animal stands, and which end of the crate it looks at."""

    x_cm: float = 0.0
    y_cm: float = 0.0
    turn_deg: float = 0.0
    forwards: int = 1

    @property
    def along(self) -> Points:
        angle = math.radians(self.turn_deg)
        return self.forwards * np.array([math.cos(angle), math.sin(angle), 0.0])

    @property
    def across(self) -> Points:
        return np.array([-self.along[1], self.along[0], 0.0])

    @property
    def place(self) -> Points:
        return np.array([self.x_cm, self.y_cm, 0.0])


def known(camera: Camera, doubt: float = 1.0) -> CameraModel:
    """The camera as a calibration that found it exactly, with the usual doubts."""
    spread = doubt * np.array([1.0, 1.0, 1.5, 1.5, *[1e-4] * 5, *[5e-4] * 3, *[0.1] * 3])
    return CameraModel(
        camera.size,
        camera.camera_matrix,
        camera.distortion,
        camera.world_from_cam,
        np.diag(spread**2),
        *(0.2, 0.9, 12, 0, 3, "2026-11-01T10:00:00+00:00"),
    )


def seen(camera: Camera, drawn: Pixels, to_world: Points) -> Pixels:
    """A flat drawing as the camera shows it.

    to_world  (4, 3): what drawing pixels (x, y, 1) are in the world: x, y, z rows and nothing else
    """
    width, height = camera.size
    straight = straight_rays()
    # From an undistorted picture at distance 1 to the drawing: the inverse of how the plane projects.
    cam_from_world = np.linalg.inv(camera.world_from_cam)
    projects = cam_from_world[:3, :3] @ to_world + np.outer(cam_from_world[:3, 3], [0, 0, 1])
    on_plane = np.column_stack([straight, np.ones(len(straight))]) @ np.linalg.inv(projects).T
    maps = (on_plane[:, :2] / on_plane[:, 2:]).astype(np.float32).reshape(height, width, 2)
    return np.asarray(cv2.remap(drawn, maps[..., 0], maps[..., 1], cv2.INTER_NEAREST), np.uint8)


@cache
def straight_rays() -> Points:
    """Where an ideal lens would see each pixel, row by row: (N, 2); all cameras here have the same lens."""
    width, height = SIZE
    pixels = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1).reshape(-1, 1, 2)
    camera = camera_at("side")
    return cv2.undistortPoints(pixels.astype(float), camera.camera_matrix, camera.distortion).reshape(-1, 2)


def sagittal(standing: Standing) -> Points:
    """Drawing pixels of `goat_outline` (x, y, 1) to the world: (3, 3)."""
    along, up = -standing.along / SIDE_PX_PER_CM, np.array([0, 0, -1.0]) / SIDE_PX_PER_CM
    return np.column_stack([along, up, standing.place - 400 * along - 500 * up])


def trunk_seen(camera: Camera, standing: Standing) -> Pixels:
    """The trunk with a ball for a head before it, as the camera shows them: (H, W)."""
    mask = np.zeros(camera.size[::-1], np.uint8)
    around = np.linspace(0, 2 * np.pi, 60)
    heights = WIDEST_CM + np.where(np.sin(around) > 0, UP_CM, DOWN_CM) * np.sin(around)
    places, halves = np.array(TRUNK).T
    rings = []
    for along in np.arange(places[0], places[-1] + 0.1, 0.5):
        across = np.interp(along, places, halves) * np.cos(around)
        flat = standing.place + along * standing.along + across[:, None] * standing.across
        rings.append(camera.project(flat + heights[:, None] * [0, 0, 1]))
    for one, other in pairwise(rings):
        fill(mask, np.concatenate([one, other]), Label.BODY)
    ball = np.stack([np.cos(around), np.sin(around), 0 * around], axis=1) * 9
    ball = np.concatenate([ball, ball[:, [0, 2, 1]], ball[:, [2, 0, 1]]])
    fill(mask, camera.project(standing.place + 48 * standing.along + [0, 0, 70] + ball), Label.HEAD)
    return mask


def fill(mask: Pixels, points: Points, label: int) -> None:
    """The convex hull of points of the picture, to a sixteenth of a pixel."""
    hull = cv2.convexHull(np.round(points * 16).astype(np.int32))
    cv2.fillConvexPoly(mask, hull, label, shift=4)


def looks(standing: Standing, side_camera: Camera | None = None, doubt: float = 1.0) -> dict[str, Look]:
    side, top = side_camera or camera_at("side"), camera_at("top")
    masks = {
        "side": seen(side, goat_outline(), sagittal(standing)),
        "top": trunk_seen(top, standing),
    }
    return {
        view: Look(view, Segmentation(view, masks[view], 0.95), known(camera, doubt))
        for view, camera in (("side", side), ("top", top))
    }


def values(findings: Findings) -> dict[str, Measurement]:
    return {one.trait: one for one in findings.measurements}


STANDINGS = [
    Standing(x, y, turn, forwards)
    for x, y, turn in ((0, 0, 0), (8, 10, 0), (-8, -10, 0), (0, 5, 10), (0, -5, -10))
    for forwards in (1, -1)
]


@pytest.mark.parametrize("standing", STANDINGS, ids=str)
def test_heights_and_widths_do_not_depend_on_where_the_animal_stands(standing: Standing) -> None:
    found = values(measure(looks(standing)))
    assert found["withers_height_cm"].value == pytest.approx(60.0, abs=0.5)
    assert found["rump_height_cm"].value == pytest.approx(61.9, abs=0.5)
    for trait, width in WIDTHS.items():
        assert found[trait].value == pytest.approx(width, abs=0.7), trait
        assert abs(found[trait].value - width) <= found[trait].u95


def test_a_side_camera_on_the_right_measures_the_same() -> None:
    found = values(measure(looks(Standing(5, 8, 6), camera_at("side", OTHER_SIDE))))
    assert found["withers_height_cm"].value == pytest.approx(60.0, abs=0.5)
    assert found["rump_height_cm"].value == pytest.approx(61.9, abs=0.5)


def test_one_scale_for_a_view_is_far_worse_on_the_same_pictures() -> None:
    """What the joint solution is for: an animal 10 cm from the middle."""
    standing = Standing(0, 10, 0)
    above = camera_at("side", (6.0, 150.0, 120.0))
    plain = {
        view: Look(view, look.segmentation, scale_in_the_middle(view, look.ruler))
        for view, look in looks(standing, above).items()
    }
    off_plain = abs(values(measure(plain))["withers_height_cm"].value - 60.0)
    off_solved = abs(values(measure(looks(standing, above)))["withers_height_cm"].value - 60.0)
    assert off_plain > 3.0 > 6 * off_solved


def test_a_wrong_view_of_where_the_head_is_is_outvoted() -> None:
    """From the side somebody's hand looks like a head at the tail: the head seen from above settles it."""
    standing = Standing(0, 3, 4)
    views = looks(standing)
    side = views["side"].segmentation.mask.copy()
    head_columns = np.flatnonzero((side == 2).any(axis=0))
    side[side == 2] = 1
    columns = np.flatnonzero((side > 0).any(axis=0))
    tail = slice(columns[0], columns[0] + len(head_columns) // 2)
    if abs(tail.start - head_columns[0]) < 30:
        tail = slice(columns[-1] - len(head_columns) // 2, columns[-1])
    side[:, tail][side[:, tail] > 0] = 2
    front = camera_at("front")
    face = np.zeros(SIZE[::-1], np.uint8)
    cv2.ellipse(face, (480, 330), (70, 100), 0, 0, 360, 1, -1)
    cv2.ellipse(face, (480, 200), (40, 50), 0, 0, 360, 2, -1)
    views["side"] = Look("side", Segmentation("side", side, 0.95), views["side"].ruler)
    views["front"] = Look("front", Segmentation("front", face, 0.95), known(front))
    found = measure(views)
    facing = next(reading.facing for reading in found.readings if reading.view == "side")
    right = measure(looks(standing))
    assert facing == next(reading.facing for reading in right.readings if reading.view == "side")


def test_without_the_top_view_heights_are_there_with_more_doubt() -> None:
    views = looks(Standing(0, 6, 0), camera_at("side", (6.0, 150.0, 120.0)))
    both, alone = values(measure(views)), values(measure({"side": views["side"]}))
    for trait in ("withers_height_cm", "rump_height_cm"):
        assert alone[trait].u95 > 2 * both[trait].u95
        assert abs(alone[trait].value - both[trait].value) <= alone[trait].u95
        assert alone[trait].views == ("side",)
        assert both[trait].views == ("side", "top")
    assert alone["waist_width_cm"].reason == "no top picture"


def test_without_the_side_view_widths_are_there_with_more_doubt() -> None:
    views = looks(Standing(4, 6, 5))
    both, alone = values(measure(views)), values(measure({"top": views["top"]}))
    for trait, width in WIDTHS.items():
        assert alone[trait].u95 > both[trait].u95
        assert abs(alone[trait].value - width) <= alone[trait].u95


def test_an_uncertain_calibration_makes_uncertain_centimetres() -> None:
    sure, unsure = (values(measure(looks(Standing(), doubt=doubt))) for doubt in (1.0, 20.0))
    for trait in ("withers_height_cm", "rump_width_cm"):
        assert unsure[trait].u95 > 1.2 * sure[trait].u95


def test_a_soft_outline_makes_uncertain_centimetres() -> None:
    views = looks(Standing())
    soft = {}
    for view, one in views.items():
        softness = np.full((-(-SIZE[1] // 8), -(-SIZE[0] // 8)), 4.0, np.float32)
        outline = Segmentation(view, one.segmentation.mask, 0.95, softness=softness)
        soft[view] = Look(view, outline, one.ruler)
    for trait in ("rump_height_cm", "waist_width_cm"):
        assert values(measure(soft))[trait].u95 > 2 * values(measure(views))[trait].u95


def test_a_plain_scale_beside_a_camera_still_serves_its_own_view() -> None:
    views = looks(Standing())
    stick = camera_at("top").project(np.array([[-30.0, 0, 0], [30.0, 0, 0]]))
    scale = scale_from_stick(tuple(stick[0]), tuple(stick[1]), 60.0, SIZE)
    mixed = values(measure({**views, "top": Look("top", views["top"].segmentation, scale)}))
    assert mixed["withers_height_cm"].views == ("side",)
    assert mixed["rump_width_cm"].value == pytest.approx(25.0, abs=3.0)


def test_ratios_follow_from_what_they_are_made_of() -> None:
    found = values(measure(looks(Standing())))
    ratio, rump, waist = (found[name] for name in ("rump_waist_ratio", "rump_width_cm", "waist_width_cm"))
    assert ratio.value == pytest.approx(rump.value / waist.value)
    assert ratio.u95 > 0 and ratio.views == ("side", "top")
    alone = values(measure({"side": looks(Standing())["side"]}))
    assert alone["rump_waist_ratio"].reason == "no top picture"


def turned_away(camera: CameraModel) -> CameraModel:
    """The same camera looking the other way: it cannot see what its picture shows."""
    pose = camera.world_from_cam.copy()
    pose[:3, 0] *= -1
    pose[:3, 2] *= -1
    return CameraModel(
        camera.picture_size,
        camera.camera_matrix,
        camera.distortion,
        pose,
        camera.covariance,
        *(0.2, 0.9, 12, 0, 3, ""),
    )


@pytest.mark.parametrize("view", ["side", "top"])
def test_a_camera_that_cannot_see_the_crate_gives_reasons(view: str) -> None:
    views = looks(Standing())
    views[view] = Look(view, views[view].segmentation, turned_away(views[view].ruler))
    only = measure({view: views[view]})
    assert all(one.reason for one in only.measurements)
    measure(views)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_noise_gives_reasons_or_plausible_numbers_and_never_raises(data: st.DataObject) -> None:
    small = arrays.arrays(np.uint8, (18, 24), elements=st.integers(0, 2))
    chosen = data.draw(st.sets(st.sampled_from(VIEWS), min_size=1))
    views = {}
    for view in chosen:
        mask = cv2.resize(data.draw(small), SIZE, interpolation=cv2.INTER_NEAREST)
        views[view] = Look(view, Segmentation(view, mask, 0.9), known(camera_at(view)))
    for one in measure(views).measurements:
        assert one.reason or (math.isfinite(one.value) and math.isfinite(one.u95) and one.u95 > 0)


@pytest.mark.parametrize("label", [0, 1, 2])
@pytest.mark.parametrize("pixels", [1, None], ids=["one pixel", "all"])
def test_a_picture_with_one_pixel_or_full_of_one_label_gives_only_reasons(label: int, pixels: int) -> None:
    mask = np.zeros(SIZE[::-1], np.uint8)
    mask[:pixels, :pixels] = label
    views = {view: Look(view, Segmentation(view, mask, 0.9), known(camera_at(view))) for view in VIEWS}
    assert all(one.reason for one in measure(views).measurements)


def test_an_animal_that_stands_askew_is_measured_and_asked_to_turn() -> None:
    found = measure(looks(Standing(0, 0, 18)))
    assert "goat_turned" in [one.code for one in found.advice]
    assert values(found)["rump_width_cm"].value == pytest.approx(25.0, abs=0.8)
    assert "goat_turned" not in [one.code for one in measure(looks(Standing(0, 0, 8))).advice]


@pytest.mark.parametrize(("apart_px", "said"), [(30.0, False), (190.0, True)])
def test_feet_set_far_apart_are_said(apart_px: float, said: bool) -> None:
    one = looks(Standing())["side"]
    columns = {"front_left": 300.0, "front_right": 300.0 + apart_px, "hind_left": 600.0, "hind_right": 620.0}
    hooves = {f"{name}_hoof": Landmark(x, 500.0, 0.9) for name, x in columns.items()}
    seen = Segmentation("side", one.segmentation.mask, 0.95, hooves)
    found = measure({"side": Look("side", seen, one.ruler)})
    assert ("not_square" in [advice.code for advice in found.advice]) is said


MARKS = ("withers", "rump", "poll", "chest_front", "tail_root", "shoulder_left", "rump_right")
BLOCKS = st.tuples(
    st.integers(0, SIZE[0]),
    st.integers(0, SIZE[1]),
    st.integers(1, 400),
    st.integers(1, 400),
    st.integers(0, 2),
)
PLACES = st.tuples(st.floats(-300, 1300), st.floats(-300, 1000), st.floats(0, 1))


@settings(max_examples=80, deadline=None)
@given(
    st.lists(BLOCKS, max_size=4),
    st.dictionaries(st.sampled_from(MARKS), PLACES),
    st.booleans(),
    st.sets(st.sampled_from(("side", "top"))),
)
def test_broken_outlines_and_landmarks_anywhere_give_reasons_or_numbers(
    blocks: list[tuple[int, int, int, int, int]],
    places: dict[str, tuple[float, float, float]],
    soft: bool,
    flipped: set[str],
) -> None:
    """Landmarks outside the picture, outlines in pieces, on their heads, of the wrong way round."""
    marks = {name: Landmark(*place) for name, place in places.items()}
    softness = np.full((90, 120), 30.0, np.float32) if soft else None
    views = {}
    for view, one in whole_views().items():
        mask = one.segmentation.mask[:: -1 if view in flipped else 1].copy()
        for x, y, width, height, label in blocks:
            mask[y : y + height, x : x + width] = label
        views[view] = Look(view, Segmentation(view, mask, 0.9, marks, {}, softness), one.ruler)
    for one in measure(views).measurements:
        assert one.reason or (math.isfinite(one.value) and math.isfinite(one.u95) and one.u95 > 0)


@cache
def whole_views() -> dict[str, Look]:
    return looks(Standing(3, 4, 5))
