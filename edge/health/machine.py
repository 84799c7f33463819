"""The computer itself: its power supply, its heat, its clock and what is installed on it."""

from __future__ import annotations

import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from edge.clock import source_of
from edge.document import software
from edge.health.check import FAIL, OK, WARN, Check
from edge.records import utc_now
from edge.word import StationWord

SYS = Path("/sys")
ANSWER_S = 0.5

# What each bit of `vcgencmd get_throttled` means: now, and 16 higher the same at any time since the start.
POWER_BITS = {
    0: "the supply's voltage is too low",
    1: "the processor's speed is capped",
    2: "the processor is slowed down",
    3: "the soft temperature limit is reached",
}
SINCE_START = 16
UNDER_VOLTAGE, SOFT_LIMIT = 0, 3
SUPPLY_HINT = "use the Raspberry Pi's own power supply and a short cable; cameras want a powered USB hub"
COOLING_HINT = "give it air or a fan, out of the sun"
# Where a Raspberry Pi begins to slow down, and where it protects itself.
HOT_C, TOO_HOT_C = 80.0, 85.0
CLOCK_WORDS = {"ntp": "kept right by a time server", "rtc": "from the battery clock"}

RUNTIMES = ("ai-edge-litert", "tflite-runtime")
PYTHONS = ((3, 11), (3, 14))


@dataclass(frozen=True, slots=True)
class Machine:
    """What is known of the computer; None for what it does not tell. clock: as `edge.clock.source_of` has it."""

    power: Power | None
    temperature_c: float | None
    clock: str


def read_machine(word: StationWord | None = None) -> Machine:
    """From the station where it says it, for the others may not be allowed to ask firmware and kernel."""
    own_clock = word.clock if word else source_of(utc_now())
    power = Power(word.throttled) if word and word.throttled is not None else read_power()
    known_c = word.temperature_c if word else None
    return Machine(power, read_temperature_c() if known_c is None else known_c, own_clock)


def machine_checks(machine: Machine) -> Iterator[Check]:
    yield power_check(machine.power)
    yield temperature_check(machine.temperature_c)
    yield clock_check(machine.clock)


# Power.


@dataclass(frozen=True, slots=True)
class Power:
    """What supply and heat do to the processor: bits of POWER_BITS, now, and 16 higher since the computer's start."""

    throttled: int

    @property
    def now(self) -> frozenset[int]:
        return frozenset(bit for bit in POWER_BITS if self.throttled >> bit & 1)

    @property
    def since_start(self) -> frozenset[int]:
        return frozenset(bit for bit in POWER_BITS if self.throttled >> bit + SINCE_START & 1)

    @property
    def is_low(self) -> bool:
        return UNDER_VOLTAGE in self.now

    @property
    def was_low(self) -> bool:
        return UNDER_VOLTAGE in self.now | self.since_start


def read_power(sys_folder: Path = SYS) -> Power | None:
    """From a Raspberry Pi's firmware, or else its kernel, which knows of the voltage only; None on other computers."""
    found = re.search(r"throttled=0x([0-9a-fA-F]+)", ask_firmware("get_throttled"))
    if found:
        return Power(int(found[1], 16))
    alarms = [read_number(path) for path in sys_folder.glob("class/hwmon/hwmon*/in0_lcrit_alarm")]
    if not alarms:
        return None
    return Power(1 << UNDER_VOLTAGE if any(alarms) else 0)


def power_check(power: Power | None) -> Check:
    if power is None:
        return Check("power", OK, "this computer does not tell")
    if power.now:
        text = "; ".join(POWER_BITS[bit] for bit in sorted(power.now))
        return Check("power", FAIL if power.is_low else WARN, f"now: {text}", power_hint(power.now))
    if power.since_start:
        text = "; ".join(POWER_BITS[bit] for bit in sorted(power.since_start))
        return Check(
            "power", WARN, f"now all is well; since the start: {text}", power_hint(power.since_start)
        )
    return Check("power", OK, "the voltage is good, the processor runs at full speed")


def power_hint(bits: frozenset[int]) -> str:
    """Bits 1 and 2 follow from either cause."""
    hints = []
    if UNDER_VOLTAGE in bits:
        hints.append(SUPPLY_HINT)
    if SOFT_LIMIT in bits or UNDER_VOLTAGE not in bits:
        hints.append(COOLING_HINT)
    return "; ".join(hints)


# Heat.


def read_temperature_c(sys_folder: Path = SYS) -> float | None:
    """The processor's temperature; None where nothing measures it."""
    found = re.search(r"temp=([0-9.]+)'C", ask_firmware("measure_temp"))
    if found:
        return float(found[1])
    zones = [read_number(path) for path in sys_folder.glob("class/thermal/thermal_zone*/temp")]
    return max((number / 1000 for number in zones if number is not None), default=None)


def temperature_check(temperature_c: float | None) -> Check:
    if temperature_c is None:
        return Check("temperature", OK, "this computer does not tell")
    state = FAIL if temperature_c >= TOO_HOT_C else WARN if temperature_c >= HOT_C else OK
    return Check("temperature", state, f"{temperature_c:.0f} °C", COOLING_HINT if state != OK else "")


# Clock.


def clock_check(source: str) -> Check:
    if source == "unsynchronised":
        hint = "connect the station to the internet for a minute, or give the Raspberry Pi a clock with a battery"
        text = "nobody has set it: the times of captures may be wrong until somebody does"
        return Check("clock", WARN, text, hint)
    return Check("clock", OK, CLOCK_WORDS[source])


# Software.


def software_check() -> Check:
    runtime = next((found for found in map(installed, RUNTIMES) if found), "")
    if not runtime:
        return Check("software", FAIL, "no TFLite runtime is installed", "run `pip install ai-edge-litert`")
    vision = installed("opencv-python-headless") or installed("opencv-python") or "OpenCV of the system"
    text = f"{software()}, Python {platform.python_version()}, {runtime}, {vision}"
    if not PYTHONS[0] <= sys.version_info[:2] <= PYTHONS[1]:
        return Check("software", WARN, text, "use Python 3.11 to 3.14")
    return Check("software", OK, text)


def installed(package: str) -> str:
    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError:
        return ""


def ask_firmware(question: str) -> str:
    """What `vcgencmd` answers; nothing where there is none, or where this user may not ask."""
    program = shutil.which("vcgencmd")
    if program is None:
        return ""
    try:
        return subprocess.run(
            [program, question], capture_output=True, text=True, timeout=ANSWER_S, check=False
        ).stdout
    except (OSError, subprocess.TimeoutExpired, UnicodeDecodeError):
        return ""


def read_number(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None
