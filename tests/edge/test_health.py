"""The checks themselves, each on the real thing: firmware answers, full disks, calibrations, a running station."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from edge.clock import since_boot_s
from edge.config import Config, load_config
from edge.health.calibrated import calibration_checks
from edge.health.check import FAIL, OK, WARN, Check, span, worst
from edge.health.database import Backlog, backlog_check, read_backlog
from edge.health.everything import all_checks, room_check
from edge.health.machine import (
    POWER_BITS,
    Machine,
    Power,
    clock_check,
    power_check,
    read_machine,
    read_power,
    read_temperature_c,
    temperature_check,
)
from edge.health.room import folder_check, share_of_files_used
from edge.health.secrets import credentials_check
from edge.health.station import heard_word, station_check, station_checks
from edge.keeping.outbox import Outbox
from edge.keeping.store import Store
from edge.records import VIEWS, Capture, StoredImage
from edge.triggers import new_trigger
from edge.word import STALE_S, CameraWord, StationWord, Teller, forget, read_station
from tests.brokers import mosquitto
from tests.conftest import CALIBRATION, CONFIG, SAMPLES
from tests.live import running_station, wait_until

Firmware = Callable[..., None]


def found(checks: Iterator[Check] | list[Check]) -> dict[str, Check]:
    return {check.name: check for check in checks}


# Power and heat.


@pytest.fixture
def firmware(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Firmware:
    """A vcgencmd that answers as a Raspberry Pi's does."""

    def answers(throttled: str = "throttled=0x0", temperature: str = "temp=48.3'C", status: int = 0) -> None:
        program = tmp_path / "bin" / "vcgencmd"
        program.parent.mkdir(exist_ok=True)
        cases = f'get_throttled) echo "{throttled}";; measure_temp) echo "{temperature}";;'
        program.write_text(f"#!/bin/sh\ncase $1 in {cases} esac\nexit {status}\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")

    return answers


def test_a_pi_with_a_good_supply_is_well(firmware: Firmware) -> None:
    firmware()
    assert power_check(read_power()).state == OK
    assert read_temperature_c() == 48.3
    assert temperature_check(48.3) == Check("temperature", OK, "48 °C")


def test_under_voltage_now_fails_and_one_since_the_start_warns(firmware: Firmware) -> None:
    firmware("throttled=0x50005")
    now = power_check(read_power())
    assert (now.state, now.text[:4]) == (FAIL, "now:")
    assert "voltage is too low" in now.text and "slowed down" in now.text
    assert "power supply" in now.hint and "fan" not in now.hint
    firmware("throttled=0x50000")
    past = power_check(read_power())
    assert past.state == WARN
    assert past.text.startswith("now all is well; since the start: the supply's voltage is too low")


def test_heat_is_told_from_a_weak_supply(firmware: Firmware) -> None:
    firmware("throttled=0xe000e")
    check = power_check(read_power())
    assert check.state == WARN
    assert "soft temperature limit" in check.text and "voltage" not in check.text
    assert "fan" in check.hint and "supply" not in check.hint


@pytest.mark.parametrize("bit", POWER_BITS)
def test_every_bit_is_said_in_words_now_and_since_the_start(bit: int, firmware: Firmware) -> None:
    for shift, begin in ((0, "now: "), (16, "now all is well; since the start: ")):
        firmware(f"throttled=0x{1 << bit + shift:x}")
        check = power_check(read_power())
        assert check.text == begin + POWER_BITS[bit]
        assert check.hint


def test_a_firmware_that_does_not_answer_is_no_alarm(firmware: Firmware, tmp_path: Path) -> None:
    firmware("VCHI initialization failed", "", status=255)
    assert read_power(tmp_path) is None and read_temperature_c(tmp_path) is None
    assert power_check(None).state == temperature_check(None).state == OK


def test_what_the_station_may_ask_the_firmware_the_others_have_from_it() -> None:
    word = StationWord(1, "", "", "", "", clock="rtc", throttled=0x50000, temperature_c=55.5)
    assert read_machine(word) == Machine(Power(0x50000), 55.5, "rtc")


