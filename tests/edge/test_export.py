"""What other programs read of a station: rows that are right in any spreadsheet, and all of it as JSON."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from edge.cli import main
from edge.config import Config
from edge.devices.identity import checked_goat_id
from edge.keeping.pages import PAGE_CAPTURES, Wanted, histories
from edge.keeping.store import Store
from edge.records import ALL_TRAITS, Capture, Clock, Measurement, Revision, Said, Trigger, Weight
from tests.conftest import REPO

EID = "982000001088420"
CENTRAL_MIN = -6 * 60
EVENING = datetime(2026, 11, 21, 3, 30, 5, tzinfo=UTC)  # of the 20th in Minnesota


def revision(withers_cm: float = 61.234, reason: str = "no top picture") -> Revision:
    return Revision(
        (
            Measurement("withers_height_cm", ("side",), withers_cm, 1.5, 0.9),
            Measurement("waist_width_cm", ("top",), reason=reason),
            Measurement("condition_index", ("side", "top"), 0.4249, 0.031, 0.8),
        ),
        (),
        (),
        {"name": "net", "version": "2026.11", "sha256": "a" * 64},
        {"sha256": "c" * 64},
        "goatdev test",
    )


@pytest.fixture
def store(config: Config) -> Iterator[Store]:
    with Store(config.database_path) as store:
        yield store


@pytest.fixture(autouse=True)
def barn_time(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine that keeps the time of Minnesota and writes decimals with a comma."""
    with monkeypatch.context() as here:
        here.setenv("TZ", "America/Chicago")
        here.setenv("LC_ALL", "de_DE.UTF-8")
        time.tzset()
        yield
    time.tzset()


def taken(
    store: Store,
    goat_id: str | None = None,
    at: datetime = EVENING,
    weight: Weight | None = None,
    result: Revision | None = None,
    clock: Clock | None = None,
) -> Capture:
    """A capture as the station closes it."""
    number = store.number("SELECT COUNT(*) AS number FROM captures")
    pressed = store.press(Trigger(f"press {number}", "command", at, goat_id, weight, clock), "barn1")
    done = store.begin(pressed).completed(result or revision())
    store.close_capture(done)
    return done


def export(capsys: pytest.CaptureFixture[str], config_path: Path, *arguments: str) -> tuple[int, str, str]:
    try:
        code = main(["export", "--config", str(config_path), *arguments])
    except SystemExit as stop:
        code = int(stop.code or 0)
    out, err = capsys.readouterr()
    return code, out, err


