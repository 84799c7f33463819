"""What a service tells systemd: that it is ready, what it is doing, and that it still moves. Silent elsewhere."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import suppress

# After each of these at the latest a loop that moves says so: what comes then may take nearly the whole limit.
LONGEST_SILENCE_S = 5.0


class Supervisor:
    """systemd as a service sees it; where there is none, nobody hears.

    The watchdog is fed by `alive`, which is called from the loop that does the work and from nowhere else: a loop
    that hangs is then noticed, and systemd starts the service again.
    """

    def __init__(
        self, environ: Mapping[str, str] = os.environ, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.address = environ.get("NOTIFY_SOCKET", "")
        self.clock = clock
        self.every_s = min(watchdog_s(environ) / 2, LONGEST_SILENCE_S)
        self.fed_at = -float("inf")
        self.doing = ""

    def ready(self, doing: str) -> None:
        """The service does from now on what it is for."""
        self.doing = doing
        self.send("READY=1", f"STATUS={doing}")
        self.alive()

    def status(self, doing: str) -> None:
        """What `systemctl status` shows; said again only where it changed."""
        if doing != self.doing:
            self.doing = doing
            self.send(f"STATUS={doing}")

    def stopping(self) -> None:
        self.send("STOPPING=1", "STATUS=ending")

    def alive(self) -> None:
        """The loop moves. Called often; told at least twice within the limit."""
        # A little early: who comes by exactly so often must not be passed over every other time.
        if self.every_s and self.clock() - self.fed_at >= 0.9 * self.every_s:
            self.fed_at = self.clock()
            self.send("WATCHDOG=1")

    def send(self, *lines: str) -> None:
        """One datagram. A supervisor that does not listen is no reason to stop measuring."""
        if self.address:
            # An address that begins with @ lies in no folder.
            place = self.address.replace("@", "\0", 1) if self.address.startswith("@") else self.address
            with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
                line.setblocking(False)
                line.sendto("\n".join(lines).encode(), place)


def watchdog_s(environ: Mapping[str, str]) -> float:
    """After how many seconds of silence systemd ends this process; 0 where it does not."""
    meant_for = environ.get("WATCHDOG_PID", "")
    if meant_for and meant_for != str(os.getpid()):
        return 0.0
    microseconds = environ.get("WATCHDOG_USEC", "")
    return int(microseconds) / 1e6 if microseconds.isdecimal() else 0.0
