"""The story of a capture, on one screen. Its parts are passed in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from edge.advice import advise, translated
from edge.annotate import annotate
from edge.archive import Archive
from edge.calibration import Calibration
from edge.cameras.rig import Rig
from edge.document import software
from edge.errors import CaptureError, MeasureError, PictureError, StageError
from edge.images import decode
from edge.measure import Findings, Look, measure
from edge.quality import Condition, inspect
from edge.records import Capture, Picture, Revision, utc_now
from edge.segment import NOT_ONE_AT, Segmenter
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
    try:
        shot = rig.shoot()
        images = archive.save_frames(capture.id, shot.frames)  # evidence before opinion
        capture = capture.with_shot(images, shot.spread_ms)
        contents = {frame.view: frame.jpeg for frame in shot.frames}
        capture = with_examination(capture, contents, shot.missing, archive, segmenter, calibration, language)
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
        contents, missing = stored_contents(capture, archive)
        capture = with_examination(capture, contents, missing, archive, segmenter, calibration, language)
    except StageError as error:
        capture = capture.failed(error.message, error.hint)
    store.close_capture(capture)
    return capture


def stored_contents(capture: Capture, archive: Archive) -> tuple[dict[str, bytes], dict[str, str]]:
    """view -> image bytes, and view -> why an image cannot be read any more."""
    contents: dict[str, bytes] = {}
    missing: dict[str, str] = {}
    for image in capture.images_of("raw"):
        try:
            contents[image.view] = archive.read(image)
        except PictureError as error:
            missing[image.view] = str(error)
    if not contents:
        why = "; ".join(missing.values()) or "it never had any"
        raise CaptureError(f"none of its pictures can be read: {why}", "measure the goat again")
    return contents, missing


def with_examination(
    capture: Capture,
    contents: Mapping[str, bytes],
    missing: Mapping[str, str],
    archive: Archive,
    segmenter: Segmenter,
    calibration: Calibration,
    language: str = "en",
) -> Capture:
    """The capture with its numbers and annotated pictures."""
    pictures: dict[str, Picture] = {}
    problems = dict(missing)
    for view, content in contents.items():
        try:
            pictures[view] = decode(content, f"{view} picture")
        except PictureError as error:
            problems[view] = str(error)
    examination = examine(pictures, problems, segmenter, calibration, language)
    annotated = [archive.save(capture.id, v, "annotated", jpeg) for v, jpeg in examination.annotated.items()]
    return capture.with_images(tuple(annotated)).completed(examination.revision, utc_now())


def examine(
    pictures: Mapping[str, Picture],
    problems: Mapping[str, str],
    segmenter: Segmenter,
    calibration: Calibration,
    language: str = "en",
) -> Examination:
    """Segment, measure and annotate the pictures of one moment.

    pictures  view -> picture
    problems  view -> why there is none
    language  in which advice is given
    """
    looks = {
        view: Look(view, reason=why, advice=advise("no_picture", view, why)) for view, why in problems.items()
    }
    looks |= {view: look_at(view, picture, segmenter, calibration) for view, picture in pictures.items()}
    conditions = {view: condition_of(looks[view], picture, calibration) for view, picture in pictures.items()}
    findings = noted(measure(looks), conditions)
    revision = Revision(
        findings.measurements,
        findings.readings,
        tuple(translated(one, language) for one in findings.advice),
        segmenter.card.as_document(),
        calibration.as_document(),
        software(),
    )
    annotated = {}
    for reading in findings.readings:
        if reading.view in pictures:
            seen = looks[reading.view].segmentation
            mask = seen.mask if seen else None
            annotated[reading.view] = annotate(pictures[reading.view], mask, reading, findings.measurements)
    return Examination(revision, annotated)


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
