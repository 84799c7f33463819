"""What people say of a number stands above it and beside it; what people do is written down with the act itself."""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from edge.corrections import LIMITS, correction_said, withdrawal_said
from edge.document import capture_document, standing_document
from edge.errors import InputRefused, StoreError
from edge.keeping.outbox import Outbox
from edge.keeping.store import Store
from edge.records import ALL_TRAITS, Capture, Measurement, Said, Weight
from edge.triggers import new_trigger
from tests.edge.test_store import REVISION

WITHERS, HEAD = "withers_height_cm", "head_height_cm"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "station.db") as store:
        yield store


@pytest.fixture
def capture(store: Store) -> Capture:
    return completed(store)


def completed(store: Store, goat_id: str | None = "Heidi") -> Capture:
    done = store.begin(store.press(new_trigger("command", goat_id), "barn1")).completed(REVISION)
    store.close_capture(done)
    return store.capture(done.id)


def said(value: float = 62.5, trait: str = WITHERS, author: str = "Ana", reason: str = "stick") -> Said:
    return correction_said(trait, value, author, reason)


TAKEN_BACK = withdrawal_said(WITHERS, "Ben", "wrong goat")


def test_what_a_person_says_stands_and_what_was_measured_stays_beside_it(
    store: Store, capture: Capture
) -> None:
    store.correct(capture.id, said())
    kept = store.capture(capture.id)
    standing = kept.standing(WITHERS)
    assert (standing.value, standing.u95) == (62.5, None)
    assert standing.measurement == Measurement(WITHERS, ("side",), 61.234, 5.6, 0.9)
    assert standing.correction is not None
    assert (standing.correction.said.author, standing.correction.said.reason) == ("Ana", "stick")
    assert (standing.correction.measured, standing.correction.revision) == (61.234, 1)
    assert kept.revision == REVISION


def test_a_trait_that_nobody_corrected_stands_as_measured(store: Store, capture: Capture) -> None:
    assert (capture.standing(WITHERS).value, capture.standing(WITHERS).u95) == (61.234, 5.6)
    assert capture.standing(HEAD).value is None
    assert capture.standing("waist_width_cm").measurement is None


def test_a_number_that_could_not_be_measured_can_be_said(store: Store, capture: Capture) -> None:
    standing = store.correct(capture.id, said(70, HEAD)).standing(HEAD)
    assert standing.value == 70
    assert standing.correction is not None
    assert standing.correction.measured is None


def test_a_later_correction_stands_above_an_earlier_one_and_overwrites_nothing(
    store: Store, capture: Capture
) -> None:
    for value in (62.5, 63.0):
        store.correct(capture.id, said(value))
    kept = store.capture(capture.id)
    assert kept.standing(WITHERS).value == 63.0
    assert [one.said.value for one in kept.corrections] == [62.5, 63.0]
    for change in ("UPDATE corrections SET value = 1", "DELETE FROM corrections"):
        with pytest.raises(sqlite3.IntegrityError, match="stays as it is"):
            store.db.execute(change)


def test_a_correction_that_is_taken_back_leaves_the_measured_number_standing_and_itself_on_record(
    store: Store, capture: Capture
) -> None:
    store.correct(capture.id, said())
    kept = store.correct(capture.id, TAKEN_BACK)
    assert kept == store.capture(capture.id)
    assert kept.standing(WITHERS).value == 61.234
    assert [(one.said.value, one.said.author) for one in kept.corrections] == [(62.5, "Ana"), (None, "Ben")]
    assert store.correct(capture.id, said(64)).standing(WITHERS).value == 64


def test_there_must_be_something_to_take_back(store: Store, capture: Capture) -> None:
    with pytest.raises(InputRefused, match="is not corrected"):
        store.correct(capture.id, TAKEN_BACK)
    assert store.capture(capture.id) == capture


def test_measuring_again_leaves_what_a_person_said_standing(store: Store, capture: Capture) -> None:
    store.correct(capture.id, said())
    better = replace(REVISION, measurements=(Measurement(WITHERS, ("side",), 62.1, 1.0, 0.9),))
    store.close_capture(store.begin(store.ask_again(capture.id, None)).completed(better))
    standing = store.capture(capture.id).standing(WITHERS)
    assert standing.value == 62.5
    assert standing.measurement is not None
    assert standing.measurement.value == 62.1
    assert standing.correction is not None
    assert (standing.correction.measured, standing.correction.revision) == (61.234, 1)


