"""A camera on a Raspberry Pi's ribbon connector, through picamera2: the only module that knows it."""

from __future__ import annotations

import io
import time
from concurrent.futures import TimeoutError as NoAnswer
from datetime import timedelta
from typing import Any

from edge.clock import steady_now
from edge.errors import CaptureError, ConfigError
from edge.images import thumbnail
from edge.records import Frame
from edge.settings import CamerasConfig

LOST = "shut the station down, check the ribbon cable at both ends, and start it again"
# What picamera2 raises where the camera, or libcamera below it, does not do what it is asked.
TROUBLES = (RuntimeError, IndexError, OSError, NoAnswer)


class CsiSource:
    """A connector of the Raspberry Pi, by the camera's number from 0."""

    def __init__(self, view: str, where: str, config: CamerasConfig) -> None:
        if not where.isdecimal():
            raise ConfigError(
                f'[cameras] {view}: "csi:{where}" names no connector', 'for example "csi:0" or "csi:1"'
            )
        self.view, self.number, self.config = view, int(where), config
        self.picamera2 = loaded()

    def open(self) -> CsiCamera:
        try:
            return CsiCamera(self.view, self.picamera2.Picamera2(self.number), self.config)
        except TROUBLES as error:
            raise CaptureError(f"{self.view}: no camera at connector {self.number}: {error}", LOST) from None


def loaded() -> Any:
    """picamera2, which comes from apt and not with this software."""
    try:
        import picamera2
    except ImportError as error:
        raise ConfigError(
            f"a ribbon camera is configured and picamera2 cannot be loaded: {error}",
            "sudo apt install python3-picamera2, in a virtual environment made with --system-site-packages",
        ) from None
    return picamera2


def attached() -> list[str]:
    """The models of all ribbon cameras, by number; none where there is no picamera2."""
    try:
        return [str(one.get("Model", "camera")) for one in loaded().Picamera2.global_camera_info()]
    except (ConfigError, *TROUBLES):
        return []


class CsiCamera:
    """One open camera. It exposes all the time: the connector is its own, nobody waits for the bus."""

    def __init__(self, view: str, camera: Any, config: CamerasConfig) -> None:
        self.view, self.camera, self.limit_s = view, camera, config.limit_s
        self.preview_side_px = max(config.preview_width, config.preview_height)
        size = (config.width, config.height) if config.width else tuple(camera.sensor_resolution)
        camera.configure(camera.create_still_configuration(main={"size": size}, buffer_count=2))
        offered = camera.camera_controls
        camera.set_controls(
            {name: value for name, value in fixed_controls(config).items() if name in offered}
        )
        camera.start()

    def shoot(self) -> Frame:
        """A frame exposed after the call."""
        try:
            request = self.camera.wait(self.camera.capture_request(wait=False, flush=True), self.limit_s)
            try:
                jpeg = io.BytesIO()
                request.save("main", jpeg, format="jpeg")
                stamp_ns = request.get_metadata().get("SensorTimestamp")
            finally:
                request.release()
        except TROUBLES as error:
            raise CaptureError(f"{self.view}: the ribbon camera gave no picture: {error}", LOST) from None
        return Frame(self.view, jpeg.getvalue(), steady_now() - timedelta(seconds=age_s(stamp_ns)))

    def preview(self) -> bytes:
        return thumbnail(self.shoot().jpeg, self.preview_side_px)

    def rest(self) -> None:
        """It leaves no bus to anybody."""

    def check(self) -> None:
        """A ribbon cable is not pulled while the station runs."""

    def close(self) -> None:
        self.camera.close()


def fixed_controls(config: CamerasConfig) -> dict[str, Any]:
    """The same keys as for USB: focus in dioptres, exposure in 0.1 ms, white balance in kelvin."""
    fixed: dict[str, Any] = {}
    if config.focus >= 0:
        fixed |= {"AfMode": 0, "LensPosition": float(config.focus)}
    if config.exposure >= 0:
        fixed |= {"AeEnable": False, "ExposureTime": config.exposure * 100}
    if config.white_balance >= 0:
        fixed |= {"AwbEnable": False, "ColourTemperature": config.white_balance}
    return fixed


def age_s(stamp_ns: int | None) -> float:
    """How long ago a sensor's time stamp was; it counts from the computer's start."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) - stamp_ns / 1e9 if stamp_ns else 0.0
