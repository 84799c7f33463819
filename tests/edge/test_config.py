"""Every mistake in the configuration names its key and the remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.config import find_config, load_config
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
        ("station = 3\n", "station: must be a table", "[station]"),
        ("not toml", "not valid TOML", "line"),
    ],
)
def test_a_mistake_names_its_key_and_the_remedy(tmp_path: Path, broken: str, message: str, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(written(tmp_path, broken))
    assert message in caught.value.message
    assert hint in caught.value.hint
    assert caught.value.exit_code == 78


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
