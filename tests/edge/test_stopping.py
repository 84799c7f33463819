"""A service that is told to end does so, whatever it is doing at that instant."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Sequence

import pytest

from tests.conftest import REPO

# With no pause, the signal comes while the event's lock is held.
SERVICE = """
from edge.stopping import stop_on_signals
stop = stop_on_signals()
print("ready", flush=True)
while not stop.is_set():
    stop.wait({pause_s})
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_service_that_is_just_looking_whether_it_should_end(number: signal.Signals) -> None:
    for _ in range(5):
        assert ended_by([number], pause_s=0)


def test_signals_close_upon_each_other_end_a_service_that_waits() -> None:
    """The kernel tells of a dead parent once for each of its threads."""
    for _ in range(5):
        assert ended_by([signal.SIGTERM] * 20, pause_s=60)


def ended_by(signals: Sequence[signal.Signals], pause_s: float) -> bool:
    command = [sys.executable, "-c", SERVICE.format(pause_s=pause_s)]
    with subprocess.Popen(command, cwd=REPO, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            for number in signals:
                process.send_signal(number)
            return process.wait(timeout=10) in (0, -signals[-1])
        finally:
            process.kill()
