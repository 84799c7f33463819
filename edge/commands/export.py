"""`goatdev export`: captures as other programs read them."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from edge.commands.wanted import add_wanted, wanted_captures
from edge.config import find_config, load_config
from edge.console import with_config
from edge.errors import StoreError
from edge.keeping.durable import writing_durably
from edge.keeping.export import measurements_csv, measurements_json, weighed, weights_csv, weights_json
from edge.keeping.pages import History, histories
from edge.keeping.store import Store


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


def add_export(commands: Any) -> None:
    export = add_wanted(with_config(commands.add_parser("export", help="captures for other programs")))
    export.add_argument("--format", choices=("csv", "json"), default="csv")
    export.add_argument("--what", choices=("measurements", "weights"), default="measurements")
    export.add_argument("--unit", choices=("lb", "kg"), help="of weights (default: what the scale is set to)")
    export.add_argument("--out", metavar="FILE", default="-", help="where to (default: -, which is stdout)")
    export.set_defaults(command=export_command)
