"""When captures were really taken, found out later: a Pi without a battery learns the time long after it starts.

The seconds since the boot never jump, so one moment at which the time is known dates every other moment of that boot.
What the clock said at the press stays beside it, and so does the capture's id.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from edge.clock import read_clock
from edge.keeping.rows import dating_row, outbox_row
from edge.keeping.statements import INSERT_OUTBOX
from edge.keeping.store import Store
from edge.records import Capture, Dating, Stamp
from edge.times import clock_words

log = logging.getLogger("goatdev.clock")

# A clock that is kept right moves by far less, one that is set by more.
JUMP_S = 1.0

REMEMBER_BOOT = """
INSERT INTO boots (boot_id, booted_at)
VALUES (:boot_id, :booted_at)
ON CONFLICT (boot_id) DO UPDATE SET booted_at = :booted_at
"""

# Of this boot, from while the clock was not kept right: all, where the time is known for sure; else those from before
# the clock was set.
UNDATED_NOW = """
SELECT id FROM captures
WHERE boot_id = :boot_id
  AND sequence > :after
  AND clock_source <> 'ntp'
  AND dated_from IS NOT 'ntp'
  AND status IN ('completed', 'failed', 'missed')
  AND (
      :is_known
      OR ABS(JULIANDAY(COALESCE(taken_at, requested_at)) - since_boot_s / 86400 - JULIANDAY(:booted_at))
         > :jump_s / 86400
  )
ORDER BY sequence
LIMIT 1
"""

# Of boots that are over: what is not known of them by now will never be.
UNDATED_BEFORE = """
SELECT id FROM captures
WHERE boot_id <> :boot_id
  AND clock_source = 'unsynchronised'
  AND dated_from IS NULL
  AND status IN ('completed', 'failed', 'missed')
LIMIT 1
"""

# Up to which press all have been served. The plus keeps it from looking through all of them for the first that waits.
SERVED = """
SELECT COALESCE(
    (SELECT MIN(+sequence) - 1 FROM captures WHERE status IN ('queued', 'processing')),
    (SELECT MAX(sequence) FROM captures),
    0
) AS number
"""

DATE = """
UPDATE captures
SET dated_from = :dated_from,
    dated_at = :dated_at,
    dating_note = :dating_note,
    taken_at = :taken_at,
    clock_behind_s = :clock_behind_s
WHERE id = :id
"""


@dataclass(frozen=True, slots=True)
class Settled:
    """When all was dated that could be.

    newest  the outbox entry that was the newest then; -1 before the first look
    served  up to which press all had been served
    """

    at: Stamp
    newest: int = -1
    served: int = 0


class ClockWatch:
    """Notices that the wall clock was set, and tells the captures from before when they were really taken.

    language  in which each of them says so
    """

    def __init__(self, store: Store, language: str, clock: Callable[[], Stamp] = read_clock) -> None:
        self.store, self.language, self.clock = store, language, clock
        self.settled: Settled | None = None

    def look(self) -> None:
        """Date one capture, if there is anything new to know; called again and again, and mostly nothing to do."""
        now = self.clock()
        newest = self.store.number("SELECT COALESCE(MAX(id), 0) AS number FROM outbox")
        settled = self.settled if self.settled and not is_set(self.settled.at, now) else Settled(now)
        if settled.newest == newest:
            return
        if now.clock.source == "ntp":
            self.remember_boot(now)
        undated = self.next_undated(now, settled.served)
        if undated is not None:
            self.date(undated, now)
        else:
            self.settled = Settled(now, newest, self.store.number(SERVED))

    def remember_boot(self, now: Stamp) -> None:
        """For captures that follow when the time server is out of reach again, and for the next start."""
        known = self.known_boot(now.clock.boot_id)
        if known is None or abs(known - now.booted_at) > timedelta(seconds=JUMP_S):
            row = {"boot_id": now.clock.boot_id, "booted_at": now.booted_at.isoformat()}
            with self.store.transaction():
                self.store.db.execute(REMEMBER_BOOT, row)

    def known_boot(self, boot_id: str) -> datetime | None:
        """When the machine was switched on, where a time server was heard while it ran."""
        row = self.store.one("SELECT booted_at FROM boots WHERE boot_id = ?", [boot_id])
        return datetime.fromisoformat(row["booted_at"]) if row else None

    def next_undated(self, now: Stamp, after: int) -> Capture | None:
        """A capture that can be dated now, of those behind a press."""
        about = {
            "boot_id": now.clock.boot_id,
            "after": after,
            "booted_at": now.booted_at.isoformat(),
            "is_known": self.known_boot(now.clock.boot_id) is not None,
            "jump_s": JUMP_S,
        }
        row = self.store.one(UNDATED_NOW, about) or self.store.one(UNDATED_BEFORE, about)
        return self.store.capture(row["id"]) if row else None

    def date(self, capture: Capture, now: Stamp) -> None:
        """Write down what is known now, and owe the cloud the new document: both or neither."""
        dating = self.dating_of(capture, now)
        with self.store.transaction():
            dated = replace(self.store.capture(capture.id), dating=dating)
            self.store.db.execute(DATE, dating_row(dated, dating))
            self.store.db.execute(INSERT_OUTBOX, outbox_row(dated))
        log.info("%s: %s", capture.id, dating.note)

    def dating_of(self, capture: Capture, now: Stamp) -> Dating:
        clock = capture.trigger.clock
        assert clock is not None
        known = self.known_boot(clock.boot_id)
        if known is None and clock.boot_id != now.clock.boot_id:
            return Dating("never", now.at, clock_words("never", self.language))
        taken_at = (known or now.booted_at) + timedelta(seconds=clock.since_boot_s)
        by_s = (taken_at - capture.trigger.requested_at).total_seconds()
        note = clock_words("corrected", self.language, by_s)
        return Dating("ntp" if known else "set", now.at, note, taken_at, by_s)


def is_set(before: Stamp, now: Stamp) -> bool:
    """Whether the wall clock was set in between, or follows another than before."""
    jumped = abs(now.booted_at - before.booted_at) > timedelta(seconds=JUMP_S)
    return jumped or now.clock.source != before.clock.source
