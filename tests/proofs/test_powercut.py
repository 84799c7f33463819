"""Power cuts: what was acknowledged is on the disk. Thirty of them: `scripts/powercut_check`."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from scripts.proofs.disk import ENTRY, Entry, lacks, read_diary, rebuild, torn
from tests.proofs.test_endurance import proof

needs_disk = pytest.mark.skipif(bool(lacks()), reason=lacks())


@needs_disk
def test_five_power_cuts_lose_nothing_that_was_acknowledged() -> None:
    done = proof("powercut", "--cuts", "5", "--presses", "3")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "every cut left what was promised" in done.stdout


@needs_disk
def test_a_program_that_forgets_to_flush_is_found_out() -> None:
    done = proof("powercut", "--cuts", "3", "--presses", "2", "--mistake", "no-flush")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "no-flush: " in done.stdout
    assert "is gone" in done.stdout


def diary_of(folder: Path, *entries: bytes) -> Path:
    """A diary in which each entry is written behind the one before it; an empty one is a flush."""
    book, offset = b"", 0
    for content in entries:
        book += ENTRY.pack(offset if content else 0, len(content)) + content
        offset += len(content)
    path = folder / "diary"
    path.write_bytes(book)
    (folder / "empty.img").write_bytes(bytes(offset))
    return path


def cut(folder: Path, count: int, seed: int) -> bytes:
    rebuild(
        read_diary(folder / "diary"),
        folder / "empty.img",
        folder / "cut.img",
        count,
        random.Random(seed),
    )
    return (folder / "cut.img").read_bytes()


def test_what_was_flushed_is_on_the_disk_and_of_the_rest_any_part(tmp_path: Path) -> None:
    diary_of(tmp_path, b"a" * 1024, b"", b"b" * 1024, b"c" * 1024, b"", b"d" * 1024)
    assert {cut(tmp_path, 2, seed)[:1024] for seed in range(50)} == {b"a" * 1024}
    seen = {cut(tmp_path, 4, seed)[1024:3072] for seed in range(100)}
    assert seen >= {b"b" * 1024 + b"c" * 1024, bytes(2048), bytes(1024) + b"c" * 1024}
    assert {cut(tmp_path, 4, seed)[3072:] for seed in range(50)} == {bytes(1024)}


def test_a_write_may_be_torn_between_two_sectors() -> None:
    lengths = {torn(Entry(0, 0, 1024), random.Random(seed)).length for seed in range(100)}
    assert lengths == {0, 512, 1024}
