"""Who may ask: this network's own names, this station's own pages."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from dashboard.guard import is_home_host
from tests.dashboard.conftest import Barn


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "127.0.0.1:8000",
        "192.168.1.20",
        "[::1]:8000",
        "[fe80::1]",
        "goat-pi",
        "goat-pi.local:8000",
        "Barn.LAN",
        "pi.home.arpa",
        "pi.local.",
    ],
)
def test_names_of_this_network_are_answered(client: FlaskClient, host: str) -> None:
    assert client.get("/", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "",
        "evil.example",
        "local.evil.example",
        "192.168.1.20.nip.io",
        "evil.example:8000",
        "localhost@evil.example",
        "[::1",
        "a b",
        "pi.local:x",
        ".local",
    ],
)
def test_names_of_the_internet_are_not_answered(client: FlaskClient, host: str) -> None:
    assert not is_home_host(host)
    if host:
        answer = client.get("/api/v1/goats", headers={"Host": host})
        assert answer.status_code == 400
        assert ".local" in answer.json["hint"]
        assert client.get("/", headers={"Host": host}).status_code == 400


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:9999"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "http://localhost", "Sec-Fetch-Site": "cross-site"},
    ],
)
def test_another_sites_page_cannot_press(client: FlaskClient, barn: Barn, headers: dict[str, str]) -> None:
    capture = barn.completed()
    for address in ("/api/v1/captures", f"/api/v1/process/{capture.id}"):
        answer = client.post(address, headers=headers)
        assert answer.status_code == 403
        assert answer.json["hint"]
    for address in ("/captures", f"/captures/{capture.id}/process"):
        assert client.post(address, headers=headers).status_code == 403
    assert barn.store.counts() == {"completed": 1}


@pytest.mark.parametrize(
    "headers",
    [{"Origin": "http://localhost", "Sec-Fetch-Site": "same-origin"}, {"Sec-Fetch-Site": "none"}, {}],
)
def test_our_own_page_and_programs_can_press(client: FlaskClient, headers: dict[str, str]) -> None:
    assert client.post("/api/v1/captures", headers=headers).status_code == 202


def test_another_sites_link_opens_a_page(client: FlaskClient) -> None:
    assert client.get("/", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 200


@pytest.mark.parametrize("address", ["/", "/api/v1/goats", "/nothing", "/static/goatdev.css"])
def test_every_answer_tells_the_browser_its_limits(client: FlaskClient, address: str) -> None:
    with client.get(address) as answer:
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'self'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "same-origin"
