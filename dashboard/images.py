"""Pictures, sent from the archive. Which file is sent is the database's word, never the address's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Response, send_from_directory

from dashboard.context import archive, store
from dashboard.errors import Refusal
from dashboard.queries import IMAGE_BY_CONTENT

images = Blueprint("images", __name__, url_prefix="/images")

A_YEAR_S = 365 * 24 * 3600


@images.get("/<capture_id>/<sha256>.jpg")
def image(capture_id: str, sha256: str) -> Response:
    """One picture. Its address holds its hash, so a browser never needs to ask for it twice."""
    row = store().one(IMAGE_BY_CONTENT, [capture_id, sha256])
    if row is None:
        raise Refusal(404, "there is no such picture", "open it from its capture's page")
    if row["pruned_at"]:
        hint = f"it is in the cloud: captures/{capture_id}/"
        raise Refusal(410, f"this picture was pruned on {row['pruned_at'][:10]}", hint)
    response = send_from_directory(
        archive().folder,
        row["path"],
        mimetype="image/jpeg",
        download_name=f"{capture_id}_{row['view']}_{row['kind']}{later_shot(row)}.jpg",
        etag=sha256,
        max_age=A_YEAR_S,
    )
    response.cache_control.immutable = True
    return response


def later_shot(row: Mapping[str, Any]) -> str:
    return f"_{row['shot']}" if row["kind"] == "raw" and row["shot"] > 1 else ""
