"""Checks a station on a booted system from outside; started by boot_check, which boots it.

One story, in this order: each check leaves the station as the next one needs it.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

SERVICES = ("goatdev-station", "goatdev-dashboard", "goatdev-sync")
GOATDEV = "runuser -u goatdev -- goatdev"
CONFIG = "--config /etc/goatdev/goatdev.toml"
CAMERAS = """
side = "simulated:/goatdev/edge/samples/captures"
top = "simulated:/goatdev/edge/samples/captures"
front = "simulated:/goatdev/edge/samples/captures"
"""
DATABASE = "/var/lib/goatdev/station.db"


class Machine:
    """The booted container: the process that keeps it, and its files."""

    def __init__(self, keeper: str, root: Path) -> None:
        self.keeper, self.root = keeper, root

    def leader(self) -> str:
        """Its first process, another one after each boot; nothing while there is none."""
        nspawn = child_of(self.keeper)
        return child_of(nspawn) if nspawn else ""

    def run(self, command: str, limit_s: float = 600) -> subprocess.CompletedProcess[str]:
        inside = ["nsenter", "-t", self.leader() or "0", "-a", "-r", "-w", "/usr/bin/env", "-i"]
        path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin"
        return subprocess.run(
            [*inside, path, "LANG=C.UTF-8", "bash", "-c", f"cd / && {command}"],
            capture_output=True,
            text=True,
            timeout=limit_s,
            check=False,
            stdin=subprocess.DEVNULL,
        )

    def must(self, command: str) -> str:
        """What a command says; AssertionError where it fails."""
        done = self.run(command)
        assert done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout.strip()

    def shown(self, service: str, what: str) -> str:
        return self.must(f"systemctl show -P {what} {service}")

    def release(self) -> str:
        return self.must("basename $(readlink /opt/goatdev/current)")

    def press(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.must(f"{GOATDEV} capture --json {CONFIG}"))
        assert document["status"] == "completed", document
        return document

    def captures(self) -> int:
        return len(json.loads(self.must(f"{GOATDEV} captures --json --limit 1000 {CONFIG}")))

    def wait(self, what: str, true: Callable[[], Any], seconds: float) -> float:
        """How long it took until it was true."""
        begun = time.monotonic()
        while not true():
            assert time.monotonic() - begun < seconds, f"not within {seconds:g} s: {what}"
            time.sleep(0.2)
        return time.monotonic() - begun

    def is_active(self, service: str) -> bool:
        return self.run(f"systemctl -q is-active {service}").returncode == 0


def child_of(process: str) -> str:
    found = subprocess.run(["pgrep", "-P", process], capture_output=True, text=True, check=False)
    return found.stdout.strip()


def install(machine: Machine, sources: str = "/goatdev") -> subprocess.CompletedProcess[str]:
    return machine.run(f"{sources}/scripts/install.sh --offline /packages")


def last(text: str) -> str:
    return text.strip().splitlines()[-1].removeprefix("== ").strip()


def boots(machine: Machine) -> str:
    machine.wait("its first process", machine.leader, 30)
    machine.wait("its services", lambda: "running" in machine.run("systemctl is-system-running").stdout, 120)
    one_boot_id(machine)
    system = machine.must("sed -n 's/^PRETTY_NAME=//p' /etc/os-release")
    return f"{system}, systemd {machine.must('systemctl --version').split()[1]}"


def asked(sql: str) -> str:
    """A command that asks the station's database, past the station."""
    return f'python3 -c "import sqlite3; print(sqlite3.connect({DATABASE!r}).execute({sql!r}).fetchall())"'


def one_boot_id(machine: Machine) -> None:
    """A container lays an id of its own over the kernel's; services with a /proc of their own see the kernel's."""
    machine.run("umount /proc/sys/kernel/random/boot_id")


def a_fresh_machine_is_installed_and_told_what_is_missing(machine: Machine) -> str:
    begun = time.monotonic()
    done = install(machine)
    assert done.returncode == 0, done.stdout + done.stderr
    missing = next(line for line in done.stderr.splitlines() if "no camera named" in line)
    assert "goatdev cameras" in done.stdout, done.stdout
    assert not any(map(machine.is_active, SERVICES))
    return f"{time.monotonic() - begun:.0f} s, and it says: {missing}"


