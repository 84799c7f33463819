"""The service: starts with one line, ends cleanly, explains why it cannot start."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dashboard.__main__ import main
from edge.config import Config
from tests.live import free_port


@pytest.fixture
def config_file(config: Config, tmp_path: Path) -> Path:
    """A configuration whose port is free."""
    path = tmp_path / "goatdev.toml"
    path.write_text(f"{path.read_text()}\n[dashboard]\nport = {free_port()}\n")
    return path


def port_in(config_file: Path) -> int:
    return int(config_file.read_text().rsplit("port = ", 1)[1])


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
def test_it_says_its_address_serves_and_ends_cleanly(config_file: Path, ending: signal.Signals) -> None:
    with ignoring_interrupts(), started(config_file) as service:
        address = f"http://127.0.0.1:{port_in(config_file)}"
        assert service.stderr is not None
        assert service.stderr.readline() == f"dashboard: {address}\n"
        with urllib.request.urlopen(f"{address}/api/v1/goats", timeout=10) as answer:
            assert answer.status == 200
        service.send_signal(ending)
        assert service.wait(timeout=10) == 0
        assert service.stderr.read() == ""


@contextmanager
def started(config_file: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-W", "error", "-m", "dashboard", "--config", str(config_file)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as service:
        try:
            yield service
        finally:
            service.kill()  # one that ended does not mind


@contextmanager
def ignoring_interrupts() -> Iterator[None]:
    """What is started here inherits it, as from a shell that starts something in the background."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_port_in_use_is_named_with_the_remedy(
    config_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port_in(config_file)))
        taken.listen()
        assert main(["--config", str(config_file)]) == 1
    message = capsys.readouterr().err
    assert f"port {port_in(config_file)} is in use" in message
    assert "[dashboard] port" in message


def test_a_host_that_is_not_this_machine_is_explained(
    config_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config_file.write_text(config_file.read_text() + 'host = "203.0.113.7"\n')
    assert main(["--config", str(config_file)]) == 1
    assert "[dashboard] host" in capsys.readouterr().err


def test_a_configuration_error_ends_with_78(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--config", str(tmp_path / "none.toml")]) == 78
    assert "cannot be read" in capsys.readouterr().err


def test_wrong_usage_ends_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--nonsense"])
    assert ended.value.code == 2