def table(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def rows(capsys: pytest.CaptureFixture[str], config_path: Path, *arguments: str) -> list[dict[str, str]]:
    code, out, err = export(capsys, config_path, *arguments)
    assert (code, err) == (0, "")
    return table(out)


def test_a_row_has_every_trait_with_its_unit_and_doubt_and_an_empty_cell_with_a_reason(
    store: Store, config_path: Path, capsys
) -> None:
    taken(store, "Heidi", weight=Weight(55.11147, "typed", "121.5 lb"))
    (row,) = rows(capsys, config_path)
    for trait in ALL_TRAITS:
        assert trait.name in row
    assert (row["withers_height_cm"], row["withers_height_u95_cm"]) == ("61.23", "1.50")
    assert (row["condition_index"], row["condition_index_u95"]) == ("0.42", "0.03")
    assert (row["waist_width_cm"], row["waist_width_u95_cm"]) == ("", "")
    assert row["remarks"] == "no top picture"
    assert (row["date"], row["time"], row["taken_at_utc"]) == (
        "2026-11-20",
        "21:30:05",
        "2026-11-21T03:30:05Z",
    )
    assert (row["goat_id"], row["weight_kg"], row["weight_source"]) == ("Heidi", "55.11", "typed")
    assert (row["status"], row["verdict"], row["revision"], row["model"]) == (
        "completed",
        "good",
        "1",
        "net 2026.11",
    )


def test_a_number_that_a_person_corrected_is_theirs_and_says_what_was_measured(
    store: Store, config_path: Path, capsys
) -> None:
    done = taken(store, "Heidi")
    store.correct(done.id, Said("withers_height_cm", 62.5, "Ana", "stick"))
    store.correct(done.id, Said("waist_width_cm", 15.0, "Ana", "tape"))
    store.correct(done.id, Said("rump_height_cm", 40.0, "Ana", "stick"))
    store.correct(done.id, Said("rump_height_cm", None, "Ana", "a slip"))
    (row,) = rows(capsys, config_path)
    assert (row["withers_height_cm"], row["withers_height_u95_cm"]) == ("62.50", "")
    assert (row["waist_width_cm"], row["waist_width_u95_cm"]) == ("15.00", "")
    assert row["corrections"] == (
        "withers_height_cm measured 61.23 (Ana: stick); waist_width_cm not measured (Ana: tape)"
    )


def test_no_station_no_captures_is_a_header(store: Store, config_path: Path, capsys) -> None:
    assert rows(capsys, config_path) == []
    assert export(capsys, config_path, "--what", "weights")[1] == "EID,VID,Date,Weight\r\n"
    assert json.loads(export(capsys, config_path, "--format", "json")[1]) == []


def test_an_electronic_id_is_text_for_a_spreadsheet_and_the_same_id_for_us(
    store: Store, config_path: Path, capsys
) -> None:
    taken(store, EID)
    taken(store, "036000012345678")
    found = [row["goat_id"] for row in rows(capsys, config_path)]
    assert found == ["982 000001088420", "036 000012345678"]
    for written, kept in zip(found, (EID, "036000012345678"), strict=True):
        assert checked_goat_id(written) == kept
        with pytest.raises(ValueError, match="could not convert"):
            float(written)


def test_text_that_a_spreadsheet_would_compute_is_shown_instead(
    store: Store, config_path: Path, capsys
) -> None:
    evil = '=HYPERLINK("http://example.com","x")\n@SUM(1+1)'
    taken(store, "-12", result=revision(reason=evil))
    (row,) = rows(capsys, config_path)
    assert row["goat_id"] == "'-12"
    assert row["remarks"] == f"'{evil}"


def test_commas_quotes_line_ends_and_accents_come_back_as_they_were(
    store: Store, config_path: Path, capsys
) -> None:
    odd = 'the "side" picture, damaged\nat line 3; ñandú'
    taken(store, "Señora Ñ", result=revision(reason=odd))
    (row,) = rows(capsys, config_path)
    assert (row["goat_id"], row["remarks"]) == ("Señora Ñ", odd)


def test_a_failed_capture_has_a_row_with_why(store: Store, config_path: Path, capsys) -> None:
    pressed = store.begin(store.press(Trigger("p", "command", EVENING), "barn1"))
    store.close_capture(pressed.failed("no camera gave a picture"))
    (row,) = rows(capsys, config_path)
    assert (row["status"], row["verdict"], row["remarks"]) == ("failed", "", "no camera gave a picture")


def test_weigh_heads_get_eid_vid_date_and_weight_in_their_unit(
    store: Store, config_path: Path, capsys
) -> None:
    taken(store, EID, weight=Weight(55.11147, "typed", "121.5 lb"))
    taken(store, "MN12345-0045", weight=Weight(40.0, "scale", "ST,GS,+00040.0kg"))
    taken(store, "Heidi")
    taken(store, weight=Weight(33.0, "scale", "ST,GS,+00033.0kg"))
    code, out, err = export(capsys, config_path, "--what", "weights")
    assert code == 0
    assert out.splitlines() == [
        "EID,VID,Date,Weight",
        "982 000001088420,,2026-11-20,121.5",
        ",MN12345-0045,2026-11-20,88.2",
    ]
    assert "1 weights are left out" in err
    in_kg = export(capsys, config_path, "--what", "weights", "--unit", "kg", "--format", "json")[1]
    assert [(one["Weight"], one["unit"]) for one in json.loads(in_kg)] == [("55.1", "kg"), ("40.0", "kg")]


def test_days_are_those_of_the_station_and_both_ends_count(store: Store, config_path: Path, capsys) -> None:
    """Also where the table is written on a machine of another time zone."""
    captures = [
        taken(
            store, at=datetime(2026, 11, 20, 5, 59, 59, tzinfo=UTC), clock=Clock("ntp", CENTRAL_MIN, "b", 1)
        ),
        taken(store, at=datetime(2026, 11, 20, 6, 0, 0, tzinfo=UTC), clock=Clock("ntp", CENTRAL_MIN, "b", 2)),
        taken(store, at=datetime(2026, 11, 21, 5, 59, 59, 999000, tzinfo=UTC)),
        taken(store, at=datetime(2026, 11, 21, 6, 0, 0, tzinfo=UTC), clock=Clock("ntp", CENTRAL_MIN, "b", 4)),
        taken(store, at=datetime(2026, 11, 21, 6, 0, 0, tzinfo=UTC), clock=Clock("ntp", -600, "b", 4)),
    ]
    arguments = ("--since", "2026-11-20", "--until", "2026-11-20")
    found = [row["capture_id"] for row in rows(capsys, config_path, *arguments)]
    assert found == [captures[number].id for number in (1, 2, 4)]
    everything = rows(capsys, config_path, "--since", "0001-01-01", "--until", "9999-12-31")
    assert len(everything) == 5


def test_of_one_goat_only_its_own_rows(store: Store, config_path: Path, capsys) -> None:
    taken(store, EID)
    taken(store, "Heidi")
    (row,) = rows(capsys, config_path, "--goat", "982 000001088420")
    assert row["goat_id"] == "982 000001088420"


def test_json_has_every_revision_with_its_reasons(store: Store, config_path: Path, capsys) -> None:
    done = taken(store, EID)
    again = store.begin(store.ask_again(done.id, None))
    store.close_capture(again.completed(revision(64.0, "the waist is hidden")))
    (document,) = json.loads(export(capsys, config_path, "--format", "json")[1])
    assert document["goat_id"] == EID
    assert document["measurements"]["withers_height_cm"]["value"] == 64.0
    first, second = document["revisions"]
    assert (first["revision"], second["revision"]) == (1, 2)
    assert first["measurements"]["waist_width_cm"]["reason"] == "no top picture"
    assert second["measurements"]["waist_width_cm"]["reason"] == "the waist is hidden"
    (row,) = rows(capsys, config_path)
    assert (row["withers_height_cm"], row["revision"]) == ("64.00", "2")


def test_pages_leave_nothing_out_and_give_nothing_twice(store: Store) -> None:
    with store.transaction():
        for number in range(2 * PAGE_CAPTURES + 1):
            store.db.execute(
                "INSERT INTO captures (id, status, trigger_id, source, requested_at, sequence)"
                " VALUES (?, 'missed', ?, 'command', '2026-11-20T12:00:00+00:00', ?)",
                [f"20261120T12{number:07d}Z_barn1", f"t{number}", number + 1],
            )
    found = [one.capture.id for one in histories(store, Wanted())]
    assert len(found) == len(set(found)) == 2 * PAGE_CAPTURES + 1
    assert found == sorted(found)


def test_a_page_tells_of_a_capture_what_the_store_tells(store: Store) -> None:
    done = taken(store, EID, weight=Weight(55.0, "typed", "55 kg"))
    (found,) = histories(store, Wanted())
    assert found.capture == store.capture(done.id)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--since", "2026-13-01"), 2, "not in the calendar"),
        (("--since", "yesterday"), 2, "write it as 2026-11-30"),
        (("--until", "20261101"), 2, "write it as 2026-11-30"),
        (("--since", "2026-12-01", "--until", "2026-11-01"), 1, "is after"),
        (("--goat", "Heidy"), 1, "did you mean Heidi?"),
        (("--goat", "9.82E+14"), 1, "damaged by a spreadsheet"),
        (("--format", "xlsx"), 2, "invalid choice"),
        (("--out", "/nowhere/at/all.csv"), 1, "--out"),
        (("--out", "/dev/full"), 1, "No space left"),
    ],
)
def test_what_cannot_be_exported_is_said(
    store: Store, config_path: Path, capsys, arguments: tuple[str, ...], code: int, message: str
) -> None:
    taken(store, "Heidi")
    found, out, err = export(capsys, config_path, *arguments)
    assert (found, out) == (code, "")
    assert message in err


