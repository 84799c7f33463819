"""No route, no broker, and presses that are none: what a network does to a station."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from edge.drills.scratch import Scratch, free_port
from edge.drills.verdicts import DrillSkipped, require
from edge.mqtt.broker import Broker
from edge.records import Capture
from edge.settings import MqttConfig

ROOT = "goatdev/drill"
# In this time a press that should not count would have become a row.
TWICE_S = 1.0


def no_route(scratch: Scratch) -> str:
    """The cloud is out of reach: the goat is measured, and delivered whole when there is a route again."""
    cloud = scratch.folder / "cloud"
    cloud.write_text("a file stands where the cloud should be")
    with scratch.station():
        capture = scratch.completed()
    require(scratch.call("cloud_sync", "--once").returncode != 0, "the sync took a dead link for a success")
    require(scratch.backlog() == 1, "what could not be delivered is owed no more")
    cloud.unlink()
    with scratch.running("cloud_sync"):
        scratch.wait(lambda: scratch.backlog() == 0, "the backlog is delivered")
    there = scratch.delivered()
    for image in capture.images:
        require(image.sha256 in there.values(), f"{image.path} did not reach the cloud")
    require(any(name.endswith("result.json") for name in there), "there is no result in the cloud")
    return f"measured with no route; {len(there)} objects delivered when there was one"


def broker_absent(scratch: Scratch) -> str:
    """No broker at the start: the station measures, and finds the broker when it is there."""
    port = use_broker(scratch)
    with scratch.station():
        scratch.completed()
        with broker(scratch, port), ear(scratch, port) as heard:
            heard.wait_online()
            capture = heard.pressed()
    return f"measured without a broker, and at a button press when it was there ({capture.id})"


def broker_restarted(scratch: Scratch) -> str:
    """The broker is killed and started again: buttons work again by themselves."""
    port = use_broker(scratch)
    with scratch.station(), ear(scratch, port) as heard:
        with broker(scratch, port):
            heard.wait_online()
            heard.pressed()
        heard.messages.clear()
        gone_s = time.monotonic()
        with broker(scratch, port):
            heard.wait_online()
            back_s = time.monotonic() - gone_s
            heard.pressed()
    require(len(scratch.captures()) == 2, f"two presses came to {len(scratch.captures())} captures")
    return f"heard buttons again {back_s:.1f} s after the broker was killed"


def press_delivered_twice(scratch: Scratch) -> str:
    """The network brings a press twice: one capture."""
    port = use_broker(scratch)
    with scratch.station(), broker(scratch, port), ear(scratch, port) as heard:
        heard.wait_online()
        message = json.dumps({"request_id": str(uuid.uuid4())})
        for _ in range(2):
            heard.send(f"{ROOT}/trigger", message)
        heard.wait_done()
        time.sleep(TWICE_S)
    number = len(scratch.captures())
    require(number == 1, f"one press came to {number} captures")
    return "the same press twice came to one capture"


def retained_press(scratch: Scratch) -> str:
    """The broker kept a press from yesterday: nobody is measured, and today's press still counts."""
    port = use_broker(scratch)
    with broker(scratch, port), ear(scratch, port) as heard:
        heard.send(f"{ROOT}/trigger", "press", retain=True)
        with scratch.station():
            heard.wait_online()
            time.sleep(TWICE_S)
            require(not scratch.captures(), "a retained press was measured")
            heard.pressed()
    require(len(scratch.captures()) == 1, f"there are {len(scratch.captures())} captures of one press")
    return "the retained press was ignored, a fresh one measured"


class Ear:
    """Somebody else at the broker: hears what the station says, and presses its button."""

    def __init__(self, scratch: Scratch, port: int) -> None:
        self.scratch = scratch
        self.messages: list[tuple[str, bytes]] = []
        config = MqttConfig(host="127.0.0.1", port=port)
        self.broker = Broker(config, f"drill-{port}", "drill/availability", scratch.folder)
        self.broker.listen(f"{ROOT}/#", lambda topic, payload, _: self.messages.append((topic, payload)))

    def send(self, topic: str, payload: str, retain: bool = False) -> None:
        self.scratch.wait(lambda: self.broker.is_connected, "the drill reaches the broker")
        require(self.broker.deliver(topic, payload, retain), f"the broker did not take {payload!r}")

    def wait_online(self) -> None:
        self.scratch.wait(
            lambda: (f"{ROOT}/availability", b"online") in self.messages, "the station is at the broker"
        )

    def wait_done(self) -> dict[str, Any]:
        """What the station says of a press when it has done with it."""

        def done() -> dict[str, Any] | None:
            said = [json.loads(payload) for topic, payload in self.messages if topic == f"{ROOT}/feedback"]
            return next((one for one in said if one["state"] in ("done", "take_again")), None)

        answer: dict[str, Any] = self.scratch.wait(done, "the button is answered")
        return answer

    def pressed(self) -> Capture:
        """Press the button, and wait for the goat."""
        self.messages[:] = [one for one in self.messages if one[0] != f"{ROOT}/feedback"]
        self.send(f"{ROOT}/trigger", json.dumps({"request_id": str(uuid.uuid4())}))
        return self.scratch.closed(self.wait_done()["capture_id"])


@contextmanager
def ear(scratch: Scratch, port: int) -> Iterator[Ear]:
    heard = Ear(scratch, port)
    heard.broker.start()
    try:
        yield heard
    finally:
        heard.broker.close()


def use_broker(scratch: Scratch) -> int:
    """Have the station look for a broker on a free port."""
    require_mosquitto()
    port = free_port()
    scratch.configure(f'\n[mqtt]\nhost = "127.0.0.1"\nport = {port}\ndiscovery_prefix = ""\n')
    return port


@contextmanager
def broker(scratch: Scratch, port: int) -> Iterator[None]:
    """A real broker, killed at the end without a farewell; it keeps nothing on disk."""
    path = scratch.folder / "mosquitto.conf"
    user = "user root\n" if os.geteuid() == 0 else ""
    path.write_text(f"{user}listener {port} 127.0.0.1\nallow_anonymous true\n")
    with (scratch.folder / "mosquitto.log").open("ab") as log:
        process = subprocess.Popen([require_mosquitto(), "-c", str(path)], stdout=log, stderr=log)
    try:
        scratch.wait(lambda: answers(port), "the broker answers")
        yield
    finally:
        process.kill()
        process.wait()


def require_mosquitto() -> str:
    found = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
    if found is None:
        raise DrillSkipped("mosquitto is not installed: sudo apt-get install mosquitto")
    return found


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