def once_configured_all_three_run(machine: Machine) -> str:
    path = machine.root / "etc/goatdev/goatdev.toml"
    text = path.read_text().replace("[cameras]", "[cameras]" + CAMERAS.rstrip() + "\n# ", 1)
    path.write_text(text.replace("[sync]", '[sync]\ndestination = "folder:/mnt/cloud"', 1))
    machine.must(
        "install -d -o goatdev /mnt/cloud && cp /goatdev/edge/samples/calibration.json /etc/goatdev/"
    )
    done = install(machine)
    assert done.returncode == 0, done.stdout + done.stderr
    states = [f"{name}: {machine.shown(name, 'StatusText')}" for name in SERVICES if machine.is_active(name)]
    assert len(states) == len(SERVICES), states
    return "; ".join(states)


def a_press_is_measured_and_delivered(machine: Machine) -> str:
    document = machine.press()
    height = document["measurements"]["withers_height_cm"]
    there = f"test -s /mnt/cloud/goat-processed-local/processed/{document['capture_id']}/result.json"
    took = machine.wait("the result is delivered", lambda: machine.run(there).returncode == 0, 30)
    return f"withers {height['value']} ± {height['u95']} cm, delivered {took:.1f} s later"


MQTT_PRESS = """
import sys, time, threading
import paho.mqtt.client as paho
station, password = sys.argv[1], open(sys.argv[2]).read().strip() if len(sys.argv) > 2 else None
client, heard = paho.Client(paho.CallbackAPIVersion.VERSION2), []
if password: client.username_pw_set("goatdev", password)
refused = []
def connected(client, userdata, flags, reason, properties):
    if reason.is_failure: refused.append(str(reason))
    else: client.subscribe(f"goatdev/{station}/feedback")
client.on_connect = connected
client.on_subscribe = lambda *_: client.publish(f"goatdev/{station}/trigger", "press", qos=1)
client.on_message = lambda c, u, message: heard.append(message.payload.decode())
client.connect("127.0.0.1"); client.loop_start()
end = time.monotonic() + 30
while time.monotonic() < end and len(heard) < 2 and not refused: time.sleep(0.05)
print(refused or heard)
"""


def the_broker_takes_presses_from_who_has_the_password_and_from_nobody_else(machine: Machine) -> str:
    (machine.root / "root/press.py").write_text(MQTT_PRESS)
    station = machine.must("sed -n 's/^id = \"\\(.*\\)\"/\\1/p' /etc/goatdev/goatdev.toml")
    python = "/opt/goatdev/current/venv/bin/python /root/press.py"
    said = machine.must(f"{python} {station} /etc/goatdev/mqtt-password")
    assert '"accepted"' in said and '"done"' in said, said
    stranger = machine.must(f"{python} {station}")
    assert "Not authorized" in stranger, stranger
    listening = machine.must("grep -h ':075B ' /proc/net/tcp /proc/net/tcp6 | awk '$4 == \"0A\" {print $2}'")
    assert listening == "0100007F:075B", listening
    kept = machine.must("stat -c '%a %U' /etc/goatdev/mqtt-password")
    assert kept == "600 root", kept
    secret = machine.must("cat /etc/goatdev/mqtt-password")
    assert secret not in machine.must("journalctl --no-pager -o cat"), "the password is in the log"
    return f"accepted, done; a stranger: {stranger}; listens on 127.0.0.1 only; the password file is {kept}"


def a_hanging_service_is_ended_and_started_again(machine: Machine, service: str) -> str:
    pid = machine.shown(service, "MainPID")
    assert int(pid) > 0, f"{service} is not running"
    limit_s = float(machine.must(f"sed -n s/^WatchdogSec=//p /etc/systemd/system/{service}.service"))
    machine.must(f"kill -STOP {pid}")
    took = machine.wait(
        "it is started again",
        lambda: machine.shown(service, "MainPID") not in ("0", pid) and machine.is_active(service),
        limit_s + 40,
    )
    log = machine.must(f"journalctl -u {service} --no-pager -o cat")
    assert "Watchdog timeout" in log, log[-2000:]
    machine.press()
    return f"WatchdogSec={limit_s:g}: running again {took:.0f} s after SIGSTOP, and a press is measured"


