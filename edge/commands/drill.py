"""`goatdev drill`: plays what goes wrong in barns against a scratch station, and says what was seen."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from edge.console import say, with_json
from edge.drills.play import DRILLS, FAILED, NOT_YET, PASSED, Drill, Outcome, play

WIDTH = max(len(drill.name) for drill in DRILLS)


def drill_command(options: argparse.Namespace) -> int:
    """Play the drills, all or those that are named."""
    # What the drills break would be told here as if it were this station's.
    logging.getLogger("goatdev").setLevel(logging.CRITICAL)
    chosen = [drill for drill in DRILLS if not options.only or drill.name in options.only]
    if options.list:
        return list_drills(chosen, options.json)
    outcomes = [told(drill, sys.stderr if options.json else sys.stdout) for drill in chosen]
    code = exit_code(outcomes)
    if options.json:
        say({"passed": code == 0, "drills": [asdict(one) for one in outcomes]})
    else:
        states = [one.state for one in outcomes]
        rest = len(states) - states.count(PASSED) - states.count(FAILED)
        print(f"{states.count(PASSED)} passed, {states.count(FAILED)} failed, {rest} not played")
    return code


def exit_code(outcomes: Sequence[Outcome]) -> int:
    """0 where all that could be played passed, and something could."""
    states = {one.state for one in outcomes}
    return 0 if PASSED in states and FAILED not in states else 1


def told(drill: Drill, out: Any) -> Outcome:
    """Play one drill, and tell that it is played while it is."""
    print(f"{drill.name:{WIDTH}}  ", end="", file=out, flush=True)
    outcome = play(drill)
    took = f" ({outcome.seconds:.0f} s)" if outcome.seconds else ""
    print(f"{outcome.state:7}  {outcome.seen}{took}", file=out, flush=True)
    return outcome


def list_drills(drills: list[Drill], as_json: bool) -> int:
    """What each drill is about."""
    listed = [{"name": drill.name, "about": about(drill)} for drill in drills]
    if as_json:
        say({"drills": listed})
    else:
        print("\n".join(f"{one['name']:{WIDTH}}  {one['about']}" for one in listed))
    return 0


def about(drill: Drill) -> str:
    return (drill.play.__doc__ or "") if drill.play else f"{NOT_YET}: {drill.not_yet}"


def add_drill(commands: Any) -> None:
    drill = with_json(commands.add_parser("drill", help="play what goes wrong, on a scratch station"))
    names = [one.name for one in DRILLS]
    drill.add_argument(
        "--only", metavar="NAME", action="append", choices=names, help="only this one; may be repeated"
    )
    drill.add_argument("--list", action="store_true", help="say which there are, and play none")
    drill.set_defaults(command=drill_command)
