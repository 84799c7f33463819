"""Files that hold secrets: nobody else on the computer may read them."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

from edge.health.check import FAIL, OK, Check

SECRET = re.compile(r"(?!.*\.pub$).*(password|passwd|secret|credential|token|key|\.env).*", re.IGNORECASE)


def credentials_check(folder: Path) -> Check:
    """folder  where the configuration lies; what systemd handed to this process is looked at as well"""
    given = os.environ.get("CREDENTIALS_DIRECTORY")
    found = [path for one in (folder, *([Path(given)] if given else [])) for path in secret_files(one)]
    open_ones = [path for path in found if stat.S_IMODE(path.stat().st_mode) & 0o007]
    if open_ones:
        names = ", ".join(map(str, open_ones))
        text = f"everybody on this computer can read or change {names}"
        hint = f"sudo chmod o= {' '.join(map(str, open_ones))}; who else has an account here may know it: change it"
        return Check("credentials", FAIL, text, hint)
    return Check("credentials", OK, f"{len(found)} files, none of them open to others")


def secret_files(folder: Path) -> Iterator[Path]:
    """Files that are called as secrets are, here and in folders that are called so."""
    for path in files_in(folder):
        if SECRET.fullmatch(path.name):
            yield from (one for one in (files_in(path) if path.is_dir() else [path]) if one.is_file())


def files_in(folder: Path) -> list[Path]:
    """What lies in a folder; nothing in one that is closed to us, and so to others."""
    return sorted(folder.iterdir()) if os.access(folder, os.R_OK | os.X_OK, effective_ids=True) else []
