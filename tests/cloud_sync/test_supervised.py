"""systemd sees the sync move: while it waits, while another one delivers, and from object to object."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

import pytest

from cloud_sync.daemon import Link, deliver_due, run_sync
from cloud_sync.folder import FolderCloud
from edge.config import Config, load_config
from edge.keeping.archive import Archive
from edge.keeping.locks import held
from edge.keeping.outbox import Outbox
from edge.keeping.store import Store
from tests.cloud_sync.test_deliver import captured
from tests.live import wait_until
from tests.supervised import Heard, started_by_systemd

WATCHDOG_S = 2.0


@pytest.fixture
def supervised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with started_by_systemd(tmp_path, monkeypatch, WATCHDOG_S) as heard:
        yield heard


@contextmanager
def daemon(config: Config) -> Iterator[None]:
    stop = Event()
    thread = Thread(target=run_sync, args=(config, stop))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(10)
        assert not thread.is_alive()


def assert_it_moves(heard: Heard, seconds: float) -> None:
    begin = time.monotonic()
    time.sleep(seconds)
    assert heard.longest_silence_s(begin, begin + seconds) < WATCHDOG_S


def test_an_idle_sync_says_that_it_moves_however_seldom_it_looks(
    config_path: Path, supervised: Heard
) -> None:
    config_path.write_text(config_path.read_text().replace("poll_s = 0.1", "poll_s = 600"))
    config = load_config(config_path)
    with daemon(config):
        wait_until(lambda: supervised.has("READY=1"))
        assert_it_moves(supervised, 2.5)
    assert supervised.said[1] == f"STATUS=delivering to folder:{config.folder / 'cloud'}"
    assert "STOPPING=1" in supervised.said


def test_a_sync_that_waits_for_another_is_ready_and_moves(config: Config, supervised: Heard) -> None:
    with held(config.sync_lock, "", ""), daemon(config):
        wait_until(lambda: supervised.has("STATUS=waiting for another sync to end"))
        assert supervised.has("READY=1")
        assert_it_moves(supervised, 2.5)


def test_between_the_objects_of_a_capture_it_says_that_it_moves(config: Config) -> None:
    archive, put, said = Archive(config.image_folder), [], []

    class NotingCloud(FolderCloud):
        def put(self, bucket: str, key: str, content: bytes) -> str:
            put.append(key)
            return super().put(bucket, key, content)

    with Store(config.database_path) as store:
        captured(store, archive)
        cloud = NotingCloud(config.folder / "cloud")
        assert deliver_due(Outbox(store), archive, cloud, Link(), alive=lambda: said.append(len(put))) == 1
    assert said == [1, 2, 3]
