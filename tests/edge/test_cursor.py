"""Who listens to the outbox gets what comes from now on, in order, and goes on where it was."""

from __future__ import annotations

from pathlib import Path

from edge.keeping.cursor import Cursor
from edge.keeping.store import Store
from edge.triggers import new_trigger


def closed(store: Store) -> str:
    press = store.press(new_trigger("command"), "barn1")
    store.close_capture(press.missed("too late"))
    return press.id


def told(cursor: Cursor) -> list[str]:
    ids = []
    while (entry := cursor.next()) is not None:
        ids.append(entry.capture_id)
        cursor.advance(entry)
    return ids


def test_a_new_listener_begins_with_the_next_entry_and_goes_on_there_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "station.db"
    with Store(path) as store:
        closed(store)
        cursor = Cursor(store, "somebody")
        cursor.begin()
        assert (cursor.next(), cursor.behind()) == (None, 0)
        newer = [closed(store), closed(store)]
        assert cursor.behind() == 2
        assert told(cursor) == newer
    with Store(path) as store:
        cursor = Cursor(store, "somebody")
        later = closed(store)
        cursor.begin()
        assert told(cursor) == [later]
        newest = cursor.newest()
        assert newest is not None
        assert newest.capture_id == later


def test_what_is_said_later_of_an_old_capture_is_told_and_is_not_the_newest(tmp_path: Path) -> None:
    with Store(tmp_path / "station.db") as store:
        cursor = Cursor(store, "somebody")
        cursor.begin()
        old, new = closed(store), closed(store)
        store.label(old, lambda capture: capture.named("Heidi", "later"))
        newest = cursor.newest()
        assert newest is not None
        assert newest.capture_id == new
        assert told(cursor) == [old, new, old]


def test_two_listeners_do_not_take_from_each_other(tmp_path: Path) -> None:
    with Store(tmp_path / "station.db") as store:
        one, other = Cursor(store, "one"), Cursor(store, "other")
        one.begin()
        other.begin()
        entry = closed(store)
        assert told(one) == told(other) == [entry]
