"""Kill -9 at any instant, and between any two steps: no press is lost or taken twice, and the next start is clean.

    scripts/kill_check --random 200 --program 20

The station is killed at random instants of its start and of captures. Then everything that writes is killed after each
single call that changes files: the station from a press on, at its first start, and at one after a kill; a press; the
sync. After each kill the program is started again, and all that must be true is looked at. Ends with 1 when anything
is not.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from edge.config import Config
from edge.keeping.store import Store
from scripts.proofs.ledger import Ledger, be_idle
from scripts.proofs.station import prepare, press, work_folder
from scripts.proofs.step_kills import kill_everything
from scripts.proofs.victims import Victim, forked, program

# One in so many kills falls into a start, one into a second measuring of stored pictures.
AT_START, AGAIN = 5, 5


def kill_at_random(
    config: Config, ledger: Ledger, kills: int, chance: random.Random, begin: Callable[[Config], Victim]
) -> None:
    """So many kills; the start after one is the start before the next."""
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
    ledger.finish(config, f"kill {kills}")


def how_long(
    config: Config, store: Store, ledger: Ledger, begin: Callable[[Config], Victim]
) -> tuple[float, float]:
    """Seconds that a start and a capture take here."""
    begun = time.monotonic()
    victim = begin(config)
    be_idle(config, store)
    ready = time.monotonic()
    ledger.asked[press(config, store).id] += 1
    be_idle(config, store)
    victim.kill()
    ledger.read_logs(config, "the first capture")
    return ready - begun, time.monotonic() - ready


def ask(config: Config, store: Store, ledger: Ledger, chance: random.Random) -> None:
    """A press, now and then two; or a measuring again of what is closed."""
    closed = [one for one in store.captures(limit=1) if one.images_of("raw") and not one.is_unfinished]
    if closed and chance.randrange(AGAIN) == 0:
        store.ask_again(closed[0].id, None)
        ledger.asked[closed[0].id] += 1
        return
    for _ in range(chance.choice((1, 1, 2))):
        trigger_id = f"{chance.getrandbits(64):x}"
        capture = press(config, store, trigger_id)
        if press(config, store, trigger_id).id != capture.id:
            ledger.wrong.append(f"{trigger_id}: pressed twice, taken twice")
        ledger.asked[capture.id] += 1


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
                    f" {dict(ledger.found)}; {len(ledger.asked)} captures; {len(ledger.wrong)} wrong",
                    flush=True,
                )
                print(*ledger.wrong, sep="\n", end="\n" if ledger.wrong else "", flush=True)
                wrong += ledger.wrong
        if options.every:
            wrong += kill_everything(folder, options.every)
        if wrong and options.dir:
            shutil.copytree(folder, options.dir / "kept", dirs_exist_ok=True)
    print(*(wrong or ["every kill left what was promised"]), sep="\n")
    return 1 if wrong else 0


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--random", type=int, default=200, help="kills at random instants, the program loaded once"
    )
    parser.add_argument(
        "--program", type=int, default=20, help="the same with the program started anew each time"
    )
    parser.add_argument("--every", type=int, default=1, help="kill after every so many steps; 0: after none")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--dir", type=work_folder, help="where to work; what went wrong is kept there")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
