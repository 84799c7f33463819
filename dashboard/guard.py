"""Who may ask, and what a browser may do with the answer."""

from __future__ import annotations

import re
from ipaddress import ip_address
from urllib.parse import urlsplit

from flask import Response, request

from dashboard.errors import Refusal

READING = ("GET", "HEAD", "OPTIONS")
HOME_NAME = re.compile(r"[a-z0-9_-]+|([a-z0-9_-]+\.)+(local|lan|home\.arpa)", re.ASCII)

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    # Not "no-referrer": with it browsers send `Origin: null` with our own forms.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def refuse_unknown_host() -> None:
    """A page elsewhere can point a name of its own at this machine; no such name is answered."""
    host = request.headers.get("Host", "")
    if not is_home_host(host):
        raise Refusal(
            400,
            "this station does not answer to that name",
            "use its IP address, localhost, a plain name, or one that ends in .local, .lan or .home.arpa",
        )


def is_home_host(host: str) -> bool:
    """Whether a Host header names a machine on this network rather than a site on the internet."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
        if "@" in host or urlsplit(f"//{host}").port == 0:
            return False
    except ValueError:
        return False
    return is_ip(name) or HOME_NAME.fullmatch(name.removesuffix(".")) is not None


def is_ip(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def refuse_other_sites() -> None:
    """Another site's page may link here; it may not press the button."""
    if request.method in READING:
        return
    asks_from = request.headers.get("Sec-Fetch-Site", "same-origin")
    origin = request.headers.get("Origin")
    own = origin is None or urlsplit(origin).netloc == request.headers.get("Host")
    if not own or asks_from not in ("same-origin", "none"):
        raise Refusal(403, "a page of another site asked for this", "open the station's own page")


def add_headers(response: Response) -> Response:
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers.setdefault("Cache-Control", "no-store")
    return response
