"""A station in one file: its database as it is at one moment, the pictures that it names, and its settings.

Nobody is stopped for it. SQLite copies the database while others write to it; what the copy names is on disk, for a
picture is there before its row is, and never changes.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

from edge.config import Config
from edge.document import software
from edge.errors import BackupRefused
from edge.keeping.archive import is_whole
from edge.keeping.durable import sync_folder
from edge.keeping.locks import is_taken
from edge.keeping.sealed import NAME, HashedSource, SealedWriter, read_sealed, refused, sealing
from edge.keeping.snapshot import (
    copy_database,
    damage_of,
    migrations_of,
    pictures_named,
    rows_by_table,
    unknown_migrations,
)
from edge.records import utc_now
from edge.shelf import Shelf

FORMAT = 1
MANIFEST, DATABASE, GAPS = "manifest.json", "station.db", "gaps.txt"
CONFIGURATION, CALIBRATION = "settings/goatdev.toml", "settings/calibration.json"
IMAGES = "images"
MISSING, DAMAGED = "missing", "damaged"
LARGEST_MANIFEST = 1 << 20
FIRST_GAPS = 10
# What a file costs in the tar besides itself: its header, the end of its last block, its hash.
BESIDES_BYTES = 1500
# What it takes to name a picture that is missing.
GAP_BYTES = 200

Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup is of.

    rows       table -> how many
    schema     the steps that brought the database to its shape
    originals  whether the pictures as taken are in it, or only those that show what was measured
    pictures   how many were on the station's disk when it began
    """

    station_id: str
    made_at: str
    software: str
    originals: bool
    pictures: int
    pictures_bytes: int
    rows: dict[str, int]
    schema: tuple[str, ...]
    format: int = FORMAT

    def as_bytes(self) -> bytes:
        return (json.dumps({"goatdev_backup": asdict(self)}, indent=1) + "\n").encode()


@dataclass(frozen=True, slots=True)
class Gap:
    """A picture that the database names and the disk does not have, or not as it was written."""

    path: str
    why: str


@dataclass(frozen=True, slots=True)
class Backup:
    """A backup that was read back and found whole.

    gaps        why -> how many pictures are not as the database says; gaps.txt in the file names all
    first_gaps  some of them
    """

    path: Path
    size_bytes: int
    manifest: Manifest
    gaps: dict[str, int]
    first_gaps: tuple[Gap, ...]


class Gaps:
    """Written down as they are found: a station that has pruned for years has a million."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file = file
        self.counts: dict[str, int] = {}
        self.first: list[Gap] = []

    def add(self, gap: Gap) -> None:
        self.file.write(f"{gap.why}\t{gap.path}\n".encode())
        self.counts[gap.why] = self.counts.get(gap.why, 0) + 1
        if len(self.first) < FIRST_GAPS:
            self.first.append(gap)


def make_backup(
    config: Config, settings: Path, out: Path, originals: bool, progress: Callable[[int], Progress]
) -> Backup:
    """Write a station into one new file, and read that back. Nothing that is there already is replaced.

    settings  the configuration file
    out       the new file, or a folder for it
    progress  is told how many bytes there are, and gives back what is told how many have come
    """
    target = target_of(out, config.station.id)
    try:
        with part_of(target) as (part, file), scratch_of(part) as scratch:
            require_room(target.parent, 2 * size_of_database(config.database_path))
            copy_database(config.database_path, scratch / DATABASE)
            manifest = manifest_of(config, scratch / DATABASE, originals)
            kept = dict(settings_of(config, settings))
            require_room(target.parent, room_for(manifest, scratch, kept))
            tell = progress(2 * (scratch_bytes(scratch) + manifest.pictures_bytes))
            gaps = write(file, manifest, scratch, kept, config.image_folder, tell)
            flush_to_disk(file)
            (scratch / DATABASE).unlink()
            prove(part, scratch, tell)
            require_new(target)
            part.rename(target)
        sync_folder(target.parent)
        return Backup(target, target.stat().st_size, manifest, gaps.counts, tuple(gaps.first))
    except OSError as error:
        raise disk_refusal(target, error) from error


# Where to.


def target_of(out: Path, station_id: str) -> Path:
    target = out / f"goatdev-{station_id}-{utc_now():%Y%m%dT%H%M%SZ}.tar" if out.is_dir() else out
    require_new(target)
    if not target.parent.is_dir():
        raise BackupRefused(
            f"{target.parent} is no folder", "is the disk mounted? name a folder that is there"
        )
    return target


def require_new(target: Path) -> None:
    if target.exists() or target.is_symlink():
        raise BackupRefused(
            f"{target} is there already", "it was left as it is: name a new file, or a folder"
        )


@contextmanager
def part_of(target: Path) -> Iterator[tuple[Path, IO[bytes]]]:
    """The file beside, while it is written; gone afterwards unless it got its name. A dead backup's is taken over."""
    part = target.with_name(f"{target.name}.part")
    with part.open("a+b") as file:
        if not is_taken(file):
            raise BackupRefused(f"another backup is writing {part}", "wait until it has ended")
        try:
            file.truncate(0)
            yield part, file
        finally:
            part.unlink(missing_ok=True)


