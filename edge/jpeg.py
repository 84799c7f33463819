"""The outside of a JPEG: its segments, and where it ends. What is in the picture is for `images` to say."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

BEGIN, END = b"\xff\xd8", b"\xff\xd9"
SCAN = 0xDA
APPLICATION = range(0xE0, 0xF0)


@dataclass(frozen=True, slots=True)
class Segment:
    """Bytes from `start` to before `end`."""

    marker: int
    start: int
    end: int


def header(content: bytes) -> Iterator[Segment]:
    """The segments of a JPEG up to the first that holds picture data; none where it is no JPEG."""
    start = 2 if content.startswith(BEGIN) else len(content)
    while start + 4 <= len(content) and content[start] == 0xFF:
        if content[start + 1] == 0xFF:  # any marker may be padded so
            start += 1
            continue
        end = start + 2 + int.from_bytes(content[start + 2 : start + 4], "big")
        yield Segment(content[start + 1], start, end)
        if content[start + 1] == SCAN:
            return
        start = end


def whole(content: bytes) -> bytes | None:
    """A JPEG without what a camera or driver left behind it; None where it is not there from begin to end."""
    scan = next((segment for segment in header(content) if segment.marker == SCAN), None)
    if scan is None:
        return None
    # In picture data FF is followed by 00, so that no end can be found too soon.
    end = content.find(END, scan.end)
    return content[: end + 2] if end >= 0 else None


def with_comment(content: bytes, comment: bytes) -> bytes:
    """The same picture with some bytes that no reader looks at."""
    return content[:2] + b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment + content[2:]
