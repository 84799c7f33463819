"""Health: each finding with its state and what to do; the same truth at three addresses."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from prometheus_client.parser import text_string_to_metric_families

from dashboard import create_app
from dashboard.words import check_title
from edge import __version__
from edge.clock import since_boot_s
from edge.config import Config
from edge.devices.report import Devices
from edge.document import software
from edge.errors import InputRefused
from edge.health.database import Backlog, backlog_check
from edge.health.room import disk_check, share_used
from edge.keeping.outbox import Outbox
from edge.records import LANGUAGES, VIEWS
from edge.settings import ReaderConfig, ScaleConfig
from edge.shelf import Serving, write_serving
from edge.word import LOST, STREAMING, BrokerWord, CameraWord, StationWord, Teller
from tests.conftest import CALIBRATION, REPO
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
    kept = {"database", "backlog", "last_capture", "disk"}
    assert set(found) == kept | {"station", "model", "calibration", "power", "temperature", "clock"}
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
    assert backlog_check(Backlog()).state == "ok"


def test_the_short_health_is_200_while_all_is_well_and_503_otherwise(client: FlaskClient, barn: Barn) -> None:
    shutil.copy(CALIBRATION, barn.config.calibration_path)
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


def metrics(client: FlaskClient) -> dict[str, dict[tuple[str, ...], float]]:
    """name -> label values -> value, as Prometheus' own parser understands it."""
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in text_string_to_metric_families(client.get("/metrics").text):
        assert family.documentation and family.type != "unknown"
        for sample in family.samples:
            found.setdefault(sample.name, {})[tuple(sample.labels.values())] = sample.value
    return found


def test_prometheus_understands_every_number_of_a_station(client: FlaskClient, barn: Barn) -> None:
    """With a model's name that would break out of its quotes."""
    shutil.copy(CALIBRATION, barn.config.calibration_path)
    last = barn.completed()
    name = 'goat "first"\\\n2'
    with barn.running():
        cameras = {"side": CameraWord(STREAMING), "top": CameraWord(LOST, "no frame")}
        word = StationWord(7, "2026-11-22T03:00:00+00:00", software(), name, "0" * 64, cameras)
        Teller(barn.config.word_path).tell(replace(word, broker=BrokerWord(False), memory_bytes=2**20))
        found = metrics(client)
    assert found["goatdev_station_alive"] == {(): 1}
    assert found["goatdev_build_info"] == {(__version__, name): 1}
    assert found["goatdev_camera_up"] == {("side",): 1, ("top",): 0}
    assert found["goatdev_broker_connected"] == {(): 0}
    assert found["goatdev_process_resident_memory_bytes"][("station",)] == 2**20
    assert found["goatdev_process_resident_memory_bytes"][("dashboard",)] > 2**20
    assert set(found["goatdev_calibration_age_seconds"]) == {("side",), ("top",), ("front",)}
    assert found["goatdev_last_capture_timestamp_seconds"][()] == pytest.approx(
        last.taken_at.timestamp(), abs=0.001
    )
    assert found["goatdev_outbox"] == {("due",): 1, ("delivered",): 0, ("parked",): 0}
    assert 0 <= found["goatdev_outbox_oldest_seconds"][()] < 60
    took_s = (last.finished_at - last.trigger.requested_at).total_seconds()
    assert found["goatdev_press_to_result_last_seconds"][()] == pytest.approx(took_s, abs=0.001)
    assert set(found["goatdev_press_to_result_seconds"]) == {("0.5",), ("0.9",), ("1",)}


def test_what_is_not_known_is_no_number(client: FlaskClient, barn: Barn) -> None:
    found = metrics(client)
    assert found["goatdev_station_alive"] == {(): 0}
    unknown = ("camera_up", "broker_connected", "last_capture_timestamp_seconds", "calibration_age_seconds")
    assert not {f"goatdev_{name}" for name in unknown} & set(found)


def test_the_health_page_says_in_words_and_shapes_what_is_wrong_and_what_to_do(
    client: FlaskClient, barn: Barn
) -> None:
    barn.failed()
    page = client.get("/station").text
    entries = re.findall(r'<li class="(\w+)" data-check="(\w+)">(.*?)</li>', page, re.DOTALL)
    shown = {name: (tone, re.sub(r"\s+", " ", content)) for tone, name, content in entries}
    assert set(shown) == set(checks(client))
    tone, content = shown["station"]
    assert tone == "again" and "Broken" in content and "goatdev run" in content and "<svg" in content
    assert shown["last_capture"][0] == "look" and "check the cable" in shown["last_capture"][1]
    assert shown["database"][0] == "good" and "Well" in shown["database"][1]
    tones = [tone for tone, *_ in entries]
    assert tones == sorted(tones, key=("again", "look", "good").index)


def test_the_health_page_is_linked_from_every_page_and_speaks_the_stations_language(barn: Barn) -> None:
    spanish = replace(barn.config, station=replace(barn.config.station, language="es"))
    page = create_app(spanish).test_client().get("/station").text
    assert "Estación" in page and "Falla" in page and "Qué hacer:" in page
    for address in ("/", "/history", "/station"):
        assert 'href="/station"' in create_app(barn.config).test_client().get(address).text


def test_every_check_of_a_station_has_a_title_in_both_languages() -> None:
    """Checks that only some stations have, too: what is named in `Check(...)` anywhere is known to the page."""
    sources = "".join(path.read_text() for path in (REPO / "edge" / "health").glob("*.py"))
    names = set(re.findall(r'Check\(\s*"(\w+)"', sources)) - {"data_folder", "credentials", "software"}
    assert {"station", "broker", "sync", "power"} <= names
    for name in names | {f"{what}_{view}" for what in ("camera", "calibration") for view in VIEWS}:
        for language in LANGUAGES:
            assert check_title(name, language)


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
