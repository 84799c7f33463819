"""How the station is: a page for people, /health for watchdogs, /metrics for Prometheus."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, render_template

from dashboard.context import config, store
from dashboard.metrics import exposition
from edge.health.check import FAIL, STATES, Check, worst
from edge.health.everything import all_checks

watch = Blueprint("watch", __name__)

Answer = tuple[dict[str, Any], int]


def checks() -> list[Check]:
    return all_checks(config(), store)


def http_status(found: list[Check]) -> int:
    return 503 if worst(found) == FAIL else 200


@watch.get("/station")
def page() -> str:
    """Every check, the worst first, with what to do; 200 whatever it says, for a person asked for it."""
    found = sorted(checks(), key=lambda check: -STATES.index(check.state))
    return render_template("health.html", checks=found, state=worst(found))


@watch.get("/health")
def short_health() -> Answer:
    """The same truth as /api/v1/health, for a load balancer or a watchdog."""
    found = checks()
    failing = [check.name for check in found if check.state == FAIL]
    return {"status": worst(found), "failing": failing}, http_status(found)


@watch.get("/metrics")
def metrics() -> Response:
    return Response(exposition(), content_type="text/plain; version=0.0.4; charset=utf-8")
