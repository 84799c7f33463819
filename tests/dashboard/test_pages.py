"""The pages as a person without JavaScript meets them."""

from __future__ import annotations

import re

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.dashboard.conftest import Barn


def text_of(answer: TestResponse) -> str:
    """What is read on the page, in one line."""
    whole_numbers = re.sub(r"</?small>", "", answer.text.replace("&nbsp;", " "))
    return " ".join(re.sub(r"<[^>]+>", " ", whole_numbers).split())


def test_an_empty_station_says_what_to_do(client: FlaskClient) -> None:
    answer = client.get("/")
    assert answer.status_code == 200
    assert "Press the button" in answer.text
    for address in ("/history", "/goats"):
        assert client.get(address).status_code == 200


def test_the_first_page_shows_five_numbers_with_their_doubt_and_the_verdict(
    client: FlaskClient, barn: Barn
) -> None:
    barn.completed("1207")
    page = text_of(client.get("/"))
    for title, value in (
        ("Withers", "61.2"),
        ("Rump", "62.3"),
        ("Head", "71.4"),
        ("Body width", "24.9"),
        ("Waist", "15.1"),
    ):
        assert f"{title} {value} ± 0.8 cm" in page
    assert "Good All traits are measured." in page
    assert "barn-1" in page


def test_all_nine_traits_are_listed_with_views_and_confidence(client: FlaskClient, barn: Barn) -> None:
    page = text_of(client.get(f"/captures/{barn.completed().id}"))
    assert "Shoulder width 17.8 ± 0.8 top 94 %" in page
    assert "Body width 24.9 ± 0.8 top, front 94 %" in page


def test_a_trait_that_was_not_read_shows_its_reason_and_never_zero(client: FlaskClient, barn: Barn) -> None:
    capture = barn.completed("1207", missing="waist_width_cm")
    for address in ("/", f"/captures/{capture.id}"):
        page = text_of(client.get(address))
        assert "Waist — the top camera gave no picture" in page
        assert "Waist width — the top camera gave no picture" in page
        assert "Look again The top camera gave no picture." in page
        assert " 0.0" not in page


def test_advice_is_given_in_words(client: FlaskClient, barn: Barn) -> None:
    page = text_of(client.get(f"/captures/{barn.completed(advice='The goat holds its head low.').id}"))
    assert "Look again The goat holds its head low." in page


def test_a_failed_capture_says_what_failed_what_to_do_and_shows_its_pictures(
    client: FlaskClient, barn: Barn
) -> None:
    capture = barn.failed()
    answer = client.get(f"/captures/{capture.id}")
    assert "Take again Top: no frame within 2 s. Check the cable." in text_of(answer)
    assert answer.text.count("<figure") == 3
    for image in capture.images:
        assert f"/images/{capture.id}/{image.sha256}.jpg" in answer.text


def test_a_missed_press_says_why(client: FlaskClient, barn: Barn) -> None:
    page = text_of(client.get(f"/captures/{barn.missed().id}"))
    assert "Missed Nobody served the press in time. Start the station." in page


def test_numbers_stay_when_measuring_them_again_fails(client: FlaskClient, barn: Barn) -> None:
    capture = barn.store.ask_again(barn.completed("1207").id, None)
    barn.store.close_capture(barn.store.begin(capture).failed("model: not found", "install it"))
    page = text_of(client.get(f"/captures/{capture.id}"))
    assert "Withers 61.2" in page
    assert "Measuring it again failed: model: not found. Install it." in page


def test_a_capture_reloads_itself_until_it_is_done(client: FlaskClient, barn: Barn) -> None:
    capture = barn.press()
    assert 'http-equiv="refresh"' in client.get(f"/captures/{capture.id}").text
    barn.store.begin(capture)
    assert 'http-equiv="refresh"' in client.get(f"/captures/{capture.id}").text
    barn.finish(capture)
    assert 'http-equiv="refresh"' not in client.get(f"/captures/{capture.id}").text


