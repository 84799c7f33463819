"""Ribbon cameras: loaded only when configured. `standins/picamera2.py` takes the place of picamera2."""

from __future__ import annotations

import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from edge.cameras.picamera import CsiSource, attached
from edge.errors import CaptureError, ConfigError
from edge.images import size_of
from edge.records import utc_now
from edge.settings import CamerasConfig
from tests.conftest import REPO, jpeg

STANDINS = Path(__file__).parent / "standins"


@pytest.fixture
def picamera2(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    monkeypatch.syspath_prepend(str(STANDINS))
    module = importlib.import_module("picamera2")
    module.CALLS.clear()
    module.WORLD.update(cameras=["imx708_wide", "imx477"], answers=True, jpeg=jpeg())
    yield module
    del sys.modules["picamera2"]


def config(**changes: int) -> CamerasConfig:
    return CamerasConfig(side="csi:0", limit_s=1.5, **changes)  # type: ignore[arg-type]


def names_of(module: ModuleType) -> list[str]:
    return [name for name, _ in module.CALLS]


def test_a_frame_is_exposed_after_the_press_and_kept_as_jpeg(picamera2: ModuleType) -> None:
    camera = CsiSource("side", "1", config()).open()
    frame = camera.shoot()
    assert (frame.view, frame.jpeg) == ("side", jpeg())
    assert 0.2 < (utc_now() - frame.exposed_at).total_seconds() < 5
    assert ("open", 1) in picamera2.CALLS
    assert ("configure", {"main": {"size": (4608, 2592)}, "buffer_count": 2}) in picamera2.CALLS
    assert ("capture_request", {"wait": False, "flush": True}) in picamera2.CALLS
    assert ("wait", ("job", 1.5)) in picamera2.CALLS
    assert names_of(picamera2)[-2:] == ["save", "release"]
    camera.close()
    assert names_of(picamera2)[-1] == "close"


def test_the_configured_size_and_the_controls_that_the_camera_has_are_set(picamera2: ModuleType) -> None:
    CsiSource("side", "0", config(width=2304, height=1296, exposure=100, focus=2)).open()
    assert ("configure", {"main": {"size": (2304, 1296)}, "buffer_count": 2}) in picamera2.CALLS
    assert ("set_controls", {"AeEnable": False, "ExposureTime": 10_000}) in picamera2.CALLS


def test_a_camera_that_does_not_answer_is_a_missing_picture(picamera2: ModuleType) -> None:
    camera = CsiSource("side", "0", config()).open()
    picamera2.WORLD["answers"] = False
    with pytest.raises(CaptureError, match="gave no picture") as caught:
        camera.shoot()
    assert "ribbon cable" in caught.value.hint


def test_an_empty_connector_is_a_missing_picture(picamera2: ModuleType) -> None:
    with pytest.raises(CaptureError, match="no camera at connector 7"):
        CsiSource("side", "7", config()).open()


def test_live_pictures_are_small(picamera2: ModuleType) -> None:
    camera = CsiSource("side", "0", config(preview_width=320, preview_height=240)).open()
    assert size_of(camera.preview()) == (320, 240)


def test_ribbon_cameras_are_listed_by_number(picamera2: ModuleType) -> None:
    assert attached() == ["imx708_wide", "imx477"]


def test_without_picamera2_a_configured_ribbon_camera_is_a_configuration_error() -> None:
    with pytest.raises(ConfigError, match="picamera2 cannot be loaded") as caught:
        CsiSource("side", "0", config())
    assert "apt install python3-picamera2" in caught.value.hint
    assert "--system-site-packages" in caught.value.hint
    assert attached() == []


@pytest.mark.parametrize("where", ["", "front", "-1", "0.5"])
def test_what_names_no_connector_is_a_configuration_error(where: str) -> None:
    with pytest.raises(ConfigError, match="names no connector"):
        CsiSource("side", where, config())


def test_a_station_without_ribbon_cameras_never_loads_picamera2() -> None:
    """With the stand-in there to be loaded, the whole station is imported and one of its cameras opened."""
    program = (
        "import sys, edge.cli; from pathlib import Path; from edge.cameras import open_rig; "
        "from edge.settings import CamerasConfig; "
        "rig = open_rig(CamerasConfig(side='simulated:edge/samples/captures'), Path.cwd()); rig.close(); "
        "sys.exit('picamera2' in sys.modules)"
    )
    path = f"{REPO}:{STANDINS}"
    done = subprocess.run([sys.executable, "-c", program], cwd=REPO, env={"PYTHONPATH": path}, check=False)
    assert done.returncode == 0