def test_without_firmware_the_kernel_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    for path, content in {
        "class/thermal/thermal_zone0/temp": "61322\n",
        "class/thermal/thermal_zone1/temp": "55000\n",
        "class/hwmon/hwmon1/in0_lcrit_alarm": "0\n",
        "class/hwmon/hwmon2/in0_lcrit_alarm": "1\n",
    }.items():
        (tmp_path / path).parent.mkdir(parents=True)
        (tmp_path / path).write_text(content)
    assert read_temperature_c(tmp_path) == 61.322
    power = read_power(tmp_path)
    assert power is not None and power.is_low
    assert power_check(power).state == FAIL
    (tmp_path / "class/hwmon/hwmon2/in0_lcrit_alarm").write_text("0\n")
    assert power_check(read_power(tmp_path)).state == OK


@pytest.mark.parametrize(("temperature_c", "state"), [(79.9, OK), (80.0, WARN), (84.9, WARN), (85.0, FAIL)])
def test_a_pi_that_gets_hot_warns_and_then_fails(temperature_c: float, state: str) -> None:
    check = temperature_check(temperature_c)
    assert check.state == state
    assert bool(check.hint) == (state != OK)


@pytest.mark.parametrize(("source", "state"), [("ntp", OK), ("rtc", OK), ("unsynchronised", WARN)])
def test_a_clock_that_nobody_set_is_a_warning(source: str, state: str) -> None:
    assert clock_check(source).state == state


# Disk and files.


@contextmanager
def small_disk(folder: Path, options: str) -> Iterator[Path]:
    """A real file system of its own."""
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("a file system can only be mounted by root")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize(
    ("filled_kb", "state", "used"), [(500, OK, "50%"), (850, WARN, "85%"), (960, FAIL, "96%")]
)
def test_a_real_disk_that_fills_warns_and_then_fails(
    filled_kb: int, state: str, used: str, config: Config, tmp_path: Path
) -> None:
    with small_disk(tmp_path / "disk", "size=1000k") as folder:
        (folder / "pictures").write_bytes(bytes(filled_kb * 1024))
        on_it = replace(config, station=replace(config.station, data_dir=str(folder)))
        check = room_check(on_it)
        assert (check.state, check.text) == (state, f"{used} used")
        assert bool(check.hint) == (state != OK)


def test_a_disk_that_can_hold_no_more_files_fails_however_empty_it_is(config: Config, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "size=10m,nr_inodes=50") as folder:
        assert share_of_files_used(folder) < 0.1
        for number in range(48):
            (folder / str(number)).touch()
        on_it = replace(config, station=replace(config.station, data_dir=str(folder)))
        check = room_check(on_it)
        assert check.state == FAIL
        assert "of the files that it can hold" in check.text


def test_a_disk_that_can_only_be_read_fails(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "ro") as folder:
        assert folder_check(folder).state == FAIL


def test_a_file_that_a_command_run_as_root_left_behind_is_named(tmp_path: Path) -> None:
    if os.geteuid():
        pytest.skip("only root can give files away")
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "station.db").touch()
    assert folder_check(folder).state == OK
    os.chown(folder, 12345, 12345)
    check = folder_check(folder)
    assert check.state == FAIL
    assert "station.db" in check.text
    assert check.hint == f"sudo chown -R 12345: {folder}"


def test_a_data_folder_that_is_not_there_yet_is_no_alarm_but_a_file_in_its_place_is(tmp_path: Path) -> None:
    assert folder_check(tmp_path / "not" / "yet").state == OK
    (tmp_path / "file").touch()
    assert folder_check(tmp_path / "file" / "data").state == FAIL


def test_a_secret_that_everybody_can_read_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    password = tmp_path / "mqtt-password"
    password.write_text("hunter2")
    password.chmod(0o640)
    (tmp_path / "goatdev.toml").touch(0o644)
    assert credentials_check(tmp_path).state == OK
    password.chmod(0o644)
    check = credentials_check(tmp_path)
    assert check.state == FAIL
    assert str(password) in check.text and "hunter2" not in check.text
    assert "chmod" in check.hint
    password.chmod(0o600)
    (tmp_path / "credentials").mkdir()
    (tmp_path / "credentials" / "aws").touch(0o604)
    (tmp_path / "credentials" / "aws").chmod(0o604)
    assert "aws" in credentials_check(tmp_path).text


