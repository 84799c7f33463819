"""The cameras of a station: one protocol, a rig of up to three, and the kinds behind it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from edge.cameras.rig import Camera, Rig
from edge.cameras.simulated import SimulatedCamera
from edge.errors import ConfigError

__all__ = ["Camera", "Rig", "open_rig"]


def open_rig(sources: Mapping[str, str], folder: Path) -> Rig:
    """Open the camera of each view.

    sources  view -> "simulated:FOLDER", relative to `folder`
    """
    return Rig({view: open_camera(view, source, folder) for view, source in sources.items()})


def open_camera(view: str, source: str, folder: Path) -> Camera:
    kind, _, where = source.partition(":")
    if kind == "simulated":
        return SimulatedCamera(view, folder / where)
    raise ConfigError(f"[cameras] {view}: {source!r}: unknown kind of camera", 'known: "simulated:FOLDER"')
