"""A station and a real broker: presses in, results out, and what becomes of both when one of the two goes away."""

from __future__ import annotations

import json
import logging
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from dashboard import create_app
from edge.config import Config, load_config
from edge.devices.heard import Heard
from edge.devices.report import Devices
from edge.errors import ConfigError
from edge.keeping.cursor import Cursor
from edge.keeping.outbox import Outbox
from edge.keeping.store import Store
from edge.mqtt.broker import BRIEF_IN_A_ROW, Broker
from edge.mqtt.buttons import Press, read_message
from edge.mqtt.news import AT_ONCE, CURSOR
from edge.mqtt.presses import Presses
from edge.mqtt.remote import Silence, open_remote
from edge.records import VIEWS, Status, StoredImage
from edge.settings import ButtonConfig, MqttConfig
from edge.triggers import new_trigger
from tests.brokers import (
    Listener,
    Mosquitto,
    certificates,
    listening,
    mosquitto,
    require_mosquitto,
)
from tests.conftest import CONFIG, REPO, SAMPLES
from tests.edge.test_buttons import OTHER, PRESSED
from tests.live import running_station, wait_until

TRIGGER = "goatdev/barn1/trigger"
AVAILABILITY = "goatdev/barn1/availability"
RESULT = "goatdev/barn1/result"
BUTTONS = "".join(f'[[buttons]]\nkind = "{kind}"\ntopic = "barn/{kind}"\n' for kind in PRESSED)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    with mosquitto(tmp_path) as broker:
        yield broker


@pytest.fixture
def heard(broker: Mosquitto) -> Iterator[Listener]:
    with listening(broker) as heard:
        yield heard


def configured(broker: Mosquitto, more: str = "", buttons: str = "", views: int = 1) -> Config:
    """A station on simulated cameras; one of them is enough where the numbers do not matter, and quicker."""
    station = CONFIG.format(samples=SAMPLES)
    for view in VIEWS[views:]:
        station = re.sub(rf"^{view} = .*\n", "", station, flags=re.MULTILINE)
    path = broker.folder / "goatdev.toml"
    path.write_text(f'{station}[mqtt]\nhost = "127.0.0.1"\nport = {broker.port}\n{more}{buttons}')
    return load_config(path)


def captures(config: Config) -> list[str]:
    """The status of every capture, oldest first."""
    with Store(config.database_path) as store:
        return [str(capture.status) for capture in reversed(store.captures(100))]


def is_online(heard: Listener) -> bool:
    return heard.on(AVAILABILITY)[-1:] == ["online"]


def test_a_press_is_told_accepted_then_done_and_its_result_is_the_stored_one(
    broker: Mosquitto, heard: Listener
) -> None:
    config = configured(broker, views=3)
    with running_station(config):
        wait_until(lambda: is_online(heard))
        heard.send(TRIGGER, '{"goat_id":"Heidi","request_id":"request-1"}')
        result = wait_until(lambda: heard.on(RESULT))[0]
        with Store(config.database_path) as store:
            capture = store.captures(1)[0]
            assert result == json.loads(Outbox(store).due()[0].document)
            wait_until(lambda: Cursor(store, CURSOR).behind() == 0)
        assert (capture.status, capture.goat_id) == (Status.COMPLETED, "Heidi")
        assert (capture.trigger.id, capture.trigger.source) == ("request-1", "mqtt")
        assert heard.states() == ["accepted", "done"]
        said = heard.on("goatdev/barn1/feedback")
        assert {one["capture_id"] for one in said} == {capture.id}
        assert {one["trigger_id"] for one in said} == {"request-1"}
        assert said[-1]["verdict"] == result["verdict"]
        shown = wait_until(lambda: heard.on("goatdev/barn1/state"))[-1]
        assert shown["withers_height_cm"] == result["measurements"]["withers_height_cm"]["value"]
        health = wait_until(
            lambda: [one for one in heard.on("goatdev/barn1/health") if one["waiting_for_cloud"]]
        )[-1]
        assert health["cameras"] == dict.fromkeys(VIEWS, "streaming")
        checks = {one["name"]: one["state"] for one in health["checks"]}
        assert checks["broker"] == checks["camera_side"] == checks["station"] == "ok"
        assert health["status"] in ("ok", "warn")


