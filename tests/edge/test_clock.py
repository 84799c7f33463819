"""A clock that is wrong, jumps and is mended costs no press, no order and no delivery, and no time is made up."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlite_utils import Database

from edge.app import Station, open_station
from edge.clock import battery_clock, boot_id, read_clock, since_boot_s, steady_now
from edge.config import Config
from edge.document import capture_document
from edge.keeping.dating import SERVED, UNDATED_BEFORE, UNDATED_NOW, ClockWatch
from edge.keeping.outbox import Outbox
from edge.keeping.schema import migrations
from edge.keeping.statements import UNFINISHED
from edge.keeping.store import Store
from edge.records import LANGUAGES, Capture, Stamp, Status
from edge.table import captures_table
from edge.times import SENTENCES, UNITS, span_words
from edge.triggers import new_trigger
from tests.clocks import NOON, YEAR_1970, HandClock


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "station.db") as store:
        yield store


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


def pressed(store: Store, clock: HandClock) -> Capture:
    return store.press(new_trigger("dashboard", clock=clock), "barn1")


def closed(store: Store, clock: HandClock) -> Capture:
    """A press that was served, in so far as the clock matters."""
    capture = store.begin(pressed(store, clock)).failed("no camera gave a picture", at=clock().at)
    store.close_capture(capture)
    return store.capture(capture.id)


def mend(store: Store, clock: HandClock, language: str = "en") -> None:
    """What the station does between presses, for as long as there is something to do."""
    watch = ClockWatch(store, language, clock)
    for _ in range(20):
        watch.look()


def owed(store: Store, capture: Capture) -> list[dict]:
    return [json.loads(one.document) for one in Outbox(store).due(1000) if one.capture_id == capture.id]


# What this machine says.


def test_this_machine_says_its_time_and_how_far_it_can_be_trusted() -> None:
    before, now = since_boot_s(), read_clock()
    assert abs(now.at - datetime.now(UTC)) < timedelta(seconds=5)
    assert now.clock.source in ("ntp", "rtc", "unsynchronised")
    assert now.clock.boot_id == Path("/proc/sys/kernel/random/boot_id").read_text().strip() == boot_id()
    assert before <= now.clock.since_boot_s <= since_boot_s()
    uptime_s = float(Path("/proc/uptime").read_text().split()[0])
    assert now.clock.since_boot_s == pytest.approx(uptime_s, abs=5)
    offset = datetime.now().astimezone().utcoffset()
    assert offset is not None
    assert now.clock.utc_offset_min == offset.total_seconds() / 60


def test_a_machine_without_a_battery_clock_has_none() -> None:
    if not Path("/sys/class/rtc/rtc0").exists():
        assert battery_clock() is None


def test_a_steady_time_never_goes_back() -> None:
    moments = [steady_now() for _ in range(100)]
    assert moments == sorted(moments)


def test_presses_from_everywhere_carry_the_clock() -> None:
    for source in ("dashboard", "mqtt", "command"):
        assert new_trigger(source).clock is not None


# What is stored with a press.


def test_a_press_keeps_what_was_known_of_its_clock(store: Store, clock: HandClock) -> None:
    capture = closed(store, clock)
    assert capture.trigger.clock == clock().clock
    document = capture_document(capture)
    assert document["clock"] == {
        "source": "unsynchronised",
        "utc_offset_min": -360,
        "boot_id": "boot-1",
        "since_boot_s": 40.0,
        "sequence": 1,
    }
    assert (document["taken_at"], document["clock_correction"]) == (document["requested_at"], None)
    assert document["time_state"] == "waiting"


@pytest.mark.parametrize("source", ["ntp", "rtc"])
def test_a_clock_that_was_right_is_trusted_and_left_alone(store: Store, source: str) -> None:
    clock = HandClock(source=source)
    capture = closed(store, clock)
    clock.pass_by(3600)
    mend(store, clock)
    assert store.capture(capture.id) == capture
    assert capture.time_state == "trusted"
    assert len(owed(store, capture)) == 1


def test_presses_are_numbered_in_the_order_in_which_they_came_whatever_the_clock_says(
    store: Store, clock: HandClock
) -> None:
    numbers, ids = [], []
    for hours in (0, -1, 24, -24 * 365):
        clock.set_to(NOON + timedelta(hours=hours))
        one = pressed(store, clock)
        numbers.append(one.sequence)
        ids.append(one.id)
    assert numbers == [1, 2, 3, 4]
    assert ids == sorted(set(ids))


def test_a_number_is_never_given_twice(store: Store, clock: HandClock) -> None:
    pressed(store, clock)
    last = pressed(store, clock)
    store.db.execute("DELETE FROM captures WHERE id = ?", [last.id])
    assert pressed(store, clock).sequence == 3


def test_the_same_press_twice_takes_one_number(store: Store, clock: HandClock) -> None:
    trigger = new_trigger("mqtt", trigger_id="press-1", clock=clock)
    store.press(trigger, "barn1")
    store.press(trigger, "barn1")
    assert pressed(store, clock).sequence == 2


# Corrected later.


def test_a_capture_from_1970_gets_its_true_time_once_a_time_server_is_heard(store: Store) -> None:
    clock = HandClock(YEAR_1970)
    capture = closed(store, clock)
    assert capture.id.startswith("19700101T000040")
    clock.pass_by(300)
    clock.set_to(NOON, "ntp")
    mend(store, clock)
    corrected = store.capture(capture.id)
    assert corrected.taken_at == NOON - timedelta(seconds=300)
    assert corrected.trigger.requested_at == YEAR_1970
    assert corrected.time_state == "corrected"
    assert corrected.dating is not None
    assert (corrected.dating.source, corrected.dating.at) == ("ntp", NOON)
    assert corrected.dating.by_s == (NOON - timedelta(seconds=300) - YEAR_1970).total_seconds()


def test_the_cloud_is_owed_the_true_time_and_what_the_clock_said(store: Store) -> None:
    clock = HandClock(YEAR_1970)
    capture = closed(store, clock)
    clock.set_to(NOON, "ntp")
    mend(store, clock)
    first, second = owed(store, capture)
    assert first["time_state"] == "waiting"
    assert second["taken_at"] == "2026-11-21T12:00:00+00:00"
    assert second["requested_at"] == first["requested_at"] == "1970-01-01T00:00:40+00:00"
    assert second["clock"] == first["clock"]
    assert second["clock_correction"]["source"] == "ntp"
    assert second["clock_correction"]["by_s"] == (NOON - YEAR_1970).total_seconds()
    assert "+56 years" in second["clock_correction"]["text"]
    assert "(taken 2026-11-21 12:00 UTC)" in captures_table([store.capture(capture.id)], Path("images"))


@pytest.mark.parametrize(("language", "word"), [("en", "+1 hour:"), ("es", "+1 hora:")])
def test_the_correction_is_told_in_the_stations_language(store: Store, language: str, word: str) -> None:
    clock = HandClock(NOON)
    capture = closed(store, clock)
    clock.set_to(NOON + timedelta(hours=1), "ntp")
    mend(store, clock, language)
    dating = store.capture(capture.id).dating
    assert dating is not None
    assert word in dating.note


def test_a_clock_that_is_set_by_hand_corrects_and_a_time_server_has_the_last_word(store: Store) -> None:
    clock = HandClock(YEAR_1970)
    capture = closed(store, clock)
    clock.set_to(NOON)
    mend(store, clock)
    by_hand = store.capture(capture.id).dating
    assert by_hand is not None
    assert (by_hand.source, by_hand.taken_at) == ("set", NOON)
    clock.set_to(NOON + timedelta(minutes=7), "ntp")
    mend(store, clock)
    sure = store.capture(capture.id).dating
    assert sure is not None
    assert (sure.source, sure.taken_at) == ("ntp", NOON + timedelta(minutes=7))


def test_a_battery_clock_that_is_some_minutes_off_is_corrected_too(store: Store) -> None:
    clock = HandClock(NOON, "rtc")
    capture = closed(store, clock)
    clock.set_to(NOON - timedelta(minutes=3), "ntp")
    mend(store, clock)
    assert store.capture(capture.id).taken_at == NOON - timedelta(minutes=3)


def test_a_clock_that_jumps_back_an_hour_corrects_what_was_pressed_before_it_and_nothing_after(
    store: Store, clock: HandClock
) -> None:
    before = closed(store, clock)
    clock.set_to(NOON - timedelta(hours=1), "ntp")
    after = closed(store, clock)
    mend(store, clock)
    assert store.capture(before.id).taken_at == NOON - timedelta(hours=1)
    assert store.capture(after.id) == after
    assert [one.id for one in store.captures()] == [after.id, before.id]


def test_without_a_time_server_a_station_that_was_right_all_the_time_changes_nothing(
    store: Store, clock: HandClock
) -> None:
    capture = closed(store, clock)
    clock.pass_by(3600)
    mend(store, clock)
    assert store.capture(capture.id) == capture


def test_a_time_server_that_was_heard_once_dates_what_is_pressed_without_it_in_the_same_boot(
    store: Store,
) -> None:
    """Offline for weeks is normal; the kernel calls its clock unsynchronised after some hours of that."""
    clock = HandClock(source="ntp")
    mend(store, clock)
    clock.source = "unsynchronised"
    clock.pass_by(10 * 24 * 3600)
    offline = closed(store, clock)
    clock.set_to(clock.at + timedelta(hours=1))
    wrongly_set = closed(store, clock)
    mend(store, clock)
    for one in (offline, wrongly_set):
        assert store.capture(one.id).taken_at == NOON + timedelta(days=10)
    assert store.capture(offline.id).time_state == "corrected"
    confirmed = store.capture(offline.id).dating
    assert confirmed is not None
    assert "was right all the same" in confirmed.note


def test_a_boot_that_ended_before_the_time_was_known_stays_undated_and_says_so(store: Store) -> None:
    clock = HandClock(YEAR_1970)
    lost = closed(store, clock)
    clock.boot(YEAR_1970, "boot-2")
    kept = closed(store, clock)
    mend(store, clock)
    clock.set_to(NOON, "ntp")
    mend(store, clock)
    assert store.capture(kept.id).taken_at == NOON
    said = store.capture(lost.id)
    assert (said.time_state, said.taken_at) == ("never", YEAR_1970)
    assert said.dating is not None
    assert said.dating.note.startswith("The clock was not set")
    assert owed(store, lost)[-1]["time_state"] == "never"
    assert "(the clock was not set)" in captures_table([said], Path("images"))


def test_what_was_left_over_at_a_restart_is_dated_by_what_was_known_of_its_boot(store: Store) -> None:
    clock = HandClock(YEAR_1970)
    left = closed(store, clock)
    clock.set_to(NOON, "ntp")
    ClockWatch(store, "en", clock).remember_boot(clock())
    clock.boot(YEAR_1970, "boot-2")
    mend(store, clock)
    assert store.capture(left.id).taken_at == NOON


def test_a_capture_that_waits_or_is_worked_on_is_dated_when_it_is_closed(store: Store) -> None:
    clock = HandClock(YEAR_1970)
    waiting = pressed(store, clock)
    clock.set_to(NOON, "ntp")
    watch = ClockWatch(store, "en", clock)
    watch.look()
    assert store.capture(waiting.id).dating is None
    store.close_capture(store.begin(waiting).failed("no camera gave a picture"))
    watch.look()
    assert store.capture(waiting.id).taken_at == NOON


def test_captures_are_dated_one_at_a_time_that_a_press_need_not_wait_and_then_nothing_is_done(
    store: Store,
) -> None:
    clock = HandClock(YEAR_1970)
    ids = [closed(store, clock).id for _ in range(3)]
    clock.set_to(NOON, "ntp")
    watch = ClockWatch(store, "en", clock)
    done = []
    for _ in range(5):
        watch.look()
        done.append(sum(store.capture(one).dating is not None for one in ids))
    assert done == [1, 2, 3, 3, 3]
    assert len(Outbox(store).due(100)) == 2 * len(ids)


@pytest.mark.parametrize("sql", [UNFINISHED, SERVED, UNDATED_NOW, UNDATED_BEFORE])
def test_what_is_asked_all_the_time_never_looks_at_every_capture(store: Store, sql: str) -> None:
    about = {"boot_id": "b", "after": 0, "booted_at": NOON.isoformat(), "is_known": False, "jump_s": 1.0}
    about |= {"status": "queued", "limit": 1}
    plan = [row["detail"] for row in store.all(f"EXPLAIN QUERY PLAN {sql}", about)]
    assert not [step for step in plan if step == "SCAN captures" or "captures_in_order (" in step]
    assert any("captures_" in step for step in plan)


def test_measuring_again_keeps_the_true_time(store: Store) -> None:
    clock = HandClock(YEAR_1970)
    capture = closed(store, clock)
    clock.set_to(NOON, "ntp")
    mend(store, clock)
    store.close_capture(store.begin(store.ask_again(capture.id, "Heidi")).failed("none of its pictures"))
    assert store.capture(capture.id).taken_at == NOON
    assert owed(store, capture)[-1]["taken_at"] == NOON.isoformat()


# The station, whose clock jumps.


@pytest.fixture
def jumpy(config: Config, clock: HandClock) -> Iterator[Station]:
    with open_station(config, clock) as station:
        yield station


@pytest.mark.parametrize("jump", [timedelta(days=-365), timedelta(hours=-1), timedelta(days=20_000)])
def test_a_fresh_press_is_measured_though_the_clock_jumps_before_it_is_served(
    jumpy: Station, clock: HandClock, jump: timedelta
) -> None:
    capture = pressed(jumpy.store, clock)
    clock.pass_by(1)
    clock.set_to(clock.at + jump)
    assert jumpy.serve(capture).status is Status.COMPLETED


def test_an_old_press_is_missed_though_the_clock_was_set_back_meanwhile(
    jumpy: Station, clock: HandClock
) -> None:
    capture = pressed(jumpy.store, clock)
    clock.pass_by(60)
    clock.set_to(NOON)
    assert jumpy.serve(capture).status is Status.MISSED


def test_a_press_of_an_earlier_boot_is_missed_though_the_clock_says_the_same(
    jumpy: Station, clock: HandClock
) -> None:
    capture = pressed(jumpy.store, clock)
    clock.boot(NOON, "boot-2")
    assert jumpy.serve(capture).status is Status.MISSED


def test_dashboard_and_station_may_see_different_states_of_the_clock(
    jumpy: Station, clock: HandClock
) -> None:
    """The press comes from another process, a moment before the clock is set."""
    capture = pressed(jumpy.store, HandClock(YEAR_1970))
    clock.set_to(NOON, "ntp")
    done = jumpy.serve(capture)
    assert done.status is Status.COMPLETED
    for _ in range(4):
        jumpy.chores.due_at = dict.fromkeys(jumpy.chores.due_at, 0.0)
        jumpy.chores.do_next()
        jumpy.chores.do_next()
    assert jumpy.store.capture(done.id).taken_at == NOON


def test_presses_are_served_in_their_order_before_pictures_that_are_measured_again(
    store: Store, clock: HandClock
) -> None:
    old = [closed(store, clock).id for _ in range(3)]
    for one in old:
        store.ask_again(one, None)
    clock.set_to(NOON - timedelta(days=1))
    presses = [pressed(store, clock).id for _ in range(2)]
    served = []
    while (one := store.next_queued()) is not None:
        store.close_capture(store.begin(one).failed("no camera gave a picture"))
        served.append(one.id)
    assert served == presses + old


# The outbox.


def test_a_clock_that_jumps_back_holds_no_delivery(store: Store, clock: HandClock) -> None:
    closed(store, clock)
    outbox = Outbox(store)
    (entry,) = outbox.due()
    outbox.delayed(entry, "no route", 200)
    assert outbox.due() == []
    in_a_year = (datetime.now(UTC) + timedelta(days=365)).isoformat()
    store.db.execute("UPDATE outbox SET next_attempt_at = ?", [in_a_year])
    assert [one.id for one in outbox.due()] == [entry.id]


# Earlier rows.


def test_a_database_from_before_clocks_is_upgraded_and_makes_nothing_up(
    tmp_path: Path, clock: HandClock
) -> None:
    connection = sqlite3.connect(tmp_path / "old.db", isolation_level=None)
    migrations.apply(Database(connection), stop_before="clocks")
    ids = [f"2026112{day}T140506789Z_barn1" for day in (3, 1, 2)]
    for one in ids:
        connection.execute(
            "INSERT INTO captures (id, status, trigger_id, source, requested_at, failure, finished_at)"
            " VALUES (?, 'failed', ?, 'mqtt', '2026-11-21T14:05:06.789000+00:00', 'x', '2026-11-21T14:05:07+00:00')",
            [one, one],
        )
    connection.close()
    with Store(tmp_path / "old.db") as store:
        mend(store, clock)
        kept = [store.capture(one) for one in sorted(ids)]
        assert [one.sequence for one in kept] == [1, 2, 3]
        assert all(one.trigger.clock is None and one.dating is None for one in kept)
        assert {one.time_state for one in kept} == {"unknown"}
        assert capture_document(kept[0])["clock"]["source"] is None
        assert pressed(store, clock).sequence == 4


def test_a_press_whose_clock_nobody_wrote_down_is_judged_by_the_wall_clock() -> None:
    now: Stamp = HandClock()()
    trigger = replace(new_trigger("mqtt"), requested_at=NOON - timedelta(seconds=20), clock=None)
    assert trigger.age_s(now) == 20


# The words.


@pytest.mark.parametrize(
    ("seconds", "en", "es"),
    [
        (1.4, "+1 second", "+1 segundo"),
        (-3600, "-1 hour", "-1 hora"),
        (423, "+7 minutes 3 seconds", "+7 minutos 3 segundos"),
        (86_400 + 59, "+1 day", "+1 día"),
        (-90_000, "-1 day 1 hour", "-1 día 1 hora"),
        (56 * 31_557_600, "+56 years", "+56 años"),
    ],
)
def test_a_span_is_told_in_its_two_largest_units(seconds: float, en: str, es: str) -> None:
    assert (span_words(seconds, "en"), span_words(seconds, "es")) == (en, es)


def test_every_sentence_is_there_in_every_language() -> None:
    for sentences in SENTENCES.values():
        assert set(sentences) == set(LANGUAGES)
    assert set(UNITS) == set(LANGUAGES)
