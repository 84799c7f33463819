"""A service that is told to end does so, whatever it is doing at that instant."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from tests.conftest import REPO

# Looks at the event without a pause, so that the signal comes while its lock is held.
RESTLESS = """
from edge.stopping import stop_on_signals
stop = stop_on_signals()
print("ready", flush=True)
while not stop.is_set():
    stop.wait(0)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_service_that_is_just_looking_whether_it_should_end(number: signal.Signals) -> None:
    for _ in range(5):
        with subprocess.Popen([sys.executable, "-c", RESTLESS], cwd=REPO, stdout=subprocess.PIPE) as process:
            try:
                assert process.stdout is not None
                assert process.stdout.readline() == b"ready\n"
                process.send_signal(number)
                assert process.wait(timeout=10) == 0
            finally:
                process.kill()
