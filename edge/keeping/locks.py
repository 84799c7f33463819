"""One owner for each resource: a lock file that the kernel lets go of when its process ends, however it ends."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import IO, Any

from edge.errors import StoreError
from edge.keeping.disk import cannot_write
from edge.keeping.durable import make_folder

ATTEMPTS = 10
BETWEEN_ATTEMPTS_S = 0.05


@contextmanager
def held(path: Path, busy_message: str, busy_hint: str) -> Iterator[None]:
    """Hold the lock, or raise StoreError if another process keeps it."""
    with lock_file(path) as file:
        if not is_taken(file):
            raise StoreError(busy_message, busy_hint)
        yield


@contextmanager
def held_in_turn(
    path: Path, stop: Event, tell: Callable[[], None], alive: Callable[[], None] = lambda: None
) -> Iterator[None]:
    """Hold the lock once its owner has let go; `tell` that there is one. A `stop` ends the waiting without it.

    alive  is called while it waits
    """
    with lock_file(path) as file:
        if not is_taken(file):
            tell()
            while not stop.is_set() and not is_taken(file):
                alive()
        yield


@contextmanager
def held_after_others(path: Path) -> Iterator[None]:
    """Hold the lock as soon as nobody else does; for what takes its holder a moment."""
    with lock_file(path) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def lock_file(path: Path) -> IO[str]:
    try:
        make_folder(path.parent)
        return path.open("a")
    except OSError as error:
        raise cannot_write(path, error, "check [station] data_dir and its permissions") from error


def is_taken(file: IO[Any]) -> bool:
    """Take the lock of an open file. One who only looks (`is_held`) has it for an instant: one refusal says little."""
    for _ in range(ATTEMPTS):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(BETWEEN_ATTEMPTS_S)
        else:
            return True
    return False


def is_held(path: Path) -> bool:
    """Whether some process holds the lock now."""
    if not path.exists():
        return False
    with path.open("r") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
