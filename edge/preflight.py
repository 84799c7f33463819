"""What a release must show on this machine before it becomes current: `python -m edge.preflight --config F`.

Nothing of the running station is touched: its models are only read, its database comes as a copy.
Ends with 1 where the release is no good, with 78 where it is and only the configuration keeps it from working.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from edge.calibration import read_calibration
from edge.config import Config, load_config
from edge.console import complain
from edge.errors import ConfigError, ModelRefused, StationError
from edge.keeping.store import Store
from edge.models import card_in_use, self_test_apart
from edge.segment import SHIPPED_MODEL
from edge.shelf import title


def main(arguments: Sequence[str] | None = None) -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--config", type=Path, required=True)
    options.add_argument("--database", type=Path, metavar="COPY", help="a copy, which is brought up to date")
    given = options.parse_args(arguments)
    codes = [told("the network that comes with it", lambda: passes(SHIPPED_MODEL))]
    if given.database:
        codes.append(told("the database", lambda: opens(given.database)))
    codes.append(told("the configuration", lambda: is_complete(given.config)))
    return verdict(codes)


def verdict(codes: Sequence[int]) -> int:
    """A release that is no good goes before a configuration that is not finished."""
    return min((code for code in codes if code), default=0)


def told(what: str, check: Callable[[], str]) -> int:
    """Make one check and say how it went; 0, or how this ends: all but a configuration speaks against the release."""
    try:
        print(f"ok    {what}: {check()}", flush=True)
    except StationError as error:
        is_configuration = isinstance(error, ConfigError)
        print(f"{'to do' if is_configuration else 'FAIL '} {what}:", flush=True)
        complain(error)
        return ConfigError.exit_code if is_configuration else 1
    return 0


def passes(card: Path) -> str:
    try:
        report = self_test_apart(card, None)
    except StationError as error:
        raise ModelRefused(error.message, error.hint) from None
    if not report.passed:
        failed = ", ".join(check.name for check in report.failures)
        raise ModelRefused(f"{title(report.model)} failed its self-test: {failed}", "stay with what runs now")
    return f"{title(report.model)} passed its self-test"


def opens(database: Path) -> str:
    """Migrates the copy and reads it as the pages and the cloud would."""
    with Store(database) as store:
        store.captures(20)
        store.interrupted()
        return f"{sum(store.counts().values())} captures, readable with this release's tables"


def is_complete(path: Path) -> str:
    """Raises ConfigError where the station could not start with it."""
    config: Config = load_config(path)
    read_calibration(config.calibration_path)
    cameras = ", ".join(config.cameras.sources().values())
    return f"station {config.station.id}, {cameras}, network {card_in_use(config).name}"


if __name__ == "__main__":
    sys.exit(main())