def test_the_cloud_is_owed_a_new_document_with_both_numbers(store: Store, capture: Capture) -> None:
    store.correct(capture.id, said())
    first, second = Outbox(store).due()
    assert (first.sequence, second.sequence) == (0, 1)
    assert json.loads(first.document)["corrections"] == []
    document = json.loads(second.document)
    assert document == json.loads(json.dumps(capture_document(store.capture(capture.id))))
    assert document["measurements"] == json.loads(first.document)["measurements"]
    (one,) = document["corrections"]
    assert one.pop("corrected_at").endswith("+00:00")
    assert one == {
        "trait": WITHERS,
        "value": 62.5,
        "measured": 61.23,
        "revision": 1,
        "author": "Ana",
        "reason": "stick",
        "stands": True,
    }


def test_one_number_for_those_who_want_one(store: Store, capture: Capture) -> None:
    assert standing_document(store.correct(capture.id, said())) == {
        WITHERS: {"value": 62.5, "u95": None, "corrected": True},
        HEAD: {"value": None, "u95": None, "corrected": False},
    }


def test_a_correction_its_document_and_its_audit_are_stored_together_or_not_at_all(
    store: Store, capture: Capture
) -> None:
    store.db.execute("CREATE TRIGGER full BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'disk full'); END")
    with pytest.raises(StoreError, match="disk full"):
        store.correct(capture.id, said())
    assert store.capture(capture.id) == capture
    assert len(Outbox(store).due()) == 1
    with pytest.raises(StoreError, match="disk full"):
        store.pin("Heidi", "Ana")
    assert not store.goat("Heidi")["is_pinned"]


def test_a_capture_without_numbers_is_not_corrected(store: Store) -> None:
    waiting = store.press(new_trigger("command"), "barn1")
    with pytest.raises(InputRefused, match="queued"):
        store.correct(waiting.id, said())
    store.close_capture(store.begin(waiting).failed("no camera"))
    with pytest.raises(InputRefused, match="nothing was measured"):
        store.correct(waiting.id, said())
    with pytest.raises(KeyError):
        store.correct("20200101T000000000Z_barn1", said())


@pytest.mark.parametrize("trait", [trait.name for trait in ALL_TRAITS])
def test_every_trait_has_limits_that_a_goat_lies_within(trait: str) -> None:
    low, high = LIMITS[trait]
    for value in (low, high, (low + high) / 2):
        assert correction_said(trait, value, "Ana", "stick").value == value
    for value in (low - 0.01, high + 0.01, 0, -low, math.nan, math.inf):
        with pytest.raises(InputRefused) as caught:
            correction_said(trait, value, "Ana", "stick")
        assert f"{low:g} to {high:g}" in caught.value.hint


@pytest.mark.parametrize(("typed", "value"), [("62.5", 62.5), (" 62,5 ", 62.5), ("62", 62.0)])
def test_a_number_is_typed_with_a_point_or_a_comma(typed: str, value: float) -> None:
    assert correction_said(WITHERS, typed, "Ana", "stick").value == value


@pytest.mark.parametrize(
    "typed", ["", "  ", "sixty", "6e1", "62.5 cm", "0x3e", "٦٢", "62.5.1", "nan", "+62", None]
)
def test_what_is_no_number_is_refused(typed: str | None) -> None:
    with pytest.raises(InputRefused):
        correction_said(WITHERS, typed, "Ana", "stick")


@pytest.mark.parametrize(
    ("author", "reason"), [("", "x"), (" ", "x"), (None, "x"), ("a" * 61, "x"), ("A\0", "x")]
)
def test_a_correction_without_somebody_to_ask_is_refused(author: str | None, reason: str) -> None:
    with pytest.raises(InputRefused, match="who says it"):
        correction_said(WITHERS, 62, author, reason)


@pytest.mark.parametrize("reason", ["", " \n", None, "x" * 501, "\u202estick"])
def test_a_correction_without_a_reason_is_refused(reason: str | None) -> None:
    with pytest.raises(InputRefused, match="why"):
        correction_said(WITHERS, 62, "Ana", reason)


