"""What a request works with: the configuration, and one open store that is closed when the request ends."""

from __future__ import annotations

from flask import current_app, g

from edge.archive import Archive
from edge.config import Config
from edge.locks import is_held
from edge.store import Store


def config() -> Config:
    """The configuration that this application was created with."""
    given: Config = current_app.config["GOATDEV"]
    return given


def store() -> Store:
    """The request's own store, opened when first needed."""
    if "store" not in g:
        g.store = Store(config().database_path)
    opened: Store = g.store
    return opened


def close_store(_error: BaseException | None = None) -> None:
    opened: Store | None = g.pop("store", None)
    if opened is not None:
        opened.close()


def archive() -> Archive:
    return Archive(config().image_folder.resolve())


def station_is_alive() -> bool:
    return is_held(config().station_lock)
