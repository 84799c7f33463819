"""A station that is there to be killed: started as systemd starts it, or quickly, in a fork of a loaded program."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Protocol

from edge.cli import main as goatdev
from edge.config import Config
from scripts.proofs.station import kill, start

FORKING = multiprocessing.get_context("forkserver")


class Victim(Protocol):
    """A running station."""

    def kill(self) -> None: ...


@dataclass
class Program:
    """`goatdev run` as a process of its own."""

    process: subprocess.Popen[bytes]

    def kill(self) -> None:
        kill(self.process)


@dataclass
class Forked:
    """The same in a fork of a process that has loaded the program and done nothing else."""

    process: BaseProcess

    def kill(self) -> None:
        self.process.kill()
        self.process.join()


def program(config: Config) -> Program:
    return Program(start(config, "run"))


def forked(config: Config) -> Forked:
    FORKING.set_forkserver_preload(["edge.cli", "scripts.proofs.victims"])
    process = FORKING.Process(target=serve, args=(config.folder,))
    process.start()
    return Forked(process)


def serve(folder: Path) -> None:
    """What a fork does: it says what it says in the same log, and never returns."""
    with (folder / "run.log").open("ab") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    sys.exit(goatdev(["run", "--config", str(folder / "goatdev.toml")]))
