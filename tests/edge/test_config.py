"""Every mistake in the configuration names its key and the remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.config import find_config, load_config
from edge.devices.sources import SerialPort, Topic
from edge.errors import ConfigError

WHOLE = """
[station]
id = "barn1"
data_dir = "data"
[cameras]
side = "simulated:samples"
[measure]
calibration = "calibration.json"
"""


MQTT = WHOLE + '[mqtt]\nhost = "192.168.1.10"\n'
BUTTON = MQTT + '[[buttons]]\nkind = "tasmota"\ntopic = "stat/crate/RESULT"\n'


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "goatdev.toml"
    path.write_text(text)
    return path


def test_a_small_configuration_is_enough(tmp_path: Path) -> None:
    config = load_config(written(tmp_path, WHOLE))
    assert config.data_dir == tmp_path / "data"
    assert config.cameras.sources() == {"side": "simulated:samples"}
    assert (config.cameras.burst_shots, config.cameras.burst_s) == (3, 1.0)
    assert (config.dashboard.host, config.dashboard.port) == ("127.0.0.1", 8000)


@pytest.mark.parametrize(
    ("broken", "message", "hint"),
    [
        (WHOLE.replace("data_dir", "data_dri"), "[station] data_dri: unknown key", "did you mean data_dir?"),
        (WHOLE.replace("[cameras]", "[camera]"), "[camera]: unknown table", "did you mean cameras?"),
        (WHOLE.replace('id = "barn1"', "id = 7"), "[station] id: 7 is not text", "text in quotes"),
        (WHOLE.replace('"barn1"', '"barn 1_"'), "is not a station name", "letters, digits and hyphens"),
        (WHOLE.replace('id = "barn1"\n', ""), "[station]: id missing", "README"),
        (WHOLE.replace('side = "simulated:samples"', ""), "no camera named", "for example"),
        (WHOLE + "[dashboard]\nport = 0\n", "[dashboard] port: 0", "1 to 65535"),
        (
            WHOLE + "[dashboard]\nport = true\n",
            "[dashboard] port: True is not a whole number",
            "whole number",
        ),
        (WHOLE + "[sync]\ndestination = 'ftp://x'\n", "is not known", "folder:"),
        (WHOLE + "[sync]\npoll_s = 0\n", "[sync] poll_s: 0 is out of range", "seconds"),
        (WHOLE.replace("[cameras]", "[cameras]\nburst_shots = 0"), "[cameras] burst_shots: 0", "1 to 9"),
        (WHOLE.replace("[cameras]", "[cameras]\nburst_shots = 10"), "[cameras] burst_shots: 10", "1 to 9"),
        (WHOLE.replace("[cameras]", "[cameras]\nburst_s = 60"), "[cameras] burst_s: 60", "0 to 10"),
        (WHOLE.replace("[cameras]", "[cameras]\nat_once = 0"), "[cameras] at_once: 0", "1 to 3"),
        (WHOLE.replace("[cameras]", "[cameras]\nlimit_s = 0"), "[cameras] limit_s: 0", "0.2 to 30"),
        (WHOLE.replace("[cameras]", "[cameras]\nwidth = 4656"), "width and height go together", "largest"),
        (
            WHOLE.replace("[cameras]", "[cameras]\nfocus = -2"),
            "[cameras] focus: -2",
            "leave it to the camera",
        ),
        (WHOLE.replace("[cameras]", "[cameras]\nfocus = 1.5"), "[cameras] focus: 1.5", "whole number"),
        (WHOLE.replace("[station]", "[station]\nmax_age_s = 0"), "max_age_s: 0 is out of range", "3600"),
        (WHOLE.replace("[station]", "[station]\nlanguage = 'fr'"), "[station] language: 'fr'", '"en", "es"'),
        (WHOLE + '[mqtt]\nhost = "tcp://broker"\n', "[mqtt] host: 'tcp://broker'", "only the name"),
        (WHOLE + '[mqtt]\nhost = "a..b"\n', "[mqtt] host: 'a..b'", "only the name"),
        (MQTT + "port = 70000\n", "[mqtt] port: 70000", "1883"),
        (MQTT + "debounce_s = -1\n", "[mqtt] debounce_s: -1", "0 to 60"),
        (MQTT + "tls = 1\n", "[mqtt] tls: 1 is not true or false", "true or false"),
        (MQTT + 'ca_file = "ca.pem"\n', "[mqtt] ca_file: named, but tls is false", "tls = true"),
        (MQTT + 'discovery_prefix = "ha/#"\n', "[mqtt] discovery_prefix: 'ha/#'", "without + and #"),
        (MQTT + 'password = "x"\n', "[mqtt] password: unknown key", "never written here"),
        (BUTTON.replace("tasmota", "zigbee"), "[[buttons]] kind: 'zigbee'", "zigbee2mqtt"),
        (BUTTON.replace("stat/crate", "stat/+"), "[[buttons]] topic: 'stat/+/RESULT'", "without + and #"),
        (BUTTON.replace("stat/crate/RESULT", ""), "[[buttons]] topic: ''", "1 to 200"),
        (BUTTON.replace("stat/crate", "stat/\\u0000"), "[[buttons]] topic:", "without + and #"),
        (BUTTON.replace("topic", "topics"), "[[buttons]] topics: unknown key", "did you mean topic?"),
        (MQTT + '[[buttons]]\nkind = "plain"\n', "[[buttons]]: topic missing", "README"),
        (BUTTON + 'actions = "SINGLE"\n', "[[buttons]] actions: 'SINGLE'", "a list of texts"),
        (BUTTON + "actions = [1]\n", "[[buttons]] actions: [1]", "a list of texts"),
        (
            BUTTON.replace("tasmota", "esphome") + 'component = "x"\n',
            "[[buttons]] component: esphome",
            "leave it out",
        ),
        (BUTTON.replace('host = "192.168.1.10"', ""), "[[buttons]]: there is no broker", "[mqtt] host"),
        (BUTTON + BUTTON.removeprefix(MQTT), "'stat/crate/RESULT' is named twice", "one entry per topic"),
        (
            BUTTON.replace("stat/crate/RESULT", "goatdev/barn1/feedback"),
            "one of the station's own",
            "trigger",
        ),
        (MQTT + '[buttons]\nkind = "plain"\n', "[[buttons]]: must be under double brackets", "[[buttons]]"),
        (WHOLE.replace("[station]", "[[station]]"), "[station]: must be a table", "[station]"),
        ("station = 3\n", "[station]: must be a table", "[station]"),
        (WHOLE + "[reader]\nsource = 'usb:0'\n", "[reader] source: 'usb:0' is not known", "serial:/dev"),
        (WHOLE + "[reader]\nmax_age_s = 301\n", "[reader] max_age_s: 301", "0 to 300"),
        (WHOLE + "[reader]\nafter_s = -1\n", "[reader] after_s: -1", "0 to 300"),
        (WHOLE + "[scale]\nsource = 'serial:ttyS0'\n", "[scale] source: 'ttyS0' is no port", "serial:/dev"),
        (WHOLE + "[scale]\nunit = 'stone'\n", "[scale] unit: 'stone' is not known", '"lb"'),
        (WHOLE + "[scale]\nask = 'W'\n", "[scale] ask: only a scale on a serial port", "leave it out"),
        (WHOLE + "[scale]\nask = 'Wät'\n", "cannot be sent", '"W"'),
        (WHOLE + "[scale]\nmax_age_s = 61\n", "[scale] max_age_s: 61", "0 to 60"),
        (
            WHOLE + "[reader]\nsource = 'mqtt:barn/tags'\n",
            "[reader] source: there is no broker",
            "[mqtt] host",
        ),
        ("not toml", "not valid TOML", "line"),
    ],
)
def test_a_mistake_names_its_key_and_the_remedy(tmp_path: Path, broken: str, message: str, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(written(tmp_path, broken))
    assert message in caught.value.message
    assert hint in caught.value.hint
    assert caught.value.exit_code == 78


def test_a_station_has_as_many_buttons_as_are_listed(tmp_path: Path) -> None:
    assert load_config(written(tmp_path, WHOLE)).mqtt.host == ""
    second = '[[buttons]]\nkind = "plain"\ntopic = "barn/1"\nactions = ["double", "HOLD"]\n'
    config = load_config(written(tmp_path, BUTTON + second))
    assert [(one.kind, one.topic) for one in config.buttons] == [
        ("tasmota", "stat/crate/RESULT"),
        ("plain", "barn/1"),
    ]
    assert config.buttons[1].presses == {"double", "hold"}


def test_a_station_has_the_devices_that_have_a_source(tmp_path: Path) -> None:
    assert load_config(written(tmp_path, WHOLE)).devices() == {}
    both = (
        MQTT + "[reader]\nsource = 'mqtt:barn/reader'\n[scale]\nsource = 'serial:/dev/ttyUSB0'\nask = 'W'\n"
    )
    assert load_config(written(tmp_path, both)).devices() == {
        "reader": Topic("barn/reader"),
        "scale": SerialPort("/dev/ttyUSB0", 9600, 8, "none", 1),
    }


def test_an_absent_file_is_a_configuration_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load_config(tmp_path / "absent.toml")


def test_the_environment_names_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOATDEV_CONFIG", str(tmp_path / "mine.toml"))
    assert find_config(None) == tmp_path / "mine.toml"
    assert find_config("given.toml") == Path("given.toml")


def test_with_no_configuration_anywhere_the_demo_is_offered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GOATDEV_CONFIG", raising=False)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError) as caught:
        find_config(None)
    assert "goatdev demo" in caught.value.hint