def test_waiting_says_whether_anybody_will_come(client: FlaskClient, barn: Barn) -> None:
    capture = barn.press()
    assert "The station is not running" in client.get(f"/captures/{capture.id}").text
    with barn.running():
        assert "not running" not in client.get(f"/captures/{capture.id}").text


def test_the_button_works_as_a_plain_form(client: FlaskClient, barn: Barn) -> None:
    answer = client.post("/captures", data={"goat_id": "1207", "request_id": "abc"})
    assert answer.status_code == 303
    newest = barn.store.captures(1)[0]
    assert answer.headers["Location"] == f"/captures/{newest.id}"
    assert newest.goat_id == "1207"
    assert client.post("/captures", data={"goat_id": ""}).status_code == 303


def test_a_double_tap_is_one_capture_and_an_old_form_is_a_new_one(client: FlaskClient, barn: Barn) -> None:
    form = {"goat_id": "", "request_id": "abc"}
    first = client.post("/captures", data=form).headers["Location"]
    assert client.post("/captures", data=form).headers["Location"] == first
    barn.finish(barn.store.captures(1)[0])
    assert client.post("/captures", data=form).headers["Location"] != first


def test_a_bad_goat_id_is_explained_on_a_page(client: FlaskClient, barn: Barn) -> None:
    answer = client.post("/captures", data={"goat_id": "<script>"})
    assert answer.status_code == 400
    assert "1 to 40 letters, digits, spaces" in answer.text
    assert barn.store.counts() == {}


def test_pictures_are_measured_again_from_their_page(client: FlaskClient, barn: Barn) -> None:
    capture = barn.completed()
    answer = client.post(f"/captures/{capture.id}/process", data={"goat_id": "88"})
    assert answer.headers["Location"] == f"/captures/{capture.id}"
    assert barn.store.capture(capture.id).goat_id == "88"
    assert client.post(f"/captures/{capture.id}/process").status_code == 409


def test_history_is_paged_and_every_capture_appears_once(client: FlaskClient, barn: Barn) -> None:
    ids = {barn.completed(str(number)).id for number in range(5)}
    first = client.get("/history?limit=3").text
    older = re.search(r'rel="next" href="([^"]+)"', first)
    second = client.get(older[1].replace("&amp;", "&")).text
    seen = re.findall(r'href="/captures/([^"]+)"', first + second)
    assert len(seen) == len(set(seen)) == 5
    assert set(seen) == ids
    assert client.get("/history?limit=0").status_code == 400


def test_history_shows_goat_outcome_numbers_and_whether_the_cloud_has_it(
    client: FlaskClient, barn: Barn
) -> None:
    barn.completed("1207")
    barn.failed()
    page = text_of(client.get("/history"))
    assert "1207 Good 61.2 62.3 71.4 24.9 15.1 waiting" in page
    assert "Take again top: no frame within 2 s waiting" in page


def test_a_goat_has_a_page_with_its_captures(client: FlaskClient, barn: Barn) -> None:
    barn.completed("12/07 b")
    barn.completed("88")
    herd = client.get("/goats").text
    address = re.search(r'href="(/goats/12[^"]+)"', herd)[1]
    page = client.get(address)
    assert "Goat 12/07 b" in page.text
    assert page.text.count('class="time"') == 1
    assert client.get("/goats/nobody").status_code == 404


def test_times_are_shown_with_their_zone(client: FlaskClient, barn: Barn) -> None:
    barn.completed()
    assert re.search(r"2025-11-2\d \d\d:\d\d \S+", text_of(client.get("/history")))


@pytest.mark.parametrize(
    "address", ["/", "/history", "/goats", "/captures/{id}", "/goats/%3Cb%3Ebold%3C/b%3E"]
)
def test_html_from_elsewhere_is_shown_as_text(client: FlaskClient, barn: Barn, address: str) -> None:
    capture = barn.press("<b>bold</b>")
    capture = barn.store.begin(capture).failed("<script>alert(1)</script>", '"><img src=x onerror=alert(1)>')
    barn.store.close_capture(capture)
    page = client.get(address.format(id=capture.id)).text
    assert "&lt;b&gt;bold" in page
    for raw in ("<b>bold", "<script>alert", "<img src=x"):
        assert raw not in page


