"""What a visitor is told when a request cannot be served."""

from __future__ import annotations

from edge.errors import StationError


class Refusal(StationError):
    """A request that is not served as it is: the HTTP status, what is wrong, what to do."""

    def __init__(self, status: int, message: str, hint: str = "") -> None:
        super().__init__(message, hint)
        self.status = status
