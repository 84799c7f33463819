"""`python -m dashboard`: serve the pages until told to stop."""

from __future__ import annotations

import argparse
import errno
import logging
import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import Any

from waitress import wasyncore  # type: ignore[import-untyped]
from waitress.server import create_server  # type: ignore[import-untyped]

from dashboard.app import create_app
from dashboard.pulse import Pulse
from edge.config import Config, find_config, load_config
from edge.errors import StationError
from edge.keeping.opening import refuse_newer
from edge.settings import DashboardConfig
from edge.systemd import Supervisor

THREADS = 8
# One turn of the loop takes so long where nothing happens.
TURN_S = 1.0

log = logging.getLogger("dashboard")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="goatdev dashboard", description="Serve the pages and the HTTP API."
    )
    parser.add_argument("--config", metavar="FILE", help="the station's configuration")
    given = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s")
    # That a request waited a moment for a free thread is nothing an operator can act on.
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    try:
        serve(load_config(find_config(given.config)))
    except StationError as error:
        print(f"{error.message}\n  {error.hint}".rstrip(), file=sys.stderr)
        return error.exit_code
    return 0


def serve(config: Config) -> None:
    """Answer until SIGTERM or SIGINT. Whatever else is wrong with the database, the health page tells it."""
    refuse_newer(config.database_path)
    sockets: dict[int, Any] = {}
    try:
        server = listen(config, sockets)
        # Both by name: a shell hands SIGINT to what it starts in the background as one to be ignored.
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, stop)
        where = f"http://{address(config.dashboard.host)}:{config.dashboard.port}"
        log.info("%s", where)
        answer(server, sockets, where)
    finally:
        wasyncore.close_all(sockets)


def answer(server: Any, sockets: dict[int, Any], where: str) -> None:
    """The server's loop, with its pulse felt in every turn. Returns at SystemExit, after the answers under way."""
    supervisor = Supervisor()
    supervisor.ready(where)
    pulse = Pulse(sockets, supervisor.alive, supervisor.every_s)
    turn_s = min(TURN_S, supervisor.every_s or TURN_S)
    try:
        while sockets:
            if supervisor.every_s:
                pulse.ask_if_due()
            wasyncore.loop(timeout=turn_s, map=sockets, use_poll=True, count=1)
    except (SystemExit, KeyboardInterrupt):
        supervisor.stopping()
        server.task_dispatcher.shutdown()


def listen(config: Config, sockets: dict[int, Any]) -> Any:
    """The server, already bound to its port; every socket it opens is entered in `sockets`."""
    where = config.dashboard
    app = create_app(config)
    try:
        return create_server(
            app, map=sockets, host=where.host, port=where.port, threads=THREADS, ident="goatdev"
        )
    except OSError as error:
        raise cannot_listen(where, error) from error


def cannot_listen(where: DashboardConfig, error: OSError) -> StationError:
    if error.errno == errno.EADDRINUSE:
        return StationError(
            f"port {where.port} is in use",
            "stop what uses it, or set another [dashboard] port",
        )
    why = error.strerror or str(error)
    return StationError(
        f"cannot listen on {where.host} port {where.port}: {why}", "check [dashboard] host and port"
    )


def address(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def stop(_signal: int, _frame: FrameType | None) -> None:
    raise SystemExit(0)


if __name__ == "__main__":
    sys.exit(main())
