"""The red banner above every page, while there is something that whoever looks must see."""

from __future__ import annotations

from flask import g

from dashboard.context import config, store
from edge.alarms import DAMAGED, MISSING, Alarm, alarm
from edge.errors import DatabaseDamaged, DiskTrouble, StoreError
from edge.keeping.damage import noted_damage


def standing_alarm() -> Alarm | None:
    """What is wrong with the database, if anything is; asked once for each request."""
    if "alarm" not in g:
        g.alarm = find_alarm()
    found: Alarm | None = g.alarm
    return found


def find_alarm() -> Alarm | None:
    language = config().station.language
    if noted_damage(config().database_path) is not None:
        return alarm(DAMAGED, language)
    try:
        unknown = store().unknown()
    except DatabaseDamaged:
        return alarm(DAMAGED, language)
    except (StoreError, DiskTrouble):  # told by the answer itself
        return None
    return alarm(MISSING, language, unknown) if unknown else None
