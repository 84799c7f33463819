"""Files that survive a power cut: whole or absent, never torn."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO


def make_folder(folder: Path) -> None:
    """Create a folder, and those above it, so that it is still there after a power cut."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    sync_folder(folder.parent)


def write_durably(path: Path, content: bytes) -> None:
    """Write beside, fsync, rename, fsync the folder. A device or pipe is written into, never replaced."""
    with writing_durably(path) as file:
        file.write(content)


@contextmanager
def writing_durably(path: Path) -> Iterator[IO[bytes]]:
    """As `write_durably`, for what comes bit by bit; what breaks off leaves the file as it was."""
    if path.exists() and not path.is_file() and not path.is_dir():
        with path.open("wb") as file:
            yield file
        return
    part = path.with_name(path.name + ".part")
    try:
        with part.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.rename(path)
    except BaseException:
        # What did not fit is no use, and on a full disk its room is what the database needs to say so.
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
