"""The accuracy bench measures whole stations, goes on where it stopped, and says what it cannot do."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("moderngl", reason="the simulator needs the training extra (moderngl)")
pytest.importorskip("skimage", reason="the simulator needs the training extra (scikit-image)")

from edge.camera import CameraModel
from edge.records import TRAITS
from models_tflite.training import accuracy_bench
from models_tflite.training.dataset import DatasetError
from models_tflite.training.simulator import herd
from models_tflite.training.simulator.render import Renderer

WITHERS = "withers_height_cm"
SMALL = ["--stations", "1", "--goats", "1", "--size", "640x480", "--first", "7000"]


# --- bad input -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", [["--goats", "0"], ["--stations", "none"], ["--size", "10x10"]])
def test_what_cannot_be_meant_is_wrong_usage(bad: list[str], tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as error:
        accuracy_bench.main(["--out", str(tmp_path), *bad])
    assert error.value.code == 2


def test_a_folder_that_cannot_be_written_to_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DatasetError, match="file/7000: cannot be written to"):
        accuracy_bench.main(["--out", str(tmp_path / "file"), *SMALL])


def test_pictures_of_another_size_are_refused(tmp_path: Path) -> None:
    views = {view: {"size": [320, 240]} for view in ("side", "top", "front")}
    (tmp_path / "7000").mkdir()
    (tmp_path / "7000" / "truth.json").write_text(json.dumps({"side_camera_on": "left", "views": views}))
    with pytest.raises(DatasetError, match="holds pictures of 320x240"):
        accuracy_bench.main(["--out", str(tmp_path), *SMALL])


def test_a_truth_that_a_power_cut_left_empty_is_named(tmp_path: Path) -> None:
    (tmp_path / "7000").mkdir()
    (tmp_path / "7000" / "truth.json").write_text("{}")
    with pytest.raises(DatasetError, match=r"truth\.json: not as expected"):
        accuracy_bench.main(["--out", str(tmp_path), *SMALL])


def test_half_a_line_of_an_index_is_a_goat_to_be_made_again(tmp_path: Path) -> None:
    goats = tmp_path / "7000" / "goats"
    goats.mkdir(parents=True)
    lines = [json.dumps({"goat": 0, "view": view, "traits_cm": {}}) for view in ("side", "top", "front")]
    (goats / "index.jsonl").write_text("\n".join([*lines, '{"goat": 1, "vi']))
    assert [one.name for one in accuracy_bench.read_goats(tmp_path / "7000", 5)] == ["7000/0"]
    assert herd.missing_goats(tmp_path / "7000", 2) == [1]
    (goats / "index.jsonl").write_text('{"view": "side"}\n')
    with pytest.raises(DatasetError, match=r"index\.jsonl: not as expected"):
        accuracy_bench.read_goats(tmp_path / "7000", 5)


# --- whole -----------------------------------------------------------------------------------------------


def test_a_setup_sees_goats_of_all_sizes_whole_and_stays_the_same() -> None:
    setup = herd.setup_of(7003, (640, 480))
    again = herd.setup_of(7003, (640, 480))
    assert setup.crate == again.crate
    stations = [next(herd.fitting(7003, number, (640, 480)))[1] for number in range(4)]
    assert all(herd.fits(setup, station) for station in stations)
    assert len({station.truth.traits[WITHERS] for station in stations if station.truth}) == 4
    for station in stations:
        for view, camera in setup.cameras.items():
            assert np.array_equal(camera.world_from_cam, station.cameras[view].world_from_cam)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One station with one goat, rendered and measured."""
    try:
        Renderer((64, 64))
    except Exception as error:  # moderngl raises bare Exception when there is no EGL
        pytest.skip(f"no OpenGL without a screen here (apt: libegl1 libgl1-mesa-dri): {error}")
    folder = tmp_path_factory.mktemp("bench")
    accuracy_bench.main(["--out", str(folder), *SMALL, "--plot", str(folder / "plot.png")])
    return folder


def test_every_goat_is_measured_in_every_way(bench: Path) -> None:
    made = [json.loads(line) for line in (bench / "measured.jsonl").read_text().splitlines() if line]
    assert len(made) == len({one["way"] for one in made}) == 9
    for one in made:
        assert {trait.name for trait in TRAITS} <= one["values"].keys() | one["reasons"].keys()
    for way in ("true, calibrated cameras", "true, one scale per view"):
        true = next(one for one in made if one["way"] == way)
        known = {trait: value for trait, value in true["values"].items() if trait in true["truth"]}
        off = {trait: abs(value - true["truth"][trait]) for trait, value in known.items()}
        assert off and max(off.values()) < 12
    number = next(one for one in made if one["way"] == "true, one number per view, as before")
    assert number["u95"] == {}
    assert (bench / "plot.png").stat().st_size > 0


def test_cameras_refused_in_small_pictures_are_calibrated_from_larger_ones(bench: Path) -> None:
    station = bench / "7000"
    views = accuracy_bench.read_truth(station)["views"]
    calibration, refused = accuracy_bench.calibrated(station)
    assert refused == {}
    assert any(entry["again"] for entry in views.values())
    for view, camera in calibration.views.items():
        assert isinstance(camera, CameraModel)
        assert camera.picture_size == tuple(views[view]["size"]) == (640, 480)
        true = np.array(views[view]["world_from_cam"])[:3, 3]
        assert np.linalg.norm(camera.position_cm - true) < 3.0


def test_the_same_command_makes_nothing_twice(bench: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def made() -> dict[Path, int]:
        files = [*bench.rglob("*.jpg"), *bench.rglob("*.png"), bench / "measured.jsonl"]
        return {path: path.stat().st_mtime_ns for path in files}

    before = made()
    accuracy_bench.main(["--out", str(bench), *SMALL])
    assert made() == before
    out = capsys.readouterr().out
    assert out.count("| withers_height |") == 3
    assert "cameras: " in out


def test_the_same_animal_is_measured_in_all_its_places(
    bench: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    accuracy_bench.main(["--out", str(bench), *SMALL, "--moved"])
    assert f"1 goats in {len(herd.MOVES)} places" in capsys.readouterr().out
