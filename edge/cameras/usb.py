"""A USB camera, through OpenCV and V4L2. The only module that opens cameras with OpenCV."""

from __future__ import annotations

import errno
import logging
import time
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import cv2
import numpy as np

from edge.cameras import v4l2
from edge.clock import steady_now
from edge.errors import CaptureError, ConfigError
from edge.jpeg import whole
from edge.records import Frame, Pixels
from edge.settings import CamerasConfig

log = logging.getLogger("goatdev.cameras")

Size = tuple[int, int]

# As the camera compressed it: no other format fits through USB 2 at full size.
JPEG = "MJPG"
# Two are enough to go on while one is read; 16 megapixels ask for 30 MB each.
BUFFERS = 2
# A stream begins with pictures that are not yet exposed well, or torn.
UNSETTLED = 2
QUALITY = 95
# A stamp farther than this from our own clock is of another one. Some drivers stamp a little ahead.
CLOCKS_APART_S = 60.0
AUTO_OFF, MANUAL_EXPOSURE = 0, 1


@dataclass(frozen=True, slots=True)
class Settings:
    """How a camera is used.

    full, preview  (width, height), px
    is_jpeg        whether the camera compresses; otherwise this computer does
    fixed          what stays as it is set: name -> (OpenCV property, value), in this order
    limit_s        how long a picture may take
    """

    full: Size
    preview: Size
    is_jpeg: bool
    fixed: dict[str, tuple[int, float]]
    limit_s: float


class UsbSource:
    """A USB port, or a device node, into which a camera is plugged now or later."""

    def __init__(self, view: str, where: str, config: CamerasConfig) -> None:
        if not (where.startswith("/dev/") or v4l2.PORT.fullmatch(where)):
            raise ConfigError(
                f'[cameras] {view}: "usb:{where}" names no USB port',
                'for example "usb:1-1.2" or "usb:/dev/video0"; `goatdev cameras` lists what is attached',
            )
        self.view, self.where, self.config = view, where, config

    def open(self) -> UsbCamera:
        """The camera that is there now."""
        try:
            device = v4l2.device_at(self.where)
            settings = settings_for(self.config, v4l2.formats(device))
        except OSError as error:
            raise v4l2.refused(self.view, self.where, error) from None
        capture = cv2.VideoCapture(str(device), cv2.CAP_V4L2)
        try:
            return UsbCamera(self.view, self.where, device, settings, capture)
        except CaptureError:
            capture.release()  # whoever tries again would find it busy
            raise


def settings_for(config: CamerasConfig, offered: list[v4l2.Format]) -> Settings:
    sizes = {one.fourcc: one.sizes for one in offered}
    largest = max((size for one in offered for size in one.sizes), default=(640, 480))
    if sizes.get(JPEG):
        largest = sizes[JPEG][0]
    full = (config.width, config.height) if config.width else largest
    preview = config.preview_width, config.preview_height
    return Settings(full, preview, JPEG in sizes, fixed_controls(config), config.limit_s)


def fixed_controls(config: CamerasConfig) -> dict[str, tuple[int, float]]:
    """What the configuration fixes; switched to manual first, for a camera ignores the value otherwise."""
    fixed: dict[str, tuple[int, float]] = {}
    if config.focus >= 0:
        fixed["autofocus"] = cv2.CAP_PROP_AUTOFOCUS, AUTO_OFF
        fixed["focus"] = cv2.CAP_PROP_FOCUS, config.focus
    if config.exposure >= 0:
        fixed["automatic exposure"] = cv2.CAP_PROP_AUTO_EXPOSURE, MANUAL_EXPOSURE
        fixed["exposure"] = cv2.CAP_PROP_EXPOSURE, config.exposure
    if config.white_balance >= 0:
        fixed["automatic white balance"] = cv2.CAP_PROP_AUTO_WB, AUTO_OFF
        fixed["white balance"] = cv2.CAP_PROP_WB_TEMPERATURE, config.white_balance
    return fixed


