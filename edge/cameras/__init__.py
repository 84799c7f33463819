"""The cameras of a station: one protocol, a rig of up to three, and the kinds behind it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from edge.cameras.rig import Camera, Rig
from edge.cameras.simulated import SimulatedCamera
from edge.errors import ConfigError

__all__ = ["Camera", "Rig", "open_rig"]


def open_rig(sources: Mapping[str, str], folder: Path, burst_shots: int = 1, burst_s: float = 0.0) -> Rig:
    """Open the camera of each view.

    sources      view -> "simulated:FOLDER", relative to `folder`
    burst_shots  how many frames of each view a press takes
    burst_s      the time over which they are spread
    """
    cameras = {view: open_camera(view, source, folder, burst_shots) for view, source in sources.items()}
    return Rig(cameras, burst_shots, burst_s)


def open_camera(view: str, source: str, folder: Path, burst_shots: int) -> Camera:
    kind, _, where = source.partition(":")
    if kind == "simulated":
        return SimulatedCamera(view, folder / where, burst_shots)
    raise ConfigError(f"[cameras] {view}: {source!r}: unknown kind of camera", 'known: "simulated:FOLDER"')
