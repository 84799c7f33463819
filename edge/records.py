"""The nouns of the station: small, frozen, complete from birth. Imports nothing of ours."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

import numpy as np
import numpy.typing as npt

VIEWS = ("side", "top", "front")
LANGUAGES = ("en", "es")

Pixels = npt.NDArray[np.uint8]
Points = npt.NDArray[np.float64]
Softness = npt.NDArray[np.float32]
# A softness holds for squares of so many pixels.
SOFTNESS_PX = 8


class Label:
    """Pixel values of a mask."""

    BACKGROUND = 0
    BODY = 1
    HEAD = 2


@dataclass(frozen=True, slots=True)
class Trait:
    """What is measured, and from which views; a ratio has no unit."""

    name: str
    views: tuple[str, ...]
    title: str
    unit: str = "cm"


TRAITS = (
    Trait("head_height_cm", ("side",), "Head height"),
    Trait("withers_height_cm", ("side",), "Withers height"),
    Trait("rump_height_cm", ("side",), "Rump height"),
    Trait("shoulder_width_cm", ("top",), "Shoulder width"),
    Trait("waist_width_cm", ("top",), "Waist width"),
    Trait("rump_width_cm", ("top",), "Rump width"),
    Trait("body_width_top_cm", ("top",), "Body width from above"),
    Trait("body_width_front_cm", ("front",), "Body width from the front"),
    Trait("body_width_cm", ("top", "front"), "Body width"),
)
# What follows from the traits, or is inferred where no camera sees it whole; never a reason to press again.
ESTIMATES = (
    Trait("body_length_cm", ("side", "top"), "Body length (estimated)"),
    Trait("heart_girth_cm", ("side", "top"), "Heart girth (estimated)"),
    Trait("condition_index", ("side", "top", "front"), "Condition index (body width / withers)", ""),
    Trait("rump_waist_ratio", ("top",), "Rump / waist", ""),
)
ALL_TRAITS = TRAITS + ESTIMATES
# Advice about the station: a reason to press again only where the reading of its view is warned of it, too.
UPKEEP = ("lens_dirty",)


class Status(StrEnum):
    """Where a capture stands."""

    QUEUED = "queued"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"
    MISSED = "missed"


@dataclass(frozen=True, slots=True)
class Measurement:
    """One trait with its doubt. What could not be read has a reason, never 0.0.

    value       cm, or None
    u95         half-width of the 95 % interval, cm
    confidence  0..1
    """

    trait: str
    views: tuple[str, ...]
    value: float | None = None
    u95: float | None = None
    confidence: float = 0.0
    reason: str | None = None

    def __post_init__(self) -> None:
        if (self.value is None) != bool(self.reason):
            raise ValueError(f"{self.trait}: give either a value or a reason")
        if (self.value is None) != (self.u95 is None):
            raise ValueError(f"{self.trait}: a value has an uncertainty, a missing one has none")


@dataclass(frozen=True, slots=True)
class Advice:
    """What the person at the crate can do better: a code for programs, a sentence for people.

    text     in the station's language
    details  what the sentence says besides code and view, name -> value
    """

    code: str
    view: str | None
    text: str
    details: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Weight:
    """What a goat weighed.

    source  "scale" or "typed"
    raw     the scale's line exactly as it came, or what was typed
    """

    kg: float
    source: str
    raw: str


@dataclass(frozen=True, slots=True)
class Clock:
    """How far the time of a moment can be trusted, and when it was on a clock that never jumps.

    source          whom the wall clock followed: "ntp", "rtc" (a battery clock), or nobody, "unsynchronised"
    utc_offset_min  how far local time was ahead of UTC
    boot_id         which run of the machine it was, from switching on to switching off
    since_boot_s    seconds since that began
    """

    source: str
    utc_offset_min: int
    boot_id: str
    since_boot_s: float


@dataclass(frozen=True, slots=True)
class Stamp:
    """A moment: UTC as the wall clock said, and what is known of that clock."""

    at: datetime
    clock: Clock

    @property
    def booted_at(self) -> datetime:
        """When the machine was switched on, by this wall clock: the same until somebody sets it."""
        return self.at - timedelta(seconds=self.clock.since_boot_s)


@dataclass(frozen=True, slots=True)
class Said:
    """What a person says of one trait of one capture, and why.

    value  what it really is, cm or a ratio; None takes back what was said before
    """

    trait: str
    value: float | None
    author: str
    reason: str


@dataclass(frozen=True, slots=True)
class Correction:
    """What a person said, beside what was measured then.

    measured  the value of that revision, or None
    """

    said: Said
    revision: int
    measured: float | None
    at: datetime


@dataclass(frozen=True, slots=True)
class Standing:
    """What stands of one trait: what a person said last, else what was measured.

    measurement  of the newest revision, untouched; None where that trait was not asked for
    correction   the one that stands above it, or None
    """

    trait: str
    measurement: Measurement | None
    correction: Correction | None

    @property
    def value(self) -> float | None:
        if self.correction is not None:
            return self.correction.said.value
        return self.measurement.value if self.measurement else None

    @property
    def u95(self) -> float | None:
        """How sure a measurement is; nobody knows it of what a person says."""
        return self.measurement.u95 if self.measurement and self.correction is None else None


@dataclass(frozen=True, slots=True)
class Trigger:
    """A request to measure. The id makes a repeated press harmless.

    requested_at  UTC as the wall clock said, right or wrong
    clock         how far that can be trusted; None where nobody wrote it down
    """

    id: str
    source: str
    requested_at: datetime
    goat_id: str | None = None
    weight: Weight | None = None
    clock: Clock | None = None

    def since_boot_s(self, now: Stamp) -> float:
        """When it was, in seconds since the boot that `now` lies in; of an earlier boot it was before all time."""
        if self.clock is None:
            return now.clock.since_boot_s - (now.at - self.requested_at).total_seconds()
        return self.clock.since_boot_s if self.clock.boot_id == now.clock.boot_id else -math.inf

    def age_s(self, now: Stamp) -> float:
        """How long ago it was, whatever became of the wall clock since."""
        return now.clock.since_boot_s - self.since_boot_s(now)

    @property
    def goat_source(self) -> str | None:
        """How the goat was named with the press: "typed" by a person, or sent with the "press"."""
        if self.goat_id is None:
            return None
        return "press" if self.source == "mqtt" else "typed"


@dataclass(frozen=True, slots=True)
class Frame:
    """One image of one view, as the camera encoded it."""

    view: str
    jpeg: bytes
    exposed_at: datetime


@dataclass(frozen=True, slots=True)
class Lack:
    """Why a view has no picture that can be measured, and the code of the advice that says what to do."""

    why: str
    code: str = "no_picture"


@dataclass(frozen=True, slots=True)
class Shot:
    """The frames of one moment; a view whose camera gave none is named with the reason."""

    frames: tuple[Frame, ...]
    missing: Mapping[str, Lack] = field(default_factory=dict)

    @property
    def spread_ms(self) -> float:
        """How far apart the first and the last exposure were."""
        times = [frame.exposed_at for frame in self.frames]
        return apart_ms(times)


@dataclass(frozen=True, slots=True)
class Burst:
    """The shots of one press, first to last; a shot in which no camera gave a frame is there with none."""

    shots: tuple[Shot, ...] = ()

    def with_shot(self, shot: Shot) -> Burst:
        return Burst((*self.shots, shot))

    @property
    def spread_ms(self) -> float:
        """How far apart the exposures of one shot were, in the worst of them."""
        return max((shot.spread_ms for shot in self.shots), default=0.0)

    @property
    def burst_ms(self) -> float:
        """How far apart the first and the last exposure of all were."""
        return apart_ms([frame.exposed_at for shot in self.shots for frame in shot.frames])


@dataclass(frozen=True, slots=True)
class Picture:
    """A decoded image, upright, at working size.

    rgb        (H, W, 3)  no side longer than the working size
    full_size  (width, height) of the image as taken, upright, px
    """

    rgb: Pixels
    full_size: tuple[int, int]

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) at working size, px."""
        return self.rgb.shape[1], self.rgb.shape[0]

    @property
    def full_px_per_px(self) -> float:
        """Pixels of the image as taken per working pixel."""
        return self.full_size[0] / self.rgb.shape[1]


