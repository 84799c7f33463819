"""Models of a station: only what was tested becomes current, and there is always a whole one to measure with."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event, Thread

import pytest

from edge.app import open_station
from edge.cli import main
from edge.config import Config, load_config
from edge.errors import ConfigError, StationError, StoreError
from edge.models import card_path, first_usable, install, read_offer, require_whole, roll_back, whole_card
from edge.segment import SHIPPED_MODEL, new_interpreter, read_card
from edge.selftest import Report
from edge.shelf import SHIPPED, Shelf, read_serving
from edge.triggers import new_trigger
from tests.conftest import CALIBRATION, REPO, SAMPLES

SIDE = str(SAMPLES / "captures" / "goat_1" / "side.jpg")
SHIPPED_BYTES = read_card(SHIPPED_MODEL).path.read_bytes()

Give = Callable[..., Path]


def passing(card: Path, against: Path | None) -> Report:
    """A self-test for tests of files: the real one is run through the command line below."""
    return Report(read_card(card).as_document(), ())


def give_model(folder: Path, version: str = "2", content: bytes = SHIPPED_BYTES, **changes: str) -> Path:
    """A model as it arrives on a USB stick: the shipped one under another version; `changes` are lines of its card."""
    folder.mkdir(exist_ok=True)
    card = read_card(SHIPPED_MODEL)
    values = {
        "version": version,
        "file": card.path.name,
        "sha256": hashlib.sha256(content).hexdigest(),
    } | changes
    lines = SHIPPED_MODEL.read_text().splitlines()
    for key, value in values.items():
        lines = [f"{key} = {json.dumps(value)}" if line.startswith(f"{key} =") else line for line in lines]
    (folder / card.path.name).write_bytes(content)
    path = folder / "goat.toml"
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture
def stick(tmp_path: Path) -> Give:
    """Gives models, each in a folder of its own."""

    def give(version: str = "2", content: bytes = SHIPPED_BYTES, **changes: str) -> Path:
        return give_model(tmp_path / f"stick-{version.replace('/', '_')}", version, content, **changes)

    return give


@pytest.fixture
def shelf(config: Config) -> Shelf:
    return Shelf(config.models_folder)


@pytest.fixture
def goatdev(capsys, config_path: Path) -> Callable[..., tuple[int, str, str]]:
    def run(*arguments: str) -> tuple[int, str, str]:
        code = main([*arguments, "--config", str(config_path)])
        out, err = capsys.readouterr()
        return code, out, err

    return run


def put(shelf: Shelf, card: Path, keep: bool = False) -> str:
    """Install without the self-test."""
    return install(shelf, read_offer(card), None, passing, keep).model


def current(shelf: Shelf) -> str:
    return shelf.line()[-1].model


def damage(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def without_weights() -> bytes:
    """The shipped network with nothing learned: it loads, runs, and sees nothing."""
    content = SHIPPED_BYTES
    network = new_interpreter(content, 1)
    network.allocate_tensors()
    for tensor in network.get_tensor_details():  # type: ignore[attr-defined]
        try:
            weights = network.get_tensor(tensor["index"]).tobytes()
        except ValueError:
            continue
        if len(weights) > 500 and weights in content:
            content = content.replace(weights, bytes(len(weights)))
    assert content != SHIPPED_BYTES
    return content


def files_in(folder: Path) -> dict[str, bytes]:
    return {str(one.relative_to(folder)): one.read_bytes() for one in folder.rglob("*") if one.is_file()}


# Installing.


def test_a_model_that_passes_its_self_test_becomes_current_and_measures(goatdev, config, stick) -> None:
    code, out, err = goatdev("models", "install", str(stick("2026.12.1")))
    assert (code, err) == (0, "")
    assert "installed and current; the station takes it when it starts" in out
    assert "times the current model's" in out
    code, out, _ = goatdev("measure", "--side", SIDE, "--calibration", str(CALIBRATION), "--json")
    assert json.loads(out)["model"]["version"] == "2026.12.1"
    with open_station(config) as station:
        assert station.eye.segmenter.card.version == "2026.12.1"
        assert read_serving(config.serving_path).warning == ""


def test_a_model_that_sees_nothing_is_refused_and_the_current_one_stays(goatdev, shelf, stick) -> None:
    first = put(shelf, stick("2"))
    before = files_in(shelf.folder)
    code, out, err = goatdev("models", "install", str(stick("3", without_weights())), "--json")
    document = json.loads(out)
    failed = {check["name"] for check in document["report"]["checks"] if not check["passed"]}
    assert code == 1
    assert not document["installed"]
    assert {"goat found", "side outline", "top outline", "front outline", "withers"} <= failed
    assert "failed its self-test: goat found, side outline" in err
    assert "nothing was changed: the current model stays" in err
    assert current(shelf) == first
    assert files_in(shelf.folder) == before


@pytest.mark.parametrize("place", [0, 4, 30_000])
def test_a_flipped_byte_is_refused_or_harmless_even_where_the_hash_fits_it(
    goatdev, shelf, stick, place: int
) -> None:
    content = bytearray(SHIPPED_BYTES)
    content[place] ^= 0x40
    code, out, err = goatdev("models", "install", str(stick("3", bytes(content))))
    if code == 0:
        assert "FAIL" not in out
        assert shelf.models() == (current(shelf),)
    else:
        assert "what to do" in err
        assert "Traceback" not in err
        assert shelf.models() == ()


@pytest.mark.parametrize("side", [333, 40_000])
def test_a_card_that_tells_another_size_is_refused_however_large(goatdev, shelf, stick, side: int) -> None:
    """The second one would take 5 GB: more than the station may lose to a test."""
    card = stick("3")
    card.write_text(re.sub(r"(?m)^(width|height) = .*", rf"\1 = {side}", card.read_text()))
    code, _, err = goatdev("models", "install", str(card))
    assert code == 1
    assert f"{card}: the self-test broke off" in err
    assert ("Unable to allocate" in err) == (side == 40_000)
    assert shelf.models() == ()


def test_a_model_whose_hash_differs_is_refused(goatdev, shelf, stick) -> None:
    card = stick()
    damage(read_card(card).path)
    code, out, err = goatdev("models", "install", str(card))
    assert (code, out) == (78, "")
    assert "not the model that its card describes" in err
    assert not shelf.folder.exists()


@pytest.mark.parametrize(
    "changes",
    [
        {"file": "../goat_segmenter.tflite"},
        {"file": "/etc/passwd"},
        {"file": "sub/goat_segmenter.tflite"},
        {"file": "card.toml"},
        {"file": ".."},
        {"name": "../../evil"},
        {"name": ""},
        {"name": "a\u0000b"},
        {"name": "x" * 65},
        {"version": "1/../../.."},
        {"version": ".."},
        {"sha256": "../" * 20},
        {"sha256": hashlib.sha256(SHIPPED_BYTES).hexdigest().upper()},
    ],
)
def test_a_card_names_plain_files_and_nothing_else(goatdev, shelf, stick, changes: dict[str, str]) -> None:
    code, out, err = goatdev("models", "install", str(stick(**changes)))
    assert (code, out) == (78, "")
    assert "what to do" in err
    assert not shelf.folder.exists()


def test_what_is_no_file_or_too_large_is_refused_before_it_is_read(
    goatdev, shelf, stick, tmp_path: Path
) -> None:
    card = stick()
    model = read_card(card).path
    os.truncate(model, 65_000_000)
    assert "larger than 64 MB" in refused(goatdev, card)
    model.unlink()
    assert "No such file" in refused(goatdev, card)
    model.symlink_to("/dev/zero")
    assert "not a file" in refused(goatdev, card)
    os.mkfifo(tmp_path / "pipe.toml")
    assert "not a file" in refused(goatdev, tmp_path / "pipe.toml")
    assert "not a file" in refused(goatdev, tmp_path)
    card.write_text("#" * 200_000)
    assert "larger than 0.1 MB" in refused(goatdev, card)
    card.write_text("name = 3")
    assert "not a model card" in refused(goatdev, card)
    assert "No such file" in refused(goatdev, tmp_path / "absent.toml")
    assert not shelf.folder.exists()


def refused(goatdev, card: Path) -> str:
    code, out, err = goatdev("models", "install", str(card))
    assert (code, out) == (78, "")
    return err


def test_keep_current_only_puts_a_model_on_the_shelf(goatdev, shelf, stick) -> None:
    code, out, _ = goatdev("models", "install", str(stick()), "--keep-current", "--json")
    document = json.loads(out)
    assert (code, document["installed"], document["current"]) == (0, True, False)
    assert shelf.models() == (document["name"],)
    assert current(shelf) == SHIPPED


def test_a_model_of_the_shelf_becomes_current_by_its_card_there(shelf, stick) -> None:
    model = put(shelf, stick(), keep=True)
    assert put(shelf, shelf.card_path(model)) == model
    assert current(shelf) == model


def test_the_shipped_model_is_chosen_without_a_copy(shelf, stick) -> None:
    put(shelf, stick())
    assert put(shelf, SHIPPED_MODEL) == SHIPPED
    assert current(shelf) == SHIPPED
    assert len(shelf.models()) == 1


def test_installing_again_changes_nothing_and_mends_what_was_damaged(shelf, stick) -> None:
    model = put(shelf, stick())
    before = files_in(shelf.folder)
    put(shelf, stick())
    assert files_in(shelf.folder) == before
    damage(read_card(shelf.card_path(model)).path)
    put(shelf, stick())
    assert files_in(shelf.folder) == before


def test_one_version_is_one_model(shelf, stick) -> None:
    put(shelf, stick())
    card = stick()
    card.write_text(re.sub(r"(?m)^value = .*", "value = 0.123", card.read_text(), count=1))
    with pytest.raises(ConfigError, match="another card"):
        put(shelf, card)


def test_two_installations_at_once_do_not_mix(shelf, stick) -> None:
    testing, go_on = Event(), Event()

    def slow(card: Path, against: Path | None) -> Report:
        testing.set()
        go_on.wait(30)
        return passing(card, against)

    one = Thread(target=install, args=(shelf, read_offer(stick("2")), None, slow, False))
    one.start()
    assert testing.wait(30)
    with pytest.raises(StoreError, match="another `goatdev models` is changing"):
        put(shelf, stick("3"))
    go_on.set()
    one.join()
    assert current(shelf) == shelf.models()[0] == "goat_segmenter-2-" + read_card(SHIPPED_MODEL).sha256[:8]


DYING = """
import os, signal, sys
from pathlib import Path
from edge.models import install, read_offer
from edge.segment import read_card
from edge.selftest import Report
from edge.shelf import Shelf

