"""What tests of running things need: to wait for what is to come, a free port, a station in a thread."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from edge.app import run_station
from edge.config import Config


def wait_until(true: Callable[[], Any], seconds: float = 60.0, pause_s: float = 0.02, what: str = "") -> Any:
    """The first true answer of a function; AssertionError when there is none in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            answer = true()
        except OSError:
            answer = None
        if answer:
            return answer
        time.sleep(pause_s)
    raise AssertionError(f"not within {seconds:g} s: {what or true}")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running_station(config: Config) -> Iterator[None]:
    """The station's own loop in a thread."""
    stop = threading.Event()
    thread = threading.Thread(target=run_station, args=(config, stop))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(30)
        assert not thread.is_alive()
