"""A goat has one id, however it arrives; what was damaged on the way is refused with the reason."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.devices.identity import checked_goat_id, plain, read_tag
from edge.errors import InputRefused
from tests.mutations import mutations

READ = {
    "LA 982 000001088420\r\n": "982000001088420",
    "0826052636100657": "826052636100657",
    "826 052636100657": "826052636100657",
    "00000 0 982 000196588496": "982000196588496",
    "A982000123456789\r": "982000123456789",
    "3E7.1CBE991A14": "999123456789012",
}
REFUSED_BY_ALL = [
    "9.82E+14",
    "LR 0006 0000000018514243",
    "98200012345678",
    "9820001234567",
    "2826052636100657",
]
ELECTRONIC = re.compile(r"\d{15}", re.ASCII)


def given_id(text: str) -> str | None:
    """The id, or None where the text is refused with words that help."""
    try:
        return checked_goat_id(text)
    except InputRefused as refusal:
        assert refusal.message
        assert refusal.hint
        return None


def same_number(text: str, goat_id: str) -> bool:
    """Whether 15 digits say what a text says: its own digits in their order, or its hexadecimal."""
    written = plain(text).upper()
    in_hex = re.fullmatch(r"([0-9A-F]{3})\.([0-9A-F]{10})", written)
    if in_hex:
        return goat_id == f"{int(in_hex[1], 16):03d}{int(in_hex[2], 16):012d}"
    digits = re.sub(r"\D", "", written)
    front = digits[: len(digits) - 15]
    return digits.endswith(goat_id) and front in ("", "0", "000000")


def same_name(text: str, goat_id: str) -> bool:
    """Whether a name is the text as it was written, but for capitals, spaces, and the hyphen of a flock."""
    return re.sub(r"[ -]", "", plain(text)).upper() == re.sub(r"[ -]", "", goat_id).upper()


def require_no_wrong_goat(text: str) -> None:
    """Refused, or the same number, or the same name; and what it became stays what it is."""
    found = given_id(text)
    if found is None:
        return
    assert same_number(text, found) if ELECTRONIC.fullmatch(found) else same_name(text, found), text
    if not found.startswith("0"):
        assert checked_goat_id(found) == found


@pytest.mark.parametrize(("line", "goat_id"), READ.items())
def test_every_form_that_readers_send_becomes_15_digits(line: str, goat_id: str) -> None:
    assert read_tag(line.encode()) == goat_id
    assert checked_goat_id(line) == goat_id
    assert checked_goat_id(line.lower()) == goat_id
    assert checked_goat_id(f"\t {line} ") == goat_id


@pytest.mark.parametrize(
    "text",
    [
        "982000001088420",
        "982 000 001 088 420",
        "982-000001088420",
        "982.000001088420",
        "0982000001088420",
        "A982000001088420",
        "la982000001088420",
        "９８２000001088420",
        "٩٨٢٠٠٠٠٠١٠٨٨٤٢٠",
        "982\u00a0000001088420",
        "\ufeff982\u200b000001088420",
        "3D6.0000109BA4",
    ],
)
def test_a_tag_is_the_same_goat_by_every_way_in(text: str) -> None:
    assert checked_goat_id(text) == "982000001088420"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("9.82E+14", "spreadsheet"),
        ("9,82E+14", "spreadsheet"),
        ("9.82e14", "spreadsheet"),
        ("982E+12", "spreadsheet"),
        ("LR 0006 0000000018514243", "not an animal's tag"),
        ("98200012345678", "14 digits"),
        ("9820001234567", "13 digits"),
        ("9820001234", "10 digits"),
        ("2826052636100657", "16 digits"),
        ("982000001088420.0", "16 digits"),
        ("LA 982 00000108842", "14 digits"),
        ("000000001088420", "000 is not a country"),
        ("898000001088420", "898 is not a country"),
        ("3FF.0000000001", "1023 is not a country"),
        ("982274877906944", "274877906944 cannot be"),
        ("3E7.4000000000", "cannot be a tag's number"),
        ("982000000000000", "000000000000 cannot be"),
        ("3E7.1CBE991A1", "got damaged"),
        ("3E71CBE991A14", "got damaged"),
        ("3E7.1CBE991 14", "got damaged"),
        # 0840003123456789 without its last digit: a goat from Belize, if it were believed
        ("084000312345678", "may have lost a digit"),
        ("MN²123", "is not a goat's id"),
        ("\u202e0123", "is not a goat's id"),
    ],
)
def test_what_was_damaged_is_refused_with_the_reason(text: str, why: str) -> None:
    with pytest.raises(InputRefused) as caught:
        checked_goat_id(text)
    assert why in caught.value.message
    assert caught.value.hint


def test_the_largest_number_that_a_tag_can_hold_is_taken() -> None:
    assert checked_goat_id("982274877906943") == "982274877906943"
    assert checked_goat_id("3E7.3FFFFFFFFF") == "999274877906943"


def test_a_country_below_100_is_taken_where_it_stands_apart() -> None:
    assert checked_goat_id("036 000012345678") == "036000012345678"
    assert read_tag(b"LA 036 000012345678\r\n") == "036000012345678"


@pytest.mark.parametrize(
    ("text", "goat_id"),
    [
        ("MN0123", "MN0123"),
        ("mn 0123", "MN0123"),
        ("MN-0123", "MN0123"),
        ("MNA10123", "MNA10123"),
        ("mn a1 0123", "MNA10123"),
        ("ＭＮ０１２３", "MN0123"),
        ("MN12345 0045", "MN12345-0045"),
        ("mn12345-0045", "MN12345-0045"),
    ],
)
def test_a_scrapie_tag_is_written_as_on_the_tag(text: str, goat_id: str) -> None:
    assert checked_goat_id(text) == goat_id


@pytest.mark.parametrize(
    "text",
    [
        "1",
        "1207",
        "001207",
        "123456789",
        "Heidi",
        "Heidi 3",
        "Heidi 2026-11-21",
        "Niña",
        "A.b_c-d/e",
        "x" * 40,
    ],
)
def test_what_people_call_a_goat_is_kept_as_they_write_it(text: str) -> None:
    assert checked_goat_id(text) == text


def test_ear_tags_are_in_capitals_and_leading_zeros_stay() -> None:
    assert checked_goat_id("b12") == checked_goat_id(" B12 ") == "B12"
    assert checked_goat_id("12/07-b") == "12/07-B"
    assert checked_goat_id("007") != checked_goat_id("7")
    assert checked_goat_id("ß1") == "ß1"


def test_names_differ_where_more_than_spaces_differ() -> None:
    names = [
        "Heidi",
        "heidi",
        "He-idi",
        "He.idi",
        "Heidi 1",
        "Heidi 11",
        "Nina",
        "Niña",
        "12-07",
        "12/07",
        "1207",
    ]
    assert len({checked_goat_id(name) for name in names}) == len(names)
    assert checked_goat_id("Heidi   1") == checked_goat_id(" Heidi 1") == "Heidi 1"
    assert checked_goat_id("Nin\u0303a") == "Niña"


@pytest.mark.parametrize(
    "line", [b"", b"\r\n", b"1207\r\n", b"MN0123", b"\xff\xfe\x00", b"982000001088420982000001088420"]
)
def test_a_reader_names_goats_by_electronic_ids_alone(line: bytes) -> None:
    with pytest.raises(InputRefused):
        read_tag(line)


@pytest.mark.parametrize(
    "text", [*READ, *REFUSED_BY_ALL, "982000001088420", "MN0123", "MNA10123", "MN12345 0045"]
)
def test_ten_thousand_damaged_forms_of_an_id_never_name_another_goat(text: str) -> None:
    for damaged in mutations(text, 10_000, seed=1):
        require_no_wrong_goat(damaged)


@pytest.mark.parametrize("line", [*READ, *REFUSED_BY_ALL])
def test_ten_thousand_damaged_lines_of_a_reader_are_its_own_number_or_refused(line: str) -> None:
    for damaged in mutations(line, 10_000, seed=2):
        try:
            found = read_tag(damaged.encode("utf-8", "replace"))
        except InputRefused as refusal:
            assert refusal.hint
            continue
        assert ELECTRONIC.fullmatch(found)
        assert same_number(damaged.strip("\x00\x03\r\n"), found), damaged


@pytest.mark.parametrize("line", READ)
def test_no_single_lost_digit_of_a_reader_goes_unnoticed(line: str) -> None:
    """Only the leading 0 of the form with 16 digits says nothing."""
    for at, character in enumerate(line):
        cut = line[:at] + line[at + 1 :]
        if character.isalnum():
            with_all = given_id(cut) in (None, READ[line])
            assert with_all, cut


@given(st.text(max_size=60))
@settings(max_examples=2000)
def test_any_text_is_an_id_or_is_refused_with_the_reason(text: str) -> None:
    require_no_wrong_goat(text)


@given(st.text("0123456789ABCDEFLRMN .-/", max_size=30))
@settings(max_examples=3000)
def test_what_looks_like_an_id_is_one_or_is_refused(text: str) -> None:
    require_no_wrong_goat(text)


@given(st.binary(max_size=40))
@settings(max_examples=2000)
def test_any_bytes_of_a_reader_are_a_tag_or_are_refused(line: bytes) -> None:
    try:
        assert ELECTRONIC.fullmatch(read_tag(line))
    except InputRefused as refusal:
        assert refusal.hint
