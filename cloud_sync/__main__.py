"""`python -m cloud_sync --config FILE`: the sync daemon, also reached as `goatdev sync`."""

from __future__ import annotations

import argparse
import logging
import sys

from cloud_sync.daemon import run_sync, sync_once
from edge.config import find_config, load_config
from edge.errors import StationError
from edge.stopping import stop_on_signals

log = logging.getLogger("goatdev.sync")


def main() -> int:
    parser = argparse.ArgumentParser(prog="goatdev sync", description="Deliver captures to the cloud.")
    parser.add_argument("--config", metavar="F", help="configuration file (default: goatdev.toml)")
    parser.add_argument("--once", action="store_true", help="deliver what is due and end")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s: %(message)s")
    try:
        config = load_config(find_config(options.config))
        return sync_once(config) if options.once else run_sync(config, stop_on_signals())
    except StationError as error:
        log.error("%s", error)
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
