"""How a service learns that it should end."""

from __future__ import annotations

import os
import signal
from threading import Event, Thread


def stop_on_signals() -> Event:
    """An event that is set when the process is told to end, by systemd or by Ctrl-C.

    Not by the signals' handlers: they run in the main thread, which may be in the middle of waiting for this very
    event and then holds its lock for ever. The bytes that Python writes for each signal wake a thread instead.
    """
    stop = Event()
    heard, told = os.pipe()
    os.set_blocking(told, False)
    signal.set_wakeup_fd(told, warn_on_full_buffer=False)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    Thread(target=set_when_told, args=(stop, heard), name="stop", daemon=True).start()
    return stop


def set_when_told(stop: Event, heard: int) -> None:
    os.read(heard, 1)
    stop.set()
