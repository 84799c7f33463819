"""After years of captures pages and presses take as long as on the first day: nothing walks through all there is."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from flask import Flask

from dashboard import create_app
from dashboard.context import store as store_of_request
from edge.config import Config
from edge.corrections import correction_said
from edge.keeping.cursor import Cursor
from edge.keeping.dating import ClockWatch
from edge.keeping.outbox import Outbox, Receipt
from edge.keeping.store import Store
from edge.triggers import new_trigger
from tests.years import fill

FEW, MANY = 400, 4000
# Tables that grow with every capture.
GROWING = r"captures|images|revisions|measurements|outbox|receipts|corrections|audit"
# Of these only what waits is looked at, and the index holds no more than that.
WAITING = "captures_waiting|captures_undated|outbox_in_order|outbox_due|outbox_parked"
PAGES = (
    "/",
    "/history",
    "/history?before=20201001T000000000Z_barn1",
    "/history/fragment",
    "/station",
    "/goats",
    "/goats/G3",
    "/goats/G3?before=20201001T000000000Z_barn1",
    "/captures/{id}",
    "/captures/{id}/fragment",
    "/api/v1/results/{id}",
    "/api/v1/captures",
    "/api/v1/goats",
    "/api/v1/goats/G3",
    "/api/v1/goats/G3/measurements",
    "/api/v1/health",
    "/health",
    "/metrics",
)


@pytest.fixture
def few(config: Config) -> Path:
    fill(config.database_path, FEW, goats=10)
    return config.database_path


def watched(app: Flask, note: Callable[[sqlite3.Connection], None]) -> Flask:
    """The same application, with the connection of each request handed to `note` before anything is read."""
    app.before_request(lambda: note(store_of_request().db.conn))
    return app


def acts(store: Store) -> Iterator[Callable[[], object]]:
    """What station and sync do all day."""
    done = store.captures(2)[1]
    outbox, cursor = Outbox(store), Cursor(store, "mqtt")
    entry = outbox.due()[0]
    yield lambda: store.press(new_trigger("command", "G3"), "barn1")
    yield store.next_queued
    yield store.interrupted
    yield lambda: store.pressed("press-7")
    yield lambda: store.glances("c", before=done.id)
    yield lambda: store.label(done.id, lambda one: one.named("G4", "later"))
    yield lambda: store.correct(done.id, correction_said("rump_height_cm", 61.0, "Ana", "stick"))
    yield lambda: store.pin("G3", "Ana")
    yield lambda: store.ask_again(done.id, None)
    yield lambda: store.close_capture(replace(store.begin(done), failure="no picture can be read"))
    yield store.waiting
    yield store.owed
    yield outbox.due
    yield lambda: outbox.delivered(entry, Receipt("folder:x", ()))
    yield cursor.begin
    yield cursor.next
    yield cursor.newest
    yield cursor.behind
    yield ClockWatch(store, "en").look


def scans(connection: sqlite3.Connection, statement: str) -> list[str]:
    """What SQLite would walk through from end to end to answer a statement."""
    plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}")]
    return [
        one
        for one in plan
        if re.match(rf"SCAN ({GROWING})\b", one) and not re.search(rf"INDEX ({WAITING})", one)
    ]


def queries(statements: list[str]) -> list[str]:
    """Each once, without what a trigger did, which comes as a comment."""
    wanted = ("SELECT", "INSERT", "UPDATE", "DELETE")
    return [one for one in dict.fromkeys(statements) if one.lstrip().startswith(wanted)]


@pytest.mark.parametrize("page", PAGES)
def test_no_page_reads_a_table_from_end_to_end(config: Config, few: Path, page: str) -> None:
    statements: list[str] = []
    app = watched(create_app(config), lambda connection: connection.set_trace_callback(statements.append))
    with Store(few) as store:
        address = page.format(id=store.captures(2)[1].id)
    assert app.test_client().get(address).status_code in (200, 503)
    with closing(sqlite3.connect(few)) as connection:
        asked = queries(statements)
        assert asked
        assert {one: scans(connection, one) for one in asked if scans(connection, one)} == {}


def test_nothing_that_the_station_does_all_day_reads_a_table_from_end_to_end(few: Path) -> None:
    with Store(few) as store, closing(sqlite3.connect(few)) as connection:
        for act in acts(store):
            statements: list[str] = []
            store.db.conn.set_trace_callback(statements.append)
            act()
            store.db.conn.set_trace_callback(None)
            asked = queries(statements)
            assert asked
            assert {one: scans(connection, one) for one in asked if scans(connection, one)} == {}


def test_a_table_that_is_read_from_end_to_end_would_be_noticed(few: Path) -> None:
    with closing(sqlite3.connect(few)) as connection:
        assert scans(connection, "SELECT id FROM captures WHERE status = 'queued' ORDER BY id LIMIT 1")
        assert scans(connection, "SELECT state, COUNT(*) FROM outbox GROUP BY state")
        assert not scans(connection, "SELECT id FROM captures WHERE id < 'x' ORDER BY id DESC LIMIT 1")


class Steps:
    """Counts what SQLite's machine does, in hundreds of instructions: the same on every computer."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.number = 0
        connection.set_progress_handler(self.count, 100)

    def count(self) -> None:
        self.number += 1


def work(config: Config, captures: int) -> dict[str, int]:
    """Page -> hundreds of instructions, with so many captures of the same goats."""
    config.database_path.parent.mkdir(parents=True, exist_ok=True)
    fill(config.database_path, captures, goats=10)
    counted: list[Steps] = []
    client = watched(create_app(config), lambda connection: counted.append(Steps(connection))).test_client()
    with Store(config.database_path) as store:
        capture_id = store.captures(2)[1].id
    for page in PAGES:
        client.get(page.format(id=capture_id))
    return dict(zip(PAGES, (one.number for one in counted), strict=True))


def test_ten_times_as_many_captures_are_no_more_work_for_any_page(config: Config, tmp_path: Path) -> None:
    few = work(config, FEW)
    many = work(replace(config, folder=tmp_path / "many"), MANY)
    assert {page: (few[page], many[page]) for page in PAGES if many[page] > few[page] * 1.5 + 10} == {}
