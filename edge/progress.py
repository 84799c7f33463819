"""How far a long command is, on one line of a terminal; silent where nobody looks."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

BETWEEN_S = 0.2


def progress(what: str) -> Callable[[int], Callable[[int], None]]:
    """Told how much there is, it gives back what is told how much has come."""

    def begin(total: int) -> Callable[[int], None]:
        come, shown_at = 0, 0.0

        def tell(more: int) -> None:
            nonlocal come, shown_at
            is_last = come < total <= come + more
            come += more
            if sys.stderr.isatty() and (is_last or time.monotonic() - shown_at > BETWEEN_S):
                shown_at = time.monotonic()
                share = min(1.0, come / max(1, total))
                print(f"\r{what} {share:4.0%}", end="\n" if is_last else "", file=sys.stderr, flush=True)

        return tell

    return begin
