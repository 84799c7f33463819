"""Everything that writes, killed after each of its steps in turn, each time on a fresh copy of the same folder."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edge.config import Config, load_config
from edge.keeping.store import Store
from scripts.proofs.ledger import Ledger, be_idle
from scripts.proofs.station import kill, log_of, prepare, press, running, wait_for
from scripts.proofs.steps import Step, traced

RUN, PRESS, SYNC = ("run",), ("capture", "--wait-s", "0.1"), ("sync", "--once")


@dataclass(frozen=True, slots=True)
class Killed:
    """A copy of a station's folder in which a service was killed after some step; the press that it was serving."""

    config: Config
    step: Step
    pressed: str | None = None


def kill_everything(folder: Path, every: int) -> list[str]:
    """What is found wrong after kills at every so many steps of everything that writes."""
    empty = prepare(folder / "empty").folder
    ready, owing = with_captures(folder / "ready", 0), with_captures(folder / "owing", 2)
    cut = with_one_interrupted(folder / "cut", ready)
    ledgers = [
        kill_at_steps("the station, from a press on", ready, RUN, every, presses=True),
        kill_at_steps("the station, when it starts after a kill", cut, RUN, every),
        kill_at_steps("the station, when it starts for the first time", empty, RUN, every),
        kill_at_steps("a press from the command line", ready, PRESS, every),
        kill_at_steps("the sync, with two captures", owing, SYNC, every),
    ]
    return [line for ledger in ledgers for line in ledger.wrong]


def kill_at_steps(
    name: str, before: Path, words: tuple[str, ...], every: int, presses: bool = False
) -> Ledger:
    """One service killed after every so many steps; what is found when the station starts on what is left."""
    whole = Ledger()
    for killed in each_kill(before, words, every, presses):
        asked = {killed.pressed} if killed.pressed else set[str]()
        one = Ledger(Counter(asked | captures_in(killed.config)))
        one.finish(killed.config, f"{name}, killed after {killed.step}")
        whole.found[str(killed.step)] += 1
        whole.wrong += one.wrong
    print(f"{name}: killed after {sum(whole.found.values())} steps, {len(whole.wrong)} wrong")
    print(
        *whole.wrong, *(f"  {times:3} x {step}" for step, times in whole.found.items()), sep="\n", flush=True
    )
    return whole


def each_kill(before: Path, words: tuple[str, ...], every: int, presses: bool) -> Iterator[Killed]:
    """Copies of a folder, in each of them a kill that comes some steps later than in the one before."""
    number = 1
    while True:
        with tempfile.TemporaryDirectory(dir=before.parent) as name:
            folder = Path(name) / "station"
            shutil.copytree(before, folder)
            killed = kill_after(load_config(folder / "goatdev.toml"), words, number, presses)
            if killed is None:
                return
            yield killed
        number += every


def kill_after(config: Config, words: tuple[str, ...], number: int, presses: bool) -> Killed | None:
    """Kill `goatdev WORDS` once so many steps are done; None where there are not so many.

    presses  whether they are counted from a press on a station that is ready, until it is served; else from the start
    """
    with traced(config, *words) as victim:

        def is_ready() -> bool:
            return victim.process.poll() is not None or "is ready" in log_of(config, words[0])

        def is_served() -> bool:
            with Store(config.database_path) as store:
                return pressed is not None and not store.capture(pressed).is_unfinished

        pressed = None
        if presses:
            wait_for(is_ready, "the station")
            list(victim.steps(0.3))
            with Store(config.database_path) as store:
                pressed = press(config, store).id
        for count, step in enumerate(victim.until(is_served if presses else is_ready), start=1):
            if count == number:
                kill(victim.process)
                return Killed(config, step, pressed)
    if "strace:" in log_of(config, words[0]):
        raise OSError(log_of(config, words[0]))
    return None


def captures_in(config: Config) -> set[str]:
    if not config.database_path.is_file():
        return set()
    with Store(config.database_path) as store:
        return {row["id"] for row in store.all("SELECT id FROM captures")}


def with_captures(folder: Path, captures: int) -> Path:
    """A station's folder with some captures that nobody has delivered yet."""
    config = prepare(folder)
    with running(config, "run"), Store(config.database_path) as store:
        for _ in range(captures):
            press(config, store)
        be_idle(config, store)
    (folder / "run.log").write_text("")
    return folder


def with_one_interrupted(folder: Path, ready: Path) -> Path:
    """A station's folder as a kill leaves it when some pictures are whole and others half written."""
    for number in range(15, 100):
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(ready, folder)
        kill_after(load_config(folder / "goatdev.toml"), RUN, number, presses=True)
        (folder / "run.log").write_text("")
        if list(folder.rglob("*_raw.*.jpg")) and list(folder.rglob("*.part")):
            return folder
    raise TimeoutError("no kill left half a picture")
