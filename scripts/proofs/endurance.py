"""A thousand presses in a row, from everywhere, on the real processes: each ends as one row, and memory stays flat.

    scripts/endurance --presses 1000

Station, dashboard, sync and a broker run as they do in a barn, on simulated cameras. Presses come from the dashboard,
over MQTT and from the command line, some of them twice. Ends with 1 when anything is not as promised.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue
from statistics import median
from typing import Any

import numpy as np
import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from edge.calibration import read_calibration, write_view
from edge.config import Config
from edge.keeping.store import Store
from edge.records import VIEWS
from edge.selftest import SAMPLES
from scripts.proofs.memory import Limits, Watched, plot, table
from scripts.proofs.station import (
    STATION_ID,
    Sight,
    command,
    environment,
    free_port,
    is_running,
    log_of,
    prepare,
    running,
    wait_for,
    work_folder,
)
from scripts.proofs.truth import falsehoods, undelivered

MOSQUITTO = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
SERVICES = ("run", "dashboard", "sync")
MORE = """\
[dashboard]
port = {dashboard}
[mqtt]
host = "127.0.0.1"
port = {broker}
debounce_s = 0
"""
BROKER = "user root\nlistener {port} 127.0.0.1\nallow_anonymous true\n"


@dataclass
class Hand:
    """Presses the button in every way there is, and remembers what it was promised.

    accepted  press -> id of its capture
    """

    config: Config
    client: paho.Client
    answers: SimpleQueue[dict[str, Any]] = field(default_factory=SimpleQueue)
    accepted: dict[str, str] = field(default_factory=dict)
    sources: Counter[str] = field(default_factory=Counter)
    misled: list[str] = field(default_factory=list)

    def press(self, number: int) -> None:
        """One press; now and then two before the first is measured, or one that is sent once more."""
        name = f"press-{number}"
        if number % 50 == 0:
            self.keep(name, "command", self.by_command())
        elif number % 2:
            self.keep(name, "mqtt", self.by_mqtt(name))
        else:
            self.keep(name, "dashboard", self.by_dashboard(name))
        if number % 10 == 7:
            again = f"press-{number - 3}"
            self.keep(again, "repeated", (self.by_mqtt if number % 20 == 7 else self.by_dashboard)(again))

    def keep(self, name: str, source: str, capture_id: str) -> None:
        self.sources[source] += 1
        if self.accepted.setdefault(name, capture_id) != capture_id:
            self.misled.append(f"{name}: {capture_id}, and before {self.accepted[name]}")

    def by_dashboard(self, name: str) -> str:
        answer = self.ask("/api/v1/captures", b"{}", {"Idempotency-Key": name})
        return str(json.loads(answer)["capture_id"])

    def by_mqtt(self, name: str) -> str:
        """Again while the station says that it is busy, as a person would."""

        def answered() -> str | None:
            self.client.publish(f"goatdev/{STATION_ID}/trigger", json.dumps({"request_id": name}), qos=1)
            answer = self.answer_to(name)
            return answer["capture_id"] if answer and answer["state"] != "busy" else None

        return wait_for(answered, f"an answer to {name} over MQTT", pause_s=0.1)

    def answer_to(self, name: str) -> dict[str, Any] | None:
        end = time.monotonic() + 10
        while time.monotonic() < end:
            try:
                answer = self.answers.get(timeout=1)
            except Empty:
                continue
            if answer["trigger_id"] == name:
                return answer
        return None

    def by_command(self) -> str:
        words = command(self.config, "capture", "--json")
        done = subprocess.run(words, capture_output=True, text=True, check=True, env=environment())
        return str(json.loads(done.stdout)["capture_id"])

    def look(self, capture_id: str) -> None:
        """What a tablet beside the crate asks for."""
        for path in ("/", f"/captures/{capture_id}", "/history", "/preview/side.jpg", "/health", "/metrics"):
            self.ask(path)
        document = json.loads(self.ask(f"/api/v1/results/{capture_id}"))
        for kinds in document["image_urls"].values():
            self.ask(kinds["annotated"])

    def ask(self, path: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> bytes:
        address = f"http://127.0.0.1:{self.config.dashboard.port}{path}"
        request = urllib.request.Request(address, body, headers or {})
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                content: bytes = answer.read()
                return content
        except urllib.error.HTTPError as error:
            if error.code in (404, 503):  # no live picture yet; a disk that is nearly full
                return b""
            raise


@contextmanager
def barn(config: Config) -> Iterator[tuple[Hand, list[Watched]]]:
    """Broker and services, until the end of the block; yields who presses and the processes to watch."""
    with ExitStack() as stack:
        stack.enter_context(broker(config))
        processes = {word: stack.enter_context(running(config, word)) for word in SERVICES}
        hand = Hand(config, stack.enter_context(connected(config)))
        hand.client.on_message = lambda _, __, message: hand.answers.put(json.loads(message.payload))
        wait_for(lambda: "is ready" in log_of(config, "run"), "the station")
        wait_for(lambda: "http://" in log_of(config, "dashboard"), "the dashboard")
        yield hand, [Watched(word, process.pid) for word, process in processes.items()]


@contextmanager
def broker(config: Config) -> Iterator[None]:
    if MOSQUITTO is None:
        raise SystemExit("mosquitto is not installed: sudo apt-get install mosquitto")
    path = config.folder / "mosquitto.conf"
    path.write_text(BROKER.format(port=config.mqtt.port))
    with (config.folder / "mosquitto.log").open("wb") as log:
        process = subprocess.Popen([MOSQUITTO, "-c", str(path)], stdout=log, stderr=log)
    try:
        yield
    finally:
        process.terminate()
        process.wait()


@contextmanager
def connected(config: Config) -> Iterator[paho.Client]:
    client = paho.Client(CallbackAPIVersion.VERSION2)

    def listen(*_: Any) -> None:
        client.subscribe(f"goatdev/{STATION_ID}/feedback", qos=1)

    def reached() -> bool:
        try:
            return client.connect("127.0.0.1", config.mqtt.port) == 0
        except OSError:
            return False

    client.on_connect = listen
    wait_for(reached, "the broker", pause_s=0.1)
    client.loop_start()
    try:
        yield client
    finally:
        client.disconnect()
        client.loop_stop()


def large_pictures(folder: Path, size: tuple[int, int]) -> Sight:
    """Two of the bundled goats as cameras of that size would give them."""
    from models_tflite.training.press_bench import photographed

    chance = np.random.default_rng(1)
    for goat in sorted((SAMPLES / "captures").glob("goat_*"))[:2]:
        into = folder / "captures" / goat.name
        into.mkdir(parents=True)
        for view in VIEWS:
            (into / f"{view}.jpg").write_bytes(photographed(chance, goat / f"{view}.jpg", size))
    known = read_calibration(SAMPLES / "calibration.json")
    for view, entry in known.views.items():
        write_view(folder / "calibration.json", view, entry.at_size(size), known.references.get(view))
    return Sight(folder / "captures", folder / "calibration.json")


def press_all(config: Config, presses: int, settled: int) -> tuple[Hand, list[Watched], list[str]]:
    """All presses, one after the other is measured; what was promised, what was held, what is not as it should be."""
    seconds = list[float]()
    with barn(config) as (hand, watched), Store(config.database_path) as store:
        for number in range(1, presses + 1):
            begun = time.monotonic()
            hand.press(number)
            if number % 10 != 5:  # else the next press finds one that waits
                newest = hand.accepted[f"press-{number}"]
                wait_for(partial(is_closed, store, newest), newest)
            seconds.append(time.monotonic() - begun)
            for one in watched:
                one.sample(number)
            if number % 5 == 0:
                hand.look(newest)
            if number % 100 == 0:
                print(
                    f"press {number}, {median(seconds[-100:]):.2f} s each\n{table(watched, min(settled, number))}",
                    flush=True,
                )
        wait_for(lambda: not store.waiting(), "the last presses")
        wait_for(lambda: not list(undelivered(store)), "the sync", pause_s=0.5)
        assert is_running(config)
    wrong = [*hand.misled, *falsehoods(config, dict.fromkeys(hand.accepted.values(), 1), delivered=True)]
    wrong += [f"{word}.log holds a traceback" for word in SERVICES if "Traceback" in log_of(config, word)]
    return hand, watched, wrong


def is_closed(store: Store, capture_id: str) -> bool:
    return not store.capture(capture_id).is_unfinished


def told_of(config: Config, hand: Hand, wrong: list[str]) -> list[str]:
    """Rows that nobody asked for, and how many there are of each."""
    with Store(config.database_path) as store:
        rows = {row["id"] for row in store.all("SELECT id FROM captures")}
        counts = store.counts()
    strangers = rows - set(hand.accepted.values())
    sources = ", ".join(f"{number} {source}" for source, number in hand.sources.most_common())
    print(f"presses: {sources}; {len(hand.accepted)} accepted, {len(rows)} rows: {counts}")
    return [*wrong, *(f"{one}: a row that nobody asked for" for one in strangers)]


def main() -> int:
    options = parsed()
    settled = min(100, options.presses // 4)
    with tempfile.TemporaryDirectory(dir=options.dir, prefix="goatdev-endurance-") as name:
        folder = Path(name)
        size = tuple(map(int, options.size.split("x"))) if options.size else None
        sight = large_pictures(folder / "sight", (size[0], size[1])) if size else None
        more = MORE.format(dashboard=free_port(), broker=free_port())
        config = prepare(folder / "station", options.shots, options.burst_s, more, sight)
        hand, watched, wrong = press_all(config, options.presses, settled)
        wrong = told_of(config, hand, wrong)
        if wrong and options.dir:
            shutil.copytree(folder, options.dir / "kept", dirs_exist_ok=True)
    print(table(watched, settled))
    print(*map(plot, watched), sep="\n")
    limits = Limits(options.growth_mb, options.peak_mb)
    wrong += [line for one in watched for line in one.broken(limits, settled)]
    print(*(wrong or [f"all {options.presses} presses are as promised"]), sep="\n")
    return 1 if wrong else 0


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--presses", type=int, default=1000)
    parser.add_argument("--shots", type=int, default=1, help="of each press; a station takes 3")
    parser.add_argument("--burst-s", type=float, default=0.0, help="over which they are spread")
    parser.add_argument(
        "--size", default="", help="of the pictures, as 4656x3496; the bundled ones are smaller"
    )
    parser.add_argument(
        "--growth-mb", type=float, default=20.0, help="that a process may grow from press 100 on"
    )
    parser.add_argument("--peak-mb", type=float, default=350.0, help="that a process may hold")
    parser.add_argument("--dir", type=work_folder, help="where to work; what went wrong is kept there")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
