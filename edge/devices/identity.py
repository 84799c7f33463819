"""Who a goat is: however a tag or a name arrives, it becomes one form, or is refused with the reason.

- an electronic id (ISO 11784): 15 digits, of which the first three are a country or a maker
- a scrapie tag: `MN0123` (metal), `MNA10123` (plastic), or `MN12345-0045` (flock id and animal number)
- anything else that people call a goat: 1 to 40 letters, digits, spaces and ._/-

A wrong goat is worse than none. What may be an electronic id that lost or won a digit is refused, not guessed at: a
name has at most nine digits, and none is a long mix of letters and digits.
"""

from __future__ import annotations

import re
import unicodedata

from edge.errors import InputRefused

VISUAL = re.compile(r"[\w .\-/]{1,40}")
MOST_DIGITS_OF_A_NAME = 9
# So many letters and digits, so many of them digits, are a reader's line that got damaged.
LONG_MIX, ITS_DIGITS = 11, 5
# Ear tags are printed in capitals; a name is told from them by its longer words.
LONGEST_LETTERS_OF_A_TAG = 3

# Country and number apart, as in `LA 982 000001088420`, `00000 0 982 000196588496`, `840 003 123 456 789`.
APART = re.compile(r"(?:LA ?|00000 0 )?(\d{3})[ .-](\d(?:[ -]?\d){11})|LA(\d{3})(\d{12})", re.ASCII)
TOGETHER = re.compile(r"(?:A|0)?(\d{3})(\d{12})", re.ASCII)
HEX = re.compile(r"([0-9A-F]{3})\.([0-9A-F]{10})")
# ISO 3166 ends at 894; 900 to 998 are makers, 999 is what readers send in tests.
COUNTRIES = (*range(4, 895), *range(900, 1000))
NUMBERS = 2**38

NOT_AN_ANIMAL = re.compile(r"LR ?\d[\d ]{7,}", re.ASCII)
SPREADSHEET = re.compile(r"\d[.,]\d*E ?[+-]?\d+|\d+E ?[+-]\d+", re.ASCII)

STATES = frozenset(
    """
    AL AK AZ AR CA CO CT DE FL GA HI ID IL IN IA KS KY LA ME MD MA MI MN MS MO MT NE NV
    NH NJ NM NY NC ND OH OK OR PA RI SC SD TN TX UT VT VA WA WV WI WY AS DC GU MP PR VI
    """.split()  # noqa: SIM905
)
SCRAPIE = re.compile(r"([A-Z]{2})[ -]?([A-Z]\d)?[ -]?(\d{4})", re.ASCII)
FLOCK = re.compile(r"([A-Z]{2})(\d{1,7})[ -](\d{1,5})", re.ASCII)

# Left behind where an id was copied from elsewhere.
INVISIBLE = "\u200b\u200c\u200d\u2060\ufeff"
READ_AGAIN = "read the tag again, or type all 15 digits"


def checked_goat_id(text: str | None) -> str | None:
    """The one form of a goat's id, None for an empty one. Raises InputRefused for what no goat is called."""
    given = plain(text or "")
    if not given:
        return None
    return electronic_id(given) or scrapie_tag(given) or visual_id(given)


def read_tag(line: bytes) -> str:
    """The 15 digits in a line of a tag reader. Raises InputRefused for everything else."""
    try:
        given = plain(line.decode("ascii").strip("".join(map(chr, range(33)))))
    except UnicodeDecodeError:
        raise refusal(line.decode("latin-1"), "is not a line of a tag reader", READ_AGAIN) from None
    found = electronic_id(given)
    if found is None:
        raise refusal(given, "is not the number of a tag", READ_AGAIN)
    return found


def plain(text: str) -> str:
    """The text as an English keyboard would have written it: one kind of digits and spaces, nothing invisible."""
    composed = unicodedata.normalize("NFC", text)
    return re.sub(" +", " ", "".join(plain_character(one) for one in composed)).strip()


