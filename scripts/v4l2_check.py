"""What `scripts/v4l2_check` runs inside its virtual machine: the USB camera code on three real V4L2 devices."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

from edge.cameras import Rig, v4l2
from edge.cameras.tended import TendedCamera
from edge.cameras.usb import UsbCamera, UsbSource
from edge.commands.cameras import find_cameras, with_test_picture
from edge.errors import CaptureError
from edge.images import size_of
from edge.records import VIEWS, utc_now
from edge.settings import CamerasConfig

DRIVER = Path("/sys/bus/platform/drivers/vivid")
SIZE = (1280, 720)


def config(**changes: int | float) -> CamerasConfig:
    known = {"width": SIZE[0], "height": SIZE[1], "limit_s": 15.0}
    return CamerasConfig(side="usb:/dev/video0", **{**known, **changes})  # type: ignore[arg-type]


def nodes() -> list[Path]:
    return [one.device for one in v4l2.attached()]


def opened(device: Path, **changes: int | float) -> UsbCamera:
    return UsbSource("side", str(device), config(**changes)).open()


def refusal(what: Callable[[], object]) -> str:
    try:
        what()
    except CaptureError as error:
        return str(error)
    raise AssertionError("nothing was refused")


def lists_three_cameras() -> str:
    found = v4l2.attached()
    assert len(found) == 3, found
    assert all(one.name.startswith("vivid") and one.port == "" for one in found), found
    return ", ".join(f"{one.source} {one.name}" for one in found)


def lists_sizes() -> str:
    formats = v4l2.formats(nodes()[0])
    assert formats
    assert all(one.fourcc != "MJPG" for one in formats)
    assert SIZE in formats[0].sizes, formats[0]
    return ", ".join(f"{one.fourcc} {one.sizes[0]}" for one in formats[:4])


def takes_a_fresh_frame() -> str:
    camera, ages = opened(nodes()[0]), []
    for _ in range(3):
        time.sleep(0.5)  # old pictures wait in the driver's buffers by now
        asked = utc_now()
        frame = camera.shoot()
        assert size_of(frame.jpeg) == SIZE
        ages.append((frame.exposed_at - asked).total_seconds())
    camera.close()
    assert all(0 <= age < 10 for age in ages), ages
    return f"exposed {', '.join(f'{age:.2f}' for age in ages)} s after the call"


def changes_size_in_place() -> str:
    camera, sizes = opened(nodes()[0]), []
    for take in (camera.preview, lambda: camera.shoot().jpeg, camera.preview):
        sizes.append(size_of(take()))
    camera.close()
    assert sizes == [(640, 480), SIZE, (640, 480)], sizes
    return str(sizes)


def tells_a_size_that_it_has_not() -> str:
    text = refusal(lambda: opened(nodes()[0], width=1234, height=567))
    assert "no pictures of 1234x567" in text, text
    return text


def tells_a_busy_camera() -> str:
    first = opened(nodes()[0])
    first.shoot()
    text = refusal(lambda: opened(nodes()[0]).shoot())
    first.shoot()
    first.close()
    assert "another program is using it" in text, text
    return text


def tells_an_absent_camera() -> str:
    text = refusal(lambda: opened(Path("/dev/video99")))
    assert "not plugged in" in text, text
    return text


def lets_another_use_a_resting_camera_bus() -> str:
    """A resting camera streams no more: the kernel would let its buffers be queued anew."""
    camera = opened(nodes()[0])
    camera.shoot()
    assert camera.is_running
    camera.rest()
    assert not camera.is_running
    frame = camera.shoot()
    camera.close()
    return f"and gives {size_of(frame.jpeg)} again"


def three_at_once() -> str:
    cameras = {
        view: TendedCamera(view, UsbSource(view, str(device), config()), 15.0)
        for view, device in zip(VIEWS, nodes(), strict=True)
    }
    for camera in cameras.values():
        camera.wait_for_first_try(30)
    rig = Rig(cameras, burst_shots=2, burst_s=0.5)
    shots = list(rig.burst())
    live = [camera.ask_preview().result(30) for camera in cameras.values()]
    rig.close()
    assert all(len(shot.frames) == 3 for shot in shots), [shot.missing for shot in shots]
    assert [size_of(one) for one in live] == [(640, 480)] * 3
    return f"spread {shots[1].spread_ms:.0f} ms, and live pictures after"


def takes_test_pictures() -> str:
    tried = [with_test_picture(one, Path("/tmp/pictures")) for one in find_cameras()]
    assert all(one.problem is None and one.size == (3840, 2160) for one in tried), tried
    return ", ".join(str(one.picture) for one in tried)


def platform_of(device: Path) -> str:
    return (v4l2.SYS / "class/video4linux" / device.name / "device").resolve().name


def tell_driver(verb: str, platform: str) -> None:
    """bind: plug in; unbind: pull the cable."""
    (DRIVER / verb).write_text(platform)


def is_noticed_when_it_is_plugged_in_again_between_presses() -> str:
    device = nodes()[-1]
    platform = platform_of(device)
    camera = TendedCamera("top", UsbSource("top", str(device), config()), 15.0)
    camera.wait_for_first_try(30)
    camera.shoot()
    tell_driver("unbind", platform)
    pulled = time.monotonic()
    while camera.lost is None and time.monotonic() < pulled + 10:
        time.sleep(0.1)
    text = str(camera.lost)
    # Only now: a node that is held open keeps its number, and the camera would come back under another one.
    tell_driver("bind", platform)
    while camera.lost is not None and time.monotonic() < pulled + 40:
        time.sleep(0.1)
    frame = camera.shoot()
    camera.close()
    return f"{text}; the next press has its picture, {size_of(frame.jpeg)}"


def comes_back_after_being_unplugged() -> str:
    device = nodes()[-1]
    platform = platform_of(device)
    camera = TendedCamera("top", UsbSource("top", str(device), config()), 15.0)
    camera.wait_for_first_try(30)
    camera.shoot()
    tell_driver("unbind", platform)
    text = refusal(camera.shoot)
    assert "unplugged" in text or "not plugged in" in text, text
    tell_driver("bind", platform)
    bound, frame = time.monotonic(), None
    while frame is None and time.monotonic() < bound + 30:
        try:
            frame = camera.shoot()
        except CaptureError:
            time.sleep(0.2)
    camera.close()
    assert frame is not None
    return f"{text}; back {time.monotonic() - bound:.1f} s after it was plugged in"


CHECKS = (
    lists_three_cameras,
    lists_sizes,
    takes_a_fresh_frame,
    changes_size_in_place,
    tells_a_size_that_it_has_not,
    tells_a_busy_camera,
    tells_an_absent_camera,
    lets_another_use_a_resting_camera_bus,
    three_at_once,
    takes_test_pictures,
    is_noticed_when_it_is_plugged_in_again_between_presses,
    comes_back_after_being_unplugged,
)


def main() -> int:
    failed = 0
    print(flush=True)  # the machine's own first words end without a line
    for check in CHECKS:
        name = check.__name__.replace("_", " ")
        try:
            print(f"ok    {name}: {check()}", flush=True)
        except Exception as error:
            failed += 1
            print(f"FAIL  {name}: {type(error).__name__}: {error}", flush=True)
    return failed


if __name__ == "__main__":
    sys.exit(main())
