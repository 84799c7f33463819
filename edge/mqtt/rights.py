"""What a station may hear and say on its broker, as the lines of mosquitto's acl_file: `python -m edge.mqtt.rights`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from edge.config import Config, load_config
from edge.console import complain
from edge.devices.sources import Topic
from edge.errors import StationError
from edge.mqtt.homeassistant import device_id


def rights(config: Config) -> str:
    """The station's own topics, those of its buttons and devices, Home Assistant's; nothing else."""
    heard = [button.topic for button in config.buttons]
    heard += [source.name for source in config.devices().values() if isinstance(source, Topic)]
    said = []
    prefix = config.mqtt.discovery_prefix
    if prefix:
        heard.append(f"{prefix}/status")
        said.append(f"{prefix}/device/{device_id(config.station.id)}/config")
    lines = [
        f"user {config.mqtt.username}",
        f"topic readwrite {config.topic_root}/#",
        *(f"topic write {topic}" for topic in said),
        *(f"topic read {topic}" for topic in dict.fromkeys(heard)),
    ]
    return "\n".join(lines) + "\n"


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--config", type=Path, required=True)
    try:
        sys.stdout.write(rights(load_config(options.parse_args().config)))
    except StationError as error:
        complain(error)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