def test_the_parts_that_open_pages_fetch_are_the_parts_the_pages_have(
    client: FlaskClient, barn: Barn
) -> None:
    capture = barn.completed("1207")
    for part, address in (
        ("result", f"/captures/{capture.id}/fragment"),
        ("recent", "/history/fragment"),
        ("station", "/station/fragment"),
    ):
        fragment = client.get(address).text
        assert f'id="{part}"' in fragment
        assert "<html" not in fragment


def test_unknown_pages_are_explained(client: FlaskClient) -> None:
    for address in ("/nothing", "/captures/nothing", "/captures/nothing/fragment"):
        answer = client.get(address)
        assert answer.status_code == 404
        assert "Back to measuring" in answer.text


def test_no_page_asks_for_anything_from_elsewhere(client: FlaskClient, barn: Barn) -> None:
    capture = barn.completed("1207")
    for address in ("/", "/history", "/goats", "/goats/1207", f"/captures/{capture.id}"):
        page = client.get(address).text
        assert not re.findall(r'(?:src|href|action)="(?!/|#)[^"]*"', page)
        assert "<style" not in page
        assert not re.findall(r"\son\w+=|\sstyle=|<script(?![^>]*\bsrc=)", page)


def test_goat_and_weight_are_typed_with_the_press(client: FlaskClient, barn: Barn) -> None:
    client.post("/captures", data={"goat_id": "LA 982 000001088420", "weight": "121.5", "weight_unit": "lb"})
    barn.finish(barn.store.captures(1)[0])
    page = text_of(client.get("/"))
    assert "Goat 982000001088420" in page
    assert "Weight 55.1 kg (121.5 lb), typed" in page
    assert "982000001088420 55.1 kg Good" in text_of(client.get("/goats/982000001088420"))


def test_a_weight_that_no_goat_has_is_explained_on_a_page(client: FlaskClient, barn: Barn) -> None:
    answer = client.post("/captures", data={"weight": "5", "weight_unit": "lb"})
    assert answer.status_code == 400
    assert "20 to 300 lb" in answer.text
    assert barn.store.counts() == {}


def test_goat_and_weight_are_saved_later_from_the_captures_page(client: FlaskClient, barn: Barn) -> None:
    capture = barn.completed()
    form = {"goat_id": "982 000001088420", "weight": "55,5", "weight_unit": "kg"}
    answer = client.post(f"/captures/{capture.id}/label", data=form)
    assert answer.headers["Location"] == f"/captures/{capture.id}"
    page = client.get(f"/captures/{capture.id}")
    assert 'value="982 000001088420"' in page.text
    assert "Weight 55.5 kg (122.4 lb), typed" in text_of(page)
    assert "Goat named by said later Weight as given 55,5 kg" in text_of(page)
    assert client.post(f"/captures/{capture.id}/label", data={}).status_code == 400


def test_a_weight_that_is_typed_is_kept_when_the_pictures_are_measured_again(
    client: FlaskClient, barn: Barn
) -> None:
    capture = barn.completed()
    client.post(f"/captures/{capture.id}/process", data={"goat_id": "88", "weight": "110"})
    kept = barn.finish(barn.store.capture(capture.id))
    assert kept.weight is not None
    assert (kept.goat_id, kept.weight.raw, kept.revision_number) == ("88", "110 lb", 2)


def test_a_capture_that_two_tags_were_read_at_says_so(client: FlaskClient, barn: Barn) -> None:
    capture = barn.completed()
    barn.store.label(capture.id, lambda one: one.unnamed("Two tags were read at this press: <b>1, 2."))
    page = client.get(f"/captures/{capture.id}").text
    assert "Two tags were read at this press: &lt;b&gt;1, 2." in page
