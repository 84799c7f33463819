"""The cameras of a station: one protocol, a rig of up to three, and the kinds behind it."""

from __future__ import annotations

from pathlib import Path
from threading import BoundedSemaphore

from edge.cameras.rig import Camera, Rig
from edge.cameras.simulated import FAULTS_FILE, SimulatedCamera, Stage
from edge.cameras.tended import Source, TendedCamera
from edge.errors import ConfigError
from edge.settings import CamerasConfig

__all__ = ["Camera", "Rig", "open_rig"]

# A station starts after this time at the latest, whatever its cameras do.
OPENING_S = 5.0


def open_rig(config: CamerasConfig, folder: Path) -> Rig:
    """Begin to tend the camera of each view; one that is not there now may come later.

    folder  what relative paths are relative to
    """
    stage = Stage()
    sources = {view: source_of(view, text, config, folder, stage) for view, text in config.sources().items()}
    bus = BoundedSemaphore(config.at_once) if config.at_once < len(sources) else None
    cameras = {view: TendedCamera(view, source, config.limit_s, bus) for view, source in sources.items()}
    for camera in cameras.values():
        camera.wait_for_first_try(OPENING_S / len(cameras))
    return Rig(cameras, config.burst_shots, config.burst_s, config.at_once, stage.set_for)


def source_of(view: str, text: str, config: CamerasConfig, folder: Path, stage: Stage) -> Source:
    """Where the camera of a view is plugged in. Raises ConfigError for what no camera can be at."""
    kind, _, where = text.partition(":")
    match kind:
        case "simulated":
            return SimulatedCamera(view, folder / where, stage, folder / FAULTS_FILE)
        case "usb":
            from edge.cameras.usb import UsbSource

            return UsbSource(view, where, config)
        case "csi":
            from edge.cameras.picamera import CsiSource

            return CsiSource(view, where, config)
    raise ConfigError(
        f"[cameras] {view}: {text!r}: unknown kind of camera",
        'known: "usb:PORT", "csi:NUMBER", "simulated:FOLDER"; `goatdev cameras` lists what is attached',
    )
