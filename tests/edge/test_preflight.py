"""A release is tried on this machine before it is used: its network, a copy of the database, the configuration."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.keeping.store import Store
from edge.preflight import is_complete, opens, passes, told, verdict
from edge.segment import SHIPPED_MODEL
from edge.triggers import new_trigger


def test_what_works_here_says_what_it_saw(
    config_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "copy.db"
    with Store(copy) as store:
        store.press(new_trigger("command"), "barn1")
    assert told("the database", lambda: opens(copy)) == 0
    assert told("the configuration", lambda: is_complete(config_path)) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "ok    the database: 1 captures, readable with this release's tables"
    assert said[1].startswith("ok    the configuration: station barn1, simulated:")


def test_a_configuration_that_is_not_finished_is_something_to_do(
    config_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = config_path.read_text()
    config_path.write_text("\n".join(line for line in text.splitlines() if "simulated" not in line))
    assert told("the configuration", lambda: is_complete(config_path)) == 78
    said = capsys.readouterr()
    assert "to do the configuration" in said.out
    assert "no camera named" in said.err


def test_a_calibration_that_is_missing_is_something_to_do(config_path: Path) -> None:
    text = config_path.read_text().partition("calibration = ")
    config_path.write_text(text[0] + 'calibration = "none.json"\n')
    assert told("the configuration", lambda: is_complete(config_path)) == 78


def test_a_release_that_cannot_read_the_database_is_no_good_whatever_the_configuration(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    damaged = tmp_path / "copy.db"
    damaged.write_bytes(b"not a database at all" * 100)
    assert told("the database", lambda: opens(damaged)) == 1
    assert "FAIL  the database" in capsys.readouterr().out
    assert verdict([0, 1, 78]) == 1
    assert verdict([0, 78]) == 78
    assert verdict([0, 0]) == 0


def test_a_network_that_is_no_good_is_refused(tmp_path: Path) -> None:
    card = tmp_path / "card.toml"
    card.write_text(SHIPPED_MODEL.read_text())
    (tmp_path / "goat_segmenter.tflite").write_bytes(b"not a network")
    assert told("the network", lambda: passes(card)) == 1