def test_every_button_presses_once_and_its_other_messages_never(broker: Mosquitto, heard: Listener) -> None:
    """Recorded bytes of each device, through the broker, to a row per press."""
    config = configured(broker, "debounce_s = 0.1\n", BUTTONS)
    with running_station(config):
        wait_until(lambda: is_online(heard))
        for number, kind in enumerate(PRESSED, start=1):
            for payload in OTHER[kind]:
                heard.send(f"barn/{kind}", payload)
            heard.send(f"barn/{kind}", PRESSED[kind][0])
            wait_until(lambda number=number: heard.states().count("done") == number, what=kind)
            for payload in OTHER[kind]:
                heard.send(f"barn/{kind}", payload)
    assert captures(config) == ["completed"] * len(PRESSED)
    assert heard.states() == ["accepted", "done"] * len(PRESSED)


def test_a_tag_and_a_weight_from_the_broker_belong_to_the_press_and_retained_ones_to_none(
    broker: Mosquitto, heard: Listener
) -> None:
    devices = '[reader]\nsource = "mqtt:barn/reader"\n[scale]\nsource = "mqtt:barn/scale"\n'
    heard.send("barn/reader", "LA 982 000001088421", retain=True)
    heard.send("barn/scale", "ST,GS,+00099.0lb", retain=True)
    config = configured(broker, buttons=devices)
    with running_station(config):
        wait_until(lambda: is_online(heard))
        heard.send("barn/reader", "LA 982 000001088420\r\n")
        heard.send("barn/scale", "US,GS,+00120.0lb\r\n")
        heard.send("barn/scale", "ST,GS,+00121.5lb\r\n")
        heard.send(TRIGGER, "press")
        result = wait_until(lambda: heard.on(RESULT))[0]
        shown = wait_until(lambda: heard.on("goatdev/barn1/state"))[-1]
    assert result["goat_id"] == shown["goat_id"] == "982000001088420"
    assert result["weight_kg"] == shown["weight_kg"] == pytest.approx(55.11, abs=0.01)


def test_a_press_that_comes_twice_is_one_and_a_retained_one_is_none(
    broker: Mosquitto, heard: Listener
) -> None:
    shelly = PRESSED["shelly1"][0]
    for topic, payload in ((TRIGGER, b"press"), ("barn/esphome", b"ON"), ("barn/shelly1", shelly)):
        heard.send(topic, payload, retain=True)
    config = configured(broker, "debounce_s = 0\n", BUTTONS)
    with running_station(config):
        wait_until(lambda: is_online(heard))
        for number, (topic, payload) in enumerate(
            ((TRIGGER, b'{"request_id":"the-same"}'), ("barn/shelly1", shelly)), start=1
        ):
            heard.send(topic, payload)
            heard.send(topic, payload)
            wait_until(lambda number=number: len(heard.on(RESULT)) == number)
            heard.send(topic, payload)
        heard.send(TRIGGER, '{"goat_id":"//"}')
        wait_until(lambda: "refused" in heard.states())  # whatever was sent before has been heard by now
    assert captures(config) == ["completed"] * 2
    assert "busy" not in heard.states()


# What needs no measuring runs without the cameras' loop.


@contextmanager
def hearing(config: Config) -> Iterator[tuple[Silence, Store]]:
    ears = Heard(config.reader, config.scale, Devices(config.devices_path, config.devices()))
    with Store(config.database_path) as store, open_remote(config, store, ears, "a network") as remote:
        yield remote, store


