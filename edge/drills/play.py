"""Which drills there are, and playing them."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from edge.drills.cameras import frozen_camera, one_camera_absent
from edge.drills.clock import clock_corrected
from edge.drills.keeping import (
    database_malformed,
    database_missing,
    disk_full,
    killed_between_writes,
)
from edge.drills.network import (
    broker_absent,
    broker_restarted,
    no_route,
    press_delivered_twice,
    retained_press,
)
from edge.drills.scratch import PYTHON, Scratch
from edge.drills.upgrade import upgraded
from edge.drills.verdicts import DrillFailed, DrillSkipped
from edge.errors import StationError

NO_CLOUD = "the cloud connection is a folder today"
PASSED, FAILED, SKIPPED, NOT_YET = "passed", "failed", "skipped", "not yet"


@dataclass(frozen=True, slots=True)
class Drill:
    """One thing that goes wrong, and how it is played; or why it cannot be yet."""

    name: str
    play: Callable[[Scratch], str] | None = None
    not_yet: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a drill went: "passed", "failed", "skipped" or "not yet", and what was seen in one line."""

    name: str
    state: str
    seen: str
    seconds: float = 0.0


DRILLS = (
    Drill("no-route", no_route),
    Drill("broker-absent", broker_absent),
    Drill("broker-restarted", broker_restarted),
    Drill("press-twice", press_delivered_twice),
    Drill("press-retained", retained_press),
    Drill("camera-absent", one_camera_absent),
    Drill("camera-frozen", frozen_camera),
    Drill("disk-full", disk_full),
    Drill("database-missing", database_missing),
    Drill("database-malformed", database_malformed),
    Drill("kill-9", killed_between_writes),
    Drill("clock-1970", clock_corrected),
    Drill("upgrade", upgraded),
    Drill("s3-clock-off", not_yet=NO_CLOUD),
    Drill("s3-500", not_yet=NO_CLOUD),
    Drill("s3-cut-off", not_yet=NO_CLOUD),
    Drill("postgresql-replay", not_yet=NO_CLOUD),
)


def play(drill: Drill, program: Sequence[str] = PYTHON) -> Outcome:
    """Play one drill on a scratch station in a temporary folder, which is gone afterwards."""
    if drill.play is None:
        return Outcome(drill.name, NOT_YET, drill.not_yet)
    begun_s = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="goatdev-drill-") as folder:
        state, seen = outcome_of(drill.play, Scratch(Path(folder), program))
    return Outcome(drill.name, state, " ".join(seen.split()), round(time.monotonic() - begun_s, 1))


def outcome_of(played: Callable[[Scratch], str], scratch: Scratch) -> tuple[str, str]:
    try:
        return PASSED, played(scratch)
    except DrillSkipped as reason:
        return SKIPPED, str(reason)
    except (DrillFailed, StationError) as error:
        return FAILED, str(error)