@dataclass(frozen=True, slots=True)
class Landmark:
    """A named point of the animal in the picture.

    x, y        working px, pixel centres at whole numbers
    confidence  0..1, how much of what the network says lies around that point
    """

    x: float
    y: float
    confidence: float


@dataclass(frozen=True, slots=True)
class Segmentation:
    """What the network sees in one picture.

    mask        (H, W)  0 background, 1 body, 2 head, at the picture's working size
    confidence  0..1, that the mask shows one goat
    landmarks   name -> where the network points, its left and right as the animal has them
    scene       "none", "one", "part", "several" -> probability that the picture shows so much of goats
    softness    (ceil(H / 8), ceil(W / 8))  px that an outline there moves if the network is off by one logit;
                None where the outline is exact
    person      0..1, probability that somebody is before the goat or in its place; None where no one can say
    """

    view: str
    mask: Pixels
    confidence: float
    landmarks: Mapping[str, Landmark] = field(default_factory=dict)
    scene: Mapping[str, float] = field(default_factory=dict)
    softness: Softness | None = None
    person: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Glance:
    """What is remembered of how a view looked in one capture.

    detail    (rows, columns)  how much fine detail each cell of the picture shows, 0 where the goat hides it
    is_dirty  whether dirt was found on the lens then
    """

    view: str
    detail: Pixels
    is_dirty: bool = False


