"""Advice has one code, two languages, and words for barn staff; every code that is said is in the catalogue."""

from __future__ import annotations

import ast
from string import Formatter

import pytest

from edge.advice import CATALOGUE, VIEW_WORDS, advise, translated
from edge.records import LANGUAGES, VIEWS
from tests.conftest import REPO

LONGEST = 160


def placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}


def words_in_code() -> set[str]:
    """Every text constant in the station's code, the catalogue itself left out."""
    words = set()
    for path in (REPO / "edge").rglob("*.py"):
        if path.name != "advice.py":
            tree = ast.parse(path.read_text())
            words |= {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    return {word for word in words if isinstance(word, str)}


def advised_codes() -> set[str]:
    """Every code that is written out in a call of `advise`."""
    codes = set()
    for path in (REPO / "edge").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "advise":
                codes |= {one.value for one in node.args[:1] if isinstance(one, ast.Constant)}
    return codes


@pytest.mark.parametrize("code", CATALOGUE)
def test_every_code_has_all_languages_with_the_same_details(code: str) -> None:
    assert set(CATALOGUE[code]) == set(LANGUAGES)
    assert len({frozenset(placeholders(text)) for text in CATALOGUE[code].values()}) == 1
    for text in CATALOGUE[code].values():
        assert text.endswith(".")
        assert len(text) <= LONGEST, text


@pytest.mark.parametrize("code", CATALOGUE)
def test_every_code_can_be_said_of_every_view(code: str) -> None:
    details = {"cm": "1.4", "taken": "2", "asked": "3", "tags": "982000001088420"}
    english = advise(code, "top", why="the cable is out", **details)
    spanish = translated(english, "es")
    assert (spanish.code, spanish.view, spanish.details) == (english.code, "top", english.details)
    assert spanish.text != english.text
    assert "{" not in english.text + spanish.text
    assert english.text[0].isupper()


def test_every_view_has_a_name_in_every_language() -> None:
    assert all(set(VIEW_WORDS[language]) == set(VIEWS) for language in LANGUAGES)


def test_every_code_that_is_said_is_in_the_catalogue() -> None:
    assert advised_codes() <= set(CATALOGUE)


def test_every_code_of_the_catalogue_is_said() -> None:
    said = words_in_code() & set(CATALOGUE)
    assert said == set(CATALOGUE)


def test_a_sentence_names_its_view_and_details_in_the_stations_language() -> None:
    moved = advise("camera_moved", "side", cm="1.4")
    assert "side camera" in moved.text
    assert "1.4 cm" in moved.text
    assert "cámara de lado" in translated(moved, "es").text
    assert "1.4 cm" in translated(moved, "es").text


def test_a_detail_that_is_missing_is_a_mistake_of_ours() -> None:
    with pytest.raises(KeyError):
        advise("camera_moved", "side")


def test_a_reason_that_names_its_view_does_not_name_it_twice() -> None:
    said = advise("no_picture", "side", "side: the camera at 1-1.2: it was unplugged").text
    assert said.startswith("There is no side picture: the camera at 1-1.2: it was unplugged.")
