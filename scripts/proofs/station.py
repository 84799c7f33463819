"""A station to be proved: a folder with its configuration, its real processes, and presses on its button."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from edge.config import Config, load_config
from edge.keeping.locks import is_held
from edge.keeping.store import Store
from edge.records import Capture
from edge.selftest import SAMPLES
from edge.triggers import new_trigger

REPO = Path(__file__).resolve().parent.parent.parent
UNIT = REPO / "systemd" / "goatdev-station.service"
STATION_ID = "proof"
CONFIG = """\
[station]
id = "{station_id}"
data_dir = "data"
max_age_s = 3600
[cameras]
side = "simulated:{captures}"
top = "simulated:{captures}"
front = "simulated:{captures}"
burst_shots = {shots}
burst_s = {burst_s}
[measure]
calibration = "{calibration}"
[sync]
destination = "folder:cloud"
poll_s = 0.1
"""
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Sight:
    """What the simulated cameras show: a folder of captures, and the calibration that fits them."""

    captures: Path = SAMPLES / "captures"
    calibration: Path = SAMPLES / "calibration.json"


def work_folder(text: str) -> Path:
    """What --dir names, there from then on."""
    folder = Path(text)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def prepare(
    folder: Path, shots: int = 1, burst_s: float = 0.0, more: str = "", sight: Sight | None = None
) -> Config:
    """Write the configuration of a station in a folder, and read it back as any station would."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "goatdev.toml"
    seen = sight or Sight()
    text = CONFIG.format(
        station_id=STATION_ID,
        captures=seen.captures,
        calibration=seen.calibration,
        shots=shots,
        burst_s=burst_s,
    )
    path.write_text(text + more)
    return load_config(path)


def command(config: Config, *words: str) -> list[str]:
    """`goatdev WORDS` on that station, by this Python."""
    return [sys.executable, "-m", "edge.cli", *words, "--config", str(config.folder / "goatdev.toml")]


def environment(code: Path = REPO) -> dict[str, str]:
    """As the station's unit file has it, for the folder of a program."""
    given = re.findall(r"^Environment=(.*)", UNIT.read_text(), re.MULTILINE)
    named = (one.split("=", 1) for line in given for one in line.split())
    return {**os.environ, **dict(named), "PYTHONPATH": str(code)}


def start(
    config: Config, *words: str, under: Sequence[str] = (), code: Path = REPO
) -> subprocess.Popen[bytes]:
    """Start `goatdev WORDS` in a process group of its own; what it says is in WORD.log.

    under  a program that runs it, as strace does
    code   the folder of the program
    """
    with (config.folder / f"{words[0]}.log").open("ab") as log:
        return subprocess.Popen(
            [*under, *command(config, *words)],
            cwd=config.folder,
            env=environment(code),
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def kill(process: subprocess.Popen[bytes]) -> None:
    """As a power cut or the kernel ends it, with all that it started."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@contextmanager
def running(config: Config, *words: str, code: Path = REPO) -> Iterator[subprocess.Popen[bytes]]:
    """A service for as long as the block lasts; told to end, and killed where it does not."""
    process = start(config, *words, code=code)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(timeout=30)
        finally:
            kill(process)


def press(config: Config, store: Store, trigger_id: str | None = None) -> Capture:
    """The button, pressed by this process; what it returns is acknowledged."""
    return store.press(new_trigger("command", trigger_id=trigger_id), config.station.id)


def wait_for(true: Callable[[], T | None], what: str, seconds: float = 120.0, pause_s: float = 0.01) -> T:
    """The first answer that is neither None nor false; TimeoutError when there is none in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        answer = true()
        if answer:
            return answer
        time.sleep(pause_s)
    raise TimeoutError(f"not within {seconds:g} s: {what}")


def is_running(config: Config) -> bool:
    return is_held(config.station_lock)


def log_of(config: Config, word: str) -> str:
    path = config.folder / f"{word}.log"
    return path.read_text(errors="replace") if path.exists() else ""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
