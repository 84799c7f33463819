"""Every state of a capture has its word and its sentence, in every language."""

from __future__ import annotations

import string

import pytest

from edge.mqtt.feedback import CATALOGUE, feedback_of
from edge.records import LANGUAGES, Advice, Capture, Measurement, Revision, Status, utc_now
from edge.triggers import new_trigger

CAPTURE = Capture("20261121T140506789Z_barn1", new_trigger("mqtt", trigger_id="request-1"), Status.QUEUED)


def revision(value: float | None, *advice: Advice) -> Revision:
    reason = None if value is not None else "no goat was found in the side picture"
    measured = Measurement("withers_height_cm", ("side",), value, None if value is None else 1.0, 0.9, reason)
    return Revision((measured,), (), advice, {}, {}, "goatdev test")


@pytest.mark.parametrize(
    ("capture", "state", "verdict", "text"),
    [
        (CAPTURE, "accepted", None, "Keep the goat"),
        (CAPTURE.completed(revision(61.2)), "done", "good", "can go"),
        (
            CAPTURE.completed(revision(61.2, Advice("head_down", "side", "Wait until it looks up."))),
            "done",
            "look again",
            "Wait until it looks up.",
        ),
        (CAPTURE.completed(revision(None)), "take_again", "take again", "no goat was found"),
        (
            CAPTURE.failed("no camera gave a picture", "check the cables"),
            "take_again",
            None,
            "check the cables",
        ),
        (CAPTURE.missed("too late"), "missed", None, "Press again"),
    ],
)
def test_what_became_of_a_press_is_said_in_a_word_and_a_sentence(
    capture: Capture, state: str, verdict: str | None, text: str
) -> None:
    said = feedback_of(capture, "en")
    assert (said["state"], said["verdict"]) == (state, verdict)
    assert text in said["text"]
    assert (said["capture_id"], said["trigger_id"]) == (capture.id, "request-1")


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_state_has_a_sentence_in_every_language(language: str) -> None:
    for sentences in CATALOGUE.values():
        fields = {name for _, name, _, _ in string.Formatter().parse(sentences[language]) if name}
        assert fields <= {"why"}
        assert sentences[language].endswith(".")
    assert len({sentences["en"] for sentences in CATALOGUE.values()}) == len(CATALOGUE)
    assert feedback_of(CAPTURE.missed("x", at=utc_now()), language)["text"]
