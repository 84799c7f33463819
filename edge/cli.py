"""`goatdev`: one program for the station, its services and measuring by hand.

Exit codes: 0 done, 1 failed, 2 wrong usage, 78 configuration error. With --json, stdout holds one JSON document.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from edge import __version__
from edge.app import run_station
from edge.calibration import Calibration, read_calibration
from edge.commands.backup import add_backup
from edge.commands.calibrate import add_calibrating
from edge.commands.cameras import add_cameras
from edge.commands.doctor import add_doctor
from edge.commands.drill import add_drill
from edge.commands.export import add_export
from edge.commands.keeping import add_keeping
from edge.commands.models import add_models
from edge.commands.records import add_records
from edge.commands.replay import add_replay
from edge.config import config_if_any, find_config, load_config
from edge.console import complain, positive, say, with_config
from edge.demo import DemoOptions, run_demo, run_once
from edge.devices.identity import checked_goat_id
from edge.devices.weights import typed_weight
from edge.document import capture_document, revision_document
from edge.errors import MeasureError, StageError, StationError
from edge.eye import Eye
from edge.images import encode_mask, read_picture
from edge.keeping.durable import make_folder, write_durably
from edge.keeping.store import Store
from edge.measuring.geometry import landmarks
from edge.models import load_model
from edge.pressing import press
from edge.records import VIEWS, Capture, Picture, Revision, Segmentation, Status, Weight
from edge.segment import Segmenter
from edge.shelf import title
from edge.stopping import stop_on_signals
from edge.table import capture_title, captures_table, measurements_table
from edge.triggers import new_trigger

WAIT_S = 60.0
SERVICES = {"dashboard": "dashboard", "sync": "cloud_sync"}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; every expected error becomes a message with a hint."""
    arguments = sys.argv[1:] if argv is None else list(argv)
    options = parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s: %(message)s", stream=sys.stderr)
    command: Callable[[argparse.Namespace], int] = options.command
    try:
        return command(options)
    except StationError as error:
        complain(error)
        return error.exit_code
    except (BrokenPipeError, KeyboardInterrupt):
        return 1


# Measuring by hand.


def measure_command(options: argparse.Namespace) -> int:
    """Measure the pictures named on the command line."""
    files = {view: Path(getattr(options, view)) for view in VIEWS if getattr(options, view)}
    if not files:
        parser().error("name at least one picture: --side F, --top F or --front F")
    goat_id = checked_goat_id(options.goat)
    calibration = read_calibration(Path(options.calibration))
    segmenter = chosen_model(options)
    pictures = {view: read_picture(path) for view, path in files.items()}
    require_calibrated(pictures, calibration)
    config = config_if_any(options.config)
    language = load_config(config).station.language if config else "en"
    found = Eye(segmenter, calibration, language).examine(pictures)
    if options.annotated:
        save_annotated(Path(options.annotated), found.annotated)
    if options.json:
        say({**revision_document(None, found.revision), "goat_id": goat_id})
    else:
        print(measurements_table(found.revision))
    warn(found.revision)
    return 0


def require_calibrated(pictures: Mapping[str, Picture], calibration: Calibration) -> None:
    """Raise MeasureError when the calibration serves none of the pictures."""
    errors = []
    for view, picture in pictures.items():
        try:
            calibration.ruler_for(view, picture.full_size, picture.size)
        except MeasureError as error:
            errors.append(error)
    if len(errors) == len(pictures):
        raise errors[0]


def save_annotated(folder: Path, annotated: Mapping[str, bytes]) -> None:
    try:
        make_folder(folder)
        for view, jpeg in annotated.items():
            write_durably(folder / f"{view}_annotated.jpg", jpeg)
    except OSError as error:
        raise StageError(f"{folder}: {error.strerror}", "name another folder with --annotated") from None


def warn(revision: Revision) -> None:
    for advice in revision.advice:
        print(f"goatdev: {advice.text}", file=sys.stderr)