@dataclass(frozen=True, slots=True)
class StoredImage:
    """An image on disk, named by its content; `path` is relative to the image folder.

    width, height  px, or None for evidence that is no readable picture
    shot           which shot of the burst it is of, or shows, counted from 1
    pruned_at      when its file was removed, with the cloud's receipt for it; None while it is kept
    """

    view: str
    kind: str
    path: str
    sha256: str
    width: int | None
    height: int | None
    size_bytes: int
    shot: int = 1
    pruned_at: str | None = None

    @property
    def place(self) -> tuple[str, str, int]:
        """What a capture has one of: per view an image as taken in each shot, and an annotated one."""
        return self.kind, self.view, self.shot if self.kind == "raw" else 0


@dataclass(frozen=True, slots=True)
class Line:
    """A measured distance as drawn on a picture, working px."""

    trait: str
    start: tuple[float, float]
    end: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Reading:
    """What one view contributed: confidence, facing, warnings, and where in the picture.

    facing     "left" or "right" in the picture (side, top), "camera" or "away" (front), or None
    landmarks  name -> (x, y), working px
    """

    view: str
    confidence: float = 0.0
    facing: str | None = None
    warnings: tuple[str, ...] = ()
    landmarks: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    lines: tuple[Line, ...] = ()


@dataclass(frozen=True, slots=True)
class Revision:
    """One computation of a capture's measurements, and what made it."""

    measurements: tuple[Measurement, ...]
    readings: tuple[Reading, ...]
    advice: tuple[Advice, ...]
    model: Mapping[str, Any]
    calibration: Mapping[str, Any]
    software: str

    @property
    def verdict(self) -> str:
        """good: all that this station's views can give; look again: some of it; take again: nothing."""
        asked = {trait.name for trait in TRAITS}
        measured = [one for one in self.measurements if one.trait in asked]
        if all(one.value is None for one in measured):
            return "take again"
        views = {reading.view for reading in self.readings}
        missing = [one for one in measured if one.value is None and views >= set(one.views)]
        return "look again" if missing or any(map(self.asks_again, self.advice)) else "good"

    def asks_again(self, advice: Advice) -> bool:
        """Whether another press would be better for what is advised."""
        warned = {
            code for reading in self.readings if reading.view == advice.view for code in reading.warnings
        }
        return advice.code not in UPKEEP or advice.code in warned


@dataclass(frozen=True, slots=True)
class Dating:
    """What was found out later about when a capture was taken, whose clock could not be trusted.

    source    "ntp"; "set", where somebody set the clock; "never", where the machine was switched off before that
    at        UTC, when this was found out
    note      the same in the station's language
    taken_at  UTC; None where nobody knows
    by_s      how far the clock was behind
    """

    source: str
    at: datetime
    note: str
    taken_at: datetime | None = None
    by_s: float | None = None


