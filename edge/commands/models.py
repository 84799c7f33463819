"""`goatdev models`: list, verify, install and roll back the models of a station."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import Any

from edge.config import Config, find_config, load_config
from edge.console import complain, say, with_config, with_json
from edge.errors import ConfigError, ModelRefused, ShelfDamaged
from edge.keeping.locks import is_held
from edge.models import (
    card_in_use,
    card_path,
    install,
    named_card,
    read_offer,
    require_whole,
    roll_back,
    self_test_apart,
)
from edge.selftest import Report
from edge.shelf import SHIPPED, Choice, Shelf, read_serving, title


def list_command(options: argparse.Namespace) -> int:
    """Every model of this station, which is current, and what a roll back would bring."""
    config = config_of(options)
    listing = listing_document(config)
    if options.json:
        say(listing)
    else:
        print(listing_table(listing))
    return 0


def listing_document(config: Config) -> dict[str, Any]:
    shelf = Shelf(config.models_folder)
    line, problem = line_of(shelf)
    serving = read_serving(config.serving_path) if is_held(config.station_lock) else None
    current = line[-1].model if line else None
    return {
        "current": current,
        "configured": str(config.model_path) if config.model_path else None,
        "running": dict(serving.model) if serving else None,
        "problem": problem,
        "rollback_to": line[-2].model if len(line) > 1 else None,
        "models": [model_document(shelf, model, current) for model in (SHIPPED, *shelf.models())],
        "history": [] if problem else [asdict(choice) for choice in shelf.history()],
    }


def line_of(shelf: Shelf) -> tuple[list[Choice], str | None]:
    try:
        return shelf.line(), None
    except ShelfDamaged as error:
        return [], str(error)


def model_document(shelf: Shelf, model: str, current: str | None) -> dict[str, Any]:
    known: dict[str, Any] = {"name": None, "version": None, "sha256": None}
    state = "whole"
    try:
        known = require_whole(shelf, model).as_document()
    except ConfigError as error:
        state = f"damaged: {error.message}"
    path = str(card_path(shelf, model))
    return {"model": model, **known, "card": path, "current": model == current, "state": state}


def listing_table(listing: dict[str, Any]) -> str:
    width = max(len(one["model"]) for one in listing["models"])
    rows = [
        f"{'*' if one['current'] else ' '} {one['model']:{width}}  {one['version'] or '-':12}  {one['state']}"
        for one in listing["models"]
    ]
    return "\n".join([*rows, *remarks(listing)])


def remarks(listing: dict[str, Any]) -> list[str]:
    said = []
    if listing["problem"]:
        said.append(f"{listing['problem']}; until then the shipped model is used")
    else:
        said.append(f"* current; before it: {listing['rollback_to'] or 'none'}")
    if listing["configured"]:
        said.append(f"[measure] model = {listing['configured']} in the configuration wins over these")
    if len(listing["models"]) > 1:
        said.append("make another one current: `goatdev models install` with its card from below")
        said += [f"  {one['card']}" for one in listing["models"] if not one["current"]]
    if listing["running"]:
        said.append(f"the station is running with {title(listing['running'])}")
    return said


def verify_command(options: argparse.Namespace) -> int:
    """Prove a model against its hash and on the golden captures."""
    config = config_of(options)
    path, in_use = named_card(config, options.name), card_in_use(config)
    report = self_test_apart(path, None if in_use == path else in_use)
    if options.json:
        say({"card": str(path), **report.as_document()})
    else:
        print(f"{path}: its sha256 fits its card")
        print(report_table(report))
    refuse_failures(report, "install the model again, or roll back: `goatdev models rollback`")
    return 0


def install_command(options: argparse.Namespace) -> int:
    """Test a model; one that passes is put on the shelf and becomes current."""
    config = config_of(options)
    offer = read_offer(Path(options.card))
    ended = install(
        Shelf(config.models_folder), offer, usable_card(config), self_test_apart, options.keep_current
    )
    effect = taken_up(config) if ended.is_current else ""
    if options.json:
        document = {"installed": ended.report.passed, "name": ended.model, "current": ended.is_current}
        say({**document, "takes_effect": effect or None, "report": ended.report.as_document()})
    else:
        print(report_table(ended.report))
    refuse_failures(ended.report, "nothing was changed: the current model stays")
    if not options.json:
        state = f"installed and current; {effect}" if ended.is_current else "on the shelf, not current"
        print(f"{ended.model}: {state}")
    return 0


def usable_card(config: Config) -> Path | None:
    """What a new model is compared with; none where nothing in use is whole."""
    try:
        return card_in_use(config)
    except ConfigError as error:
        complain(error)
        return None


def rollback_command(options: argparse.Namespace) -> int:
    """Make the previous model current again."""
    config = config_of(options)
    choice = roll_back(Shelf(config.models_folder))
    effect = taken_up(config)
    if options.json:
        say({"current": choice.model, "sha256": choice.sha256, "takes_effect": effect})
    else:
        print(f"{choice.model}: current again, its sha256 fits its card; {effect}")
    return 0


def taken_up(config: Config) -> str:
    """When a model that is current now will be measured with."""
    if config.model_path:
        return f"not used while the configuration names [measure] model = {config.measure.model}"
    if is_held(config.station_lock):
        return "the running station takes it at its next start (`systemctl restart goatdev-station`)"
    return "the station takes it when it starts"


def report_table(report: Report) -> str:
    rows = [("", "self-test", "measured", "wanted")]
    rows += [("ok" if one.passed else "FAIL", one.name, one.measured, one.wanted) for one in report.checks]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    lines = ["  ".join([*map(str.ljust, row, widths), row[3]]).rstrip() for row in rows]
    why = [f"{one.name}: {one.reason}" for one in report.failures]
    return "\n".join([title(report.model), *lines, *why])


def refuse_failures(report: Report, hint: str) -> None:
    if not report.passed:
        failed = ", ".join(one.name for one in report.failures)
        raise ModelRefused(f"{title(report.model)} failed its self-test: {failed}", hint)


def config_of(options: argparse.Namespace) -> Config:
    return load_config(find_config(options.config))


def add_models(commands: Any) -> None:
    models = commands.add_parser("models", help="the networks of this station").add_subparsers(
        required=True, metavar="ACTION"
    )
    listing = with_json(with_config(models.add_parser("list", help="which there are, which is current")))
    listing.set_defaults(command=list_command)
    verify = with_json(with_config(models.add_parser("verify", help="hash and self-test of one model")))
    verify.add_argument("name", nargs="?", metavar="NAME", help="as listed (default: the one in use)")
    verify.set_defaults(command=verify_command)
    installing = with_json(with_config(models.add_parser("install", help="test a model, then use it")))
    installing.add_argument("card", metavar="CARD", help="the .toml beside the model")
    installing.add_argument("--keep-current", action="store_true", help="only put it on the shelf")
    installing.set_defaults(command=install_command)
    rollback = with_json(with_config(models.add_parser("rollback", help="back to the previous model")))
    rollback.set_defaults(command=rollback_command)
