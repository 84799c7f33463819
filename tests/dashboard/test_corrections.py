"""Saying at the dashboard what a number really is, and pinning a goat."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from dashboard import create_app
from dashboard.correction_words import CATALOGUE, TRAITS_ES
from edge.config import Config, load_config
from edge.records import ALL_TRAITS, LANGUAGES
from tests.dashboard.conftest import Barn
from tests.dashboard.test_pages import text_of

SAID = {"trait": "withers_height_cm", "value": "62,5", "author": "Ana", "reason": "measured with a stick"}
TAKEN_BACK = {key: SAID[key] for key in ("trait", "author", "reason")}
UNKNOWN = "20250101T000000000Z_barn-1"


def correct(client: FlaskClient, capture_id: str, **changes: object):
    return client.post(f"/api/v1/captures/{capture_id}/corrections", json={**SAID, **changes})


# The API.


def test_a_correction_is_taken_and_both_numbers_are_answered(client: FlaskClient, barn: Barn) -> None:
    capture = barn.completed("1207")
    answer = correct(client, capture.id, value=62.5)
    assert answer.status_code == 201
    assert answer.json == client.get(f"/api/v1/results/{capture.id}").json
    assert answer.json["measurements"]["withers_height_cm"]["value"] == 61.2
    assert answer.json["standing"]["withers_height_cm"] == {"value": 62.5, "u95": None, "corrected": True}
    assert answer.json["standing"]["rump_height_cm"] == {"value": 62.3, "u95": 0.8, "corrected": False}
    (one,) = answer.json["corrections"]
    assert (one["author"], one["reason"], one["measured"]) == ("Ana", "measured with a stick", 61.2)
    history = client.get("/api/v1/goats/1207/measurements").json["measurements"]
    assert history[0]["corrections"] == [one]
    assert history[0]["standing"] == answer.json["standing"]


def test_a_correction_is_taken_back(client: FlaskClient, barn: Barn) -> None:
    capture = barn.completed()
    address = f"/api/v1/captures/{capture.id}/corrections/withdraw"
    assert client.post(address, json=TAKEN_BACK).status_code == 400
    correct(client, capture.id)
    answer = client.post(address, json=TAKEN_BACK)
    assert answer.status_code == 201
    assert answer.json["standing"]["withers_height_cm"]["value"] == 61.2
    assert [one["value"] for one in answer.json["corrections"]] == [62.5, None]


@pytest.mark.parametrize(
    "wrong",
    [
        {"trait": "tail_cm"},
        {"trait": None},
        {"trait": 5},
        {"value": 612},
        {"value": "6.12"},
        {"value": None},
        {"value": True},
        {"value": "sixty"},
        {"value": [62]},
        {"author": ""},
        {"author": "a" * 61},
        {"author": 7},
        {"reason": None},
        {"reason": " "},
        {"reason": "x" * 501},
        {"weight_kg": 50},
    ],
    ids=str,
)
def test_a_correction_that_cannot_be_is_refused_and_changes_nothing(
    client: FlaskClient, barn: Barn, wrong: dict[str, object]
) -> None:
    capture = barn.completed()
    answer = correct(client, capture.id, **wrong)
    assert answer.status_code == 400
    assert answer.json["error"]
    assert answer.json["hint"]
    assert barn.store.capture(capture.id) == capture
    assert barn.store.audit(9) == []


def test_what_is_not_there_or_not_done_is_not_corrected(client: FlaskClient, barn: Barn) -> None:
    assert correct(client, UNKNOWN).status_code == 404
    assert correct(client, barn.press().id).status_code == 409
    assert correct(client, barn.failed().id).status_code == 400


def test_a_page_of_another_site_corrects_and_pins_nothing(client: FlaskClient, barn: Barn) -> None:
    capture = barn.completed("1207")
    elsewhere = {"Origin": "http://evil.example", "Sec-Fetch-Site": "cross-site"}
    for address in (
        f"/captures/{capture.id}/corrections",
        f"/captures/{capture.id}/corrections/withdraw",
        f"/api/v1/captures/{capture.id}/corrections",
        "/goats/1207/pin",
        "/api/v1/goats/1207/pin",
    ):
        assert client.post(address, data=SAID, headers=elsewhere).status_code == 403
    assert barn.store.audit(9) == []


def test_a_goat_is_pinned_and_unpinned(client: FlaskClient, barn: Barn) -> None:
    barn.completed("12/07 b")
    assert client.post("/api/v1/goats/12/07 b/pin", json={"author": "Ana"}).json["is_pinned"] is True
    assert client.get("/api/v1/goats").json["goats"][0]["is_pinned"] is True
    assert client.post("/api/v1/goats/12/07 b/unpin", json={"author": "Ana"}).json["is_pinned"] is False
    assert client.post("/api/v1/goats/nobody/pin", json={"author": "Ana"}).status_code == 404
    assert client.post("/api/v1/goats/12/07 b/pin").status_code == 400
    assert [one["act"] for one in barn.store.audit(9)] == ["unpin", "pin"]


# The pages.


def test_a_number_is_corrected_from_the_captures_page(client: FlaskClient, barn: Barn) -> None:
    capture = barn.completed("1207")
    form = re.search(r'action="(/captures/[^"]+/corrections)"', client.get(f"/captures/{capture.id}").text)
    assert form is not None
    answer = client.post(form[1], data=SAID)
    assert answer.status_code == 303
    page = text_of(client.get(answer.headers["Location"]))
    assert "Withers 62.5 corrected , measured 61.2 cm" in page
    assert "Withers height 62.5 corrected, measured 61.2 cm side 94 %" in page
    assert "Withers height is 62.5 cm, measured 61.2 cm stands" in page
    assert re.search(r"Ana, \S+ \S+ \S+ : measured with a stick", page)
    assert "Rump 62.3 ± 0.8 cm" in page


@pytest.mark.parametrize("address", ["/", "/history", "/goats/1207"])
def test_a_corrected_number_is_marked_wherever_captures_are_listed(
    client: FlaskClient, barn: Barn, address: str
) -> None:
    capture = barn.completed("1207")
    correct(client, capture.id)
    row = text_of(client.get(address)).split("Withers Rump Head")[-1]
    assert "62.5 corrected, measured 61.2 cm 62.3" in row
    assert "(Ana: measured with a stick)" in row


def test_a_correction_is_taken_back_from_the_captures_page(client: FlaskClient, barn: Barn) -> None:
    capture = barn.completed()
    correct(client, capture.id)
    page = client.get(f"/captures/{capture.id}").text
    assert f'formaction="/captures/{capture.id}/corrections/withdraw"' in page
    client.post(f"/captures/{capture.id}/corrections/withdraw", data={**SAID, "author": "Ben"})
    page = text_of(client.get(f"/captures/{capture.id}"))
    assert "Withers 61.2 ± 0.8 cm" in page
    assert "Withers height: correction taken back Ben," in page


def test_a_correction_that_cannot_be_is_explained_on_a_page(client: FlaskClient, barn: Barn) -> None:
    capture = barn.completed()
    answer = client.post(f"/captures/{capture.id}/corrections", data={**SAID, "value": "612"})
    assert answer.status_code == 400
    assert "15 to 130 cm" in answer.text
    assert client.post(f"/captures/{capture.id}/corrections", data={}).status_code == 400


def test_there_is_nothing_to_correct_where_nothing_was_measured(client: FlaskClient, barn: Barn) -> None:
    for capture in (barn.failed(), barn.press()):
        assert "/corrections" not in client.get(f"/captures/{capture.id}").text


def test_what_was_not_measured_is_shown_as_said(client: FlaskClient, barn: Barn) -> None:
    capture = barn.completed(missing="waist_width_cm")
    correct(client, capture.id, trait="waist_width_cm", value="15.5")
    page = text_of(client.get(f"/captures/{capture.id}"))
    assert "Waist 15.5 corrected , not measured" in page
    assert "Waist width 15.5 corrected, not measured the top camera gave no picture" in page


def test_names_and_reasons_are_shown_as_text(client: FlaskClient, barn: Barn) -> None:
    capture = barn.completed("1207")
    correct(client, capture.id, author="<b>Ana</b>", reason='"><script>alert(1)</script>')
    for address in ("/", "/history", "/goats/1207", f"/captures/{capture.id}"):
        page = client.get(address).text
        assert "&lt;b&gt;Ana" in page
        assert "<script>alert" not in page
        assert "<b>Ana" not in page


def test_an_open_page_notices_a_correction(client: FlaskClient, barn: Barn) -> None:
    capture = barn.completed()
    before = re.search(r'data-label="([^"]*)"', client.get("/").text)
    correct(client, capture.id)
    after = re.search(r'data-label="([^"]*)"', client.get("/").text)
    assert before is not None
    assert after is not None
    assert before[1] != after[1]


def test_a_goat_is_pinned_from_its_page(client: FlaskClient, barn: Barn) -> None:
    barn.completed("12/07 b")
    form = re.search(r'action="(/goats/[^"]+/pin)"', client.get("/goats/12/07 b").text)
    assert form is not None
    assert client.post(form[1], data={"author": "Ana"}).headers["Location"] == "/goats/12/07%20b"
    assert "its pictures are kept for ever" in client.get("/goats/12/07 b").text
    assert "12/07 b pinned" in text_of(client.get("/goats"))
    client.post(form[1], data={"author": "Ana", "unpin": "yes"})
    assert barn.store.goat("12/07 b")["is_pinned"] is False
    assert client.post(form[1], data={}).status_code == 400


def test_everything_is_said_in_every_language() -> None:
    for code, words in CATALOGUE.items():
        assert set(words) == set(LANGUAGES), code
        assert len({tuple(sorted(re.findall(r"\{\w+\}", text))) for text in words.values()}) == 1, code
    assert set(TRAITS_ES) == {trait.name for trait in ALL_TRAITS}


def test_the_form_speaks_the_stations_language(config: Config, barn: Barn, tmp_path: Path) -> None:
    path = tmp_path / "goatdev.toml"
    path.write_text(path.read_text().replace('id = "barn-1"', 'id = "barn-1"\nlanguage = "es"'))
    client = create_app(load_config(path)).test_client()
    capture = barn.completed("1207")
    correct(client, capture.id)
    page = text_of(client.get(f"/captures/{capture.id}"))
    assert "Corregir un número" in page
    assert "Altura a la cruz es 62.5 cm, medido 61.2 cm vale" in page
    assert "Retirar corrección" in page
    assert "Fijar" in client.get("/goats/1207").text
