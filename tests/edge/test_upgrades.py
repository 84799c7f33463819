"""A database outlives versions: every older one opens with all its rows, a newer one is refused and left alone."""

from __future__ import annotations

import hashlib
import json
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlite_utils import Database

from edge.config import Config
from edge.errors import NewerDatabase
from edge.keeping.outbox import Outbox
from edge.keeping.schema import STEPS, migrations
from edge.keeping.store import Store
from edge.records import Status
from tests.conftest import REPO
from tests.years import years

DONE, WAITING = "20261121T140506789Z_barn1", "20261121T150000000Z_barn1"
AT = "2026-11-21T14:05:06.789000+00:00"
DELIVERED = '{"capture_id": "20261121T140506789Z_barn1",  "kept": "byte by byte"}'
READINGS = json.dumps(
    [
        {
            "view": "side",
            "confidence": 0.9,
            "facing": "left",
            "warnings": [],
            "landmarks": {"withers": [1.5, 2.5]},
            "lines": [{"trait": "withers_height_cm", "start": [1.0, 2.0], "end": [3.0, 4.0]}],
        }
    ]
)

# What each version wrote into the tables that it brought or changed, in its own words.
ROWS = {
    "first_tables": f"""
        INSERT INTO captures (id, status, trigger_id, source, goat_id, requested_at, finished_at, spread_ms, revision)
        VALUES ('{DONE}', 'completed', 'press-1', 'dashboard', 'Heidi', '{AT}', '{AT}', 12.5, 1),
               ('{WAITING}', 'queued', 'press-2', 'mqtt', NULL, '2026-11-21T15:00:00+00:00', NULL, NULL, 0);
        INSERT INTO revisions (capture_id, revision, created_at, readings, advice, model, calibration, software)
        VALUES ('{DONE}', 1, '{AT}', '{READINGS}', '[]', '{{"name": "m"}}', '{{"sha256": "c"}}', 'goatdev old');
        INSERT INTO measurements (capture_id, revision, trait, value, u95, confidence, views, reason)
        VALUES ('{DONE}', 1, 'withers_height_cm', 61.234, 5.6, 0.9, '["side"]', NULL),
               ('{DONE}', 1, 'head_height_cm', NULL, NULL, 0, '["side"]', 'the head cannot be seen');
        INSERT INTO outbox (capture_id, sequence, document, state, attempts, next_attempt_at)
        VALUES ('{DONE}', 0, '{DELIVERED}', 'delivered', 2, '{AT}'),
               ('{DONE}', 1, '{{"images": []}}', 'due', 0, '{AT}');
        INSERT INTO receipts (outbox_id, destination, objects, received_at)
        VALUES (1, 'folder:/media/usb', '{{"a/result.json": "0"}}', '{AT}');
    """,
    "cursors": "INSERT INTO cursors (name, outbox_id) VALUES ('mqtt', 1);",
    "glances": f"INSERT INTO glances VALUES ('{DONE}', 'side', 'c', 2, x'01020304', 1);",
    "names_and_weights": f"""
        UPDATE captures SET goat_source = 'typed', weight_kg = 55.1, weight_source = 'typed', weight_raw = '55.1 kg'
        WHERE id = '{DONE}';
    """,
    "clocks": f"""
        UPDATE captures SET clock_source = 'rtc', utc_offset_min = -360, boot_id = 'b', since_boot_s = 60.5,
                            sequence = (SELECT COUNT(*) FROM captures AS earlier WHERE earlier.id <= captures.id);
        UPDATE captures SET taken_at = '{AT}', dated_from = 'set', dated_at = '{AT}', dating_note = 'n'
        WHERE id = '{DONE}';
        UPDATE counters SET last = 2;
        INSERT INTO boots VALUES ('b', '{AT}');
    """,
    "goats_corrections_audit": f"""
        UPDATE goats SET is_pinned = 1;
        INSERT INTO corrections (capture_id, revision, trait, measured, value, author, reason, corrected_at)
        VALUES ('{DONE}', 1, 'withers_height_cm', 61.234, 62.5, 'Ana', 'stick', '{AT}');
        INSERT INTO audit (at, author, act, capture_id, goat_id, before, after)
        VALUES ('{AT}', 'Ana', 'pin', NULL, 'Heidi', '{{"is_pinned": false}}', '{{"is_pinned": true}}');
    """,
    "pruning": f"""
        UPDATE images SET pruned_at = '{AT}';
        INSERT INTO unknown_captures (id) VALUES ('20261120T140506789Z_barn1');
    """,
}
IMAGES = {
    "first_tables": f"INSERT INTO images VALUES ('{DONE}', 'raw', 'side', 0, 'p', 's', 640, 480, 9);",
    "bursts": f"INSERT INTO images (capture_id, kind, view, shot, revision, path, sha256, width, height, size_bytes)"
    f" VALUES ('{DONE}', 'raw', 'side', 2, 0, 'p', 's', 640, 480, 9);",
}


