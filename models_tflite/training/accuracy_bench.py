"""How true the centimetres are: rendered stations, calibrated from the board and measured by the station's own code.

    python -m models_tflite.training.accuracy_bench --stations 16 --goats 6 --out DIR [--first SEED] [--size WxH]
    python -m models_tflite.training.accuracy_bench --stations 8 --goats 2 --out DIR --moved

Renders what DIR does not hold yet: for each station the board, and goats of other builds, coats, stances and places
before the same three cameras, from seeds that no training used. Every goat is measured with its true outlines, with
its true landmarks besides, and with the shipped network's outlines; and each time beside that with one scale per view,
as a stick in the view's reference place gives it: corrected by the station for where the trunk is, and as one plain
number of pixels per cm for what the outline's own pixels show, as the system before this one had it.

`--moved` asks instead how much a trait of the same animal changes where it stands 10 cm elsewhere, turned by 10
degrees, or faces the other way; with true outlines.

Interrupted, the same command goes on. DIR keeps calibrations and measurements until the code that makes them changes.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

import edge
from edge.calibrating.board import Board
from edge.calibrating.calibrate import calibrate_camera
from edge.calibration import Calibration, PlainScale, read_calibration, write_view
from edge.camera import PARAMETERS, CameraModel
from edge.errors import CalibrationRefused, MeasureError
from edge.eye import Eye
from edge.images import read_picture
from edge.keeping.durable import write_durably
from edge.measuring.measure import Findings, Look, measure
from edge.records import VIEWS, Landmark, Pixels, Segmentation
from edge.segment import Segmenter
from models_tflite.training import dataset
from models_tflite.training.agreement import Measured, draw_agreement, reasons, table
from models_tflite.training.dataset import DatasetError, read_json
from models_tflite.training.evaluate import CARD, write_tables
from models_tflite.training.invariance import Moved, moved_table
from models_tflite.training.one_scale import heights_px, scale_in_the_middle
from models_tflite.training.score import Ledger
from models_tflite.training.simulator import herd
from models_tflite.training.simulator.simulate import picture_size

if TYPE_CHECKING:
    from models_tflite.training.simulator.render import Renderer

SIZE = (1280, 960)
BOARD_FRAMES = 10
# Whose pictures of the board are refused takes others with more care, and so many times larger; so often.
AGAIN_LARGER, MOST_AGAIN = 2, 2
PLOT = CARD.parent / "agreement.png"
COATS = Path("../shared/coats")
# The modules on which a calibration depends.
CALIBRATING = (
    "calibrating/board",
    "calibrating/bundle",
    "calibrating/calibrate",
    "calibrating/sightings",
    "camera",
    "images",
)

# What the outlines are from, and what makes centimetres of them.
OUTLINES = {
    "true": "true outlines",
    "marked": "true outlines and landmarks",
    "network": "the network's outlines",
}
CAMERAS, SCALE, NUMBER = "calibrated cameras", "one scale per view", "one number per view, as before"


@dataclass(frozen=True, slots=True)
class Goat:
    """One goat of a station.

    folder   where its pictures are
    entries  view -> its line of the index
    move     where it was moved to, or nothing
    """

    station: str
    number: int
    folder: Path
    entries: Mapping[str, Mapping[str, Any]]
    move: str = ""

    @property
    def name(self) -> str:
        return f"{self.station}/{self.number} {self.move}".strip()

    @property
    def key(self) -> str:
        """Names what its pictures show."""
        return short_hash(json.dumps(self.entries, sort_keys=True))

    @property
    def truth(self) -> Mapping[str, float]:
        return {name: float(value) for name, value in self.entries[VIEWS[0]]["traits_cm"].items()}


@dataclass(frozen=True, slots=True)
class Yardsticks:
    """What makes centimetres at one station: the calibrated cameras, and a scale for each view; `key` names them."""

    calibration: Calibration
    scales: Calibration
    key: str


# --- what DIR holds ----------------------------------------------------------------------------------


def read_goats(station: Path, count: int) -> list[Goat]:
    """The first goats of a station, those with all three pictures."""
    goats = sorted(grouped(herd.goats_of(station), ()).values(), key=lambda one: one.number)
    return [one for one in goats if one.number < count]


def read_moved(station: Path, count: int) -> list[Goat]:
    """The first goats of a station, each in all its places."""
    found = grouped(herd.moved_of(station), ("move",))
    return [one for one in found.values() if one.number < count]


def grouped(folder: Path, by: tuple[str, ...]) -> dict[tuple[Any, ...], Goat]:
    """The goats of an index, one for each number and what else tells them apart; half-written ones are left out."""
    entries: dict[tuple[Any, ...], dict[str, Mapping[str, Any]]] = {}
    index = folder / "index.jsonl"
    for line in index.read_text(encoding="utf-8").splitlines() if index.exists() else []:
        try:
            entry = json.loads(line)
            key = (int(entry["goat"]), *(entry[name] for name in by))
            entries.setdefault(key, {})[str(entry["view"])] = entry
        except ValueError:
            continue  # a power cut left half a line
        except (KeyError, TypeError) as error:
            raise DatasetError(f"{index}: not as expected: {error!r}", f"delete {folder}") from None
    whole = {key: views for key, views in entries.items() if views.keys() >= set(VIEWS)}
    return {
        key: Goat(folder.parent.name, key[0], folder, views, *map(str, key[1:]))
        for key, views in whole.items()
    }


def read_truth(station: Path) -> dict[str, Any]:
    """The station's true cameras."""
    truth = read_json(station / "truth.json")
    try:
        return {"side_camera_on": truth["side_camera_on"], "views": {v: truth["views"][v] for v in VIEWS}}
    except (KeyError, TypeError) as error:
        raise DatasetError(f"{station / 'truth.json'}: not as expected: {error!r}", "delete it") from None


