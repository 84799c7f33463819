"""What the tag reader and the scale said lately, and which of it belongs to a capture."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import replace
from threading import Lock

from edge.advice import advise, translated
from edge.clock import read_clock, since_boot_s
from edge.devices.identity import read_tag
from edge.devices.joining import TagRead, Weighing, Window, tags_of, weight_of
from edge.devices.report import Devices
from edge.devices.sources import LONGEST_LINE_BYTES
from edge.devices.weights import read_scale
from edge.errors import InputRefused
from edge.records import Capture, Stamp
from edge.settings import ReaderConfig, ScaleConfig

# Ten weights a second for longer than any window; of a tag the newest reads are what matters.
KEPT = 2000
EMPTY = b"\x00\x02\x03\r\n\t "


class Heard:
    """The lines of reader and scale, from whatever thread and way; the station asks what belongs to a press."""

    def __init__(
        self,
        reader: ReaderConfig,
        scale: ScaleConfig,
        devices: Devices,
        language: str = "en",
        clock: Callable[[], Stamp] = read_clock,
    ) -> None:
        self.scale, self.devices, self.language = scale, devices, language
        self.clock = clock
        self.tag_window = Window(reader.max_age_s, reader.after_s)
        self.weight_window = Window(scale.max_age_s, scale.max_age_s)
        self.tags: deque[TagRead] = deque(maxlen=KEPT)
        self.weighings: deque[Weighing] = deque(maxlen=KEPT)
        self.lock = Lock()
        # tag -> the capture at whose press it was read, and until when what is read of it belongs to that press
        self.used: dict[str, tuple[str, float]] = {}

    def hear(self, device: str, line: bytes, at_s: float | None = None) -> None:
        """Take one line of the "reader" or the "scale"; one that cannot be understood is shown, never guessed at.

        at_s  when it came, seconds since the boot; now, where nothing is said
        """
        if not line.strip(EMPTY):
            return
        at_s = since_boot_s() if at_s is None else at_s
        try:
            if len(line) > LONGEST_LINE_BYTES:
                raise InputRefused(f"a line of {len(line)} bytes is noise", "send one line at a time")
            if device == "reader":
                self.hear_tag(TagRead(read_tag(line), at_s))
            else:
                self.hear_weight(Weighing(read_scale(line, self.scale.unit), at_s))
        except InputRefused as refusal:
            self.devices.refused(device, refusal)

    def hear_message(self, device: str, topic: str, payload: bytes, retained: bool) -> None:
        """The same for an MQTT message; one that was retained is not said now."""
        if not retained:
            self.hear(device, payload)

    def hear_tag(self, read: TagRead) -> None:
        with self.lock:
            self.tags.append(read)
        self.devices.said("reader", read.tag, read.at_s)

    def hear_weight(self, weighing: Weighing) -> None:
        with self.lock:
            self.weighings.append(weighing)
        self.devices.said("scale", "", weighing.at_s)

    def join(self, capture: Capture) -> Capture:
        """The capture with the tag and the weight that belong to its press; what people said stays as it is."""
        pressed_s = capture.trigger.since_boot_s(self.clock())
        with self.lock:
            tags, weighings = list(self.tags), list(self.weighings)
        if capture.weight is None:
            capture = replace(capture, weight=weight_of(weighings, pressed_s, self.weight_window))
        used_until_s = {tag: until_s for tag, (user, until_s) in self.used.items() if user != capture.id}
        found = tags_of(tags, pressed_s, self.tag_window, used_until_s)
        self.used |= {tag: (capture.id, self.tag_window.end_s(pressed_s)) for tag in found}
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
        return 0 <= capture.trigger.age_s(self.clock()) <= waits_s
