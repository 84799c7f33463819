"""The dashboard asks itself as a browser would; as long as answers come, systemd is told that it is alive.

Asking and answering go through the server's own loop, its threads and the application, so that whatever hangs there is
noticed. Nothing here has a thread of its own.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from typing import Any

from waitress import wasyncore  # type: ignore[import-untyped]

QUESTION = b"GET /health HTTP/1.0\r\nHost: localhost\r\n\r\n"
ANSWER = b"HTTP/1."
# Who listens on all addresses is asked on this machine's own.
EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}


class Pulse:
    """Asks the server whose sockets these are; `answered` is called for each answer, whatever it says.

    Also "something is not well here" comes from one that lives.

    every_s  seconds from one question to the next, whether or not it was answered
    """

    def __init__(self, sockets: dict[int, Any], answered: Callable[[], None], every_s: float) -> None:
        self.sockets = sockets
        self.answered = answered
        self.every_s = every_s
        self.question: Question | None = None
        self.asked_at = -float("inf")

    def ask_if_due(self) -> None:
        """Called in every turn of the server's loop."""
        if time.monotonic() - self.asked_at >= self.every_s:
            self.asked_at = time.monotonic()
            if self.question is not None:
                self.question.close()
            self.question = Question(self.sockets, self.answered)


class Question(wasyncore.dispatcher):  # type: ignore[misc]
    """One request to this very server."""

    def __init__(self, sockets: dict[int, Any], answered: Callable[[], None]) -> None:
        listener = next(one.socket for one in sockets.values() if one.accepting)
        host, *rest = listener.getsockname()
        line = socket.socket(listener.family, socket.SOCK_STREAM)
        line.setblocking(False)
        # Without waiting: that the line stands, or that nobody takes it, shows when it is written to.
        line.connect_ex((EVERYWHERE.get(host, host), *rest))
        super().__init__(line, sockets)
        self.answered = answered
        self.unsent = QUESTION

    def readable(self) -> bool:
        return not self.unsent

    def writable(self) -> bool:
        return bool(self.unsent)

    def handle_write(self) -> None:
        self.unsent = self.unsent[self.send(self.unsent) :]

    def handle_read(self) -> None:
        if self.recv(len(ANSWER)).startswith(ANSWER):
            self.answered()
        self.close()

    def handle_close(self) -> None:
        self.close()

    def handle_error(self) -> None:
        """No answer is what there is to tell, and silence tells it."""
        self.close()
