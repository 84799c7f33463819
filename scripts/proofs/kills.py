"""Kill -9 at any instant, and between any two steps: no press is lost or taken twice, and the next start is clean.

    scripts/kill_check --random 200 --program 20

The station is killed at random instants of its start and of captures; then it, a press, a start after a kill, and the
sync are killed after each single call that changes files. After each kill the real program is started again and all
that must be true is looked at. Ends with 1 when anything is not.
"""

from __future__ import annotations

import argparse
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from edge.config import Config, load_config
from edge.keeping.store import Store
from scripts.proofs.station import (
    command,
    environment,
    is_running,
    kill,
    log_of,
    prepare,
    press,
    running,
    wait_for,
)
from scripts.proofs.steps import Step, traced
from scripts.proofs.truth import falsehoods
from scripts.proofs.victims import Victim, forked, program

# One in so many kills falls into a start, one into a second measuring of stored pictures.
AT_START, AGAIN = 5, 5


@dataclass
class Ledger:
    """What was promised so far: capture -> how many documents the cloud is owed of it; and what was found wrong."""

    closings: Counter[str] = field(default_factory=Counter)
    found: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    def check(self, config: Config, when: str, delivered: bool = False) -> None:
        """Look at everything that must be true."""
        self.wrong += [f"{when}: {one}" for one in falsehoods(config, self.closings, delivered)]

    def read_logs(self, config: Config, when: str) -> None:
        """Look for what nobody expected, and begin the logs anew."""
        for path in config.folder.glob("*.log"):
            text = path.read_text(errors="replace")
            if "Traceback" in text:
                self.wrong.append(f"{when}: {path.name}: {text[-2000:]}")
            path.write_text("")


# Killed at random instants.


def kill_at_random(
    config: Config, ledger: Ledger, kills: int, chance: random.Random, begin: Callable[[Config], Victim]
) -> None:
    """So many kills; every start after one is the start before the next."""
    with Store(config.database_path) as store:
        start_s, capture_s = how_long(config, store, ledger, begin)
        for number in range(1, kills + 1):
            if number % AT_START == 0:
                ask(config, store, ledger, chance)
                victim = begin(config)
                time.sleep(chance.uniform(0, start_s))
            else:
                victim = begin(config)
                be_idle(config, store)
                ledger.check(config, f"kill {number - 1}")
                ask(config, store, ledger, chance)
                time.sleep(chance.uniform(0, 1.1 * capture_s))
            victim.kill()
            ledger.read_logs(config, f"kill {number}")
            ledger.found[str(store.captures(limit=1)[0].status)] += 1
            if number % 50 == 0:
                print(f"kill {number}: {dict(ledger.found)}", flush=True)
    finish(config, ledger, f"kill {kills}")


def how_long(
    config: Config, store: Store, ledger: Ledger, begin: Callable[[Config], Victim]
) -> tuple[float, float]:
    """Seconds that a start and a capture take here."""
    begun = time.monotonic()
    victim = begin(config)
    be_idle(config, store)
    ready = time.monotonic()
    ledger.closings[press(config, store).id] += 1
    be_idle(config, store)
    victim.kill()
    ledger.read_logs(config, "the first capture")
    return ready - begun, time.monotonic() - ready


def ask(config: Config, store: Store, ledger: Ledger, chance: random.Random) -> None:
    """A press, now and then two; or a measuring again of what is closed."""
    closed = [one for one in store.captures(limit=1) if one.images_of("raw") and not one.is_unfinished]
    if closed and chance.randrange(AGAIN) == 0:
        store.ask_again(closed[0].id, None)
        ledger.closings[closed[0].id] += 1
        return
    for _ in range(chance.choice((1, 1, 2))):
        trigger_id = f"{chance.getrandbits(64):x}"
        capture = press(config, store, trigger_id)
        if press(config, store, trigger_id).id != capture.id:
            ledger.wrong.append(f"{trigger_id}: pressed twice, taken twice")
        ledger.closings[capture.id] += 1


def be_idle(config: Config, store: Store) -> None:
    """Until the station is ready and has served everybody."""
    wait_for(lambda: is_running(config) and "is ready" in log_of(config, "run"), "the station")
    wait_for(lambda: not any(store.counts().get(one) for one in ("queued", "processing")), "the captures")


def finish(config: Config, ledger: Ledger, when: str) -> None:
    """The true program starts on what was left, serves what waits and ends when told to; the sync brings all of it."""
    ledger.read_logs(config, when)
    with running(config, "run"), Store(config.database_path) as store:
        be_idle(config, store)
    done = subprocess.run(command(config, "sync", "--once"), capture_output=True, env=environment(), check=False)
    if done.returncode:
        ledger.wrong.append(f"{when}: the sync ended with {done.returncode}: {done.stderr.decode()[-2000:]}")
    ledger.check(config, when, delivered=True)
    ledger.read_logs(config, when)


# Killed after each step.


def kill_after(
    config: Config, words: tuple[str, ...], number: int, ask: Callable[[], Callable[[], bool]] | None
) -> Step | None:
    """Kill `goatdev WORDS` once so many steps are done; the last of them, or None where there are not so many.

    ask  what is asked of a station that is ready, and how to tell that it is done; None: steps count from the start
    """
    with traced(config, *words) as victim:
        if ask is None:
            is_done = lambda: victim.process.poll() is not None or "is ready" in log_of(config, words[0])
        else:
            wait_for(lambda: "is ready" in log_of(config, words[0]), "the station")
            list(victim.steps(0.3))
            is_done = ask()
        count = 0
        while True:
            ended = is_done()
            for step in victim.steps(0.5):
                count += 1
                if count == number:
                    kill(victim.process)
                    return step
            if ended:
                return None


