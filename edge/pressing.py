"""The one door through which every press comes: from the dashboard, a button, or the command line."""

from __future__ import annotations

from edge.config import Config
from edge.keeping.damage import noted_damage
from edge.keeping.disk import disk_below, require_room
from edge.keeping.store import Store
from edge.records import Capture, Trigger


def press(store: Store, config: Config, trigger: Trigger) -> Capture:
    """Write the press down; the same trigger again gives the same capture.

    Raises DiskFull, DiskTrouble or DatabaseDamaged, and writes nothing, where a capture could not be kept.
    """
    known = store.pressed(trigger.id)
    if known is not None:
        return known
    require_keepable(config)
    return store.press(trigger, config.station.id)


def ask_again(store: Store, config: Config, capture_id: str, goat_id: str | None, author: str) -> Capture:
    """Queue the stored images of a closed capture for a new revision; raises as `press` does."""
    require_keepable(config)
    return store.ask_again(capture_id, goat_id, author)


def require_keepable(config: Config) -> None:
    damaged = noted_damage(config.database_path)
    if damaged is not None:
        raise damaged
    require_room(disk_below(config.data_dir), config.disk)