# --- rendering ---------------------------------------------------------------------------------------


def render_missing(
    stations: Sequence[Path], goats: int, size: tuple[int, int], coats: Path, moved: bool
) -> None:
    """Render what there is not yet; raises DatasetError where that cannot be."""
    writing, missing = (
        (herd.write_moved, herd.missing_moved) if moved else (herd.write_goat, herd.missing_goats)
    )
    refuse_unusable(stations, size)
    large = size[0] * AGAIN_LARGER, size[1] * AGAIN_LARGER
    # Most runs need none of them.
    renderer, careful = (cache(lambda: new_renderer(size, coats)), cache(lambda: new_renderer(large, coats)))
    for station in stations:
        seed = int(station.name)
        if not herd.has_board(station):
            say(f"station {seed}: rendering the board")
            herd.write_board(renderer(), seed, station, BOARD_FRAMES)
        photograph_again(careful, station)
        for number in missing(station, goats):
            say(f"station {seed}: rendering goat {number + 1} of {goats}")
            writing(renderer(), seed, number, station)


def photograph_again(renderer: Callable[[], Renderer], station: Path) -> None:
    """Take other pictures of the board for cameras whose pictures are refused, as the refusal says."""
    while True:
        rounds = {view: int(entry.get("again", 0)) for view, entry in read_truth(station)["views"].items()}
        refused = [view for view in calibrated(station)[1] if rounds[view] < MOST_AGAIN]
        if not refused:
            return
        for view in refused:
            say(f"station {station.name}: rendering the board again for the {view} camera")
            note(station).unlink(missing_ok=True)
            herd.write_board(renderer(), int(station.name), station, BOARD_FRAMES, (view,), rounds[view] + 1)


def refuse_unusable(stations: Sequence[Path], size: tuple[int, int]) -> None:
    """Refuse a folder that cannot be written to, and one with pictures of another size."""
    for station in stations:
        try:
            station.mkdir(parents=True, exist_ok=True)
            (station / ".writable").touch()
            (station / ".writable").unlink()
        except OSError as error:
            raise DatasetError(
                f"{station}: cannot be written to: {error.strerror}", "choose another --out"
            ) from None
        if herd.has_board(station):
            held = {tuple(view["size"]) for view in read_truth(station)["views"].values()}
            if held != {size}:
                sizes = ", ".join("{}x{}".format(*one) for one in sorted(held))
                raise DatasetError(
                    f"{station}: holds pictures of {sizes}", f"give --size {sizes} or another --out"
                )