@dataclass(frozen=True, slots=True)
class Capture:
    """All that one trigger produced.

    id           YYYYMMDDTHHMMSSmmmZ_<station_id>, UTC
    goat_source  who named the goat: "typed" or "press" with the press, "reader", or "later"
    goat_note    why it has no name, where tags were read
    sequence     the how-manieth press of the station it is: the true order, whatever its clock says
    corrections  what people said of its traits, in the order they said it
    """

    id: str
    trigger: Trigger
    status: Status
    goat_id: str | None = None
    revision_number: int = 0
    images: tuple[StoredImage, ...] = ()
    revision: Revision | None = None
    spread_ms: float | None = None
    burst_ms: float | None = None
    failure: str | None = None
    hint: str | None = None
    finished_at: datetime | None = None
    goat_source: str | None = None
    goat_note: str | None = None
    weight: Weight | None = None
    sequence: int | None = None
    dating: Dating | None = None
    corrections: tuple[Correction, ...] = ()

    @property
    def taken_at(self) -> datetime:
        """When it was asked for: the true time as soon as that is known."""
        known = self.dating.taken_at if self.dating else None
        return known or self.trigger.requested_at

    @property
    def time_state(self) -> str:
        """How far `taken_at` can be trusted.

        "trusted"; "corrected"; "waiting" for the clock to be set; "never", it was not set before the machine was
        switched off; "unknown", a capture from before this was written down.
        """
        if self.dating is not None:
            return "never" if self.dating.taken_at is None else "corrected"
        if self.trigger.clock is None:
            return "unknown"
        return "waiting" if self.trigger.clock.source == "unsynchronised" else "trusted"

    @property
    def is_unfinished(self) -> bool:
        """Whether it waits for the station or is being worked on."""
        return self.status in (Status.QUEUED, Status.PROCESSING)

    @property
    def is_named_by_people(self) -> bool:
        return self.goat_id is not None and self.goat_source != "reader"

    def named(self, goat_id: str, source: str) -> Capture:
        """The same capture as that goat's."""
        if goat_id == self.goat_id:
            return self
        return replace(self, goat_id=goat_id, goat_source=source, goat_note=None)

    def unnamed(self, note: str) -> Capture:
        """The same capture as nobody's, and why."""
        return replace(self, goat_id=None, goat_source=None, goat_note=note)

    def with_shot(
        self, images: tuple[StoredImage, ...], spread_ms: float, burst_ms: float | None = None
    ) -> Capture:
        return replace(self.with_images(images), spread_ms=spread_ms, burst_ms=burst_ms)

    def with_images(self, images: tuple[StoredImage, ...]) -> Capture:
        """The same capture with these images; each takes the place of an earlier one of its kind, view and shot."""
        newer = {image.place for image in images}
        kept = tuple(image for image in self.images if image.place not in newer)
        return replace(self, images=kept + images)

    def completed(self, revision: Revision, at: datetime | None = None) -> Capture:
        """The same capture with its numbers."""
        return replace(
            self,
            status=Status.COMPLETED,
            revision=revision,
            revision_number=self.revision_number + 1,
            failure=None,
            hint=None,
            finished_at=at or utc_now(),
        )

    def failed(self, message: str, hint: str = "", at: datetime | None = None) -> Capture:
        """The same capture, closed without new numbers; earlier ones and all images stay."""
        status = Status.COMPLETED if self.revision_number else Status.FAILED
        return replace(self, status=status, failure=message, hint=hint, finished_at=at or utc_now())

    def missed(self, message: str, hint: str = "", at: datetime | None = None) -> Capture:
        """A press that nobody served in time."""
        return replace(self, status=Status.MISSED, failure=message, hint=hint, finished_at=at or utc_now())

    def standing(self, trait: str) -> Standing:
        """What was said last of a trait, also where it was measured again since; else what was measured."""
        measurements = self.revision.measurements if self.revision else ()
        measurement = next((one for one in measurements if one.trait == trait), None)
        last = next((one for one in reversed(self.corrections) if one.said.trait == trait), None)
        correction = last if last is not None and last.said.value is not None else None
        return Standing(trait, measurement, correction)

    def images_of(self, kind: str) -> tuple[StoredImage, ...]:
        return tuple(image for image in self.images if image.kind == kind)

    @property
    def pruned_at(self) -> str | None:
        """When its pictures as taken were removed here; the cloud has them."""
        return next((image.pruned_at for image in self.images if image.pruned_at), None)

    def taken(self, view: str) -> tuple[StoredImage, ...]:
        """The images of a view as taken, first shot first. The first of them is the picture of that view."""
        images = (image for image in self.images_of("raw") if image.view == view)
        return tuple(sorted(images, key=lambda image: image.shot))


def apart_ms(times: Collection[datetime]) -> float:
    return (max(times) - min(times)).total_seconds() * 1000 if times else 0.0


def utc_now() -> datetime:
    return datetime.now(UTC)