def database_of(path: Path, step: str) -> None:
    """A database as the version left it whose newest step was this one, with rows in each of its tables."""
    known = STEPS[: STEPS.index(step) + 1]
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        migrations.apply(Database(connection), stop_before=STEPS[len(known) :])
        first, *later = known
        connection.executescript(ROWS[first] + IMAGES["bursts" if "bursts" in known else first])
        for name in later:
            connection.executescript(ROWS.get(name, ""))


def rows_of(path: Path) -> dict[str, list[dict[str, object]]]:
    """table -> all its rows."""
    with closing(sqlite3.connect(path)) as connection:
        connection.row_factory = sqlite3.Row
        tables = connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '%sqlite%'"
        )
        return {
            table: [dict(row) for row in connection.execute(f"SELECT * FROM {table} ORDER BY rowid")]
            for (table,) in tables.fetchall()
        }


def assert_kept(
    before: dict[str, list[dict[str, object]]], after: dict[str, list[dict[str, object]]]
) -> None:
    """Every row of before, value by value; newer versions may have added columns."""
    assert before
    for table, rows in before.items():
        assert rows, f"{table}: the test has no row in it"
        kept = [{name: row[name] for name in rows[0]} for row in after[table]]
        assert kept == rows, table


@pytest.mark.parametrize("step", STEPS)
def test_a_database_of_every_earlier_version_opens_with_every_row_it_had(tmp_path: Path, step: str) -> None:
    path = tmp_path / "station.db"
    database_of(path, step)
    before = rows_of(path)
    Store(path).close()
    assert_kept(before, rows_of(path))


@pytest.mark.parametrize("step", STEPS)
def test_captures_of_every_earlier_version_are_read_listed_served_and_delivered(
    tmp_path: Path, step: str
) -> None:
    database_of(tmp_path / "station.db", step)
    with Store(tmp_path / "station.db") as store:
        done = store.capture(DONE)
        assert (done.status, done.goat_id, done.trigger.id) == (Status.COMPLETED, "Heidi", "press-1")
        assert done.revision is not None
        assert [one.value for one in done.revision.measurements] == [61.234, None]
        assert done.revision.readings[0].landmarks == {"withers": (1.5, 2.5)}
        assert [image.sha256 for image in done.images] == ["s"]
        assert [one.id for one in store.captures()] == [WAITING, DONE]
        assert [(one["goat_id"], one["captures"]) for one in store.goats()] == [("Heidi", 1)]
        assert store.counts() == {"completed": 1, "queued": 1}
        waiting = store.next_queued()
        assert waiting is not None
        assert waiting.id == WAITING
        outbox = Outbox(store)
        assert outbox.backlog() == {"delivered": 1, "due": 1}
        assert [entry.sequence for entry in outbox.due()] == [1]
        assert store.one("SELECT document FROM outbox WHERE id = 1") == {"document": DELIVERED}
        store.label(DONE, lambda capture: capture.named("Rosa", "later"))
        assert [entry.sequence for entry in outbox.due()] == [1, 2]


def test_what_the_first_version_really_left_is_still_there(tmp_path: Path) -> None:
    path = tmp_path / "station.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript((REPO / "tests" / "edge" / "first_station.sql").read_text())
    before = rows_of(path)
    with Store(path) as store:
        pressed, measured = store.captures()
        assert (pressed.status, pressed.goat_id) == (Status.QUEUED, "Heidi")
        assert measured.revision is not None
        assert len(measured.revision.measurements) == 9
        assert len(measured.images) == 6
        assert Outbox(store).state_of(measured.id) == "delivered"
    assert_kept(before, rows_of(path))


def test_the_rows_above_are_of_steps_that_there_are() -> None:
    """A step that brings a table brings rows for it here: a table without any fails above."""
    assert set(ROWS) | set(IMAGES) <= set(STEPS)


# Killed in the middle.

KILLED = """
import os, signal, sqlite3, sys
from pathlib import Path
from edge.keeping.opening import prepared

connection = sqlite3.connect(sys.argv[1], isolation_level=None)
left = int(sys.argv[2])

def tick():
    global left
    left -= 1
    if left < 0:
        os.kill(os.getpid(), signal.SIGKILL)

connection.set_progress_handler(tick, 1000)
prepared(connection, Path(sys.argv[1]))
print("done")
"""


