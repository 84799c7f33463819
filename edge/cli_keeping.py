"""`goatdev backup`, `restore`, `export`, `replay`: what is done with all that a station has kept."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

from edge.cli_replay import add_replay
from edge.cli_wanted import add_wanted, wanted_captures
from edge.config import find_config, load_config
from edge.console import say, with_config, with_json
from edge.errors import StoreError
from edge.keeping.backup import Backup, Manifest, make_backup, size_words
from edge.keeping.durable import writing_durably
from edge.keeping.export import measurements_csv, measurements_json, weighed, weights_csv, weights_json
from edge.keeping.pages import History, histories
from edge.keeping.restore import Restored, check_backup, restore
from edge.keeping.store import Store
from edge.progress import progress

# Backup and restore.


def backup_command(options: argparse.Namespace) -> int:
    """Write the whole station into one file, and read that back."""
    path = find_config(options.config)
    made = make_backup(
        load_config(path), path, Path(options.out), not options.without_originals, progress("backup")
    )
    tell_gaps(made)
    if options.json:
        say(
            {
                "file": str(made.path),
                "size_bytes": made.size_bytes,
                "verified": True,
                **manifest_document(made.manifest),
                "gaps": made.gaps,
                "first_gaps": [asdict(gap) for gap in made.first_gaps],
            }
        )
    else:
        print(f"{made.path}: {size_words(made.size_bytes)}, read back and found whole")
        print(contents(made.manifest))
    return 0


def tell_gaps(made: Backup) -> None:
    for gap in made.first_gaps:
        print(f"goatdev: {gap.path} is {gap.why} on this station", file=sys.stderr)
    more = sum(made.gaps.values()) - len(made.first_gaps)
    if more:
        print(f"goatdev: and {more} more; gaps.txt in the backup names all", file=sys.stderr)


def restore_command(options: argparse.Namespace) -> int:
    """Bring a backup into a new folder, or only prove it."""
    backup = Path(options.file)
    if options.check:
        manifest = check_backup(backup, progress("checking"))
        if options.json:
            say({"file": str(backup), "whole": True, **manifest_document(manifest)})
        else:
            print(
                f"{backup}: every file in it is as it was written, and so is the database\n{contents(manifest)}"
            )
        return 0
    done = restore(backup, Path(options.into), progress("restoring"))
    if options.json:
        say(
            {
                "folder": str(done.folder),
                "captures": done.captures,
                **manifest_document(done.manifest),
                "next_steps": list(done.next_steps),
            }
        )
    else:
        print(restored_words(done))
    return 0


def restored_words(done: Restored) -> str:
    steps = [f"  - {step}" for step in done.next_steps]
    return "\n".join([f"restored into {done.folder}", contents(done.manifest), "what to do next:", *steps])


def manifest_document(manifest: Manifest) -> dict[str, Any]:
    return {**asdict(manifest), "schema": list(manifest.schema)}


def contents(manifest: Manifest) -> str:
    originals = "" if manifest.originals else ", without the pictures as taken"
    return (
        f"station {manifest.station_id} as of {manifest.made_at}: {manifest.rows.get('captures', 0)} captures, "
        f"{manifest.pictures} pictures ({size_words(manifest.pictures_bytes)}){originals}"
    )


# Export.


def export_command(options: argparse.Namespace) -> int:
    """Write captures as other programs read them."""
    config = load_config(find_config(options.config))
    with Store(config.database_path) as store:
        wanted = wanted_captures(options, store)
        unit = options.unit or config.scale.typed_unit
        found = histories(store, wanted, with_images=options.format == "json")
        lines = exported(options, unit, found)
        with output(options.out) as file:
            file.writelines(line.encode() for line in lines)
    return 0


def exported(options: argparse.Namespace, unit: str, found: Iterable[History]) -> Iterator[str]:
    if options.what == "weights":
        named = weighed(found, tell_nameless)
        return weights_csv(named, unit) if options.format == "csv" else weights_json(named, unit)
    return measurements_csv(found) if options.format == "csv" else measurements_json(found)


def tell_nameless(number: int) -> None:
    if number:
        print(f"goatdev: {number} weights are left out: nobody knows whose they are", file=sys.stderr)


@contextmanager
def output(out: str) -> Iterator[IO[bytes]]:
    """The file, which is there when all of it is; or stdout. Whoever stops reading that ends it quietly."""
    if out == "-":
        try:
            yield sys.stdout.buffer
            sys.stdout.buffer.flush()
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise
        return
    try:
        with writing_durably(Path(out)) as file:
            yield file
    except OSError as error:
        raise StoreError(f"{out}: {error.strerror}", "name another file with --out") from error


# What can be typed.


def add_keeping(commands: Any) -> None:
    backup = with_json(with_config(commands.add_parser("backup", help="the whole station in one file")))
    backup.add_argument("--out", metavar="FILE", required=True, help="a new file, or a folder for it")
    backup.add_argument(
        "--without-originals",
        action="store_true",
        help="numbers and annotated pictures, not the pictures as taken",
    )
    backup.set_defaults(command=backup_command)

    restoring = with_json(commands.add_parser("restore", help="a station's folder from a backup"))
    restoring.add_argument("file", metavar="FILE", help="what `goatdev backup` made")
    where = restoring.add_mutually_exclusive_group(required=True)
    where.add_argument("--into", metavar="FOLDER", help="a new or empty folder")
    where.add_argument("--check", action="store_true", help="only prove that the backup is whole")
    restoring.set_defaults(command=restore_command)

    export = add_wanted(with_config(commands.add_parser("export", help="captures for other programs")))
    export.add_argument("--format", choices=("csv", "json"), default="csv")
    export.add_argument("--what", choices=("measurements", "weights"), default="measurements")
    export.add_argument("--unit", choices=("lb", "kg"), help="of weights (default: what the scale is set to)")
    export.add_argument("--out", metavar="FILE", default="-", help="where to (default: -, which is stdout)")
    export.set_defaults(command=export_command)

    add_replay(commands)