def segment_command(options: argparse.Namespace) -> int:
    """Write the mask of one picture."""
    segmenter = chosen_model(options)
    picture = read_picture(Path(options.image))
    segmentation = segmenter.segment(picture, options.view)
    out = Path(options.out)
    try:
        write_durably(out, encode_mask(segmentation.mask, picture.full_size))
    except OSError as error:
        raise StageError(f"{out}: {error.strerror}", "name another file with --out") from None
    found = segmenter.finds_goat(segmentation)
    if options.json:
        say(segmentation_document(picture, segmentation, found, segmenter))
    else:
        print(
            f"{out}: {'goat found' if found else 'no goat found'}, confidence {segmentation.confidence:.2f}"
        )
    return 0


def segmentation_document(
    picture: Picture, segmentation: Segmentation, found: bool, segmenter: Segmenter
) -> dict[str, Any]:
    """Landmarks are in pixels of the image as taken, upright."""
    scale = picture.full_px_per_px
    points = landmarks(segmentation.mask, segmentation.view, segmentation.landmarks) if found else {}
    return {
        "view": segmentation.view,
        "goat_found": found,
        "confidence": round(segmentation.confidence, 3),
        "scene": {name: round(share, 3) for name, share in segmentation.scene.items()},
        "person": None if segmentation.person is None else round(segmentation.person, 3),
        "size": list(picture.full_size),
        "landmarks": {name: [round(x * scale, 1), round(y * scale, 1)] for name, (x, y) in points.items()},
        "model": segmenter.card.as_document(),
    }


def chosen_model(options: argparse.Namespace) -> Segmenter:
    """The network named with --model, else the station's where a configuration is found, else the shipped one."""
    if options.model:
        return Segmenter.load(Path(options.model))
    config = config_if_any(options.config)
    loaded = load_model(load_config(config) if config else None)
    if loaded.problem:
        complain(loaded.problem)
        print(f"goatdev: measuring with {title(loaded.segmenter.card.as_document())}", file=sys.stderr)
    return loaded.segmenter


# The station and its services.


def run_command(options: argparse.Namespace) -> int:
    """The station: serve presses until stopped."""
    run_station(load_config(find_config(options.config)), stop_on_signals())
    return 0


def service_command(options: argparse.Namespace) -> int:
    """Become another service of the station: the packages never import each other."""
    config = find_config(options.config)
    load_config(config)
    module = SERVICES[options.service]
    extra = ["--once"] if getattr(options, "once", False) else []
    os.execv(sys.executable, [sys.executable, "-m", module, "--config", str(config), *extra])


def capture_command(options: argparse.Namespace) -> int:
    """Press the button and wait for the numbers."""
    config = load_config(find_config(options.config))
    with Store(config.database_path) as store:
        trigger = new_trigger("command", options.goat, weight=weight_typed(options))
        pressed = press(store, config, trigger)
        capture = wait_for(store, pressed.id, options.wait_s)
    if options.json:
        say(capture_document(capture))
    elif capture.revision is not None:
        print(f"{capture_title(capture)}\n{measurements_table(capture.revision)}")
    if capture.status is not Status.COMPLETED:
        raise StageError(f"{capture.id} {capture.status}: {capture.failure}", capture.hint or "")
    return 0


def weight_typed(options: argparse.Namespace) -> Weight | None:
    if options.weight_kg is not None:
        return typed_weight(options.weight_kg, "kg")
    return typed_weight(options.weight_lb, "lb")


def wait_for(store: Store, capture_id: str, wait_s: float) -> Capture:
    """The capture once it is closed; raises StageError when nobody closes it."""
    end = time.monotonic() + wait_s
    while time.monotonic() < end:
        capture = store.capture(capture_id)
        if not capture.is_unfinished:
            return capture
        time.sleep(0.05)
    raise StageError(
        f"{capture_id}: no result within {wait_s:g} s", "is the station running? start `goatdev run`"
    )


def captures_command(options: argparse.Namespace) -> int:
    """List what was captured, newest first."""
    config = load_config(find_config(options.config))
    with Store(config.database_path) as store:
        captures = store.captures(limit=options.limit, goat_id=checked_goat_id(options.goat))
    if options.json:
        say([capture_document(capture) for capture in captures])
    else:
        print(captures_table(captures, config.image_folder))
    return 0


