"""One TOML file, read once and whole before anything starts; every mistake names its key and the remedy."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

from edge.devices.sources import SerialPort, Topic, read_source
from edge.errors import ConfigError
from edge.settings import (
    SECRETS_HINT,
    BoardConfig,
    ButtonConfig,
    CamerasConfig,
    DashboardConfig,
    DiskConfig,
    MeasureConfig,
    MqttConfig,
    ReaderConfig,
    ScaleConfig,
    StationConfig,
    SyncConfig,
    require,
)

CONFIG_PLACES = (Path("goatdev.toml"), Path("/etc/goatdev/goatdev.toml"))

Table = TypeVar("Table")


@dataclass(frozen=True, slots=True)
class Config:
    """The whole configuration; relative paths are relative to the file it came from."""

    station: StationConfig
    cameras: CamerasConfig
    measure: MeasureConfig
    dashboard: DashboardConfig
    sync: SyncConfig
    disk: DiskConfig
    board: BoardConfig
    reader: ReaderConfig
    scale: ScaleConfig
    mqtt: MqttConfig
    buttons: tuple[ButtonConfig, ...]
    folder: Path

    def __post_init__(self) -> None:
        require(
            not self.buttons or self.mqtt.host != "",
            "[[buttons]]: there is no broker to hear them from",
            "name it in [mqtt] host",
        )
        for name, source in self.devices().items():
            require(
                not isinstance(source, Topic) or self.mqtt.host != "",
                f"[{name}] source: there is no broker to hear it from",
                "name it in [mqtt] host",
            )
        topics = [button.topic for button in self.buttons]
        for topic in topics:
            require(
                topics.count(topic) == 1,
                f"[[buttons]] topic: {topic!r} is named twice",
                "one entry per topic; several presses of one button go into its actions",
            )
            require(
                not topic.startswith(f"{self.topic_root}/"),
                f"[[buttons]] topic: {topic!r} is one of the station's own",
                f"{self.topic_root}/trigger is always listened to; leave this one out",
            )

    @property
    def topic_root(self) -> str:
        """What all topics of this station begin with."""
        return f"goatdev/{self.station.id}"

    @property
    def data_dir(self) -> Path:
        return self.folder / self.station.data_dir

    @property
    def database_path(self) -> Path:
        return self.data_dir / "station.db"

    @property
    def image_folder(self) -> Path:
        return self.data_dir / "images"

    @property
    def preview_folder(self) -> Path:
        """Live pictures, while somebody looks at them."""
        return self.data_dir / "preview"

    @property
    def reserve_path(self) -> Path:
        """Room that is given up when there is no other."""
        return self.data_dir / "reserve"

    @property
    def station_lock(self) -> Path:
        """Held by the one station process for as long as it runs."""
        return self.data_dir / "station.lock"

    @property
    def sync_lock(self) -> Path:
        return self.data_dir / "sync.lock"

    @property
    def models_folder(self) -> Path:
        """The shelf of models that were installed here."""
        return self.data_dir / "models"

    @property
    def serving_path(self) -> Path:
        """Where the station tells which model it measures with."""
        return self.data_dir / "serving.json"

    @property
    def word_path(self) -> Path:
        """Where the running station says how it is."""
        return self.data_dir / "station.json"

    @property
    def sync_word_path(self) -> Path:
        return self.data_dir / "sync.json"

    @property
    def devices_path(self) -> Path:
        """Where the station tells how its tag reader and scale are doing."""
        return self.data_dir / "devices.json"

    def devices(self) -> dict[str, SerialPort | Topic]:
        """ "reader" and "scale" -> where its lines come from, only those that the station has."""
        given = {"reader": self.reader.source, "scale": self.scale.source}
        sources = {name: read_source(text, f"[{name}] source") for name, text in given.items()}
        return {name: source for name, source in sources.items() if source is not None}

    @property
    def calibration_path(self) -> Path:
        return self.folder / self.measure.calibration

    @property
    def model_path(self) -> Path | None:
        return self.folder / self.measure.model if self.measure.model else None


TABLES: Mapping[str, type] = {
    "station": StationConfig,
    "cameras": CamerasConfig,
    "measure": MeasureConfig,
    "dashboard": DashboardConfig,
    "sync": SyncConfig,
    "disk": DiskConfig,
    "board": BoardConfig,
    "reader": ReaderConfig,
    "scale": ScaleConfig,
    "mqtt": MqttConfig,
}
# What may be there several times, each under double brackets.
ARRAYS: Mapping[str, type] = {"buttons": ButtonConfig}


def find_config(given: str | None) -> Path:
    """The file named on the command line, by GOATDEV_CONFIG, or in one of the usual places."""
    found = config_if_any(given)
    if found is None:
        raise ConfigError(
            "no configuration found",
            "name one with --config FILE, or write goatdev.toml here; `goatdev demo` needs none",
        )
    return found


def config_if_any(given: str | None) -> Path | None:
    """As `find_config`, for what can do without one."""
    named = given or os.environ.get("GOATDEV_CONFIG")
    if named:
        return Path(named)
    return next((place for place in CONFIG_PLACES if place.is_file()), None)


def load_config(path: Path) -> Config:
    """Read one TOML file into frozen dataclasses, or say which key is wrong and what to do."""
    document = read_toml(path)
    for name in document:
        if name not in TABLES and name not in ARRAYS:
            raise ConfigError(f"{path}: [{name}]: unknown table", did_you_mean(name, {**TABLES, **ARRAYS}))
    tables: dict[str, Any] = {
        name: read_table(cls, document.get(name, {}), f"[{name}]") for name, cls in TABLES.items()
    }
    for name, cls in ARRAYS.items():
        tables[name] = read_array(cls, document.get(name, []), f"[[{name}]]")
    return Config(**tables, folder=path.resolve().parent)


def read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(
            f"{path}: cannot be read: {error.strerror}", "check the path and its permissions"
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not valid TOML: {error}", "mend the line it names") from None


def read_array(cls: type[Table], tables: Any, where: str) -> tuple[Table, ...]:
    """Build one configuration dataclass from each of the tables under the same double brackets."""
    if not isinstance(tables, list):
        raise ConfigError(f"{where}: must be under double brackets", f"write {where} before each of them")
    return tuple(read_table(cls, table, where) for table in tables)


def read_table(cls: type[Table], table: Any, where: str) -> Table:
    """Build one configuration dataclass from one TOML table; a bad key names itself."""
    if not isinstance(table, dict):
        raise ConfigError(f"{where}: must be a table", f"write {where} on a line of its own")
    known = {field.name: field for field in fields(cls)}  # type: ignore[arg-type]
    for key, value in table.items():
        if key not in known:
            hint = SECRETS_HINT if key == "password" else did_you_mean(key, known)
            raise ConfigError(f"{where} {key}: unknown key", hint)
        check_type(f"{where} {key}", value, str(known[key].type))
    values = {key: tuple(value) if isinstance(value, list) else value for key, value in table.items()}
    try:
        return cls(**values)
    except TypeError:
        absent = sorted(name for name, one in known.items() if name not in table and one.default is MISSING)
        raise ConfigError(
            f"{where}: {', '.join(absent)} missing", "see the configuration in README.md"
        ) from None


def check_type(where: str, value: Any, wanted: str) -> None:
    fits = {
        "str": isinstance(value, str),
        "int": isinstance(value, int) and not isinstance(value, bool),
        "float": isinstance(value, (int, float)) and not isinstance(value, bool),
        "bool": isinstance(value, bool),
        "tuple[str, ...]": isinstance(value, list) and all(isinstance(one, str) for one in value),
    }[wanted]
    words = {
        "str": "text in quotes",
        "int": "a whole number",
        "float": "a number",
        "bool": "true or false",
        "tuple[str, ...]": 'a list of texts, like ["single"]',
    }
    require(fits, f"{where}: {value!r} is not {words[wanted]}", f"write {words[wanted]}")


def did_you_mean(name: str, known: Mapping[str, Any]) -> str:
    nearest = get_close_matches(name, known, n=1)
    return f"did you mean {nearest[0]}?" if nearest else f"known: {', '.join(known)}"
