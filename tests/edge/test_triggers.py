"""A press carries an id that any goat can have, or none."""

from __future__ import annotations

import pytest

from edge.devices.identity import checked_goat_id
from edge.errors import InputRefused
from edge.triggers import new_trigger


@pytest.mark.parametrize("text", ["840003123456789", "MN0123", "Heidi 2", "A.b_c/d-e", "  17 ", "Niña"])
def test_a_goats_id_is_taken_without_stray_spaces(text: str) -> None:
    assert checked_goat_id(text) == text.strip()


@pytest.mark.parametrize("text", [None, "", "   "])
def test_no_id_is_fine(text: str | None) -> None:
    assert new_trigger("command", text).goat_id is None


@pytest.mark.parametrize(
    "text", ["x" * 41, "a\nb", "<b>", "'; DROP TABLE captures", "../etc", "a//b", "a/./b", "💥"]
)
def test_what_no_goat_is_called_is_refused(text: str) -> None:
    with pytest.raises(InputRefused) as caught:
        new_trigger("command", text)
    assert caught.value.hint


def test_every_press_has_an_id_of_its_own() -> None:
    assert new_trigger("command").id != new_trigger("command").id
    with pytest.raises(InputRefused):
        new_trigger("dashboard", trigger_id="no good\n")
