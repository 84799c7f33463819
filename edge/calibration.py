"""How pixels become centimetres: one calibration file, one entry per view.

An entry is a camera (lens, place and direction in the crate, with their covariance) or a plain scale: one number for a
view, true in one plane only. How wrong a scale is for an animal that stands elsewhere is known from optics, and goes
into the uncertainty of every result made with it. A camera's entry may hold a small picture of what it saw. Files of
format 1 hold plain scales only and stay readable.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from edge.camera import CameraModel
from edge.errors import CalibrationRefused, ConfigError, MeasureError
from edge.keeping.durable import write_durably
from edge.records import VIEWS
from edge.reference import Reference

FORMAT = 2
READABLE = (1, 2)
# Horizontal field of view of the cameras that stations use (phones and Arducam modules: 50 to 75 degrees).
TYPICAL_FOV_DEG = 62.0
# One standard deviation of the camera's distance when only the field of view of typical cameras is known.
DISTANCE_SIGMA = 0.15
# One standard deviation of a person's click on the end of a stick, px of a 1600 px wide picture.
CLICK_SIGMA_PX = 2.0
SHORTEST_STICK_PX = 20


@dataclass(frozen=True, slots=True)
class PlainScale:
    """One scale for a whole view.

    picture_size   (width, height) of the pictures it holds for, px
    px_per_cm      in the plane of the stick
    scale_sigma    one standard deviation of px_per_cm, as a fraction
    plane_cm       where the stick was: its Y (side), Z (top) or X (front) in the crate
    floor_y_px     the row where the floor is, below the animal's middle, or None
    """

    picture_size: tuple[int, int]
    px_per_cm: float
    scale_sigma: float
    plane_cm: float = 0.0
    floor_y_px: float | None = None

    def camera_distance_cm(self) -> float:
        """How far the camera is from the stick's plane, for a camera of typical field of view."""
        focal_px = max(self.picture_size) / 2 / math.tan(math.radians(TYPICAL_FOV_DEG / 2))
        return focal_px / self.px_per_cm

    def at_size(self, size: tuple[int, int]) -> PlainScale:
        """The same scale for the same picture at another size."""
        ratio = size[0] / self.picture_size[0]
        floor = None if self.floor_y_px is None else self.floor_y_px * ratio
        return PlainScale(size, self.px_per_cm * ratio, self.scale_sigma, self.plane_cm, floor)

    def as_document(self) -> dict[str, Any]:
        return {
            "kind": "scale",
            "picture_size": list(self.picture_size),
            "px_per_cm": round(self.px_per_cm, 5),
            "scale_sigma": round(self.scale_sigma, 5),
            "plane_cm": self.plane_cm,
            "floor_y_px": self.floor_y_px,
        }


Ruler = PlainScale | CameraModel


@dataclass(frozen=True, slots=True)
class Calibration:
    """A calibration file as read: immutable, known by its content.

    references  view -> what it saw when it was calibrated, where that was kept
    """

    views: Mapping[str, Ruler]
    created_at: str
    sha256: str
    references: Mapping[str, Reference] = field(default_factory=dict)

    def standing(
        self, view: str, full_size: tuple[int, int]
    ) -> tuple[Reference, CameraModel] | tuple[None, None]:
        """What tells whether a camera still stands where it was calibrated, for its pictures of that size."""
        camera, reference = self.views.get(view), self.references.get(view)
        if isinstance(camera, CameraModel) and reference and camera.picture_size == full_size:
            return reference, camera
        return None, None

    def ruler_for(self, view: str, full_size: tuple[int, int], size: tuple[int, int]) -> Ruler:
        """The camera or the scale of a view for a picture taken at full_size, at its working size.

        Raises MeasureError where the calibration has no such view, or was made on pictures of another size.
        """
        entry = self.views.get(view)
        if entry is None:
            hint = f"run `goatdev calibrate camera {view} ...` or `goatdev calibrate scale {view} ...`"
            raise MeasureError(f"the {view} view is not calibrated", hint)
        if entry.picture_size != full_size:
            made, given = ("{}x{}".format(*size) for size in (entry.picture_size, full_size))
            message = f"the {view} calibration was made on pictures of {made}, this one is {given}"
            raise MeasureError(message, f"calibrate the {view} view again with pictures of this camera")
        return entry.at_size(size)

    def as_document(self) -> dict[str, Any]:
        return {
            "sha256": self.sha256,
            "created_at": self.created_at,
            "kinds": {view: kind_of(entry) for view, entry in self.views.items()},
        }


def kind_of(entry: Ruler) -> str:
    return "camera" if isinstance(entry, CameraModel) else "scale"


