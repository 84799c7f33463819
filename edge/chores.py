"""What the station does between presses: small things, each in its own rhythm; none keeps a press waiting."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from edge.errors import DiskFull, DiskTrouble

log = logging.getLogger("goatdev.station")


@dataclass(frozen=True, slots=True)
class Chore:
    """One thing to do every so many seconds, first at the start; it takes no longer than a press may wait."""

    every_s: float
    do: Callable[[], None]


class Chores:
    """The chores of one station, and when each is due again."""

    def __init__(self, chores: Iterable[Chore], clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.due_at = {chore: clock() for chore in chores}

    def add(self, chore: Chore) -> None:
        self.due_at[chore] = self.clock()

    def do_next(self) -> None:
        """Do the chore that has been due for longest, if any is: one at a time, so that a press comes between two."""
        chore = min(self.due_at, key=self.due_at.__getitem__, default=None)
        if chore is not None and self.due_at[chore] <= self.clock():
            chore.do()
            self.due_at[chore] = self.clock() + chore.every_s


class Patient:
    """Something that writes and can wait: a disk that takes nothing is told once, and tried again at the next turn.

    make_room  asked for on a full disk
    """

    def __init__(self, do: Callable[[], object], make_room: Callable[[], object]) -> None:
        self.do = do
        self.make_room = make_room
        self.trouble = ""

    def __call__(self) -> None:
        try:
            self.do()
            self.trouble = ""
        except DiskTrouble as error:
            if error.message != self.trouble:
                log.error("%s", error)
            self.trouble = error.message
            if isinstance(error, DiskFull):
                self.make_room()
