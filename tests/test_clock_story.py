"""The real programs on a machine whose clock starts at 1970 and is set while they run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from edge.clock import follows_time_server
from tests.conftest import REPO
from tests.live import free_port, wait_until

LIBRARY = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)


@contextmanager
def running(module: str, config_path: Path, offset: Path, *arguments: str) -> Iterator[None]:
    """A service of the station whose wall clock is off by the seconds that a file says."""
    environment = {
        **os.environ,
        "LD_PRELOAD": str(LIBRARY),
        "FAKETIME_TIMESTAMP_FILE": str(offset),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    command = [sys.executable, "-m", module, *arguments, "--config", str(config_path)]
    with subprocess.Popen(command, cwd=REPO, env=environment, stderr=subprocess.DEVNULL) as process:
        try:
            yield
        finally:
            process.kill()


def answer(url: str, method: str = "GET") -> dict[str, Any]:
    with urllib.request.urlopen(urllib.request.Request(url, method=method), timeout=10) as response:
        document: dict[str, Any] = json.load(response)
        return document


@pytest.mark.skipif(LIBRARY is None, reason="no libfaketime here: apt install faketime")
@pytest.mark.skipif(follows_time_server(), reason="this machine's clock follows a time server, and says so")
def test_a_goat_that_was_measured_in_1970_gets_its_true_time_when_the_clock_is_set(
    config_path: Path, tmp_path: Path
) -> None:
    port, offset = free_port(), tmp_path / "offset"
    offset.write_text(f"{-int(time.time()) + 60}\n")
    config_path.write_text(config_path.read_text() + f"\n[dashboard]\nport = {port}\n")
    api = f"http://127.0.0.1:{port}/api/v1"
    with running("edge.cli", config_path, offset, "run"), running("dashboard", config_path, offset):
        wait_until(lambda: answer(f"{api}/captures"), what="the dashboard answers")
        began = datetime.now(UTC)
        address = f"{api}/results/{answer(f'{api}/captures', 'POST')['capture_id']}"
        before = wait_until(lambda: closed(address), what="the goat is measured")
        assert before["capture_id"].startswith("1970")
        assert (before["status"], before["time_state"]) == ("completed", "waiting")

        offset.write_text("+0\n")
        wait_until(lambda: answer(address)["time_state"] == "corrected", what="the capture is corrected")
        after = answer(address)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/captures/{after['capture_id']}") as response:
            page = response.read().decode()
    assert abs((datetime.fromisoformat(after["taken_at"]) - began).total_seconds()) < 5
    assert after["requested_at"] == before["requested_at"]
    assert after["clock_correction"]["source"] == "set"
    assert "The clock was corrected by +5" in page


def closed(address: str) -> dict[str, Any] | None:
    result = answer(address)
    return None if result["status"] in ("queued", "processing") else result
