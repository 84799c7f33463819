"""One camera and the thread that tends it: opens it, asks it for pictures, and opens it again when it was lost.

Only that thread touches the camera, so a camera that hangs holds up nobody: who waits for its picture gives up at the
time limit, and the thread goes on when the camera lets it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from queue import Empty, SimpleQueue
from threading import BoundedSemaphore, Event, Thread
from typing import Any, Protocol

from edge.cameras.frozen import Memory
from edge.errors import CaptureError, FrozenPicture
from edge.records import Frame, utc_now
from edge.word import FROZEN, HANGS, LOST, OPENING, STREAMING, CameraWord

log = logging.getLogger("goatdev.cameras")

# Between attempts to open a lost camera: sooner first, so that a loose plug costs one press and no more.
SHORTEST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 5.0
# An idle camera is looked after this often, so that one that was unplugged and plugged in again costs no press.
LOOK_S = 2.0
# A press waits so long for a camera that is lost, for it may be back by now.
LOST_WAIT_S = 0.3
# A station that stops does not wait longer than this for a camera that hangs.
CLOSING_S = 2.0


class Device(Protocol):
    """An open camera, of whatever kind. Every call may raise CaptureError, after which it is closed.

    shoot    a frame exposed after the call
    preview  a small JPEG, soon
    rest     stop exposing until the next call, so that others may use the bus
    check    only that it is still there
    close    may be called twice
    """

    def shoot(self) -> Frame: ...
    def preview(self) -> bytes: ...
    def rest(self) -> None: ...
    def check(self) -> None: ...
    def close(self) -> None: ...


class Source(Protocol):
    """Where a camera is plugged in. `open` raises CaptureError where there is none now."""

    def open(self) -> Device: ...


class Job:
    """What somebody wants of a camera, and where the answer goes."""

    def __init__(self, verb: Callable[[Device], Any]) -> None:
        self.verb = verb
        self.answer: Future[Any] = Future()

    def refuse(self, error: BaseException) -> None:
        if self.answer.set_running_or_notify_cancel():
            self.answer.set_exception(error)


class TendedCamera:
    """The camera of one view, whether or not it is there at the moment.

    limit_s  how long a shot may take
    bus      what cameras share that cannot all expose at the same time; each takes it for one picture, and rests
    """

    def __init__(
        self, view: str, source: Source, limit_s: float, bus: BoundedSemaphore | None = None
    ) -> None:
        self.view = view
        self.source = source
        self.limit_s = limit_s
        self.bus = bus
        self.memory = Memory()
        self.lost: CaptureError | None = CaptureError(f"{view}: the camera is being opened", "wait a moment")
        self.last_picture_at = ""
        # Set until it gives a new picture: one that opens again may still be frozen.
        self.frozen: CaptureError | None = None
        # The job that the thread is at, and the last one that somebody gave up waiting for.
        self.running: Job | None = None
        self.overdue: Job | None = None
        self.mistake: Exception | None = None
        self.jobs: SimpleQueue[Job | None] = SimpleQueue()
        self.tried, self.closed = Event(), Event()
        self.thread = Thread(target=self.tend, name=f"{view} camera", daemon=True)
        self.thread.start()

    def wait_for_first_try(self, seconds: float) -> None:
        """Until the camera is open or known to be absent."""
        self.tried.wait(seconds)

    # What others ask for.

    def shoot(self) -> Frame:
        """A frame exposed after the call that the camera never gave before; raises CaptureError within the limit."""
        if self.mistake is not None:
            raise self.mistake
        if self.overdue is not None and self.overdue is self.running:
            raise self.too_late()  # without waiting again
        lost = self.lost
        answer: Future[Frame] = self.ask(self.expose)
        try:
            return answer.result(self.limit_s if lost is None else min(LOST_WAIT_S, self.limit_s))
        except TimeoutError:
            answer.cancel()
            self.overdue = self.running
            raise (self.mistake or (afresh(lost) if lost else self.too_late())) from None

    def word(self) -> CameraWord:
        """How it is now, without asking it."""
        hangs = self.overdue is not None and self.overdue is self.running
        error = self.too_late() if hangs else self.frozen or self.lost
        if error is None:
            return CameraWord(STREAMING, last_picture_at=self.last_picture_at)
        state = HANGS if hangs else FROZEN if self.frozen else LOST if self.tried.is_set() else OPENING
        return CameraWord(state, error.message, error.hint, self.last_picture_at)

    def ask_preview(self) -> Future[bytes | None]:
        """A small picture when there is one, without waiting."""
        return self.ask(self.take_preview)

    def rest(self) -> None:
        self.ask(lambda device: device.rest())

    def close(self) -> None:
        self.closed.set()
        self.jobs.put(None)
        self.thread.join(CLOSING_S)

    def ask(self, verb: Callable[[Device], Any]) -> Future[Any]:
        job = Job(verb)
        self.jobs.put(job)
        return job.answer

    def too_late(self) -> CaptureError:
        return CaptureError(
            f"{self.view}: no picture within {self.limit_s:g} s",
            "pull the camera's cable and plug it back in",
        )

    # What the thread does.

    def tend(self) -> None:
        try:
            self.keep_open()
        except Exception as mistake:  # of ours: it ends the station, in the thread that shoots next
            self.mistake = mistake
        finally:
            self.tried.set()

    def keep_open(self) -> None:
        device, pause_s = None, SHORTEST_PAUSE_S
        job: Job | None = None
        while not self.closed.is_set():
            device = device or self.opened()
            if job is not None:
                self.running = job
                device = self.done(job, device)
                self.running = None
            self.tried.set()
            pause_s = SHORTEST_PAUSE_S if device or job else min(2 * pause_s, LONGEST_PAUSE_S)
            job = self.next_job(LOOK_S if device else pause_s)
            if device and job is None:
                job = Job(lambda device: device.check())
        if device is not None:
            device.close()

    def next_job(self, wait_s: float) -> Job | None:
        try:
            return self.jobs.get(timeout=wait_s)
        except Empty:
            return None

    def opened(self) -> Device | None:
        try:
            device = self.source.open()
        except CaptureError as error:
            self.tell_lost(error)
            return None
        if self.tried.is_set() and self.lost is not None:
            log.info("the %s camera is back", self.view)
        self.lost = None
        return device

    def done(self, job: Job, device: Device | None) -> Device | None:
        """Do one job; returns the camera, or None where it is lost."""
        if device is None:
            job.refuse(afresh(self.lost) if self.lost else self.too_late())
            return None
        if not job.answer.set_running_or_notify_cancel():
            return device
        try:
            job.answer.set_result(job.verb(device))
        except CaptureError as error:
            self.tell_lost(error)
            device.close()
            job.answer.set_exception(error)
            return None
        except Exception as mistake:
            job.answer.set_exception(mistake)
            raise
        return device

    def expose(self, device: Device) -> Frame:
        with self.turn(device):
            frame = device.shoot()
        if self.memory.knows(frame.jpeg):
            raise FrozenPicture(
                f"{self.view}: the camera gave a picture that it had given before",
                "it is being started anew: press again",
            )
        self.frozen, self.last_picture_at = None, utc_now().isoformat(timespec="seconds")
        return frame

    def take_preview(self, device: Device) -> bytes:
        with self.turn(device):
            return device.preview()

    @contextmanager
    def turn(self, device: Device) -> Iterator[None]:
        """This camera's turn on the bus, if there is one to share; not waited for behind a camera that hangs."""
        if self.bus is None:
            yield
            return
        taken = self.bus.acquire(timeout=self.limit_s / 2)
        try:
            yield
            device.rest()
        finally:
            if taken:
                self.bus.release()

    def tell_lost(self, error: CaptureError) -> None:
        """Say once what is wrong, not at every attempt."""
        if self.lost is None or not self.tried.is_set():
            log.warning("%s", error)
        self.lost = afresh(error)
        self.frozen = self.lost if isinstance(self.lost, FrozenPicture) else None


def afresh(error: CaptureError) -> CaptureError:
    """The same error, raised from nowhere yet: one that is kept would keep alive all that it has passed through."""
    return type(error)(error.message, error.hint)
