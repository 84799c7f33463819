"""Each button of the barn, as its messages were recorded: which are a press, and which are none."""

from __future__ import annotations

import json
import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge.mqtt.buttons import LARGEST_BYTES, READERS, Button, NoPress, Press, read_message
from edge.settings import PRESS_ACTIONS, ButtonConfig

RPC = (
    b'{"src":"shellyplusi4-083af27b5a3c","dst":"shellyplusi4-083af27b5a3c/events","method":"NotifyEvent","params":'
    b'{"ts":%s,"events":[{"component":"input:%d","id":%d,"event":"%s","ts":%s}]}}'
)


def rpc(event: bytes, ts: bytes = b"124.0", number: int = 0) -> bytes:
    return RPC % (ts, number, number, event, ts)


# kind -> messages of one press, each by itself
PRESSED = {
    "zigbee2mqtt": [
        b'{"action":"single"}',
        b'{"action":"single","battery":97,"linkquality":120,"voltage":3000}',
    ],
    "shelly1": [b'{"event":"S","event_cnt":2}'],
    "shelly2": [rpc(b"single_push")],
    "tasmota": [b'{"Button1":{"Action":"SINGLE"}}', b'{"ACTION":"SINGLE"}'],
    "esphome": [b"ON"],
    "plain": [
        b"",
        b"press",
        b"PRESS",
        b"1",
        b"ON",
        b"press\n",
        b'{"goat_id":"Heidi"}',
        b'{"request_id":"8c5e5f3e"}',
        b'{"goat_id":"Heidi","request_id":"8c5e5f3e","from":"a phone"}',
        b'{"goat_id":null}',
    ],
}
# kind -> what else the same device says on the same topic
OTHER = {
    "zigbee2mqtt": [
        b'{"action":""}',
        b'{"action":null,"battery":97}',
        b'{"action":"double"}',
        b'{"action":"hold"}',
        b'{"action":"release"}',
        b'{"battery":97,"linkquality":120}',
        b'{"update":{"state":"idle"}}',
    ],
    "shelly1": [
        b'{"event":"","event_cnt":2}',
        b'{"event":"SS","event_cnt":3}',
        b'{"event":"SSS","event_cnt":4}',
        b'{"event":"L","event_cnt":5}',
    ],
    "shelly2": [
        rpc(b"btn_down"),
        rpc(b"btn_up"),
        rpc(b"double_push"),
        rpc(b"long_push"),
        b'{"src":"x","method":"NotifyStatus","params":{"ts":1.0,"input:0":{"id":0,"state":false}}}',
        b'{"src":"x","method":"NotifyFullStatus","params":{"ts":1.0,"events":[{"event":"single_push"}]}}',
    ],
    "tasmota": [
        b'{"Button1":{"Action":"DOUBLE"}}',
        b'{"Button1":{"Action":"HOLD"}}',
        b'{"ACTION":"HOLD"}',
        b'{"POWER":"ON"}',
        b'{"SetOption73":"ON"}',
    ],
    "esphome": [b"OFF", b"online", b""],
    "plain": [b"0", b"OFF", b"presss", b"{}", b'{"battery":97}', b'{"goat_id":840003123456789}', b"press\0"],
}
UNREADABLE = [
    b"\xff\xfe",
    b"\x00",
    b"null",
    b"[]",
    b'"single"',
    b"{",
    b'{"action":',
    b'{"action":["single"]}',
    b'{"event":{"S":1}}',
    b'{"method":"NotifyEvent","params":[]}',
    b'{"method":"NotifyEvent","params":{"events":{}}}',
    b'{"method":"NotifyEvent","params":{"events":["single_push"]}}',
    b'{"Button1":"SINGLE"}',
    '{"action":"single"}'.encode("utf-16"),
    b"[" * 60_000,
    b'{"action":"single","x":' + b"1" * 60_000 + b"}",
    b'{"action":"single","x":"' + b"x" * LARGEST_BYTES + b'"}',
]


def configured(kind: str, **more) -> ButtonConfig:
    return ButtonConfig(kind, "barn/button", **more)


def presses(kind: str, *messages: tuple[float, bytes], debounce_s: float = 2.0, **more) -> int:
    """How many of these messages, at these seconds, are taken as presses."""
    button = Button(configured(kind, **more), debounce_s)
    taken = 0
    for now_s, payload in messages:
        if isinstance(button.heard(payload, now_s), Press):
            button.accepted(now_s)
            taken += 1
    return taken


def test_there_is_a_reader_for_every_kind_that_can_be_configured() -> None:
    assert READERS.keys() == PRESS_ACTIONS.keys() == PRESSED.keys()


@pytest.mark.parametrize(("kind", "payload"), [(kind, one) for kind in PRESSED for one in PRESSED[kind]])
def test_a_press_is_one_press(kind: str, payload: bytes) -> None:
    assert isinstance(read_message(configured(kind), payload), Press)


@pytest.mark.parametrize(("kind", "payload"), [(kind, one) for kind in OTHER for one in OTHER[kind]])
def test_what_else_a_button_says_is_no_press(kind: str, payload: bytes) -> None:
    said = read_message(configured(kind), payload)
    assert isinstance(said, NoPress)
    assert said.why


