"""The dashboard tells systemd that it is alive as long as it answers, and no longer."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest
from waitress import wasyncore
from waitress.server import create_server

from dashboard.__main__ import answer
from edge.config import Config
from tests.live import free_port, wait_until
from tests.supervised import FED, Heard, started_by_systemd

WATCHDOG_S = 1.0


@pytest.fixture
def supervised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with started_by_systemd(tmp_path, monkeypatch, WATCHDOG_S) as heard:
        yield heard


@contextmanager
def server(app: Callable[..., Iterable[bytes]], host: str = "127.0.0.1") -> Iterator[None]:
    """The dashboard's own loop around another application."""
    sockets: dict[int, Any] = {}
    served = create_server(app, map=sockets, host=host, port=0, threads=2)
    thread = Thread(target=answer, args=(served, sockets, "a test"))
    thread.start()
    try:
        yield
    finally:
        wasyncore.close_all(sockets)  # a loop without sockets ends
        thread.join(10)
        served.task_dispatcher.shutdown()
        assert not thread.is_alive()


class Application:
    """Says that not all is well; does not answer at all while it is held."""

    def __init__(self) -> None:
        self.go, self.asked = Event(), []
        self.go.set()

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        self.asked.append(environ["PATH_INFO"])
        self.go.wait(20)
        start("503 Service Unavailable", [("Content-Type", "text/plain")])
        return [b"the disk is full"]


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "::1", "::"])
def test_also_an_answer_that_something_is_not_well_comes_from_one_that_lives(
    host: str, supervised: Heard
) -> None:
    app = Application()
    with server(app, host):
        wait_until(lambda: supervised.said.count(FED) >= 3, 10)
    assert set(app.asked) == {"/health"}
    assert supervised.said[:2] == ["READY=1", "STATUS=a test"]


def test_nothing_is_said_while_its_threads_hang_and_again_when_they_go_on(supervised: Heard) -> None:
    """The server's loop turns all the while: that it does is not enough."""
    app = Application()
    with server(app):
        wait_until(lambda: supervised.said.count(FED) >= 2, 10)
        app.go.clear()
        time.sleep(0.5 * WATCHDOG_S)  # what was asked before may still be answered
        begin = time.monotonic()
        time.sleep(2 * WATCHDOG_S)
        assert supervised.fed_between(begin, begin + 2 * WATCHDOG_S) == 0
        app.go.set()
        wait_until(lambda: supervised.fed_between(begin, time.monotonic()), 10)


def test_the_service_itself_is_ready_alive_and_stopping(config: Config, supervised: Heard) -> None:
    path = config.folder / "goatdev.toml"
    port = free_port()
    path.write_text(f"{path.read_text()}\n[dashboard]\nport = {port}\n")
    with subprocess.Popen([sys.executable, "-m", "dashboard", "--config", str(path)]) as service:
        try:
            wait_until(lambda: supervised.said.count(FED) >= 3, 30)
            service.send_signal(signal.SIGTERM)
            assert service.wait(10) == 0
        finally:
            service.kill()
    assert supervised.said[:2] == ["READY=1", f"STATUS=http://127.0.0.1:{port}"]
    assert "STOPPING=1" in supervised.said