# Calibration.


def calibrated(tmp_path: Path, date: str, error_px: float = 0.2) -> Path:
    """The samples' calibration as if the side view had been made then."""
    document = json.loads(CALIBRATION.read_text())
    document["views"]["side"] |= {"date": date, "reprojection_rms_px": error_px}
    path = tmp_path / "calibration.json"
    path.write_text(json.dumps(document))
    return path


def ago(days: float) -> str:
    return (datetime.now(UTC) - timedelta(days=days)).isoformat()


def capture_of(width: int, height: int) -> Capture:
    image = StoredImage("side", "raw", "x.jpg", "0" * 64, width, height, 1)
    return replace(Capture("20261122T030000000Z_barn1", new_trigger("command"), "completed"), images=(image,))  # type: ignore[arg-type]


def test_each_view_says_how_old_and_how_good_its_calibration_is(tmp_path: Path) -> None:
    path = calibrated(tmp_path, ago(21))
    checks = found(calibration_checks(path, VIEWS, capture_of(1600, 1200), ""))
    assert set(checks) == {"calibration", "calibration_side", "calibration_top", "calibration_front"}
    side = checks["calibration_side"]
    assert (side.state, side.text) == (
        OK,
        "made 21 days ago, reprojection error 0.20 px, pictures of 1600x1200",
    )


@pytest.mark.parametrize(
    ("days", "error_px", "size", "state", "words"),
    [
        (400, 0.2, (1600, 1200), WARN, "known length"),
        (21, 1.4, (1600, 1200), WARN, "sharper pictures"),
        (21, 0.2, (640, 480), FAIL, "calibrate the side view again"),
        (-3, 0.2, (1600, 1200), OK, ""),
    ],
)
def test_a_calibration_that_is_old_or_bad_or_of_another_size_says_what_to_do(
    days: float, error_px: float, size: tuple[int, int], state: str, words: str, tmp_path: Path
) -> None:
    path = calibrated(tmp_path, ago(days), error_px)
    check = found(calibration_checks(path, ["side"], capture_of(*size), ""))["calibration_side"]
    assert check.state == state
    assert words in check.hint


def test_a_view_without_calibration_and_a_file_that_is_none_fail(tmp_path: Path) -> None:
    path = tmp_path / "calibration.json"
    assert found(calibration_checks(path, VIEWS, None, ""))["calibration"].state == FAIL
    document = json.loads(CALIBRATION.read_text())
    del document["views"]["top"]
    path.write_text(json.dumps(document))
    checks = found(calibration_checks(path, VIEWS, None, ""))
    assert (checks["calibration_top"].state, checks["calibration_side"].state) == (FAIL, OK)
    assert "goatdev calibrate camera top" in checks["calibration_top"].hint
    path.write_text("{")
    assert found(calibration_checks(path, VIEWS, None, ""))["calibration"].state == FAIL


def test_a_calibration_that_changed_since_the_station_started_is_a_warning(tmp_path: Path) -> None:
    path = calibrated(tmp_path, ago(21))
    assert found(calibration_checks(path, VIEWS, None, "0" * 64))["calibration"].state == WARN


# What is kept.


def closed(store: Store) -> Capture:
    capture = store.press(new_trigger("command"), "barn1").missed("too late")
    store.close_capture(capture)
    return capture


def test_what_waits_for_the_cloud_says_how_long_and_what_was_refused_says_why(config: Config) -> None:
    with Store(config.database_path) as store:
        assert read_backlog(store) == Backlog()
        outbox = Outbox(store)
        for _ in range(3):
            closed(store)
        outbox.parked(outbox.due()[0], "already holds other content")
        backlog = read_backlog(store)
    assert (backlog.due, backlog.parked, backlog.why) == (2, 1, "already holds other content")
    assert 0 <= backlog.oldest_s < 60
    check = backlog_check(backlog)
    assert check.state == WARN and "already holds other content" in check.text


