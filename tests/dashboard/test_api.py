"""The HTTP API: what each call answers, and how it refuses."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from edge.keeping.outbox import Outbox
from tests.dashboard.conftest import Barn

UNKNOWN = "20250101T000000000Z_barn-1"


def press(client: FlaskClient, body: object = None, **headers: str) -> TestResponse:
    return client.post("/api/v1/captures", json=body, headers=headers)


def test_a_press_is_accepted_and_queued_with_its_goat(client: FlaskClient, barn: Barn) -> None:
    answer = press(client, {"goat_id": " 12/07-B "})
    assert answer.status_code == 202
    assert answer.json["status"] == "queued"
    assert answer.json["timestamp"] == answer.json["capture_id"]
    assert answer.json["capture_id"].endswith("Z_barn-1")
    stored = barn.store.capture(answer.json["capture_id"])
    assert (stored.goat_id, stored.trigger.source) == ("12/07-B", "dashboard")
    assert client.get(answer.json["result_url"]).json["status"] == "queued"


@pytest.mark.parametrize("body", [b"", b"{}", b'{"goat_id": null}', b'{"goat_id": "  "}'])
def test_a_press_needs_no_goat(client: FlaskClient, barn: Barn, body: bytes) -> None:
    answer = client.post("/api/v1/captures", data=body)
    assert answer.status_code == 202
    assert barn.store.capture(answer.json["capture_id"]).goat_id is None


def test_a_repeated_press_with_the_same_key_is_one_capture(client: FlaskClient, barn: Barn) -> None:
    first = press(client, {}, **{"Idempotency-Key": "k-1"})
    again = press(client, {}, **{"Idempotency-Key": "k-1"})
    in_body = press(client, {"request_id": "k-1"})
    assert first.json == again.json == in_body.json
    assert press(client, {}, **{"Idempotency-Key": "k-2"}).json != first.json
    assert barn.store.counts() == {"queued": 2}


@pytest.mark.parametrize(
    "goat_id", ["x" * 41, "<b>", "12\n07", "12\t07", "\u202egoat", "..", "/a", 1207, ["1"]]
)
def test_a_goat_id_that_cannot_be_used_is_refused(client: FlaskClient, barn: Barn, goat_id: object) -> None:
    answer = press(client, {"goat_id": goat_id})
    assert answer.status_code == 400
    assert answer.json["error"]
    assert answer.json["hint"]
    assert barn.store.counts() == {}


@pytest.mark.parametrize("goat_id", ["1207", "Heidi 3", "x" * 40, "a.b_c-d/e"])
def test_a_goat_id_of_letters_digits_and_a_few_signs_is_taken(
    client: FlaskClient, barn: Barn, goat_id: str
) -> None:
    capture_id = press(client, {"goat_id": goat_id}).json["capture_id"]
    assert barn.store.capture(capture_id).goat_id == goat_id
    assert client.get(f"/api/v1/goats/{goat_id}").json["captures"] == 1


@pytest.mark.parametrize(
    "body", [b"{", b"[]", b'"1207"', b'{"goat": "1207"}', b'{"request_id": "two words"}', b"\xff"]
)
def test_a_body_that_is_no_press_is_refused(client: FlaskClient, barn: Barn, body: bytes) -> None:
    answer = client.post("/api/v1/captures", data=body, content_type="application/json")
    assert answer.status_code == 400
    assert answer.json["hint"]
    assert barn.store.counts() == {}


def test_a_body_over_64_kb_is_refused(client: FlaskClient) -> None:
    answer = client.post("/api/v1/captures", data=b" " * 70_000)
    assert answer.status_code == 413
    assert answer.json["error"]


def test_every_number_has_its_doubt_and_every_gap_its_reason(client: FlaskClient, barn: Barn) -> None:
    capture = barn.completed("1207", missing="waist_width_cm")
    result = client.get(f"/api/v1/results/{capture.id}").json
    assert result["status"] == "completed"
    assert result["goat_id"] == "1207"
    assert len(result["measurements"]) == 9
    assert result["measurements"]["withers_height_cm"] == {
        "value": 61.2,
        "u95": 0.8,
        "confidence": 0.94,
        "views": ["side"],
        "reason": None,
    }
    assert result["measurements"]["waist_width_cm"]["value"] is None
    assert result["measurements"]["waist_width_cm"]["reason"] == "the top camera gave no picture"
    assert result["sync"] == "due"


def test_a_result_names_the_address_of_each_picture(client: FlaskClient, barn: Barn) -> None:
    result = client.get(f"/api/v1/results/{barn.completed().id}").json
    assert set(result["image_urls"]) == {"side", "top", "front"}
    for urls in result["image_urls"].values():
        for url in urls.values():
            with client.get(url) as picture:
                assert picture.status_code == 200
                assert picture.data.startswith(b"\xff\xd8")
    failed = client.get(f"/api/v1/results/{barn.failed().id}").json
    assert failed["image_urls"]["side"]["raw"]
    assert failed["image_urls"]["side"]["annotated"] is None


def test_a_failed_result_says_what_failed_and_what_to_do(client: FlaskClient, barn: Barn) -> None:
    result = client.get(f"/api/v1/results/{barn.failed().id}").json
    assert (result["status"], result["failure"]) == ("failed", "top: no frame within 2 s")
    assert result["hint"] == "check the cable"
    assert result["measurements"] == {}


@pytest.mark.parametrize("name", [UNKNOWN, "nonsense", "%00", "..%2f..%2fetc%2fpasswd", "' OR 1=1 --"])
def test_an_unknown_result_is_404_in_json(client: FlaskClient, barn: Barn, name: str) -> None:
    answer = client.get(f"/api/v1/results/{name}")
    assert answer.status_code == 404
    assert answer.json["error"]


def test_stored_pictures_are_measured_again_and_the_goat_attached(client: FlaskClient, barn: Barn) -> None:
    capture = barn.failed()
    answer = client.post(f"/api/v1/process/{capture.id}?goat_id=88")
    assert answer.status_code == 202
    assert answer.json["capture_id"] == capture.id
    queued = barn.store.capture(capture.id)
    assert (queued.status, queued.goat_id) == ("queued", "88")
    barn.finish(queued)
    result = client.get(answer.json["result_url"]).json
    assert (result["status"], result["revision"], result["failure"]) == ("completed", 1, None)


def test_measuring_again_without_a_goat_keeps_the_goat(client: FlaskClient, barn: Barn) -> None:
    capture = barn.completed("1207")
    assert client.post(f"/api/v1/process/{capture.id}?goat_id=").status_code == 202
    assert barn.store.capture(capture.id).goat_id == "1207"


def test_what_cannot_be_measured_again_is_a_conflict(client: FlaskClient, barn: Barn) -> None:
    waiting, missed = barn.press(), barn.missed()
    assert client.post(f"/api/v1/process/{waiting.id}").status_code == 409
    assert client.post(f"/api/v1/process/{missed.id}").status_code == 409
    barn.store.begin(waiting)
    answer = client.post(f"/api/v1/process/{waiting.id}")
    assert answer.status_code == 409
    assert "processing" in answer.json["error"]


def test_measuring_again_refuses_an_unknown_capture_and_a_bad_goat(client: FlaskClient, barn: Barn) -> None:
    capture = barn.completed("1207")
    assert client.post(f"/api/v1/process/{UNKNOWN}").status_code == 404
    assert client.post(f"/api/v1/process/{capture.id}?goat_id=<b>").status_code == 400
    assert barn.store.capture(capture.id).status == "completed"


def test_captures_come_in_pages_newest_first(client: FlaskClient, barn: Barn) -> None:
    ids = [barn.completed(str(number)).id for number in range(5)][::-1]
    first = client.get("/api/v1/captures?limit=2").json
    second = client.get(f"/api/v1/captures?limit=2&before={first['next']}").json
    third = client.get(f"/api/v1/captures?limit=2&before={second['next']}").json
    pages = [first, second, third]
    assert [one["capture_id"] for page in pages for one in page["captures"]] == ids
    assert third["next"] is None


def test_a_last_page_that_is_full_has_no_next(client: FlaskClient, barn: Barn) -> None:
    barn.completed()
    assert client.get("/api/v1/captures?limit=1").json["next"] is None


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=201",
        "limit=-1",
        "limit=ten",
        "limit=",
        "limit=1e2",
        "limit=²",
        "before=yesterday",
        "before=",
    ],
)
@pytest.mark.parametrize("address", ["/api/v1/captures", "/api/v1/goats/1207/measurements"])
def test_a_page_that_cannot_be_is_refused(client: FlaskClient, barn: Barn, address: str, query: str) -> None:
    barn.completed("1207")
    answer = client.get(f"{address}?{query}")
    assert answer.status_code == 400
    assert answer.json["hint"]


def test_goats_are_listed_with_how_often_they_were_here(client: FlaskClient, barn: Barn) -> None:
    barn.completed("1207")
    latest = barn.completed("1207")
    barn.completed("88")
    barn.completed()
    assert client.get("/api/v1/goats").json["goats"] == [
        {
            "goat_id": "1207",
            "captures": 2,
            "latest": latest.id,
            "latest_at": "2025-11-21T14:32:00+00:00",
            "is_pinned": False,
        },
        {
            "goat_id": "88",
            "captures": 1,
            "latest": barn.store.captures(2)[1].id,
            "latest_at": "2025-11-21T14:33:00+00:00",
            "is_pinned": False,
        },
    ]
    one = client.get("/api/v1/goats/1207").json
    assert (one["captures"], one["result"]["capture_id"]) == (2, latest.id)
    assert client.get("/api/v1/goats/9999").status_code == 404


def test_the_history_of_a_goat_holds_its_measurements_and_nobody_elses(
    client: FlaskClient, barn: Barn
) -> None:
    ids = [barn.completed("1207").id, barn.completed("88").id, barn.failed().id, barn.completed("1207").id]
    history = client.get("/api/v1/goats/1207/measurements").json
    assert [one["capture_id"] for one in history["measurements"]] == [ids[3], ids[0]]
    assert history["measurements"][0]["measurements"]["rump_height_cm"]["value"] == 62.3
    assert history["next"] is None
    paged = client.get("/api/v1/goats/1207/measurements?limit=1").json
    assert paged["next"] == ids[3]
    assert client.get("/api/v1/goats/9999/measurements").status_code == 404


@pytest.mark.parametrize(
    ("method", "address", "status"),
    [
        ("GET", "/api/v1/nothing", 404),
        ("PUT", "/api/v1/captures", 405),
        ("DELETE", "/api/v1/goats", 405),
        ("GET", "/api/v1/process/x", 405),
    ],
)
def test_errors_under_the_api_are_json(client: FlaskClient, method: str, address: str, status: int) -> None:
    answer = client.open(address, method=method)
    assert answer.status_code == status
    assert answer.is_json
    assert answer.json["error"]


def test_a_wrong_method_names_the_right_ones(client: FlaskClient) -> None:
    assert "POST" in client.put("/api/v1/captures").headers["Allow"]


# Goat and weight, with the press or later.


@pytest.mark.parametrize(
    ("body", "kg", "raw"),
    [
        ({"weight_lb": 121.5}, 55.111, "121.5 lb"),
        ({"weight_kg": 50}, 50.0, "50 kg"),
        ({"weight_kg": "50,5"}, 50.5, "50,5 kg"),
    ],
)
def test_a_press_may_carry_a_typed_weight(
    client: FlaskClient, barn: Barn, body: dict[str, object], kg: float, raw: str
) -> None:
    result = client.get(press(client, body).json["result_url"]).json
    assert result["weight_kg"] == kg
    assert result["weight"] == {"kg": kg, "source": "typed", "raw": raw}
    assert press(client, {"weight_kg": None, "weight_lb": ""}).status_code == 202
    assert barn.store.captures(1)[0].weight is None


WRONG_WEIGHTS = [
    {"weight_lb": 5},
    {"weight_kg": 200},
    {"weight_kg": -50},
    {"weight_kg": "heavy"},
    {"weight_kg": True},
    {"weight_kg": [50]},
    {"weight_kg": 1e300},
    {"weight_kg": 50, "weight_lb": 110},
    {"weight": 50},
]


@pytest.mark.parametrize("body", WRONG_WEIGHTS)
def test_a_weight_that_no_goat_has_is_refused(
    client: FlaskClient, barn: Barn, body: dict[str, object]
) -> None:
    capture = barn.completed()
    for answer in (press(client, body), client.post(f"/api/v1/captures/{capture.id}", json=body)):
        assert answer.status_code == 400
        assert answer.json["error"]
        assert answer.json["hint"]
    assert barn.store.counts() == {"completed": 1}
    assert barn.store.capture(capture.id) == capture


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_a_weight_that_is_no_number_is_refused(client: FlaskClient, barn: Barn, number: str) -> None:
    answer = client.post("/api/v1/captures", data=f'{{"weight_kg": {number}}}')
    assert answer.status_code == 400
    assert barn.store.counts() == {}


def test_a_tag_is_one_goat_however_a_program_writes_it(client: FlaskClient, barn: Barn) -> None:
    for text in ("LA 982 000001088420\r\n", "0982000001088420", "982 000001088420", "3D6.0000109BA4"):
        press(client, {"goat_id": text})
    assert client.get("/api/v1/goats").json["goats"][0]["captures"] == 4
    assert client.get("/api/v1/goats/982000001088420").status_code == 200


@pytest.mark.parametrize("goat_id", ["9.82E+14", "98200000108842", "LR 0006 0000000018514243"])
def test_a_damaged_tag_is_refused_with_the_reason(client: FlaskClient, barn: Barn, goat_id: str) -> None:
    capture = barn.completed()
    answers = [
        press(client, {"goat_id": goat_id}),
        client.post(f"/api/v1/captures/{capture.id}", json={"goat_id": goat_id}),
        client.post(f"/api/v1/process/{capture.id}", query_string={"goat_id": goat_id}),
    ]
    for answer in answers:
        assert answer.status_code == 400
        assert goat_id in answer.json["error"]
    assert barn.store.capture(capture.id) == capture


def test_goat_and_weight_are_said_later_without_measuring_again(client: FlaskClient, barn: Barn) -> None:
    capture = barn.completed()
    answer = client.post(f"/api/v1/captures/{capture.id}", json={"goat_id": "b12", "weight_lb": 121.5})
    assert answer.status_code == 200
    assert (answer.json["goat_id"], answer.json["goat_id_source"]) == ("B12", "later")
    assert answer.json["weight"] == {"kg": 55.111, "source": "typed", "raw": "121.5 lb"}
    assert (answer.json["status"], answer.json["revision"]) == ("completed", 1)
    assert [entry.sequence for entry in Outbox(barn.store).due()] == [0, 1]
    weighed = client.post(f"/api/v1/captures/{capture.id}", json={"weight_kg": 56}).json
    assert (weighed["goat_id"], weighed["weight_kg"]) == ("B12", 56.0)
    assert client.get("/api/v1/goats/B12/measurements").json["measurements"][0]["weight_kg"] == 56.0


def test_what_cannot_be_said_later_is_refused(client: FlaskClient, barn: Barn) -> None:
    waiting = barn.press()
    assert client.post(f"/api/v1/captures/{waiting.id}", json={"goat_id": "B12"}).status_code == 409
    assert barn.store.capture(waiting.id).goat_id is None
    assert client.post(f"/api/v1/captures/{UNKNOWN}", json={"goat_id": "B12"}).status_code == 404
    for body in ({}, {"goat_id": " "}, {"request_id": "x"}):
        assert client.post(f"/api/v1/captures/{barn.failed().id}", json=body).status_code == 400