def every_step(
    before: Path, ledger: Ledger, words: tuple[str, ...], every: int, asks: bool = False
) -> Iterator[tuple[Config, Step]]:
    """Copies of a station's folder, each with the service killed one step later than the one before.

    asks  whether a press is made first, of a station that is ready
    """
    number = 1
    while True:
        with tempfile.TemporaryDirectory(dir=before.parent) as name:
            folder = Path(name) / "station"
            shutil.copytree(before, folder)
            config = load_config(folder / "goatdev.toml")
            with Store(config.database_path) as store:

                def pressed() -> Callable[[], bool]:
                    capture = press(config, store)
                    ledger.closings[capture.id] += 1
                    return lambda: not store.capture(capture.id).is_unfinished

                step = kill_after(config, words, number, pressed if asks else None)
            if step is None:
                return
            yield config, step
        number += every


def kill_at_steps(name: str, before: Path, words: tuple[str, ...], every: int, asks: bool = False) -> Ledger:
    """The same folder, with one service of it killed after each step; what was found of all of them."""
    whole = Ledger()
    for config, step in every_step(before, whole, words, every, asks):
        whole.found[str(step)] += 1
        one = Ledger(Counter(known(config)) | whole.closings)
        finish(config, one, f"{name} killed after {step}")
        whole.wrong += one.wrong
        whole.closings.clear()
    print(f"{name}: killed after {sum(whole.found.values())} steps, {len(whole.wrong)} wrong")
    for what, times in whole.found.items():
        print(f"  {times:3} x {what}")
    return whole


def known(config: Config) -> dict[str, int]:
    """The captures that are there before the next start, each to be told to the cloud once."""
    with Store(config.database_path) as store:
        return {row["id"]: 1 for row in store.all("SELECT id FROM captures")}


def with_captures(folder: Path, captures: int) -> Path:
    """A station's folder with some captures that nobody has delivered yet."""
    config = prepare(folder)
    with running(config, "run"), Store(config.database_path) as store:
        for _ in range(captures):
            press(config, store)
        be_idle(config, store)
    (folder / "run.log").write_text("")
    return folder


def with_one_interrupted(folder: Path) -> Path:
    """A station's folder as a kill leaves it while the picture of one camera is being written."""
    for number in range(1, 100):
        shutil.rmtree(folder, ignore_errors=True)
        config = prepare(folder)
        with Store(config.database_path) as store:

            def pressed() -> Callable[[], bool]:
                capture = press(config, store)
                return lambda: not store.capture(capture.id).is_unfinished

            kill_after(config, ("run",), 20 + number, pressed)
        (folder / "run.log").write_text("")
        if list(folder.rglob("*_raw.*.jpg")) and list(folder.rglob("*.part")):
            return folder
    raise TimeoutError("no kill left half a picture")


def main() -> int:
    options = parsed()
    wrong: list[str] = []
    with tempfile.TemporaryDirectory(dir=options.dir, prefix="goatdev-kills-") as name:
        folder, chance = Path(name), random.Random(options.seed)
        for what, kills, begin in (("fork", options.random, forked), ("program", options.program, program)):
            if kills:
                ledger, begun = Ledger(), time.monotonic()
                kill_at_random(prepare(folder / what), ledger, kills, chance, begin)
                print(
                    f"{what}: {kills} kills in {time.monotonic() - begun:.0f} s, the newest capture was then"
                    f" {dict(ledger.found)}; {len(ledger.closings)} captures; {len(ledger.wrong)} wrong",
                    flush=True,
                )
                wrong += ledger.wrong
        if options.every:
            wrong += killed_everywhere(folder, options.every)
        if wrong and options.dir:
            with suppress(OSError):
                shutil.copytree(folder, options.dir / "kept", dirs_exist_ok=True)
    print(*(wrong or ["every kill left what was promised"]), sep="\n")
    return 1 if wrong else 0


def killed_everywhere(folder: Path, every: int) -> list[str]:
    """What is found wrong after kills at every so many steps of everything that writes."""
    fresh, owing = with_captures(folder / "fresh", 0), with_captures(folder / "owing", 2)
    cut = with_one_interrupted(folder / "cut")
    ledgers = [
        kill_at_steps("the station, from the press on", fresh, ("run",), every, asks=True),
        kill_at_steps("the station, when it starts after a kill", cut, ("run",), every),
        kill_at_steps("a press from the command line", fresh, ("capture", "--wait-s", "0.1"), every),
        kill_at_steps("the sync, with two captures", owing, ("sync", "--once"), every),
    ]
    return [line for ledger in ledgers for line in ledger.wrong]


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--random", type=int, default=200, help="kills at random instants, the program loaded once")
    parser.add_argument("--program", type=int, default=20, help="the same with the program started anew each time")
    parser.add_argument("--every", type=int, default=1, help="kill after every so many steps; 0: after none")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--dir", type=Path, help="where to work; what went wrong is kept there")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
