"""A station of its own in a temporary folder, and what a drill does with it: run it, press, look, break."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from edge.config import Config, load_config
from edge.demo import END_WITH_PARENT
from edge.drills.verdicts import DrillFailed, require
from edge.keeping.locks import is_held
from edge.keeping.store import Store
from edge.records import VIEWS, Capture, Status
from edge.selftest import SAMPLES
from edge.triggers import new_trigger

PACKAGES = Path(__file__).resolve().parents[2]
PYTHON = (sys.executable, "-m")
# What would lead a process of a drill to the real station or its secrets.
PRIVATE = (
    "GOATDEV_CONFIG",
    "GOATDEV_MQTT_PASSWORD",
    "CREDENTIALS_DIRECTORY",
    "NOTIFY_SOCKET",
    "WATCHDOG_USEC",
)
PATIENCE_S = 30.0

CONFIG = """\
# Written by `goatdev drill`: a station that is only there to be broken.
[station]
id = "drill"
data_dir = "data"

[cameras]
side = "simulated:{samples}/captures"
top = "simulated:{samples}/captures"
front = "simulated:{samples}/captures"
burst_shots = 1
limit_s = 1

[measure]
calibration = "{samples}/calibration.json"

[dashboard]
port = {port}

[sync]
destination = "folder:cloud"
poll_s = 0.2
"""


class Scratch:
    """One scratch station.

    program  runs a module of ours: the interpreter with `-m`
    """

    def __init__(self, folder: Path, program: Sequence[str] = PYTHON) -> None:
        self.folder = folder
        self.program = tuple(program)
        self.config_path = folder / "goatdev.toml"
        self.log = folder / "log.txt"
        self.port = free_port()
        self.services: dict[str, subprocess.Popen[bytes]] = {}
        self.configure()

    def configure(self, more: str = "") -> None:
        """Write the configuration anew, with these lines behind the usual ones."""
        self.config_path.write_text(CONFIG.format(samples=SAMPLES, port=self.port) + more)

    @property
    def config(self) -> Config:
        return load_config(self.config_path)

    # Its processes.

    def command(self, module: str, *arguments: str) -> list[str]:
        return [*END_WITH_PARENT, *self.program, module, *arguments, "--config", str(self.config_path)]

    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if name not in PRIVATE}
        paths = [str(PACKAGES), *filter(None, [kept.get("PYTHONPATH")])]
        return {**kept, "PYTHONPATH": os.pathsep.join(paths)}

    def start(self, module: str, *arguments: str) -> subprocess.Popen[bytes]:
        command, environment = self.command(module, *arguments), self.environment()
        with self.log.open("ab") as log:
            return subprocess.Popen(command, stdout=log, stderr=log, cwd=self.folder, env=environment)

    @contextmanager
    def running(self, module: str, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
        """A service of the station, ended as systemd ends it, or killed where it does not listen."""
        process = self.services[module] = self.start(module, *arguments)
        try:
            yield process
        finally:
            del self.services[module]
            end(process)

    @contextmanager
    def station(self) -> Iterator[subprocess.Popen[bytes]]:
        """The station's own process, once it owns its folder; a press waits until it is ready."""
        with self.running("edge.cli", "run") as process:
            self.wait(lambda: is_held(self.config.station_lock), "the station starts")
            yield process

    def call(self, module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        command, environment = self.command(module, *arguments), self.environment()
        try:
            return subprocess.run(
                command,
                capture_output=True,
                text=True,
                timeout=PATIENCE_S,
                check=False,
                cwd=self.folder,
                env=environment,
            )
        except subprocess.TimeoutExpired:
            raise DrillFailed(f"{module} {' '.join(arguments)} did not end within {PATIENCE_S:g} s") from None

    def last_words(self) -> str:
        """What its processes logged last."""
        lines = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        return lines[-1][-300:] if lines else "nothing was logged"

    # What is asked of it.

    def press(self) -> str:
        """Press the button, as the command line does; returns the capture's id."""
        with Store(self.config.database_path) as store:
            return store.press(new_trigger("command"), self.config.station.id).id

    def measured(self) -> Capture:
        """Press, and wait for what becomes of it."""
        return self.closed(self.press())

    def closed(self, capture_id: str) -> Capture:
        """A capture once the station has done with it."""

        def done() -> Capture | None:
            capture = self.capture(capture_id)
            return None if capture.is_unfinished else capture

        capture: Capture = self.wait(done, f"{capture_id} is served")
        return capture

    def completed(self) -> Capture:
        """A press of which a measured goat must come."""
        capture = self.measured()
        require(capture.status is Status.COMPLETED, f"a press came to {capture.status}: {capture.failure}")
        return capture

    def capture(self, capture_id: str) -> Capture:
        with Store(self.config.database_path) as store:
            try:
                return store.capture(capture_id)
            except KeyError:
                raise DrillFailed(f"the press {capture_id} was lost") from None

    def captures(self) -> list[Capture]:
        """Newest first."""
        with Store(self.config.database_path) as store:
            return store.captures(200)

    def backlog(self) -> int:
        """How many documents the cloud has not got yet."""
        with Store(self.config.database_path) as store:
            return store.owed()

    def health(self) -> dict[str, dict[str, str]]:
        """name -> check, as the dashboard says it; it must be running."""
        address = f"http://127.0.0.1:{self.port}/api/v1/health"
        document = self.wait(lambda: json_at(address), "the dashboard answers")
        return {check["name"]: check for check in document["checks"]}

    # What is looked at.

    def pictures(self) -> dict[str, str]:
        """Every picture on disk with its SHA-256."""
        return hashes(self.config.image_folder, "*/*/*.jpg")

    def delivered(self) -> dict[str, str]:
        """Every object in the folder that stands in for the cloud, with its SHA-256."""
        return hashes(self.folder / "cloud", "*/**/*.*")

    def break_camera(self, view: str, fault: str) -> None:
        """Have a simulated camera fail from the next picture on."""
        (self.folder / "simulated-faults.toml").write_text(f'{view} = "{fault}"\n')

    def mend_cameras(self) -> None:
        (self.folder / "simulated-faults.toml").unlink(missing_ok=True)

    def wait(self, true: Callable[[], Any], what: str, within_s: float = PATIENCE_S) -> Any:
        """The first true answer of a function; the drill fails where there is none in time."""
        end_s = time.monotonic() + within_s
        while time.monotonic() < end_s:
            answer = true()
            if answer:
                return answer
            for module, process in self.services.items():
                require(process.poll() is None, f"{module} ended by itself: {self.last_words()}")
            time.sleep(0.02)
        raise DrillFailed(f"not within {within_s:g} s: {what} (last logged: {self.last_words()})")


def end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def hashes(folder: Path, pattern: str) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.glob(pattern))
        if path.is_file()
    }


def json_at(address: str) -> Mapping[str, Any] | None:
    """The JSON document at an address, whatever its status says; None where nobody answers yet."""
    try:
        with urllib.request.urlopen(address, timeout=5) as response:
            document: Mapping[str, Any] = json.load(response)
    except urllib.error.HTTPError as error:
        document = json.load(error)
    except OSError:
        return None
    return document


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def views_of(capture: Capture) -> set[str]:
    """The views of which there is a picture as taken."""
    return {image.view for image in capture.images_of("raw")}


ALL_VIEWS = set(VIEWS)
