"""The unit files are ones that systemd understands whole."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import REPO

UNITS = sorted((REPO / "systemd").glob("*.service"))


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_systemd_understands_every_key(unit: Path, tmp_path: Path) -> None:
    """The program is not installed here, so another one that exists stands in for it."""
    copy = tmp_path / unit.name
    copy.write_text(unit.read_text().replace("/opt/goatdev/venv/bin/goatdev", "/bin/true"))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(copy)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_a_configuration_error_is_not_restarted(unit: Path) -> None:
    assert "RestartPreventExitStatus=78" in unit.read_text()
