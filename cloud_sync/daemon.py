"""The sync daemon: delivers the outbox whenever there is a link, and waits quietly when there is none."""

from __future__ import annotations

import logging
import os
import random
import time
from collections.abc import Callable
from dataclasses import replace
from threading import Event

from cloud_sync.deliver import Cloud, deliver
from cloud_sync.folder import FolderCloud
from edge.config import Config
from edge.document import software
from edge.errors import ConfigError, DeliveryDelayed, DeliveryRefused, DiskTrouble
from edge.keeping.archive import Archive
from edge.keeping.locks import held, held_in_turn
from edge.keeping.outbox import LONGEST_WAIT_S, Outbox
from edge.keeping.store import Store
from edge.records import utc_now
from edge.systemd import Supervisor
from edge.word import SyncWord, Teller, memory_bytes

log = logging.getLogger("goatdev.sync")

# Also who waits for longer says so often that it moves.
LONGEST_STEP_S = 0.5
# What was delivered without a receipt is delivered again: not at every turn.
DISK_WAIT_S = 60.0


class Link:
    """Whether the cloud answers. Says once that it is lost and once that it is back."""

    def __init__(self) -> None:
        self.why = ""

    @property
    def up(self) -> bool:
        return not self.why

    def lost(self, why: str) -> None:
        if self.up:
            log.warning("the cloud is lost: %s", why)
        self.why = why

    def back(self) -> None:
        if not self.up:
            log.info("the cloud is back")
        self.why = ""


def run_sync(config: Config, stop: Event) -> int:
    """Deliver what is due, again and again, until told to stop."""
    cloud, supervisor = open_cloud(config), Supervisor()
    alive = supervisor.alive

    def tell_of_the_other() -> None:
        """A sync that was told to end finishes the capture it is at, which a slow link can make long."""
        supervisor.ready("waiting for another sync to end")
        log.info("another sync is running on %s; this one takes over when it has ended", config.data_dir)

    with (
        held_in_turn(config.sync_lock, stop, tell_of_the_other, alive),
        open_store(config) as store,
    ):
        log.info("delivering to %s", cloud.name)
        supervisor.ready(f"delivering to {cloud.name}")
        link, teller = Link(), Teller(config.sync_word_path)
        first = SyncWord(os.getpid(), utc_now().isoformat(timespec="seconds"), software(), cloud.name)
        while not stop.is_set():
            delivered = deliver_aloud(Outbox(store), open_archive(config), cloud, link, stop, alive)
            teller.tell(replace(first, lost=link.why, memory_bytes=memory_bytes()))
            if not delivered:
                pause(config.sync.poll_s, stop, alive)
            store.require_in_place()
        supervisor.stopping()
    return 0


def pause(seconds: float, stop: Event, alive: Callable[[], None]) -> None:
    """Wait, in steps short enough for who watches."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0 and not stop.wait(min(left, LONGEST_STEP_S)):
        alive()
    alive()


def deliver_aloud(
    outbox: Outbox, archive: Archive, cloud: Cloud, link: Link, stop: Event, alive: Callable[[], None]
) -> int:
    """As `deliver_due`; while receipts cannot be kept, because the disk takes nothing, that is said and waited for."""
    try:
        return deliver_due(outbox, archive, cloud, link, stop, alive)
    except DiskTrouble as error:
        log.error("a receipt could not be kept: %s", error)
        pause(DISK_WAIT_S, stop, alive)
        return 0


def sync_once(config: Config) -> int:
    """Deliver all that is due now; 0 when nothing is left that could have gone."""
    cloud = open_cloud(config)
    busy = f"another sync is already running on {config.data_dir}"
    with held(config.sync_lock, busy, "it delivers already"), open_store(config) as store:
        outbox, link = Outbox(store), Link()
        while deliver_due(outbox, open_archive(config), cloud, link):
            pass
        backlog = outbox.backlog()
    log.info("delivered %s, due %s, parked %s", *(backlog.get(s, 0) for s in ("delivered", "due", "parked")))
    return 0 if link.up and not backlog.get("parked") else 1


def deliver_due(
    outbox: Outbox,
    archive: Archive,
    cloud: Cloud,
    link: Link,
    stop: Event | None = None,
    alive: Callable[[], None] = lambda: None,
) -> int:
    """Deliver what is due, oldest first, until a dead link or `stop`. Returns how many went."""
    delivered = 0
    for entry in outbox.due():
        if stop is not None and stop.is_set():
            break
        try:
            receipt = deliver(entry, archive, cloud, outbox.received(entry.capture_id), alive)
        except DeliveryRefused as error:  # will never work: park it, show it, go on
            outbox.parked(entry, str(error))
            log.error("%s parked: %s", entry.capture_id, error)
        except DeliveryDelayed as error:  # may work later: wait longer each time
            outbox.delayed(entry, str(error), wait_after(entry.attempts))
            link.lost(str(error))
            return delivered
        else:
            outbox.delivered(entry, receipt)
            link.back()
            delivered += 1
    return delivered


def wait_after(attempts: int) -> float:
    """Seconds until the next attempt: doubling to five minutes, with jitter so that stations spread out."""
    return min(LONGEST_WAIT_S, 2.0 ** min(attempts, 10)) * random.uniform(0.5, 1.0)


def open_cloud(config: Config) -> Cloud:
    kind, _, where = config.sync.destination.partition(":")
    if kind != "folder":
        raise ConfigError("[sync] destination: nowhere to deliver to", 'for example "folder:/media/usb"')
    return FolderCloud(config.folder / where)


def open_store(config: Config) -> Store:
    return Store(config.database_path)


def open_archive(config: Config) -> Archive:
    return Archive(config.image_folder)
