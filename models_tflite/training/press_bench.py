"""How long a press takes on this machine, from the button to the stored result, and where the time goes.

    python -m models_tflite.training.press_bench --presses 10

Three simulated cameras give JPEGs of full size, made of the bundled samples with a sensor's noise in every pixel; the
real station loop serves the presses. A sampler looks every few milliseconds at what the station is doing, so that
nothing in the station itself is measured for the sake of measuring.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from threading import Event, Thread
from types import FrameType

import cv2
import numpy as np

from edge.app import run_station
from edge.calibration import read_calibration, write_view
from edge.config import Config, load_config
from edge.keeping.store import Store
from edge.records import VIEWS, Capture, Status
from edge.selftest import SAMPLES
from edge.triggers import new_trigger

SAMPLE_S = 0.004
# One standard deviation of the noise, grey values, and the camera's own softness, px: about 4 MB at quality 90.
NOISE, SOFTNESS_PX, QUALITY = 8.0, 0.4, 90
CONFIG = """\
[station]
id = "bench"
data_dir = "data"
[cameras]
side = "simulated:captures"
top = "simulated:captures"
front = "simulated:captures"
burst_shots = {shots}
burst_s = {burst_s}
[measure]
calibration = "calibration.json"
"""
# Function -> the stage that it is at work in; the innermost counts.
STAGES = {
    "Rig.burst": "shoot",
    "Archive.save_frames": "save",
    "StoredShots.decoded": "decode",
    "Segmenter.segment": "segment",
    "Eye.see": "look over",
    "measure": "measure",
    "combine": "measure",
    "with_examination": "annotate",
    "Archive.save": "save",
    "Store.begin": "store",
    "Store.close_capture": "store",
}
IDLE, WAITING, OTHER = "idle", "waiting", "other"


@dataclass
class Sampler:
    """Counts what the station's thread, and the one that looks at shots, are at work in.

    way   stage -> seconds in which the press waited for it
    work  stage -> seconds of work on pictures, also while the cameras were being waited for
    """

    thread: int
    way: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    work: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    stop: Event = field(default_factory=Event)

    def run(self) -> None:
        before = time.monotonic()
        while not self.stop.wait(SAMPLE_S):
            frames = sys._current_frames()
            now = time.monotonic()
            station = stage_of(frames[self.thread])
            eyes = next((stage_of(one) for one in frames.values() if calls(one, "see_stored")), WAITING)
            if station != IDLE:
                self.way[eyes if station == WAITING else station] += now - before
            if eyes != WAITING:
                self.work[eyes] += now - before
            before = now


def stage_of(frame: FrameType | None) -> str:
    found = next((STAGES[name] for name in names(frame) if name in STAGES), "")
    if found:
        return found
    return WAITING if calls(frame, "take_capture") else OTHER if calls(frame, "see_stored") else IDLE


def calls(frame: FrameType | None, name: str) -> bool:
    return name in names(frame)


def names(frame: FrameType | None) -> list[str]:
    """The functions that a thread is in, innermost first."""
    found = []
    while frame is not None:
        found.append(frame.f_code.co_qualname)
        frame = frame.f_back
    return found


def main() -> None:
    options = parsed()
    with tempfile.TemporaryDirectory() as folder:
        config = prepared(Path(folder), options)
        results, sampler = pressed(config, options.presses)
    report(results, sampler, options)


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--presses", type=int, default=10)
    parser.add_argument("--size", default="4656x3496", help="of the pictures")
    parser.add_argument("--shots", type=int, default=3)
    parser.add_argument("--burst-s", type=float, default=1.0)
    parser.add_argument("--json", type=Path, help="write the numbers there")
    return parser.parse_args()


def prepared(folder: Path, options: argparse.Namespace) -> Config:
    """A station with full-size pictures of two goats."""
    width, height = map(int, options.size.split("x"))
    rng, sizes = np.random.default_rng(1), []
    for goat in sorted((SAMPLES / "captures").glob("goat_*"))[:2]:
        into = folder / "captures" / goat.name
        into.mkdir(parents=True)
        for view in VIEWS:
            for shot in range(1, options.shots + 1):
                jpeg = photographed(rng, goat / f"{view}.jpg", (width, height))
                sizes.append(len(jpeg))
                (into / (f"{view}.jpg" if shot == 1 else f"{view}_{shot}.jpg")).write_bytes(jpeg)
    known = read_calibration(SAMPLES / "calibration.json")
    for view, entry in known.views.items():
        write_view(
            folder / "calibration.json", view, entry.at_size((width, height)), known.references.get(view)
        )
    path = folder / "goatdev.toml"
    path.write_text(CONFIG.format(shots=options.shots, burst_s=options.burst_s))
    print(f"{len(sizes)} pictures of {options.size}, {sum(sizes) / len(sizes) / 1e6:.1f} MB each", flush=True)
    return load_config(path)


def photographed(rng: np.random.Generator, path: Path, size: tuple[int, int]) -> bytes:
    """A sample as a camera of that size would give it: enlarged, with noise that its own processing has softened."""
    large = cv2.resize(cv2.imread(str(path)), size, interpolation=cv2.INTER_CUBIC).astype(np.float32)
    noise = rng.standard_normal(large.shape, dtype=np.float32)
    noisy = large + NOISE * cv2.GaussianBlur(noise, (0, 0), SOFTNESS_PX)
    done, jpeg = cv2.imencode(
        ".jpg", np.clip(noisy, 0, 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, QUALITY]
    )
    assert done
    return jpeg.tobytes()


def pressed(config: Config, presses: int) -> tuple[list[float], Sampler]:
    """Seconds from each press to its stored result, the first one (which warms everything up) left out."""
    stop, served, done = Event(), Event(), list[Capture]()

    def note(capture: Capture) -> None:
        done.append(capture)
        served.set()

    station = Thread(target=run_station, args=(config, stop, note))
    with Store(config.database_path) as store:
        station.start()
        assert station.ident is not None
        sampler, results = Sampler(station.ident), list[float]()
        for number in range(presses + 1):
            served.clear()
            begun = time.monotonic()
            store.press(new_trigger("command"), config.station.id)
            served.wait(120)
            if number == 0:
                Thread(target=sampler.run, daemon=True).start()
            else:
                results.append(time.monotonic() - begun)
            time.sleep(0.2)
    sampler.stop.set()
    stop.set()
    station.join()
    for capture in done:
        assert capture.status is Status.COMPLETED, capture.failure
        assert capture.revision and not capture.revision.advice, capture.revision
    return results, sampler


def report(results: list[float], sampler: Sampler, options: argparse.Namespace) -> None:
    presses = len(results)
    print(
        f"press to stored result, {presses} presses: median {median(results):.2f} s, worst {max(results):.2f} s"
    )
    print(f"{'stage':12}{'waited for':>12}{'work':>8}   s per press")
    for stage, seconds in sorted(sampler.way.items(), key=lambda one: -one[1]):
        print(f"{stage:12}{seconds / presses:12.3f}{sampler.work[stage] / presses:8.3f}")
    if options.json:
        document = {
            "size": options.size,
            "seconds": [round(one, 3) for one in results],
            "waited_for_s": {stage: round(seconds / presses, 4) for stage, seconds in sampler.way.items()},
            "work_s": {stage: round(seconds / presses, 4) for stage, seconds in sampler.work.items()},
        }
        options.json.write_text(json.dumps(document, indent=2))


if __name__ == "__main__":
    main()
