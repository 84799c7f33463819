"""A disk that keeps a diary of every write and every flush, so that it can be rebuilt as a power cut leaves it.

It is a file that a small FUSE program serves (`python -m scripts.proofs.disk IMAGE FOLDER DIARY`), with ext4 on it
through a loop device. What was written before the last flush is on the disk; of what came after it any part may be,
in any order, and a write may be torn between two sectors.
"""

from __future__ import annotations

import errno
import os
import random
import shutil
import stat
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DISK_MB, SECTOR = 512, 512
# Offset and length of a write, whose bytes follow.
ENTRY = struct.Struct("<QI")
PROGRAMS = ("fusermount3", "mkfs.ext4", "losetup", "mount")


@dataclass(frozen=True, slots=True)
class Entry:
    """One write to the disk: where its bytes stand in the diary, and where on the disk; a flush has no length."""

    at: int
    offset: int
    length: int

    @property
    def end(self) -> int:
        return self.at + self.length


@dataclass(frozen=True, slots=True)
class Diary:
    """All that reached the disk, in order."""

    path: Path
    entries: tuple[Entry, ...]

    def when(self, position: int) -> int:
        """How many entries there were when the diary was so long."""
        return sum(one.end <= position for one in self.entries)

    def position(self, count: int) -> int:
        """How long the diary was then."""
        return self.entries[count - 1].end if count else 0

    def before(self, count: int) -> tuple[list[Entry], list[Entry]]:
        """The writes among the first entries: those before the last flush, which are safe, and those after it."""
        flushes = (place for place in range(count, 0, -1) if not self.entries[place - 1].length)
        last = next(flushes, 0)
        safe = [one for one in self.entries[:last] if one.length]
        return safe, list(self.entries[last:count])


def lacks() -> str:
    """Why no such disk can be made on this machine; "" where it can."""
    if os.geteuid() != 0:
        return "needs root, to mount"
    absent = [
        one for one in PROGRAMS if not shutil.which(one, path=f"{os.environ.get('PATH', '')}:/sbin:/usr/sbin")
    ]
    if absent:
        return f"{', '.join(absent)} not installed: apt-get install fuse3 e2fsprogs mount"
    if not Path("/dev/fuse").exists() or not Path("/dev/loop-control").exists():
        return "there is no /dev/fuse or no loop device here"
    try:
        import mfusepy  # noqa: F401
    except (ImportError, OSError) as error:
        return f"mfusepy cannot be used ({error}): pip install mfusepy"
    return ""


@contextmanager
def recorded(folder: Path) -> Iterator[Path]:
    """An empty ext4 at folder/disk; what is written there is in folder/diary. folder/empty.img is how it began."""
    empty, image, served, at = (folder / one for one in ("empty.img", "image", "served", "disk"))
    served.mkdir()
    at.mkdir()
    with empty.open("wb") as file:
        file.truncate(DISK_MB << 20)
    run("mkfs.ext4", "-q", "-E", "lazy_itable_init=0,lazy_journal_init=0", str(empty))
    run("cp", "--sparse=always", str(empty), str(image))
    words = [sys.executable, "-m", "scripts.proofs.disk", str(image), str(served), str(folder / "diary")]
    told = folder / "fuse.log"
    with told.open("wb") as log:
        server = subprocess.Popen(words, cwd=Path(__file__).resolve().parents[2], stderr=log)
    try:
        while not (served / "disk").exists():
            if server.poll() is not None:
                raise SystemExit(f"the disk cannot be served: {told.read_text()}")
            time.sleep(0.02)
        with mounted(served / "disk", at):
            yield at
    finally:
        run("umount", str(served), check=False)
        server.wait(30)


@contextmanager
def mounted(image: Path, at: Path) -> Iterator[None]:
    """The file system of an image, its journal replayed as at any start."""
    run("mount", "-o", "loop", str(image), str(at))
    try:
        yield
    finally:
        run("umount", str(at))


def run(*words: str, check: bool = True) -> None:
    path = f"{os.environ.get('PATH', '')}:/sbin:/usr/sbin"
    done = subprocess.run(
        words, capture_output=True, text=True, check=False, env={**os.environ, "PATH": path}
    )
    if check and done.returncode:
        raise OSError(f"{' '.join(words)}: {done.stderr.strip()}")


def read_diary(path: Path) -> Diary:
    entries, at, end = list[Entry](), 0, path.stat().st_size
    with path.open("rb") as file:
        while at + ENTRY.size <= end:
            file.seek(at)
            offset, length = ENTRY.unpack(file.read(ENTRY.size))
            entries.append(Entry(at + ENTRY.size, offset, length))
            at = entries[-1].end
    return Diary(path, tuple(entries))


def rebuild(diary: Diary, empty: Path, image: Path, count: int, chance: random.Random) -> None:
    """The disk as it may be when the power goes after so many entries of its diary."""
    run("cp", "--sparse=always", str(empty), str(image))
    safe, loose = diary.before(count)
    share = chance.random()
    kept = [torn(one, chance) for one in loose if chance.random() < share]
    chance.shuffle(kept)
    with diary.path.open("rb") as source, image.open("r+b") as disk:
        copy(source.fileno(), disk.fileno(), [*safe, *kept])


def torn(write: Entry, chance: random.Random) -> Entry:
    """One in four ends before its time, between two sectors."""
    if chance.randrange(4):
        return write
    return Entry(write.at, write.offset, chance.randrange(write.length // SECTOR + 1) * SECTOR)


def copy(source: int, disk: int, writes: Sequence[Entry]) -> None:
    for one in writes:
        os.pwrite(disk, os.pread(source, one.length, one.at), one.offset)


def main() -> None:
    import mfusepy

    image, folder, diary = sys.argv[1:]
    mfusepy.FUSE(serving(mfusepy, image, diary), folder, foreground=True, nothreads=False)


def serving(fuse: Any, image: str, diary: str) -> Any:
    """The operations of a file system that has one file, `disk`."""
    disk = os.open(image, os.O_RDWR)
    book = os.open(diary, os.O_WRONLY | os.O_CREAT)
    one_at_a_time = threading.Lock()

    class Served(fuse.Operations):  # type: ignore[misc]
        use_ns = True

        def getattr(self, path: str, fh: int | None = None) -> dict[str, int]:
            if path == "/":
                return {"st_mode": stat.S_IFDIR | 0o755, "st_nlink": 2}
            if path == "/disk":
                return {"st_mode": stat.S_IFREG | 0o600, "st_nlink": 1, "st_size": os.fstat(disk).st_size}
            raise fuse.FuseOSError(errno.ENOENT)

        def readdir(self, path: str, fh: int) -> list[str]:
            return [".", "..", "disk"]

        def read(self, path: str, size: int, offset: int, fh: int) -> bytes:
            return os.pread(disk, size, offset)

        def write(self, path: str, data: bytes, offset: int, fh: int) -> int:
            with one_at_a_time:
                os.write(book, ENTRY.pack(offset, len(data)) + data)
                return os.pwrite(disk, data, offset)

        def fsync(self, path: str, datasync: int, fh: int) -> int:
            with one_at_a_time:
                os.write(book, ENTRY.pack(0, 0))
            return 0

        def truncate(self, path: str, length: int, fh: int | None = None) -> int:
            return 0

    return Served()


if __name__ == "__main__":
    main()
