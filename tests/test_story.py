"""The whole story, from the press to the folder that stands in for the cloud, with goats of known size."""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cloud_sync.daemon import sync_once
from dashboard import create_app
from edge.app import Station
from edge.keeping.store import Store
from edge.records import Status
from edge.triggers import new_trigger
from tests.conftest import REPO, SAMPLES
from tests.live import free_port, wait_until

TRUTHS = sorted((SAMPLES / "captures").glob("*/truth.json"))


def sample_truth(path: Path) -> dict[str, float]:
    """Every trait in cm, computed from the three-dimensional animal that the sample's pictures show."""
    truth: dict[str, float] = json.loads(path.read_text())["traits_cm"]
    return truth


def test_a_press_on_the_dashboard_ends_as_true_numbers_in_the_cloud(station: Station) -> None:
    client = create_app(station.config).test_client()
    pressed = client.post("/api/v1/captures", json={"goat_id": "Heidi"})
    assert pressed.status_code == 202
    capture_id = pressed.get_json()["capture_id"]

    waiting = station.store.next_queued()
    assert waiting is not None
    station.serve(waiting)

    shown = client.get(f"/api/v1/results/{capture_id}").get_json()
    assert (shown["status"], shown["goat_id"]) == ("completed", "Heidi")
    with client.get(shown["image_urls"]["side"]["annotated"]) as picture:
        assert picture.status_code == 200

    assert sync_once(station.config) == 0
    cloud = station.config.folder / "cloud"
    result_file = cloud / f"goat-processed-local/processed/{capture_id}/result.json"
    delivered = json.loads(result_file.read_text())
    assert delivered["measurements"] == shown["measurements"]
    assert len(delivered["objects"]) == 6
    for key, sha256 in delivered["objects"].items():
        bucket = "goat-captures-local" if key.startswith("captures/") else "goat-processed-local"
        assert hashlib.sha256((cloud / bucket / key).read_bytes()).hexdigest() == sha256
    assert (cloud / f"goat-captures-local/captures/{capture_id}/{capture_id}_side.jpg").is_file()
    receipt = station.store.one("SELECT * FROM receipts")
    assert receipt is not None
    assert len(json.loads(receipt["objects"])) == 7


def test_every_bundled_goat_measures_its_true_size_within_the_stated_doubt(station: Station) -> None:
    """Every value inside u95, no height without one, and all of them good to a few centimetres.

    How often each trait lies inside is for many goats to say: `python -m models_tflite.training.accuracy_bench`.
    """
    for path in TRUTHS:
        truth = sample_truth(path)
        done = station.serve(station.store.press(new_trigger("command"), "barn1"))
        assert done.revision is not None
        for one in done.revision.measurements:
            what = f"{path.parent.name} {one.trait}"
            assert one.value is not None or "height" not in one.trait, f"{what}: {one.reason}"
            if one.value is not None and one.u95 is not None and one.trait in truth:
                assert one.u95 < 6, what
                assert abs(one.value - truth[one.trait]) <= one.u95, (
                    f"{what}: {one.value}, {truth[one.trait]}"
                )


@contextmanager
def demo(data: Path, port: int) -> Iterator[subprocess.Popen]:
    """The real program with all its processes."""
    command = [sys.executable, "-m", "edge.cli", "demo", "--data", str(data), "--port", str(port)]
    with (data.parent / "demo.log").open("a") as log:
        process = subprocess.Popen(
            command, cwd=REPO, stdout=log, stderr=log, env={**os.environ, "PYTHONPATH": str(REPO)}
        )
        try:
            yield process
        finally:
            process.terminate()
            process.wait(timeout=20)
            print((data.parent / "demo.log").read_text())  # shown by pytest where the test fails


def call(port: int, path: str, data: bytes | None = None) -> dict:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}{path}", data, headers={"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        document: dict = json.loads(answer.read())
        return document


def completed(port: int) -> list[dict]:
    return [one for one in call(port, "/api/v1/captures")["captures"] if one["status"] == "completed"]


def test_the_demo_measures_by_itself_and_a_kill_in_the_middle_of_a_capture_loses_nothing(
    tmp_path: Path,
) -> None:
    data, port = tmp_path / "demo", free_port()
    with demo(data, port) as process:
        wait_until(lambda: completed(port))
        with Store(data / "data" / "station.db") as store:
            cut, kept = kill_in_the_middle(store, process, port, data)
    wait_until(lambda: port_is_free(port))
    with demo(data, port):
        wait_until(lambda: len(completed(port)) >= 2)
        failed = call(port, f"/api/v1/results/{cut}")
        assert failed["status"] == "failed"
        assert "restarted during this capture" in failed["failure"]
        assert len(failed["images"]) == kept
        assert {image["shot"] for image in failed["images"] if image["view"] == "side"} == {1}
        pressed = call(port, "/api/v1/captures", b"{}")["capture_id"]
        wait_until(lambda: call(port, f"/api/v1/results/{pressed}")["status"] == "completed")
        delivered = data / "cloud" / "goat-processed-local" / "processed"
        wait_until((delivered / pressed / "result.json").is_file)
        assert json.loads((delivered / cut / "result.json").read_text())["status"] == "failed"


def kill_in_the_middle(store: Store, process: subprocess.Popen, port: int, data: Path) -> tuple[str, int]:
    """Press, and kill -9 while the cameras wait for the second shot.

    Returns the capture's id, and how many of its pictures are on disk: those of the first shot.
    """
    for _ in range(20):
        pressed: str = call(port, "/api/v1/captures", b"{}")["capture_id"]
        folder = data / "data" / "images" / pressed[:8] / pressed
        wait_until(lambda folder=folder: len(list(folder.glob("*_raw.*.jpg"))) >= 3, pause_s=0.001)
        os.kill(process.pid, signal.SIGSTOP)  # look without giving it the time to finish
        kept = len(list(folder.glob("*_raw.*.jpg")))
        if store.capture(pressed).status is Status.PROCESSING and kept == 3:
            os.kill(process.pid, signal.SIGKILL)
            process.wait(timeout=10)
            return pressed, kept
        os.kill(process.pid, signal.SIGCONT)
    pytest.fail("no capture could be caught in the middle")


def port_is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        return probe.connect_ex(("127.0.0.1", port)) != 0


def test_once_prints_the_table_and_where_the_pictures_are(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "edge.cli", "demo", "--once", "--data", str(tmp_path / "demo")]
    done = subprocess.run(
        command,
        cwd=REPO,
        env={**os.environ, "PYTHONPATH": str(REPO)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert re.search(r"Withers height +\d+\.\d ± +\d+\.\d cm", done.stdout)
    pictures = [Path(line.strip()) for line in done.stdout.splitlines() if line.strip().endswith(".jpg")]
    assert len(pictures) == 3
    assert all(picture.is_file() for picture in pictures)
