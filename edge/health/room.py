"""The data folder: whether it can be written, who owns what lies in it, and how full its disk is."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterator
from pathlib import Path

from edge.health.check import FAIL, OK, WARN, Check
from edge.keeping.disk import FULL_HINT, disk_below
from edge.settings import DiskConfig


def disk_check(used: float, files_used: float = 0.0, limits: DiskConfig | None = None) -> Check:
    """How full the disk is, by bytes and by number of files."""
    limits = limits or DiskConfig()
    fuller = max(used, files_used)
    state = FAIL if fuller >= limits.refuse else WARN if fuller >= limits.warn else OK
    hint = "" if state == OK else FULL_HINT
    if files_used >= limits.warn:
        return Check("disk", state, f"{used:.0%} used, {files_used:.0%} of the files that it can hold", hint)
    return Check("disk", state, f"{used:.0%} used", hint)


def share_used(folder: Path) -> float:
    """How full the disk below a folder is, 0..1, as far as an ordinary user may fill it."""
    return disk_below(existing(folder)).bytes_used


def share_of_files_used(folder: Path) -> float:
    """The same for the number of files; 0 on disks that set no limit."""
    return disk_below(existing(folder)).files_used


def existing(folder: Path) -> Path:
    """The folder, or what is above it as long as it is not there."""
    while not os.path.exists(folder):  # noqa: PTH110  false also where it may not be looked at
        folder = folder.parent
    return folder


def folder_check(folder: Path) -> Check:
    """Whether the station can keep its things there."""
    hint = "check [station] data_dir and its permissions"
    there = existing(folder)
    if not there.is_dir():
        return Check("data_folder", FAIL, f"{there} is no folder", hint)
    if is_read_only(there):
        text = f"{there} is on a disk that can only be read"
        return Check("data_folder", FAIL, text, "check the disk: `dmesg`")
    if not is_open_to_us(there):
        return closed_check(there)
    if there != folder:
        return Check("data_folder", OK, f"{folder} is not there yet: the station makes it")
    strangers = list(strangers_in(folder))
    if strangers:
        owner = user_name(folder.stat().st_uid)
        text = f"{', '.join(strangers)} in {folder} not of {owner}, as the folder is: the station may not write there"
        return Check("data_folder", FAIL, text, f"sudo chown -R {owner}: {folder}")
    return Check("data_folder", OK, str(folder))


def closed_check(folder: Path) -> Check:
    """Somebody else's folder is no failure: who asks is not who runs the station."""
    owner, we = user_name(folder.stat().st_uid), user_name(os.geteuid())
    if owner == we:
        text = f"{folder} cannot be written by {we}, whose it is"
        return Check("data_folder", FAIL, text, f"chmod u+rwx {folder}")
    hint = f"ask as its owner: `sudo -u {owner} goatdev doctor`"
    return Check("data_folder", WARN, f"{folder} belongs to {owner}, and {we} asks", hint)


def is_open_to_us(folder: Path) -> bool:
    return os.access(folder, os.R_OK | os.W_OK | os.X_OK, effective_ids=True)


def is_read_only(folder: Path) -> bool:
    return bool(os.statvfs(folder).f_flag & os.ST_RDONLY)


def strangers_in(folder: Path) -> Iterator[str]:
    """What lies in the folder and is somebody else's, as a command run as root would leave it."""
    owner = folder.stat().st_uid
    for path in sorted(folder.iterdir()):
        try:
            if path.lstat().st_uid != owner:
                yield path.name
        except FileNotFoundError:
            continue


def user_name(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)
