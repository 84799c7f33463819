"""What all commands share: how they speak, and the option that names the configuration."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from edge.errors import StationError


def complain(error: StationError) -> None:
    print(f"goatdev: {error.message}", file=sys.stderr)
    if error.hint:
        print(f"  what to do: {error.hint}", file=sys.stderr)


def say(document: Any) -> None:
    print(json.dumps(document, indent=2, ensure_ascii=False))


def positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError(f"{number} is less than 1")
    return number


def with_config(command: argparse.ArgumentParser) -> argparse.ArgumentParser:
    command.add_argument("--config", metavar="F", help="configuration file (default: goatdev.toml)")
    return command


def with_json(command: argparse.ArgumentParser) -> argparse.ArgumentParser:
    command.add_argument("--json", action="store_true", help="print one JSON document")
    return command