class UsbCamera:
    """One open camera. Between pictures it is stopped, at preview size, and leaves the bus to the others."""

    def __init__(
        self, view: str, where: str, device: Path, settings: Settings, capture: cv2.VideoCapture
    ) -> None:
        self.view, self.where, self.device, self.settings = view, where, device, settings
        self.capture = capture
        if not self.capture.isOpened():
            raise self.refused()
        self.node = self.node_now()
        if settings.is_jpeg:
            self.capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*JPEG))
        self.capture.set(cv2.CAP_PROP_BUFFERSIZE, BUFFERS)
        self.size: Size | None = None
        self.is_running = False
        self.set_size(settings.full)
        self.fix_controls()
        self.rest()

    def shoot(self) -> Frame:
        """A frame of full size, exposed after the call, as the camera compressed it."""
        self.set_size(self.settings.full)
        jpeg, exposed_s = self.fresh()
        age_s = max(0.0, time.monotonic() - exposed_s)
        return Frame(self.view, jpeg, steady_now() - timedelta(seconds=age_s))

    def preview(self) -> bytes:
        self.set_size(self.settings.preview)
        return self.fresh()[0]

    def rest(self) -> None:
        """A camera whose size was set does not run before the next picture."""
        if self.is_running or self.size != self.settings.preview:
            self.size = None
            self.set_size(self.settings.preview)

    def check(self) -> None:
        """Whether this very camera is still there: one that was plugged in again has a new node."""
        if self.node_now() != self.node:
            raise v4l2.refused(self.view, self.where, OSError(errno.ENODEV, "another node"))

    def node_now(self) -> tuple[int, int]:
        """Which device node is there, and not only its name."""
        try:
            found = self.device.stat()
        except OSError as error:
            raise v4l2.refused(self.view, self.where, error) from None
        return found.st_ino, found.st_ctime_ns

    def close(self) -> None:
        self.capture.release()

    def set_size(self, size: Size) -> None:
        """Stop, and begin at another size with the next picture."""
        if size == self.size:
            return
        self.capture.set(cv2.CAP_PROP_FRAME_WIDTH, size[0])
        self.capture.set(cv2.CAP_PROP_FRAME_HEIGHT, size[1])
        if self.settings.is_jpeg:
            self.capture.set(cv2.CAP_PROP_CONVERT_RGB, 0)
        self.size, self.is_running = size, False
        given = self.given_size()
        if given == (0, 0):
            raise self.refused()
        if size == self.settings.full and given != size:
            raise CaptureError(
                f"{self.view}: the camera at {self.where} has no pictures of {size[0]}x{size[1]}",
                "set [cameras] width and height to a size that `goatdev cameras` lists",
            )

    def given_size(self) -> Size:
        """What the camera made of the size that was asked for."""
        return (
            round(self.capture.get(cv2.CAP_PROP_FRAME_WIDTH)),
            round(self.capture.get(cv2.CAP_PROP_FRAME_HEIGHT)),
        )

    def fix_controls(self) -> None:
        """Cameras differ in what can be fixed: what this one lacks is said once, and it goes on without."""
        lacks = [
            name for name, (what, value) in self.settings.fixed.items() if not self.capture.set(what, value)
        ]
        if lacks:
            log.warning("%s: the camera at %s has no fixed %s", self.view, self.where, ", ".join(lacks))

    def fresh(self) -> tuple[bytes, float]:
        """The first whole picture that was exposed after the call, and when that was on the monotonic clock."""
        asked_s = time.monotonic()
        unsettled, stale = (0 if self.is_running else UNSETTLED), BUFFERS
        while time.monotonic() < asked_s + self.settings.limit_s:
            if not self.capture.grab():
                raise self.refused()
            self.is_running = True
            exposed_s = self.capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
            if is_of_our_clock(exposed_s):
                is_stale = exposed_s < asked_s
            else:  # the driver has a clock of its own: what was in its buffers is old
                exposed_s, is_stale, stale = time.monotonic(), stale > 0, stale - 1
            if is_stale or unsettled > 0:
                unsettled -= 1
                continue
            jpeg = self.retrieved()
            if jpeg is not None:
                return jpeg, exposed_s
        raise CaptureError(
            f"{self.view}: the camera at {self.where} gave no whole picture within {self.settings.limit_s:g} s",
            "check its cable; a slow camera needs a larger [cameras] limit_s",
        )

    def retrieved(self) -> bytes | None:
        """The picture that was grabbed last as a JPEG; None where it is torn."""
        there, pixels = self.capture.retrieve()
        if not there or pixels is None:
            return None
        if self.settings.is_jpeg:
            return whole(pixels.tobytes())
        # Some formats come as one long row.
        width, height = self.given_size()
        return encoded(np.asarray(pixels, np.uint8).reshape(height, width, 3))

    def refused(self) -> CaptureError:
        """Why there is no picture: OpenCV does not say, so the kernel is asked."""
        self.close()
        error = v4l2.why_not_streaming(self.device) or OSError(errno.ETIMEDOUT, "no picture arrives")
        return v4l2.refused(self.view, self.where, error)


def is_of_our_clock(stamp_s: float) -> bool:
    """Whether a time stamp can be of the monotonic clock, as those of USB cameras are."""
    return stamp_s > 0 and abs(stamp_s - time.monotonic()) < CLOCKS_APART_S


def encoded(bgr: Pixels) -> bytes | None:
    """A picture of a camera that does not compress."""
    done, buffer = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    return buffer.tobytes() if done else None
