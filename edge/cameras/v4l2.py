"""What Linux knows of the cameras that are attached: where each is plugged in, what it can do, and why it refuses.

OpenCV opens cameras, but tells neither which USB port one is on nor why one will not start; the kernel tells both.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edge.errors import CaptureError

SYS, DEV = Path("/sys"), Path("/dev")
# A USB port as the kernel names it: the bus, and the way through the hubs to the plug.
PORT = re.compile(r"\d+-\d+(\.\d+)*")

# From linux/videodev2.h; the same on all 64-bit machines.
ENUM_FMT, ENUM_FRAMESIZES = 0xC0405602, 0xC02C564A
REQBUFS, STREAMON, STREAMOFF = 0xC0145608, 0x40045612, 0x40045613
VIDEO_CAPTURE, IN_MEMORY, DISCRETE = 1, 1, 1

# What the kernel answers -> what is wrong, what to do.
WORDS = {
    errno.ENOENT: (
        "it is not plugged in",
        "plug it in where it was; `goatdev cameras` lists what is attached",
    ),
    errno.ENODEV: ("it was unplugged", "plug it in again"),
    errno.ENXIO: ("it was unplugged", "plug it in again"),
    errno.EBUSY: ("another program is using it", "end that program: `sudo fuser -v /dev/video*` names it"),
    errno.EACCES: ("this user may not open it", "install the udev rules (README, Cameras)"),
    errno.EPERM: ("this user may not open it", "install the udev rules (README, Cameras)"),
    errno.ENOSPC: (
        "the USB bus has no room for one more camera that exposes",
        "set [cameras] at_once = 1, or plug the cameras into ports of different buses",
    ),
    errno.EIO: ("it does not answer on the USB bus", "check its cable; a long one needs a powered hub"),
    errno.EPROTO: ("it does not answer on the USB bus", "check its cable; a long one needs a powered hub"),
    errno.ETIMEDOUT: ("it does not answer", "pull its cable and plug it back in"),
    errno.EINVAL: ("it refuses these settings", "`goatdev cameras` lists the sizes that it has"),
}


@dataclass(frozen=True, slots=True)
class Attached:
    """A camera that is there now.

    port  the USB port that it is plugged into, or "" for one that is on none
    """

    device: Path
    name: str
    port: str

    @property
    def source(self) -> str:
        """How it is written in the configuration."""
        return f"usb:{self.port or self.device}"


@dataclass(frozen=True, slots=True)
class Format:
    """One kind of pictures: four letters, and the sizes (width, height), largest first."""

    fourcc: str
    sizes: tuple[tuple[int, int], ...]


def attached(sys: Path = SYS, dev: Path = DEV) -> list[Attached]:
    """Every V4L2 camera, by port. A camera has several nodes: only the one that gives pictures counts."""
    found = []
    for node in sorted((sys / "class" / "video4linux").glob("video*"), key=node_number):
        if read(node / "index") in ("", "0"):
            found.append(Attached(dev / node.name, read(node / "name") or node.name, port_of(node)))
    return sorted(found, key=lambda one: (one.port == "", natural(one.port)))


def node_number(node: Path) -> int:
    return int(node.name.removeprefix("video"))


def natural(port: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", port))


def port_of(node: Path) -> str:
    """The port of a video4linux node: its device is an interface, `1-1.2:1.0`, of what is plugged into that port."""
    interface = (node / "device").resolve().name
    port, _, rest = interface.partition(":")
    return port if rest and PORT.fullmatch(port) else ""


def device_at(where: str, sys: Path = SYS, dev: Path = DEV) -> Path:
    """The device node of what is plugged into a port now, or the node itself where a path is given."""
    if where.startswith("/"):
        return Path(where)
    there = [one for one in attached(sys, dev) if one.port == where]
    if not there:
        raise OSError(errno.ENOENT, f"no camera at USB port {where}")
    return there[0].device


def read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def refused(view: str, where: str, error: OSError) -> CaptureError:
    """What the kernel said, in plain words."""
    what, hint = WORDS.get(
        error.errno or 0, (error.strerror or str(error), "pull its cable and plug it back in")
    )
    return CaptureError(f"{view}: the camera at {where}: {what}", hint)


# Questions to a camera. All raise OSError with the kernel's errno.


def formats(device: Path) -> list[Format]:
    """What a camera can give."""
    camera = os.open(device, os.O_RDWR | os.O_NONBLOCK)
    try:
        return [Format(fourcc, frame_sizes(camera, fourcc)) for fourcc in pixel_formats(camera)]
    finally:
        os.close(camera)


def why_not_streaming(device: Path) -> OSError | None:
    """What the kernel says when a camera that OpenCV could not start is started by hand; None where it starts."""
    try:
        camera = os.open(device, os.O_RDWR | os.O_NONBLOCK)
    except OSError as error:
        return error
    kind = struct.pack("I", VIDEO_CAPTURE)
    try:
        fcntl.ioctl(camera, REQBUFS, bytearray(struct.pack("5I", 2, VIDEO_CAPTURE, IN_MEMORY, 0, 0)))
        fcntl.ioctl(camera, STREAMON, kind)
        fcntl.ioctl(camera, STREAMOFF, kind)
    except OSError as error:
        return error
    finally:
        os.close(camera)
    return None


def pixel_formats(camera: int) -> Iterator[str]:
    for index in range(64):
        answer = bytearray(struct.pack("III", index, VIDEO_CAPTURE, 0) + bytes(52))
        if not answers(camera, ENUM_FMT, answer):
            return
        yield answer[44:48].decode("latin-1").strip()


def frame_sizes(camera: int, fourcc: str) -> tuple[tuple[int, int], ...]:
    sizes = set()
    for index in range(64):
        answer = bytearray(struct.pack("I4sI", index, fourcc.ljust(4).encode("latin-1"), 0) + bytes(32))
        if not answers(camera, ENUM_FRAMESIZES, answer):
            break
        kind, *numbers = struct.unpack_from("7I", answer, 8)
        if kind != DISCRETE:  # smallest, largest and step of the width, then of the height
            sizes.add((numbers[1], numbers[4]))
            break
        sizes.add((numbers[0], numbers[1]))
    return tuple(sorted(sizes, key=lambda size: -size[0] * size[1]))


def answers(camera: int, question: int, answer: bytearray) -> bool:
    """Whether there is one more of what is being listed."""
    try:
        fcntl.ioctl(camera, question, answer)
    except OSError as error:
        if error.errno == errno.EINVAL:
            return False
        raise
    return True
