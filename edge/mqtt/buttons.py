"""Which messages of which buttons are a press. Nothing that arrives is trusted: what cannot be read is no press."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from edge.settings import ButtonConfig

# The longest message that any of these devices sends is a hundredth of this.
LARGEST_BYTES = 64 * 1024
# A message that comes again is told by its mark. Devices count anew when they start, so no mark is kept for ever;
# those that repeat their last state do so every half minute or so, and each repetition keeps its mark alive.
REMEMBERED_S = 600.0
MOST_REMEMBERED = 50
LONGEST_MARK = 60


@dataclass(frozen=True, slots=True)
class Press:
    """Somebody pressed.

    mark        what the message of another press of this button would not have: a count, a time; "" for none
    goat_id     as it came, unchecked
    request_id  as it came, unchecked
    """

    mark: str = ""
    goat_id: str | None = None
    request_id: str | None = None


@dataclass(frozen=True, slots=True)
class NoPress:
    """Anything else, and why; `released` where it says that the button is up."""

    why: str
    released: bool = False


def read_message(button: ButtonConfig, payload: bytes) -> Press | NoPress:
    """What one message of a button says."""
    if len(payload) > LARGEST_BYTES:
        return NoPress(f"{len(payload)} bytes are too many")
    try:
        text = payload.decode("utf-8").strip()
    except UnicodeDecodeError:
        return NoPress("not UTF-8")
    return READERS[button.kind](button, text)


def zigbee2mqtt(button: ButtonConfig, text: str) -> Press | NoPress:
    """`{"action":"single"}`; older versions follow with an empty one, and battery reports have none."""
    message = json_object(text)
    if not is_press(button, message.get("action")):
        return NoPress("no such action")
    return Press(mark_of(message.get("last_seen")))


def shelly1(button: ButtonConfig, text: str) -> Press | NoPress:
    """`{"event":"S","event_cnt":2}`."""
    message = json_object(text)
    if not is_press(button, message.get("event")):
        return NoPress("no such event")
    return Press(mark_of(message.get("event_cnt")))


def shelly2(button: ButtonConfig, text: str) -> Press | NoPress:
    """A notification that may hold several events; status reports come on the same topic."""
    message = json_object(text)
    params = message.get("params")
    events = params.get("events") if isinstance(params, dict) else None
    if message.get("method") != "NotifyEvent" or not isinstance(events, list):
        return NoPress("not an event")
    for event in events:
        if isinstance(event, dict) and is_press(button, event.get("event")):
            component = event.get("component")
            if component == (button.component or component):
                at = mark_of(event.get("ts"))
                return Press(f"{component} {at}" if at else "")
    return NoPress("no such event")


def tasmota(button: ButtonConfig, text: str) -> Press | NoPress:
    """`{"Button1":{"Action":"SINGLE"}}` or `{"ACTION":"SINGLE"}`."""
    message = json_object(text)
    for name, part in message.items():
        wanted = not button.component or name == button.component
        if wanted and isinstance(part, dict) and is_press(button, part.get("Action")):
            return Press()
    if not button.component and is_press(button, message.get("ACTION")):
        return Press()
    return NoPress("no such action")


def esphome(button: ButtonConfig, text: str) -> Press | NoPress:
    """A state, not an event: ON is a press only if the button was up before."""
    if is_press(button, text):
        return Press(mark="down")
    return NoPress("not pressed", released=True)


def plain(button: ButtonConfig, text: str) -> Press | NoPress:
    """A word, or JSON that names the goat or the request."""
    if is_press(button, text):
        return Press()
    message = json_object(text)
    if not message.keys() & {"goat_id", "request_id"}:
        return NoPress("neither a word for a press nor a request")
    given = (message.get("goat_id"), message.get("request_id"))
    if not all(one is None or isinstance(one, str) for one in given):
        return NoPress("goat_id and request_id are texts")
    goat_id, request_id = given
    return Press(goat_id=goat_id, request_id=request_id)


READERS: Mapping[str, Callable[[ButtonConfig, str], Press | NoPress]] = {
    "zigbee2mqtt": zigbee2mqtt,
    "shelly1": shelly1,
    "shelly2": shelly2,
    "tasmota": tasmota,
    "esphome": esphome,
    "plain": plain,
}


def is_press(button: ButtonConfig, action: Any) -> bool:
    return isinstance(action, str) and action.lower() in button.presses


def mark_of(value: Any) -> str:
    """A count or a time as text; "" for anything else."""
    known = isinstance(value, (int, float, str)) and not isinstance(value, bool)
    return str(value)[:LONGEST_MARK] if known else ""


def json_object(text: str) -> dict[str, Any]:
    """The JSON object that a text holds; an empty one for anything else."""
    try:
        message = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return message if isinstance(message, dict) else {}


@dataclass(slots=True)
class Button:
    """One button as it was heard so far: contacts bounce, a network may bring a message twice. Times are monotonic."""

    config: ButtonConfig
    debounce_s: float
    seen: dict[str, float] = field(default_factory=dict)
    deaf_until: float = 0.0

    def heard(self, payload: bytes, now_s: float) -> Press | NoPress:
        """A press, if this message is a new one."""
        message = read_message(self.config, payload)
        if isinstance(message, NoPress):
            if message.released:
                self.seen.clear()
            return message
        if self.is_repeated(message.mark, now_s):
            return NoPress("this press was heard before")
        # Who names a request knows that it is another one.
        if message.request_id is None and now_s < self.deaf_until:
            return NoPress("too soon after the press before")
        return message

    def accepted(self, now_s: float) -> None:
        """Be deaf for a while. A press that was answered "busy" does not: somebody waits to press again."""
        self.deaf_until = now_s + self.debounce_s

    def is_repeated(self, mark: str, now_s: float) -> bool:
        known = now_s < self.seen.pop(mark, 0.0)
        if mark:
            newest = list(self.seen.items())[1 - MOST_REMEMBERED :]
            self.seen = {**dict(newest), mark: now_s + REMEMBERED_S}
        return known
