"""`goatdev correct`, `goatdev goats`, `goatdev audit`: what people say of what was measured, and what they did."""

from __future__ import annotations

import argparse
import json
from typing import Any

from edge.config import find_config, load_config
from edge.console import positive, say, with_config, with_json
from edge.corrections import LIMITS, checked_author, correction_said, withdrawal_said
from edge.devices.identity import checked_goat_id
from edge.document import capture_document, standing_document
from edge.errors import InputRefused
from edge.keeping.store import Store
from edge.records import Said


def correct_command(options: argparse.Namespace) -> int:
    """Say what one trait of one capture really is, or take back what was said of it."""
    if (options.value is None) is not options.withdraw:
        options.misused("give either VALUE or --withdraw")
    said = said_in(options)
    with open_store(options) as store:
        try:
            capture = store.correct(options.capture, said)
        except KeyError:
            raise InputRefused(
                f"{options.capture}: there is no such capture", "`goatdev captures` lists them"
            ) from None
    if options.json:
        say({**capture_document(capture), "standing": standing_document(capture)})
    else:
        standing = capture.standing(said.trait)
        measured = standing.measurement.value if standing.measurement else None
        print(f"{capture.id}  {said.trait}: {words(standing.value)}, measured {words(measured)}")
    return 0


def said_in(options: argparse.Namespace) -> Said:
    if options.withdraw:
        return withdrawal_said(options.trait, options.author, options.reason)
    return correction_said(options.trait, options.value, options.author, options.reason)


def words(value: float | None) -> str:
    return "nothing" if value is None else f"{value:g}"


def goats_command(options: argparse.Namespace) -> int:
    """List the goats, or pin or unpin one."""
    if options.action and not (options.goat and options.author):
        options.misused(f"goats {options.action} needs a goat's ID and --author")
    with open_store(options) as store:
        if options.action:
            pin(store, options)
        goats = store.goats()
    if options.json:
        say({"goats": goats})
    else:
        print("\n".join(map(goat_line, goats)) or "no goats yet")
    return 0


def pin(store: Store, options: argparse.Namespace) -> None:
    goat_id, author = checked_goat_id(options.goat), checked_author(options.author)
    assert goat_id is not None
    try:
        (store.pin if options.action == "pin" else store.unpin)(goat_id, author)
    except KeyError:
        raise InputRefused(f"{goat_id}: there is no such goat", "`goatdev goats` lists them") from None


def goat_line(goat: dict[str, Any]) -> str:
    pinned = "pinned" if goat["is_pinned"] else ""
    return f"{goat['goat_id']:40}  {goat['captures']:6}  {goat['latest']}  {pinned}".rstrip()


def audit_command(options: argparse.Namespace) -> int:
    """What people did, newest first."""
    with open_store(options) as store:
        acts = store.audit(options.limit)
    if options.json:
        say({"audit": acts})
    else:
        print("\n".join(map(act_line, acts)) or "nothing yet")
    return 0


def act_line(act: dict[str, Any]) -> str:
    about = act["capture_id"] or act["goat_id"]
    change = (
        f"{json.dumps(act['before'], ensure_ascii=False)} → {json.dumps(act['after'], ensure_ascii=False)}"
    )
    return f"{act['at'][:19]}Z  {act['author']}  {act['act']}  {about}  {change}"


def open_store(options: argparse.Namespace) -> Store:
    return Store(load_config(find_config(options.config)).database_path)


def add_records(commands: Any) -> None:
    correct = with_json(with_config(commands.add_parser("correct", help="say what a trait really is")))
    correct.add_argument("capture", metavar="CAPTURE", help="its id, as `goatdev captures` lists it")
    correct.add_argument("trait", metavar="TRAIT", help=f"one of {', '.join(LIMITS)}")
    correct.add_argument("value", metavar="VALUE", nargs="?", help="cm, or a ratio")
    correct.add_argument("--withdraw", action="store_true", help="take back what was said of this trait")
    correct.add_argument("--author", metavar="NAME", required=True, help="who says it")
    correct.add_argument("--reason", metavar="TEXT", required=True, help="why")
    correct.set_defaults(command=correct_command, misused=correct.error)

    goats = with_json(with_config(commands.add_parser("goats", help="list the goats; pin or unpin one")))
    goats.add_argument(
        "action", nargs="?", choices=("pin", "unpin"), help="keep its pictures for ever, or not"
    )
    goats.add_argument("goat", nargs="?", metavar="ID", help="which goat")
    goats.add_argument("--author", metavar="NAME", help="who pins or unpins")
    goats.set_defaults(command=goats_command, misused=goats.error)

    audit = with_json(with_config(commands.add_parser("audit", help="what people did, newest first")))
    audit.add_argument("--limit", type=positive, default=20, metavar="N", help="how many")
    audit.set_defaults(command=audit_command)
