"""Which captures a command is about: the options that say so, and what they mean."""

from __future__ import annotations

import argparse
import re
from datetime import date
from difflib import get_close_matches

from edge.devices.identity import checked_goat_id
from edge.errors import InputRefused
from edge.keeping.pages import Wanted
from edge.keeping.store import Store


def add_wanted(command: argparse.ArgumentParser) -> argparse.ArgumentParser:
    command.add_argument("--goat", metavar="ID", help="only of this goat")
    command.add_argument("--since", metavar="DATE", type=day, help="from this day on, for example 2026-11-01")
    command.add_argument("--until", metavar="DATE", type=day, help="up to and with this day")
    return command


def wanted_captures(options: argparse.Namespace, store: Store) -> Wanted:
    """Whose and of which days. Raises InputRefused for a goat that never was here, and for days the wrong way round."""
    if options.since and options.until and options.since > options.until:
        raise InputRefused(f"{options.since} is after {options.until}", "--since comes before --until")
    goat_id = checked_goat_id(options.goat)
    known = [goat["goat_id"] for goat in store.goats()]
    if goat_id is not None and goat_id not in known:
        nearest = get_close_matches(goat_id, known, n=1)
        hint = f"did you mean {nearest[0]}?" if nearest else "`goatdev captures` shows whose there are"
        raise InputRefused(f"no goat {goat_id!r} was ever here", hint)
    return Wanted(goat_id, options.since, options.until)


def day(text: str) -> date:
    """A day as ISO writes it."""
    if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", text, re.ASCII):
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is no date: write it as 2026-11-30")
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text} is not in the calendar") from None
