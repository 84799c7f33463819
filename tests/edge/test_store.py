"""What is kept: a press is a row at once, a capture and its outbox entry come together or not at all."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Timer

import numpy as np
import pytest
from sqlite_utils import Database

from edge.errors import StoreError
from edge.keeping.outbox import Outbox, Receipt
from edge.keeping.schema import migrations
from edge.keeping.store import GLANCES_KEPT, Store, time_of
from edge.records import (
    Advice,
    Capture,
    Glance,
    Line,
    Measurement,
    Reading,
    Revision,
    Status,
    StoredImage,
    Trigger,
    Weight,
)
from edge.triggers import new_trigger
from tests.conftest import REPO

REVISION = Revision(
    measurements=(
        Measurement("withers_height_cm", ("side",), 61.234, 5.6, 0.9),
        Measurement("head_height_cm", ("side",), reason="the head cannot be seen"),
    ),
    readings=(
        Reading(
            "side",
            0.9,
            "left",
            ("head_down",),
            {"withers": (10.0, 20.0)},
            (Line("withers_height_cm", (1.0, 2.0), (3.0, 4.0)),),
        ),
    ),
    advice=(Advice("head_down", "side", "Wait."),),
    model={"name": "m"},
    calibration={"sha256": "c"},
    software="goatdev test",
)
IMAGE = StoredImage("side", "raw", "20261121/x/side_raw.jpg", "0" * 64, 640, 480, 1234)


WEIGHT = Weight(55.11147, "typed", "121.5 lb")


@pytest.fixture
def store(tmp_path: Path):
    with Store(tmp_path / "station.db") as store:
        yield store


def press(store: Store, **changes):
    return store.press(replace(new_trigger("command"), **changes), "barn1")


def test_a_press_is_a_queued_capture_named_by_its_time(store: Store) -> None:
    at = datetime(2026, 11, 21, 14, 5, 6, 789000, UTC)
    capture = press(store, requested_at=at)
    assert capture.id == "20261121T140506789Z_barn1"
    assert capture.status is Status.QUEUED
    assert time_of(capture.id) == at


def test_the_same_press_twice_is_one_capture(store: Store) -> None:
    trigger = new_trigger("mqtt", trigger_id="press-1")
    assert store.press(trigger, "barn1").id == store.press(trigger, "barn1").id
    assert store.counts() == {"queued": 1}


def test_ids_increase_even_when_the_clock_jumps_back(store: Store) -> None:
    noon = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)
    ids = [press(store, requested_at=noon - timedelta(hours=hours)).id for hours in (0, 1, 0, 24)]
    assert ids == sorted(set(ids))


def test_a_completed_capture_comes_back_as_it_was_stored(store: Store) -> None:
    begun = store.begin(press(store, goat_id="G 7"))
    images = (
        IMAGE,
        replace(IMAGE, shot=2, path="20261121/x/side_2_raw.jpg"),
        replace(IMAGE, kind="annotated", shot=2),
    )
    done = begun.with_shot(images, 12.5, 1003.0).completed(REVISION)
    store.close_capture(done)
    assert store.capture(done.id) == done


def test_a_capture_and_its_outbox_entry_are_stored_together_or_not_at_all(store: Store) -> None:
    capture = store.begin(press(store))
    twice = replace(REVISION, measurements=REVISION.measurements[:1] * 2)
    with pytest.raises(StoreError):
        store.close_capture(capture.completed(twice))
    assert store.capture(capture.id).status is Status.PROCESSING
    assert Outbox(store).backlog() == {}


def test_measuring_again_adds_a_revision_and_keeps_the_first(store: Store) -> None:
    done = store.begin(press(store)).completed(REVISION)
    store.close_capture(done)
    again = store.ask_again(done.id, "G8")
    assert (again.status, again.goat_id) == (Status.QUEUED, "G8")
    better = replace(REVISION, measurements=(Measurement("withers_height_cm", ("side",), 62.0, 5.0, 0.9),))
    store.close_capture(store.begin(again).completed(better))
    assert store.capture(done.id).revision == better
    assert store.revision(done.id, 1) == REVISION
    assert [entry.sequence for entry in Outbox(store).due()] == [0, 1]


def test_measuring_again_shows_the_new_annotated_picture(store: Store) -> None:
    old = replace(IMAGE, kind="annotated", path="old.jpg")
    done = store.begin(press(store)).with_shot((IMAGE,), 0.0).with_images((old,)).completed(REVISION)
    store.close_capture(done)
    new = replace(IMAGE, kind="annotated", path="new.jpg", shot=3)
    store.close_capture(store.begin(store.ask_again(done.id, None)).with_images((new,)).completed(REVISION))
    assert [image.path for image in store.capture(done.id).images] == [IMAGE.path, "new.jpg"]


def test_a_second_measurement_that_fails_leaves_the_first_standing(store: Store) -> None:
    done = store.begin(press(store)).completed(REVISION)
    store.close_capture(done)
    store.close_capture(store.begin(store.ask_again(done.id, None)).failed("no picture can be read"))
    kept = store.capture(done.id)
    assert (kept.status, kept.revision, kept.failure) == (
        Status.COMPLETED,
        REVISION,
        "no picture can be read",
    )


def test_a_missing_value_with_a_number_is_refused_by_the_database_too(store: Store) -> None:
    with pytest.raises(sqlite3.IntegrityError):
        store.db.execute("INSERT INTO measurements VALUES ('x', 1, 't', NULL, NULL, 0, '[]', NULL)")


def test_captures_are_listed_newest_first_and_paged(store: Store) -> None:
    ids = [press(store, goat_id="A" if number % 2 else "B").id for number in range(5)]
    assert [one.id for one in store.captures(limit=2)] == ids[:2:-1]
    assert [one.id for one in store.captures(limit=2, before=ids[3])] == [ids[2], ids[1]]
    assert [one.id for one in store.captures(goat_id="A")] == [ids[3], ids[1]]
    assert [goat["captures"] for goat in store.goats()] == [2, 3]


def test_an_unknown_capture_is_a_key_error(store: Store) -> None:
    with pytest.raises(KeyError):
        store.capture("20260101T000000000Z_barn1")


def test_a_file_that_is_no_database_is_refused_and_left_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "station.db"
    path.write_bytes(b"these are the herd's records, honestly" * 100)
    before = path.read_bytes()
    with pytest.raises(StoreError) as caught:
        Store(path)
    assert "left as it is" in caught.value.hint or "left as it was" in caught.value.hint
    assert path.read_bytes() == before
    assert sorted(one.name for one in tmp_path.iterdir()) == ["station.db"]


def test_all_services_may_start_at_once_on_a_new_database(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-c",
        f"from edge.keeping.store import Store; Store(Path({str(tmp_path)!r}) / 'station.db')",
    ]
    command[2] = "from pathlib import Path; " + command[2]
    processes = [subprocess.Popen(command, cwd=REPO, stderr=subprocess.PIPE) for _ in range(6)]
    for process in processes:
        _, error = process.communicate(timeout=60)
        assert process.returncode == 0, error.decode()


def test_every_write_is_flushed_to_disk_before_it_is_acknowledged(store: Store) -> None:
    assert store.one("PRAGMA journal_mode") == {"journal_mode": "wal"}
    assert store.one("PRAGMA synchronous") == {"synchronous": 2}


def test_a_receipt_closes_its_outbox_entry(store: Store) -> None:
    store.close_capture(press(store).missed("nobody was there"))
    outbox = Outbox(store)
    (entry,) = outbox.due()
    outbox.delayed(entry, "no route", 60)
    assert outbox.due() == []
    assert outbox.backlog() == {"due": 1}
    outbox.delivered(entry, Receipt("folder:x", (("a/result.json", "0" * 64),)))
    assert outbox.backlog() == {"delivered": 1}
    assert outbox.state_of(entry.capture_id) == "delivered"


def test_a_goat_attached_later_does_not_change_what_was_already_owed(store: Store) -> None:
    done = store.begin(press(store)).completed(REVISION)
    store.close_capture(done)
    (before,) = Outbox(store).due()
    store.ask_again(done.id, "LATE")
    (after,) = Outbox(store).due()
    assert after.document == before.document


def completed(store: Store, **changes) -> Capture:
    done = store.begin(press(store, **changes)).completed(REVISION)
    store.close_capture(done)
    return done


def named(goat_id: str) -> Callable[[Capture], Capture]:
    return lambda capture: capture.named(goat_id, "later")


def weighing(capture: Capture) -> Capture:
    return replace(capture, weight=WEIGHT)


def test_a_press_keeps_who_named_the_goat_and_what_was_typed(store: Store) -> None:
    typed = store.press(new_trigger("command", "G 7", weight=WEIGHT), "barn1")
    assert (typed.goat_id, typed.goat_source, typed.weight) == ("G 7", "typed", WEIGHT)
    sent = store.press(new_trigger("mqtt", "G 7"), "barn1")
    assert (sent.goat_source, sent.weight) == ("press", None)
    assert press(store).goat_source is None


def test_goat_and_weight_that_were_read_at_the_press_are_stored_with_the_capture(store: Store) -> None:
    begun = store.begin(press(store))
    done = replace(begun.completed(REVISION).named("982000001088420", "reader"), weight=WEIGHT)
    store.close_capture(done)
    kept = store.capture(done.id)
    assert (kept.goat_id, kept.goat_source, kept.weight) == ("982000001088420", "reader", WEIGHT)
    (entry,) = Outbox(store).due()
    document = json.loads(entry.document)
    assert (document["goat_id"], document["goat_id_source"]) == ("982000001088420", "reader")
    assert document["weight_kg"] == 55.111
    assert document["weight"] == {"kg": 55.111, "source": "typed", "raw": "121.5 lb"}


def test_a_label_that_comes_later_is_owed_to_the_cloud_and_measures_nothing(store: Store) -> None:
    done = completed(store)
    labelled = store.label(done.id, lambda capture: weighing(named("LATE")(capture)))
    assert labelled == store.capture(done.id)
    assert (labelled.goat_id, labelled.goat_source, labelled.weight) == ("LATE", "later", WEIGHT)
    assert (labelled.revision, labelled.revision_number) == (done.revision, 1)
    first, second = Outbox(store).due()
    assert (first.sequence, second.sequence) == (0, 1)
    assert json.loads(first.document)["goat_id"] is None
    assert json.loads(second.document)["goat_id"] == "LATE"
    assert json.loads(second.document)["images"] == json.loads(first.document)["images"]


def test_a_label_that_changes_nothing_owes_nothing(store: Store) -> None:
    done = completed(store, goat_id="G 7")
    store.label(done.id, named("G 7"))
    assert store.capture(done.id).goat_source == "typed"
    assert len(Outbox(store).due()) == 1


def test_a_capture_that_is_being_worked_on_is_not_labelled(store: Store) -> None:
    waiting = press(store)
    assert store.label(waiting.id, named("G 7")).goat_id is None
    assert store.label(store.begin(waiting).id, named("G 7")).goat_id is None
    assert Outbox(store).due() == []


def test_a_label_and_its_outbox_entry_are_stored_together_or_not_at_all(store: Store) -> None:
    done = completed(store)
    store.db.execute(
        "CREATE TRIGGER full BEFORE INSERT ON outbox BEGIN SELECT RAISE(ABORT, 'disk full'); END"
    )
    with pytest.raises(StoreError, match="disk full"):
        store.label(done.id, named("LATE"))
    assert store.capture(done.id) == done


def test_measuring_again_keeps_the_weight_and_says_that_the_goat_came_later(store: Store) -> None:
    done = store.label(completed(store).id, weighing)
    again = store.ask_again(done.id, "LATE")
    store.close_capture(store.begin(again).completed(REVISION))
    kept = store.capture(done.id)
    assert (kept.goat_id, kept.goat_source, kept.weight) == ("LATE", "later", WEIGHT)


def test_a_database_from_before_weights_is_upgraded_with_its_rows(tmp_path: Path) -> None:
    """Who named its goats is not known, and is not made up."""
    at = "2026-11-21T14:05:06.789000+00:00"
    connection = sqlite3.connect(tmp_path / "station.db", isolation_level=None)
    migrations.apply(Database(connection), stop_before="names_and_weights")
    connection.executescript(f"""
        INSERT INTO captures (id, status, trigger_id, source, requested_at, goat_id, revision)
        VALUES ('20261121T140506789Z_barn1', 'completed', 'press-1', 'dashboard', '{at}', 'Heidi', 1);
        INSERT INTO outbox (capture_id, sequence, document, next_attempt_at)
        VALUES ('20261121T140506789Z_barn1', 0, '{{}}', '{at}');
    """)
    connection.close()
    with Store(tmp_path / "station.db") as store:
        kept = store.capture("20261121T140506789Z_barn1")
        assert (kept.goat_id, kept.goat_source, kept.goat_note, kept.weight) == ("Heidi", None, None, None)
        assert kept.is_named_by_people
        weighed = store.label(kept.id, weighing)
        assert (weighed.goat_id, weighed.weight) == ("Heidi", WEIGHT)
        assert [entry.sequence for entry in Outbox(store).due()] == [0, 1]


def test_a_trigger_without_requested_zone_is_still_utc() -> None:
    assert new_trigger("command").requested_at.tzinfo is UTC
    assert Trigger("t", "command", datetime.now(UTC)).goat_id is None


# How the views looked.


def glance(number: int, dirty: bool = False) -> Glance:
    return Glance("side", np.full((3, 4), number, np.uint8), dirty)


def completed_with(store: Store, number: int) -> str:
    done = store.begin(press(store)).completed(REVISION)
    store.close_capture(done, [glance(number, dirty=number % 2 == 1)])
    return done.id


def test_glances_come_back_oldest_first_as_they_were_under_their_calibration(store: Store) -> None:
    ids = [completed_with(store, number) for number in (1, 2, 3)]
    found = store.glances("c", before=ids[2])["side"]
    assert [(int(one.detail[2, 3]), one.is_dirty) for one in found] == [(1, True), (2, False)]
    assert found[0].detail.shape == (3, 4)
    assert store.glances("another calibration", before=ids[2]) == {}


def test_only_the_latest_glances_of_a_view_are_kept(store: Store) -> None:
    for number in range(GLANCES_KEPT + 3):
        completed_with(store, number)
    kept = store.glances("c", before="9")["side"]
    assert [int(one.detail[0, 0]) for one in kept] == list(range(3, GLANCES_KEPT + 3))


def test_a_capture_that_cannot_be_stored_leaves_no_glance(store: Store) -> None:
    twice = replace(REVISION, measurements=REVISION.measurements[:1] * 2)
    with pytest.raises(StoreError):
        store.close_capture(store.begin(press(store)).completed(twice), [glance(1)])
    assert store.glances("c", before="9") == {}


def test_a_database_from_before_glances_is_upgraded_and_remembers_from_then_on(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "old.db", isolation_level=None)
    migrations.apply(Database(connection), stop_before="glances")
    connection.executescript(
        "INSERT INTO captures (id, status, trigger_id, source, requested_at)"
        " VALUES ('20261121T140506789Z_barn1', 'queued', 'press-1', 'mqtt', '2026-11-21T14:05:06.789000+00:00')"
    )
    connection.close()
    with Store(tmp_path / "old.db") as store:
        (kept,) = store.captures()
        store.close_capture(store.begin(kept).completed(REVISION), [glance(7)])
        assert [int(one.detail[0, 0]) for one in store.glances("c", before="9")["side"]] == [7]


# The verdict.


def test_dirt_beside_the_goat_is_said_and_asks_for_no_other_press() -> None:
    side = Reading("side", 0.9, "left")
    measured = (Measurement("withers_height_cm", ("side",), 61.2, 1.0, 0.9),)
    dirt = Advice("lens_dirty", "side", "Wipe it.")
    beside = replace(REVISION, measurements=measured, readings=(side,), advice=(dirt,))
    before = replace(beside, readings=(replace(side, warnings=("lens_dirty",)),))
    other = replace(beside, advice=(dirt, Advice("head_down", "side", "Wait.")))
    assert [one.verdict for one in (beside, before, other)] == ["good", "look again", "look again"]


# Three services of one station.


def test_a_new_database_that_another_service_is_just_making_is_waited_for(tmp_path: Path) -> None:
    """SQLite itself refuses at once to switch to WAL while somebody writes."""
    first = sqlite3.connect(tmp_path / "station.db", isolation_level=None, check_same_thread=False)
    first.execute("BEGIN IMMEDIATE")
    done = Timer(0.3, lambda: first.execute("COMMIT"))
    done.start()
    with Store(tmp_path / "station.db") as store:
        assert store.captures() == []
    done.join()
    first.close()
