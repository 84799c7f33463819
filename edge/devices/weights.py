"""What the scale says: a line of a weight indicator becomes a reading in kg, or is refused with the reason.

Understood are `ST,GS,+00055.0lb`, `ST, GS, +0123456`, Dini's `01ST,GS,     0.0,kg`, A&D's `ST,+00001234.5  g`, and the
answer to a request, a weight with LB and a status of two digits after S. Only what the indicator itself calls stable
or held is ever taken for a goat's weight.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from edge.errors import InputRefused
from edge.records import Weight

KG = {"kg": 1.0, "g": 0.001, "lb": 0.45359237, "lbs": 0.45359237}
# What a goat weighs on a scale, and what is believed of somebody who types it.
LEAST_KG, MOST_KG = 1.0, 200.0
LEAST_TYPED_LB, MOST_TYPED_LB = 20, 300

NUMBER = r"(?P<number>[+-]? *[0-9]+(?:\.[0-9]+)?)"
UNIT = r"(?P<unit>[A-Za-z]*)"
LINE = re.compile(rf"(?:[0-9]{{2}})?(?P<state>[A-Z]{{2}}), *(?:(?P<kind>[A-Z]{{2}}), *)?{NUMBER} *,? *{UNIT}")
ANSWER = re.compile(rf"{NUMBER} *{UNIT}\s+S(?P<status>[0-9]{{2}})")
TYPED = re.compile(r"[0-9]{1,4}(?:\.[0-9]{1,6}|,[0-9]{1,2})?")

STABLE = ("ST", "HD")
UNSTABLE = ("US",)
WHY_NOT = {"OL": "the scale is overloaded", "UL": "the scale is below its range"}
STABLE_STATUS = "00"
FRAME = "\x02\x03\r\n\t \0"


@dataclass(frozen=True, slots=True)
class ScaleReading:
    """What a scale showed at one moment.

    kind  "gross", "net", or None where the line does not say
    raw   the line exactly as it came
    """

    value: float
    unit: str
    stable: bool
    kind: str | None
    raw: str

    @property
    def kg(self) -> float:
        return self.value * KG[self.unit]

    @property
    def is_a_goats(self) -> bool:
        """Whether a goat can weigh so much; an empty scale does not show exactly 0."""
        return LEAST_KG <= self.kg <= MOST_KG

    def as_weight(self) -> Weight:
        return Weight(self.kg, "scale", self.raw)


def read_scale(line: bytes, unit: str = "") -> ScaleReading:
    """What an indicator's line says. Raises InputRefused where it says no weight.

    unit  what the scale is set to, "lb", "kg" or "g"; for lines that do not say it
    """
    raw = line.decode("latin-1")
    text = raw.strip(FRAME)
    if answer := ANSWER.fullmatch(text):
        stable = answer["status"] == STABLE_STATUS
        return ScaleReading(number_of(answer), unit_of(answer, unit), stable, None, raw)
    found = LINE.fullmatch(text)
    if found is None:
        raise refusal(text, "is not a weight that this station can read", "see the scales in README.md")
    if found["state"] not in STABLE + UNSTABLE:
        why = WHY_NOT.get(found["state"], f"the scale says {found['state']}")
        raise refusal(text, f"is no weight: {why}", "let one goat stand on the scale, off its sides")
    kind = {None: None, "GS": "gross", "NT": "net"}.get(found["kind"], "other")
    if kind == "other":
        raise refusal(text, f"is neither gross nor net: {found['kind']}", "set the indicator to gross or net")
    return ScaleReading(number_of(found), unit_of(found, unit), found["state"] in STABLE, kind, raw)


def number_of(found: re.Match[str]) -> float:
    return float(found["number"].replace(" ", ""))


def unit_of(found: re.Match[str], usual: str) -> str:
    """The line's own unit, else the one that the scale is set to."""
    unit = found["unit"].lower() or usual
    if unit not in KG:
        what = f"is in {unit}" if unit else "does not say in which unit"
        raise refusal(found[0], what, 'set the indicator to lb or kg, or name [scale] unit = "lb"')
    return "lb" if unit == "lbs" else unit


def typed_weight(text: str | None, unit: str) -> Weight | None:
    """A weight that somebody typed, None for none. Raises InputRefused for what no goat weighs.

    unit  "lb" or "kg"
    """
    given = (text or "").strip()
    if not given:
        return None
    if unit not in ("lb", "kg"):
        raise InputRefused(f"{unit[:20]!r} is not a unit of weight", "lb or kg")
    if not TYPED.fullmatch(given):
        raise refusal(given, "is not a weight", "write a number such as 121.5")
    kg = float(given.replace(",", ".")) * KG[unit]
    low, high = math.ceil(LEAST_TYPED_LB * KG["lb"]), math.floor(MOST_TYPED_LB * KG["lb"])
    if not LEAST_TYPED_LB * KG["lb"] <= kg <= MOST_TYPED_LB * KG["lb"]:
        limits = f"{LEAST_TYPED_LB} to {MOST_TYPED_LB} lb, which is {low} to {high} kg"
        raise refusal(f"{given} {unit}", "is not what a goat weighs", limits)
    return Weight(kg, "typed", f"{given} {unit}")


def refusal(given: str, why: str, hint: str) -> InputRefused:
    return InputRefused(f"{given[:60]!r} {why}", hint)
