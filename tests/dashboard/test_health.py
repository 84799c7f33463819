"""Health: each finding with its state and what to do; the same truth at three addresses."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from dashboard import create_app
from dashboard.health import backlog_check, disk_check, share_used
from edge.clock import since_boot_s
from edge.config import Config
from edge.devices.report import Devices
from edge.errors import InputRefused
from edge.keeping.outbox import Outbox
from edge.settings import ReaderConfig, ScaleConfig
from edge.shelf import Serving, write_serving
from tests.dashboard.conftest import Barn


def checks(client: FlaskClient) -> dict[str, dict[str, str]]:
    return {check["name"]: check for check in client.get("/api/v1/health").json["checks"]}


def test_a_station_that_holds_its_lock_is_alive(client: FlaskClient, barn: Barn) -> None:
    assert checks(client)["station"]["state"] == "fail"
    assert "goatdev run" in checks(client)["station"]["hint"]
    with barn.running():
        assert checks(client)["station"]["state"] == "ok"
    assert checks(client)["station"]["state"] == "fail"


def test_looking_at_the_lock_does_not_take_it(client: FlaskClient, barn: Barn) -> None:
    assert checks(client)["station"]["state"] == "fail"
    with barn.running():
        pass


def test_every_check_has_a_state_and_a_text(client: FlaskClient, barn: Barn) -> None:
    found = checks(client)
    assert set(found) == {"database", "backlog", "last_capture", "station", "model", "disk"}
    assert all(check["text"] and check["state"] in ("ok", "warn", "fail") for check in found.values())


def test_a_model_that_stands_in_for_a_damaged_one_is_a_warning(client: FlaskClient, barn: Barn) -> None:
    assert checks(client)["model"]["state"] == "ok"
    model = {"name": "goat_segmenter", "version": "2", "sha256": "ab" * 32}
    with barn.running():
        write_serving(barn.config.serving_path, Serving(model, "2026-11-21T18:00:00+00:00"))
        assert checks(client)["model"]["text"] == "goat_segmenter 2 (abababab)"
        damaged = Serving(model, "2026-11-21T18:00:00+00:00", "card.toml: cannot be read", "install it again")
        write_serving(barn.config.serving_path, damaged)
        assert checks(client)["model"]["state"] == "warn"
        assert checks(client)["model"]["hint"] == "install it again"
        barn.config.serving_path.write_text("torn")
        assert checks(client)["model"]["state"] == "ok"


def test_a_reader_or_scale_that_cannot_be_heard_is_a_warning(barn: Barn) -> None:
    config = replace(
        barn.config, reader=ReaderConfig("serial:/dev/ttyUSB0"), scale=ScaleConfig("serial:/dev/ttyUSB1")
    )
    client = create_app(config).test_client()
    assert not {"reader", "scale"} & set(checks(client))
    with barn.running():
        devices = Devices(config.devices_path, config.devices())
        assert checks(client)["reader"]["text"] == "listened to"
        devices.said("reader", "982000001088420", since_boot_s())
        assert checks(client)["reader"]["state"] == "ok"
        assert "last heard" in checks(client)["reader"]["text"]
        devices.reached("reader", "/dev/ttyUSB0 went away")
        devices.refused("scale", InputRefused("'OL' is no weight", "one goat at a time"))
        assert checks(client)["reader"]["text"] == "/dev/ttyUSB0 went away"
        assert "one goat at a time" in checks(client)["scale"]["text"]
        for name in ("reader", "scale"):
            assert checks(client)[name]["state"] == "warn"
            assert checks(client)[name]["hint"]
        config.devices_path.write_text("torn")
        assert checks(client)["scale"]["state"] == "ok"


def test_a_document_that_the_cloud_refused_is_a_warning(client: FlaskClient, barn: Barn) -> None:
    barn.completed()
    assert checks(client)["backlog"]["state"] == "ok"
    outbox = Outbox(barn.store)
    outbox.parked(outbox.due()[0], "too large")
    assert checks(client)["backlog"]["state"] == "warn"
    assert checks(client)["backlog"]["hint"]


def test_a_failed_last_capture_is_a_warning_with_its_hint(client: FlaskClient, barn: Barn) -> None:
    assert checks(client)["last_capture"]["state"] == "ok"
    barn.failed()
    assert checks(client)["last_capture"]["state"] == "warn"
    assert checks(client)["last_capture"]["hint"] == "check the cable"
    barn.completed()
    assert checks(client)["last_capture"]["state"] == "ok"


@pytest.mark.parametrize(
    ("used", "state"), [(0.0, "ok"), (0.79, "ok"), (0.80, "warn"), (0.949, "warn"), (0.95, "fail")]
)
def test_a_disk_that_fills_warns_and_then_fails(used: float, state: str) -> None:
    check = disk_check(used)
    assert check.state == state
    assert bool(check.hint) == (state != "ok")


def test_the_share_used_is_known_before_the_folder_exists(tmp_path: Path) -> None:
    assert 0 < share_used(tmp_path / "not" / "yet") <= 1


def test_an_empty_backlog_is_fine() -> None:
    assert backlog_check({}).state == "ok"


def test_the_short_health_is_200_while_all_is_well_and_503_otherwise(client: FlaskClient, barn: Barn) -> None:
    stopped = client.get("/health")
    assert (stopped.status_code, stopped.json["failing"]) == (503, ["station"])
    assert client.get("/api/v1/health").status_code == 503
    with barn.running():
        assert client.get("/health").status_code == 200
        assert client.get("/api/v1/health").status_code == 200


def test_metrics_count_captures_and_the_outbox(client: FlaskClient, barn: Barn) -> None:
    barn.completed()
    barn.failed()
    barn.press()
    lines = client.get("/metrics").text.splitlines()
    assert 'goatdev_captures{status="completed"} 1' in lines
    assert 'goatdev_captures{status="failed"} 1' in lines
    assert 'goatdev_captures{status="missed"} 0' in lines
    assert 'goatdev_outbox{state="due"} 2' in lines
    assert "goatdev_station_alive 0" in lines
    assert client.get("/metrics").content_type.startswith("text/plain; version=0.0.4")


def test_a_file_that_is_no_database_is_said_everywhere_and_left_alone(
    client: FlaskClient, config: Config
) -> None:
    config.data_dir.mkdir()
    path = config.data_dir / "station.db"
    path.write_bytes(b"this is no database " * 100)
    assert checks(client)["database"]["state"] == "fail"
    assert client.get("/health").status_code == 503
    for address in ("/", "/history", "/goats", "/api/v1/captures", "/api/v1/goats", "/metrics"):
        answer = client.get(address)
        assert answer.status_code == 503
        assert "cannot be used as the station&#39;s database" in answer.text.replace("'", "&#39;")
        assert "restore a backup" in answer.text
        assert "Traceback" not in answer.text
    assert client.post("/api/v1/captures").status_code == 503
    assert path.read_bytes() == b"this is no database " * 100