def test_names_and_reasons_are_kept_in_one_line() -> None:
    one = correction_said(WITHERS, 62, " Ana  María\n", "stick,\r\nheld twice")
    assert (one.author, one.reason) == ("Ana María", "stick, held twice")


def test_a_trait_that_there_is_not_is_refused() -> None:
    with pytest.raises(InputRefused, match="not a trait"):
        correction_said("tail_length_cm", 12, "Ana", "stick")


# Goats.


def test_a_goat_is_known_from_the_first_capture_that_names_it_however_it_is_named(store: Store) -> None:
    completed(store, "Heidi")
    later = completed(store, None)
    store.label(later.id, lambda one: one.named("Rosa", "later"))
    again = completed(store, None)
    store.ask_again(again.id, "Lola")
    assert [one["goat_id"] for one in store.goats()] == ["Heidi", "Lola", "Rosa"]
    row = store.one("SELECT * FROM goats WHERE id = 'Rosa'")
    assert row is not None
    assert row["created_at"] == later.trigger.requested_at.isoformat()


def test_a_name_that_was_a_slip_is_no_goat_any_more(store: Store) -> None:
    slip = completed(store, "Hiedi")
    store.label(slip.id, lambda one: one.named("Heidi", "later"))
    assert [one["goat_id"] for one in store.goats()] == ["Heidi"]
    with pytest.raises(KeyError):
        store.goat("Hiedi")


def test_a_goat_is_pinned_until_it_is_unpinned(store: Store, capture: Capture) -> None:
    for _ in range(2):
        store.pin("Heidi", "Ana")
    assert store.goat("Heidi")["is_pinned"] is True
    assert store.all("SELECT id FROM goats WHERE is_pinned") == [{"id": "Heidi"}]
    store.unpin("Heidi", "Ben")
    assert store.goat("Heidi")["is_pinned"] is False
    assert [(one["act"], one["author"]) for one in store.audit(9)] == [("unpin", "Ben"), ("pin", "Ana")]
    with pytest.raises(KeyError):
        store.pin("nobody", "Ana")


# The audit.


def test_each_act_is_written_down_with_who_when_what_and_from_what_to_what(
    store: Store, capture: Capture
) -> None:
    store.label(capture.id, lambda one: one.named("Rosa", "later"), "dashboard")
    store.label(capture.id, lambda one: replace(one, weight=Weight(55.1, "typed", "55.1 kg")), "dashboard")
    store.correct(capture.id, said())
    store.correct(capture.id, TAKEN_BACK)
    store.ask_again(capture.id, "Lola", "Ana")
    acts = store.audit(99)[::-1]
    assert [(one["author"], one["act"]) for one in acts] == [
        ("dashboard", "name"),
        ("dashboard", "weigh"),
        ("Ana", "correct"),
        ("Ben", "withdraw"),
        ("Ana", "name"),
        ("Ana", "measure again"),
    ]
    assert {one["capture_id"] for one in acts} == {capture.id}
    assert all(one["at"].endswith("+00:00") for one in acts)
    assert (acts[0]["before"]["goat_id"], acts[0]["after"]["goat_id"]) == ("Heidi", "Rosa")
    assert (acts[1]["before"], acts[1]["after"]["kg"]) == ({}, 55.1)
    assert acts[2]["before"] == {"trait": WITHERS, "value": 61.234, "corrected": False}
    assert acts[2]["after"] == {"trait": WITHERS, "value": 62.5, "corrected": True, "reason": "stick"}
    assert acts[3]["after"]["value"] == 61.234
    assert acts[5]["before"] == {"status": "completed", "revision": 1}


def test_what_changes_nothing_is_no_act(store: Store, capture: Capture) -> None:
    store.label(capture.id, lambda one: one.named("Heidi", "later"))
    store.unpin("Heidi", "Ana")
    waiting = store.press(new_trigger("command"), "barn1")
    store.label(waiting.id, lambda one: one.named("Rosa", "later"))
    store.ask_again(waiting.id, None)
    assert store.audit(9) == []


def test_the_audit_is_only_ever_added_to(store: Store, capture: Capture) -> None:
    store.pin("Heidi", "Ana")
    before = store.audit(9)
    for change in ("UPDATE audit SET author = 'Eve'", "DELETE FROM audit"):
        with pytest.raises(sqlite3.IntegrityError, match="stays as it is"):
            store.db.execute(change)
    assert store.audit(9) == before
