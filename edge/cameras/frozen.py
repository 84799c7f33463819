"""Notices a picture that a camera gave before: a driver or a camera that hangs goes on giving its last one.

The rule: two exposures of a camera are never the same JPEG, its application segments aside. A sensor's noise changes
some of its millions of pixels from one picture to the next, and with them the compressed bytes, also before a still
scene. Application segments are left out because some cameras and libraries write the time there, which goes on while
the picture stands. Only what has no noise at all is taken for frozen wrongly: the picture of a lens that is covered
altogether, or one that is white all over. There is nothing to measure in those either.
"""

from __future__ import annotations

import hashlib
from collections import deque

from edge.jpeg import APPLICATION, header

# Older pictures than these are no longer in any buffer.
REMEMBERED = 64


class Memory:
    """The pictures that one camera gave last."""

    def __init__(self) -> None:
        self.seen: deque[bytes] = deque(maxlen=REMEMBERED)

    def knows(self, jpeg: bytes) -> bool:
        """Whether the camera gave this picture before; it is remembered from now on."""
        picture = fingerprint(jpeg)
        known = picture in self.seen
        self.seen.append(picture)
        return known


def fingerprint(jpeg: bytes) -> bytes:
    """A hash of all of a JPEG but its application segments."""
    digest = hashlib.sha256()
    end = 0
    for segment in header(jpeg):
        if segment.marker not in APPLICATION:
            digest.update(jpeg[end : segment.end])
        end = segment.end
    digest.update(memoryview(jpeg)[end:])
    return digest.digest()
