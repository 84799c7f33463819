"""`goatdev backup` and `goatdev restore`: a station in one file, and a station out of it."""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from edge.config import find_config, load_config
from edge.console import say, with_config, with_json
from edge.keeping.backup import Backup, Manifest, make_backup, size_words
from edge.keeping.restore import Restored, check_backup, restore
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


# What can be typed.


def add_backup(commands: Any) -> None:
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
