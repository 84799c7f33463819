"""Stored captures measured again: by the running station or without one, and what is told of it."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Event

import pytest

from edge.app import close_interrupted, open_station
from edge.cli import main
from edge.commands.replay import asking, measured
from edge.config import Config, load_config
from edge.errors import StageError, StoreError
from edge.keeping.archive import Archive
from edge.keeping.locks import held, is_held
from edge.keeping.pages import Wanted
from edge.keeping.replay import Again, Pair, changes, plan_wanted
from edge.keeping.store import Store
from edge.records import Capture, Status
from edge.triggers import new_trigger
from tests.conftest import CONFIG, REPO, SAMPLES
from tests.live import running_station, wait_until


@pytest.fixture(autouse=True)
def signals_as_they_were() -> Iterator[None]:
    """The command hears Ctrl-C in its own way for as long as it runs, which in real life is to its end."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.getsignal(number) for number in numbers}
    yield
    signal.set_wakeup_fd(-1)
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A station's data: two captures, one that lost its numbers to a power cut, and a press that nobody served."""
    folder = tmp_path_factory.mktemp("station")
    (folder / "goatdev.toml").write_text(CONFIG.format(samples=SAMPLES))
    config = load_config(folder / "goatdev.toml")
    with open_station(config) as station:
        store = station.store
        for goat in ("Heidi", None):
            station.serve(store.press(new_trigger("command", goat), "barn1"))
        cut = store.begin(store.press(new_trigger("command"), "barn1"))
        station.archive.save_frames(cut.id, station.rig.shoot().frames)
        late = store.press(new_trigger("command"), "barn1")
        store.close_capture(late.missed("the press was older than the station may serve"))
        close_interrupted(store, station.archive)
    return config.data_dir


@pytest.fixture
def captures(template: Path, config: Config) -> list[Capture]:
    """Those of the template, oldest first, as this test's station has them."""
    shutil.copytree(template, config.data_dir)
    with Store(config.database_path) as store:
        found = [*reversed(store.captures())]
    assert [one.status for one in found] == ["completed", "completed", "failed", "missed"]
    return found


def replay(capsys: pytest.CaptureFixture[str], config_path: Path, *arguments: str) -> tuple[int, str, str]:
    try:
        code = main(["replay", "--config", str(config_path), *arguments])
    except SystemExit as stop:
        code = int(stop.code or 0)
    out, err = capsys.readouterr()
    return code, out, err


def revisions(config: Config) -> list[int]:
    """Of every capture, oldest first."""
    with Store(config.database_path) as store:
        return [one.revision_number for one in reversed(store.captures())]


def test_without_a_station_the_command_measures_and_says_what_changed(
    captures: list[Capture], config: Config, config_path: Path, capsys
) -> None:
    code, out, _ = replay(capsys, config_path, "--all", "--json")
    document = json.loads(out)
    assert code == 0
    assert [one["capture_id"] for one in document["measured"]] == [one.id for one in captures[:3]]
    assert list(document["left_out"]) == [captures[3].id]
    assert "never had pictures" in document["left_out"][captures[3].id]
    withers = next(one for one in document["changes"] if one["trait"] == "withers_height_cm")
    assert (withers["compared"], withers["worst"], withers["gained"], withers["lost"]) == (2, 0.0, 1, 0)
    assert revisions(config) == [2, 2, 1, 0]
    with Store(config.database_path) as store:
        mended = store.capture(captures[2].id)
    assert (mended.status, mended.failure) == (Status.COMPLETED, None)


def test_a_running_station_measures_them_itself_and_a_press_goes_between(
    captures: list[Capture], config: Config, config_path: Path, capsys
) -> None:
    with running_station(config):
        wait_until(lambda: is_held(config.station_lock))
        with Store(config.database_path) as store:
            pressed = store.press(new_trigger("command"), "barn1")
            code, out, _ = replay(capsys, config_path, *(one.id for one in captures))
            assert code == 0
            assert "3 of 3 captures measured again" in out
            assert store.capture(pressed.id).status is Status.COMPLETED
            assert store.waiting() == 0
    assert revisions(config)[:3] == [2, 2, 1]


def test_only_one_at_a_time_is_asked_of_the_station(captures: list[Capture], config: Config) -> None:
    """So a press waits for one at most, however many are to be measured again."""
    stop = Event()
    with held(config.station_lock, "", ""), Store(config.database_path) as store:
        plan = plan_wanted(store, Archive(config.image_folder), Wanted(), False, None)
        ask = asking(config, store)

        def ask_and_look(capture: Capture, stop: Event) -> Capture | None:
            stop.set()  # nobody serves here: the first is asked for, and left to the station
            return ask(capture, stop)

        assert measured(plan, store, ask_and_look, stop) == []
        assert store.waiting() == 1


def test_a_station_that_ends_meanwhile_is_told(captures: list[Capture], config: Config) -> None:
    with Store(config.database_path) as store:
        with pytest.raises(StageError, match="the station ended meanwhile"):
            asking(config, store)(captures[0], Event())
        assert store.capture(captures[0].id).status is Status.QUEUED


