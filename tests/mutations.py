"""What a bad cable, a tired hand or a spreadsheet makes of a text: characters lost, doubled, swapped, changed, new."""

from __future__ import annotations

import random
from collections.abc import Iterator

ALPHABET = "0123456789ABCDEFLMRSTUXabcglkn .,-+/:\r\n\x00\x03\x7f°٣２é\u200b"


def mutations(text: str, number: int, seed: int) -> Iterator[str]:
    """So many damaged forms of a text, always the same for a seed; most differ from it in one place."""
    chance = random.Random(f"{text}{seed}")
    for _ in range(number):
        damaged = text
        for _ in range(chance.choice((1, 1, 1, 2, 4))):
            damaged = damage(damaged, chance)
        yield damaged


def damage(text: str, chance: random.Random) -> str:
    at = chance.randrange(len(text) + 1)
    before, after = text[:at], text[at:]
    match chance.randrange(5):
        case 0:
            return before + after[1:]
        case 1:
            return before + after[:1] + after
        case 2:
            return before + after[1:2] + after[:1] + after[2:]
        case 3:
            return before + chance.choice(ALPHABET) + after[1:]
        case _:
            return before + chance.choice(ALPHABET) + after
