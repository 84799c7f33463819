"""Pictures: the right bytes, kept by browsers, and no way to any other file."""

from __future__ import annotations

import hashlib

import pytest
from flask.testing import FlaskClient

from edge.records import Capture
from tests.dashboard.conftest import Barn, picture, revision


def url_of(client: FlaskClient, capture: Capture, view: str = "side", kind: str = "annotated") -> str:
    return client.get(f"/api/v1/results/{capture.id}").json["image_urls"][view][kind]


def test_a_picture_is_sent_as_it_lies_in_the_archive(client: FlaskClient, barn: Barn) -> None:
    capture = barn.completed()
    stored = capture.images_of("annotated")[0]
    with client.get(url_of(client, capture, stored.view)) as answer:
        assert hashlib.sha256(answer.data).hexdigest() == stored.sha256
        assert answer.content_type == "image/jpeg"
        assert answer.headers["ETag"] == f'"{stored.sha256}"'
        assert "immutable" in answer.headers["Cache-Control"]


def test_a_picture_that_the_browser_has_is_not_sent_again(client: FlaskClient, barn: Barn) -> None:
    url = url_of(client, barn.completed())
    with client.get(url) as first, client.get(url, headers={"If-None-Match": first.headers["ETag"]}) as again:
        assert again.status_code == 304
        assert again.data == b""


def test_the_picture_of_an_earlier_revision_keeps_its_address(client: FlaskClient, barn: Barn) -> None:
    capture = barn.completed()
    first = url_of(client, capture)
    client.post(f"/api/v1/process/{capture.id}")
    barn.finish(barn.store.capture(capture.id))
    assert url_of(client, capture) != first
    with client.get(first) as answer:
        assert answer.status_code == 200


@pytest.mark.parametrize(
    "address",
    [
        "/images/../station.db",
        "/images/..%2f..%2fstation.db",
        "/images/{id}/../../../station.db",
        "/images/{id}/..%2f..%2f..%2fstation.db",
        "/images/{id}/%2e%2e%2f%2e%2e%2fstation.db",
        "/images/{id}/%00.jpg",
        "/images/{id}/" + "0" * 64 + ".jpg",
        "/images/20250101T000000000Z_barn-1/{sha}.jpg",
        "/images//etc/passwd",
        "/images/{id}/side_raw.{sha}.jpg",
        "/static/../app.py",
        "/static/..%2fapp.py",
    ],
)
def test_no_address_reaches_another_file(client: FlaskClient, barn: Barn, address: str) -> None:
    capture = barn.completed()
    with client.get(address.format(id=capture.id, sha=capture.images[0].sha256)) as answer:
        assert answer.status_code == 404


def test_a_path_in_the_database_does_not_lead_out_of_the_archive(client: FlaskClient, barn: Barn) -> None:
    capture = barn.completed()
    barn.store.db.execute("UPDATE images SET path = '../station.db'")
    assert client.get(url_of(client, capture)).status_code == 404


def test_a_picture_that_is_gone_from_the_disk_is_404(client: FlaskClient, barn: Barn) -> None:
    capture = barn.completed()
    url = url_of(client, capture)
    for image in capture.images:
        (barn.archive.folder / image.path).unlink()
    assert client.get(url).status_code == 404
    assert client.get(f"/captures/{capture.id}").status_code == 200


def with_a_second_shot(barn: Barn) -> Capture:
    """A measured capture whose side view is shown in its second shot."""
    capture = barn.store.begin(barn.press())
    shots = [barn.archive.save(capture.id, "side", "raw", picture("side", f"shot {n}"), n) for n in (1, 2)]
    drawn = barn.archive.save(capture.id, "side", "annotated", picture("side", "drawn"), 2)
    done = capture.with_shot((*shots, drawn), 41.0, 1020.0).completed(revision())
    barn.store.close_capture(done)
    return barn.store.capture(capture.id)


def test_the_picture_of_a_view_is_its_first_shot_and_the_others_have_addresses_too(
    client: FlaskClient, barn: Barn
) -> None:
    capture = with_a_second_shot(barn)
    document = client.get(f"/api/v1/results/{capture.id}").json
    first, second = document["shot_urls"]["side"]
    assert document["image_urls"]["side"]["raw"] == first
    assert [image["shot"] for image in document["images"] if image["kind"] == "raw"] == [1, 2]
    assert document["burst_ms"] == 1020.0
    with client.get(second) as answer:
        assert answer.data == picture("side", "shot 2")
        assert f"{capture.id}_side_raw_2.jpg" in answer.headers["Content-Disposition"]


def test_a_captures_page_shows_one_picture_per_view_and_leads_to_every_shot(
    client: FlaskClient, barn: Barn
) -> None:
    capture = with_a_second_shot(barn)
    page = client.get(f"/captures/{capture.id}").text
    urls = client.get(f"/api/v1/results/{capture.id}").json["shot_urls"]["side"]
    assert page.count("<figure") == 1
    assert all(f'href="{url}"' in page for url in urls)
    assert "2 in 1.0 s" in page