def new_renderer(size: tuple[int, int], coats: Path) -> Renderer:
    from models_tflite.training.simulator.boards import TEXELS_PER_CM
    from models_tflite.training.simulator.photo import read_hair
    from models_tflite.training.simulator.render import Renderer

    try:
        return Renderer(size, read_hair(coats), Board().picture(TEXELS_PER_CM))
    except Exception as error:  # moderngl raises bare Exception when there is no EGL
        raise DatasetError(
            f"no OpenGL without a screen here: {error}", "apt install libegl1 libgl1-mesa-dri"
        ) from None


# --- calibrating -------------------------------------------------------------------------------------


def yardsticks(station: Path) -> Yardsticks:
    views = read_truth(station)["views"]
    scales = {view: scale_in_the_middle(view, camera_of(entry)) for view, entry in views.items()}
    calibration, _ = calibrated(station)
    return Yardsticks(calibration, Calibration(scales, "", ""), short_hash(f"{calibration.sha256} {scales}"))


def camera_of(entry: Mapping[str, Any]) -> CameraModel:
    """A camera as it truly is, known without doubt."""
    width, height = (int(side) for side in entry["size"])
    matrix, distortion, pose = (
        np.array(entry[name], dtype=float) for name in ("camera_matrix", "distortion", "world_from_cam")
    )
    nothing = np.zeros((len(PARAMETERS), len(PARAMETERS)))
    return CameraModel((width, height), matrix, distortion, pose, nothing, 0.0, 1.0, 0, 0, 0, "")


def calibrated(station: Path) -> tuple[Calibration, dict[str, str]]:
    """As `goatdev calibrate camera` makes it of the board, and view -> why one was refused.

    Kept until the code that makes it changes.
    """
    path, code = station / "calibration.json", code_key(CALIBRATING)
    if not note(station).exists() or read_json(note(station)).get("code") != code:
        path.unlink(missing_ok=True)
        truth, refused = read_truth(station), {}
        for view in VIEWS:
            say(f"station {station.name}: calibrating the {view} camera")
            frames, poses = (sorted((station / view).glob(f"{kind}_*.jpg")) for kind in ("frame", "pose"))
            try:
                camera = calibrate_camera(view, frames, poses, Board(), str(truth["side_camera_on"]))
                write_view(path, view, camera.at_size(tuple(truth["views"][view]["size"])))
            except CalibrationRefused as error:
                refused[view] = str(error)
        write_durably(note(station), (json.dumps({"code": code, "refused": refused}) + "\n").encode())
    calibration = read_calibration(path) if path.exists() else Calibration({}, "", "")
    return calibration, dict(read_json(note(station))["refused"])


def note(station: Path) -> Path:
    """Where it says what a station's calibration was made with; it is written last."""
    return station / "calibrated.json"


@cache
def code_key(modules: tuple[str, ...] = ()) -> str:
    """Names the present state of some modules of edge, of all by default."""
    folder = Path(edge.__file__).parent
    paths = [folder / f"{name}.py" for name in modules] or sorted(folder.rglob("*.py"))
    return short_hash("".join(path.read_text(encoding="utf-8") for path in paths))


def short_hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


# --- measuring ---------------------------------------------------------------------------------------


def measured(goat: Goat, outline: str, ruler: str, yards: Yardsticks, segmenter: Segmenter) -> Measured:
    """One goat measured in one way."""
    calibration = yards.calibration if ruler == CAMERAS else yards.scales
    looks = {view: look(goat, view, outline, calibration, segmenter) for view in VIEWS}
    findings = measure(looks)
    if ruler == NUMBER:
        return by_one_number(goat, outline, findings, looks)
    known = [one for one in findings.measurements if one.value is not None and one.u95 is not None]
    return Measured(
        goat.name,
        f"{outline}, {ruler}",
        {one.trait: float(one.value) for one in known if one.value is not None},
        {one.trait: float(one.u95) for one in known if one.u95 is not None},
        {one.trait: one.reason for one in findings.measurements if one.reason},
        goat.truth,
    )


