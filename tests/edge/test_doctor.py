"""`goatdev doctor` on stations of all kinds: new, well, damaged; it changes none of them."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from sqlite_utils import Database

from edge.app import open_station
from edge.cli import main
from edge.config import Config, load_config
from edge.doctor import examine
from edge.health.check import FAIL, OK, WARN, Check
from edge.health.station import heard_word
from edge.keeping.schema import migrations
from edge.keeping.store import Store
from edge.records import Capture
from edge.segment import SHIPPED_MODEL
from edge.triggers import new_trigger
from tests.brokers import certificates, mosquitto
from tests.conftest import CONFIG, REPO, SAMPLES
from tests.live import free_port, running_station, wait_until

# What the machine under the tests may have itself.
MACHINE = {"clock", "disk", "temperature", "power"}


def examined(path: Path) -> dict[str, Check]:
    checks = list(examine(str(path)))
    assert len({check.name for check in checks}) == len(checks), "each check is there once"
    assert all(check.text and (check.hint or check.state == OK) for check in checks)
    return {check.name: check for check in checks}


def finding(path: Path, name: str) -> Check:
    """One of them; what comes later, as the model's self-test does, is not waited for."""
    return next(check for check in examine(str(path)) if check.name == name)


def troubles(checks: dict[str, Check]) -> dict[str, str]:
    return {name: check.state for name, check in checks.items() if check.state != OK and name not in MACHINE}


