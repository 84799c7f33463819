"""What pages and API read, in the form they show it."""

from __future__ import annotations

from typing import Any

from flask import url_for

from dashboard.context import config
from dashboard.errors import Refusal
from dashboard.inputs import Label
from edge.corrections import checked_author
from edge.document import capture_document, standing_document
from edge.errors import PictureError
from edge.keeping.outbox import Outbox
from edge.keeping.prune import require_kept
from edge.keeping.store import Store
from edge.pressing import ask_again as queue_again
from edge.records import Capture, Said, Status, StoredImage

# There are no accounts, so this is all that is known of who uses the pages, except where they ask for a name.
AUTHOR = "dashboard"

# By content, so that an address always shows the same picture, also one of an earlier revision.
IMAGE_BY_CONTENT = """
SELECT path, view, kind, shot, pruned_at FROM images
WHERE capture_id = ? AND sha256 = ?
ORDER BY shot
LIMIT 1
"""


def capture_or_404(store: Store, capture_id: str) -> Capture:
    try:
        return store.capture(capture_id)
    except KeyError:
        raise Refusal(404, "there is no such capture", "see the history for those there are") from None


def captures_page(
    store: Store, limit: int, before: str | None = None, goat_id: str | None = None
) -> tuple[list[Capture], str | None]:
    """One page, newest first, and what to give as `before` for the next one."""
    found = store.captures(limit + 1, before, goat_id)
    return found[:limit], found[limit - 1].id if len(found) > limit else None


def goat_or_404(store: Store, goat_id: str) -> dict[str, Any]:
    """goat_id, captures (how many), latest (capture id), latest_at, is_pinned."""
    try:
        return store.goat(goat_id)
    except KeyError:
        raise Refusal(404, "there is no such goat", "a goat is known from its first capture on") from None


def ask_again(store: Store, capture_id: str, goat_id: str | None) -> Capture:
    """Queue the stored pictures of a closed capture for a new revision."""
    capture = capture_or_404(store, capture_id)
    if capture.is_unfinished:
        raise Refusal(409, f"this capture is {capture.status}", "wait for its result")
    if capture.status is Status.MISSED or not capture.images_of("raw"):
        raise Refusal(409, "this capture has no pictures", "take a new one")
    try:
        require_kept(capture)
    except PictureError as error:
        raise Refusal(409, error.message, error.hint) from None
    return queue_again(store, config(), capture_id, goat_id, AUTHOR)


def label(store: Store, capture_id: str, said: Label) -> Capture:
    """Say later whose a capture is or what it weighed; its measurements stay as they are."""
    if said.goat_id is None and said.weight is None:
        raise Refusal(400, "neither a goat nor a weight is given", "write at least one of them")
    capture_or_404(store, capture_id)
    labelled = store.label(capture_id, said.on, AUTHOR)
    if labelled.is_unfinished:
        raise Refusal(409, f"this capture is {labelled.status}", "wait for its result")
    return labelled


def correct(store: Store, capture_id: str, said: Said) -> Capture:
    """Put what a person says of a trait beside what was measured."""
    capture = capture_or_404(store, capture_id)
    if capture.is_unfinished:
        raise Refusal(409, f"this capture is {capture.status}", "wait for its result")
    return store.correct(capture_id, said)


def pin(store: Store, goat_id: str, is_pinned: bool, author: str | None) -> dict[str, Any]:
    """Keep a goat's pictures for ever, or no longer."""
    goat_or_404(store, goat_id)
    (store.pin if is_pinned else store.unpin)(goat_id, checked_author(author))
    return goat_or_404(store, goat_id)


def result_document(store: Store, capture: Capture) -> dict[str, Any]:
    """A capture as the API shows it: its document, where its pictures are, whether the cloud has it."""
    return {
        **capture_document(capture),
        "standing": standing_document(capture),
        "image_urls": image_urls(capture),
        "pruned_at": capture.pruned_at,
        "shot_urls": shot_urls(capture),
        "sync": Outbox(store).state_of(capture.id),
    }


def image_urls(capture: Capture) -> dict[str, dict[str, str | None]]:
    """view -> address of the raw and the annotated picture, None for one that is not there."""
    annotated = {image.view: image for image in capture.images_of("annotated")}
    urls: dict[str, dict[str, str | None]] = {}
    for view in dict.fromkeys(image.view for image in capture.images):
        found = {"raw": next(iter(capture.taken(view)), None), "annotated": annotated.get(view)}
        urls[view] = {kind: image_url(capture, image) if image else None for kind, image in found.items()}
    return urls


def shot_urls(capture: Capture) -> dict[str, list[str | None]]:
    """view -> addresses of all its pictures as taken, first shot first; None for what was pruned."""
    views = dict.fromkeys(image.view for image in capture.images_of("raw"))
    return {view: [image_url(capture, image) for image in capture.taken(view)] for view in views}


def image_url(capture: Capture, image: StoredImage) -> str | None:
    """Where a picture is shown; None where it is in the cloud only."""
    if image.pruned_at is not None:
        return None
    return url_for("images.image", capture_id=capture.id, sha256=image.sha256)