def a_hanging_station_is_ended_and_started_again(machine: Machine) -> str:
    return a_hanging_service_is_ended_and_started_again(machine, "goatdev-station")


def a_hanging_dashboard_is_ended_and_started_again(machine: Machine) -> str:
    return a_hanging_service_is_ended_and_started_again(machine, "goatdev-dashboard")


def a_busy_station_is_left_alone(machine: Machine) -> str:
    """Presses for longer than the watchdog's limit."""
    pid, end, number = machine.shown("goatdev-station", "MainPID"), time.monotonic() + 75, 0
    while time.monotonic() < end:
        machine.press()
        number += 1
    assert machine.shown("goatdev-station", "MainPID") == pid
    return f"{number} presses in 75 s, one process"


def a_configuration_error_is_not_tried_again(machine: Machine) -> str:
    machine.must("cp /etc/goatdev/goatdev.toml /root/ && echo 'nonsense = 1' >>/etc/goatdev/goatdev.toml")
    machine.run("systemctl restart goatdev-station")
    time.sleep(12)
    status = machine.shown("goatdev-station", "ExecMainStatus")
    restarts = machine.shown("goatdev-station", "NRestarts")
    state = machine.shown("goatdev-station", "ActiveState")
    said = machine.must("journalctl -u goatdev-station --no-pager -o cat | grep -A1 'unknown key'")
    machine.must("cp /root/goatdev.toml /etc/goatdev/ && systemctl restart goatdev-station")
    assert (status, restarts, state) == ("78", "0", "failed"), (status, restarts, state)
    machine.press()
    return f"exit {status}, {restarts} restarts in 12 s: {' '.join(said.split())}; mended, it measures"


def a_crash_loop_ends(machine: Machine) -> str:
    """Somebody else holds the station's lock, so that every start fails."""
    machine.must("systemctl stop goatdev-station")
    machine.must("systemd-run -q --collect --unit holder flock /var/lib/goatdev/station.lock sleep 600")
    machine.run("systemctl start goatdev-station")
    took = machine.wait(
        "the start limit",
        lambda: machine.shown("goatdev-station", "ActiveState") == "failed",
        400,
    )
    time.sleep(10)  # longer than the pause before a start
    restarts = machine.shown("goatdev-station", "NRestarts")
    log = machine.must("journalctl -u goatdev-station --no-pager -o cat | tail -5")
    machine.must("systemctl stop holder && systemctl reset-failed goatdev-station")
    machine.must("systemctl start goatdev-station")
    assert "Start request repeated too quickly" in log, log
    machine.press()
    return f"given up after {restarts} restarts in {took:.0f} s; the cause removed, it measures"


def all_stop_within_ten_seconds(machine: Machine) -> str:
    machine.run(f"{GOATDEV} capture --wait-s 0.1 {CONFIG}")  # a capture is under way
    begun = time.monotonic()
    machine.must(f"systemctl stop {' '.join(SERVICES)}")
    took = time.monotonic() - begun
    results = {name: machine.shown(name, "Result") for name in SERVICES}
    machine.must(f"systemctl start {' '.join(SERVICES)}")
    assert took < 10 and set(results.values()) == {"success"}, (took, results)
    return f"{took:.1f} s, in the middle of a capture; each ended by itself"


def installing_again_changes_nothing(machine: Machine) -> str:
    pids = [machine.shown(name, "MainPID") for name in SERVICES]
    files = "find /etc /opt/goatdev -type f -printf '%p %T@\\n' | sort | sha256sum"
    before = machine.must(files)
    done = install(machine)
    assert done.returncode == 0, done.stdout + done.stderr
    assert machine.must(files) == before
    assert [machine.shown(name, "MainPID") for name in SERVICES] == pids
    return last(done.stdout)


def another_version(machine: Machine, name: str, version: str) -> Path:
    machine.must(f"rm -rf /{name} && cp -r /goatdev /{name}")
    path = machine.root / name / "edge/__init__.py"
    path.write_text(path.read_text().replace('"0.1.0"', f'"{version}"'))
    return machine.root / name


