"""`goatdev calibrate`: the board to print, a camera from pictures of it, or a plain scale from a stick."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from glob import glob
from pathlib import Path
from typing import Any

from edge.calibrating.board import Board
from edge.calibrating.calibrate import calibrate_camera
from edge.calibrating.sheet import board_pdf
from edge.calibration import read_calibration, scale_from_stick, write_view
from edge.camera import CameraModel
from edge.config import config_if_any, load_config
from edge.console import say, with_config, with_json
from edge.errors import CalibrationRefused, ConfigError
from edge.images import read_gray, read_picture
from edge.keeping.durable import write_durably
from edge.records import VIEWS
from edge.reference import reference_of
from edge.settings import BoardConfig

# Less than this share of the picture seen: what lies outside is the lens's own guess.
ENOUGH_COVERAGE = 0.4


def configured(options: argparse.Namespace) -> tuple[Board, str]:
    """The board, and on which side of the animal the side camera is; as in DESIGN 3 where nothing is configured."""
    path = config_if_any(options.config)
    if path is None:
        return Board.configured(BoardConfig()), "left"
    config = load_config(path)
    return Board.configured(config.board), config.cameras.side_camera_on


def board_command(options: argparse.Namespace) -> int:
    """Write the board as a PDF at true size."""
    board, side_camera_on = configured(options)
    out = Path(options.out)
    try:
        write_durably(out, board_pdf(board, side_camera_on))
    except OSError as error:
        raise ConfigError(
            f"{out}: cannot be written: {error.strerror}", "name another file with --out"
        ) from None
    width, height = board.sheet_cm
    print(f"{out}: page 1 is {width:.1f} x {height:.1f} cm; print it at 100 % and measure its 10 cm bar")
    return 0


def camera_command(options: argparse.Namespace) -> int:
    """One view's camera from pictures of the board; nothing is written where it is refused."""
    board, side_camera_on = configured(options)
    into = Path(options.into)
    if into.exists():
        read_calibration(into)  # a file that cannot be added to is refused before the long work
    frames, poses = (
        matching(pattern, name) for name, pattern in (("--frames", options.frames), ("--pose", options.pose))
    )
    both = sorted(set(frames) & set(poses))
    if both:
        raise CalibrationRefused(
            f"{both[0]} is among --frames and among --pose",
            "give the pictures of the board in its place only as --pose",
        )
    camera = calibrate_camera(options.view, frames, poses, board, side_camera_on)
    # The board lies still in the first of them: what else it shows is how the camera sees the crate.
    reference = reference_of(read_gray(poses[0]), camera, board, options.view, side_camera_on)
    write_view(into, options.view, camera, reference)
    if options.json:
        say(
            {
                "view": options.view,
                "kind": "camera",
                **camera.report(),
                "sha256": read_calibration(into).sha256,
            }
        )
    else:
        print(camera_text(into, options.view, camera))
    return 0


def matching(pattern: str, option: str) -> list[Path]:
    found = sorted(Path(name) for name in glob(pattern) if Path(name).is_file())  # noqa: PTH207
    if not found:
        raise CalibrationRefused(
            f"{option} {pattern}: no such file",
            "give a path or a pattern in quotes, for example 'side/*.jpg'",
        )
    return found


def camera_text(into: Path, view: str, camera: CameraModel) -> str:
    x, y, z = camera.position_cm
    out_of = camera.frames_used + camera.frames_left_out
    lines = [
        f"{into}: {view} camera from {camera.frames_used} of {out_of} frames and {camera.pose_frames} of its place",
        f"  reprojection error  {camera.reprojection_rms_px:.2f} px",
        f"  coverage            {100 * camera.coverage:.0f} % of the picture",
        f"  position            X {x:.1f}  Y {y:.1f}  Z {z:.1f} cm, ± {camera.position_u95_cm:.1f} cm",
        f"  direction           {camera.direction[0]:+.3f} {camera.direction[1]:+.3f} {camera.direction[2]:+.3f}, "
        f"± {camera.direction_u95_deg:.2f} degrees",
        "  (± as the pictures tell it, for a board that lay exactly in its place)",
    ]
    if camera.coverage < ENOUGH_COVERAGE:
        lines.append("  better: more frames that show the board in the corners of the picture")
    return "\n".join(lines)


def scale_command(options: argparse.Namespace) -> int:
    """One scale for one view, from a stick of known length in a picture."""
    picture = read_picture(Path(options.image))
    floor_y_px = options.floor[1] if options.floor else None
    scale = scale_from_stick(
        options.start, options.end, options.length_cm, picture.full_size, options.plane_cm, floor_y_px
    )
    write_view(Path(options.into), options.view, scale)
    if options.json:
        say({"view": options.view, **scale.as_document()})
    else:
        print(f"{options.into}: {options.view} {scale.px_per_cm:.2f} pixels per cm (plain scale)")
        if options.view == "side" and floor_y_px is None:
            print("  the floor is not given (--floor X,Y): heights will start at the hooves, with more doubt")
    return 0


def point(text: str) -> tuple[float, float]:
    x, y = (float(part) for part in text.split(","))
    return x, y


def add_calibrating(commands: Any) -> None:
    calibrate = commands.add_parser("calibrate", help="make pixels into centimetres")
    kinds = calibrate.add_subparsers(required=True, metavar="KIND")

    board = with_config(kinds.add_parser("board", help="the board to print, as a PDF at true size"))
    board.add_argument("--out", metavar="F", required=True, help="PDF file")
    runs(board, board_command)

    camera = with_json(
        with_config(kinds.add_parser("camera", help="one view's camera, from pictures of the board"))
    )
    camera.add_argument("view", choices=VIEWS)
    camera.add_argument(
        "--frames", metavar="GLOB", required=True, help="about a dozen with the board in hand"
    )
    camera.add_argument(
        "--pose", metavar="GLOB", required=True, help="some with the board in its place in the crate"
    )
    add_into(camera)
    runs(camera, camera_command)

    scale = kinds.add_parser("scale", help="one scale for a view, from a stick of known length")
    scale.add_argument("view", choices=VIEWS)
    scale.add_argument("--image", metavar="F", required=True, help="picture that shows the stick")
    scale.add_argument("--from", dest="start", type=point, metavar="X,Y", required=True, help="one end, px")
    scale.add_argument("--to", dest="end", type=point, metavar="X,Y", required=True, help="the other end, px")
    scale.add_argument("--length-cm", type=float, metavar="L", required=True)
    scale.add_argument(
        "--floor", type=point, metavar="X,Y", help="a point of the floor below the goat's middle, px"
    )
    plane = "how much nearer to the camera than the crate's middle (top: than the floor) the stick was"
    scale.add_argument("--plane-cm", type=float, metavar="A", default=0.0, help=plane)
    add_into(with_json(scale))
    runs(scale, scale_command)


def add_into(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--into", metavar="F", required=True, help="calibration file; other views in it stay"
    )


def runs(command: argparse.ArgumentParser, function: Callable[[argparse.Namespace], int]) -> None:
    command.set_defaults(command=function)