@contextmanager
def scratch_of(part: Path) -> Iterator[Path]:
    """A folder beside, for the copy of the database, while the file is written."""
    scratch = part.with_name(f"{part.name}.scratch")
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    try:
        yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def require_room(folder: Path, needed_bytes: int) -> None:
    free = shutil.disk_usage(folder).free
    if needed_bytes > free:
        raise BackupRefused(
            f"{folder} has not enough room: {size_words(needed_bytes)} needed, {size_words(free)} free",
            "make room or name another disk; --without-originals needs much less",
        )


def room_for(manifest: Manifest, scratch: Path, settings: Mapping[str, Path]) -> int:
    gaps = manifest.rows.get("images", 0) * GAP_BYTES
    besides = (manifest.pictures + len(settings) + 10) * BESIDES_BYTES + gaps
    kept = sum(path.stat().st_size for path in settings.values())
    return scratch_bytes(scratch) + manifest.pictures_bytes + kept + besides


def size_of_database(database: Path) -> int:
    files = (database, database.with_name(f"{database.name}-wal"))
    return sum(file.stat().st_size for file in files if file.exists())


def scratch_bytes(scratch: Path) -> int:
    return (scratch / DATABASE).stat().st_size


def disk_refusal(path: Path, error: OSError) -> BackupRefused:
    if error.errno == errno.EFBIG:
        hint = (
            "its file system (FAT32?) holds no file so large: format it as exFAT, or use --without-originals"
        )
    elif error.errno == errno.ENOSPC:
        hint = "the disk is full: make room or name another; --without-originals needs much less"
    else:
        hint = "check the disk and its permissions"
    return BackupRefused(f"{error.filename or path}: {error.strerror or error}", hint)


# What goes in.


def manifest_of(config: Config, database: Path, originals: bool) -> Manifest:
    """What the copied database says of itself, and what is on disk of the pictures that it names."""
    number = size = 0
    for path in pictures_named(database, originals):
        file = config.image_folder / path
        if file.is_file():
            number += 1
            size += file.stat().st_size
    return Manifest(
        config.station.id,
        utc_now().isoformat(timespec="seconds"),
        software(),
        originals,
        number,
        size,
        rows_by_table(database),
        migrations_of(database),
    )


def write(
    file: IO[bytes],
    manifest: Manifest,
    scratch: Path,
    settings: Mapping[str, Path],
    images: Path,
    tell: Progress,
) -> Gaps:
    """All members in their order; the gaps are known when the pictures are through."""
    with sealing(file, scratch) as tar, TemporaryFile(dir=scratch) as missing:
        tar.add(MANIFEST, manifest.as_bytes())
        with (scratch / DATABASE).open("rb") as database:
            tar.add_file(DATABASE, database, scratch_bytes(scratch))
        tell(scratch_bytes(scratch))
        for name, path in settings.items():
            tar.add(name, path.read_bytes())
        gaps = Gaps(missing)
        for gap in write_pictures(tar, images, scratch / DATABASE, manifest.originals, tell):
            gaps.add(gap)
        size_bytes = missing.tell()
        missing.seek(0)
        tar.add_file(GAPS, missing, size_bytes)
    return gaps


