"""`goatdev rescue` and `goatdev prune`: what a station keeps, built again or made less, by hand."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict
from typing import Any

from edge.config import Config, find_config, load_config
from edge.console import say, with_config, with_json
from edge.errors import StoreError
from edge.keeping.archive import Archive
from edge.keeping.census import Census
from edge.keeping.copies import Copies
from edge.keeping.disk import disk_below
from edge.keeping.locks import held
from edge.keeping.prune import all_prunable, prune
from edge.keeping.rescue import Rescued, rescue
from edge.keeping.store import Store


def rescue_command(options: argparse.Namespace) -> int:
    """Build the database again from what lies beside the pictures."""
    config = load_config(find_config(options.config))
    with nobody_else(config):
        done = rescue(config.database_path, Archive(config.image_folder), tell_progress)
    if options.json:
        say(asdict(done))
    else:
        print(rescued_words(done))
    return 0


def nobody_else(config: Config) -> ExitStack:
    """Neither station nor sync runs, and none starts meanwhile."""
    with ExitStack() as locks:
        for name, lock in (("station", config.station_lock), ("sync", config.sync_lock)):
            busy = f"the {name} is running on {config.data_dir}"
            locks.enter_context(held(lock, busy, f"stop it first: `systemctl stop goatdev-{name}`"))
        return locks.pop_all()


def tell_progress(done: int, total: int) -> None:
    print(f"goatdev: {done} of {total} captures", file=sys.stderr)


def rescued_words(done: Rescued) -> str:
    lines = [f"{name} was set aside, not removed" for name in done.set_aside]
    if not done.captures:
        return "\n".join([*lines, "nothing to rescue: the database knows all captures on disk"])
    lines.append(
        f"{done.captures} captures are in the database again, {done.delivered} with receipts of the cloud"
    )
    if done.pictures_only:
        lines.append(f"{done.pictures_only} have only their pictures: measure them again")
    return "\n".join([*lines, "start station and sync again"])


def prune_command(options: argparse.Namespace) -> int:
    """Show or remove the pictures as taken that the cloud has a receipt for."""
    config = load_config(find_config(options.config))
    with ExitStack() as opened:
        if options.now:
            opened.enter_context(nobody_else(config))
        store = opened.enter_context(Store(config.database_path))
        archive = Archive(config.image_folder)
        require_all_known(Census(store, archive), store)
        before = disk_below(config.data_dir)
        if options.now:
            while Copies(store, archive).write_next():
                pass
        found = [one for one in all_prunable(store) if not options.now or prune(store, archive, one)]
    document = {
        "pruned": options.now,
        "captures": len(found),
        "pictures": sum(len(one.images) for one in found),
        "bytes": sum(one.size_bytes for one in found),
        "used_before": round(before.used, 4),
        "used_after": round(disk_below(config.data_dir).used, 4),
    }
    if options.json:
        say(document)
    else:
        what = "were removed" if options.now else "could go; `goatdev prune --now` removes them"
        size_mb = document["bytes"] / 1e6
        print(f"{document['pictures']} pictures of {document['captures']} captures, {size_mb:.0f} MB, {what}")
        print(f"the disk is {document['used_after']:.0%} used")
    return 0


def require_all_known(census: Census, store: Store) -> None:
    """Raise StoreError while captures lie on disk that the database does not know."""
    while not census.is_done:
        census.look_at_next_day()
    if store.unknown():
        raise StoreError(
            f"{store.unknown()} captures on disk are not in the database: nothing is pruned",
            "run `goatdev rescue` first",
        )


def add_keeping(commands: Any) -> None:
    about = "build a lost or damaged database again from what lies beside the pictures"
    add(commands, "rescue", about, rescue_command)

    pruning = add(commands, "prune", "remove pictures as taken that the cloud has", prune_command)
    which = pruning.add_mutually_exclusive_group(required=True)
    which.add_argument("--dry-run", action="store_true", help="only say what could go")
    which.add_argument("--now", action="store_true", help="remove them, however full the disk is")


def add(
    commands: Any, name: str, about: str, command: Callable[[argparse.Namespace], int]
) -> argparse.ArgumentParser:
    parser = with_json(with_config(commands.add_parser(name, help=about)))
    parser.set_defaults(command=command)
    return parser
