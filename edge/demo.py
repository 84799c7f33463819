"""`goatdev demo`: the whole station in one go, on simulated cameras, with a folder as the cloud."""

from __future__ import annotations

import logging
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from edge.app import open_station, run_station
from edge.config import Config, load_config
from edge.errors import ConfigError, StationError, StoreError
from edge.keeping.durable import make_folder, write_durably
from edge.keeping.store import Store
from edge.pressing import press
from edge.records import Capture
from edge.selftest import SAMPLES
from edge.table import measurements_table
from edge.triggers import new_trigger

STATION_ID = "demo"
# The kernel ends what is started so when its parent dies, however it dies.
END_WITH_PARENT = ("setpriv", "--pdeathsig", "TERM")

CONFIG = """\
# Written by `goatdev demo`: simulated cameras that play bundled pictures.
[station]
id = "{station_id}"
data_dir = "data"

[cameras]
side = "simulated:{samples}/captures"
top = "simulated:{samples}/captures"
front = "simulated:{samples}/captures"

[measure]
calibration = "{samples}/calibration.json"

[dashboard]
host = "{host}"
port = {port}

[sync]
destination = "folder:cloud"
"""


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """Where the demo keeps its things and shows its pages."""

    data: Path
    host: str
    port: int


def run_demo(options: DemoOptions, stop: Event) -> int:
    """Station, dashboard and sync until stopped; the first goat is measured at once."""
    config = prepare(options)
    require_free_port(options)
    address = f"http://{options.host}:{options.port}"
    with Store(config.database_path) as store:
        press(store, config, new_trigger("command"))
    first = Event()

    def show(capture: Capture) -> None:
        tell(capture, config)
        if not first.is_set():
            first.set()
            print(f"\nThe dashboard: {address}   (press Measure there, or Ctrl-C here to end)", flush=True)

    print(f"Starting dashboard and sync; what they deliver lands in {config.folder / 'cloud'}", flush=True)
    with service("dashboard", config), service("cloud_sync", config):
        print("Measuring the first goat on simulated cameras ...", flush=True)
        run_station(config, stop, show)
    print("Stopped.", flush=True)
    return 0


def run_once(options: DemoOptions) -> int:
    """Measure one bundled capture, print the table and where its pictures are."""
    logging.getLogger("goatdev").setLevel(logging.WARNING)
    config = prepare(options)
    with open_station(config) as station:
        print("Measuring one bundled capture ...", flush=True)
        pressed = press(station.store, config, new_trigger("command"))
        capture = station.serve(pressed)
    tell(capture, config)
    return 0 if capture.revision else 1


def prepare(options: DemoOptions) -> Config:
    """Write the demo's configuration and read it back, as any station would."""
    folder = options.data.resolve()
    path = folder / "goatdev.toml"
    text = CONFIG.format(station_id=STATION_ID, samples=SAMPLES, host=options.host, port=options.port)
    try:
        make_folder(folder)
        write_durably(path, text.encode())
    except OSError as error:
        raise StoreError(
            f"{folder}: cannot be written: {error.strerror}", "name another with --data DIR"
        ) from None
    return load_config(path)


def require_free_port(options: DemoOptions) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((options.host, options.port))
        except OSError as error:
            message = f"{options.host}:{options.port} cannot be used: {error.strerror}"
            raise ConfigError(message, "choose another with --port N") from None


@contextmanager
def service(module: str, config: Config) -> Iterator[None]:
    """Run another service of the station beside this process; it ends when this process does."""
    command = [
        *END_WITH_PARENT,
        sys.executable,
        "-m",
        module,
        "--config",
        str(config.folder / "goatdev.toml"),
    ]
    process = subprocess.Popen(command)
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()


def tell(capture: Capture, config: Config) -> None:
    """Print a capture's table and where its annotated pictures are."""
    print(f"\n{capture.id}: {capture.status}")
    if capture.revision is None:
        print(StationError(capture.failure or "", capture.hint or ""))
        return
    print(measurements_table(capture.revision))
    print("annotated pictures:")
    for image in capture.images_of("annotated"):
        print(f"  {config.image_folder / image.path}", flush=True)
