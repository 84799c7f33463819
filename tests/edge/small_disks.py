"""A real file system of a few megabytes, for what happens when it is full or read-only."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

MIB = 2**20


class SmallDisk:
    """One mounted disk, and somebody else who fills it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ballast = folder / "somebody_elses"

    @property
    def free_bytes(self) -> int:
        found = os.statvfs(self.folder)
        return found.f_bavail * found.f_frsize

    def fill_to(self, share: float) -> None:
        """Let somebody else's file take so much that the disk is that full."""
        found = os.statvfs(self.folder)
        self.leave(int(found.f_blocks * found.f_frsize * (1 - share)))

    def leave(self, free_bytes: int) -> None:
        had = self.ballast.stat().st_size if self.ballast.exists() else 0
        size = had + self.free_bytes - free_bytes
        with self.ballast.open("ab") as file:
            if size > had:
                os.posix_fallocate(file.fileno(), 0, size)
            else:
                file.truncate(max(0, size))

    def empty(self) -> None:
        self.ballast.unlink(missing_ok=True)

    def remount(self, options: str) -> None:
        subprocess.run(["mount", "-o", f"remount,{options}", str(self.folder)], check=True)


@contextmanager
def mounted(folder: Path, options: str) -> Iterator[SmallDisk]:
    folder.mkdir(parents=True)
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip(f"only root can mount a small disk: {done.stderr.decode().strip()}")
    try:
        yield SmallDisk(folder)
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)
