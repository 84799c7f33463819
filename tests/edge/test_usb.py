"""USB cameras: found by their port, told in plain words, their pictures fresh and as the camera compressed them.

No test here has a camera. The kernel's files are laid out in a folder as Linux lays them out, and OpenCV's capture is
played by a stand-in that does what was seen of it on V4L2 devices: `scripts/v4l2_check` runs the same code on those.
"""

from __future__ import annotations

import errno
import os
import time
from collections import deque
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.cameras import v4l2
from edge.cameras.usb import Settings, UsbCamera, UsbSource, settings_for
from edge.errors import CaptureError, ConfigError
from edge.images import size_of
from edge.records import utc_now
from edge.settings import CamerasConfig
from tests.conftest import jpeg

ARDUCAM = "Arducam 16MP: Arducam 16MP"
HUB = "devices/platform/scb/fd500000.pcie/pci0000:00/0000:00:00.0/0000:01:00.0/usb1/1-1"


def plug_in(root: Path, number: int, port: str, name: str = ARDUCAM, index: int = 0) -> None:
    """One video node as Linux shows it; a camera has a second one for metadata, with index 1."""
    interface = root / "sys" / HUB / port / f"{port}:1.0"
    node = interface / "video4linux" / f"video{number}"
    node.mkdir(parents=True)
    (node / "name").write_text(name + "\n")
    (node / "index").write_text(f"{index}\n")
    (node / "device").symlink_to("../..")
    shown = root / "sys" / "class" / "video4linux"
    shown.mkdir(parents=True, exist_ok=True)
    (shown / node.name).symlink_to(node)


@pytest.fixture
def pi(tmp_path: Path) -> Path:
    """Three identical cameras on one hub, each with its metadata node, plugged in in some order."""
    for number, port in enumerate(["1-1.10", "1-1.2", "1-1.4"]):
        plug_in(tmp_path, 2 * number, port)
        plug_in(tmp_path, 2 * number + 1, port, index=1)
    return tmp_path


def test_identical_cameras_are_told_apart_by_their_port(pi: Path) -> None:
    found = v4l2.attached(pi / "sys", Path("/dev"))
    assert [(one.source, str(one.device)) for one in found] == [
        ("usb:1-1.2", "/dev/video2"),
        ("usb:1-1.4", "/dev/video4"),
        ("usb:1-1.10", "/dev/video0"),
    ]
    assert {one.name for one in found} == {ARDUCAM}


def test_a_port_keeps_its_camera_whatever_number_linux_gives_it(pi: Path) -> None:
    where = v4l2.device_at("1-1.4", pi / "sys", Path("/dev"))
    assert where == Path("/dev/video4")
    (pi / "sys/class/video4linux/video4").rename(pi / "sys/class/video4linux/video17")
    assert v4l2.device_at("1-1.4", pi / "sys", Path("/dev")) == Path("/dev/video17")


def test_a_camera_that_is_on_no_usb_port_goes_by_its_node(tmp_path: Path) -> None:
    node = tmp_path / "sys" / "devices" / "platform" / "vivid.0" / "video4linux" / "video0"
    node.mkdir(parents=True)
    (node / "device").symlink_to("../..")
    shown = tmp_path / "sys" / "class" / "video4linux"
    shown.mkdir(parents=True)
    (shown / "video0").symlink_to(node)
    assert [one.source for one in v4l2.attached(tmp_path / "sys", Path("/dev"))] == ["usb:/dev/video0"]


def test_nothing_attached_is_an_empty_list(tmp_path: Path) -> None:
    assert v4l2.attached(tmp_path) == []


def test_an_empty_port_says_so_and_what_to_do(pi: Path) -> None:
    with pytest.raises(OSError) as caught:
        v4l2.device_at("1-1.3", pi / "sys")
    told = v4l2.refused("side", "1-1.3", caught.value)
    assert told.message == "side: the camera at 1-1.3: it is not plugged in"
    assert "goatdev cameras" in told.hint


@pytest.mark.parametrize(
    ("number", "what", "hint"),
    [
        (errno.ENOSPC, "no room for one more camera", "at_once = 1"),
        (errno.EBUSY, "another program is using it", "fuser"),
        (errno.ENODEV, "unplugged", "plug it in"),
        (errno.EACCES, "may not open it", "udev"),
        (errno.EPROTO, "does not answer", "cable"),
        (errno.ETIMEDOUT, "does not answer", "cable"),
        (errno.EINVAL, "refuses these settings", "goatdev cameras"),
        (errno.ENOTTY, os.strerror(errno.ENOTTY), "cable"),
    ],
)
def test_what_the_kernel_refuses_is_told_in_plain_words(number: int, what: str, hint: str) -> None:
    told = v4l2.refused("top", "1-1.2", OSError(number, os.strerror(number)))
    assert what in told.message
    assert hint in told.hint


