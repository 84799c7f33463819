"""`goatdev cameras`: which cameras are attached, and what to write into the configuration for them."""

from __future__ import annotations

import argparse
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edge.cameras import picamera, source_of, v4l2
from edge.cameras.simulated import Stage
from edge.console import say, with_json
from edge.errors import CaptureError, StageError
from edge.images import size_of
from edge.keeping.durable import make_folder, write_durably
from edge.records import VIEWS
from edge.settings import CamerasConfig

# A camera that nobody waits for may take its time.
TEST_LIMIT_S = 10.0
NOTHING = """\
no camera is attached
  what to do: plug a USB camera in and look again; `lsusb` shows whether the computer sees it at all.
  A ribbon camera needs `sudo apt install python3-picamera2`, and shows in `rpicam-hello --list-cameras`.
  `goatdev demo` needs no camera."""


@dataclass(frozen=True, slots=True)
class Found:
    """One camera that is attached.

    source   as it is written in the configuration
    formats  what it can give, for a USB camera that may be asked
    problem  why it could not be asked, or gave no test picture
    picture  its test picture, and (width, height) of that
    """

    source: str
    name: str
    device: Path | None = None
    formats: tuple[v4l2.Format, ...] = ()
    problem: str | None = None
    picture: Path | None = None
    size: tuple[int, int] | None = field(default=None)

    @property
    def largest(self) -> tuple[int, int] | None:
        """The largest picture that it compresses itself, or else that it has."""
        compressed = [one.sizes for one in self.formats if one.fourcc == "MJPG" and one.sizes]
        return max(
            (sizes[0] for sizes in compressed or [one.sizes for one in self.formats if one.sizes]),
            default=None,
        )

    def as_document(self) -> dict[str, Any]:
        return {
            "source": self.source,
            "name": self.name,
            "device": str(self.device) if self.device else None,
            "formats": [
                {"fourcc": one.fourcc, "sizes": [list(size) for size in one.sizes]} for one in self.formats
            ],
            "problem": self.problem,
            "picture": str(self.picture) if self.picture else None,
            "picture_size": list(self.size) if self.size else None,
        }


def cameras_command(options: argparse.Namespace) -> int:
    """List what is attached; with --test, take a picture of each."""
    found = find_cameras()
    if options.test:
        found = [with_test_picture(one, Path(options.test)) for one in found]
    configuration = proposal(found)
    if options.json:
        say({"cameras": [one.as_document() for one in found], "configuration": configuration})
    elif not found:
        print(NOTHING)
    else:
        print("\n".join(line for one in found for line in described(one)))
        print(
            f"\nfor goatdev.toml; which camera is which, `goatdev cameras --test DIR` shows:\n\n{configuration}"
        )
    return 0


def find_cameras(sys: Path = v4l2.SYS, dev: Path = v4l2.DEV) -> list[Found]:
    """USB cameras by port, then ribbon cameras by number."""
    ribbon = [Found(f"csi:{number}", name) for number, name in enumerate(picamera.attached())]
    return [asked(one) for one in v4l2.attached(sys, dev) if is_camera(one, sys)] + ribbon


def is_camera(one: v4l2.Attached, sys: Path) -> bool:
    """Boards with a device tree, as the Raspberry Pi is, have nodes for codecs and connectors that no USB port has."""
    return bool(one.port) or not (sys / "firmware" / "devicetree").exists()


def asked(one: v4l2.Attached) -> Found:
    try:
        return Found(one.source, one.name, one.device, tuple(v4l2.formats(one.device)))
    except OSError as error:
        return Found(one.source, one.name, one.device, problem=str(v4l2.refused(one.name, one.source, error)))


def with_test_picture(one: Found, folder: Path) -> Found:
    """The camera with a picture of what it sees now, or why there is none."""
    config = CamerasConfig(side=one.source, limit_s=TEST_LIMIT_S)
    try:
        camera = source_of("side", one.source, config, folder, Stage()).open()
        try:
            jpeg = camera.shoot().jpeg
        finally:
            camera.close()
    except CaptureError as error:
        return Found(one.source, one.name, one.device, one.formats, problem=str(error))
    path = folder / (re.sub(r"[^\w.-]+", "_", one.source) + ".jpg")
    try:
        make_folder(folder)
        write_durably(path, jpeg)
    except OSError as error:
        raise StageError(f"{folder}: {error.strerror}", "name another folder with --test") from None
    return Found(one.source, one.name, one.device, one.formats, None, path, size_of(jpeg))


def described(one: Found) -> list[str]:
    """One camera as text."""
    lines = [f"{one.source}  {one.name}" + (f"  ({one.device})" if one.device else "")]
    for kind in one.formats:
        told = ", ".join(f"{width}x{height}" for width, height in kind.sizes[:6])
        note = "" if kind.fourcc == "MJPG" else " (compressed by this computer)"
        lines.append(f"  {kind.fourcc}{note}: {told or 'any size'}")
    if one.picture and one.size:
        lines.append(f"  picture of {one.size[0]}x{one.size[1]}: {one.picture}")
    return [*lines, f"  {one.problem}"] if one.problem else lines


def proposal(found: list[Found]) -> str:
    """The [cameras] table for what is attached, one view after the other."""
    lines = ["[cameras]", *(f'{view} = "{one.source}"' for view, one in zip(VIEWS, found, strict=False))]
    largest = next((one.largest for one in found if one.largest), None)
    if largest:
        lines += [f"width = {largest[0]}", f"height = {largest[1]}"]
    return "\n".join(lines) if found else ""


def add_cameras(commands: Any) -> None:
    cameras = with_json(commands.add_parser("cameras", help="which cameras are attached"))
    cameras.add_argument("--test", metavar="DIR", help="take a picture of each, into that folder")
    cameras.set_defaults(command=cameras_command)
