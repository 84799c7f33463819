"""systemd's end of the line: a datagram socket, and what a service said there and when."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import pytest

FED = "WATCHDOG=1"


@dataclass
class Heard:
    """(seconds on the monotonic clock, line)"""

    lines: list[tuple[float, str]] = field(default_factory=list)

    @property
    def said(self) -> list[str]:
        return [line for _, line in self.lines]

    def has(self, line: str) -> bool:
        return line in self.said

    def fed_between(self, begin: float, end: float) -> int:
        return sum(line == FED and begin <= at <= end for at, line in self.lines)

    def longest_silence_s(self, begin: float, end: float) -> float:
        """How long at most, in this time, nobody said that anything moves."""
        fed = [at for at, line in self.lines if line == FED and begin < at < end]
        return max(later - earlier for earlier, later in pairwise([begin, *fed, end]))


@contextmanager
def supervising(path: Path) -> Iterator[Heard]:
    """Listen on a real socket, which NOTIFY_SOCKET may name."""
    heard, over = Heard(), threading.Event()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
        line.bind(str(path))
        line.settimeout(0.05)

        def listen() -> None:
            while not over.is_set():
                try:
                    datagram = line.recv(4096)
                except TimeoutError:
                    continue
                now = time.monotonic()
                heard.lines += [(now, one) for one in datagram.decode().split("\n")]

        thread = threading.Thread(target=listen)
        thread.start()
        try:
            yield heard
        finally:
            over.set()
            thread.join()


@contextmanager
def started_by_systemd(folder: Path, monkeypatch: pytest.MonkeyPatch, watchdog_s: float) -> Iterator[Heard]:
    """This process as systemd would start it, and what it says."""
    monkeypatch.setenv("NOTIFY_SOCKET", str(folder / "notify"))
    monkeypatch.setenv("WATCHDOG_USEC", str(int(watchdog_s * 1e6)))
    monkeypatch.delenv("WATCHDOG_PID", raising=False)
    with supervising(folder / "notify") as heard:
        yield heard