def test_what_is_no_camera_is_refused_by_the_kernel_not_by_a_crash(tmp_path: Path) -> None:
    plain = tmp_path / "video0"
    plain.write_text("")
    with pytest.raises(OSError):
        v4l2.formats(plain)
    assert isinstance(v4l2.why_not_streaming(plain), OSError)
    assert isinstance(v4l2.why_not_streaming(tmp_path / "absent"), OSError)


@pytest.mark.parametrize("where", ["0", "", "1", "video0", "1-1.2:1.0", "../dev/video0", "1-1.x"])
def test_what_names_no_port_is_a_configuration_error(where: str) -> None:
    with pytest.raises(ConfigError, match="names no USB port") as caught:
        UsbSource("side", where, config())
    assert "usb:1-1.2" in caught.value.hint


@pytest.mark.parametrize("where", ["/dev/video987", "9-9.9"])
def test_a_camera_that_is_not_there_is_a_missing_picture_not_the_end(where: str) -> None:
    with pytest.raises(CaptureError, match="it is not plugged in"):
        UsbSource("side", where, config()).open()


def config(**changes: int) -> CamerasConfig:
    return CamerasConfig(side="usb:1-1.2", **changes)  # type: ignore[arg-type]


OFFERED = [
    v4l2.Format("YUYV", ((4656, 3496), (640, 480))),
    v4l2.Format("MJPG", ((3840, 2160), (1920, 1080), (640, 480))),
]


def test_the_largest_compressed_picture_is_taken_unless_the_configuration_says_otherwise() -> None:
    assert settings_for(config(), OFFERED).full == (3840, 2160)
    assert settings_for(config(width=1920, height=1080), OFFERED).full == (1920, 1080)
    assert settings_for(config(), OFFERED[:1]).full == (4656, 3496)
    assert [settings_for(config(), offered).is_jpeg for offered in (OFFERED, OFFERED[:1])] == [True, False]


def test_what_is_fixed_is_switched_to_manual_first() -> None:
    assert settings_for(config(), OFFERED).fixed == {}
    fixed = settings_for(config(focus=30, exposure=120, white_balance=4600), OFFERED).fixed
    assert list(fixed) == [
        "autofocus",
        "focus",
        "automatic exposure",
        "exposure",
        "automatic white balance",
        "white balance",
    ]


# A camera, as OpenCV shows it.


class Capture:
    """cv2.VideoCapture on V4L2: a stream starts at the first grab, a set size stops it, and its buffers grow old.

    buffers  what the driver holds or will give, oldest first: (time stamp, bytes), the stamp on the monotonic clock or
             None for the moment of the grab
    """

    def __init__(self, *buffers: tuple[float | None, bytes], lacks: tuple[int, ...] = ()) -> None:
        self.buffers, self.lacks = deque(buffers), lacks
        self.properties: dict[int, float] = {}
        self.set_calls: list[tuple[int, float]] = []
        self.stamp, self.content, self.starts, self.streams, self.released = 0.0, b"", 0, False, False

    def isOpened(self) -> bool:  # noqa: N802 (OpenCV's name)
        return True

    def set(self, what: int, value: float) -> bool:
        self.set_calls.append((what, value))
        if what == cv2.CAP_PROP_FRAME_HEIGHT:
            self.streams = False
        self.properties[what] = value
        return what not in self.lacks

    def get(self, what: int) -> float:
        return self.stamp * 1000 if what == cv2.CAP_PROP_POS_MSEC else self.properties.get(what, 0.0)

    def grab(self) -> bool:
        if not self.buffers:
            return False
        self.starts += not self.streams
        self.streams = True
        stamp, self.content = self.buffers.popleft()
        time.sleep(0.001)
        self.stamp = time.monotonic() if stamp is None else stamp
        return True

    def retrieve(self) -> tuple[bool, np.ndarray]:
        return True, np.frombuffer(self.content, np.uint8).reshape(1, -1)

    def release(self) -> None:
        self.released = True


SETTINGS = Settings((640, 480), (320, 240), is_jpeg=True, fixed={}, limit_s=0.5)


@pytest.fixture
def device(tmp_path: Path) -> Path:
    path = tmp_path / "video0"
    path.write_text("")
    return path


def camera_of(device: Path, capture: Capture, settings: Settings = SETTINGS) -> UsbCamera:
    return UsbCamera("side", "1-1.2", device, settings, capture)  # type: ignore[arg-type]


def numbered(number: int) -> bytes:
    return jpeg(colour=(number, 100, 100))


