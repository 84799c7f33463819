"""The accuracy bench counts right, goes on where it stopped, and says what it cannot do."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("moderngl", reason="the simulator needs the training extra (moderngl)")
pytest.importorskip("skimage", reason="the simulator needs the training extra (scikit-image)")

from edge.camera import CameraModel
from edge.records import TRAITS
from models_tflite.training import accuracy_bench, agreement
from models_tflite.training.agreement import Measured, draw_agreement, reasons, times_worse, traits_of
from models_tflite.training.dataset import DatasetError
from models_tflite.training.invariance import Moved, changes, moved_table
from models_tflite.training.simulator import herd
from models_tflite.training.simulator.render import Renderer

WITHERS, RUMP, WIDTH = "withers_height_cm", "rump_height_cm", "body_width_cm"
SMALL = ["--stations", "1", "--goats", "1", "--size", "640x480", "--first", "7000"]


def goat(name: str, error: float | None, u95: float | None = 1.0, true: float = 60.0) -> Measured:
    if error is None:
        return Measured(name, "a", {}, {}, {WITHERS: f"no legs within {true} px"}, {WITHERS: true})
    return Measured(name, "a", {WITHERS: true + error}, {WITHERS: u95} if u95 else {}, {}, {WITHERS: true})


# --- statistics ----------------------------------------------------------------------------------------


def test_agreement_is_what_the_numbers_say() -> None:
    errors = (1.0, -1.0, 3.0, 1.0)
    found = agreement.agreement([*(goat(f"{e}", e) for e in errors), goat("blind", None)], WITHERS)
    assert (found.goats, found.known) == (5, 4)
    assert found.mean_absolute == 1.5
    assert found.bias == 1.0
    assert found.worst == 3.0
    assert found.spread == pytest.approx(math.sqrt(8 / 3))
    assert found.limits == pytest.approx((1 - 1.96 * math.sqrt(8 / 3), 1 + 1.96 * math.sqrt(8 / 3)))


def test_inside_counts_errors_up_to_their_own_u95() -> None:
    found = [goat("a", 1.0, 1.0), goat("b", -1.0, 0.5), goat("c", 0.2, 3.0), goat("d", 9.0, None)]
    one = agreement.agreement(found, WITHERS)
    assert one.inside == pytest.approx(2 / 3)
    assert one.mean_u95 == pytest.approx(1.5)


def test_what_states_no_doubt_is_inside_of_nothing() -> None:
    one = agreement.agreement([goat("a", 1.0, None)], WITHERS)
    assert math.isnan(one.inside) and math.isnan(one.mean_u95) and one.mean_absolute == 1.0


def test_ways_are_compared_on_the_goats_that_both_measured() -> None:
    ours = [goat("a", 1.0), goat("b", -1.0), goat("c", 8.0)]
    other = [goat("a", 4.0), goat("b", 2.0), goat("c", None), goat("d", 50.0)]
    assert times_worse(ours, other, WITHERS) == (3.0, 3.0)
    assert all(math.isnan(value) for value in times_worse(ours, [], WITHERS))


def test_the_table_has_a_row_for_each_trait_that_has_a_truth() -> None:
    strange = Measured("b", "a", {WITHERS: 61.0, "weight_kg": 40.0}, {WITHERS: 2.0}, {}, {WITHERS: 60.0})
    table = agreement.table([goat("a", None), strange], {"stick": [goat("b", -2.0)]})
    assert traits_of([strange]) == [WITHERS]
    assert "| withers_height | 1 of 2 | 1.00 | +1.00 | – | 1.00 | 2.00 | 100 % | 2.00 (2.0) |" in table


def test_reasons_are_counted_whatever_numbers_they_name() -> None:
    assert reasons([goat("a", None, true=60.0), goat("b", None, true=61.5)]) == (
        "- 2 x withers_height: no legs within … px"
    )


def test_the_plot_shows_each_group_of_traits_that_there_is(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)

    def herd_of(spread: float) -> list[Measured]:
        truths = [{WITHERS: rng.uniform(40, 80), WIDTH: rng.uniform(15, 35)} for _ in range(30)]
        return [
            Measured(str(n), "a", {t: v + rng.normal(0, spread) for t, v in truth.items()}, {}, {}, truth)
            for n, truth in enumerate(truths)
        ]

    draw_agreement({"ours": herd_of(1.0), "stick": herd_of(4.0)}, tmp_path / "plot.png")
    with Image.open(tmp_path / "plot.png") as picture:
        assert picture.width == 2 * agreement.PANEL[0]
        colours = {colour for _, colour in picture.getcolors(1 << 20) or []}
    assert set(agreement.COLOURS[:2]) <= colours


def test_labels_never_lie_on_each_other() -> None:
    placed = agreement.apart(
        [(50.0, "a", (0, 0, 0)), (51.0, "b", (0, 0, 0)), (99.0, "c", (0, 0, 0))], 18, 0, 100
    )
    rows = [row for row, _, _ in placed]
    assert rows == sorted(rows) and min(np.diff(rows)) >= 18 and max(rows) <= 100


# --- moved -----------------------------------------------------------------------------------------------


def at(move: str, withers: float, rump: float = 58.0, facing: str | None = "left") -> Moved:
    truth = {WITHERS: 60.0, RUMP: 58.0}
    return Moved("g", move, {WITHERS: withers, RUMP: rump}, truth, facing, "left")


def test_a_change_is_counted_from_the_middle() -> None:
    blind = Moved("g", "turned left", {}, {WITHERS: 60.0}, None, "left")
    found = [at("in the middle", 60.5), at("10 cm ahead", 61.0), at("10 cm back", 59.0), blind]
    assert changes(found, WITHERS, ("10 cm ahead", "10 cm back")) == ([0.5, -1.5], 0)
    assert changes(found, WITHERS, ("turned left",)) == ([], 1)
    assert "| withers_height | 1.50 | – | – | – | 1 | 1.50 |" in moved_table(found, {"scale": found})


def test_head_and_rump_are_swapped_where_it_faces_the_wrong_way_or_their_heights_are_exchanged() -> None:
    assert not at("a", 60.2).is_swapped
    assert not at("a", 60.2, facing=None).is_swapped
    assert at("a", 60.2, facing="right").is_swapped
    assert at("a", 58.0, rump=60.0).is_swapped
    assert not at("a", 58.9, rump=59.2).is_swapped  # too near to each other to tell


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
        off = {trait: abs(value - true["truth"][trait]) for trait, value in true["values"].items()}
        assert off and max(off.values()) < 12
    number = next(one for one in made if one["way"] == "true, one number per view")
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
