"""What a process does to the disk, call by call, as strace sees it; it can be killed between any two of them.

Nothing in the product knows of it. Each call that changes files waits for a moment before it is made: who reads here
that one is done has that moment to kill the process before the next.
"""

from __future__ import annotations

import os
import re
import select
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO

from edge.config import Config
from scripts.proofs.station import kill, start

STRACE = shutil.which("strace")
WAIT_US = 30_000
CALLS = "mkdir,rename,unlink,rmdir,fsync,fdatasync,ftruncate,write,pwrite64"
# What changes files has one of them by name; other calls of the same kind are messages to itself or to a log.
DONE = re.compile(r"^\d+ +(?:<\.\.\. )?(?P<call>\w+)(?:\(| resumed>).* = \d+ \(DELAYED\)")
PATH = re.compile(r'["<](?P<path>/[^">]*)[">]')


@dataclass(frozen=True, slots=True)
class Step:
    """One call that is done."""

    call: str
    path: str

    def __str__(self) -> str:
        return f"{self.call} {kind_of(self.path)}"


@dataclass
class Traced:
    """A process of the station under strace, and what it has done so far."""

    process: subprocess.Popen[bytes]
    lines: IO[bytes]
    opened: dict[str, str]
    rest: bytes = b""

    def steps(self, within_s: float) -> Iterator[Step]:
        """Each step as it is done; ends when there is none for so long, or the process has ended."""
        while select.select([self.lines], [], [], within_s)[0]:
            more = os.read(self.lines.fileno(), 1 << 16)
            if not more:
                return
            *whole, self.rest = (self.rest + more).split(b"\n")
            for line in whole:
                step = self.step_of(line.decode(errors="replace"))
                if step is not None:
                    yield step

    def until(self, is_done: Callable[[], bool]) -> Iterator[Step]:
        """Each step until it has done what is waited for."""
        ended = False
        while not ended:
            ended = is_done()
            yield from self.steps(0.5)

    def step_of(self, line: str) -> Step | None:
        """The step that a line of strace tells of; a call that was begun in an earlier line is known by its thread."""
        thread = line.split(" ", 1)[0]
        path = PATH.search(line)
        if "<unfinished ...>" in line:
            self.opened[thread] = path["path"] if path else ""
            return None
        done = DONE.match(line)
        if done is None:
            return None
        begun = self.opened.pop(thread, "") if "resumed>" in line else ""
        return step_on(done["call"], begun or (path["path"] if path else ""))


def step_on(call: str, path: str) -> Step | None:
    is_file = "/data" in path or "/cloud" in path
    return Step(call, path) if is_file else None


def kind_of(path: str) -> str:
    """What kind of file it is, whichever capture it belongs to."""
    name = path.rsplit("/", 1)[-1]
    name = re.sub(r"[0-9a-f]{64}\.", "", name)
    name = re.sub(r"\d{8}T\d{9}Z_\w+", "CAPTURE", name)
    return re.sub(r"^\d{8}$", "DAY", name)


@contextmanager
def traced(config: Config, *words: str) -> Iterator[Traced]:
    """`goatdev WORDS` under strace; killed at the end of the block, if not before."""
    if STRACE is None:
        raise SystemExit("strace is not installed: sudo apt-get install strace")
    told = config.folder / "steps"
    os.mkfifo(told)
    under = [STRACE, "-f", "--seccomp-bpf", "-y", "-qq", "-s", "0", "-o", str(told)]
    under += ["-e", "signal=none", "-e", f"trace={CALLS}", "-e", f"inject={CALLS}:delay_enter={WAIT_US}"]
    process = start(config, *words, under=under)
    with told.open("rb", buffering=0) as lines:
        told.unlink()
        try:
            yield Traced(process, lines, {})
        finally:
            kill(process)
