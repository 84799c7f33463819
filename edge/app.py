"""The station: opens everything, loops over presses, closes everything."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from threading import Event

from edge import pipeline
from edge.calibration import read_calibration
from edge.cameras import Rig, open_rig
from edge.chores import Chore, Chores
from edge.clock import read_clock
from edge.config import Config
from edge.devices.heard import Heard
from edge.devices.report import Devices
from edge.devices.serial_lines import listening
from edge.devices.sources import SerialPort
from edge.errors import StoreError
from edge.eye import Eye
from edge.keeping.archive import Archive
from edge.keeping.dating import ClockWatch
from edge.keeping.locks import held
from edge.keeping.store import Store
from edge.models import load_model
from edge.mqtt.remote import open_remote
from edge.preview import Previews
from edge.records import Capture, Stamp
from edge.segment import Segmenter
from edge.shelf import title, write_serving
from edge.systemd import Supervisor
from edge.telling import TELL_S, StationTeller
from edge.word import forget

log = logging.getLogger("goatdev.station")

# A press is served within this time when the station is idle.
POLL_S = 0.02
# A clock that was set is noticed within this time, and a capture dated in each.
CLOCK_S = 0.2
READY = "waiting for a press"


@dataclass(frozen=True, slots=True)
class Station:
    """All parts of a running station."""

    config: Config
    store: Store
    archive: Archive
    rig: Rig
    eye: Eye
    heard: Heard
    previews: Previews
    chores: Chores
    clock: Callable[[], Stamp] = read_clock

    def serve(self, capture: Capture, alive: Callable[[], None] = lambda: None) -> Capture:
        """Do what a waiting row asks for: measure, measure again, or say that it came too late."""
        if capture.images_of("raw"):
            done = pipeline.measure_again(capture, self.archive, self.eye, self.store, alive)
        elif self.is_stale(capture):
            hint = "press again while the goat stands in the crate"
            done = capture.missed("the press was older than the station may serve", hint)
            self.store.close_capture(done)
        else:
            done = pipeline.take_capture(
                capture, self.rig, self.archive, self.eye, self.store, self.heard.join, alive
            )
        log.info("%s %s%s", done.id, done.status, f": {done.failure}" if done.failure else "")
        return done

    @property
    def model(self) -> str:
        """What it measures with, in words."""
        return title(self.eye.segmenter.card.as_document())

    def label_late(self, capture: Capture) -> Capture:
        """A tag or weight that came shortly after the press still belongs to it."""
        known = self.store.capture(capture.id)
        if self.heard.join(known) == known:
            return known
        labelled = self.store.label(capture.id, self.heard.join)
        log.info("%s is now %s", capture.id, labelled.goat_id or "nobody's")
        return labelled

    def is_stale(self, capture: Capture) -> bool:
        return capture.trigger.age_s(self.clock()) > self.config.station.max_age_s


@contextmanager
def open_station(config: Config, clock: Callable[[], Stamp] = read_clock) -> Iterator[Station]:
    """Everything the station needs, opened in order, interrupted captures closed; all closed at the end."""
    busy = f"another station is already running on {config.data_dir}"
    with (
        held(config.station_lock, busy, "stop it first, or name another data folder"),
        Store(config.database_path) as store,
    ):
        forget(config.word_path)
        archive = Archive(config.image_folder)
        close_interrupted(store, archive)
        eye = Eye(open_model(config), read_calibration(config.calibration_path), config.station.language)
        rig = open_rig(config.cameras, config.folder)
        try:
            previews = Previews(rig.cameras, config.preview_folder)
            watch = ClockWatch(store, config.station.language, clock)
            with listening_to_devices(config, clock) as heard:
                chores = Chores([Chore(0, previews.refresh), Chore(CLOCK_S, watch.look)])
                yield Station(config, store, archive, rig, eye, heard, previews, chores, clock)
        finally:
            rig.close()


@contextmanager
def listening_to_devices(config: Config, clock: Callable[[], Stamp]) -> Iterator[Heard]:
    """What reader and scale say on serial ports, for as long as the block lasts; the broker brings the others'."""
    devices = Devices(config.devices_path, config.devices())
    heard = Heard(config.reader, config.scale, devices, config.station.language, clock)
    with ExitStack() as ports:
        for name, source in config.devices().items():
            if isinstance(source, SerialPort):
                ask = config.scale.ask if name == "scale" else ""
                on_line, on_state = partial(heard.hear, name), partial(devices.reached, name)
                ports.enter_context(listening(source, on_line, on_state, ask))
        yield heard


def open_model(config: Config) -> Segmenter:
    """The current model for as long as the station runs; a damaged one gives way to the one before it, aloud."""
    loaded = load_model(config)
    serving = loaded.as_serving()
    log.info("measuring with %s", serving.title)
    if loaded.problem is not None:
        log.warning("this is not the model that should be current: %s", loaded.problem)
    try:
        write_serving(config.serving_path, serving)
    except StoreError as error:
        log.warning("%s", error)
    return loaded.segmenter


def close_interrupted(store: Store, archive: Archive) -> None:
    """The first act of every start: what a crash left in the middle is failed, its pictures kept."""
    archive.discard_parts()
    for capture in store.interrupted():
        archive.settle(capture.id)
        kept = tuple(image for image in archive.images_of(capture.id) if image.kind == "raw")
        closed = capture.with_images(kept).failed(
            "the station restarted during this capture", "press again; its pictures are kept"
        )
        store.close_capture(closed)
        log.warning("%s failed: %s", closed.id, closed.failure)


def run_station(config: Config, stop: Event, on_capture: Callable[[Capture], None] | None = None) -> None:
    """Serve presses until told to stop."""
    latest: Capture | None = None
    supervisor = Supervisor()
    with (
        open_station(config) as station,
        open_remote(config, station.store, station.heard, station.model) as remote,
    ):
        teller = StationTeller(
            config.word_path,
            station.store,
            station.rig.cameras,
            station.model,
            station.eye.calibration.sha256,
            remote.word,
            remote.changes,
        )
        station.chores.add(Chore(TELL_S, teller.tell))
        log.info("station %s is ready", config.station.id)
        supervisor.ready(READY)
        while not stop.is_set():
            supervisor.alive()
            if latest is not None and station.heard.still_comes(latest):
                station.label_late(latest)
            capture = station.store.next_queued()
            if capture is None:
                supervisor.status(READY)
                station.chores.do_next()
                stop.wait(POLL_S)
                continue
            supervisor.status(f"measuring {capture.id}")
            remote.begins(capture)
            latest = station.serve(capture, supervisor.alive)
            remote.ends(latest)
            teller.tell()
            if on_capture is not None:
                on_capture(latest)
        supervisor.stopping()
