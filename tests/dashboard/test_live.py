"""The page with the live pictures: it asks the station for them, and shows none that is old."""

from __future__ import annotations

import os
import time

from flask.testing import FlaskClient

from edge import preview
from edge.config import Config
from tests.dashboard.conftest import picture


def taken(config: Config, view: str) -> bytes:
    """What the station would have written."""
    jpeg = picture(view, "live")
    config.preview_folder.mkdir(parents=True, exist_ok=True)
    (config.preview_folder / f"{view}.jpg").write_bytes(jpeg)
    return jpeg


def test_the_page_shows_every_camera_with_its_source_and_works_without_javascript(
    client: FlaskClient,
) -> None:
    answer = client.get("/cameras")
    assert answer.status_code == 200
    assert 'src="/preview/side.jpg"' in answer.text
    assert "simulated:side" in answer.text
    assert "/preview/top.jpg" not in answer.text
    assert '<noscript><meta http-equiv="refresh"' in answer.text
    assert "Look again" in answer.text


def test_every_page_leads_to_it(client: FlaskClient) -> None:
    assert 'href="/cameras"' in client.get("/").text


def test_looking_asks_the_station_for_pictures(client: FlaskClient, config: Config) -> None:
    assert not (config.preview_folder / preview.WANTED).exists()
    client.get("/cameras")
    assert preview.age_s(config.preview_folder / preview.WANTED) < preview.WANTED_S


def test_a_live_picture_is_sent_as_it_is_and_never_kept(client: FlaskClient, config: Config) -> None:
    jpeg = taken(config, "side")
    answer = client.get("/preview/side.jpg")
    assert (answer.status_code, answer.mimetype, answer.data) == (200, "image/jpeg", jpeg)
    assert answer.headers["Cache-Control"] == "no-store"


def test_an_old_picture_is_not_shown_as_a_live_one(client: FlaskClient, config: Config) -> None:
    taken(config, "side")
    long_ago = time.time() - 60
    os.utime(config.preview_folder / "side.jpg", (long_ago, long_ago))
    answer = client.get("/preview/side.jpg")
    assert answer.status_code == 503
    assert "There is no live picture" in answer.text


def test_what_is_no_camera_of_this_station_is_not_sent(client: FlaskClient, config: Config) -> None:
    taken(config, "top")
    for address in ("/preview/top.jpg", "/preview/..%2Fstation.jpg", "/preview/wanted"):
        assert client.get(address).status_code == 404
