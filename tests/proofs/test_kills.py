"""Kill -9, at random and between any two steps. Two hundred, and every step: `scripts/kill_check`."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import pytest

from cloud_sync.daemon import sync_once
from edge.config import load_config
from edge.keeping.store import Store
from scripts.proofs.ledger import Ledger
from scripts.proofs.station import log_of
from scripts.proofs.step_kills import RUN, SYNC, captures_in, kill_after, with_captures
from scripts.proofs.steps import STRACE, traced
from tests.proofs.test_endurance import proof

needs_strace = pytest.mark.skipif(STRACE is None, reason="strace is not installed (scripts/test installs it)")


def test_a_dozen_kills_at_random_instants_lose_nothing() -> None:
    done = proof("kills", "--random", "12", "--program", "0", "--every", "0", "--seed", "7")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "every kill left what was promised" in done.stdout


@pytest.fixture(scope="module")
def owing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A station's folder with a capture that nobody has delivered."""
    return with_captures(tmp_path_factory.mktemp("owing") / "station", 1)


@needs_strace
@pytest.mark.parametrize("number", [5, 24, 60], ids=["the press", "pictures", "the closing"])
def test_a_kill_between_two_steps_of_a_capture_loses_nothing(
    owing: Path, tmp_path: Path, number: int
) -> None:
    killed_and_mended(owing, tmp_path, RUN, number, presses=True)


@needs_strace
@pytest.mark.parametrize("number", [9, 30], ids=["a picture", "the receipt"])
def test_a_kill_between_two_steps_of_a_delivery_delivers_once_and_whole(
    owing: Path, tmp_path: Path, number: int
) -> None:
    killed_and_mended(owing, tmp_path, SYNC, number)


def killed_and_mended(
    before: Path, into: Path, words: tuple[str, ...], number: int, presses: bool = False
) -> None:
    """Killed after so many steps, the station starts again and serves, the sync delivers, and all is as promised."""
    shutil.copytree(before, into / "station")
    killed = kill_after(load_config(into / "station" / "goatdev.toml"), words, number, presses)
    assert killed is not None
    assert (killed.pressed is not None) == presses
    asked = captures_in(killed.config)
    assert killed.pressed is None or killed.pressed in asked
    ledger = Ledger(Counter(asked))
    ledger.finish(killed.config, str(killed.step))
    assert ledger.wrong == []


@needs_strace
def test_a_start_flushes_the_folder_of_pictures_whose_name_a_kill_may_have_left_in_memory(
    owing: Path, tmp_path: Path
) -> None:
    shutil.copytree(owing, tmp_path / "station")
    config = load_config(tmp_path / "station" / "goatdev.toml")
    with Store(config.database_path) as store:
        store.db.execute("UPDATE captures SET status = 'processing'")
    with traced(config, *RUN) as station:
        steps = [str(step) for step in station.until(lambda: "is ready" in log_of(config, "run"))]
    assert steps.index("fsync CAPTURE") < steps.index("fdatasync station.db-wal")


@needs_strace
def test_a_delivery_flushes_the_folder_of_what_it_finds_delivered_before_it_gives_a_receipt(
    owing: Path, tmp_path: Path
) -> None:
    shutil.copytree(owing, tmp_path / "station")
    config = load_config(tmp_path / "station" / "goatdev.toml")
    assert sync_once(config) == 0
    with Store(config.database_path) as store:
        store.db.execute("DELETE FROM receipts")
        store.db.execute("UPDATE outbox SET state = 'due'")
    with traced(config, *SYNC) as sync:
        steps = [str(step) for step in sync.until(lambda: sync.process.poll() is not None)]
    assert steps.count("fsync CAPTURE") == 7
    assert steps.index("fsync CAPTURE") < steps.index("fdatasync station.db-wal")
