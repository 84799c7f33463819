"""What the cameras see now. The station takes the pictures, and only while this page is open somewhere."""

from __future__ import annotations

from flask import Blueprint, Response, render_template

from dashboard.context import config
from dashboard.errors import Refusal
from edge import preview

live = Blueprint("live", __name__)


@live.get("/cameras")
def cameras() -> str:
    """The live pictures, for whoever aims or cleans a camera."""
    ask_for_pictures()
    return render_template("cameras.html", sources=config().cameras.sources())


@live.get("/preview/<view>.jpg")
def picture(view: str) -> Response:
    """The newest live picture of a view."""
    if view not in config().cameras.sources():
        raise Refusal(404, "this station has no such camera", "see [cameras] in its configuration")
    ask_for_pictures()
    jpeg = preview.latest(config().preview_folder, view)
    if jpeg is None:
        raise Refusal(
            503, "there is no live picture", "check that the station runs and that this camera is plugged in"
        )
    response = Response(jpeg, mimetype="image/jpeg")
    response.headers["Cache-Control"] = "no-store"
    return response


def ask_for_pictures() -> None:
    try:
        preview.want(config().preview_folder)
    except OSError as error:
        hint = "check [station] data_dir and its permissions"
        raise Refusal(503, f"no live picture can be asked for: {error.strerror}", hint) from None
