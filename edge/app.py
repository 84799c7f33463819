"""The station: opens everything, loops over presses, closes everything."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from threading import Event

from edge import pipeline
from edge.calibration import read_calibration
from edge.cameras import Rig, open_rig
from edge.chores import Chore, Chores, Patient
from edge.clock import read_clock
from edge.config import Config
from edge.devices.heard import Heard
from edge.devices.report import Devices
from edge.devices.serial_lines import listening
from edge.devices.sources import SerialPort
from edge.errors import DatabaseDamaged, DiskFull, DiskTrouble, StationError, StoreError
from edge.eye import Eye
from edge.keeping.archive import Archive
from edge.keeping.census import Census
from edge.keeping.copies import Copies
from edge.keeping.damage import forget_damage, note_damage
from edge.keeping.dating import ClockWatch
from edge.keeping.disk import Reserve, disk_below, require_room
from edge.keeping.locks import held
from edge.keeping.prune import Pruning
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
# How long the database is looked through at a start, before the first press; `goatdev doctor` looks through all of it.
CHECKED_S = 2.0
DISK_WAIT_S = 5.0
# The same trouble is news again after so long without it.
TOLD_AGAIN_S = 60.0
READY = "waiting for a press"
RESTARTED = StationError("the station restarted during this capture", "press again; its pictures are kept")


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
    write_copy: Patient
    reserve: Reserve
    chores: Chores
    clock: Callable[[], Stamp] = read_clock

    def serve(self, capture: Capture, alive: Callable[[], None] = lambda: None) -> Capture:
        """Do what a waiting row asks for: measure, measure again, or say why not."""
        trouble = self.lack_of_room()
        if not capture.images_of("raw") and self.is_stale(capture):
            hint = "press again while the goat stands in the crate"
            done = capture.missed("the press was older than the station may serve", hint)
            self.store.close_capture(done)
        elif trouble is not None:
            done = capture.failed(trouble.message, trouble.hint)
            self.store.close_capture(done)
        else:
            done = self.measure(capture, alive)
        log.info("%s %s%s", done.id, done.status, f": {done.failure}" if done.failure else "")
        return done

    def measure(self, capture: Capture, alive: Callable[[], None]) -> Capture:
        """Take a capture, or measure one again; on a disk that is full by now, say so in the room of the reserve."""
        try:
            if capture.images_of("raw"):
                return pipeline.measure_again(capture, self.archive, self.eye, self.store, alive)
            return pipeline.take_capture(
                capture, self.rig, self.archive, self.eye, self.store, self.heard.join, alive
            )
        except DiskFull as error:
            if not self.reserve.give_up():
                raise
            close_interrupted(self.store, self.archive, error)
            return self.store.capture(capture.id)

    def lack_of_room(self) -> DiskTrouble | None:
        """Why nothing can be kept now, for a press that was taken when there was room."""
        try:
            require_room(disk_below(self.config.data_dir), self.config.disk)
        except DiskTrouble as trouble:
            return trouble
        return None

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
def open_station(
    config: Config, clock: Callable[[], Stamp] = read_clock, interruption: StationError = RESTARTED
) -> Iterator[Station]:
    """Everything the station needs, opened in order, interrupted captures closed; all closed at the end.

    interruption  why captures were interrupted, if there are any
    """
    busy = f"another station is already running on {config.data_dir}"
    with (
        held(config.station_lock, busy, "stop it first, or name another data folder"),
        open_sound(config) as store,
    ):
        forget(config.word_path)
        archive = Archive(config.image_folder)
        close_interrupted(store, archive, interruption)
        eye = Eye(open_model(config), read_calibration(config.calibration_path), config.station.language)
        rig = open_rig(config.cameras, config.folder)
        try:
            previews = Previews(rig.cameras, config.preview_folder)
            watch = ClockWatch(store, config.station.language, clock)
            with listening_to_devices(config, clock) as heard:
                reserve, census = Reserve(config.reserve_path, config.disk), Census(store, archive)
                reserve.keep()
                pruning = Pruning(store, archive, config.disk, census)
                write_copy = Patient(Copies(store, archive).write_next, reserve.give_up)
                chores = Chores(
                    [
                        Chore(0, previews.refresh),
                        Chore(CLOCK_S, Patient(watch.look, reserve.give_up)),
                        Chore(0.1, write_copy),
                        Chore(0.1, Patient(census.look_at_next_day, reserve.give_up)),
                        Chore(0.2, Patient(pruning.prune_next, reserve.give_up)),
                        Chore(60, reserve.keep),
                        Chore(2, store.require_in_place),
                    ]
                )
                yield Station(
                    config, store, archive, rig, eye, heard, previews, write_copy, reserve, chores, clock
                )
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


@contextmanager
def open_sound(config: Config) -> Iterator[Store]:
    """The database, where it can be trusted; what is wrong with it is noted for those who look at the station."""
    try:
        with Store(config.database_path) as store:
            store.require_sound(CHECKED_S)
            forget_damage(config.database_path)
            yield store
    except DatabaseDamaged as error:
        note_damage(config.database_path, error)
        raise


def close_interrupted(store: Store, archive: Archive, why: StationError = RESTARTED) -> None:
    """The first act of every start: what a crash left in the middle is failed, its pictures kept."""
    archive.discard_parts()
    for capture in store.interrupted():
        archive.settle(capture.id)
        closed = capture.with_images(archive.raw_images_of(capture.id)).failed(why.message, why.hint)
        store.close_capture(closed)
        log.warning("%s failed: %s", closed.id, closed.failure)


def run_station(config: Config, stop: Event, on_capture: Callable[[Capture], None] | None = None) -> None:
    """Serve presses until told to stop. A disk that cannot be written is waited for, aloud."""
    supervisor, interruption = Supervisor(), RESTARTED
    while not stop.is_set():
        began_s = time.monotonic()
        try:
            serve_presses(config, supervisor, stop, on_capture, interruption)
        except DiskTrouble as error:
            if error.message != interruption.message or time.monotonic() - began_s > TOLD_AGAIN_S:
                log.error("the station waits for its disk: %s", error)
            supervisor.ready(f"waiting for its disk: {error.message}")
            interruption = error
            if not Reserve(config.reserve_path, config.disk).give_up():
                stop.wait(DISK_WAIT_S)
            supervisor.alive()
    supervisor.stopping()


def serve_presses(
    config: Config,
    supervisor: Supervisor,
    stop: Event,
    on_capture: Callable[[Capture], None] | None,
    interruption: StationError,
) -> None:
    """Serve presses until told to stop, or until nothing can be written any more."""
    latest: Capture | None = None
    with (
        open_station(config, interruption=interruption) as station,
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
            station.write_copy()
