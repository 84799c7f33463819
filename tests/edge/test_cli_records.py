"""Correcting, pinning and looking at what people did, from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edge.cli import main
from edge.config import Config
from edge.keeping.store import Store
from edge.records import Capture
from edge.triggers import new_trigger
from tests.edge.test_store import REVISION

WITHERS = "withers_height_cm"
WHY = ["--author", "Ana", "--reason", "measured with a stick"]


@pytest.fixture
def capture(config: Config) -> Capture:
    with Store(config.database_path) as store:
        done = store.begin(store.press(new_trigger("command", "Heidi"), "barn1")).completed(REVISION)
        store.close_capture(done)
    return done


@pytest.fixture
def at(config_path: Path) -> list[str]:
    return ["--config", str(config_path)]


def test_a_trait_is_corrected_and_taken_back(
    capture: Capture, at: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["correct", capture.id, WITHERS, "62.5", *WHY, *at]) == 0
    assert capsys.readouterr().out == f"{capture.id}  {WITHERS}: 62.5, measured 61.234\n"
    assert main(["captures", *at]) == 0
    assert "withers 62.5 cm, corrected" in capsys.readouterr().out
    assert main(["correct", capture.id, WITHERS, "--withdraw", *WHY, "--json", *at]) == 0
    document = json.loads(capsys.readouterr().out)
    assert [one["value"] for one in document["corrections"]] == [62.5, None]
    assert document["standing"][WITHERS] == {"value": 61.23, "u95": 5.6, "corrected": False}


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ([WITHERS, "612"], 1, "15 to 130 cm"),
        (["tail_cm", "12"], 1, "is not a trait"),
        ([WITHERS], 2, "give either VALUE or --withdraw"),
        ([WITHERS, "62", "--withdraw"], 2, "give either VALUE or --withdraw"),
        ([WITHERS, "--withdraw"], 1, "is not corrected"),
    ],
)
def test_what_cannot_be_said_is_refused(
    capture: Capture,
    at: list[str],
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    code: int,
    said: str,
) -> None:
    try:
        ended = main(["correct", capture.id, *words, *WHY, *at])
    except SystemExit as end:
        ended = int(str(end.code))
    assert ended == code
    assert said in capsys.readouterr().err


def test_a_capture_that_there_is_not_is_refused(
    config: Config, at: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["correct", "20200101T000000000Z_barn1", WITHERS, "62", *WHY, *at]) == 1
    assert "there is no such capture" in capsys.readouterr().err


def test_goats_are_listed_pinned_and_unpinned(
    capture: Capture, at: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["goats", "pin", "Heidi", "--author", "Ana", *at]) == 0
    assert capsys.readouterr().out.rstrip().endswith(f"1  {capture.id}  pinned")
    assert main(["goats", "--json", *at]) == 0
    (goat,) = json.loads(capsys.readouterr().out)["goats"]
    assert (goat["goat_id"], goat["captures"], goat["is_pinned"]) == ("Heidi", 1, True)
    assert main(["goats", "unpin", "Heidi", "--author", "Ana", *at]) == 0
    assert "pinned" not in capsys.readouterr().out
    assert main(["goats", "pin", "nobody", "--author", "Ana", *at]) == 1
    assert "there is no such goat" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["pin"], ["pin", "Heidi"], ["pin", "--author", "Ana"], ["Heidi"]])
def test_pinning_needs_a_goat_and_somebody_who_pins(
    capture: Capture, at: list[str], words: list[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["goats", *words, *at])
    assert caught.value.code == 2


def test_the_audit_is_read_newest_first(
    capture: Capture, at: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["audit", *at]) == 0
    assert capsys.readouterr().out == "nothing yet\n"
    main(["correct", capture.id, WITHERS, "62.5", *WHY, *at])
    main(["goats", "pin", "Heidi", "--author", "Ben", *at])
    capsys.readouterr()
    assert main(["audit", "--json", *at]) == 0
    pinned, corrected = json.loads(capsys.readouterr().out)["audit"]
    assert (pinned["act"], pinned["author"], pinned["goat_id"]) == ("pin", "Ben", "Heidi")
    assert (corrected["act"], corrected["capture_id"]) == ("correct", capture.id)
    assert main(["audit", "--limit", "1", *at]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert 'Ben  pin  Heidi  {"is_pinned": false} → {"is_pinned": true}' in line
