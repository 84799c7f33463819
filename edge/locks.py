"""One owner for each resource: a lock file that the kernel lets go of when its process ends, however it ends."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edge.durable import make_folder
from edge.errors import StoreError


@contextmanager
def held(path: Path, busy_message: str, busy_hint: str) -> Iterator[None]:
    """Hold the lock, or raise StoreError at once if another process has it."""
    try:
        make_folder(path.parent)
        file = path.open("a")
    except OSError as error:
        raise StoreError(
            f"{path}: {error.strerror}", "check [station] data_dir and its permissions"
        ) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StoreError(busy_message, busy_hint) from None
        yield


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
