"""A stick of known length gives the scale of a view, and says where it holds."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edge.calibration import read_calibration, scale_from_stick, write_view
from edge.errors import CalibrationRefused, ConfigError, MeasureError


def test_a_stick_gives_pixels_per_cm() -> None:
    scale = scale_from_stick((100, 900), (100, 300), 60.0, (1600, 1200))
    assert scale.px_per_cm == pytest.approx(10.0)
    assert 0 < scale.scale_sigma < 0.01


def test_a_scale_follows_the_size_of_the_picture() -> None:
    scale = scale_from_stick((100, 900), (100, 300), 60.0, (1600, 1200), floor_y_px=900)
    half = scale.at_size((800, 600))
    assert (half.px_per_cm, half.floor_y_px) == (pytest.approx(5.0), 450)
    assert half.camera_distance_cm() == pytest.approx(scale.camera_distance_cm())


def test_views_are_added_to_a_calibration_file_one_by_one(tmp_path: Path) -> None:
    path = tmp_path / "calibration.json"
    write_view(path, "side", scale_from_stick((0, 0), (0, 500), 50, (640, 480 * 2)))
    first = read_calibration(path)
    write_view(path, "top", scale_from_stick((0, 0), (400, 0), 50, (640, 480)))
    both = read_calibration(path)
    assert set(first.views) == {"side"}
    assert set(both.views) == {"side", "top"}
    assert both.views["side"].px_per_cm == pytest.approx(10, abs=1e-4)
    assert first.sha256 != both.sha256


def test_a_calibration_for_another_picture_size_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "calibration.json"
    write_view(path, "side", scale_from_stick((0, 0), (0, 400), 50, (640, 480)))
    calibration = read_calibration(path)
    assert calibration.ruler_for("side", (640, 480), (640, 480)).px_per_cm == pytest.approx(8, abs=1e-4)
    with pytest.raises(MeasureError, match="made on pictures of 640x480, this one is 1600x1200"):
        calibration.ruler_for("side", (1600, 1200), (1600, 1200))
    with pytest.raises(MeasureError, match="top view is not calibrated"):
        calibration.ruler_for("top", (640, 480), (640, 480))


@pytest.mark.parametrize(
    ("start", "end", "length_cm", "message"),
    [
        ((0, 0), (5, 5), 10, "pixels apart"),
        ((0, 0), (2000, 0), 10, "outside the picture"),
        ((0, 0), (500, 0), 0, "not usable"),
        ((0, 0), (500, 0), float("nan"), "not usable"),
        ((float("nan"), 0), (500, 0), 50, "outside the picture"),
    ],
)
def test_an_impossible_stick_is_refused(start, end, length_cm: float, message: str) -> None:
    with pytest.raises(CalibrationRefused, match=message):
        scale_from_stick(start, end, length_cm, (640, 480))


def test_an_impossible_place_of_the_stick_or_the_floor_is_refused() -> None:
    with pytest.raises(CalibrationRefused, match="nearer is not usable"):
        scale_from_stick((0, 0), (500, 0), 50, (640, 480), plane_cm=1e9)
    with pytest.raises(CalibrationRefused, match="floor cannot be"):
        scale_from_stick((0, 0), (500, 0), 50, (640, 480), floor_y_px=9999)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{}",
        "\x00\x01",
        json.dumps({"format": 99, "views": {}, "created_at": ""}),
        json.dumps({"format": 1, "views": {"back": {}}, "created_at": ""}),
        json.dumps({"format": 1, "views": {"side": {"kind": "magic"}}, "created_at": ""}),
        json.dumps(
            {
                "format": 1,
                "created_at": "",
                "views": {
                    "side": {
                        "kind": "scale",
                        "picture_size": [640, 480],
                        "px_per_cm": -1,
                        "scale_sigma": 0,
                        "plane_cm": 0,
                        "floor_y_px": None,
                    }
                },
            }
        ),
    ],
)
def test_what_is_no_calibration_is_refused_and_left_alone(tmp_path: Path, content: str) -> None:
    path = tmp_path / "calibration.json"
    path.write_text(content)
    with pytest.raises(ConfigError) as caught:
        read_calibration(path)
    assert caught.value.hint
    with pytest.raises(ConfigError):
        write_view(path, "side", scale_from_stick((0, 0), (0, 400), 50, (640, 480)))
    assert path.read_text() == content


def test_a_missing_calibration_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        read_calibration(tmp_path / "absent.json")
    assert "goatdev calibrate scale" in caught.value.hint
