"""The unit files are ones that systemd understands whole, and give each service what it needs and little else."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from edge.keeping.opening import BUSY_TIMEOUT_S
from edge.mqtt.broker import PASSWORD_CREDENTIAL
from edge.settings import CAMERA_LIMITS
from edge.systemd import LONGEST_SILENCE_S
from tests.conftest import REPO

UNITS = sorted((REPO / "systemd").glob("*.service"))


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_systemd_understands_every_key(unit: Path, tmp_path: Path) -> None:
    """The program is not installed here, so another one that exists stands in for it."""
    copy = startable(unit, tmp_path)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(copy)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def startable(unit: Path, folder: Path) -> Path:
    copy = folder / unit.name
    copy.write_text(unit.read_text().replace("/opt/goatdev/current/venv/bin/goatdev", "/bin/true"))
    return copy


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_a_service_is_exposed_by_no_more_than_2_5_of_10(unit: Path, tmp_path: Path) -> None:
    command = ["systemd-analyze", "security", "--no-pager", "--offline=true", "--threshold=25"]
    done = subprocess.run(
        [*command, str(startable(unit, tmp_path))], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def keys(name: str) -> dict[str, list[str]]:
    """key -> all its values in one unit."""
    found: dict[str, list[str]] = {}
    for line in (REPO / "systemd" / f"goatdev-{name}.service").read_text().splitlines():
        key, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            found.setdefault(key, []).append(value)
    return found


@pytest.mark.parametrize("name", ["station", "dashboard", "sync"])
def test_a_service_is_started_again_unless_its_configuration_is_wrong(name: str) -> None:
    unit = keys(name)
    assert unit["Type"] == ["notify"]
    assert unit["Restart"] == ["on-failure"]
    assert unit["RestartPreventExitStatus"] == ["78"]
    assert unit["StartLimitAction"] == ["none"]
    assert unit["TimeoutStopSec"] == ["10"]


def test_the_watchdog_waits_longer_than_any_step_of_the_station_may_take() -> None:
    """Whatever is configured: the longest pause before a shot, a camera that hangs, a disk that is busy."""
    most = {name: high for name, _, high, _ in CAMERA_LIMITS}
    longest_s = LONGEST_SILENCE_S + most["burst_s"] + most["limit_s"] + BUSY_TIMEOUT_S
    assert longest_s < float(keys("station")["WatchdogSec"][0])
    assert float(keys("dashboard")["WatchdogSec"][0]) > LONGEST_SILENCE_S + BUSY_TIMEOUT_S


def test_only_the_station_sees_devices_and_only_the_sync_the_internet() -> None:
    allowed = keys("station")["DeviceAllow"]
    for device in ("char-video4linux", "char-media", "char-dma_heap", "char-ttyUSB", "/dev/vcio"):
        assert f"{device} rw" in allowed
    assert keys("station")["DevicePolicy"] == ["closed"]
    for name in ("dashboard", "sync"):
        assert keys(name)["PrivateDevices"] == ["yes"]
    for name in ("station", "dashboard"):
        assert keys(name)["IPAddressDeny"] == ["any"]
    assert "IPAddressDeny" not in keys("sync")


@pytest.mark.parametrize("name", ["station", "dashboard", "sync"])
def test_a_service_may_ask_the_kernel_whether_a_time_server_is_followed(name: str) -> None:
    """ProtectClock would refuse the question together with the answer's change."""
    assert keys(name)["SystemCallFilter"] == ["@system-service", "~@privileged", "adjtimex clock_adjtime"]
    assert keys(name)["CapabilityBoundingSet"] == [""]
    assert "ProtectClock" not in keys(name)


@pytest.mark.parametrize("name", ["station", "sync"])
def test_each_credential_has_an_empty_one_behind_it_so_that_an_absent_file_keeps_nothing_from_starting(
    name: str,
) -> None:
    files = [value.partition(":")[0] for value in keys(name)["LoadCredential"]]
    assert [value.partition(":") for value in keys(name)["SetCredential"]] == [
        (file, ":", "\\n") for file in files
    ]
    assert name != "station" or PASSWORD_CREDENTIAL in files


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="shellcheck is not installed")
@pytest.mark.parametrize("script", ["install.sh", "uninstall.sh", "boot_check"])
def test_the_scripts_that_root_runs_are_clean(script: str) -> None:
    done = subprocess.run(
        ["shellcheck", str(REPO / "scripts" / script)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")


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
