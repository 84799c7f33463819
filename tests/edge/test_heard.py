"""What reader and scale say reaches the captures that it belongs to, and the page; what people said stays."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from edge.clock import since_boot_s
from edge.devices.heard import Heard
from edge.devices.report import Device, Devices, read_devices
from edge.records import Capture, Status, Weight
from edge.settings import ReaderConfig, ScaleConfig
from edge.triggers import new_trigger

HEIDI, FLORA = "982000001088420", "840003123456789"


@pytest.fixture
def heard(tmp_path: Path) -> Heard:
    devices = Devices(tmp_path / "devices.json", ("reader", "scale"))
    return Heard(ReaderConfig(), ScaleConfig(unit="lb"), devices)


def told(heard: Heard) -> dict[str, Device]:
    return read_devices(heard.devices.path)


def pressed(goat_id: str | None = None, seconds: float = 0.0, weight: Weight | None = None) -> Capture:
    """A capture of a press so many seconds from now."""
    now = new_trigger("dashboard", goat_id, weight=weight)
    assert now.clock is not None
    trigger = replace(now, clock=replace(now.clock, since_boot_s=now.clock.since_boot_s + seconds))
    return Capture(
        f"capture{seconds}",
        trigger,
        Status.PROCESSING,
        goat_id,
        goat_source=trigger.goat_source,
        weight=weight,
    )


def test_a_press_is_joined_with_its_tag_and_its_weight(heard: Heard) -> None:
    heard.hear("reader", b"LA 982 000001088420\r\n")
    heard.hear("scale", b"ST,GS,+00121.5\r\n")
    done = heard.join(pressed())
    assert (done.goat_id, done.goat_source, done.goat_note) == (HEIDI, "reader", None)
    assert done.weight == Weight(121.5 * 0.45359237, "scale", "ST,GS,+00121.5\r\n")
    assert heard.join(done) == done


def test_what_people_said_with_the_press_stays(heard: Heard) -> None:
    heard.hear("reader", HEIDI.encode())
    heard.hear("scale", b"ST,GS,+00121.5lb")
    weight = Weight(50.0, "typed", "50 kg")
    done = heard.join(pressed("FLORA", weight=weight))
    assert (done.goat_id, done.goat_source, done.weight) == ("FLORA", "typed", weight)


def test_two_tags_leave_a_note_and_no_name(heard: Heard) -> None:
    heard.hear("reader", HEIDI.encode())
    heard.hear("reader", FLORA.encode())
    done = heard.join(pressed())
    assert done.goat_id is None
    assert done.goat_note is not None
    assert HEIDI in done.goat_note
    assert FLORA in done.goat_note
    assert done.named("HEIDI", "later").goat_note is None


def test_a_second_tag_shortly_after_takes_the_name_back(heard: Heard) -> None:
    heard.hear("reader", HEIDI.encode())
    named = heard.join(pressed())
    heard.hear("reader", FLORA.encode())
    doubtful = heard.join(named)
    assert (named.goat_id, doubtful.goat_id, doubtful.goat_source) == (HEIDI, None, None)


def test_a_tag_that_comes_after_the_press_still_names_it(heard: Heard) -> None:
    capture = heard.join(pressed(seconds=-3))
    assert capture.goat_id is None
    assert heard.still_comes(capture)
    heard.hear("reader", HEIDI.encode())
    assert heard.join(capture).goat_id == HEIDI
    assert not heard.still_comes(pressed(seconds=-6))


def test_a_clock_that_is_set_between_tag_and_press_does_not_part_them(heard: Heard) -> None:
    heard.hear("reader", HEIDI.encode())
    capture = pressed()
    an_hour_ago = replace(capture.trigger, requested_at=capture.trigger.requested_at - timedelta(hours=1))
    assert heard.join(replace(capture, trigger=an_hour_ago)).goat_id == HEIDI


def test_a_tag_of_this_boot_is_not_of_a_press_of_an_earlier_one(heard: Heard) -> None:
    heard.hear("reader", HEIDI.encode())
    capture = pressed()
    assert capture.trigger.clock is not None
    earlier = replace(capture.trigger, clock=replace(capture.trigger.clock, boot_id="an earlier boot"))
    assert heard.join(replace(capture, trigger=earlier)).goat_id is None
    assert not heard.still_comes(replace(capture, trigger=earlier))


def test_a_tag_names_one_capture_only(heard: Heard) -> None:
    now = since_boot_s()
    heard.hear("reader", HEIDI.encode(), now - 25)
    assert heard.join(pressed(seconds=-20)).goat_id == HEIDI
    assert heard.join(pressed()).goat_id is None
    heard.hear("reader", HEIDI.encode(), now)
    assert heard.join(pressed(seconds=0.5)).goat_id == HEIDI


def test_the_tag_of_a_goat_that_was_named_by_hand_does_not_name_the_next_one(heard: Heard) -> None:
    heard.hear("reader", HEIDI.encode(), since_boot_s() - 25)
    assert heard.join(pressed("HEIDI", seconds=-20)).goat_id == "HEIDI"
    assert heard.join(pressed()).goat_id is None


def test_what_cannot_be_understood_is_told_and_changes_nothing(heard: Heard) -> None:
    heard.hear("reader", b"LR 0006 0000000018514243")
    heard.hear("scale", b"OL,GS,+00000.0lb")
    done = heard.join(pressed())
    assert (done.goat_id, done.weight) == (None, None)
    heard.devices.reached("reader", "/dev/ttyUSB0 is not there")
    assert "not an animal's tag" in told(heard)["reader"].refused
    assert told(heard)["reader"].lost == "/dev/ttyUSB0 is not there"


def test_a_message_is_a_line_unless_it_was_retained(heard: Heard) -> None:
    heard.hear_message("reader", "barn/reader", HEIDI.encode(), retained=True)
    assert heard.join(pressed()).goat_id is None
    heard.hear_message("reader", "barn/reader", HEIDI.encode(), retained=False)
    assert heard.join(pressed()).goat_id == HEIDI


def test_a_message_that_is_far_too_long_is_noise(heard: Heard) -> None:
    heard.hear("reader", b" " * 1_000_000 + HEIDI.encode())
    heard.hear("scale", b"ST,GS,+" + b"9" * 1_000_000 + b"lb")
    assert (heard.join(pressed()).goat_id, heard.join(pressed()).weight) == (None, None)
    assert "is noise" in told(heard)["reader"].refused


@pytest.mark.parametrize("line", [b"", b"\r\n", b"\x00\x02\x03 "])
def test_an_empty_line_is_not_a_complaint(heard: Heard, line: bytes) -> None:
    heard.hear("reader", line)
    heard.hear("scale", line)
    assert set(told(heard).values()) == {Device("reader"), Device("scale")}


def test_the_last_tag_is_told_for_as_long_as_it_is_fresh(heard: Heard) -> None:
    heard.hear("reader", HEIDI.encode())
    assert told(heard)["reader"].says(30.0) == HEIDI
    heard.hear("reader", FLORA.encode(), since_boot_s() - 31)
    assert told(heard)["reader"].says(30.0) == ""
    heard.hear("reader", HEIDI.encode())
    assert replace(told(heard)["reader"], boot_id="an earlier boot").says(30.0) == ""


def test_a_device_that_says_the_same_again_and_again_does_not_wear_the_disk(heard: Heard) -> None:
    heard.hear("reader", HEIDI.encode())
    before = heard.devices.path.stat().st_mtime_ns
    for _ in range(100):
        heard.hear("reader", HEIDI.encode())
        heard.hear("reader", b"noise")
    assert heard.devices.path.stat().st_mtime_ns == before


@pytest.mark.parametrize("content", ["", "{", "[1]", '[{"name": 1, "more": 2}]', '{"a": 1}'])
def test_a_torn_file_about_the_devices_says_nothing(tmp_path: Path, content: str) -> None:
    (tmp_path / "devices.json").write_text(content)
    assert read_devices(tmp_path / "devices.json") == {}
    assert read_devices(tmp_path / "absent.json") == {}
