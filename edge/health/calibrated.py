"""The calibration: whether it can be read, how old each view's is, and whether it fits what its camera gives."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from edge.calibration import Calibration, Ruler, read_calibration
from edge.camera import CameraModel
from edge.errors import ConfigError
from edge.health.check import FAIL, OK, WARN, Check, age_s, moment, refused, span
from edge.records import Capture

# Screws loosen and boards bend: after so long it is worth a look with a stick of known length.
OLD_S = 365 * 86400.0
# Of a picture 1600 px wide; a lens that was refocused or knocked since is far worse than this.
LARGE_ERROR_PX = 1.0

Size = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Calibrated:
    """What a view's calibration says of itself.

    age_s         how long ago it was made, None where the file does not say
    error_px      reprojection error; None for a plain scale
    """

    picture_size: Size
    age_s: float | None
    error_px: float | None


def read_views(path: Path) -> dict[str, Calibrated]:
    """view -> what its calibration says of itself. Raises ConfigError."""
    calibration = read(path)
    return {
        view: Calibrated(ruler.picture_size, made_s_ago(ruler, calibration), error_px(ruler))
        for view, ruler in calibration.views.items()
    }


def read(path: Path) -> Calibration:
    """The file as it is now, read anew only where it changed. Raises ConfigError."""
    try:
        stat = path.stat()
    except OSError:
        return read_calibration(path)
    return read_once(path, stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=2)
def read_once(path: Path, _changed_at_ns: int, _size: int) -> Calibration:
    return read_calibration(path)


def made_s_ago(ruler: Ruler, calibration: Calibration) -> float | None:
    at = moment(ruler.date if isinstance(ruler, CameraModel) else calibration.created_at)
    return age_s(at) if at else None


def error_px(ruler: Ruler) -> float | None:
    return ruler.reprojection_rms_px if isinstance(ruler, CameraModel) else None


def calibration_checks(
    path: Path, views: Iterable[str], last: Capture | None, in_use: str
) -> Iterator[Check]:
    """One finding per view that has a camera, or one alone where the file cannot be used.

    last    the newest capture: its pictures are of the size that the cameras give
    in_use  SHA-256 of the calibration that the station measures with, "" while it does not run
    """
    try:
        calibrated, sha256 = read_views(path), read(path).sha256
    except ConfigError as error:
        yield refused("calibration", error)
        return
    if in_use and sha256 != in_use:
        text = f"{path} was changed since the station started: it measures with the old one"
        yield Check("calibration", WARN, text, "take the new one: `systemctl restart goatdev-station`")
    else:
        yield Check("calibration", OK, f"{path} ({sha256[:8]})")
    sizes = picture_sizes(last)
    for view in views:
        yield view_check(view, calibrated.get(view), sizes.get(view))


def picture_sizes(last: Capture | None) -> Mapping[str, Size]:
    """view -> (width, height) of its camera's pictures."""
    images = last.images_of("raw") if last else ()
    return {image.view: (image.width, image.height) for image in images if image.width and image.height}


def view_check(view: str, one: Calibrated | None, given: Size | None) -> Check:
    name = f"calibration_{view}"
    if one is None:
        hint = f"run `goatdev calibrate camera {view} ...` or `goatdev calibrate scale {view} ...`"
        return Check(name, FAIL, f"the {view} view is not calibrated", hint)
    size = "{}x{}".format(*one.picture_size)
    if given and given != one.picture_size:
        text = f"made on pictures of {size}, the camera gives {given[0]}x{given[1]}"
        return Check(
            name, FAIL, text, f"set [cameras] width and height back, or calibrate the {view} view again"
        )
    kind = "a plain scale" if one.error_px is None else f"reprojection error {one.error_px:.2f} px"
    made = "made nobody knows when" if one.age_s is None else f"made {span(one.age_s)} ago"
    text = f"{made}, {kind}, pictures of {size}"
    if one.error_px is not None and one.error_px > LARGE_ERROR_PX * max(one.picture_size) / 1600:
        return Check(
            name, WARN, text, f"the error is large: calibrate the {view} view again, with sharper pictures"
        )
    if one.age_s is not None and one.age_s > OLD_S:
        hint = (
            "measure something of known length; where it is off by more than 1 cm, calibrate this view again"
        )
        return Check(name, WARN, text, hint)
    return Check(name, OK, text)