def an_upgrade_that_fails_its_test_is_not_used(machine: Machine) -> str:
    release, pid = machine.release(), machine.shown("goatdev-station", "MainPID")
    sources = another_version(machine, "damaged", "0.1.1")
    network = next((sources / "models_tflite").glob("*.tflite"))
    network.write_bytes(network.read_bytes()[:-1000] + bytes(1000))
    done = install(machine, "/damaged")
    assert done.returncode == 1, done.stdout + done.stderr
    assert (machine.release(), machine.shown("goatdev-station", "MainPID")) == (release, pid)
    machine.press()
    return f"exit 1: {last(done.stderr.split('what to do: tell')[0])}; the old one was never stopped"


MIGRATION = """

@migrations()
def of_a_bad_release(db: Database) -> None:
    run(db, "ALTER TABLE captures ADD COLUMN of_the_bad_release TEXT")
"""


def an_upgrade_that_does_not_run_is_rolled_back_with_its_database(machine: Machine) -> str:
    """It passes its test: only as a service it breaks, and by then the tables are new."""
    release, captures = machine.release(), machine.captures()
    sources = another_version(machine, "broken", "0.1.2")
    schema, loop = sources / "edge/keeping/schema.py", sources / "edge/app.py"
    begin, run, rest = schema.read_text().partition("\n\ndef run(db")
    schema.write_text(begin + MIGRATION + run + rest)
    ready, never = "        supervisor.ready(READY)\n", "        raise SystemExit(3)\n"
    assert ready in loop.read_text()
    loop.write_text(loop.read_text().replace(ready, never))
    done = install(machine, "/broken")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "putting the database back" in done.stdout, done.stdout + done.stderr
    assert machine.release() == release
    assert machine.captures() == captures
    assert "bad_release" not in machine.must(asked("SELECT sql FROM sqlite_master"))
    machine.press()
    said = last(done.stderr.split("what to do")[0])
    return f"exit 1: {said} {captures} captures as before, and a press is measured"


def an_upgrade_keeps_everything(machine: Machine) -> str:
    captures = machine.captures()
    another_version(machine, "better", "0.1.3")
    begun = time.monotonic()
    done = install(machine, "/better")
    assert done.returncode == 0, done.stdout + done.stderr
    took = time.monotonic() - begun
    version = machine.must("goatdev --version")
    assert version == "goatdev 0.1.3", version
    assert machine.captures() == captures
    machine.press()
    copies = machine.must("ls /var/lib/goatdev/upgrades").split()
    releases = machine.must("ls /opt/goatdev/releases").split()
    assert len(releases) == 2, releases
    return f"{version} in {took:.0f} s, {captures} captures; kept: {copies}; releases: {releases}"


def after_a_reboot_presses_are_measured(machine: Machine) -> str:
    leader = machine.leader()
    machine.run("systemctl reboot")
    machine.wait("the system is up again", lambda: machine.leader() not in ("", leader), 60)
    one_boot_id(machine)
    took = machine.wait("all three are running", lambda: all(map(machine.is_active, SERVICES)), 120)
    machine.press()
    return f"all three run {took:.0f} s after it, and a press is measured"


def what_they_may(machine: Machine) -> str:
    said = []
    for name in SERVICES:
        text = machine.must(f"systemd-analyze security --no-pager {name} | tail -1")
        said.append(text.split("level for ")[1].split(" OK")[0])
        memory = machine.shown(name, "MemoryMax")
        assert memory.isdigit(), memory
        said[-1] += f", {int(memory) // 2**20} MiB, {probe(machine, name)}"
    return "; ".join(said)


PROBE = """
import ctypes, os, socket
from pathlib import Path
def may(what, attempt):
    try:
        return what if attempt() is not False else "no " + what
    except OSError:
        return "no " + what
data = Path("/var/lib/goatdev/probe")
print("may:", ", ".join([
    may("write data", lambda: (data.write_text("x"), data.unlink())),
    may("write configuration", lambda: Path("/etc/goatdev/x").write_text("x")),
    may("write program", lambda: Path("/opt/goatdev/x").write_text("x")),
    may("read password file", lambda: Path("/etc/goatdev/mqtt-password").read_text()),
    may("ask for synchronised clock", lambda: ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(512)) >= 0),
    may("see processor", lambda: "processor" in Path("/proc/cpuinfo").read_text()),
    may("be root", lambda: os.setuid(0)),
    may("make a namespace", lambda: ctypes.CDLL(None).unshare(0x10000000) == 0),
    may("open packet sockets", lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW).close()),
]))
"""
# What belongs to a service that stays, and not to one that looks around once.
STAYING = ("Type=", "NotifyAccess=", "Watchdog", "Restart", "ExecStart=")


