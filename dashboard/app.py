"""The Flask application of one station, put together from its parts."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Any

from flask import Flask, Response, jsonify, make_response, render_template, request
from werkzeug.exceptions import HTTPException

from dashboard import context, correction_words, guard, queries, words
from dashboard.alarms import standing_alarm
from dashboard.api import api
from dashboard.errors import Refusal
from dashboard.health import watch
from dashboard.images import images
from dashboard.live import live
from dashboard.pages import pages
from edge.config import Config
from edge.errors import DiskFull, DiskTrouble, InputRefused, StoreError
from edge.health.check import local_time
from edge.keeping.outbox import Outbox
from edge.records import Capture

LARGEST_BODY_BYTES = 64 * 1024
HTTP_WORDS = {
    404: ("there is nothing at this address", "start from the first page"),
    405: ("this address does not work that way", "see the API in the README"),
    413: ("the request is too large", "a press is a few bytes"),
    500: ("the dashboard made a mistake", "the log says more: `journalctl -u goatdev-dashboard`"),
}


def create_app(config: Config) -> Flask:
    """The dashboard of the station that this configuration describes."""
    app = Flask(__name__)
    app.config.update(GOATDEV=config, MAX_CONTENT_LENGTH=LARGEST_BODY_BYTES)
    app.json.sort_keys = False  # type: ignore[attr-defined]
    app.jinja_options = {"trim_blocks": True, "lstrip_blocks": True}
    for blueprint in (pages, api, watch, images, live):
        app.register_blueprint(blueprint)
    app.before_request(guard.refuse_unknown_host)
    app.before_request(guard.refuse_other_sites)
    app.after_request(guard.add_headers)
    app.teardown_appcontext(context.close_store)
    app.register_error_handler(Refusal, refused)
    app.register_error_handler(InputRefused, input_refused)
    app.register_error_handler(StoreError, store_failed)
    app.register_error_handler(DiskTrouble, store_failed)
    app.register_error_handler(HTTPException, http_failed)
    app.context_processor(template_names)
    app.template_filter("cm")(words.cm)
    app.template_filter("ratio")(words.ratio)
    app.template_filter("percent")(words.percent)
    app.template_filter("weight")(words.weight)
    app.template_filter("divided")(words.divided)
    app.template_filter("local")(local_time)
    app.template_filter("moment")(datetime.fromisoformat)
    app.template_filter("commands")(words.commands)
    return app


def template_names() -> dict[str, Any]:
    """What every template may use."""
    return {
        "station_id": context.config().station.id,
        "station_alive": context.station_is_alive(),
        "language": context.config().station.language,
        "max_age_s": context.config().station.max_age_s,
        "tag_read": context.tag_read(),
        "weight_unit": context.config().scale.typed_unit,
        "words": words,
        "correcting": correction_words,
        "worded": partial(correction_words.worded, context.config().station.language),
        "alarm": standing_alarm(),
        "image_url": queries.image_url,
        "sync_state_of": sync_state_of,
    }


def sync_state_of(capture: Capture) -> str | None:
    return Outbox(context.store()).state_of(capture.id)


def refused(error: Refusal) -> Response:
    return explain(error.status, error.message, error.hint)


def input_refused(error: InputRefused) -> Response:
    return explain(400, error.message, error.hint)


def store_failed(error: StoreError | DiskTrouble) -> Response:
    return explain(507 if isinstance(error, DiskFull) else 503, error.message, error.hint)


def http_failed(error: HTTPException) -> Response:
    """What Flask itself refuses, and our own mistakes."""
    status = error.code or 500
    message, hint = HTTP_WORDS.get(status, (error.description or error.name, ""))
    response = explain(status, message, hint)
    # `Allow` of a 405 and the like; the type and length are our own.
    for name, value in error.get_headers():
        if name not in ("Content-Type", "Content-Length"):
            response.headers[name] = value
    return response


def explain(status: int, message: str, hint: str) -> Response:
    """An error in the form its reader expects."""
    if request.path.startswith("/api/") or request.path in ("/health", "/metrics"):
        response = jsonify(error=message, hint=hint)
    elif not guard.is_home_host(request.headers.get("Host", "")):
        # Pages have links, and a name that is not answered has no addresses to link to.
        response = Response(f"{message}: {hint}\n", content_type="text/plain; charset=utf-8")
    else:
        response = make_response(render_template("error.html", message=message, hint=hint))
    response.status_code = status
    return response