def test_a_file_is_there_when_all_of_it_is(store: Store, config_path: Path, tmp_path: Path, capsys) -> None:
    taken(store, "Heidi")
    out = tmp_path / "goats.csv"
    assert export(capsys, config_path, "--out", str(out)) == (0, "", "")
    assert len(table(out.read_text("utf-8"))) == 1
    with store.transaction():
        store.db.execute("UPDATE revisions SET readings = 'torn'")
    with pytest.raises(json.JSONDecodeError):
        export(capsys, config_path, "--out", str(out))
    assert len(table(out.read_text("utf-8"))) == 1
    assert not list(tmp_path.glob("*.part"))


def test_a_reader_that_ends_early_ends_it_quietly(store: Store, config_path: Path) -> None:
    taken(store, "Heidi")
    command = [sys.executable, "-m", "edge.cli", "export", "--config", str(config_path)]
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(command, cwd=REPO, stdout=writing, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writing)
    assert (done.returncode, done.stderr) == (1, "")


def test_the_true_time_of_a_capture_is_shown_once_it_is_known(
    store: Store, config_path: Path, capsys
) -> None:
    done = taken(
        store, at=datetime(1970, 1, 1, 0, 5, tzinfo=UTC), clock=Clock("unsynchronised", CENTRAL_MIN, "b", 300)
    )
    assert rows(capsys, config_path)[0]["time_state"] == "waiting"
    with store.transaction():
        store.db.execute(
            "UPDATE captures SET dated_from = 'ntp', dated_at = :at, dating_note = '', taken_at = :at WHERE id = :id",
            {"at": EVENING.isoformat(), "id": done.id},
        )
    (row,) = rows(capsys, config_path, "--since", "2026-11-20", "--until", "2026-11-20")
    assert (row["date"], row["time_state"]) == ("2026-11-20", "corrected")
    assert rows(capsys, config_path, "--until", "1970-01-02") == []
