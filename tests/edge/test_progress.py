"""How far a long command is: shown to people, not to programs."""

from __future__ import annotations

import os
import subprocess
import sys

from tests.conftest import REPO

SCRIPT = "from edge.progress import progress; tell = progress('checking')(4); tell(0); tell(4); tell(1)"


def test_a_terminal_shows_how_far_it_is_on_one_line() -> None:
    here, there = os.openpty()
    subprocess.run([sys.executable, "-c", SCRIPT], cwd=REPO, stderr=there, check=True)
    os.close(there)
    shown = os.read(here, 1000).decode()
    os.close(here)
    assert shown.replace("\r\n", "\n") == "\rchecking   0%\rchecking 100%\n"


def test_without_a_terminal_nothing_is_shown() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], cwd=REPO, capture_output=True, check=True)
    assert (done.stdout, done.stderr) == (b"", b"")
