"""Whoever proves something must notice when it is not so: each promise that a station breaks is told in words."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from cloud_sync.daemon import sync_once
from edge.app import open_station
from edge.config import Config, load_config
from edge.keeping.store import Store
from edge.triggers import new_trigger
from scripts.proofs.station import prepare
from scripts.proofs.truth import falsehoods


@pytest.fixture(scope="module")
def delivered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A station's folder with one capture that the cloud has."""
    config = prepare(tmp_path_factory.mktemp("station"))
    with open_station(config) as station:
        station.serve(station.store.press(new_trigger("command", trigger_id="one"), "proof"))
    assert sync_once(config) == 0
    return config.folder


@pytest.fixture
def config(delivered: Path, tmp_path: Path) -> Config:
    shutil.copytree(delivered, tmp_path / "station")
    return load_config(tmp_path / "station" / "goatdev.toml")


def the_capture(config: Config) -> str:
    with Store(config.database_path) as store:
        return store.captures()[0].id


def one_of(folder: Path, pattern: str) -> Path:
    return sorted(folder.rglob(pattern))[0]


def change(config: Config, sql: str) -> None:
    with Store(config.database_path) as store:
        store.db.execute("PRAGMA foreign_keys = OFF")
        store.db.execute(sql)


def test_a_station_that_kept_its_promises_has_nothing_told_of_it(config: Config) -> None:
    assert falsehoods(config, {the_capture(config): 1}, delivered=True) == []


def test_a_press_that_was_acknowledged_and_is_gone_is_told(config: Config) -> None:
    told = falsehoods(config, {the_capture(config): 1, "20260101T000000000Z_proof": 1})
    assert told == ["20260101T000000000Z_proof: acknowledged, and no row is there"]


DAMAGE: dict[str, Callable[[Config], object]] = {
    "still processing": lambda one: change(one, "UPDATE captures SET status = 'processing'"),
    "_raw.": lambda one: one_of(one.image_folder, "*_raw.*.jpg").unlink(),
    "is not what was written": lambda one: one_of(one.image_folder, "*.jpg").write_bytes(b"torn"),
    "not what its name says": lambda one: one_of(one.image_folder, "*.jpg").write_bytes(b""),
    "half a file was left": lambda one: (one.image_folder / "side.jpg.part").write_bytes(b"half"),
    "completed without a picture": lambda one: change(one, "DELETE FROM images WHERE kind = 'raw'"),
    "and 1 are owed": lambda one: change(
        one, "INSERT INTO outbox SELECT 9, capture_id, 1, document, state, 0, '', NULL FROM outbox"
    ),
    "the cloud is told completed": lambda one: change(one, "UPDATE captures SET status = 'failed'"),
    "and 1 are kept": lambda one: change(one, "UPDATE captures SET revision = 2"),
    "belongs to none of": lambda one: change(one, "UPDATE receipts SET outbox_id = 77"),
    "and it is not there": lambda one: one_of(one.folder / "cloud", "*_top.jpg").unlink(),
    "is not what the receipt says": lambda one: one_of(one.folder / "cloud", "*_top.jpg").write_bytes(b""),
    "which is not there": lambda one: one_of(one.folder / "cloud", "*_side.jpg").unlink(),
    "cannot be read": lambda one: one_of(one.folder / "cloud", "result.json").write_bytes(b""),
    "1 documents are parked": lambda one: change(one, "UPDATE outbox SET state = 'parked'"),
    "1 documents are due": lambda one: change(one, "UPDATE outbox SET state = 'due'"),
}


@pytest.mark.parametrize("words", DAMAGE)
def test_what_is_not_as_promised_is_told(config: Config, words: str) -> None:
    capture_id = the_capture(config)
    DAMAGE[words](config)
    told = falsehoods(config, {capture_id: 1}, delivered=True)
    assert [one for one in told if words in one], told