def everything_in(folder: Path) -> dict[str, str]:
    """Each file with the hash of its content."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture
def config_path(tmp_path: Path) -> Path:
    """A station without a cloud, whose dashboard has a port of its own."""
    path = tmp_path / "goatdev.toml"
    text = CONFIG.format(samples=SAMPLES).split("[sync]")[0]
    path.write_text(f"{text}\n[dashboard]\nport = {free_port()}\n")
    return path


@contextmanager
def dashboard(config_path: Path) -> Iterator[None]:
    environment = {**os.environ, "PYTHONPATH": str(REPO)}
    process = subprocess.Popen(
        [sys.executable, "-m", "dashboard", "--config", str(config_path)],
        env=environment,
        stderr=subprocess.PIPE,
    )
    assert process.stderr is not None
    process.stderr.readline()  # it says where it listens
    try:
        yield
    finally:
        process.terminate()
        process.wait(10)
        process.stderr.close()


def measured(config: Config) -> Capture:
    """One capture of a station that ran and was stopped."""
    with open_station(config) as station:
        return station.serve(station.store.press(new_trigger("command"), "barn1"))


def test_a_healthy_station_raises_no_alarm(config_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = load_config(config_path)
    with running_station(config), dashboard(config_path), Store(config.database_path) as store:
        pressed = store.press(new_trigger("command"), "barn1")
        wait_until(lambda: not store.capture(pressed.id).is_unfinished)
        wait_until(lambda: heard_word(config))
        assert main(["doctor", "--json", "--thorough", "--config", str(config_path)]) == 0
    document = json.loads(capsys.readouterr().out)
    checks = {check["name"]: Check(**check) for check in document["checks"]}
    assert troubles(checks) == {}
    assert document["status"] in (OK, WARN)
    assert checks["images"].text == "6 pictures looked at, all as they were written"
    assert {"camera_side", "calibration_top", "dashboard", "model_self_test", "software"} <= set(checks)


def test_a_station_where_nothing_is_set_up_yet_is_told_what_to_do_and_stays_as_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "goatdev.toml"
    text = CONFIG.format(samples=SAMPLES).replace(f"{SAMPLES}/calibration.json", "calibration.json")
    path.write_text(text.replace("[sync]", f"[dashboard]\nport = {free_port()}\n[sync]"))
    assert main(["doctor", "--config", str(path)]) == 1
    said = capsys.readouterr().out
    assert "goatdev run" in said and "goatdev calibrate camera" in said and "goatdev dashboard" in said
    assert "what to do:" in said and "2 failed" in said
    assert [one.name for one in tmp_path.iterdir()] == ["goatdev.toml"]


def test_a_configuration_that_cannot_be_used_is_a_finding(
    config_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    config_path.write_text(config_path.read_text().replace("burst_shots", "burst_shot"))
    check = finding(config_path, "configuration")
    assert check.state == FAIL
    assert "burst_shot: unknown key" in check.text and "burst_shots" in check.hint
    monkeypatch.chdir("/")
    monkeypatch.delenv("GOATDEV_CONFIG", raising=False)
    assert main(["doctor", "--json"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert [check["name"] for check in document["checks"]] == ["software", "configuration"]


def test_somebody_who_may_not_look_is_told_as_whom_to_ask() -> None:
    if os.geteuid():
        pytest.skip("only root can become somebody else")
    with tempfile.TemporaryDirectory(prefix="goatdev-") as scratch:
        folder = Path(scratch)
        folder.chmod(0o755)
        path = folder / "goatdev.toml"
        path.write_text(CONFIG.format(samples=SAMPLES))
        (folder / "data").mkdir(mode=0o700)
        os.seteuid(12345)
        try:
            checks = examined(path)
        finally:
            os.seteuid(0)
    assert checks["data_folder"].state == WARN
    assert checks["data_folder"].hint == "ask as its owner: `sudo -u root goatdev doctor`"
    assert "database" not in checks and "station" not in checks


def test_looking_at_a_station_changes_nothing_there(config_path: Path) -> None:
    config = load_config(config_path)
    measured(config)
    before = everything_in(config.folder)
    checks = {}
    for check in examine(str(config_path), thorough=True):
        checks[check.name] = check
        if check.name == "calibration_front":
            break
    assert everything_in(config.folder) == before
    assert troubles(checks) == {"station": FAIL, "dashboard": WARN}
    assert checks["camera_side"].text.startswith("plays pictures")


def test_a_station_can_start_while_it_is_looked_at(config_path: Path) -> None:
    config = load_config(config_path)
    measured(config)
    stop = threading.Event()

    def look() -> None:
        while not stop.is_set():
            finding(config_path, "calibration_front")

    looking = [threading.Thread(target=look) for _ in range(3)]
    for thread in looking:
        thread.start()
    try:
        for _ in range(5):
            with open_station(config) as station:
                assert station.store.waiting() == 0
    finally:
        stop.set()
        for thread in looking:
            thread.join()


def test_a_picture_that_is_not_what_was_written_is_found(config_path: Path) -> None:
    config = load_config(config_path)
    image = measured(config).images_of("raw")[0]
    path = config.image_folder / image.path
    content = bytearray(path.read_bytes())
    content[1000] ^= 1
    path.write_bytes(content)
    check = finding(config_path, "images")
    assert check.state == FAIL
    assert check.text.startswith("1 of 6 pictures") and str(path) in check.text
    path.unlink()
    assert finding(config_path, "images").state == FAIL
    with Store(config.database_path) as store:
        store.db.execute("UPDATE images SET pruned_at = '2026-11-20' WHERE path = ?", [image.path])
    assert finding(config_path, "images").state == OK


def test_a_damaged_database_is_found_and_left_as_it_was(config_path: Path) -> None:
    config = load_config(config_path)
    measured(config)
    content = bytearray(config.database_path.read_bytes())
    middle = len(content) // 2 // 4096 * 4096
    content[middle : middle + 8192] = os.urandom(8192)
    config.database_path.write_bytes(content)
    check = finding(config_path, "database")
    assert check.state == FAIL and "backup" in check.hint
    config.database_path.write_bytes(b"this is no database " * 500)
    check = finding(config_path, "database")
    assert check.state == FAIL and "backup" in check.hint
    assert config.database_path.read_bytes() == b"this is no database " * 500


def test_a_database_of_a_newer_version_is_found(config_path: Path) -> None:
    config = load_config(config_path)
    measured(config)
    with Store(config.database_path) as store, store.transaction():
        store.db.execute(
            "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES ('goatdev', 'of_2031', '')"
        )
    check = finding(config_path, "database")
    assert check.state == FAIL and "of_2031" in check.text


def test_a_database_of_an_older_version_is_upgraded_by_the_next_start_only(config_path: Path) -> None:
    config = load_config(config_path)
    config.data_dir.mkdir()
    old = Database(config.database_path)
    migrations.apply(old, stop_before="bursts")
    old.execute(
        "INSERT INTO captures (id, status, trigger_id, source, requested_at)"
        " VALUES ('20260101T000000000Z_barn1', 'missed', 'a', 'mqtt', '2026-01-01T00:00:00+00:00')"
    )
    old.close()
    before = everything_in(config.folder)
    assert "the next start upgrades it: bursts" in finding(config_path, "database").text
    assert finding(config_path, "calibration_front").state == OK
    assert everything_in(config.folder) == before


def test_a_damaged_model_is_found(config_path: Path, tmp_path: Path) -> None:
    card = tmp_path / SHIPPED_MODEL.name
    shutil.copy(SHIPPED_MODEL, card)
    model = tmp_path / SHIPPED_MODEL.with_suffix(".tflite").name
    content = bytearray(SHIPPED_MODEL.with_suffix(".tflite").read_bytes())
    content[len(content) // 2] ^= 1
    model.write_bytes(content)
    text = config_path.read_text().replace("[measure]", f'[measure]\nmodel = "{card.name}"')
    config_path.write_text(text)
    check = finding(config_path, "model_self_test")
    assert check.state == FAIL
    assert "not the model that its card describes" in check.text and check.hint


def test_a_camera_that_is_not_there_is_found_before_the_station_runs(config_path: Path) -> None:
    text = config_path.read_text()
    config_path.write_text(text.replace(f'side = "simulated:{SAMPLES}/captures"', 'side = "usb:9-9.9"'))
    (config_path.parent / "simulated-faults.toml").write_text('top = "unplugged"')
    side = finding(config_path, "camera_side")
    assert side.state == FAIL and "not plugged in" in side.text
    assert finding(config_path, "camera_top").state == FAIL
    assert finding(config_path, "camera_front").state == OK


class Stranger(BaseHTTPRequestHandler):
    """Another program on the dashboard's port."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"<h1>printer</h1>")

    def log_message(self, *_: object) -> None:
        """Not into the tests' output."""


