"""`goatdev doctor`: what is well and what is not, each finding with what to do."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from edge.console import say, with_config, with_json
from edge.doctor import examine
from edge.health.check import FAIL, OK, WARN, Check, worst

MARKS = {OK: "ok  ", WARN: "WARN", FAIL: "FAIL"}
WIDTH = 18


def doctor_command(options: argparse.Namespace) -> int:
    """Check everything and change nothing; 0 unless something fails."""
    found = []
    for check in examine(options.config, options.thorough):
        found.append(check)
        if not options.json:
            print(line(check), flush=True)
    if options.json:
        say({"status": worst(found), "checks": [asdict(check) for check in found]})
    else:
        print(f"\n{summary(found)}")
    return 1 if worst(found) == FAIL else 0


def line(check: Check) -> str:
    told = f"{MARKS[check.state]}  {check.name:{WIDTH}}  {check.text}"
    return f"{told}\n{'':{WIDTH + 8}}what to do: {check.hint}" if check.hint else told


def summary(found: Sequence[Check]) -> str:
    numbers = {state: sum(check.state == state for check in found) for state in (FAIL, WARN)}
    if not any(numbers.values()):
        return f"All {len(found)} checks are well."
    return f"{len(found)} checks: {numbers[FAIL]} failed, {numbers[WARN]} with a warning."


def add_doctor(commands: Any) -> None:
    doctor = with_json(with_config(commands.add_parser("doctor", help="checks everything, changes nothing")))
    doctor.add_argument("--thorough", action="store_true", help="prove every picture and every index as well")
    doctor.set_defaults(command=doctor_command)
