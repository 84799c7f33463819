"""What there is to say about pictures, cameras and lenses, put beside what was found of the goat."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from edge.advice import advise
from edge.lens import Region, is_in_the_way
from edge.measuring.measure import Findings
from edge.quality import Condition
from edge.records import Advice, Pixels, Reading

DIRTY = "lens_dirty"


def noted(findings: Findings, conditions: Mapping[str, Condition]) -> Findings:
    """The findings with what was noticed about the pictures; it comes first, for it may be why all else failed."""
    codes = {view: tuple(one.code for one in condition.advice) for view, condition in conditions.items()}
    advice = tuple(one for condition in conditions.values() for one in condition.advice)
    return with_more(findings, codes, advice)


def told_of(failing: Mapping[str, Advice], findings: Findings) -> Findings:
    """The findings with what there is to say of cameras that failed in some shots, instead of what those shots said.

    failing  view -> advice
    """
    codes = {"no_picture", *(one.code for one in failing.values())}

    def is_repeated(view: str | None, code: str) -> bool:
        return view in failing and code in codes

    others = tuple(one for one in findings.advice if not is_repeated(one.view, one.code))
    readings = tuple(
        replace(one, warnings=tuple(code for code in one.warnings if not is_repeated(one.view, code)))
        for one in findings.readings
    )
    without = replace(findings, readings=readings, advice=others)
    return with_more(without, {view: (one.code,) for view, one in failing.items()}, tuple(failing.values()))


def with_dirt(findings: Findings, details: Mapping[str, Pixels], dirt: Mapping[str, Region]) -> Findings:
    """The findings with what the lenses need; a reading is warned only of dirt before the goat.

    details, dirt  view -> its fine detail and where dirt is before it (`edge.lens`)
    """
    dirty = [view for view, where in dirt.items() if where.any()]
    codes = {view: (DIRTY,) for view in dirty if is_in_the_way(dirt[view], details[view])}
    return with_more(findings, codes, tuple(advise(DIRTY, view) for view in dirty))


def with_more(
    findings: Findings, codes: Mapping[str, tuple[str, ...]], advice: tuple[Advice, ...]
) -> Findings:
    """More warnings (view -> codes) and more advice, before what there is."""

    def warned(reading: Reading) -> Reading:
        return replace(reading, warnings=codes.get(reading.view, ()) + reading.warnings)

    return replace(findings, readings=tuple(map(warned, findings.readings)), advice=advice + findings.advice)
