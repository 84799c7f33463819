"""The station says how it is: between presses and after each, into a file that dashboard, doctor and broker read."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from edge.cameras.rig import Camera
from edge.clock import since_boot_s
from edge.document import software
from edge.health.machine import read_machine
from edge.keeping.store import Store
from edge.records import utc_now
from edge.word import SAID_AGAIN_S, BrokerWord, CameraWord, StationWord, Teller, memory_bytes

TELL_S = 2.0


class StationTeller:
    """What one run of the station says of itself.

    cameras    view -> camera
    model      what measures, in words
    broker     asks how the connection to the broker is
    on_change  is called when it is otherwise than it was
    """

    def __init__(
        self,
        path: Path,
        store: Store,
        cameras: Mapping[str, Camera],
        model: str,
        calibration_sha256: str,
        broker: Callable[[], BrokerWord | None],
        on_change: Callable[[], None],
    ) -> None:
        self.teller = Teller(path)
        self.store = store
        self.cameras = cameras
        self.broker = broker
        self.on_change = on_change
        self.first = StationWord(
            os.getpid(), utc_now().isoformat(timespec="seconds"), software(), model, calibration_sha256
        )
        self.said: Mapping[str, CameraWord] = {}
        self.machine, self.machine_at_s = read_machine(), since_boot_s()

    def tell(self) -> None:
        self.said = {view: since(camera.word(), self.said.get(view)) for view, camera in self.cameras.items()}
        if self.teller.tell(self.word()):
            self.on_change()

    def word(self) -> StationWord:
        if since_boot_s() - self.machine_at_s >= SAID_AGAIN_S:
            self.machine, self.machine_at_s = read_machine(), since_boot_s()
        power = self.machine.power
        return replace(
            self.first,
            cameras=self.said,
            broker=self.broker(),
            clock=self.machine.clock,
            throttled=power.throttled if power else None,
            temperature_c=self.machine.temperature_c,
            last_capture=self.last_capture(),
            memory_bytes=memory_bytes(),
        )

    def last_capture(self) -> str:
        """Id and status of the newest one."""
        row = self.store.one("SELECT id, status FROM captures ORDER BY id DESC LIMIT 1")
        return f"{row['id']} {row['status']}" if row else ""


def since(word: CameraWord, before: CameraWord | None) -> CameraWord:
    """The word with when the camera came to be so."""
    if before is not None and before.state == word.state:
        return replace(word, since=before.since)
    return replace(word, since=utc_now().isoformat(timespec="seconds"))
