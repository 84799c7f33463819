"""A tar that tells whether it is whole: plain files only, and last of all the list of their hashes.

That list, SHA256SUMS, is what `sha256sum -c` reads, so that the file can be opened and proved without this program.
It is compared line by line with what the file holds: no member, and no line of it, can change without being named.
"""

from __future__ import annotations

import hashlib
import io
import re
import tarfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

from edge.errors import BackupRefused

SUMS = "SHA256SUMS"
# No way out of a folder, nothing hidden, nothing that a shell or a terminal would take for more than a name.
NAME = re.compile(r"(?:[A-Za-z0-9][A-Za-z0-9._+-]*/){0,5}[A-Za-z0-9][A-Za-z0-9._+-]{0,99}")
LONGEST_NAME = 250
BLOCK = 512
END = bytes(2 * BLOCK)
CHUNK = 1 << 20
TAKE_ANOTHER = "take another backup, or copy this one again from where it came"


class HashedSource:
    """A file that is hashed as it is read."""

    def __init__(self, source: IO[bytes]) -> None:
        self.source = source
        self.hash = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        content = self.source.read(size)
        self.hash.update(content)
        return content

    def line(self, name: str) -> bytes:
        """What SHA256SUMS says of it, once it is read to its end."""
        while self.read(CHUNK):
            pass
        return f"{self.hash.hexdigest()}  {name}\n".encode()


class SealedWriter:
    """Puts members into a tar, one after the other; `seal` ends it."""

    def __init__(self, file: IO[bytes], sums: IO[bytes]) -> None:
        self.tar = tarfile.TarFile(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT)
        self.sums = sums

    def add(self, name: str, content: bytes) -> None:
        self.add_file(name, io.BytesIO(content), len(content))

    def add_file(self, name: str, file: IO[bytes], size_bytes: int) -> None:
        source = HashedSource(file)
        self.put(name, source, size_bytes)
        self.sums.write(source.line(name))

    def seal(self) -> None:
        size_bytes = self.sums.tell()
        self.sums.seek(0)
        self.put(SUMS, HashedSource(self.sums), size_bytes)
        self.tar.close()

    def put(self, name: str, source: HashedSource, size_bytes: int) -> None:
        if not is_fit(name):
            raise ValueError(f"{name}: no name for a member")
        member = tarfile.TarInfo(name)
        member.size = size_bytes
        member.mtime = int(time.time())
        self.tar.addfile(member, source)
        self.tar.members.clear()  # type: ignore[attr-defined]  # which only remembers what was written


@contextmanager
def sealing(file: IO[bytes], folder: Path) -> Iterator[SealedWriter]:
    """Write a sealed tar into an open file; `folder` has room for the list of hashes."""
    with TemporaryFile(dir=folder) as sums:
        writer = SealedWriter(file, sums)
        yield writer
        writer.seal()


def read_sealed(path: Path, tell: Callable[[int], None]) -> Iterator[tuple[str, HashedSource]]:
    """Name and content of each member, in order. Raises BackupRefused for what is damaged, cut off or no plain file.

    Only when it has come to its end is the file proved to be whole. `tell` is told how many bytes each member had.
    """
    with path.open("rb") as file, TemporaryFile() as sums:
        size_bytes = file.seek(0, io.SEEK_END)
        last = ""
        for member, content in plain_members(path, file, size_bytes):
            if last == SUMS:
                raise refused(path, f"{member.name} was added behind its end")
            source = HashedSource(content)
            last = member.name
            if last == SUMS:
                sums.seek(0)
                compare(path, sums, content)
            else:
                yield last, source
                sums.write(source.line(last))
                tell(member.size)
        if last != SUMS:
            raise refused(path, f"it is damaged or cut off after {last}")


def plain_members(
    path: Path, file: IO[bytes], size_bytes: int
) -> Iterator[tuple[tarfile.TarInfo, IO[bytes]]]:
    """The members of a tar of plain files. Each header is looked at before anything is done with it."""
    before = ""
    require_plain(path, file, 0, before)
    file.seek(0)
    try:
        with tarfile.open(fileobj=file, mode="r:") as tar:
            while (member := tar.next()) is not None:
                tar.members.clear()  # type: ignore[attr-defined]
                if not is_fit(member.name):
                    raise refused(path, f"{member.name[:100]!r} is no name for a file of a backup")
                if not 0 <= member.size <= size_bytes - member.offset_data:
                    raise refused(path, f"it is cut off in {member.name}")
                content = tar.extractfile(member)
                assert content is not None
                yield member, content
                before = member.name
                require_plain(path, file, member.offset_data + whole_blocks(member.size), before)
    except tarfile.TarError as error:
        raise refused(path, f"it is damaged after {before or 'its beginning'}: {error}") from error


def require_plain(path: Path, file: IO[bytes], offset: int, before: str) -> None:
    """Raise BackupRefused unless the header there is a plain file's, or the end of the tar."""
    file.seek(offset)
    header = file.read(BLOCK)
    if before and header + file.read(BLOCK) == END:
        return
    if len(header) < BLOCK or header[257:262] != b"ustar":
        raise refused(path, f"it is damaged or cut off after {before}" if before else "")
    if header[156:157] not in (b"0", b"\0"):
        name = header[:100].rstrip(b"\0").decode("ascii", "replace")
        raise refused(path, f"{name!r} in it is no plain file" if before else "")


def compare(path: Path, own: IO[bytes], listed: IO[bytes]) -> None:
    """Raise BackupRefused with the first member that is not what the list says."""
    while mine := own.readline(LONGEST_NAME + 100):
        if mine != listed.readline(LONGEST_NAME + 100):
            name = mine.decode().split("  ", 1)[1].strip()
            raise refused(path, f"{name} is not what was written")
    if left := listed.readline(LONGEST_NAME + 100):
        raise refused(path, f"{left.decode('ascii', 'replace').split('  ', 1)[-1].strip()} is missing in it")


def is_fit(name: str) -> bool:
    return len(name) <= LONGEST_NAME and NAME.fullmatch(name) is not None


def whole_blocks(size_bytes: int) -> int:
    return -(-size_bytes // BLOCK) * BLOCK


def refused(path: Path, why: str) -> BackupRefused:
    if not why:
        return BackupRefused(f"{path} is not a backup of Goatdev", "name a file that `goatdev backup` made")
    return BackupRefused(f"{path} cannot be trusted: {why}", TAKE_ANOTHER)
