"""The story of a capture, on one screen. Its parts are passed in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace

from edge.advice import advise, translated
from edge.annotate import annotate
from edge.archive import Archive
from edge.burst import combine
from edge.calibration import Calibration
from edge.cameras.rig import Rig
from edge.document import software
from edge.errors import CaptureError, MeasureError, StageError
from edge.images import PackedMask, pack_mask, unpack_mask
from edge.measure import Findings, Look, measure
from edge.quality import Condition, inspect
from edge.records import VIEWS, Advice, Burst, Capture, Lack, Measurement, Picture, Reading, Revision, utc_now
from edge.segment import NOT_ONE_AT, Segmenter
from edge.shots import StoredShots
from edge.store import Store

# What the network may see instead of one whole goat.
NOT_ONE_GOAT = {
    "several": ("several_goats", "more than one goat is in"),
    "part": ("part_of_a_goat", "only a part of the goat is in"),
}


@dataclass(frozen=True, slots=True)
class Examination:
    """What was found in the pictures of one moment, and the pictures that show it."""

    revision: Revision
    annotated: Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class Seen:
    """What was found in one shot, and what of it can be drawn, without its pictures."""

    findings: Findings
    masks: Mapping[str, PackedMask]


def take_capture(
    capture: Capture,
    rig: Rig,
    archive: Archive,
    segmenter: Segmenter,
    calibration: Calibration,
    store: Store,
    language: str = "en",
) -> Capture:
    """Turn one press into one stored capture, whatever happens on the way."""
    capture = store.begin(capture)
    shots = StoredShots(archive)
    try:
        capture, looks = with_burst(capture, rig, shots, segmenter, calibration)
        found = {number: look.result() for number, look in looks.items()}
        capture = with_examination(capture, shots, found, segmenter, calibration, language)
    except StageError as error:
        capture = capture.failed(error.message, error.hint)  # keeps what it already has
    store.close_capture(capture)
    return capture


def measure_again(
    capture: Capture,
    archive: Archive,
    segmenter: Segmenter,
    calibration: Calibration,
    store: Store,
    language: str = "en",
) -> Capture:
    """Measure a capture's stored images again, as a new revision."""
    capture = store.begin(capture)
    try:
        shots = StoredShots(archive, capture.images_of("raw"))
        found = {number: see_stored(shots, number, segmenter, calibration) for number in shots.numbers}
        capture = with_examination(capture, shots, found, segmenter, calibration, language)
    except StageError as error:
        capture = capture.failed(error.message, error.hint)
    store.close_capture(capture)
    return capture


def with_burst(
    capture: Capture, rig: Rig, shots: StoredShots, segmenter: Segmenter, calibration: Calibration
) -> tuple[Capture, Mapping[int, Future[Seen]]]:
    """The capture with the frames of all its shots, each on disk as soon as it is there; and what is seen in them.

    Each shot is looked at while the cameras take the next.
    """
    burst, looks = Burst(), {}
    with ThreadPoolExecutor(1) as eyes:
        for number, shot in enumerate(rig.burst(), start=1):
            images = shots.archive.save_frames(capture.id, shot.frames, number)  # evidence before opinion
            burst = burst.with_shot(shot)
            capture = capture.with_shot(images, burst.spread_ms, burst.burst_ms)
            shots.add(number, images, shot.missing)
            if images:
                looks[number] = eyes.submit(see_stored, shots, number, segmenter, calibration)
    if not looks:
        reasons = dict.fromkeys(lack.why for shot in burst.shots for lack in shot.missing.values())
        raise CaptureError("no camera gave a picture", "; ".join(reasons))
    return capture, looks


def with_examination(
    capture: Capture,
    shots: StoredShots,
    seen: Mapping[int, Seen],
    segmenter: Segmenter,
    calibration: Calibration,
    language: str = "en",
) -> Capture:
    """The capture with its numbers, combined from all its shots, and annotated pictures of the calmest."""
    shots.require_any()
    combined = combine([one.findings for one in seen.values()])
    findings = told_of(shots.failing(), combined.findings)
    shown = {view: list(seen)[place] for view, place in combined.shown.items()}
    pictures = shots.pictures(shown)

    def drawn(reading: Reading) -> bytes:
        return show(pictures[reading.view], seen[shown[reading.view]], reading, findings.measurements)

    readings = [reading for reading in findings.readings if reading.view in pictures]
    with ThreadPoolExecutor(len(VIEWS)) as hands:
        jpegs = list(zip(readings, hands.map(drawn, readings), strict=True))
    annotated = tuple(
        shots.archive.save(capture.id, reading.view, "annotated", jpeg, shown[reading.view])
        for reading, jpeg in jpegs
    )
    revision = as_revision(findings, segmenter, calibration, language)
    return capture.with_images(annotated).completed(revision, utc_now())


