"""Outlines become centimetres, each with an uncertainty that tells the truth, or with the reason why there is none.

Views with a calibrated camera are solved together, a view with a plain scale speaks for itself; u95 is 1.96 standard
deviations.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from edge.advice import advise
from edge.calibration import PlainScale, Ruler
from edge.camera import CameraModel
from edge.measuring.lengths import Length, Readout, quadrature
from edge.measuring.outline import Outline, read_outline
from edge.measuring.plain import by_plain_scales
from edge.measuring.together import by_cameras
from edge.records import ESTIMATES, TRAITS, VIEWS, Advice, Line, Measurement, Reading, Segmentation, Trait

COVERAGE_95 = 1.96
# Kids to bucks, with room to spare: beyond it the outline is not a goat's.
PLAUSIBLE_CM = {
    "height": (20.0, 130.0),
    "width": (6.0, 70.0),
    "length": (20.0, 170.0),
    "girth": (25.0, 200.0),
}
# ratio -> the two traits it is made of.
RATIOS = {
    "condition_index": ("body_width_cm", "withers_height_cm"),
    "rump_waist_ratio": ("rump_width_cm", "waist_width_cm"),
}
# Withers and rump of a standing goat differ by less than this factor.
WITHERS_TO_RUMP = 1.3
UNEQUAL_ENDS = "the outline is not that of a standing goat: withers and rump do not fit together"
# What an outline looks like from which a person takes a part.
HIDDEN_BY_SOMEBODY = ("goat_hidden", "nobody_there")
NOT_SEEN = "not enough of the goat is seen to say"
NOT_ESTIMATED = "calibrated side and top cameras that see the whole trunk are needed to estimate it"


@dataclass(frozen=True, slots=True)
class Look:
    """One view as it comes to be measured: an outline and what measures it, or the reason why there is none.

    advice  what to do better; with an outline, too, where somebody stands before the goat
    """

    view: str
    segmentation: Segmentation | None = None
    ruler: Ruler | None = None
    reason: str = ""
    advice: Advice | None = None


@dataclass(frozen=True, slots=True)
class Findings:
    """All traits, each a value or a reason; per view what was seen; what to do better."""

    measurements: tuple[Measurement, ...]
    readings: tuple[Reading, ...]
    advice: tuple[Advice, ...]


def measure(looks: Mapping[str, Look]) -> Findings:
    """All traits of DESIGN 4 from the views that there are."""
    rulers = {view: look.ruler for view, look in looks.items() if look.segmentation and look.ruler}
    outlines = {
        view: read_outline(look.segmentation)
        for view, look in looks.items()
        if look.segmentation and look.ruler
    }
    cameras = {view: one for view, one in rulers.items() if isinstance(one, CameraModel)}
    scales = {view: one for view, one in rulers.items() if isinstance(one, PlainScale)}
    found, seen = by_cameras({view: outlines[view] for view in cameras}, cameras)
    outlines |= seen
    found = found.with_more(by_plain_scales(outlines, scales, found.lengths))
    found = without_unequal_ends(found)
    single = [finished(trait, looks, outlines, found) for trait in TRAITS if len(trait.views) == 1]
    body, disagreement = best_body_width(single)
    readings = tuple(reading_of(looks[view], outlines.get(view), found) for view in VIEWS if view in looks)
    advice = [one for view in VIEWS if view in looks for one in advice_of(looks[view], outlines.get(view))]
    measured = (*single, body)
    estimates = [estimated(trait, measured, found) for trait in ESTIMATES]
    return Findings((*measured, *estimates), readings, tuple(advice + disagreement))


def without_unequal_ends(found: Readout) -> Readout:
    """Withers and rump taken back where no standing goat has such a pair."""
    ends = ("withers_height_cm", "rump_height_cm")
    heights = [found.lengths[trait].cm for trait in ends if trait in found.lengths]
    if len(heights) < 2 or max(heights) <= WITHERS_TO_RUMP * min(heights):
        return found
    kept = {trait: length for trait, length in found.lengths.items() if trait not in ends}
    return Readout(kept, {**found.reasons, **dict.fromkeys(ends, UNEQUAL_ENDS)}, found.views, found.warnings)


def finished(
    trait: Trait, looks: Mapping[str, Look], outlines: Mapping[str, Outline], found: Readout
) -> Measurement:
    """One trait of one view as a measurement, if it is a plausible one."""
    name, view = trait.name, trait.views[0]
    reason = reason_against(name, view, looks, outlines, found)
    if reason is not None:
        return Measurement(name, (view,), reason=reason)
    length, confidence = found.lengths[name], outlines[view].segmentation.confidence
    if not is_plausible(name, length):
        return Measurement(name, (view,), reason=f"{length.cm:.1f} cm is not plausible for a goat")
    views = found.views.get(name, (view,))
    return Measurement(name, views, length.cm, COVERAGE_95 * length.sigma_cm, round(confidence, 3))


def is_plausible(trait: str, length: Length) -> bool:
    least, most = next(limits for kind, limits in PLAUSIBLE_CM.items() if kind in trait)
    return math.isfinite(length.cm) and math.isfinite(length.sigma_cm) and least <= length.cm <= most


def estimated(trait: Trait, measured: Iterable[Measurement], found: Readout) -> Measurement:
    """A length that no view shows whole, or the ratio of two measured ones."""
    values = {one.trait: one for one in measured}
    if trait.name in RATIOS:
        return ratio(trait, *(values[name] for name in RATIOS[trait.name]))
    length = found.lengths.get(trait.name)
    if length is None or not is_plausible(trait.name, length):
        return Measurement(trait.name, trait.views, reason=NOT_ESTIMATED)
    confidence = min((one.confidence for one in values.values() if one.value is not None), default=0.0)
    views = found.views[trait.name]
    return Measurement(trait.name, views, length.cm, COVERAGE_95 * length.sigma_cm, confidence)


def ratio(trait: Trait, part: Measurement, whole: Measurement) -> Measurement:
    """Their doubts are taken to be independent; what they share makes the ratio better than that."""
    missing = [one for one in (part, whole) if not one.value or not one.u95]
    if missing:
        return Measurement(trait.name, trait.views, reason=missing[0].reason or NOT_SEEN)
    assert part.value and whole.value and part.u95 and whole.u95
    value = part.value / whole.value
    u95 = value * math.hypot(part.u95 / part.value, whole.u95 / whole.value)
    views = tuple(view for view in VIEWS if view in {*part.views, *whole.views})
    return Measurement(trait.name, views, value, u95, min(part.confidence, whole.confidence))


def reason_against(
    trait: str, view: str, looks: Mapping[str, Look], outlines: Mapping[str, Outline], found: Readout
) -> str | None:
    """Why there is no value for a trait, or None where there is one."""
    if view not in outlines:
        return looks[view].reason if view in looks else f"no {view} picture"
    reasons = {**found.reasons, **outlines[view].reasons}
    if trait in reasons:
        return reasons[trait]
    return None if trait in found.lengths else NOT_SEEN


def reading_of(look: Look, outline: Outline | None, found: Readout) -> Reading:
    """What one view contributed."""
    confidence = look.segmentation.confidence if look.segmentation else 0.0
    warnings = (*found.warnings.get(look.view, ()), *(one.code for one in advice_of(look, outline)))
    if outline is None:
        return Reading(look.view, confidence, warnings=warnings)
    own = {trait.name for trait in TRAITS if trait.views == (look.view,)} - set(outline.reasons)
    lines: list[Line] = [
        length.line for trait, length in found.lengths.items() if trait in own and length.line
    ]
    return Reading(look.view, confidence, outline.facing, warnings, outline.points, tuple(lines))


def advice_of(look: Look, outline: Outline | None) -> tuple[Advice, ...]:
    """What is to be said of a view; what hides the goat only once, by its cause."""
    said = (look.advice,) if look.advice else ()
    seen = outline.advice if outline else ()
    return (*said, *(one for one in seen if not said or one.code not in HIDDEN_BY_SOMEBODY))


def best_body_width(measurements: Iterable[Measurement]) -> tuple[Measurement, list[Advice]]:
    """The greatest trunk width from top and front, each weighted by its certainty."""
    trait = "body_width_cm"
    found = {one.trait: one for one in measurements}
    both = [found["body_width_top_cm"], found["body_width_front_cm"]]
    known = [one for one in both if one.value is not None]
    if not known:
        return Measurement(
            trait, ("top", "front"), reason="neither the top nor the front view gives a width"
        ), []
    weights = [1 / one.u95**2 for one in known if one.u95]
    value = sum(w * one.value for w, one in zip(weights, known, strict=True) if one.value) / sum(weights)
    shares = [w * one.u95 / sum(weights) for w, one in zip(weights, known, strict=True) if one.u95]
    # One network draws both outlines, so half of their errors are taken to be the same error.
    u95 = math.sqrt((sum(share**2 for share in shares) + sum(shares) ** 2) / 2)
    apart = abs(known[0].value - known[-1].value) if known[0].value and known[-1].value else 0.0
    disagree = apart > quadrature(*(one.u95 for one in known if one.u95))
    views = tuple(one.views[0] for one in known)  # each width names its own view first
    confidence = min(one.confidence for one in known)
    # Where the views disagree by more than their doubts allow, the truth may be with either of them.
    best = Measurement(trait, views, value, max(u95, apart / 2 if disagree else 0.0), confidence)
    return best, [advise("views_disagree")] if disagree else []
