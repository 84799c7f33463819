"""Secrets come from the environment or from a credential file of systemd; they are never written or shown."""

from __future__ import annotations

import os
from pathlib import Path

from edge.errors import ConfigError


def secret(variable: str, credential: str) -> str | None:
    """The value of an environment variable, else of a file in $CREDENTIALS_DIRECTORY; None where there is neither."""
    if os.environ.get(variable):
        return os.environ[variable]
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    path = Path(folder, credential) if folder else None
    if path is None or not path.exists():
        return None
    try:
        return path.read_text(encoding="utf-8").rstrip("\r\n") or None
    except (OSError, UnicodeDecodeError):
        raise ConfigError(
            f"{path}: cannot be read", "a text file with the password on its one line"
        ) from None