folder, card, deadly = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
acts = 0

def die(event, arguments):
    global acts
    if event in {"open", "os.mkdir", "os.rename", "os.remove", "os.rmdir"} and str(folder) in str(arguments[0]):
        acts += 1
        if acts == deadly:
            os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(die)
install(Shelf(folder), read_offer(card), None, lambda one, _: Report(read_card(one).as_document(), ()), False)
"""


def test_a_power_cut_at_any_step_leaves_the_old_model_or_the_new(shelf, stick, tmp_path: Path) -> None:
    old, new = put(shelf, stick("2")), stick("3")
    seen = set()
    for step in range(1, 200):
        scratch = Shelf(Path(shutil.copytree(shelf.folder, tmp_path / f"cut-{step}")))
        ended = subprocess.run(
            [sys.executable, "-c", DYING, str(scratch.folder), str(new), str(step)], cwd=REPO, check=False
        )
        seen.add(current(scratch))
        found, problem = first_usable(scratch, whole_card)
        assert (found, problem) == (card_path(scratch, current(scratch)), None)
        if ended.returncode == 0:
            break
        assert ended.returncode == -signal.SIGKILL
        assert put(scratch, new) == current(scratch) != old
        assert not scratch.incoming.exists()
    assert step > 10
    assert seen == {old, current(scratch)}


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk with less room than a model needs."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"only root can mount a small disk: {mounted.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_is_said_and_leaves_nothing_behind(small_disk: Path, stick) -> None:
    shelf = Shelf(small_disk / "models")
    with pytest.raises(StoreError, match="No space left on device"):
        put(shelf, stick())
    assert shelf.models() == ()
    assert not shelf.incoming.exists()
    assert current(shelf) == SHIPPED


# Rolling back.


def test_rolling_back_goes_one_model_back_each_time(goatdev, shelf, stick) -> None:
    first, second = put(shelf, stick("2")), put(shelf, stick("3"))
    assert current(shelf) == second
    code, out, _ = goatdev("models", "rollback")
    assert (code, current(shelf)) == (0, first)
    assert f"{first}: current again" in out
    code, out, _ = goatdev("models", "rollback", "--json")
    assert (code, json.loads(out)["current"], current(shelf)) == (0, SHIPPED, SHIPPED)
    code, _, err = goatdev("models", "rollback")
    assert code == 1
    assert "nothing before it" in err
    assert [choice.how for choice in shelf.history()] == ["installed"] * 2 + ["rolled back"] * 2
    assert shelf.models() == (first, second)


def test_a_damaged_model_is_not_rolled_back_to(goatdev, shelf, stick) -> None:
    first, second = put(shelf, stick("2")), put(shelf, stick("3"))
    damage(read_card(shelf.card_path(first)).path)
    code, _, err = goatdev("models", "rollback")
    assert code == 78
    assert "not the model that its card describes" in err
    assert current(shelf) == second


# The station.


def test_a_running_station_keeps_its_model_until_its_next_start(goatdev, config, stick) -> None:
    with open_station(config) as station:
        code, out, _ = goatdev("models", "install", str(stick("2026.12.1")))
        assert code == 0
        assert "the running station takes it at its next start" in out
        assert "the station is running with goat_segmenter" in goatdev("models", "list")[1]
        pressed = station.store.press(new_trigger("command"), config.station.id)
        assert station.serve(pressed).revision.model["version"] == read_card(SHIPPED_MODEL).version
    with open_station(config) as station:
        pressed = station.store.press(new_trigger("command"), config.station.id)
        assert station.serve(pressed).revision.model["version"] == "2026.12.1"


@pytest.mark.parametrize("what", ["model", "card", "gone"])
def test_a_station_whose_model_is_damaged_starts_with_the_one_before_and_says_so(
    caplog, config, shelf, stick, what: str
) -> None:
    put(shelf, stick("2"))
    card = shelf.card_path(put(shelf, stick("3")))
    if what == "model":
        damage(read_card(card).path)
    elif what == "card":
        card.write_text(re.sub(r"(?m)^value = .*", "value = 0.0", card.read_text(), count=1))
    else:
        shutil.rmtree(card.parent)
    with open_station(config) as station:
        assert station.eye.segmenter.card.version == "2"
    assert "this is not the model that should be current" in caplog.text
    told = read_serving(config.serving_path)
    assert told.model["version"] == "2"
    assert told.warning
    assert told.hint


@pytest.mark.parametrize(
    "pointer",
    [
        None,
        b"",
        b"\xff\x00",
        b"[]",
        b'{"format": 2, "history": []}',
        b'{"format": 1, "history": [{"model": "../../x"}]}',
        b'{"format": 1, "history": [{"model": 3}]}',
    ],
)
def test_a_station_that_cannot_tell_its_model_starts_with_the_shipped_one_and_says_so(
    caplog, goatdev, config, shelf, stick, pointer: bytes | None
) -> None:
    model = put(shelf, stick("2"))
    shelf.pointer.unlink()
    if pointer is not None:
        shelf.pointer.write_bytes(pointer)
    with open_station(config) as station:
        assert station.eye.segmenter.card.path == read_card(SHIPPED_MODEL).path
    assert "which model is current cannot be told" in caplog.text
    code, out, _ = goatdev("models", "list")
    assert code == 0
    assert "until then the shipped model is used" in out
    assert goatdev("models", "rollback")[0] == 1
    put(shelf, shelf.card_path(model))
    assert current(shelf) == model
    aside = list(shelf.folder.glob("current.damaged-*.json"))
    assert [one.read_bytes() for one in aside] == ([] if pointer is None else [pointer])


def test_a_model_named_in_the_configuration_wins_and_is_said(
    goatdev, config_path: Path, shelf, stick
) -> None:
    put(shelf, stick("2"))
    named = stick("9")
    text = config_path.read_text().replace("[measure]", f'[measure]\nmodel = "{named}"')
    config_path.write_text(text)
    with open_station(load_config(config_path)) as station:
        assert station.eye.segmenter.card.version == "9"
    assert "in the configuration wins over these" in goatdev("models", "list")[1]
    assert "not used while the configuration names" in goatdev("models", "rollback")[1]
    read_card(named).path.unlink()
    with pytest.raises(ConfigError), open_station(load_config(config_path)):
        pass


def test_measuring_by_hand_without_a_configuration_uses_the_shipped_model(
    capsys, monkeypatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["measure", "--side", SIDE, "--calibration", str(CALIBRATION), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["model"] == read_card(SHIPPED_MODEL).as_document()


def test_measuring_by_hand_says_when_another_model_stands_in(goatdev, shelf, stick) -> None:
    damage(read_card(shelf.card_path(put(shelf, stick("2")))).path)
    code, out, err = goatdev("measure", "--side", SIDE, "--calibration", str(CALIBRATION), "--json")
    assert code == 0
    assert json.loads(out)["model"]["version"] == read_card(SHIPPED_MODEL).version
    assert "not the model that its card describes" in err
    assert "measuring with goat_segmenter" in err


# Looking.


def test_the_list_names_every_model_and_its_state(goatdev, shelf, stick) -> None:
    first, second = put(shelf, stick("2")), put(shelf, stick("3"))
    damage(read_card(shelf.card_path(first)).path)
    (shelf.folder / "strange").mkdir()
    code, out, _ = goatdev("models", "list", "--json")
    listing = json.loads(out)
    assert code == 0
    assert [one["model"] for one in listing["models"]] == [SHIPPED, first, second]
    assert [one["current"] for one in listing["models"]] == [False, False, True]
    assert [one["state"].split(":")[0] for one in listing["models"]] == ["whole", "damaged", "whole"]
    assert (listing["current"], listing["rollback_to"]) == (second, first)
    assert [choice["model"] for choice in listing["history"]] == [first, second]
    out = goatdev("models", "list")[1]
    assert f"* {second}" in out
    assert f"before it: {first}" in out


def test_verify_tests_the_model_in_use_or_a_named_one(goatdev, shelf, stick) -> None:
    code, out, err = goatdev("models", "verify", "--json")
    document = json.loads(out)
    assert (code, err, document["passed"]) == (0, "", True)
    assert document["model"] == read_card(SHIPPED_MODEL).as_document()
    model = put(shelf, stick("2"))
    damage(read_card(shelf.card_path(model)).path)
    for name in ([], ["goat_segmenter-2"]):
        code, out, err = goatdev("models", "verify", *name)
        assert (code, out) == (78, "")
        assert "not the model that its card describes" in err


def test_a_name_that_is_no_model_is_a_message(goatdev, shelf, stick) -> None:
    put(shelf, stick("2"))
    put(shelf, stick("3"))
    for name, message in (
        ("../..", "no such model"),
        ("goat", "several models begin so"),
        ("/", "no such model"),
    ):
        code, _, err = goatdev("models", "verify", name)
        assert code == 1
        assert message in err
        assert "known: shipped" in err


def test_a_pointer_to_a_changed_model_is_never_followed_silently(shelf, stick) -> None:
    """Card and model replaced together fit each other, and are still not what was tested."""
    model = put(shelf, stick("2"))
    other = stick("2", SHIPPED_BYTES + b"\0")
    for name in ("goat.toml", "goat_segmenter.tflite"):
        target = "card.toml" if name == "goat.toml" else name
        shutil.copy(other.parent / name, shelf.folder / model / target)
    card, problem = first_usable(shelf, whole_card)
    assert card == SHIPPED_MODEL
    assert isinstance(problem, StationError)
    with pytest.raises(ConfigError, match="not the card that was installed"):
        require_whole(shelf, model)
    put(shelf, stick("4"))
    with pytest.raises(ConfigError, match="not the card that was installed"):
        roll_back(shelf)