@pytest.mark.parametrize(
    ("days", "has_destination", "state"), [(13, True, OK), (15, True, WARN), (15, False, OK)]
)
def test_two_weeks_without_internet_are_normal_and_more_is_a_warning(
    days: float, has_destination: bool, state: str
) -> None:
    check = backlog_check(Backlog(due=40, oldest_s=days * 86400), has_destination)
    assert check.state == state
    assert "40 results" in check.text


# The station's own word.


def test_the_word_is_written_when_it_changes_and_not_at_every_turn(tmp_path: Path) -> None:
    path = tmp_path / "station.json"
    teller = Teller(path)
    word = StationWord(1, "2026-11-22T03:00:00+00:00", "goatdev 1", "model 1", "0" * 64)
    assert teller.tell(word)
    first = path.stat().st_ino
    assert not teller.tell(replace(word, memory_bytes=5))
    assert path.stat().st_ino == first
    lost = replace(word, cameras={"side": CameraWord("lost", "no frame", "check the cable")})
    assert teller.tell(lost)
    heard = read_station(path)
    assert heard is not None and not heard.is_stale
    assert heard.cameras == lost.cameras


def test_a_word_from_before_a_minute_or_from_before_the_computers_start_holds_no_more(tmp_path: Path) -> None:
    word = StationWord(1, "2026-11-22T03:00:00+00:00", "goatdev 1", "model 1", "0" * 64)
    now_s = since_boot_s()
    assert not replace(word, said_at_s=now_s - STALE_S + 5).is_stale
    assert replace(word, said_at_s=now_s - STALE_S - 1).is_stale
    assert replace(word, said_at_s=now_s + 1000).is_stale
    hung = station_check(True, replace(word, said_at_s=now_s - 300, said_at="2026-11-22T03:00:00+00:00"))
    assert hung.state == FAIL and "it hangs" in hung.text and "restart" in hung.hint


