"""What a station tells over MQTT: every result in order, the newest one as a state, and how the station is.

Results come from the database, never from memory: what was measured while the broker was away, or before a power cut,
is told when it is back, however long that took. Who collects results wants all of them, and a month of them is told in
minutes; each carries its capture's id and revision, so that one that comes twice does no harm.
"""

from __future__ import annotations

import json
import logging
import time
from dataclasses import asdict
from threading import Event
from typing import Any

from edge.config import Config
from edge.document import software
from edge.errors import StoreError
from edge.health.check import worst
from edge.health.everything import all_checks
from edge.health.room import share_used
from edge.keeping.cursor import Cursor
from edge.keeping.store import Store
from edge.mqtt import homeassistant
from edge.mqtt.broker import Broker
from edge.records import utc_now
from edge.word import read_station

log = logging.getLogger("goatdev.mqtt")

CURSOR = "mqtt"
HEALTH_S = 60.0
# Twenty results a second leave room on a slow Wi-Fi for presses and for those who listen.
PACE_S = 0.05
# After so many in a row state and health have their turn.
AT_ONCE = 50
RECEIPT_S = 10.0


class News:
    """Tells what is new whenever it is woken, and how the station is once a minute. Runs in a thread of its own."""

    def __init__(self, config: Config, broker: Broker, model: str) -> None:
        self.config = config
        self.broker = broker
        self.model = model
        self.woken = Event()
        self.stopped = Event()
        self.unknown = Event()
        self.told_health: dict[str, Any] = {}
        self.told_health_at = 0.0
        self.told_state = 0
        broker.on_ready.append(self.introduce)
        if config.mqtt.discovery_prefix:
            broker.listen(f"{config.mqtt.discovery_prefix}/status", self.home_assistant_said)

    def introduce(self) -> None:
        """Somebody may be there who knows nothing of this station yet."""
        self.unknown.set()
        self.woken.set()

    def home_assistant_said(self, topic: str, payload: bytes, retained: bool) -> None:
        if payload == b"online":
            self.introduce()

    def stop(self) -> None:
        self.stopped.set()
        self.woken.set()

    def run(self) -> None:
        """Tell what is new until stopped. What cannot be told is said once, and tried again."""
        trouble = ""
        while not self.stopped.is_set():
            self.woken.wait(HEALTH_S)
            self.woken.clear()
            try:
                if self.broker.is_connected:
                    with Store(self.config.database_path) as store:
                        self.tell(store)
                    trouble = ""
            # Measuring is worth more than telling: one old document that finds a bug must not end every start.
            except Exception as error:
                if repr(error) != trouble:
                    expected = isinstance(error, StoreError)
                    log.error("results cannot be told: %s", error, exc_info=not expected)
                trouble = repr(error)

    def tell(self, store: Store) -> None:
        if self.unknown.is_set():
            self.unknown.clear()
            self.tell_home_assistant()
            self.told_state, self.told_health = 0, {}
        cursor = Cursor(store, CURSOR)
        self.tell_state(cursor)
        if self.tell_results(cursor):
            self.woken.set()
        self.tell_health(store, cursor)

    def tell_home_assistant(self) -> None:
        prefix = self.config.mqtt.discovery_prefix
        if prefix:
            station_id = self.config.station.id
            document = homeassistant.discovery(station_id, self.config.topic_root)
            topic = f"{prefix}/device/{homeassistant.device_id(station_id)}/config"
            self.broker.publish(topic, json.dumps(document), retain=True)

    def tell_state(self, cursor: Cursor) -> None:
        """The newest capture, at once and before those that wait."""
        newest = cursor.newest()
        if newest is None or newest.id == self.told_state:
            return
        document = json.loads(newest.document)
        if self.broker.publish(self.topic("state"), json.dumps(homeassistant.state(document)), retain=True):
            self.told_state = newest.id

    def tell_results(self, cursor: Cursor) -> bool:
        """Results in order, each kept as told once the broker has it. True where there are more."""
        for _ in range(AT_ONCE):
            entry = cursor.next()
            if entry is None or self.stopped.is_set():
                return False
            if not self.broker.deliver(self.topic("result"), entry.document, within_s=RECEIPT_S):
                return False
            cursor.advance(entry)
            self.stopped.wait(PACE_S)
        return True

    def tell_health(self, store: Store, cursor: Cursor) -> None:
        """When something changed, and once a minute."""
        health = self.health(store, cursor)
        due = time.monotonic() - self.told_health_at >= HEALTH_S
        # Texts hold numbers that always change a little.
        news = {**health, "checks": {one["name"]: one["state"] for one in health["checks"]}}
        if news == self.told_health and not due:
            return
        document = {**health, "at": utc_now().isoformat()}
        if self.broker.publish(self.topic("health"), json.dumps(document), retain=True):
            self.told_health, self.told_health_at = news, time.monotonic()

    def health(self, store: Store, cursor: Cursor) -> dict[str, Any]:
        """Every check, in the words of dashboard and doctor, and what waits."""
        checks = all_checks(self.config, lambda: store)
        word = read_station(self.config.word_path)
        return {
            "station": "running",
            "status": worst(checks),
            "checks": [asdict(check) for check in checks],
            "cameras": {view: camera.state for view, camera in word.cameras.items()} if word else {},
            "waiting_presses": store.waiting(),
            "waiting_for_cloud": store.owed(),
            "waiting_for_broker": cursor.behind(),
            "disk_used": round(share_used(self.config.data_dir), 2),
            "model": self.model,
            "software": software(),
        }

    def topic(self, name: str) -> str:
        return f"{self.config.topic_root}/{name}"
