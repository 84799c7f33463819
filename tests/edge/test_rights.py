"""On its own broker a station has a password, and rights to what it needs."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event

import paho.mqtt.client as paho
import pytest

from edge.config import Config, load_config
from edge.mqtt.rights import main, rights
from tests.brokers import Mosquitto, mosquitto
from tests.live import wait_until

MQTT = """
[mqtt]
host = "127.0.0.1"
username = "goatdev"

[reader]
source = "mqtt:barn/reader"

[[buttons]]
kind = "zigbee2mqtt"
topic = "zigbee2mqtt/crate button"
"""


@pytest.fixture
def barn(config_path: Path) -> Config:
    config_path.write_text(config_path.read_text() + MQTT)
    return load_config(config_path)


def test_they_name_the_stations_topics_its_buttons_its_devices_and_home_assistants(barn: Config) -> None:
    assert rights(barn).splitlines() == [
        "user goatdev",
        "topic readwrite goatdev/barn1/#",
        "topic write homeassistant/device/goatdev_barn1/config",
        "topic read zigbee2mqtt/crate button",
        "topic read barn/reader",
        "topic read homeassistant/status",
    ]


def test_a_configuration_that_cannot_be_read_gives_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["rights", "--config", str(tmp_path / "none.toml")])
    assert main() == 78
    assert capsys.readouterr().out == ""


@contextmanager
def user(broker: Mosquitto, name: str, password: str) -> Iterator[tuple[paho.Client, list[str]]]:
    """A connected client, and the topics that it hears."""
    client, heard, there = paho.Client(paho.CallbackAPIVersion.VERSION2), list[str](), Event()
    client.username_pw_set(name, password)
    client.on_connect = lambda *_: client.subscribe("#", qos=1)
    client.on_subscribe = lambda *_: there.set()
    client.on_message = lambda _, __, message: heard.append(message.topic)
    client.connect("127.0.0.1", broker.port)
    client.loop_start()
    assert there.wait(5)
    try:
        yield client, heard
    finally:
        client.disconnect()
        client.loop_stop()


@pytest.mark.skipif(shutil.which("mosquitto_passwd") is None, reason="mosquitto_passwd is not installed")
def test_mosquitto_lets_the_station_hear_and_say_that_and_nothing_else(barn: Config, tmp_path: Path) -> None:
    (tmp_path / "acl").write_text(rights(barn) + "user barn\ntopic readwrite #\n")
    (tmp_path / "passwd").write_text("goatdev:of the station\nbarn:of all else\n")
    subprocess.run(["mosquitto_passwd", "-U", str(tmp_path / "passwd")], check=True)
    lines = (
        "allow_anonymous false",
        f"password_file {tmp_path / 'passwd'}",
        f"acl_file {tmp_path / 'acl'}",
    )
    with (
        mosquitto(tmp_path, *lines) as broker,
        user(broker, "barn", "of all else") as (others, heard_by_others),
        user(broker, "goatdev", "of the station") as (station, heard_by_station),
    ):
        for topic in ("goatdev/barn2/trigger", "zigbee2mqtt/crate button", "goatdev/barn1/feedback"):
            station.publish(topic, "x", qos=1).wait_for_publish(10)
        for topic in (
            "goatdev/barn2/result",
            "zigbee2mqtt/crate button",
            "barn/reader",
            "goatdev/barn1/trigger",
        ):
            others.publish(topic, "x", qos=1).wait_for_publish(10)
        wait_until(lambda: "goatdev/barn1/trigger" in heard_by_station, 20)
        wait_until(lambda: "goatdev/barn1/trigger" in heard_by_others, 20)
    assert sorted(heard_by_station) == [
        "barn/reader",
        "goatdev/barn1/feedback",
        "goatdev/barn1/trigger",
        "zigbee2mqtt/crate button",
    ]
    assert heard_by_others.count("zigbee2mqtt/crate button") == 1
    assert "goatdev/barn1/feedback" in heard_by_others
    assert "goatdev/barn2/trigger" not in heard_by_others
