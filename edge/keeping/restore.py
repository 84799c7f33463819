"""A backup becomes a station's folder again: all of it or nothing."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from edge.config import Config, load_config
from edge.errors import BackupRefused, ConfigError
from edge.keeping.backup import (
    CALIBRATION,
    CONFIGURATION,
    DATABASE,
    GAPS,
    Manifest,
    Progress,
    copy_content,
    disk_refusal,
    prove,
    require_room,
    unpack,
)
from edge.keeping.copies import write_all_again
from edge.keeping.durable import make_folder, sync_folder
from edge.keeping.sealed import TAKE_ANOTHER, HashedSource
from edge.keeping.store import Store

# What of a backup has its place in a station's folder.
PLACES = (DATABASE, "settings/", "models/", "images/")


@dataclass(frozen=True, slots=True)
class Restored:
    """A station's folder that came out of a backup, and what to do next.

    captures  status -> how many
    """

    folder: Path
    manifest: Manifest
    captures: dict[str, int]
    next_steps: tuple[str, ...]


def check_backup(path: Path, progress: Callable[[int], Progress]) -> Manifest:
    """Prove a whole backup without restoring it; raises BackupRefused with the first thing that is wrong."""
    require_file(path)
    try:
        with TemporaryDirectory(dir=path.parent if os.access(path.parent, os.W_OK) else None) as scratch:
            return prove(path, Path(scratch), progress(path.stat().st_size))
    except OSError as error:
        raise disk_refusal(path, error) from error


def restore(path: Path, into: Path, progress: Callable[[int], Progress]) -> Restored:
    """Bring a backup into a new or empty folder, which is there only when everything in it was proved."""
    require_file(path)
    folder = into.resolve()
    require_empty(folder)
    try:
        make_folder(folder.parent)
        require_room(folder.parent, path.stat().st_size)
        with part_of(folder) as part:
            manifest = bring(path, part, progress(path.stat().st_size))
            with Store(part / DATABASE) as store:
                captures = store.counts()
                write_all_again(store)
            os.sync()  # file by file, a card would take hours
            part.rename(folder)
        sync_folder(folder.parent)
    except OSError as error:
        raise disk_refusal(folder, error) from error
    return Restored(folder, manifest, captures, tuple(next_steps(folder)))


def bring(path: Path, part: Path, tell: Progress) -> Manifest:
    """Everything of a backup to its place below `part`."""

    def keep(name: str, content: HashedSource) -> None:
        if name == GAPS:
            return
        if not name.startswith(PLACES):
            raise BackupRefused(f"{path} cannot be trusted: {name} has no place in a station", TAKE_ANOTHER)
        (part / name).parent.mkdir(parents=True, exist_ok=True)
        copy_content(content, part / name)

    return unpack(path, part / DATABASE, keep, tell)


@contextmanager
def part_of(folder: Path) -> Iterator[Path]:
    """The folder beside, while it is filled; gone afterwards unless it got its name."""
    part = folder.with_name(f"{folder.name}.part")
    if part.exists():
        raise BackupRefused(f"{part} is there already", "an earlier restore was cut off: remove that folder")
    part.mkdir()
    try:
        yield part
    finally:
        shutil.rmtree(part, ignore_errors=True)


def require_file(path: Path) -> None:
    if not path.is_file():
        raise BackupRefused(f"{path} is no file", "name the file that `goatdev backup` made")


def require_empty(folder: Path) -> None:
    if folder.is_dir() and not any(folder.iterdir()):
        return
    if folder.exists() or folder.is_symlink():
        raise BackupRefused(f"{folder} is not empty", "it was left as it is: name a new folder with --into")


# What the person does next.


def next_steps(folder: Path) -> Iterator[str]:
    """How a station comes to run on a restored folder; only what is still to do."""
    settings, calibration = folder / CONFIGURATION, folder / CALIBRATION
    try:
        config = load_config(settings)
    except ConfigError as error:
        yield f"write a configuration, for the one in the backup cannot be read: {error}"
        return
    if config.data_dir != folder:
        yield f'in {settings} write [station] data_dir = "{folder}"'
    if calibration.is_file() and not config.calibration_path.is_file():
        yield f'in {settings} write [measure] calibration = "{calibration}"'
    for key, path in named_files(config).items():
        if not path.is_file():
            yield f"{path}, which {key} names, is not part of a backup: bring it there"
    if os.geteuid() == 0:
        yield f"if the station runs as a user of its own, give it the folder: chown -R USER: {folder}"
    yield f"start it with `goatdev run --config {settings}`, or copy that file to /etc/goatdev/goatdev.toml"
    yield f"let the old station of the name {config.station.id} run no more: two would send captures of the same names"


def named_files(config: Config) -> dict[str, Path]:
    """What else a configuration names and cannot do without, key -> file."""
    files = {"[measure] model": config.model_path}
    if config.mqtt.ca_file:
        files["[mqtt] ca_file"] = config.folder / config.mqtt.ca_file
    return {key: path for key, path in files.items() if path is not None}