def plain_character(one: str) -> str:
    if one in INVISIBLE:
        return ""
    kind = unicodedata.category(one)
    if kind == "Nd":
        return str(unicodedata.decimal(one))
    if kind == "Zs":
        return " "
    return chr(ord(one) - 0xFEE0) if "\uff01" <= one <= "\uff5e" else one


def electronic_id(given: str) -> str | None:
    """15 digits; None where no reader sends such a text. Raises InputRefused where the number cannot be true."""
    upper = capitals(given)
    if SPREADSHEET.fullmatch(upper):
        raise refusal(given, "was damaged by a spreadsheet", "copy all 15 digits from the reader, as text")
    if NOT_AN_ANIMAL.fullmatch(upper):
        raise refusal(given, "is not an animal's tag", "a goat's tag is sent with LA or its country in front")
    if together := TOGETHER.fullmatch(upper):
        return of_parts(given, together[1], together[2], apart=False)
    if apart := APART.fullmatch(upper):
        country, number = (part for part in apart.groups() if part)
        return of_parts(given, country, re.sub("[ -]", "", number), apart=True)
    if in_hex := HEX.fullmatch(upper):
        country, number = (str(int(part, 16)) for part in in_hex.groups())
        return of_parts(given, country.zfill(3), number.zfill(12), apart=True)
    return None


def of_parts(given: str, country: str, number: str, apart: bool) -> str:
    """The 15 digits of a country or maker and a number that can be."""
    if int(country) not in COUNTRIES:
        raise refusal(given, f"is no tag: {country} is not a country or a maker", READ_AGAIN)
    if not 0 < int(number) < NUMBERS:
        raise refusal(given, f"is no tag: {number} cannot be a tag's number", READ_AGAIN)
    if country.startswith("0") and not apart:
        # Just so looks an id in the form of 16 digits that lost one.
        raise refusal(
            given, "may have lost a digit", f"if nothing is missing, write {country} {number}, with a space"
        )
    return country + number


def scrapie_tag(given: str) -> str | None:
    """A tag of the national scrapie programme, or None."""
    upper = capitals(given)
    tag = SCRAPIE.fullmatch(upper)
    if tag and tag[1] in STATES:
        return "".join(part for part in tag.groups() if part)
    flock = FLOCK.fullmatch(upper)
    if flock and flock[1] in STATES:
        return f"{flock[1]}{flock[2]}-{flock[3]}"
    return None


def visual_id(given: str) -> str:
    """What people call the goat; what is written on a tag is put in capitals."""
    digits = count_digits(given)
    if digits > MOST_DIGITS_OF_A_NAME:
        raise refusal(given, f"has {digits} digits, which is no tag", READ_AGAIN)
    if is_damaged(given):
        raise refusal(given, "looks like the line of a reader that got damaged", READ_AGAIN)
    doubtful = any(one.isnumeric() and not one.isdecimal() for one in given)
    if doubtful or not VISUAL.fullmatch(given) or not fits_in_an_address(given):
        raise refusal(given, "is not a goat's id", "1 to 40 letters, digits, spaces and ._/-")
    longest = max(map(len, re.findall(r"[^\W\d_]+", given)), default=0)
    return capitals(given) if digits and longest <= LONGEST_LETTERS_OF_A_TAG else given


def capitals(text: str) -> str:
    """In capitals, but for the few letters that would become another letter's."""
    return "".join(one.upper() if one.upper().lower() == one else one for one in text)


def is_damaged(given: str) -> bool:
    """Whether the words that have digits are too long for what is printed on a tag."""
    numbered = "".join(word for word in given.split(" ") if count_digits(word))
    return sum(map(str.isalnum, numbered)) >= LONG_MIX and count_digits(numbered) >= ITS_DIGITS


def count_digits(text: str) -> int:
    return sum(map(str.isdecimal, text))


def fits_in_an_address(goat_id: str) -> bool:
    """Each goat has a page of its own: browsers take empty parts, "." and ".." out of an address."""
    return all(part.strip() not in ("", ".", "..") for part in goat_id.split("/"))


def refusal(given: str, why: str, hint: str) -> InputRefused:
    return InputRefused(f"{given[:60]!r} {why}", hint)