def demo_command(options: argparse.Namespace) -> int:
    """A whole station on simulated cameras; needs no server and no configuration."""
    demo = DemoOptions(Path(options.data), options.host, options.port)
    return run_once(demo) if options.once else run_demo(demo, stop_on_signals())


# What can be typed.


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="goatdev", description="Measures goats: heights and widths in cm, offline."
    )
    top.add_argument("--version", action="version", version=f"goatdev {__version__}")
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    add_measuring(commands)
    add_calibrating(commands)
    add_services(commands)
    add_records(commands)
    add_models(commands)
    add_cameras(commands)
    add_backup(commands)
    add_export(commands)
    add_replay(commands)
    add_doctor(commands)
    add_drill(commands)
    add_keeping(commands)
    return top


def add_measuring(commands: Any) -> None:
    measure = with_config(commands.add_parser("measure", help="measure pictures from files"))
    for view in VIEWS:
        measure.add_argument(f"--{view}", metavar="F", help=f"{view} picture")
    measure.add_argument("--calibration", metavar="F", required=True, help="calibration file")
    measure.add_argument("--goat", metavar="ID", help="whose pictures they are")
    measure.add_argument("--annotated", metavar="DIR", help="write annotated pictures there")
    measure.add_argument("--model", metavar="F", help="card (.toml) of another model")
    measure.add_argument("--json", action="store_true", help="print one JSON document")
    measure.set_defaults(command=measure_command)

    segment = with_config(commands.add_parser("segment", help="write the mask of one picture"))
    segment.add_argument("image", metavar="IMAGE")
    segment.add_argument("--view", choices=VIEWS, required=True)
    segment.add_argument("--out", metavar="F", required=True, help="8-bit PNG: 0 background, 1 body, 2 head")
    segment.add_argument("--model", metavar="F", help="card (.toml) of another model")
    segment.add_argument("--json", action="store_true", help="print one JSON document")
    segment.set_defaults(command=segment_command)


def add_services(commands: Any) -> None:
    run = with_config(commands.add_parser("run", help="the station: serve presses"))
    run.set_defaults(command=run_command)
    dashboard = with_config(commands.add_parser("dashboard", help="the pages and the API"))
    dashboard.set_defaults(command=service_command, service="dashboard")
    sync = with_config(commands.add_parser("sync", help="deliver captures to the cloud"))
    sync.add_argument("--once", action="store_true", help="deliver what is due and end")
    sync.set_defaults(command=service_command, service="sync")

    capture = with_config(commands.add_parser("capture", help="press the button and wait for the result"))
    capture.add_argument("--goat", metavar="ID", help="which goat stands there")
    weight = capture.add_mutually_exclusive_group()
    weight.add_argument("--weight-lb", metavar="LB", help="what it weighs, 20 to 300 lb")
    weight.add_argument("--weight-kg", metavar="KG", help="the same in kg")
    capture.add_argument("--wait-s", type=float, default=WAIT_S, metavar="S", help="how long to wait")
    capture.add_argument("--json", action="store_true", help="print one JSON document")
    capture.set_defaults(command=capture_command)

    captures = with_config(commands.add_parser("captures", help="list captures, newest first"))
    captures.add_argument("--limit", type=positive, default=20, metavar="N", help="how many")
    captures.add_argument("--goat", metavar="ID", help="only of this goat")
    captures.add_argument("--json", action="store_true", help="print one JSON document")
    captures.set_defaults(command=captures_command)

    demo = commands.add_parser("demo", help="everything on simulated cameras, no server needed")
    demo.add_argument("--once", action="store_true", help="measure one bundled capture and end")
    demo.add_argument("--data", metavar="DIR", default="goatdev-demo", help="where the demo keeps its data")
    demo.add_argument("--host", default="127.0.0.1")
    demo.add_argument("--port", type=int, default=8000)
    demo.set_defaults(command=demo_command)


if __name__ == "__main__":
    sys.exit(main())