def test_another_program_on_the_dashboards_port_is_found(config_path: Path) -> None:
    port = load_config(config_path).dashboard.port
    with HTTPServer(("127.0.0.1", port), Stranger) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        check = finding(config_path, "dashboard")
        server.shutdown()
        thread.join()
    assert check.state == FAIL
    assert "not the dashboard" in check.text and str(port) in check.hint


def test_a_broker_is_looked_for_where_the_station_does_not_run(config_path: Path, tmp_path: Path) -> None:
    plain = config_path.read_text()
    authority = certificates(tmp_path)
    lines = (
        "allow_anonymous true",
        f"cafile {authority}",
        f"certfile {tmp_path / 'ours.pem'}",
        f"keyfile {tmp_path / 'ours.key'}",
    )
    (tmp_path / "ours.key").chmod(0o600)
    with mosquitto(tmp_path, *lines) as broker:
        mqtt = f'[mqtt]\nhost = "127.0.0.1"\nport = {broker.port}\n'
        config_path.write_text(f'{plain}{mqtt}tls = true\nca_file = "{authority.name}"\n')
        ending = finding(config_path, "broker")
        assert ending.state == WARN and "its certificate ends" in ending.text
        config_path.write_text(f"{plain}{mqtt}tls = true\n")
        foreign = finding(config_path, "broker")
        assert foreign.state == FAIL and "not the one we trust" in foreign.text
        broker.kill()
        assert "cannot be reached" in finding(config_path, "broker").text
