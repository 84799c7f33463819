"""A time that may be wrong says so wherever it stands, and the true one takes its place."""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask.testing import FlaskClient

from dashboard import create_app
from edge.health.check import local_time
from edge.keeping.dating import ClockWatch
from edge.triggers import new_trigger
from tests.clocks import NOON, YEAR_1970, HandClock
from tests.dashboard.conftest import Barn


@pytest.fixture
def clock() -> HandClock:
    return HandClock(YEAR_1970)


def measured(barn: Barn, clock: HandClock) -> str:
    pressed = barn.store.press(new_trigger("dashboard", "Heidi", clock=clock), barn.config.station.id)
    return barn.finish(pressed).id


def test_a_clock_that_is_not_set_is_told_with_every_time(
    client: FlaskClient, barn: Barn, clock: HandClock
) -> None:
    capture_id = measured(barn, clock)
    assert "The clock is not set: this time may be wrong." in client.get(f"/captures/{capture_id}").text
    assert "not set at the press" in client.get(f"/captures/{capture_id}").text
    assert "<small>clock not set</small>" in client.get("/history").text


@pytest.mark.parametrize(("language", "words"), [("en", "corrected by +56 years"), ("es", "en +56 años")])
def test_pages_and_api_show_the_true_time_and_what_the_clock_had_said(
    barn: Barn, clock: HandClock, language: str, words: str
) -> None:
    capture_id = measured(barn, clock)
    clock.set_to(NOON + timedelta(minutes=1), "ntp")
    ClockWatch(barn.store, language, clock).look()
    client = create_app(barn.config).test_client()
    page = client.get(f"/captures/{capture_id}").text
    assert words in page
    assert local_time(NOON + timedelta(minutes=1)) in page
    assert local_time(YEAR_1970) in page
    assert "clock not set" not in client.get("/history").text
    for address in ("/history", "/goats", "/goats/Heidi"):
        assert local_time(NOON + timedelta(minutes=1)) in client.get(address).text
        assert local_time(YEAR_1970) not in client.get(address).text
    result = client.get(f"/api/v1/results/{capture_id}").json
    assert result["taken_at"] == (NOON + timedelta(minutes=1)).isoformat()
    assert result["clock_correction"]["text"].count("+56")
    (entry,) = client.get("/api/v1/goats/Heidi/measurements").json["measurements"]
    assert (entry["taken_at"], entry["time_state"]) == (result["taken_at"], "corrected")


def test_a_clock_that_is_right_is_no_subject(client: FlaskClient, barn: Barn) -> None:
    capture_id = measured(barn, HandClock(source="ntp"))
    assert "clock is not set" not in client.get(f"/captures/{capture_id}").text
    assert "kept right by a time server" in client.get(f"/captures/{capture_id}").text
