"""What the tag reader and the scale said lately, and which of it belongs to a capture."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from datetime import datetime, timedelta
from threading import Lock

from edge.advice import advise, translated
from edge.devices.identity import read_tag
from edge.devices.joining import TagRead, Weighing, Window, tags_of, weight_of
from edge.devices.report import Devices
from edge.devices.sources import LONGEST_LINE_BYTES
from edge.devices.weights import read_scale
from edge.errors import InputRefused
from edge.records import Capture, utc_now
from edge.settings import ReaderConfig, ScaleConfig

# Ten weights a second for longer than any window; of a tag the newest reads are what matters.
KEPT = 2000
EMPTY = b"\x00\x02\x03\r\n\t "


class Heard:
    """The lines of reader and scale, from whatever thread and way; the station asks what belongs to a press."""

    def __init__(
        self, reader: ReaderConfig, scale: ScaleConfig, devices: Devices, language: str = "en"
    ) -> None:
        self.scale, self.devices, self.language = scale, devices, language
        self.tag_window = Window(reader.max_age_s, reader.after_s)
        self.weight_window = Window(scale.max_age_s, scale.max_age_s)
        self.tags: deque[TagRead] = deque(maxlen=KEPT)
        self.weighings: deque[Weighing] = deque(maxlen=KEPT)
        self.lock = Lock()
        # tag -> the capture at whose press it was read, and until when what is read of it belongs to that press
        self.used: dict[str, tuple[str, datetime]] = {}

    def hear(self, device: str, line: bytes, at: datetime | None = None) -> None:
        """Take one line of the "reader" or the "scale"; one that cannot be understood is shown, never guessed at."""
        if not line.strip(EMPTY):
            return
        at = at or utc_now()
        try:
            if len(line) > LONGEST_LINE_BYTES:
                raise InputRefused(f"a line of {len(line)} bytes is noise", "send one line at a time")
            if device == "reader":
                self.hear_tag(TagRead(read_tag(line), at))
            else:
                self.hear_weight(Weighing(read_scale(line, self.scale.unit), at))
        except InputRefused as refusal:
            self.devices.refused(device, refusal)

    def hear_message(self, device: str, topic: str, payload: bytes, retained: bool) -> None:
        """The same for an MQTT message; one that was retained is not said now."""
        if not retained:
            self.hear(device, payload)

    def hear_tag(self, read: TagRead) -> None:
        with self.lock:
            self.tags.append(read)
        self.devices.said("reader", read.tag, read.at)

    def hear_weight(self, weighing: Weighing) -> None:
        with self.lock:
            self.weighings.append(weighing)
        self.devices.said("scale", "", weighing.at)

    def join(self, capture: Capture) -> Capture:
        """The capture with the tag and the weight that belong to its press; what people said stays as it is."""
        pressed_at = capture.trigger.requested_at
        with self.lock:
            tags, weighings = list(self.tags), list(self.weighings)
        if capture.weight is None:
            capture = replace(capture, weight=weight_of(weighings, pressed_at, self.weight_window))
        used_until = {tag: until for tag, (user, until) in self.used.items() if user != capture.id}
        found = tags_of(tags, pressed_at, self.tag_window, used_until)
        self.used |= {tag: (capture.id, self.tag_window.end(pressed_at)) for tag in found}
        return capture if capture.is_named_by_people else self.with_tags(capture, found)

    def with_tags(self, capture: Capture, tags: tuple[str, ...]) -> Capture:
        """Named by one tag; with two it has no name, and a note that says so."""
        if len(tags) > 1:
            note = translated(advise("two_tags", None, tags=", ".join(sorted(tags))), self.language)
            return capture.unnamed(note.text)
        return capture.named(tags[0], "reader") if tags else capture

    def still_comes(self, capture: Capture) -> bool:
        """Whether a tag or a weight that is heard now may belong to a press."""
        waits_s = max(self.tag_window.after_s, self.weight_window.after_s)
        age = utc_now() - capture.trigger.requested_at
        return timedelta(0) <= age <= timedelta(seconds=waits_s)