def look(goat: Goat, view: str, outline: str, calibration: Calibration, segmenter: Segmenter) -> Look:
    """One view as the station would see it, with the outline asked for."""
    entry = goat.entries[view]
    if outline == "network":
        return Eye(segmenter, calibration).look_at(view, read_picture(goat.folder / entry["image"]))
    marks = dataset.visible_landmarks(entry) if outline == "marked" else {}
    return true_look(goat, view, marks, calibration)


def true_look(
    goat: Goat, view: str, marks: Mapping[str, tuple[float, float]], calibration: Calibration
) -> Look:
    """One view with its true outline, and with landmarks as if the network were sure of them."""
    mask = read_mask(goat.folder / goat.entries[view]["mask"])
    seen = Segmentation(view, mask, 1.0, {name: Landmark(x, y, 1.0) for name, (x, y) in marks.items()})
    size = mask.shape[1], mask.shape[0]
    try:
        return Look(view, seen, calibration.ruler_for(view, size, size))
    except MeasureError as error:
        return Look(view, seen, None, str(error))


def read_mask(path: Path) -> Pixels:
    mask = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    if mask is None:
        raise DatasetError(f"{path}: not a mask", f"delete {path.parents[1]} and render it again")
    return np.asarray(mask, np.uint8)


def by_one_number(goat: Goat, outline: str, findings: Findings, looks: Mapping[str, Look]) -> Measured:
    """As pixels per cm alone tell it, whatever stands nearer or farther: heights from the lowest pixel, widths drawn.

    It states no doubt. The body width is the mean of both views.
    """
    values: dict[str, float] = {}
    for reading in findings.readings:
        seen = looks[reading.view]
        if isinstance(seen.ruler, PlainScale) and seen.segmentation:
            lengths_px = {line.trait: math.dist(line.start, line.end) for line in reading.lines}
            if reading.view == "side":
                lengths_px = heights_px(seen.segmentation.mask, reading.facing)
            values |= {trait: length / seen.ruler.px_per_cm for trait, length in lengths_px.items()}
    both = [values[trait] for trait in ("body_width_top_cm", "body_width_front_cm") if trait in values]
    if both:
        values["body_width_cm"] = sum(both) / len(both)
    missing = {one.trait: one.reason for one in findings.measurements if one.reason}
    why = {trait: reason for trait, reason in missing.items() if trait not in values}
    return Measured(goat.name, f"{outline}, {NUMBER}", values, {}, why, goat.truth)


def every_way(
    goats: Mapping[str, Sequence[Goat]], stations: Mapping[str, Path], out: Path
) -> dict[tuple[str, str], list[Measured]]:
    """(outline, ruler) -> all goats measured in that way."""
    segmenter, ledger = Segmenter.load(), Ledger(out / "measured.jsonl", Measured)
    code = f"{code_key()} {segmenter.card.sha256[:16]}"
    found: dict[tuple[str, str], list[Measured]] = {}
    for name, station in stations.items():
        yards = yardsticks(station)
        for goat in goats[name]:
            say(f"measuring goat {goat.name}")
            for outline in OUTLINES:
                for ruler in (CAMERAS, SCALE, NUMBER):
                    key = f"{code} {yards.key} {goat.key} {outline}, {ruler}"
                    one = ledger.once(key, lambda: measured(goat, outline, ruler, yards, segmenter))  # noqa: B023
                    found.setdefault((outline, ruler), []).append(one)
    say("")
    return found


def every_move(
    goats: Mapping[str, Sequence[Goat]], stations: Mapping[str, Path], out: Path
) -> dict[str, list[Moved]]:
    """Ruler -> all goats in all their places, measured with their true outlines."""
    ledger = Ledger(out / "moved.jsonl", Moved)
    found: dict[str, list[Moved]] = {}
    for name, station in stations.items():
        yards, cameras = yardsticks(station), read_truth(station)["views"]
        for goat in goats[name]:
            say(f"measuring goat {goat.name}")
            for ruler in (CAMERAS, SCALE):
                key = f"{code_key()} {yards.key} {goat.key} {ruler}"
                one = ledger.once(key, lambda: moved(goat, ruler, yards, camera_of(cameras["side"])))  # noqa: B023
                found.setdefault(ruler, []).append(one)
    say("")
    return found


