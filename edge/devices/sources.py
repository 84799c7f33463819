"""Where a device's lines come from: `serial:/dev/ttyUSB0?baud=9600` or `mqtt:barn/reader`."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import parse_qsl

from edge.errors import ConfigError

# A line of a reader or a scale is far shorter; what is longer is noise.
LONGEST_LINE_BYTES = 200

EXAMPLE = 'for example "serial:/dev/ttyUSB0?baud=9600" or "mqtt:barn/reader"'
BAUDS = (300, 600, 1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200)
# What may stand behind the question mark, the usual value first.
SETTINGS = {
    "baud": ("9600", *map(str, BAUDS)),
    "bits": ("8", "7"),
    "parity": ("none", "even", "odd"),
    "stop": ("1", "2"),
}


@dataclass(frozen=True, slots=True)
class SerialPort:
    """A serial port and how it is set."""

    path: str
    baud: int
    bits: int
    parity: str
    stop: int


@dataclass(frozen=True, slots=True)
class Topic:
    """An MQTT topic on which each message is a line."""

    name: str


def read_source(text: str, where: str) -> SerialPort | Topic | None:
    """What a source names, None for an empty one. Raises ConfigError, naming the key `where`."""
    if not text:
        return None
    kind, _, rest = text.partition(":")
    if kind == "mqtt" and rest and not set(rest) & set("#+\0"):
        return Topic(rest)
    if kind == "serial":
        return serial_port(rest, where)
    raise ConfigError(f"{where}: {text!r} is not known", EXAMPLE)


def serial_port(rest: str, where: str) -> SerialPort:
    path, _, query = rest.partition("?")
    if not path.startswith("/"):
        raise ConfigError(f"{where}: {path!r} is no port", EXAMPLE)
    given = dict(parse_qsl(query, keep_blank_values=True))
    for name, value in given.items():
        if name not in SETTINGS:
            raise ConfigError(f"{where}: {name}: unknown setting", f"known: {', '.join(SETTINGS)}")
        if value not in SETTINGS[name]:
            known = ", ".join(dict.fromkeys(SETTINGS[name]))
            raise ConfigError(f"{where}: {name} {value!r} is not known", f"known: {known}")
    settings = {name: values[0] for name, values in SETTINGS.items()} | given
    return SerialPort(
        path, int(settings["baud"]), int(settings["bits"]), settings["parity"], int(settings["stop"])
    )