def settings_of(config: Config, settings: Path) -> Iterator[tuple[str, Path]]:
    """Configuration, calibration and installed models: what it takes to measure as this station does."""
    yield CONFIGURATION, settings
    if config.calibration_path.is_file():
        yield CALIBRATION, config.calibration_path
    shelf = Shelf(config.models_folder)
    models = (file for model in shelf.models() for file in sorted((shelf.folder / model).iterdir()))
    for file in (shelf.pointer, *models):
        name = f"models/{file.relative_to(shelf.folder)}"
        if file.is_file() and not file.is_symlink() and NAME.fullmatch(name):
            yield name, file


def write_pictures(
    tar: SealedWriter, folder: Path, database: Path, originals: bool, tell: Progress
) -> Iterator[Gap]:
    """Every picture that the copy names. One that is not what its name says is evidence of that, and kept."""
    for path in pictures_named(database, originals):
        name = f"{IMAGES}/{path}"
        if not NAME.fullmatch(name) or not (folder / path).is_file():
            yield Gap(path, MISSING)
            continue
        content = (folder / path).read_bytes()
        tar.add(name, content)
        tell(len(content))
        if not is_whole(folder / path, content):
            yield Gap(path, DAMAGED)


def flush_to_disk(file: IO[bytes]) -> None:
    """So that what is read back comes from the disk, not from memory."""
    file.flush()
    os.fsync(file.fileno())
    os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


# Whether it is whole.


def prove(path: Path, scratch: Path, tell: Progress) -> Manifest:
    """Read a whole backup and prove every member and the database in it. Raises BackupRefused.

    scratch  an empty folder with room for the database
    """

    def keep_database(name: str, content: HashedSource) -> None:
        if name == DATABASE:
            copy_content(content, scratch / DATABASE)

    return unpack(path, scratch / DATABASE, keep_database, tell)


def unpack(path: Path, database: Path, keep: Callable[[str, HashedSource], None], tell: Progress) -> Manifest:
    """Read a whole backup and let `keep` write what it wants of it. Proved is all of it, and the database written."""
    manifest = None
    for name, content in read_sealed(path, tell):
        if manifest is None:
            manifest = read_manifest(path, name, content)
        else:
            keep(name, content)
    if manifest is None or not database.is_file():
        raise refused(path, f"there is no {DATABASE if manifest else MANIFEST} in it")
    prove_database(path, database, manifest)
    return manifest


def read_manifest(path: Path, name: str, content: HashedSource) -> Manifest:
    if name != MANIFEST:
        raise refused(path, "")
    try:
        document: dict[str, Any] = json.loads(content.read(LARGEST_MANIFEST))["goatdev_backup"]
        if document["format"] != FORMAT:
            hint = "install the version of Goatdev that made it, or a newer one"
            raise BackupRefused(
                f"{path} has format {document['format']!r}, which this version cannot read", hint
            )
        manifest = Manifest(**{**document, "schema": tuple(document["schema"])})
    except (ValueError, KeyError, TypeError) as error:
        raise refused(path, f"{MANIFEST} cannot be read: {error}") from None
    return manifest


def prove_database(path: Path, database: Path, manifest: Manifest) -> None:
    """Raise BackupRefused unless SQLite finds the copy whole, this version knows its tables and no row is missing."""
    if damage := damage_of(database):
        raise refused(path, f"the database in it is damaged: {damage}")
    if newer := unknown_migrations(database):
        raise BackupRefused(
            f"{path} was made by a newer version, {manifest.software}: it knows {', '.join(newer)}",
            "install that version or a newer one, then restore",
        )
    if (found := rows_by_table(database)) != manifest.rows:
        raise refused(path, f"the database in it has {found}, and should have {manifest.rows}")


def copy_content(content: HashedSource, path: Path) -> None:
    with path.open("xb") as file:
        shutil.copyfileobj(content, file, 1 << 20)


def size_words(size_bytes: int) -> str:
    size = float(size_bytes)
    for unit in ("bytes", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"
