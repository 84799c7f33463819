"""Drills are played for real, never touch the real station, and can fail."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from edge.commands.drill import exit_code
from edge.drills.play import DRILLS, FAILED, NOT_YET, PASSED, SKIPPED, Drill, Outcome, play
from tests.conftest import REPO


def goatdev(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "edge.cli", *arguments],
        cwd=REPO,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def drill(name: str) -> Drill:
    return next(one for one in DRILLS if one.name == name)


def broken_program(folder: Path, lines: str) -> list[str]:
    """A station that runs these lines of shell first; "$@" is the module and its arguments."""
    script = folder / "broken.sh"
    script.write_text(f'#!/bin/sh\n{lines}\nexec {sys.executable} -m "$@"\n')
    script.chmod(0o755)
    return [str(script)]


def test_drills_are_played_and_say_what_was_seen(config_path: Path) -> None:
    before = sorted(config_path.parent.rglob("*"))
    done = goatdev(
        "drill", "--json", "--only", "no-route", "--only", "upgrade", GOATDEV_CONFIG=str(config_path)
    )
    assert done.returncode == 0, done.stdout
    document = json.loads(done.stdout)
    assert document["passed"]
    assert [(one["name"], one["state"]) for one in document["drills"]] == [
        ("no-route", "passed"),
        ("upgrade", "passed"),
    ]
    assert "objects delivered" in document["drills"][0]["seen"]
    assert "no-route" in done.stderr
    assert sorted(config_path.parent.rglob("*")) == before


def test_a_station_whose_sync_gives_up_fails_the_drill_without_a_route(tmp_path: Path) -> None:
    program = broken_program(tmp_path, 'case "$1" in cloud_sync) exit 0;; esac')
    outcome = play(drill("no-route"), program)
    assert (outcome.state, outcome.seen) == (FAILED, "the sync took a dead link for a success")


def test_a_station_that_ends_by_itself_fails_a_drill_with_what_it_said_last(tmp_path: Path) -> None:
    outcome = play(drill("camera-frozen"), broken_program(tmp_path, "echo there is no camera; exit 1"))
    assert (outcome.state, outcome.seen) == (FAILED, "edge.cli ended by itself: there is no camera")


def test_what_cannot_be_played_yet_says_why_and_is_no_failure() -> None:
    done = goatdev("drill", "--only", "postgresql-replay", "--only", "upgrade")
    assert done.returncode == 0
    assert "not yet  the cloud connection is a folder today" in done.stdout
    assert "1 passed, 0 failed, 1 not played" in done.stdout


def test_every_drill_is_listed_with_what_it_is_about() -> None:
    listed = json.loads(goatdev("drill", "--list", "--json").stdout)["drills"]
    assert [one["name"] for one in listed] == [one.name for one in DRILLS]
    assert all(len(one["about"]) > 20 for one in listed)


def test_a_drill_that_does_not_exist_is_wrong_usage() -> None:
    assert goatdev("drill", "--only", "fire").returncode == 2


@pytest.mark.parametrize(
    ("states", "code"),
    [
        ((PASSED, SKIPPED, NOT_YET), 0),
        ((PASSED, FAILED), 1),
        ((SKIPPED,), 1),
        ((NOT_YET,), 1),
    ],
)
def test_the_exit_code_is_0_only_if_all_that_was_played_passed(states: tuple[str, ...], code: int) -> None:
    assert exit_code([Outcome("x", state, "") for state in states]) == code