def told_of(failing: Mapping[str, Advice], findings: Findings) -> Findings:
    """The findings with what there is to say of cameras that failed in some shots, instead of what those shots said.

    failing  view -> advice
    """
    codes = {"no_picture", *(one.code for one in failing.values())}
    others = tuple(one for one in findings.advice if not (one.view in failing and one.code in codes))
    readings = []
    for reading in findings.readings:
        advice = failing.get(reading.view)
        kept = tuple(code for code in reading.warnings if advice is None or code not in codes)
        readings.append(replace(reading, warnings=(*kept, advice.code) if advice else kept))
    return replace(findings, readings=tuple(readings), advice=(*failing.values(), *others))


def see_stored(shots: StoredShots, number: int, segmenter: Segmenter, calibration: Calibration) -> Seen:
    shot = shots.open(number)
    return see(shot.pictures, shot.problems, segmenter, calibration)


def examine(
    pictures: Mapping[str, Picture],
    problems: Mapping[str, Lack],
    segmenter: Segmenter,
    calibration: Calibration,
    language: str = "en",
) -> Examination:
    """Segment, measure and annotate the pictures of one moment.

    pictures  view -> picture
    problems  view -> why there is none
    language  in which advice is given
    """
    seen = see(pictures, problems, segmenter, calibration)
    annotated = {
        reading.view: show(pictures[reading.view], seen, reading, seen.findings.measurements)
        for reading in seen.findings.readings
        if reading.view in pictures
    }
    return Examination(as_revision(seen.findings, segmenter, calibration, language), annotated)


def see(
    pictures: Mapping[str, Picture],
    problems: Mapping[str, Lack],
    segmenter: Segmenter,
    calibration: Calibration,
) -> Seen:
    """Segment and measure the pictures of one moment."""
    looks = {
        view: Look(view, reason=lack.why, advice=advise(lack.code, view, lack.why))
        for view, lack in problems.items()
    }
    looks |= {view: look_at(view, picture, segmenter, calibration) for view, picture in pictures.items()}
    masks = {view: pack_mask(look.segmentation.mask) for view, look in looks.items() if look.segmentation}
    conditions = {view: condition_of(looks[view], picture, calibration) for view, picture in pictures.items()}
    return Seen(noted(measure(looks), conditions), masks)


def condition_of(look: Look, picture: Picture, calibration: Calibration) -> Condition:
    """What there is to say about a picture, whether or not a goat was found in it."""
    mask = look.segmentation.mask if look.segmentation else None
    reference, camera = calibration.standing(look.view, picture.full_size)
    return inspect(look.view, picture.rgb, mask, reference, camera)


def noted(findings: Findings, conditions: Mapping[str, Condition]) -> Findings:
    """The findings with what was noticed about the pictures; it comes first, for it may be why all else failed."""
    readings = []
    for reading in findings.readings:
        condition = conditions.get(reading.view, Condition(reading.view))
        codes = tuple(one.code for one in condition.advice)
        readings.append(replace(reading, warnings=codes + reading.warnings))
    advice = tuple(one for condition in conditions.values() for one in condition.advice)
    return replace(findings, readings=tuple(readings), advice=advice + findings.advice)


def show(picture: Picture, seen: Seen, reading: Reading, measurements: Iterable[Measurement]) -> bytes:
    """The picture with what was seen in it and the numbers that came of it."""
    packed = seen.masks.get(reading.view)
    return annotate(picture, unpack_mask(packed) if packed else None, reading, measurements)


def as_revision(
    findings: Findings, segmenter: Segmenter, calibration: Calibration, language: str
) -> Revision:
    return Revision(
        findings.measurements,
        findings.readings,
        tuple(translated(one, language) for one in findings.advice),
        segmenter.card.as_document(),
        calibration.as_document(),
        software(),
    )


def look_at(view: str, picture: Picture, segmenter: Segmenter, calibration: Calibration) -> Look:
    """Find the goat in one picture and what measures it, or say what is missing."""
    segmentation = segmenter.segment(picture, view)
    if not segmenter.finds_goat(segmentation):
        advice = advise("nobody_there", view)
        return Look(view, segmentation, None, f"no goat was found in the {view} picture", advice)
    for scene, (code, reason) in NOT_ONE_GOAT.items():
        if segmentation.scene.get(scene, 0.0) > NOT_ONE_AT:
            return Look(view, segmentation, None, f"{reason} the {view} picture", advise(code, view))
    try:
        ruler = calibration.ruler_for(view, picture.full_size, picture.size)
    except MeasureError as error:
        return Look(view, segmentation, None, str(error), advise("not_calibrated", view, str(error)))
    return Look(view, segmentation, ruler)
