"""What the scale says is a stable weight in kg, or nothing, with the reason."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.devices.weights import KG, ScaleReading, read_scale, typed_weight
from edge.errors import InputRefused
from tests.mutations import mutations

LB = 0.45359237
# line, unit the scale is set to -> value, unit, kg, gross or net
LINES = {
    ("ST,GS,+00055.0lb\r\n", ""): (55.0, "lb", 55.0 * LB, "gross"),
    ("ST, GS, +0123456\r\n", "g"): (123456.0, "g", 123.456, "gross"),
    ("01ST,GS,     0.0,kg\r\n", ""): (0.0, "kg", 0.0, "gross"),
    ("01ST,NT,    48.5,kg\r\n", ""): (48.5, "kg", 48.5, "net"),
    ("ST,+00001234.5  g\r\n", ""): (1234.5, "g", 1.2345, None),
    ("\n 55.250LB\r\nS00\r\x03", ""): (55.25, "lb", 55.25 * LB, None),
}


def reading(line: bytes, unit: str = "") -> ScaleReading | None:
    """What the scale says, or None where the line is refused with words that help."""
    try:
        return read_scale(line, unit)
    except InputRefused as refusal:
        assert refusal.message
        assert refusal.hint
        return None


@pytest.mark.parametrize(("line", "truth"), LINES.items())
def test_every_form_that_indicators_send_is_understood(
    line: tuple[str, str], truth: tuple[float, str, float, str | None]
) -> None:
    found = read_scale(line[0].encode(), line[1])
    assert (found.value, found.unit, found.kind) == (truth[0], truth[1], truth[3])
    assert found.kg == pytest.approx(truth[2])
    assert found.stable
    assert found.raw == line[0]


@pytest.mark.parametrize("line", [b"US,GS,+00055.0lb", b"\n 55.250LB\r\nS10\r\x03", b"01US,NT,    48.5,kg"])
def test_what_still_moves_is_not_stable(line: bytes) -> None:
    assert not read_scale(line).stable


def test_what_the_indicator_holds_is_stable() -> None:
    assert read_scale(b"HD,GS,+00055.0lb").stable


@pytest.mark.parametrize(
    ("line", "unit", "why"),
    [
        (b"OL,GS,+00055.0lb", "", "overloaded"),
        (b"UL,GS,+00055.0lb", "", "below its range"),
        (b"QT,GS,+00055.0lb", "", "the scale says QT"),
        (b"ST,TR,+00055.0lb", "", "neither gross nor net"),
        (b"ST, GS, +0123456", "", "does not say in which unit"),
        (b"ST,GS,+00055.0oz", "lb", "is in oz"),
        (b"ST,GS,+00055,0lb", "", "not a weight"),
        (b"ST,GS,+00055.0.1lb", "", "not a weight"),
        (b"ST,GS,+000 55.0lb", "", "not a weight"),
        (b"55.0 lb", "", "not a weight"),
        (b"\nS00\r\x03", "", "not a weight"),
        (b"", "lb", "not a weight"),
        (b"\xff\x00\xfe", "lb", "not a weight"),
        ("ST,GS,+000٥٥.0lb".encode(), "", "not a weight"),
    ],
)
def test_what_is_no_weight_is_refused_with_the_reason(line: bytes, unit: str, why: str) -> None:
    with pytest.raises(InputRefused) as caught:
        read_scale(line, unit)
    assert why in caught.value.message
    assert caught.value.hint


def test_the_lines_own_unit_goes_before_the_set_one() -> None:
    assert read_scale(b"ST,GS,+00055.0lb", "kg").unit == "lb"
    assert read_scale(b"ST,GS,+00055.0", "kg").kg == 55.0


@pytest.mark.parametrize(
    "line", [b"ST,GS,+00000.0lb", b"ST,GS,-00055.0lb", b"ST,GS,+00001.0lb", b"ST,GS,+00999.0kg"]
)
def test_nothing_less_and_far_too_much_is_no_goats_weight(line: bytes) -> None:
    assert not read_scale(line).is_a_goats


def test_a_reading_keeps_its_line_as_a_weight() -> None:
    weight = read_scale(b"ST,GS,+00055.0lb").as_weight()
    assert (weight.source, weight.raw) == ("scale", "ST,GS,+00055.0lb")
    assert weight.kg == pytest.approx(24.9476, abs=1e-4)


def require_the_written_number(line: str, found: ScaleReading) -> None:
    """The value is the one number that stands in the line, and its unit stands there or was set."""
    assert math.isfinite(found.kg)
    assert found.raw == line
    numbers = re.findall(
        r"[+-]? *[0-9]+(?:\.[0-9]+)?",
        re.sub(r"^[\x02\x03\r\n\t \0]*[0-9]{2}(?=[A-Z])|S[0-9]{2}\s*\x03*$", "", line),
    )
    assert found.value in [float(one.replace(" ", "")) for one in numbers]
    assert found.unit in line.lower() or found.unit in KG
    assert not found.stable or re.search(r"ST|HD|S00", line)


@pytest.mark.parametrize(
    ("line", "unit"), [*LINES, ("US,GS,+00055.0lb\r\n", ""), ("OL,GS,+00055.0lb\r\n", "")]
)
def test_ten_thousand_damaged_lines_are_the_number_that_stands_in_them_or_refused(
    line: str, unit: str
) -> None:
    for damaged in mutations(line, 10_000, seed=3):
        sent = damaged.encode("utf-8")
        found = reading(sent, unit)
        if found is not None:
            require_the_written_number(sent.decode("latin-1"), found)


@given(st.binary(max_size=40))
@settings(max_examples=2000)
def test_any_bytes_are_a_reading_or_are_refused(line: bytes) -> None:
    reading(line, "lb")


@given(st.text("STUSOLGNHD0123456789.,+- lbkg\r\n\x03", max_size=30))
@settings(max_examples=3000)
def test_what_looks_like_a_line_is_a_reading_or_is_refused(line: str) -> None:
    found = reading(line.encode(), "kg")
    if found is not None:
        require_the_written_number(line, found)


@pytest.mark.parametrize(
    ("text", "unit", "kg"),
    [
        ("20", "lb", 9.07),
        ("300", "lb", 136.08),
        ("121.5", "lb", 55.11),
        ("55,5", "kg", 55.5),
        (" 55 ", "kg", 55.0),
    ],
)
def test_a_typed_weight_is_kept_in_kg_with_what_was_typed(text: str, unit: str, kg: float) -> None:
    weight = typed_weight(text, unit)
    assert weight is not None
    assert weight.kg == pytest.approx(kg, abs=0.005)
    assert (weight.source, weight.raw) == ("typed", f"{text.strip()} {unit}")


@pytest.mark.parametrize("text", [None, "", "  "])
def test_no_typed_weight_is_fine(text: str | None) -> None:
    assert typed_weight(text, "lb") is None


@pytest.mark.parametrize(
    ("text", "unit"),
    [("19.9", "lb"), ("300.1", "lb"), ("9", "kg"), ("137", "kg"), ("0", "lb"), ("-55", "lb"), ("55 lb", "lb"),
     ("1e2", "lb"), ("nan", "lb"), ("inf", "kg"), ("1,234.5", "lb"), ("٥٥", "lb"), ("55", "st"), ("55", "g")],
)  # fmt: skip
def test_a_typed_weight_that_no_goat_has_is_refused(text: str, unit: str) -> None:
    with pytest.raises(InputRefused) as caught:
        typed_weight(text, unit)
    assert caught.value.hint