def test_a_station_on_a_full_disk_goes_on_saying_how_it_is(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with small_disk(tmp_path / "disk", "size=100k") as folder:
        teller = Teller(folder / "station.json")
        word = StationWord(1, "2026-11-22T03:00:00+00:00", "goatdev 1", "model 1", "0" * 64)
        teller.tell(word)
        fill(folder)
        for status in ("queued", "completed"):
            teller.tell(replace(word, last_capture=status))
        heard = read_station(folder / "station.json")
    assert heard is not None and heard.last_capture == "completed"
    assert caplog.text.count("cannot be written") == 1


def fill(folder: Path) -> None:
    with (folder / "pictures").open("wb", buffering=0) as file, pytest.raises(OSError, match="No space"):
        while True:
            file.write(bytes(4096))


@pytest.mark.parametrize(
    "content", ["", "torn {", "[]", '{"pid": 1}', '{"cameras": {}, "broker": null, "new": 1}']
)
def test_a_word_that_cannot_be_read_is_none(content: str, tmp_path: Path) -> None:
    path = tmp_path / "station.json"
    path.write_text(content)
    assert read_station(path) is None
    path.with_name(f"{path.name}.part").write_text("what a killed station was about to say")
    forget(path)
    forget(path)
    assert not list(path.parent.glob(f"{path.name}*"))
    assert read_station(path) is None


def test_a_station_of_another_version_than_the_installed_one_is_a_warning() -> None:
    word = StationWord(1, "2026-11-22T03:00:00+00:00", "goatdev 0.0.1", "m", "0", said_at_s=since_boot_s())
    assert station_check(True, word).state == WARN


def test_a_camera_that_is_unplugged_or_frozen_is_named_until_it_is_well_again(config: Config) -> None:
    faults = config.folder / "simulated-faults.toml"
    with running_station(config):
        word = wait_until(lambda: heard_word(config))
        assert {view: camera.state for view, camera in word.cameras.items()} == dict.fromkeys(
            VIEWS, "streaming"
        )
        faults.write_text('side = "unplugged"\ntop = "frozen"\n')
        lost = wait_until(lambda: fault_of(config, "camera_side"))
        assert "lost since" in lost.text and "no frame" in lost.text and "cable" in lost.hint
        with Store(config.database_path) as store:
            for _ in range(2):
                pressed = store.press(new_trigger("command"), "barn1")
                wait_until(lambda pressed=pressed: not store.capture(pressed.id).is_unfinished)
        frozen = wait_until(lambda: fault_of(config, "camera_top"))
        assert "frozen since" in frozen.text
        assert found(station_checks(config))["camera_front"].state == OK
        faults.unlink()
        with Store(config.database_path) as store:
            wait_until(lambda: fault_of(config, "camera_side") is None)
            store.press(new_trigger("command"), "barn1")
            wait_until(lambda: fault_of(config, "camera_top") is None)
    assert heard_word(config) is None
    stopped = found(station_checks(config))["station"]
    assert stopped.state == FAIL and "last heard of" in stopped.text


def fault_of(config: Config, name: str) -> Check | None:
    check = found(station_checks(config)).get(name)
    return check if check and check.state == FAIL else None


def test_a_healthy_station_raises_no_alarm(config: Config) -> None:
    """But for what the machine under the tests may have itself: a clock that nobody set, a full disk."""
    with running_station(config), Store(config.database_path) as store:
        pressed = store.press(new_trigger("command"), "barn1")
        wait_until(lambda: not store.capture(pressed.id).is_unfinished)
        wait_until(lambda: pressed.id in heard_word(config).last_capture)
        without_sync = replace(config, sync=replace(config.sync, destination=""))
        checks = found(all_checks(without_sync, lambda: store))
        word = heard_word(config)
    machine = {"clock", "disk", "temperature", "power"}
    assert {name: check for name, check in checks.items() if check.state != OK and name not in machine} == {}
    assert word is not None
    assert (word.pid, word.broker, word.last_capture) == (os.getpid(), None, f"{pressed.id} completed")
    assert word.memory_bytes > 10 * 2**20


def test_the_broker_is_told_as_the_station_sees_it(tmp_path: Path, config_path: Path) -> None:
    with mosquitto(tmp_path) as broker:
        text = CONFIG.format(samples=SAMPLES) + f'[mqtt]\nhost = "127.0.0.1"\nport = {broker.port}\n'
        config_path.write_text(text)
        config = load_config(config_path)

        def state() -> Check | None:
            return found(station_checks(config)).get("broker")

        with running_station(config):
            wait_until(lambda: state() and state().state == OK)
            broker.kill()
            away = wait_until(lambda: state().state == WARN and state())
            assert f"127.0.0.1:{broker.port}" in away.text
            wait_until(lambda: "cannot be reached" in state().text and state().hint)
            broker.start()
            wait_until(lambda: state().state == OK)


def test_a_broker_that_refuses_the_login_fails_for_waiting_does_not_mend_it(
    tmp_path: Path, config_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOATDEV_MQTT_PASSWORD", "wrong")
    (tmp_path / "passwords").touch(0o600)
    lines = ("allow_anonymous false", f"password_file {tmp_path / 'passwords'}")
    with mosquitto(tmp_path, *lines) as broker:
        text = f'[mqtt]\nhost = "127.0.0.1"\nport = {broker.port}\nusername = "barn"\n'
        config_path.write_text(CONFIG.format(samples=SAMPLES) + text)
        config = load_config(config_path)
        with running_station(config):
            check = wait_until(lambda: fault_of(config, "broker"))
    assert "refuses this station" in check.text
    assert "GOATDEV_MQTT_PASSWORD" in check.hint and "wrong" not in f"{check.text} {check.hint}"


# Words.


def test_the_worst_finding_decides() -> None:
    assert worst([]) == OK
    assert worst([Check("a", OK, ""), Check("b", WARN, "")]) == WARN
    assert worst([Check("a", FAIL, ""), Check("b", WARN, "")]) == FAIL


@pytest.mark.parametrize(
    ("seconds", "words"), [(-5, "0 s"), (59, "59 s"), (150, "2 min"), (7300, "2 h"), (40 * 86400, "40 days")]
)
def test_a_span_is_said_in_its_largest_unit(seconds: float, words: str) -> None:
    assert span(seconds) == words
