"""The unit files are ones that systemd understands whole."""

from __future__ import annotations

import os
import re
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


RULES = sorted((REPO / "systemd").glob("*.rules"))


# Where udev has no `verify` (Bookworm), it reads the rules from a folder of its own, seen by nobody else.
ASIDE = """\
mkdir -p /run/udev && mount -t tmpfs none /run/udev && mkdir /run/udev/rules.d &&
cp "$0" /run/udev/rules.d/ && udevadm test /sys/class/mem/null 2>&1
"""


def read_by_udev(rules: Path) -> str:
    """What udev says when it reads a file of rules."""
    if udev_verifies():
        command = ["udevadm", "verify", str(rules)]
    elif os.geteuid() == 0 and shutil.which("unshare"):
        command = ["unshare", "-m", "sh", "-c", ASIDE, str(rules)]
    else:
        pytest.skip("this udev reads rules for root only")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if "permission denied" in done.stderr.lower() or "not permitted" in done.stderr.lower():
        pytest.skip("root may not mount here")
    return done.stdout + done.stderr


def udev_verifies() -> bool:
    if shutil.which("udevadm") is None:
        pytest.skip("udev is not installed")
    asked = subprocess.run(["udevadm", "verify", "--help"], capture_output=True, check=False)
    return asked.returncode == 0


@pytest.mark.parametrize("rules", RULES, ids=lambda path: path.name)
def test_udev_understands_every_rule(rules: Path) -> None:
    said = read_by_udev(rules)
    assert said
    assert not re.search(rf"{rules.name}:\d", said), said


def test_udev_complains_of_a_rule_that_is_none(tmp_path: Path) -> None:
    broken = tmp_path / "98-broken.rules"
    broken.write_text('SUBSYSTEM=="video4linux", ATR{index}=="0", GROUP="video"\n')
    assert "98-broken.rules:1" in read_by_udev(broken)