@pytest.mark.parametrize("kind", READERS)
def test_what_cannot_be_read_is_no_press(kind: str) -> None:
    for payload in UNREADABLE:
        assert isinstance(read_message(configured(kind), payload), NoPress), payload[:60]


@settings(deadline=None)
@given(kind=st.sampled_from(sorted(READERS)), payload=st.binary(max_size=200))
def test_no_bytes_whatever_end_in_a_traceback(kind: str, payload: bytes) -> None:
    read_message(configured(kind), payload)


KNOWN_KEYS = [
    "action",
    "event",
    "event_cnt",
    "method",
    "params",
    "events",
    "component",
    "ts",
    "Button1",
    "Action",
]
KEYS = st.sampled_from([*KNOWN_KEYS, "ACTION", "goat_id", "request_id", "last_seen"])
VALUES = st.recursive(
    st.sampled_from(["single", "S", "NotifyEvent", "single_push", "SINGLE", "input:0"])
    | st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=5,
)
# The machine may be busy with something else.
PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


@PATIENT
@given(kind=st.sampled_from(sorted(READERS)), message=st.dictionaries(KEYS, VALUES, max_size=5))
def test_no_json_whatever_ends_in_a_traceback(kind: str, message: dict) -> None:
    button = Button(configured(kind), debounce_s=2.0)
    said = button.heard(json.dumps(message).encode(), 0.0)
    if isinstance(said, Press):
        assert all(one is None or isinstance(one, str) for one in (said.goat_id, said.request_id))


def test_other_actions_press_where_they_are_configured() -> None:
    double = configured("zigbee2mqtt", actions=("double", "hold"))
    assert isinstance(read_message(double, b'{"action":"double"}'), Press)
    assert isinstance(read_message(double, b'{"action":"single"}'), NoPress)
    attribute = configured("plain", actions=("single",))
    assert isinstance(read_message(attribute, b"single"), Press)
    assert isinstance(read_message(attribute, b""), NoPress)


def test_one_button_of_several_in_a_box_presses_where_it_is_named() -> None:
    second = configured("shelly2", component="input:1")
    assert isinstance(read_message(second, rpc(b"single_push", number=1)), Press)
    assert isinstance(read_message(second, rpc(b"single_push", number=0)), NoPress)
    left = configured("tasmota", component="Button2")
    assert isinstance(read_message(left, b'{"Button2":{"Action":"SINGLE"}}'), Press)
    assert isinstance(read_message(left, b'{"Button1":{"Action":"SINGLE"}}'), NoPress)
    assert isinstance(read_message(left, b'{"ACTION":"SINGLE"}'), NoPress)


@pytest.mark.parametrize(
    ("kind", "one", "other"),
    [
        ("shelly1", b'{"event":"S","event_cnt":2}', b'{"event":"S","event_cnt":3}'),
        ("shelly2", rpc(b"single_push", b"124.0"), rpc(b"single_push", b"131.5")),
        (
            "zigbee2mqtt",
            b'{"action":"single","last_seen":"2026-11-21T14:05:06.789Z"}',
            b'{"action":"single","last_seen":"2026-11-21T14:05:16.789Z"}',
        ),
    ],
)
def test_a_message_that_comes_twice_is_one_press_however_late(kind: str, one: bytes, other: bytes) -> None:
    assert presses(kind, (0, one), (100, one), (101, other), (110, one), (111, other)) == 2


def test_a_device_that_counts_anew_is_heard_again() -> None:
    first = b'{"event":"S","event_cnt":1}'
    assert presses("shelly1", (0, first), (3600, first)) == 2


def test_a_device_that_repeats_its_last_state_for_hours_presses_once() -> None:
    last = b'{"event":"S","event_cnt":1}'
    assert presses("shelly1", *((30.0 * number, last) for number in range(500))) == 1


def test_a_state_is_a_press_only_when_it_changes() -> None:
    assert presses("esphome", (0, b"ON"), (5, b"ON"), (6, b"OFF"), (7, b"ON"), (8, b"OFF")) == 2


@pytest.mark.parametrize("kind", ["zigbee2mqtt", "tasmota", "plain"])
def test_a_button_is_deaf_for_a_moment_after_a_press(kind: str) -> None:
    payload = PRESSED[kind][0]
    assert presses(kind, (0, payload), (0.3, payload), (1.9, payload), (2.1, payload)) == 2
    assert presses(kind, (0, payload), (0.3, payload), debounce_s=0.0) == 2


def test_a_button_that_was_told_to_wait_is_not_deaf() -> None:
    button = Button(configured("zigbee2mqtt"), debounce_s=2.0)
    assert isinstance(button.heard(b'{"action":"single"}', 0.0), Press)
    assert isinstance(button.heard(b'{"action":"single"}', 0.5), Press)


def test_requests_that_are_named_are_told_apart_by_their_names() -> None:
    assert presses("plain", (0, b'{"request_id":"a"}'), (0.1, b'{"request_id":"b"}'), (0.2, b"press")) == 2


def test_a_flood_of_messages_takes_no_memory() -> None:
    button = Button(configured("shelly1"), debounce_s=0.0)
    for number in range(5000):
        button.heard(b'{"event":"S","event_cnt":"%s"}' % (b"%d" % number * 100), 0.0)
    assert sum(map(sys.getsizeof, button.seen)) < 10_000