def probe(machine: Machine, service: str) -> str:
    """What another program may that runs under the same restrictions."""
    (machine.root / "opt/goatdev/probe.py").write_text(PROBE)
    unit = (machine.root / f"etc/systemd/system/{service}.service").read_text().split("[Install]")[0]
    lines = [line for line in unit.splitlines() if not line.startswith(STAYING)]
    start = "ExecStart=/opt/goatdev/current/venv/bin/python /opt/goatdev/probe.py"
    path = machine.root / "etc/systemd/system/probe.service"
    path.write_text("\n".join([*lines, "Type=oneshot", start, ""]))
    machine.must("systemctl daemon-reload && systemctl start probe")
    said = machine.must("journalctl --sync; journalctl -u probe --no-pager -o cat | grep may: | tail -1")
    machine.must("rm /etc/systemd/system/probe.service /opt/goatdev/probe.py && systemctl daemon-reload")
    refused = "no write configuration, no write program, no read password file"
    assert f"may: write data, {refused}, ask for synchronised clock, see processor, no be root" in said, said
    return said


def uninstalling_keeps_the_data(machine: Machine) -> str:
    captures = machine.captures()
    done = machine.run("/goatdev/scripts/uninstall.sh")
    assert done.returncode == 0, done.stdout + done.stderr
    assert not machine.run(
        "ls /opt/goatdev /etc/systemd/system/goatdev-*.service /usr/local/bin/goatdev"
    ).stdout
    rows = machine.must(asked("SELECT COUNT(*) FROM captures")).strip("[](),")
    assert int(rows) == captures
    machine.must("test -f /etc/goatdev/goatdev.toml")
    done = install(machine)
    assert done.returncode == 0, done.stdout + done.stderr
    machine.press()
    return (
        f"{rows} captures and the configuration stay; installed again, it measures on: {machine.captures()}"
    )


def purging_leaves_nothing(machine: Machine) -> str:
    refused = machine.run("echo no | /goatdev/scripts/uninstall.sh --purge")
    assert refused.returncode == 1 and machine.is_active("goatdev-station"), refused.stdout
    done = machine.run("/goatdev/scripts/uninstall.sh --purge --yes")
    assert done.returncode == 0, done.stdout + done.stderr
    left = machine.run(
        "ls -d /opt/goatdev /etc/goatdev /var/lib/goatdev /etc/mosquitto/conf.d/goatdev.conf; id goatdev"
    )
    assert not left.stdout, left.stdout
    return "after the question, which was answered with no once, and nothing happened"


CHECKS = (
    boots,
    a_fresh_machine_is_installed_and_told_what_is_missing,
    once_configured_all_three_run,
    a_press_is_measured_and_delivered,
    the_broker_takes_presses_from_who_has_the_password_and_from_nobody_else,
    what_they_may,
    a_hanging_station_is_ended_and_started_again,
    a_hanging_dashboard_is_ended_and_started_again,
    a_busy_station_is_left_alone,
    a_configuration_error_is_not_tried_again,
    a_crash_loop_ends,
    all_stop_within_ten_seconds,
    installing_again_changes_nothing,
    an_upgrade_that_fails_its_test_is_not_used,
    an_upgrade_that_does_not_run_is_rolled_back_with_its_database,
    an_upgrade_keeps_everything,
    after_a_reboot_presses_are_measured,
    uninstalling_keeps_the_data,
    purging_leaves_nothing,
)


def main() -> int:
    machine, failed = Machine(sys.argv[1], Path(sys.argv[2])), 0
    for check in CHECKS:
        name, begun = check.__name__.replace("_", " "), time.monotonic()
        try:
            said = check(machine)
            print(f"ok    {name} ({time.monotonic() - begun:.0f} s): {said}", flush=True)
        except Exception as error:
            failed += 1
            print(f"FAIL  {name}: {type(error).__name__}: {error}", flush=True)
    print(f"{len(CHECKS) - failed} of {len(CHECKS)} passed", flush=True)
    return min(failed, 1)


if __name__ == "__main__":
    sys.exit(main())