def test_a_press_during_a_capture_is_told_so_and_leaves_no_row(broker: Mosquitto, heard: Listener) -> None:
    with hearing(configured(broker, "debounce_s = 0\n")) as (remote, store):
        wait_until(lambda: is_online(heard))
        begun = store.press(new_trigger("dashboard"), "barn1")
        remote.begins(begun)
        heard.send(TRIGGER, "press")
        wait_until(lambda: heard.states() == ["busy"])
        assert store.counts() == {"queued": 1}

        closed = begun.failed("no camera gave a picture", "check the cables")
        store.close_capture(closed)
        remote.ends(closed)
        wait_until(lambda: heard.states() == ["busy", "take_again"])
        assert "check the cables" in heard.on("goatdev/barn1/feedback")[-1]["text"]
        heard.send(TRIGGER, "press")
        wait_until(lambda: heard.states() == ["busy", "take_again", "accepted"])
        assert store.counts() == {"failed": 1, "queued": 1}


def test_measuring_again_keeps_no_press_waiting_and_tells_nobody_at_the_crate(
    broker: Mosquitto, heard: Listener
) -> None:
    image = StoredImage("side", "raw", "x/side_raw.jpg", "0" * 64, 640, 480, 1234)
    with hearing(configured(broker)) as (remote, store):
        wait_until(lambda: is_online(heard))
        old = store.press(new_trigger("dashboard"), "barn1").with_images((image,))
        remote.begins(old)
        heard.send(TRIGGER, "press")
        wait_until(lambda: heard.states() == ["accepted"])
        closed = old.failed("no picture can be read")
        store.close_capture(closed)
        remote.ends(closed)
        wait_until(lambda: heard.on(RESULT))
        assert heard.states() == ["accepted"]


