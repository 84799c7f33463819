"""The README knows every command, every option and every configuration key."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest

from edge.cli import parser
from edge.config import ARRAYS, TABLES
from tests.conftest import REPO

README = (REPO / "README.md").read_text()


def commands(
    of: argparse.ArgumentParser, name: str = "goatdev"
) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """Every command with its parser."""
    below = [action for action in of._actions if isinstance(action, argparse._SubParsersAction)]
    if not below:
        yield name, of
    for action in below:
        for word, child in action.choices.items():
            yield from commands(child, f"{name} {word}")


@pytest.mark.parametrize(
    ("name", "command"), list(commands(parser())), ids=lambda one: one if isinstance(one, str) else ""
)
def test_every_command_and_option_is_in_the_readme(name: str, command: argparse.ArgumentParser) -> None:
    assert name in README
    for action in command._actions:
        for option in action.option_strings:
            if option.startswith("--") and option != "--help":
                assert re.search(rf"{re.escape(option)}\b", README), f"{name} {option}"


@pytest.mark.parametrize("table", [*TABLES, *ARRAYS])
def test_every_configuration_key_is_in_the_readme(table: str) -> None:
    section = README.split(f"[{table}]", 1)
    assert len(section) == 2
    example = section[1].split("```", 1)[0].split("\n[", 1)[0]
    for field in fields({**TABLES, **ARRAYS}[table]):
        assert re.search(rf"^#? ?{field.name} = ", example, re.MULTILINE), f"[{table}] {field.name}"


def test_every_file_and_command_that_the_readme_links_to_exists() -> None:
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)\)", README):
        assert (REPO / target).exists(), target
    for script in re.findall(r"scripts/[a-z0-9_.]+", README):
        assert (REPO / script).exists(), script


def test_the_example_configuration_is_a_valid_one(tmp_path: Path) -> None:
    from edge.config import load_config

    example = next(
        block for block in re.findall(r"```toml\n(.*?)```", README, re.DOTALL) if "[station]" in block
    )
    path = tmp_path / "goatdev.toml"
    path.write_text(example)
    assert load_config(path).station.id


def test_no_text_names_a_folder_of_somebodys_machine() -> None:
    for path in sorted(REPO.glob("*.md")) + sorted((REPO / "models_tflite").glob("*.md")):
        assert not re.findall(r"(?<![\w.}])/(?:home|root|tmp|mnt)/", path.read_text()), path
