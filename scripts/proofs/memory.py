"""How much memory the processes of a station hold, press by press, as the kernel counts it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

MB = 1e6
ROWS, COLUMNS = 8, 72


@dataclass(frozen=True, slots=True)
class Limits:
    """What no process may exceed: growth once it is settled and peak, in MB, and files that stay open."""

    growth_mb: float = 20.0
    peak_mb: float = 350.0
    handles: int = 8


@dataclass(frozen=True, slots=True)
class Sample:
    """One process at one press."""

    press: int
    resident_mb: float
    peak_mb: float
    threads: int
    handles: int


@dataclass
class Watched:
    """One process as it was sampled so far."""

    name: str
    pid: int
    samples: list[Sample] = field(default_factory=list)

    def sample(self, press: int) -> None:
        found = dict(
            re.findall(r"^(\w+):\s+(\d+)", Path(f"/proc/{self.pid}/status").read_text(), re.MULTILINE)
        )
        handles = sum(1 for _ in Path(f"/proc/{self.pid}/fd").iterdir())
        kilo = {name: int(found[name]) * 1024 / MB for name in ("VmRSS", "VmHWM")}
        self.samples.append(Sample(press, kilo["VmRSS"], kilo["VmHWM"], int(found["Threads"]), handles))

    def around(self, press: int) -> list[Sample]:
        """The samples about a press: one alone may fall into the middle of a picture."""
        return sorted(self.samples, key=lambda one: abs(one.press - press))[: max(1, len(self.samples) // 20)]

    def resident_mb(self, press: int) -> float:
        return median(one.resident_mb for one in self.around(press))

    @property
    def last(self) -> int:
        return self.samples[-1].press

    @property
    def peak_mb(self) -> float:
        return self.samples[-1].peak_mb

    def grown_mb(self, settled: int) -> float:
        """From the press by which everything is loaded to the last."""
        return self.resident_mb(self.last) - self.resident_mb(settled)

    def handles_grown(self, settled: int) -> int:
        return int(
            median(one.handles for one in self.around(self.last))
            - median(one.handles for one in self.around(settled))
        )

    def broken(self, limits: Limits, settled: int) -> list[str]:
        """The limits that this process exceeded."""
        told = []
        if self.grown_mb(settled) > limits.growth_mb:
            told.append(
                f"{self.name} grew by {self.grown_mb(settled):.1f} MB, {limits.growth_mb:g} are allowed"
            )
        if self.peak_mb > limits.peak_mb:
            told.append(f"{self.name} held {self.peak_mb:.0f} MB, {limits.peak_mb:g} are allowed")
        if self.handles_grown(settled) > limits.handles:
            told.append(f"{self.name} left {self.handles_grown(settled)} files open")
        return told


def table(watched: Iterable[Watched], settled: int) -> str:
    """One line for each process."""
    lines = [
        f"{'':10}{'press ' + str(settled):>12}{'last':>10}{'growth':>10}{'peak':>10}{'threads':>9}{'open':>6}"
    ]
    for one in watched:
        last = one.samples[-1]
        lines.append(
            f"{one.name:10}{one.resident_mb(settled):9.1f} MB{one.resident_mb(one.last):7.1f} MB"
            f"{one.grown_mb(settled):+7.1f} MB{one.peak_mb:7.1f} MB{last.threads:9}{last.handles:6}"
        )
    return "\n".join(lines)


def plot(one: Watched) -> str:
    """Resident memory over presses, the median of each column's presses as a point."""
    columns = in_columns([(sample.press, sample.resident_mb) for sample in one.samples])
    low, high = min(columns.values()), max(columns.values())
    step = max(high - low, 1.0) / (ROWS - 1)
    picture = [[" "] * COLUMNS for _ in range(ROWS)]
    for column, value in columns.items():
        picture[ROWS - 1 - round((value - low) / step)][column] = "*"
    lines = [f"{low + (ROWS - 1 - row) * step:7.1f} |{''.join(points)}" for row, points in enumerate(picture)]
    axis = f"{'MB':>7} +{'-' * COLUMNS}\n{'':9}press {one.samples[0].press}{one.last!s:>{COLUMNS - 8}}"
    return "\n".join([f"{one.name}:", *lines, axis])


def in_columns(points: Sequence[tuple[int, float]]) -> Mapping[int, float]:
    """column of the plot -> the median of what falls into it"""
    first, last = points[0][0], points[-1][0]
    columns: dict[int, list[float]] = {}
    for press, value in points:
        columns.setdefault((press - first) * (COLUMNS - 1) // max(1, last - first), []).append(value)
    return {column: median(values) for column, values in columns.items()}
