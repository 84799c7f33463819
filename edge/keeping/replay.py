"""Which stored captures can be measured again, and what that changed."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from edge.errors import InputRefused
from edge.keeping.archive import Archive
from edge.keeping.pages import Wanted, histories
from edge.keeping.store import Store
from edge.records import ALL_TRAITS, Capture, Measurement, Revision, Status


@dataclass(frozen=True, slots=True)
class Plan:
    """The captures to measure again, oldest first, and why not those that were meant besides: id -> reason."""

    ids: tuple[str, ...]
    left_out: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Makers:
    """What numbers are made with: the hashes of network and calibration, and the software."""

    model: str
    calibration: str
    software: str

    @classmethod
    def of(cls, revision: Revision) -> Makers:
        return cls(
            str(revision.model.get("sha256")), str(revision.calibration.get("sha256")), revision.software
        )


@dataclass(frozen=True, slots=True)
class Pair:
    """One trait before and after, in its unit; u95 is the ± of the new value, else of the old."""

    trait: str
    before: float | None
    after: float | None
    u95: float | None

    @property
    def difference(self) -> float | None:
        return None if self.before is None or self.after is None else abs(self.after - self.before)

    @property
    def is_beyond(self) -> bool:
        """Whether it changed by more than its own doubt."""
        return self.difference is not None and self.u95 is not None and self.difference > self.u95


@dataclass(frozen=True, slots=True)
class Again:
    """What came of measuring one capture again; `failure` is why nothing did."""

    capture_id: str
    revision: int
    failure: str | None
    pairs: tuple[Pair, ...]


@dataclass(frozen=True, slots=True)
class Change:
    """What measuring again did to one trait.

    compared  captures that have a value before and after
    median    of the absolute differences, in the trait's unit
    worst     the greatest of them, the ± there, and which capture it was
    beyond    captures in which the difference is more than the ±
    gained    captures that have a value only now, lost: only before
    """

    trait: str
    compared: int
    median: float | None
    worst: float | None
    worst_u95: float | None
    worst_capture: str | None
    beyond: int
    gained: int
    lost: int


def plan_named(store: Store, archive: Archive, ids: Iterable[str]) -> Plan:
    """Captures that somebody named. Raises InputRefused for one that there is not."""
    captures = []
    for capture_id in dict.fromkeys(ids):
        try:
            captures.append(store.capture(capture_id))
        except KeyError:
            raise InputRefused(
                f"{capture_id[:60]!r} is no capture of this station", "`goatdev captures` lists them"
            ) from None
    return planned(captures, archive)


def plan_wanted(
    store: Store, archive: Archive, wanted: Wanted, only_failed: bool, not_by: Makers | None
) -> Plan:
    """Captures by goat and day.

    only_failed  those alone that have no numbers
    not_by       what need not measure again what it measured
    """
    found = (one.capture for one in histories(store, wanted))
    return planned(
        (
            capture
            for capture in found
            if not (only_failed and capture.status is not Status.FAILED)
            and not (
                not_by and capture.revision and not capture.failure and Makers.of(capture.revision) == not_by
            )
        ),
        archive,
    )


def planned(captures: Iterable[Capture], archive: Archive) -> Plan:
    reasons = {capture.id: reason_not(capture, archive) for capture in captures}
    ids = tuple(capture_id for capture_id, reason in reasons.items() if not reason)
    return Plan(ids, {capture_id: reason for capture_id, reason in reasons.items() if reason})


def reason_not(capture: Capture, archive: Archive) -> str:
    """Why a capture cannot be measured again; empty where it can."""
    if capture.is_unfinished:
        return "it waits for the station already, or is being measured"
    originals = capture.images_of("raw")
    if not originals:
        return f"it never had pictures: {capture.failure}" if capture.failure else "it never had pictures"
    if capture.pruned_at is not None:
        return f"its pictures were pruned on {capture.pruned_at[:10]}; they are in the cloud"
    if not any((archive.folder / image.path).is_file() for image in originals):
        return "its pictures as taken are no longer on this station"
    return ""


def compared(before: Capture, after: Capture) -> Again:
    """The same capture before and after."""
    if after.revision_number == before.revision_number:
        return Again(after.id, after.revision_number, after.failure or "nothing was measured", ())
    old, new = by_trait(before), by_trait(after)
    names = [trait.name for trait in ALL_TRAITS if trait.name in old or trait.name in new]
    return Again(
        after.id, after.revision_number, None, tuple(pair(one, old.get(one), new.get(one)) for one in names)
    )


def pair(trait: str, old: Measurement | None, new: Measurement | None) -> Pair:
    doubt = new if new and new.value is not None else old
    return Pair(trait, old.value if old else None, new.value if new else None, doubt.u95 if doubt else None)


def by_trait(capture: Capture) -> dict[str, Measurement]:
    return {one.trait: one for one in capture.revision.measurements} if capture.revision else {}


def changes(done: Iterable[Again]) -> list[Change]:
    """What changed, trait by trait."""
    found: dict[str, list[tuple[str, Pair]]] = {}
    for again in done:
        for one in again.pairs:
            found.setdefault(one.trait, []).append((again.capture_id, one))
    return [change_of(trait, pairs) for trait, pairs in found.items()]


def change_of(trait: str, pairs: list[tuple[str, Pair]]) -> Change:
    both = [(one.difference, one.u95, capture_id) for capture_id, one in pairs if one.difference is not None]
    worst: tuple[float | None, float | None, str | None] = max(both, default=(None, None, None))
    return Change(
        trait,
        len(both),
        statistics.median(difference for difference, _, _ in both) if both else None,
        *worst,
        beyond=sum(one.is_beyond for _, one in pairs),
        gained=sum(one.before is None and one.after is not None for _, one in pairs),
        lost=sum(one.before is not None and one.after is None for _, one in pairs),
    )
