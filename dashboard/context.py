"""What a request works with: the configuration, and one open store that is closed when the request ends."""

from __future__ import annotations

from flask import current_app, g

from edge.config import Config
from edge.devices.report import Device
from edge.health import station
from edge.keeping.archive import Archive
from edge.keeping.locks import is_held
from edge.keeping.store import Store


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


def devices() -> dict[str, Device]:
    """How the tag reader and the scale that the station has are doing; empty while it does not run."""
    return station.devices(config(), station_is_alive())


def tag_read() -> str:
    """The tag that the reader saw last, while it may still name a goat."""
    reader = devices().get("reader")
    return reader.says(config().reader.max_age_s) if reader else ""
