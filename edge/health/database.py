"""What only the database can tell: whether it can be trusted, what waits for the cloud, how the last capture went."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta

from edge.health.check import OK, WARN, Check, age_s, local_time, moment, span
from edge.keeping.outbox import Outbox
from edge.keeping.store import Store, time_of
from edge.records import Capture, Status

# No internet for weeks is normal; that nobody looked after it for so long may not be.
LONG_WAIT = timedelta(days=14)

# Each is one step in an index of its state alone: the table is large. What was tried lately stands behind its elders by
# minutes, which nobody minds.
OLDEST_DUE = """
SELECT capture_id, document FROM outbox
WHERE state = 'due'
ORDER BY next_attempt_at
LIMIT 1
"""

NEWEST_PARKED = """
SELECT last_error FROM outbox
WHERE id = (SELECT MAX(id) FROM outbox WHERE state = 'parked')
"""

RECENT = 100
# Measured again later, a capture is closed much after its press.
RECENT_TIMES = """
SELECT requested_at, finished_at
FROM (SELECT status, revision, requested_at, finished_at FROM captures WHERE id > '' ORDER BY id DESC LIMIT :recent)
WHERE status = 'completed'
  AND revision = 1
"""


@dataclass(frozen=True, slots=True)
class Backlog:
    """What is owed to the cloud.

    oldest_s   how long the oldest of it has waited, 0 where nothing waits
    parked     how many documents the cloud refused; why: the newest of them
    """

    due: int = 0
    oldest_s: float = 0.0
    parked: int = 0
    why: str = ""


def read_backlog(store: Store) -> Backlog:
    states = Outbox(store).backlog()
    newest = store.one(NEWEST_PARKED)
    return Backlog(
        due=states.get("due", 0),
        oldest_s=oldest_s(store),
        parked=states.get("parked", 0),
        why=(newest["last_error"] or "") if newest else "",
    )


def oldest_s(store: Store) -> float:
    """How long the oldest document that waits for the cloud has waited, 0 where none does."""
    row = store.one(OLDEST_DUE)
    return waited_s(row["capture_id"], row["document"]) if row else 0.0


def waited_s(capture_id: str, document: str) -> float:
    """How long ago the capture was closed that a document is about."""
    try:
        finished = moment(str(json.loads(document)["finished_at"]))
    except (ValueError, KeyError, TypeError):
        finished = None
    return age_s(finished or time_of(capture_id))


def backlog_check(backlog: Backlog, has_destination: bool = True) -> Check:
    waiting = f"{backlog.due} results are waiting for the cloud"
    if backlog.due:
        waiting += f", the oldest for {span(backlog.oldest_s)}"
    if backlog.parked:
        text = f"{backlog.parked} results were refused by the cloud ({backlog.why or 'no reason is known'}); {waiting}"
        return Check("backlog", WARN, text, "see why in the log: `journalctl -u goatdev-sync`")
    if not has_destination:
        return Check("backlog", OK, f"{backlog.due} results are kept; nowhere to deliver them is configured")
    if backlog.oldest_s > LONG_WAIT.total_seconds():
        return Check(
            "backlog",
            WARN,
            waiting,
            "connect the station to the internet, or look why the sync does not deliver",
        )
    return Check("backlog", OK, waiting)


def last_check(last: Capture | None) -> Check:
    if last is None:
        return Check("last_capture", OK, "no capture yet")
    text = f"{last.status}, {local_time(last.taken_at)}"
    if last.status in (Status.FAILED, Status.MISSED):
        return Check("last_capture", WARN, f"{text}: {last.failure}", last.hint or "")
    return Check("last_capture", OK, text)


def last_capture(store: Store) -> Capture | None:
    return next(iter(store.captures(1)), None)


def press_to_result_s(store: Store) -> list[float]:
    """How long the latest captures took from press to result, newest first."""
    rows = store.all(RECENT_TIMES, {"recent": RECENT})
    times = [(moment(row["requested_at"]), moment(row["finished_at"] or "")) for row in rows]
    # A clock that was set in between tells nothing.
    return [(end - begin).total_seconds() for begin, end in times if begin and end and begin <= end]