def moved(goat: Goat, ruler: str, yards: Yardsticks, side: CameraModel) -> Moved:
    """One goat in one of its places."""
    calibration = yards.calibration if ruler == CAMERAS else yards.scales
    findings = measure({view: true_look(goat, view, {}, calibration) for view in VIEWS})
    ahead = np.array(goat.entries["side"]["pose"])[:2, 0]
    ends = side.project(np.array([[0.0, 0.0, 60.0], [10 * ahead[0], 10 * ahead[1], 60.0]]))
    facing = {reading.view: reading.facing for reading in findings.readings}
    return Moved(
        f"{goat.station}/{goat.number}",
        goat.move,
        {one.trait: float(one.value) for one in findings.measurements if one.value is not None},
        goat.truth,
        facing.get("side"),
        "right" if ends[1, 0] > ends[0, 0] else "left",
    )


# --- the command -------------------------------------------------------------------------------------


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="models_tflite.training.accuracy_bench", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("--stations", type=at_least_one, default=8, metavar="M")
    parser.add_argument("--goats", type=at_least_one, default=6, metavar="N", help="at each station")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="pictures, calibrations, results"
    )
    parser.add_argument("--first", type=int, default=7000, metavar="SEED", help="of the first station")
    parser.add_argument("--size", type=picture_size, default=SIZE, metavar="WxH")
    parser.add_argument("--coats", type=Path, default=COATS, help="pictures of hair; may be absent")
    parser.add_argument("--moved", action="store_true", help="move the same animals, instead")
    parser.add_argument("--card", action="store_true", help="put the tables into MODEL_CARD.md")
    parser.add_argument("--plot", type=Path, nargs="?", const=PLOT, metavar="PNG",
                        help=f"draw measured against true; by default into {PLOT.name}")  # fmt: skip
    return parser.parse_args(arguments)


def at_least_one(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text}: at least 1")
    return int(text)


def say(text: str) -> None:
    """Progress, on one line of its own."""
    sys.stderr.write(f"\r\033[K{text}")
    sys.stderr.flush()


def main(arguments: Sequence[str] | None = None) -> None:
    options = parse(arguments)
    cv2.setNumThreads(1)
    seeds = range(options.first, options.first + options.stations)
    stations = {str(seed): options.out / str(seed) for seed in seeds}
    render_missing(list(stations.values()), options.goats, options.size, options.coats, options.moved)
    read: Callable[[Path, int], list[Goat]] = read_moved if options.moved else read_goats
    goats = {name: read(station, options.goats) for name, station in stations.items()}
    print(cameras_line(list(stations.values())))
    if options.moved:
        found = every_move(goats, stations, options.out)
        tables = {"moved": moved_table(found[CAMERAS], {SCALE: found[SCALE]})}
        print(f"\nthe same animal elsewhere, true outlines\n\n{tables['moved']}")
    else:
        tables = report(every_way(goats, stations, options.out), options.plot)
    if options.card:
        write_tables(CARD, {f"accuracy-{name}": text for name, text in tables.items()})


def cameras_line(stations: Sequence[Path]) -> str:
    """How many cameras the board calibrates, and how many of them at the first try."""
    first = again = refused = 0
    for station in stations:
        views, why = read_truth(station)["views"], calibrated(station)[1]
        refused += len(why)
        later = [view for view in views if view not in why and views[view].get("again")]
        again += len(later)
        first += len(views) - len(why) - len(later)
    return f"cameras: {first} calibrated, {again} with other pictures of the board, {refused} refused"


def report(found: Mapping[tuple[str, str], list[Measured]], plot: Path | None) -> dict[str, str]:
    """Print a table for each kind of outline and why values are missing; draw the plot where asked."""
    tables = {}
    for outline, title in OUTLINES.items():
        ours = found[outline, CAMERAS]
        others = {ruler: found[outline, ruler] for ruler in (SCALE, NUMBER)}
        tables[outline] = table(ours, others)
        print(f"\n{title}\n\n{tables[outline]}\n\n{reasons(ours) or 'no value is missing'}", flush=True)
    if plot:
        draw_agreement({ruler: found["network", ruler] for ruler in (CAMERAS, SCALE, NUMBER)}, plot)
        print(f"wrote {plot}")
    return tables


if __name__ == "__main__":
    dataset.command(main)
