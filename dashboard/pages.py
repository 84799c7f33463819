"""The pages: all of them work without JavaScript."""

from __future__ import annotations

from uuid import uuid4

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from dashboard.context import config, store
from dashboard.inputs import (
    before_of,
    correction_typed,
    label_typed,
    limit_of,
    weight_in_form,
    withdrawal_typed,
)
from dashboard.queries import ask_again, capture_or_404, captures_page, correct, goat_or_404, label, pin
from edge.pressing import press as press_button
from edge.records import Capture, Trigger
from edge.triggers import new_trigger

pages = Blueprint("pages", __name__)

RECENT = 8


@pages.get("/")
def measure() -> str:
    recent, older = captures_page(store(), RECENT)
    latest = recent[0] if recent else None
    return render_template(
        "measure.html", capture=latest, captures=recent, older=older, request_id=str(uuid4())
    )


@pages.post("/captures")
def press() -> Response:
    """The button as a plain form. A double tap gives one capture."""
    goat_id, weight = request.form.get("goat_id"), weight_in_form()
    capture = pressed(new_trigger("dashboard", goat_id, request.form.get("request_id"), weight))
    if not capture.is_unfinished:
        # Not a double tap: the browser went back to an old form.
        capture = pressed(new_trigger("dashboard", goat_id, weight=weight))
    return redirect(url_for(".capture", capture_id=capture.id), 303)


def pressed(trigger: Trigger) -> Capture:
    return press_button(store(), config(), trigger)


@pages.get("/captures/<capture_id>")
def capture(capture_id: str) -> str:
    found = capture_or_404(store(), capture_id)
    return render_template("capture.html", capture=found, unfinished=found.is_unfinished)


@pages.get("/captures/<capture_id>/fragment")
def fragment(capture_id: str) -> str:
    """The result alone, for a page that is already open."""
    return render_template("_result.html", capture=capture_or_404(store(), capture_id))


@pages.post("/captures/<capture_id>/label")
def label_capture(capture_id: str) -> Response:
    """Say later which goat it was or what it weighed."""
    label(store(), capture_id, label_typed())
    return redirect(url_for(".capture", capture_id=capture_id), 303)


@pages.post("/captures/<capture_id>/process")
def process(capture_id: str) -> Response:
    """Measure the stored pictures again, with what the form says of the goat."""
    said = label_typed()
    if said.weight is not None:
        label(store(), capture_id, said)
    ask_again(store(), capture_id, said.goat_id)
    return redirect(url_for(".capture", capture_id=capture_id), 303)


@pages.post("/captures/<capture_id>/corrections")
def correct_trait(capture_id: str) -> Response:
    """Say what a trait really is."""
    correct(store(), capture_id, correction_typed())
    return redirect(url_for(".capture", capture_id=capture_id, _anchor="corrections"), 303)


@pages.post("/captures/<capture_id>/corrections/withdraw")
def withdraw_correction(capture_id: str) -> Response:
    """Take back what was said of a trait."""
    correct(store(), capture_id, withdrawal_typed())
    return redirect(url_for(".capture", capture_id=capture_id, _anchor="corrections"), 303)


@pages.get("/history")
def history() -> str:
    found, older = page_asked_for()
    return render_template("history.html", captures=found, older=older)


@pages.get("/history/fragment")
def recent() -> str:
    """The newest captures alone, for a page that is already open."""
    found, older = captures_page(store(), RECENT)
    return render_template("_recent.html", captures=found, older=older)


@pages.get("/goats")
def goats() -> str:
    return render_template("goats.html", goats=store().goats())


@pages.get("/goats/<path:goat_id>")
def goat(goat_id: str) -> str:
    known = goat_or_404(store(), goat_id)
    found, older = page_asked_for(goat_id)
    return render_template("goat.html", goat=known, captures=found, older=older)


@pages.post("/goats/<path:goat_id>/pin")
def pin_goat(goat_id: str) -> Response:
    """Keep a goat's pictures for ever, or with `unpin` in the form no longer."""
    pin(store(), goat_id, "unpin" not in request.form, request.form.get("author"))
    return redirect(url_for(".goat", goat_id=goat_id), 303)


@pages.get("/station/fragment")
def station() -> str:
    """Whether the station runs, for a page that stays open for days."""
    return render_template("_station.html")


def page_asked_for(goat_id: str | None = None) -> tuple[list[Capture], str | None]:
    limit, before = limit_of(request.args.get("limit"), 25), before_of(request.args.get("before"))
    return captures_page(store(), limit, before, goat_id)
