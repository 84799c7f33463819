"""`goatdev cameras` tells what is attached and what to write for it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edge.cameras.v4l2 import Format
from edge.cli import main
from edge.commands.cameras import Found, described, find_cameras, proposal, with_test_picture
from edge.config import load_config
from tests.conftest import SAMPLES
from tests.edge.test_usb import ARDUCAM, plug_in

MJPG = Format("MJPG", ((4656, 3496), (1920, 1080), (640, 480)))
YUYV = Format("YUYV", ((640, 480),))


def test_with_nothing_attached_it_says_so_and_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    if find_cameras():
        pytest.skip("this machine has cameras")
    assert main(["cameras"]) == 0
    said = capsys.readouterr().out
    assert "no camera is attached" in said
    assert "what to do" in said
    assert main(["cameras", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"cameras": [], "configuration": ""}


def test_cameras_are_listed_by_port_and_one_that_cannot_be_asked_says_why(tmp_path: Path) -> None:
    plug_in(tmp_path, 2, "1-1.4")
    plug_in(tmp_path, 0, "1-1.2")
    found = find_cameras(tmp_path / "sys", tmp_path / "dev")
    assert [(one.source, one.name) for one in found] == [("usb:1-1.2", ARDUCAM), ("usb:1-1.4", ARDUCAM)]
    assert "not plugged in" in str(found[0].problem)
    assert found[0].problem in described(found[0])[-1]


def test_the_codecs_and_connectors_of_a_raspberry_pi_are_no_usb_cameras(tmp_path: Path) -> None:
    plug_in(tmp_path, 0, "1-1.2")
    codec = tmp_path / "sys" / "devices" / "platform" / "bcm2835-codec" / "video4linux" / "video10"
    codec.mkdir(parents=True)
    (codec / "device").symlink_to("../..")
    (tmp_path / "sys" / "class" / "video4linux" / "video10").symlink_to(codec)
    (tmp_path / "sys" / "firmware" / "devicetree").mkdir(parents=True)
    found = find_cameras(tmp_path / "sys", tmp_path / "dev")
    assert [one.source for one in found] == ["usb:1-1.2"]


def test_the_proposed_configuration_is_a_valid_one_with_the_largest_compressed_picture(
    tmp_path: Path,
) -> None:
    found = [Found(f"usb:1-1.{port}", ARDUCAM, Path("/dev/video0"), (YUYV, MJPG)) for port in (2, 3, 4)]
    text = proposal(found)
    path = tmp_path / "goatdev.toml"
    path.write_text(
        f'[station]\nid = "barn1"\ndata_dir = "data"\n[measure]\ncalibration = "c.json"\n{text}\n'
    )
    cameras = load_config(path).cameras
    assert cameras.sources() == {"side": "usb:1-1.2", "top": "usb:1-1.3", "front": "usb:1-1.4"}
    assert (cameras.width, cameras.height) == (4656, 3496)


def test_a_camera_without_compression_is_named_as_such() -> None:
    lines = described(Found("usb:1-1.2", ARDUCAM, Path("/dev/video0"), (MJPG, YUYV)))
    assert lines[0] == f"usb:1-1.2  {ARDUCAM}  (/dev/video0)"
    assert lines[1] == "  MJPG: 4656x3496, 1920x1080, 640x480"
    assert lines[2] == "  YUYV (compressed by this computer): 640x480"


def test_a_camera_that_gives_no_test_picture_says_why(tmp_path: Path) -> None:
    tried = with_test_picture(Found("usb:9-9.9", ARDUCAM), tmp_path)
    assert tried.picture is None
    assert "not plugged in" in str(tried.problem)


def test_a_test_picture_is_written_and_its_size_told(tmp_path: Path) -> None:
    samples = SAMPLES / "captures"
    tried = with_test_picture(Found(f"simulated:{samples}", "simulated"), tmp_path / "pictures")
    assert tried.problem is None
    assert tried.picture is not None
    assert tried.picture.is_file()
    assert tried.size == (1600, 1200)
    assert str(tried.picture) in described(tried)[-1]
