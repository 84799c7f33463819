"""What was promised of a station that is killed again and again, and what was found wrong after it."""

from __future__ import annotations

import subprocess
from collections import Counter
from dataclasses import dataclass, field

from edge.config import Config
from edge.keeping.store import Store
from scripts.proofs.station import command, environment, is_running, log_of, running, wait_for
from scripts.proofs.truth import falsehoods


@dataclass
class Ledger:
    """The promises so far.

    asked  capture -> how often it was asked for, which is how many documents the cloud is owed of it
    found  where the kills fell
    """

    asked: Counter[str] = field(default_factory=Counter)
    found: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    def check(self, config: Config, when: str, delivered: bool = False) -> None:
        """Look at everything that must be true."""
        self.wrong += [f"{when}: {one}" for one in falsehoods(config, self.asked, delivered)]

    def read_logs(self, config: Config, when: str) -> None:
        """Look for what nobody expected, and begin the logs anew."""
        for path in config.folder.glob("*.log"):
            text = path.read_text(errors="replace")
            if "Traceback" in text:
                self.wrong.append(f"{when}: {path.name}: {text[-2000:]}")
            path.write_text("")

    def finish(self, config: Config, when: str) -> None:
        """The program starts on what was left, serves what waits and ends when told to; the sync brings all of it."""
        self.read_logs(config, when)
        with running(config, "run"), Store(config.database_path) as store:
            be_idle(config, store)
        words = command(config, "sync", "--once")
        done = subprocess.run(words, capture_output=True, text=True, env=environment(), check=False)
        if done.returncode:
            self.wrong.append(f"{when}: the sync ended with {done.returncode}: {done.stderr[-2000:]}")
        self.check(config, when, delivered=True)
        self.read_logs(config, when)


def be_idle(config: Config, store: Store) -> None:
    """Until the station is ready and has served everybody."""
    wait_for(lambda: is_running(config) and "is ready" in log_of(config, "run"), "the station")
    wait_for(lambda: not any(store.counts().get(one) for one in ("queued", "processing")), "the captures")