NOW = None
UNSETTLED = [(NOW, numbered(200)), (NOW, numbered(201))]


def test_the_picture_is_the_one_that_the_camera_compressed(device: Path) -> None:
    left_behind = b"\x00" * 64 + numbered(9)[-300:]
    camera = camera_of(device, Capture(*UNSETTLED, (NOW, numbered(1) + left_behind)))
    frame = camera.shoot()
    assert frame.jpeg == numbered(1)
    assert abs((utc_now() - frame.exposed_at).total_seconds()) < 1


def test_pictures_that_waited_in_the_drivers_buffers_are_let_go(device: Path) -> None:
    camera = camera_of(device, Capture(*UNSETTLED, (NOW, numbered(1))))
    camera.shoot()
    old = time.monotonic() - 0.001
    camera.capture.buffers.extend([(old - 3, numbered(2)), (old, numbered(3)), (NOW, numbered(4))])
    before = utc_now()
    frame = camera.shoot()
    assert frame.jpeg == numbered(4)
    assert frame.exposed_at >= before


def test_a_driver_with_a_clock_of_its_own_gives_up_its_buffers(device: Path) -> None:
    strange = 1.8e9
    camera = camera_of(device, Capture(*[(strange, numbered(number)) for number in range(12)]))
    assert camera.shoot().jpeg == numbered(2)
    assert camera.shoot().jpeg == numbered(5)


def test_torn_pictures_are_passed_over(device: Path) -> None:
    torn = numbered(1)[:2000]
    camera = camera_of(device, Capture(*UNSETTLED, (NOW, torn), (NOW, b""), (NOW, numbered(2))))
    assert camera.shoot().jpeg == numbered(2)


def test_a_camera_that_gives_only_torn_pictures_says_so_in_time(device: Path) -> None:
    camera = camera_of(device, Capture(*[(NOW, b"torn")] * 2000))
    with pytest.raises(CaptureError, match=r"no whole picture within 0\.5 s"):
        camera.shoot()


def test_a_camera_that_stops_giving_is_closed_and_says_why(device: Path) -> None:
    capture = Capture(*UNSETTLED, (NOW, numbered(1)))
    camera = camera_of(device, capture)
    camera.shoot()
    device.unlink()
    with pytest.raises(CaptureError, match="it is not plugged in"):
        camera.shoot()
    assert capture.released


def test_preview_and_full_size_are_changed_in_place_and_a_resting_camera_does_not_stream(
    device: Path,
) -> None:
    capture = Capture(*[(NOW, numbered(number)) for number in range(20)])
    camera = camera_of(device, capture)
    assert not capture.streams
    camera.shoot()
    camera.shoot()
    assert (capture.starts, capture.get(cv2.CAP_PROP_FRAME_WIDTH)) == (1, 640)
    camera.rest()
    assert (capture.streams, capture.get(cv2.CAP_PROP_FRAME_WIDTH)) == (False, 320)
    camera.preview()
    assert (capture.starts, capture.get(cv2.CAP_PROP_FRAME_WIDTH)) == (2, 320)
    camera.rest()
    assert not capture.streams


def test_a_camera_without_compression_is_compressed_here(device: Path) -> None:
    row = np.full((480, 640, 3), 90, np.uint8).tobytes()
    settings = Settings((640, 480), (320, 240), is_jpeg=False, fixed={}, limit_s=0.5)
    camera = camera_of(device, Capture(*[(NOW, row)] * 3), settings)
    assert size_of(camera.shoot().jpeg) == (640, 480)


def test_what_a_camera_cannot_fix_is_said_and_does_not_stop_it(
    device: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = Settings(
        (640, 480), (320, 240), True, settings_for(config(focus=30, exposure=120), OFFERED).fixed, limit_s=0.5
    )
    capture = Capture(*UNSETTLED, (NOW, numbered(1)), lacks=(cv2.CAP_PROP_AUTOFOCUS, cv2.CAP_PROP_FOCUS))
    assert camera_of(device, capture, settings).shoot().jpeg == numbered(1)
    assert "side: the camera at 1-1.2 has no fixed autofocus, focus" in caplog.text
    assert (cv2.CAP_PROP_EXPOSURE, 120) in capture.set_calls


def test_a_camera_that_was_plugged_in_again_is_noticed_while_nobody_presses(device: Path) -> None:
    camera = camera_of(device, Capture())
    camera.check()
    device.unlink()
    with pytest.raises(CaptureError, match="not plugged in"):
        camera.check()
    (device.parent / "other").write_text("")
    (device.parent / "other").rename(device)
    with pytest.raises(CaptureError, match="unplugged"):
        camera.check()
