"""The command line as typed: results, messages, hints and exit codes."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edge.cli import main
from edge.config import load_config
from edge.keeping.store import Store
from edge.records import ALL_TRAITS, Capture, Weight
from edge.segment import SHIPPED_MODEL
from tests.conftest import CALIBRATION, SAMPLES, jpeg

GOAT = SAMPLES / "captures" / "goat_1"
SIDE = str(GOAT / "side.jpg")


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """(exit code, stdout, stderr) of one command."""
    try:
        code = main(arguments)
    except SystemExit as stop:
        code = int(stop.code or 0)
    out, err = capsys.readouterr()
    return code, out, err


def measured(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict:
    code, out, _ = run(capsys, "measure", "--calibration", str(CALIBRATION), "--json", *arguments)
    assert code == 0
    return json.loads(out)


def test_measure_prints_all_traits_of_three_views(capsys, tmp_path: Path) -> None:
    views = [part for view in ("side", "top", "front") for part in (f"--{view}", str(GOAT / f"{view}.jpg"))]
    document = measured(capsys, *views, "--goat", "Heidi", "--annotated", str(tmp_path / "out"))
    assert document["capture_id"] is None
    assert list(document["measurements"]) == [trait.name for trait in ALL_TRAITS]
    for one in document["measurements"].values():
        assert set(one) == {"value", "u95", "confidence", "views", "reason"}
        assert (one["value"] is None) == (one["reason"] is not None)
    assert set(document["views"]) == {"side", "top", "front"}
    assert document["model"]["sha256"]
    assert document["calibration"]["sha256"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "front_annotated.jpg",
        "side_annotated.jpg",
        "top_annotated.jpg",
    ]


def test_measure_takes_any_subset_of_the_views(capsys) -> None:
    document = measured(capsys, "--side", SIDE)
    assert document["measurements"]["withers_height_cm"]["value"] is not None
    assert document["measurements"]["waist_width_cm"]["reason"] == "no top picture"


def test_a_mirrored_picture_gives_the_same_heights(capsys, tmp_path: Path) -> None:
    mirrored = tmp_path / "mirrored.jpg"
    Image.open(SIDE).transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(mirrored, quality=95)
    one, other = measured(capsys, "--side", SIDE), measured(capsys, "--side", str(mirrored))
    assert {one["views"]["side"]["facing"], other["views"]["side"]["facing"]} == {"left", "right"}
    for trait in ("head_height_cm", "withers_height_cm", "rump_height_cm"):
        assert other["measurements"][trait]["value"] == pytest.approx(
            one["measurements"][trait]["value"], abs=1.5
        )


def test_without_json_a_table_is_printed(capsys) -> None:
    code, out, _ = run(capsys, "measure", "--side", SIDE, "--calibration", str(CALIBRATION))
    assert code == 0
    assert "Withers height" in out
    assert "±" in out
    assert "no top picture" in out


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"not an image", "not an image"),
        (jpeg(1600, 1200)[:9000], "damaged image"),
        (jpeg(100, 80), "too few to measure"),
        (b"", "not an image"),
    ],
)
def test_a_bad_picture_is_a_message_a_hint_and_exit_1(
    capsys, tmp_path: Path, content: bytes, message: str
) -> None:
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(content)
    out_dir = tmp_path / "out"
    code, out, err = run(
        capsys, "measure", "--side", str(bad), "--calibration", str(CALIBRATION), "--annotated", str(out_dir)
    )
    assert (code, out) == (1, "")
    assert message in err
    assert "what to do" in err
    assert not out_dir.exists()
    code, _, err = run(capsys, "segment", str(bad), "--view", "side", "--out", str(tmp_path / "mask.png"))
    assert code == 1
    assert not (tmp_path / "mask.png").exists()


def test_a_picture_of_something_else_gives_no_height(capsys, tmp_path: Path) -> None:
    """Even a goat-coloured blob has no head, so nothing says which end is which."""
    other = tmp_path / "other.jpg"
    other.write_bytes(jpeg(1600, 1200))
    document = measured(capsys, "--side", str(other))
    assert all(one["value"] is None and one["reason"] for one in document["measurements"].values())


def test_an_empty_crate_gives_reasons_and_advice(capsys) -> None:
    empty = str(SAMPLES / "empty" / "side.jpg")
    code, out, err = run(capsys, "measure", "--side", empty, "--calibration", str(CALIBRATION), "--json")
    document = json.loads(out)
    assert code == 0
    assert all(one["value"] is None for one in document["measurements"].values())
    assert document["advice"][0]["code"] == "nobody_there"
    assert "No goat was found" in err


@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_a_turned_picture_is_measured_upright(capsys, tmp_path: Path, orientation: int) -> None:
    turn = {3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270}
    exif = Image.Exif()
    exif[0x0112] = orientation
    turned = tmp_path / "turned.jpg"
    Image.open(SIDE).transpose(turn[orientation]).save(turned, quality=95, exif=exif)
    upright = measured(capsys, "--side", SIDE)["measurements"]["withers_height_cm"]["value"]
    found = measured(capsys, "--side", str(turned))["measurements"]["withers_height_cm"]["value"]
    assert found == pytest.approx(upright, abs=1.0)


@pytest.mark.parametrize(("size", "tolerance_cm"), [((4656, 3492), 1.0), ((320, 240), 2.5)])
def test_16_megapixels_and_320x240_measure_the_same_goat(
    capsys, tmp_path: Path, size: tuple[int, int], tolerance_cm: float
) -> None:
    resized, calibration = tmp_path / "resized.jpg", tmp_path / "calibration.json"
    Image.open(SIDE).resize(size).save(resized, quality=92)
    document = json.loads((SAMPLES / "scales.json").read_text())
    side = document["views"]["side"]
    ratio = size[0] / side["picture_size"][0]
    side.update(picture_size=list(size), px_per_cm=side["px_per_cm"] * ratio)
    side["floor_y_px"] *= ratio
    calibration.write_text(json.dumps(document))
    code, out, _ = run(capsys, "measure", "--side", str(resized), "--calibration", str(calibration), "--json")
    assert code == 0
    found = json.loads(out)["measurements"]["withers_height_cm"]["value"]
    code, out, _ = run(
        capsys, "measure", "--side", SIDE, "--calibration", str(SAMPLES / "scales.json"), "--json"
    )
    upright = json.loads(out)["measurements"]["withers_height_cm"]["value"]
    assert found == pytest.approx(upright, abs=tolerance_cm)


def test_a_grey_picture_gives_a_number_or_a_reason(capsys, tmp_path: Path) -> None:
    grey = tmp_path / "grey.jpg"
    Image.open(SIDE).convert("L").save(grey)
    one = measured(capsys, "--side", str(grey))["measurements"]["withers_height_cm"]
    assert one["value"] or one["reason"]


def test_a_calibration_for_another_picture_size_is_refused(capsys, tmp_path: Path) -> None:
    small = tmp_path / "small.jpg"
    Image.open(SIDE).resize((800, 600)).save(small)
    code, out, err = run(capsys, "measure", "--side", str(small), "--calibration", str(CALIBRATION))
    assert (code, out) == (1, "")
    assert "made on pictures of 1600x1200, this one is 800x600" in err


def pressed(config_path: Path, *options: str) -> Capture:
    """What a press from the shell wrote down; nobody serves it."""
    main(["capture", "--config", str(config_path), "--wait-s", "0", *options])
    with Store(load_config(config_path).database_path) as store:
        return store.captures(1)[0]


def test_a_press_takes_the_goat_and_its_weight(capsys, config_path: Path) -> None:
    capture = pressed(config_path, "--goat", "LA 982 000001088420", "--weight-lb", "121.5")
    assert (capture.goat_id, capture.goat_source) == ("982000001088420", "typed")
    assert capture.weight == Weight(pytest.approx(55.111, abs=1e-3), "typed", "121.5 lb")
    assert pressed(config_path, "--weight-kg", "50").weight == Weight(50.0, "typed", "50 kg")
    assert pressed(config_path).weight is None
    by_tag = ("captures", "--goat", "0982000001088420", "--config", str(config_path))
    code, out, _ = run(capsys, *by_tag)
    assert code == 0
    assert "982000001088420    55.1 kg" in out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--weight-lb", "5"), "not what a goat weighs"),
        (("--weight-kg", "many"), "is not a weight"),
        (("--goat", "9.82E+14"), "spreadsheet"),
    ],
)
def test_a_press_with_what_no_goat_has_is_refused(
    capsys, config_path: Path, options: tuple[str, ...], message: str
) -> None:
    code, _, err = run(capsys, "capture", "--config", str(config_path), *options)
    assert code == 1
    assert message in err
    with Store(load_config(config_path).database_path) as store:
        assert store.counts() == {}


def test_configuration_errors_exit_with_78(capsys, tmp_path: Path) -> None:
    absent = str(tmp_path / "absent.json")
    code, _, err = run(capsys, "measure", "--side", SIDE, "--calibration", absent)
    assert code == 78
    assert "goatdev calibrate scale" in err
    (tmp_path / "bad.toml").write_text("[station]\nidd = 1\n")
    for command in ("run", "capture", "captures", "dashboard", "sync"):
        code, _, err = run(capsys, command, "--config", str(tmp_path / "bad.toml"))
        assert code == 78
        assert "did you mean id?" in err


def test_a_corrupt_model_is_refused(capsys, tmp_path: Path) -> None:
    shutil.copy(SHIPPED_MODEL, tmp_path)
    (tmp_path / "goat_segmenter.tflite").write_bytes(b"torn")
    card = str(tmp_path / SHIPPED_MODEL.name)
    code, _, err = run(capsys, "measure", "--side", SIDE, "--calibration", str(CALIBRATION), "--model", card)
    assert code == 78
    assert "not the model that its card describes" in err


def test_a_database_that_is_none_is_refused_and_left_alone(capsys, config_path: Path) -> None:
    database = config_path.parent / "data" / "station.db"
    database.parent.mkdir()
    database.write_bytes(b"precious, but no database" * 50)
    for command in ("run", "capture", "captures"):
        code, _, err = run(capsys, command, "--config", str(config_path))
        assert code == 78
        assert "cannot be used as the station's database" in err
    assert database.read_bytes() == b"precious, but no database" * 50


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("measure",),
        ("measure", "--calibration", "c.json"),
        ("dance",),
        ("capture", "--weight-lb", "50", "--weight-kg", "25"),
        ("segment", "a.jpg", "--view", "below", "--out", "m.png"),
        ("calibrate", "scale", "side", "--image", "a", "--from", "1", "--to", "2,3", "--length-cm", "4"),
    ],
)
def test_wrong_usage_exits_with_2(capsys, arguments: tuple[str, ...]) -> None:
    assert run(capsys, *arguments)[0] == 2


def test_segment_writes_a_mask_of_the_pictures_size(capsys, tmp_path: Path) -> None:
    out = tmp_path / "mask.png"
    code, text, _ = run(capsys, "segment", SIDE, "--view", "side", "--out", str(out), "--json")
    document = json.loads(text)
    mask = Image.open(io.BytesIO(out.read_bytes()))
    assert code == 0
    assert mask.mode == "L"
    assert mask.size == (1600, 1200)
    assert set(np.unique(np.asarray(mask))) == {0, 1, 2}
    assert document["confidence"] > 0.5
    assert {"withers", "rump", "poll"} <= set(document["landmarks"])


def test_calibrate_scale_adds_a_view_and_keeps_the_others(capsys, tmp_path: Path) -> None:
    into = tmp_path / "calibration.json"
    for view in ("side", "top"):
        code, out, _ = run(
            capsys, "calibrate", "scale", view, "--image", SIDE, "--from", "100,100", "--to", "100,700",
            "--length-cm", "60", "--into", str(into), "--json",
        )  # fmt: skip
        assert code == 0
        assert json.loads(out)["px_per_cm"] == pytest.approx(10.0)
    assert set(json.loads(into.read_text())["views"]) == {"side", "top"}


def test_a_goats_id_that_cannot_be_one_is_refused(capsys) -> None:
    code, _, err = run(capsys, "measure", "--side", SIDE, "--calibration", str(CALIBRATION), "--goat", "<b>")
    assert code == 1
    assert "is not a goat's id" in err


def test_every_real_photograph_gives_a_result_or_a_reason(capsys, real_goats: Path, tmp_path: Path) -> None:
    for photograph in sorted((real_goats / "images").glob("*.jpg")):
        view = photograph.name.split("_")[0]
        calibration = tmp_path / f"{photograph.stem}.json"
        code, _, _ = run(
            capsys, "calibrate", "scale", view, "--image", str(photograph), "--from", "300,900", "--to", "300,150",
            "--length-cm", "60", "--into", str(calibration),
        )  # fmt: skip
        assert code == 0
        code, out, _ = run(
            capsys, "measure", f"--{view}", str(photograph), "--calibration", str(calibration), "--json"
        )
        assert code == 0
        for one in json.loads(out)["measurements"].values():
            assert (one["value"] is None) == bool(one["reason"])
