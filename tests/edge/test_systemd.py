"""systemd hears that a service is ready, what it does and that its loop moves; and nothing from one that hangs."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from edge.config import Config, load_config
from edge.keeping.store import Store
from edge.systemd import Supervisor
from edge.triggers import new_trigger
from tests.live import running_station, wait_until
from tests.supervised import FED, Heard, started_by_systemd, supervising

# Of these tests: a loop that moves says so at least every half of it.
WATCHDOG_S = 1.0


@pytest.fixture
def supervised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with started_by_systemd(tmp_path, monkeypatch, WATCHDOG_S) as heard:
        yield heard


def environment(path: Path | str, **more: str) -> dict[str, str]:
    return {"NOTIFY_SOCKET": str(path), **more}


def test_each_message_is_one_datagram_of_lines(tmp_path: Path) -> None:
    with supervising(tmp_path / "notify") as heard:
        supervisor = Supervisor(environment(tmp_path / "notify"))
        supervisor.ready("waiting")
        supervisor.status("waiting")
        supervisor.status("measuring")
        supervisor.stopping()
        wait_until(lambda: heard.has("STOPPING=1"))
    assert heard.said == [
        "READY=1",
        "STATUS=waiting",
        "STATUS=measuring",
        "STOPPING=1",
        "STATUS=ending",
    ]


def test_an_abstract_socket_is_reached() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
        line.bind(f"\0goatdev-test-{os.getpid()}")
        line.settimeout(5)
        Supervisor(environment(f"@goatdev-test-{os.getpid()}")).ready("waiting")
        assert line.recv(100) == b"READY=1\nSTATUS=waiting"


def test_outside_systemd_and_where_nobody_listens_it_is_silent(tmp_path: Path) -> None:
    for environ in ({}, environment(tmp_path / "nobody", WATCHDOG_USEC="1000000")):
        supervisor = Supervisor(environ)
        supervisor.ready("waiting")
        supervisor.alive()
        supervisor.stopping()


@pytest.mark.parametrize(
    ("environ", "every_s"),
    [
        ({"WATCHDOG_USEC": "60000000"}, 5.0),
        ({"WATCHDOG_USEC": "4000000"}, 2.0),
        ({"WATCHDOG_USEC": "4000000", "WATCHDOG_PID": str(os.getpid())}, 2.0),
        ({"WATCHDOG_USEC": "4000000", "WATCHDOG_PID": "1"}, 0.0),
        ({"WATCHDOG_USEC": "soon"}, 0.0),
        ({}, 0.0),
    ],
)
def test_the_watchdog_is_fed_at_half_its_limit_or_sooner(environ: dict[str, str], every_s: float) -> None:
    assert Supervisor(environ).every_s == every_s


def test_a_loop_that_turns_fast_says_so_no_more_often_than_needed(tmp_path: Path) -> None:
    now = [0.0]
    with supervising(tmp_path / "notify") as heard:
        environ = environment(tmp_path / "notify", WATCHDOG_USEC="4000000")
        supervisor = Supervisor(environ, lambda: now[0])
        for _ in range(101):
            supervisor.alive()
            now[0] += 0.1
        supervisor.stopping()
        wait_until(lambda: heard.has("STOPPING=1"))
    assert heard.said.count(FED) == 6


def settled(config: Config, **keys: str) -> Config:
    """The same configuration with other keys of [cameras]."""
    path = config.folder / "goatdev.toml"
    lines = "\n".join(f"{key} = {value}" for key, value in keys.items())
    text = path.read_text().replace("burst_shots = 1", "").replace("[cameras]", f"[cameras]\n{lines}")
    path.write_text(text)
    return load_config(path)


def test_the_station_says_ready_then_that_it_moves_also_while_it_measures_and_at_last_that_it_stops(
    config: Config, supervised: Heard
) -> None:
    config = settled(config, burst_shots="5", burst_s="2.5")
    with running_station(config), Store(config.database_path) as store:
        wait_until(lambda: supervised.has("READY=1"))
        begin = time.monotonic()
        pressed = store.press(new_trigger("command"), "barn1")
        wait_until(lambda: not store.capture(pressed.id).is_unfinished)
        end = time.monotonic()
    # Twice a second while the five shots are taken, whatever else this machine has to do.
    assert supervised.fed_between(begin, end) >= 4
    said = [line for line in supervised.said if line != FED]
    assert said[:2] == ["READY=1", "STATUS=waiting for a press"]
    assert said[2] == f"STATUS=measuring {pressed.id}"
    assert said[-2:] == ["STOPPING=1", "STATUS=ending"]


def test_nothing_is_said_for_a_station_whose_loop_hangs(config: Config, supervised: Heard) -> None:
    """A camera that does not answer holds the loop up, while all other threads of the process go on."""
    config = settled(config, burst_shots="1", limit_s="3")
    with running_station(config), Store(config.database_path) as store:
        wait_until(lambda: supervised.has("READY=1"))
        faults = config.folder / "simulated-faults.toml"
        faults.write_text('side = "stalled"\ntop = "stalled"\nfront = "stalled"\n')
        pressed = store.press(new_trigger("command"), "barn1")
        wait_until(lambda: supervised.has(f"STATUS=measuring {pressed.id}"))
        begin = time.monotonic()
        wait_until(lambda: not store.capture(pressed.id).is_unfinished)
        assert supervised.longest_silence_s(begin, time.monotonic()) > 2 * WATCHDOG_S
        faults.unlink()


def test_a_station_that_cannot_start_never_says_ready(config_path: Path, tmp_path: Path) -> None:
    config_path.write_text(config_path.read_text() + "nonsense = 1\n")
    with supervising(tmp_path / "notify") as heard:
        done = subprocess.run(
            [sys.executable, "-m", "edge.cli", "run", "--config", str(config_path)],
            env={**os.environ, **environment(tmp_path / "notify")},
            capture_output=True,
            check=False,
        )
    assert done.returncode == 78
    assert heard.said == []