def test_which_are_measured_can_be_said_by_goat_day_failure_and_name(
    captures: list[Capture], config: Config, config_path: Path, capsys
) -> None:
    def would(*arguments: str) -> list[str]:
        code, out, _ = replay(capsys, config_path, "--dry-run", "--json", *arguments)
        assert code == 0
        return json.loads(out)["would_measure"]

    heidi, other, failed, _ = (one.id for one in captures)
    assert would("--goat", "Heidi") == [heidi]
    assert would("--failed") == [failed]
    assert would("--until", "2001-01-01") == []
    assert would("--since", "2001-01-01") == [heidi, other, failed]
    assert would(other) == [other]
    assert would("--outdated") == [failed]
    assert revisions(config) == [1, 1, 0, 0]


def test_what_is_outdated_is_what_another_network_calibration_or_version_measured(
    captures: list[Capture], config: Config, config_path: Path, capsys
) -> None:
    with Store(config.database_path) as store, store.transaction():
        store.db.execute(
            "UPDATE revisions SET software = 'goatdev 0.0.1' WHERE capture_id = ?", [captures[1].id]
        )
    assert replay(capsys, config_path, "--outdated")[0] == 0
    assert revisions(config) == [1, 2, 1, 0]
    code, out, _ = replay(capsys, config_path, "--outdated")
    assert code == 0
    assert "0 of 0 captures measured again" in out


def test_captures_without_pictures_are_named_with_the_reason_and_left_as_they_are(
    captures: list[Capture], config: Config, config_path: Path, capsys
) -> None:
    for image in captures[0].images_of("raw"):
        (config.image_folder / image.path).unlink()
    with Store(config.database_path) as store:
        store.db.execute(
            "UPDATE images SET pruned_at = '2026-11-20T10:00:00+00:00' WHERE capture_id = ?", [captures[1].id]
        )
    code, out, _ = replay(capsys, config_path, captures[0].id, captures[1].id, captures[3].id)
    assert code == 0
    assert f"{captures[1].id}  left out: its pictures were pruned on 2026-11-20; they are in the cloud" in out
    assert f"{captures[0].id}  left out: its pictures as taken are no longer on this station" in out
    assert f"{captures[3].id}  left out: it never had pictures" in out
    with Store(config.database_path) as store:
        assert store.capture(captures[0].id).revision_number == 1
        assert store.waiting() == 0


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ((), 2, "name captures, or say which"),
        (("20200101T000000000Z_barn1", "--all"), 2, "not both"),
        (("nonsense",), 1, "is no capture of this station"),
        (("--goat", "Nobody"), 1, "was ever here"),
        (("--since", "today"), 2, "is no date"),
    ],
)
def test_what_cannot_be_replayed_is_said(
    config_path: Path, capsys, arguments: tuple[str, ...], code: int, message: str
) -> None:
    found, _, err = replay(capsys, config_path, *arguments)
    assert found == code
    assert message in err


def test_ctrl_c_ends_after_the_capture_at_hand_and_no_station_starts_before_that(
    captures: list[Capture], config: Config, config_path: Path
) -> None:
    command = [sys.executable, "-m", "edge.cli", "replay", "--config", str(config_path), "--all"]
    with subprocess.Popen(
        command, cwd=REPO, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        with Store(config.database_path) as store:
            wait_until(store.interrupted, pause_s=0.002)
        process.send_signal(signal.SIGSTOP)
        with pytest.raises(StoreError, match="another station is already running"), open_station(config):
            pass
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGCONT)
        _, err = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "stopped with 2 of 3 captures left" in err
    assert "--outdated" in err
    assert revisions(config) == [2, 1, 0, 0]
    with Store(config.database_path) as store:
        assert store.interrupted() == []


def test_the_worst_change_is_told_with_its_doubt_and_its_capture() -> None:
    done = [
        Again(
            "a",
            2,
            None,
            (Pair("withers_height_cm", 60.0, 60.5, 1.0), Pair("waist_width_cm", None, 20.0, 2.0)),
        ),
        Again(
            "b",
            2,
            None,
            (Pair("withers_height_cm", 60.0, 57.0, 1.5), Pair("waist_width_cm", 20.0, None, 2.0)),
        ),
        Again(
            "c",
            3,
            None,
            (Pair("withers_height_cm", 60.0, 60.0, 1.0), Pair("waist_width_cm", None, None, None)),
        ),
        Again("d", 1, "none of its pictures can be read", ()),
    ]
    withers, waist = changes(done)
    assert (withers.compared, withers.median, withers.worst) == (3, 0.5, 3.0)
    assert (withers.worst_u95, withers.worst_capture, withers.beyond) == (1.5, "b", 1)
    assert (waist.compared, waist.median, waist.worst, waist.gained, waist.lost) == (0, None, None, 1, 1)