def scale_from_stick(
    start_px: tuple[float, float],
    end_px: tuple[float, float],
    length_cm: float,
    picture_size: tuple[int, int],
    plane_cm: float = 0.0,
    floor_y_px: float | None = None,
) -> PlainScale:
    """One scale from the two ends of something of known length; raises CalibrationRefused where it cannot be."""
    width, height = picture_size
    for x, y in (start_px, end_px):
        refuse_unless(
            0 <= x <= width and 0 <= y <= height,
            f"the point {x:g},{y:g} is outside the picture of {width}x{height}",
            "read X,Y off the picture",
        )
    refuse_unless(
        1 <= length_cm <= 500, f"a stick of {length_cm:g} cm is not usable", "give its length in cm, 1 to 500"
    )
    refuse_unless(
        abs(plane_cm) <= 200,
        f"a stick {plane_cm:g} cm nearer is not usable",
        "give --plane-cm in cm, -200 to 200",
    )
    refuse_unless(
        floor_y_px is None or 0 <= floor_y_px <= 1.5 * height,
        f"the floor cannot be in row {floor_y_px}",
        "give a point of the floor in this picture with --floor X,Y",
    )
    length_px = math.dist(start_px, end_px)
    refuse_unless(
        length_px >= SHORTEST_STICK_PX,
        f"the two points are only {length_px:.0f} pixels apart",
        "use a longer stick, or click its ends",
    )
    click_sigma_px = CLICK_SIGMA_PX * max(picture_size) / 1600
    return PlainScale(
        picture_size, length_px / length_cm, math.sqrt(2) * click_sigma_px / length_px, plane_cm, floor_y_px
    )


def entry_document(entry: Ruler, reference: Reference | None) -> dict[str, Any]:
    document = entry.as_document()
    return {**document, "reference": reference.as_document()} if reference else document


def refuse_unless(holds: bool, message: str, hint: str) -> None:
    if not holds:
        raise CalibrationRefused(message, hint)


def read_calibration(path: Path) -> Calibration:
    """Read and check a calibration file; raises ConfigError with what to do."""
    try:
        content = path.read_bytes()
        document = json.loads(content)
        if document["format"] not in READABLE:
            raise ConfigError(
                f"{path}: calibration of format {document['format']}", "update goatdev, or calibrate again"
            )
        views = {view: read_view(entry, view, path) for view, entry in document["views"].items()}
        references = {
            view: Reference.from_document(entry["reference"])
            for view, entry in document["views"].items()
            if "reference" in entry
        }
        digest = hashlib.sha256(content).hexdigest()
        return Calibration(views, str(document["created_at"]), digest, references)
    except OSError as error:
        hint = "make one with `goatdev calibrate camera VIEW ...`, or `goatdev calibrate scale VIEW ...`"
        raise ConfigError(f"{path}: no calibration: {error.strerror}", hint) from None
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise ConfigError(
            f"{path}: not a calibration file: {error!r}", "calibrate again into a new file"
        ) from None


def read_view(entry: Mapping[str, Any], view: str, path: Path) -> Ruler:
    if view not in VIEWS:
        raise ConfigError(f"{path}: {view}: unknown view", f"known: {', '.join(VIEWS)}")
    if entry["kind"] == "camera":
        return CameraModel.from_document(entry)
    if entry["kind"] != "scale":
        raise ConfigError(
            f"{path}: {view}: calibration of kind {entry['kind']!r}", "update goatdev, or calibrate again"
        )
    width, height = (int(side) for side in entry["picture_size"])
    floor = entry["floor_y_px"]
    scale = PlainScale(
        picture_size=(width, height),
        px_per_cm=float(entry["px_per_cm"]),
        scale_sigma=float(entry["scale_sigma"]),
        plane_cm=float(entry["plane_cm"]),
        floor_y_px=None if floor is None else float(floor),
    )
    if not is_possible(scale):
        raise ConfigError(f"{path}: {view}: impossible scale", "calibrate again")
    return scale


def is_possible(scale: PlainScale) -> bool:
    numbers = (scale.px_per_cm, scale.scale_sigma, scale.plane_cm, scale.floor_y_px or 0.0)
    positive = min(scale.picture_size) > 0 and scale.px_per_cm > 0 and scale.scale_sigma >= 0
    return positive and all(map(math.isfinite, numbers))


def write_view(path: Path, view: str, entry: Ruler, reference: Reference | None = None) -> None:
    """Add or replace one view in a calibration file, durably; the other views stay."""
    views, references = dict[str, Ruler](), dict[str, Reference]()
    if path.exists():
        known = read_calibration(path)
        views, references = dict(known.views), dict(known.references)
    views[view] = entry
    references.pop(view, None)
    if reference:
        references[view] = reference
    document = {
        "format": FORMAT,
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "views": {name: entry_document(views[name], references.get(name)) for name in VIEWS if name in views},
    }
    try:
        write_durably(path, (json.dumps(document, indent=2) + "\n").encode())
    except OSError as error:
        raise ConfigError(
            f"{path}: cannot be written: {error.strerror}", "check the folder and its permissions"
        ) from None
