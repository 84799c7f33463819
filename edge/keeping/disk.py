"""How full the disk of the station is, and what follows from it: warned of, pruned, and no press taken any more."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from edge.errors import DiskFull, DiskTrouble, StationError, StoreError
from edge.settings import DiskConfig

# Pruning goes on to so far below where it begins: a disk at the very edge would else be pruned at each press.
PRUNED_BELOW = 0.02
# Enough for the note, the rows and the log of what is pruned or closed.
RESERVE_BYTES = 2**20

FULL_HINT = (
    "let `goatdev sync` deliver: what the cloud has is then pruned by itself; or free space; "
    "`goatdev prune --dry-run` tells what could go"
)
READ_ONLY_HINT = "a card that fails makes itself read-only: see `dmesg`, restart the Pi, and replace the card"
DAMAGED_HINT = "the disk gave an error: see `dmesg`, and replace the card"


@dataclass(frozen=True, slots=True)
class Disk:
    """The disk below a folder.

    bytes_used, files_used  0..1, as far as an ordinary user may fill it
    """

    bytes_used: float
    files_used: float
    is_read_only: bool

    @property
    def used(self) -> float:
        """How full it is: whatever runs out first."""
        return max(self.bytes_used, self.files_used)

    @property
    def words(self) -> str:
        if self.is_read_only:
            return "read-only"
        what = "" if self.bytes_used >= self.files_used else " of its files (inodes)"
        return f"{self.used:.0%}{what} used"


def disk_below(folder: Path) -> Disk:
    """The disk on which a folder lies, or will lie. Raises DiskTrouble where it cannot be told."""
    while not folder.exists():
        folder = folder.parent
    try:
        found = os.statvfs(folder)
    except OSError as error:
        raise DiskTrouble(f"{folder}: {error.strerror}", DAMAGED_HINT) from error
    return Disk(
        share_used(found.f_blocks, found.f_bfree, found.f_bavail),
        share_used(found.f_files, found.f_ffree, found.f_favail),
        bool(found.f_flag & os.ST_RDONLY),
    )


def share_used(total: int, free: int, free_for_users: int) -> float:
    """What is kept back for root counts as used. A file system that does not count its files has none."""
    used = total - free
    return used / (used + free_for_users) if used + free_for_users else 0.0


def require_room(disk: Disk, limits: DiskConfig) -> None:
    """Raise DiskFull or DiskTrouble where no press may be taken."""
    if disk.is_read_only:
        raise DiskTrouble("the disk is read-only: nothing can be kept", READ_ONLY_HINT)
    if disk.used >= limits.refuse:
        raise DiskFull(f"the disk is full ({disk.words}): no press is taken", FULL_HINT)


class Reserve:
    """A file that only takes room: given up on a full disk, it lets be written what must be."""

    def __init__(self, path: Path, limits: DiskConfig) -> None:
        self.path = path
        self.limits = limits

    def keep(self) -> None:
        """Have it, where there is room for it."""
        with suppress(OSError):
            if not self.path.exists() and disk_below(self.path.parent).used < self.limits.warn:
                with self.path.open("wb") as file:
                    os.posix_fallocate(file.fileno(), 0, RESERVE_BYTES)

    def give_up(self) -> bool:
        """Whether it was there, and is room now."""
        try:
            self.path.unlink()
        except OSError:
            return False
        return True


def cannot_write(path: Path, error: OSError, hint: str = "check its permissions") -> StationError:
    """Why a file could not be written, in the operator's words; `hint` is for what is no trouble of the disk."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFull(f"{path}: cannot be written: the disk is full", FULL_HINT)
    if error.errno == errno.EROFS:
        return DiskTrouble(f"{path}: cannot be written: the disk is read-only", READ_ONLY_HINT)
    if error.errno == errno.EIO:
        return DiskTrouble(f"{path}: cannot be written: {error.strerror}", DAMAGED_HINT)
    return StoreError(f"{path}: cannot be written: {error.strerror}", hint)
