"""Many presses in a row, from everywhere, and memory that stays flat. A thousand: `scripts/endurance`."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace

import pytest

from scripts.proofs.memory import Limits, Sample, Watched
from tests.brokers import require_mosquitto
from tests.conftest import REPO


def proof(name: str, *options: str) -> subprocess.CompletedProcess[str]:
    """One of the long proofs, made short."""
    words = [sys.executable, "-m", f"scripts.proofs.{name}", *options]
    return subprocess.run(words, cwd=REPO, capture_output=True, text=True, check=False, env=dict(os.environ))


def test_presses_from_everywhere_end_as_one_row_each_with_flat_memory() -> None:
    require_mosquitto()
    done = proof("endurance", "--presses", "30")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "30 accepted, 30 rows: {'completed': 30}" in done.stdout
    assert "all 30 presses are as promised" in done.stdout


def watched(resident_mb: list[float], peak_mb: float = 300.0, open_at_the_end: int = 10) -> Watched:
    samples = [Sample(press, mb, peak_mb, 5, 10) for press, mb in enumerate(resident_mb, start=1)]
    late = [replace(one, handles=open_at_the_end) for one in samples[-50:]]
    return Watched("run", 1, samples[:-50] + late)


def test_a_leak_of_a_fortieth_of_a_megabyte_a_press_breaks_the_limit() -> None:
    leaking = watched([200 + press * 0.025 for press in range(1000)])
    assert leaking.broken(Limits(), settled=100) == ["run grew by 21.9 MB, 20 are allowed"]


def test_memory_that_swings_with_each_picture_and_does_not_grow_is_within_the_limit() -> None:
    swinging = watched([200 + 30 * (press % 2) for press in range(1000)])
    assert swinging.broken(Limits(), settled=100) == []


@pytest.mark.parametrize(
    ("one", "told"),
    [
        (watched([200.0] * 200, peak_mb=351), "run held 351 MB, 350 are allowed"),
        (watched([200.0] * 200, open_at_the_end=30), "run left 20 files open"),
    ],
)
def test_too_high_a_peak_and_files_left_open_break_the_limit(one: Watched, told: str) -> None:
    assert one.broken(Limits(), settled=100) == [told]


def test_a_process_that_is_watched_is_sampled_as_the_kernel_counts_it() -> None:
    own = Watched("tests", os.getpid())
    own.sample(1)
    hold = bytearray(os.urandom(64 << 20))
    own.sample(2)
    assert 60 < own.samples[1].resident_mb - own.samples[0].resident_mb < 80
    assert len(hold) == 64 << 20
    assert own.samples[1].peak_mb >= own.samples[1].resident_mb
    assert own.samples[1].handles > 2
