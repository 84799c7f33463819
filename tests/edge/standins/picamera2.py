"""Stands in for picamera2, which runs on a Raspberry Pi only: what a station asks of it, with answers of their shape.

It is no proof that picamera2 does the same; it holds what `edge/cameras/picamera.py` asks for, in which order. `WORLD`
says which cameras there are and what they do; tests set it.
"""

from __future__ import annotations

import time
from concurrent.futures import TimeoutError as NoAnswer
from typing import Any

WORLD: dict[str, Any] = {
    "cameras": ["imx708_wide"],
    "answers": True,
    "controls": ("ExposureTime", "AeEnable"),
    "jpeg": b"",
}
CALLS: list[tuple[str, Any]] = []


class Request:
    def save(self, name: str, file: Any, format: str) -> None:
        CALLS.append(("save", (name, format)))
        file.write(WORLD["jpeg"])

    def get_metadata(self) -> dict[str, Any]:
        return {"SensorTimestamp": int((time.clock_gettime(time.CLOCK_BOOTTIME) - 0.25) * 1e9)}

    def release(self) -> None:
        CALLS.append(("release", None))


class Picamera2:
    sensor_resolution = (4608, 2592)

    def __init__(self, number: int) -> None:
        WORLD["cameras"][number]
        CALLS.append(("open", number))

    @staticmethod
    def global_camera_info() -> list[dict[str, Any]]:
        return [{"Num": number, "Model": model} for number, model in enumerate(WORLD["cameras"])]

    @property
    def camera_controls(self) -> dict[str, Any]:
        return dict.fromkeys(WORLD["controls"])

    def create_still_configuration(self, **wanted: Any) -> dict[str, Any]:
        return wanted

    def configure(self, configuration: dict[str, Any]) -> None:
        CALLS.append(("configure", configuration))

    def set_controls(self, controls: dict[str, Any]) -> None:
        CALLS.append(("set_controls", controls))

    def start(self) -> None:
        CALLS.append(("start", None))

    def capture_request(self, wait: bool, flush: bool) -> str:
        CALLS.append(("capture_request", {"wait": wait, "flush": flush}))
        return "job"

    def wait(self, job: str, timeout: float) -> Request:
        CALLS.append(("wait", (job, timeout)))
        if not WORLD["answers"]:
            raise NoAnswer
        return Request()

    def close(self) -> None:
        CALLS.append(("close", None))