def test_an_upgrade_that_is_killed_leaves_the_old_version_whole(tmp_path: Path) -> None:
    path = tmp_path / "station.db"
    database_of(path, "first_tables")
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN")
        connection.executemany(
            "INSERT INTO captures (id, status, trigger_id, source, goat_id, requested_at)"
            " VALUES (?, 'missed', ?, 'mqtt', 'G', ?)",
            [(f"2025{number:06}", f"old-{number}", AT) for number in range(3000)],
        )
        connection.execute("COMMIT")
    before, killed = rows_of(path), 0
    for thousands in (0, 20, 60, 100, 140, 180, 220, 260, 300):
        ended = subprocess.run(
            [sys.executable, "-c", KILLED, str(path), str(thousands)],
            cwd=REPO,
            capture_output=True,
            check=False,
        )
        if ended.returncode != -signal.SIGKILL:
            assert ended.stdout == b"done\n", ended.stderr
            break
        killed += 1
        assert rows_of(path) == before
    assert killed >= 4
    Store(path).close()
    assert_kept(before, rows_of(path))


# Newer than this software.


@pytest.fixture(params=["closed", "killed"])
def newer(request: pytest.FixtureRequest, config: Config) -> Iterator[Path]:
    """A database of a version to come, closed by it in peace or with its last writes still in the log."""
    path = config.database_path
    Store(path).close()
    script = """
import os, sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES ('goatdev', 'wool', 'x')")
connection.execute("CREATE TABLE wool (goat_id TEXT)")
if sys.argv[2] == "killed":
    os._exit(0)
connection.close()
"""
    subprocess.run([sys.executable, "-c", script, str(path), request.param], check=True)
    assert (path.with_name("station.db-wal").exists()) == (request.param == "killed")
    yield path


def content_of(path: Path) -> dict[str, str]:
    """Name -> hash of the database and its log; the -shm beside them is memory that processes share."""
    files = [one for one in path.parent.glob("station.db*") if not one.name.endswith("-shm")]
    return {one.name: hashlib.sha256(one.read_bytes()).hexdigest() for one in files}


def test_a_newer_database_is_refused_and_left_byte_by_byte_as_it_was(newer: Path) -> None:
    before = content_of(newer)
    with pytest.raises(NewerDatabase, match="written by a newer Goatdev") as caught:
        Store(newer)
    assert str(newer) in caught.value.message
    assert "wool" in caught.value.message
    assert "install that version" in caught.value.hint
    assert content_of(newer) == before


@pytest.mark.parametrize("service", ["run", "dashboard", "sync", "captures"])
def test_no_service_starts_on_a_newer_database_and_systemd_is_told_not_to_try_again(
    newer: Path, config_path: Path, service: str
) -> None:
    before = content_of(newer)
    command = [sys.executable, "-m", "edge.cli", service, "--config", str(config_path)]
    ended = subprocess.run(command, cwd=REPO, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 78
    assert "written by a newer Goatdev" in ended.stderr
    assert "install that version" in ended.stderr
    assert content_of(newer) == before


# The tallies.


def test_tallies_say_what_counting_says_whatever_happened(tmp_path: Path) -> None:
    with Store(tmp_path / "station.db") as store:
        years(store.db.conn, captures=200, goats=7)
        newest = store.captures(3)
        store.label(newest[0].id, lambda one: one.named("G1", "later"))
        store.label(newest[1].id, lambda one: one.unnamed("two tags"))
        store.ask_again(newest[2].id, "New one")
        outbox = Outbox(store)
        outbox.parked(outbox.due()[0], "no")
        store.db.execute("PRAGMA foreign_keys = OFF")
        store.db.execute("DELETE FROM captures WHERE id = ?", [newest[0].id])
        store.db.execute("DELETE FROM outbox WHERE id = 1")
        for table, column, told in (
            ("captures", "status", store.counts()),
            ("outbox", "state", outbox.backlog()),
        ):
            counted = store.all(
                f"SELECT {column} AS state, COUNT(*) AS number FROM {table} GROUP BY {column}"
            )
            assert told == {row["state"]: row["number"] for row in counted}
        counted = store.all(
            "SELECT goat_id, COUNT(*) AS number FROM captures WHERE goat_id IS NOT NULL GROUP BY goat_id"
        )
        assert {one["goat_id"]: one["captures"] for one in store.goats()} == {
            row["goat_id"]: row["number"] for row in counted
        }
