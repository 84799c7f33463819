"""The station's eye: what its network and its calibration make of the pictures of one moment."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from edge.advice import advise, translated
from edge.annotate import annotate
from edge.calibration import Calibration
from edge.document import software
from edge.errors import MeasureError
from edge.images import PackedMask, pack_mask, unpack_mask
from edge.measuring.measure import Findings, Look, measure
from edge.notices import noted
from edge.quality import Condition, inspect
from edge.records import VIEWS, Lack, Measurement, Picture, Pixels, Reading, Revision
from edge.segment import NOT_ONE_AT, Segmenter

# What the network may see instead of one whole goat.
NOT_ONE_GOAT = {
    "several": ("several_goats", "more than one goat is in"),
    "part": ("part_of_a_goat", "only a part of the goat is in"),
}


@dataclass(frozen=True, slots=True)
class Seen:
    """What was found in one shot, and what of it can be drawn, without its pictures.

    details  view -> what its fine detail tells of the lens, where the picture is good
    """

    findings: Findings
    masks: Mapping[str, PackedMask]
    details: Mapping[str, Pixels]

    def drawn(self, picture: Picture, reading: Reading, measurements: Iterable[Measurement]) -> bytes:
        """The picture with what was seen in it and the numbers that came of it, as JPEG."""
        packed = self.masks.get(reading.view)
        return annotate(picture, unpack_mask(packed) if packed else None, reading, measurements)


@dataclass(frozen=True, slots=True)
class Examination:
    """What was found in the pictures of one moment, and the pictures that show it."""

    revision: Revision
    annotated: Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class Eye:
    """A network, what makes centimetres of its outlines, and the language in which advice is given."""

    segmenter: Segmenter
    calibration: Calibration
    language: str = "en"

    def examine(self, pictures: Mapping[str, Picture]) -> Examination:
        """Segment, measure and annotate the pictures (view -> picture) of one moment."""
        seen = self.see(pictures, {})
        annotated = {
            reading.view: seen.drawn(pictures[reading.view], reading, seen.findings.measurements)
            for reading in seen.findings.readings
        }
        return Examination(self.revision(seen.findings), annotated)

    def see(self, pictures: Mapping[str, Picture], problems: Mapping[str, Lack]) -> Seen:
        """Segment and measure the pictures of one moment.

        pictures  view -> picture
        problems  view -> why there is none
        """
        looks = {
            view: Look(view, reason=lack.why, advice=advise(lack.code, view, lack.why))
            for view, lack in problems.items()
        }
        looks |= {view: self.look_at(view, picture) for view, picture in pictures.items()}
        masks = {view: pack_mask(look.segmentation.mask) for view, look in looks.items() if look.segmentation}
        with ThreadPoolExecutor(len(VIEWS)) as hands:
            found = hands.map(lambda view: self.condition_of(looks[view], pictures[view]), pictures)
            conditions = dict(zip(pictures, found, strict=True))
        details = {view: one.detail for view, one in conditions.items() if one.detail is not None}
        return Seen(noted(measure(looks), conditions), masks, details)

    def look_at(self, view: str, picture: Picture) -> Look:
        """Find the goat in one picture and what measures it, or say what is missing; and who is in the way."""
        segmentation = self.segmenter.segment(picture, view)
        person = advise("person_in_the_way", view) if self.segmenter.finds_person(segmentation) else None
        if not self.segmenter.finds_goat(segmentation):
            advice = person or advise("nobody_there", view)
            return Look(view, segmentation, None, f"no goat was found in the {view} picture", advice)
        for scene, (code, reason) in NOT_ONE_GOAT.items():
            if segmentation.scene.get(scene, 0.0) > NOT_ONE_AT:
                advice = person if person and scene == "part" else advise(code, view)
                return Look(view, segmentation, None, f"{reason} the {view} picture", advice)
        try:
            ruler = self.calibration.ruler_for(view, picture.full_size, picture.size)
        except MeasureError as error:
            return Look(view, segmentation, None, str(error), advise("not_calibrated", view, str(error)))
        return Look(view, segmentation, ruler, advice=person)

    def condition_of(self, look: Look, picture: Picture) -> Condition:
        """What there is to say about a picture, whether or not a goat was found in it."""
        mask = look.segmentation.mask if look.segmentation else None
        reference, camera = self.calibration.standing(look.view, picture.full_size)
        return inspect(look.view, picture.rgb, mask, reference, camera)

    def revision(self, findings: Findings) -> Revision:
        """The findings with what they were made with."""
        return Revision(
            findings.measurements,
            findings.readings,
            tuple(translated(one, self.language) for one in findings.advice),
            self.segmenter.card.as_document(),
            self.calibration.as_document(),
            software(),
        )