def test_presses_of_all_sources_at_the_same_moment_each_end_in_a_row(
    broker: Mosquitto, heard: Listener
) -> None:
    config = configured(broker, "debounce_s = 0\n")
    with hearing(config) as (_, store):
        wait_until(lambda: is_online(heard))
        together = threading.Barrier(3)

        def by_mqtt() -> None:
            together.wait()
            for number in range(5):
                heard.send(TRIGGER, json.dumps({"request_id": f"mqtt-{number}"}))

        def on_the_dashboard() -> None:
            client = create_app(config).test_client()
            together.wait()
            for _ in range(5):
                assert client.post("/api/v1/captures", json={}).status_code == 202

        def by_command() -> None:
            with Store(config.database_path) as own:
                together.wait()
                for _ in range(5):
                    own.press(new_trigger("command"), "barn1")

        threads = [threading.Thread(target=one) for one in (by_mqtt, on_the_dashboard, by_command)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        wait_until(lambda: heard.states() == ["accepted"] * 5)
        sources = [capture.trigger.source for capture in store.captures(100)]
        assert {one: sources.count(one) for one in sources} == {"mqtt": 5, "dashboard": 5, "command": 5}


def test_what_no_goat_is_called_is_refused_with_the_reason(broker: Mosquitto, heard: Listener) -> None:
    with hearing(configured(broker)) as (_, store):
        wait_until(lambda: is_online(heard))
        heard.send(TRIGGER, '{"goat_id":"<script>"}')
        heard.send(TRIGGER, '{"request_id":"no good"}')
        wait_until(lambda: heard.states() == ["refused"] * 2)
        said = heard.on("goatdev/barn1/feedback")
        assert "<script>" in said[0]["text"]
        assert said[1]["trigger_id"] == "no good"
        assert store.counts() == {}


def test_feedback_is_in_the_language_of_the_station(broker: Mosquitto, heard: Listener) -> None:
    config = configured(broker)
    config = replace(config, station=replace(config.station, language="es"))
    with hearing(config):
        wait_until(lambda: is_online(heard))
        heard.send(TRIGGER, "press")
        assert "Deje la cabra" in wait_until(lambda: heard.on("goatdev/barn1/feedback"))[0]["text"]


def test_a_press_that_cannot_be_written_down_is_an_error_and_the_next_one_is_heard(
    broker: Mosquitto, heard: Listener, caplog: pytest.LogCaptureFixture
) -> None:
    config = configured(broker, "debounce_s = 0\n")
    config.data_dir.write_text("a file where the folder should be")
    connection = Broker(config.mqtt, "goatdev-barn1", AVAILABILITY, config.folder)
    Presses(config, connection, threading.Event(), lambda: None).listen()
    connection.start()
    try:
        wait_until(lambda: is_online(heard))
        for number in range(25):
            heard.send(TRIGGER, "press")
            wait_until(lambda number=number: heard.states() == ["error"] * (number + 1))
        config.data_dir.unlink()
        heard.send(TRIGGER, "press")
        wait_until(lambda: heard.states()[-1] == "accepted")
    finally:
        connection.close()
    assert "could not be written down" in caplog.text


def test_a_message_that_finds_a_bug_costs_no_more_than_itself(
    broker: Mosquitto, heard: Listener, caplog: pytest.LogCaptureFixture
) -> None:
    taken: list[tuple[str, bytes, bool]] = []

    def handler(topic: str, payload: bytes, retained: bool) -> None:
        taken.append((topic, payload, retained))
        raise ZeroDivisionError

    heard.send("tags/1", "old", retain=True)
    connection = Broker(configured(broker).mqtt, "somebody", AVAILABILITY, broker.folder)
    connection.listen("tags/+", handler)
    connection.start()
    try:
        wait_until(lambda: is_online(heard))
        heard.send("tags/2", b"\xff\x00")
        heard.send("tags/3", b"new")
        wait_until(lambda: len(taken) == 3)
    finally:
        connection.close()
    assert taken == [("tags/1", b"old", True), ("tags/2", b"\xff\x00", False), ("tags/3", b"new", False)]
    assert "could not be handled" in caplog.text


# Who is away.


def test_a_broker_that_is_absent_or_killed_costs_no_press_and_no_result(tmp_path: Path) -> None:
    with mosquitto(tmp_path, "allow_anonymous true", "log_type all", started=False) as broker:
        config = configured(broker, "debounce_s = 0\n")
        with running_station(config), Store(config.database_path) as store:

            def press_there() -> None:
                store.press(new_trigger("dashboard"), "barn1")
                wait_until(lambda: not store.waiting() and not store.interrupted())

            def press_by_mqtt() -> None:
                with listening(broker) as heard:
                    wait_until(lambda: is_online(heard))
                    heard.send(TRIGGER, "press")
                    wait_until(lambda: heard.states() == ["accepted", "done"])
                    wait_until(lambda: heard.on(RESULT))

            press_there()
            broker.start()
            press_by_mqtt()
            broker.kill()
            press_there()
            broker.start()
            press_by_mqtt()
            wait_until(lambda: Cursor(store, CURSOR).behind() == 0)
            assert store.counts() == {"completed": 4}
            published = re.findall(
                r"Received PUBLISH from goatdev-barn1 \(.*'goatdev/barn1/result'", broker.log()
            )
            assert len(published) == 4


def test_results_of_the_time_without_a_broker_come_in_order_and_once(
    broker: Mosquitto, heard: Listener
) -> None:
    config = configured(broker)

    def missed(store: Store, number: int) -> list[str]:
        presses = [store.press(new_trigger("dashboard"), "barn1") for _ in range(number)]
        for press in presses:
            store.close_capture(press.missed("too late"))
        return [press.id for press in presses]

    with Store(config.database_path) as store:
        missed(store, 5)
    with hearing(config) as (_, store):
        wait_until(lambda: is_online(heard) and heard.on("goatdev/barn1/health"))
    with Store(config.database_path) as store:
        waiting = missed(store, AT_ONCE + 3)
    for _ in range(2):
        with hearing(config) as (_, store):
            wait_until(lambda store=store: is_online(heard) and Cursor(store, CURSOR).behind() == 0)
        heard.messages = [one for one in heard.messages if one[0] != AVAILABILITY]
    assert [one["capture_id"] for one in heard.on(RESULT)] == waiting


def test_a_document_that_cannot_be_told_is_said_once_and_does_not_stop_the_next(
    broker: Mosquitto, heard: Listener, caplog: pytest.LogCaptureFixture
) -> None:
    with hearing(configured(broker)) as (remote, store):
        wait_until(lambda: is_online(heard) and heard.on("goatdev/barn1/health"))
        closed = [store.press(new_trigger("dashboard"), "barn1").missed("too late") for _ in range(2)]
        store.close_capture(closed[0])
        with store.transaction():
            store.db.execute("UPDATE outbox SET document = 'damaged'")
        remote.ends(closed[0])
        wait_until(lambda: "cannot be told" in caplog.text)
        remote.ends(closed[0])
        store.close_capture(closed[1])
        remote.ends(closed[1])
        wait_until(lambda: len(heard.on(RESULT)) == 2)
        assert heard.on("goatdev/barn1/state")[-1]["capture_id"] == closed[1].id
    assert caplog.text.count("cannot be told") == 1


@contextmanager
def program(config: Config, **environment: str) -> Iterator[subprocess.Popen]:
    """The real program in a process of its own, its log beside its configuration."""
    command = [sys.executable, "-m", "edge.cli", "run", "--config", str(config.folder / "goatdev.toml")]
    with (config.folder / "station.log").open("ab") as log:
        process = subprocess.Popen(
            command,
            cwd=REPO,
            stdout=log,
            stderr=log,
            env={**os.environ, "PYTHONPATH": str(REPO), **environment},
        )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(20)


def test_a_station_that_is_killed_is_offline_and_online_again_when_it_is_back(
    broker: Mosquitto, heard: Listener
) -> None:
    config = configured(broker)
    with program(config) as process:
        wait_until(lambda: is_online(heard))
        process.send_signal(signal.SIGKILL)
        wait_until(lambda: heard.on(AVAILABILITY) == ["online", "offline"])
    with program(config):
        wait_until(lambda: heard.on(AVAILABILITY) == ["online", "offline", "online"])
    wait_until(lambda: heard.on(AVAILABILITY)[-1] == "offline")
    with listening(broker) as late:
        wait_until(lambda: late.on(AVAILABILITY) == ["offline"])


def test_two_stations_of_one_name_throw_each_other_out_and_say_so_once(
    broker: Mosquitto, heard: Listener, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    config = configured(broker)
    connection = Broker(config.mqtt, "goatdev-barn1", AVAILABILITY, config.folder)
    connection.start()
    try:
        for number in range(BRIEF_IN_A_ROW + 1):
            wait_until(lambda number=number: heard.on(AVAILABILITY).count("online") == number + 1)
            with listening(broker, client_id="goatdev-barn1"):
                wait_until(lambda number=number: heard.on(AVAILABILITY).count("offline") == number + 1)
    finally:
        connection.close()
    assert caplog.text.count("same [station] id") == 1
    assert caplog.text.count("WARNING") == BRIEF_IN_A_ROW


# Who may speak to whom.


PASSWORD = "wither-and-rump-41"


def secured(folder: Path) -> tuple[str, ...]:
    """A broker that asks for a password and speaks TLS alone."""
    require_mosquitto()
    certificates(folder, "ours")
    certificates(folder, "foreign")
    passwords = folder / "passwords"
    subprocess.run(["mosquitto_passwd", "-b", "-c", str(passwords), "station", PASSWORD], check=True)
    return (
        "allow_anonymous false",
        f"password_file {passwords}",
        f"certfile {folder}/ours.pem",
        f"keyfile {folder}/ours.key",
    )


def own_log(config: Config) -> str:
    return (config.folder / "station.log").read_text()


def test_with_the_right_certificate_and_password_the_station_is_heard(tmp_path: Path) -> None:
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    (credentials / "mqtt-password").write_text(f"{PASSWORD}\n")
    with mosquitto(tmp_path, *secured(tmp_path)) as broker:
        config = configured(broker, 'username = "station"\ntls = true\nca_file = "ours_ca.pem"\n')
        for secret in ({"GOATDEV_MQTT_PASSWORD": PASSWORD}, {"CREDENTIALS_DIRECTORY": str(credentials)}):
            with program(config, **secret):
                wait_until(lambda: own_log(config).count("is there") == 1)
            (config.folder / "station.log").unlink()


# paho leaves the socket of a failed handshake to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(
    ("authority", "password", "said", "remedy"),
    [
        ("foreign_ca.pem", PASSWORD, "is not the one we trust", "ca_file"),
        ("ours_ca.pem", "wr0ng-passw0rd", "refuses this station", "GOATDEV_MQTT_PASSWORD"),
        ("ours_ca.pem", "", "refuses this station", "there is no password: set GOATDEV_MQTT_PASSWORD"),
    ],
)
def test_a_foreign_certificate_or_a_wrong_password_is_said_once_and_the_station_measures_on(
    tmp_path: Path,
    authority: str,
    password: str,
    said: str,
    remedy: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("GOATDEV_MQTT_PASSWORD", password)
    with mosquitto(tmp_path, *secured(tmp_path)) as broker:
        config = configured(broker, f'username = "station"\ntls = true\nca_file = "{authority}"\n')
        attempts = broker.log().count("New connection")
        with caplog.at_level(logging.DEBUG), running_station(config), Store(config.database_path) as store:
            wait_until(lambda: said in caplog.text)
            store.press(new_trigger("command"), "barn1")
            wait_until(lambda: store.counts() == {"completed": 1})
            wait_until(lambda: broker.log().count("New connection") >= attempts + 2)
        assert caplog.text.count("the broker at") == 1
        assert remedy in caplog.text
        stored = b"".join(path.read_bytes() for path in config.data_dir.glob("station.db*"))
        assert not password or (password not in caplog.text and password.encode() not in stored)


# paho leaves the socket of a failed handshake to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_port_that_speaks_tls_and_a_station_that_does_not_or_the_other_way_round_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for lines, tls, said in (
        (secured(tmp_path), False, "[mqtt] tls = true"),
        (("allow_anonymous true",), True, "does this port speak TLS"),
    ):
        with mosquitto(tmp_path, *lines) as broker:
            config = MqttConfig("127.0.0.1", broker.port, tls=tls)
            connection = Broker(config, "goatdev-barn1", AVAILABILITY, tmp_path)
            connection.start()
            try:
                wait_until(lambda said=said: said in caplog.text)
            finally:
                connection.close()


def test_a_certificate_that_is_none_is_a_mistake_in_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("not a certificate")
    for name in ("ca.pem", "absent.pem"):
        with pytest.raises(ConfigError, match="ca_file"):
            Broker(MqttConfig(host="x", tls=True, ca_file=name), "me", AVAILABILITY, tmp_path)


# Home Assistant.


def test_home_assistant_finds_the_station_and_is_told_again_when_it_restarts(
    broker: Mosquitto, heard: Listener
) -> None:
    topic = "homeassistant/device/goatdev_barn1/config"
    config = configured(broker)
    with Store(config.database_path) as store:
        store.close_capture(store.press(new_trigger("dashboard"), "barn1").missed("too late"))
    with hearing(config):
        wait_until(lambda: heard.on(topic) and heard.on("goatdev/barn1/state"))
        heard.send("homeassistant/status", "offline")
        heard.send("homeassistant/status", "online")
        wait_until(lambda: len(heard.on(topic)) == 2)
        with listening(broker) as late:
            wait_until(lambda: late.on(topic))
            assert next(retained for name, _, retained in late.messages if name == topic)
    device, state = heard.on(topic)[0], heard.on("goatdev/barn1/state")[0]
    assert (device["state_topic"], device["availability_topic"]) == ("goatdev/barn1/state", AVAILABILITY)
    parts = device["cmps"]
    assert {one["unique_id"] for one in parts.values()} == {f"goatdev_barn1_{name}" for name in parts}
    assert all(re.fullmatch(r"[a-zA-Z0-9_-]+", one["unique_id"]) for one in parts.values())
    sensors = {name: one for name, one in parts.items() if one["p"] == "sensor"}
    assert all(f"value_json.{name}" in one["value_template"] for name, one in sensors.items())
    assert sensors.keys() <= state.keys()
    withers = sensors["withers_height_cm"]
    assert (withers["unit_of_measurement"], withers["device_class"]) == ("cm", "distance")
    assert state["withers_height_cm"] is None
    assert parts["measure"]["command_topic"] == TRIGGER
    assert isinstance(
        read_message(ButtonConfig("plain", TRIGGER), parts["measure"]["payload_press"].encode()), Press
    )
