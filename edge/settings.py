"""What each table of the configuration may hold; every mistake names its key and the remedy."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from edge.devices.sources import SerialPort, read_source
from edge.errors import ConfigError
from edge.records import LANGUAGES, VIEWS


@dataclass(frozen=True, slots=True)
class StationConfig:
    """[station]: who this is and where it keeps things."""

    id: str
    data_dir: str
    max_age_s: float = 30.0
    language: str = "en"

    def __post_init__(self) -> None:
        require(
            re.fullmatch(r"[a-zA-Z0-9-]{1,32}", self.id) is not None,
            f"[station] id: {self.id!r} is not a station name",
            "use 1 to 32 letters, digits and hyphens",
        )
        require(
            1 <= self.max_age_s <= 3600,
            f"[station] max_age_s: {self.max_age_s:g} is out of range",
            "after how many seconds a waiting press is stale: 1 to 3600",
        )
        require(
            self.language in LANGUAGES,
            f"[station] language: {self.language!r} is not spoken here",
            "known: " + ", ".join(f'"{one}"' for one in LANGUAGES),
        )


@dataclass(frozen=True, slots=True)
class CamerasConfig:
    """[cameras]: one source per view, or none for a view without a camera."""

    side: str = ""
    top: str = ""
    front: str = ""
    side_camera_on: str = "left"
    burst_shots: int = 3
    burst_s: float = 1.0
    at_once: int = 3
    limit_s: float = 3.0
    width: int = 0
    height: int = 0
    preview_width: int = 640
    preview_height: int = 480
    focus: int = -1
    exposure: int = -1
    white_balance: int = -1

    def __post_init__(self) -> None:
        for name, low, high, meaning in CAMERA_LIMITS:
            value = getattr(self, name)
            require(
                low <= value <= high,
                f"[cameras] {name}: {value:g} is out of range",
                f"{meaning}: {low:g} to {high:g}",
            )
        require(
            (self.width == 0) == (self.height == 0),
            "[cameras] width and height go together",
            "give both in pixels, or neither for the largest picture that the camera has",
        )
        require(
            self.side_camera_on in ("left", "right"),
            f"[cameras] side_camera_on: {self.side_camera_on!r} is no side",
            'the side camera is on the animal\'s "left" or "right"',
        )
        require(any(self.sources().values()), "[cameras]: no camera named", 'for example side = "usb:0"')

    def sources(self) -> dict[str, str]:
        """view -> source, only the views that have one."""
        return {view: getattr(self, view) for view in VIEWS if getattr(self, view)}


CAMERA_LIMITS = (
    ("burst_shots", 1, 9, "how many pictures each camera takes at a press"),
    ("burst_s", 0, 10, "over how many seconds they are spread"),
    ("at_once", 1, 3, "how many cameras expose at the same time"),
    ("limit_s", 0.2, 30, "how many seconds a camera may take for a picture"),
    ("width", 0, 10_000, "the picture's width in pixels, 0 for the camera's largest"),
    ("height", 0, 10_000, "the picture's height in pixels, 0 for the camera's largest"),
    ("preview_width", 160, 1920, "the width of the live picture in pixels"),
    ("preview_height", 120, 1080, "the height of the live picture in pixels"),
    ("focus", -1, 100_000, "where the lens is fixed, -1 to leave it to the camera"),
    ("exposure", -1, 100_000, "the exposure in units of 0.1 ms, -1 to leave it to the camera"),
    ("white_balance", -1, 100_000, "the colour of the light in kelvin, -1 to leave it to the camera"),
)


@dataclass(frozen=True, slots=True)
class MeasureConfig:
    """[measure]: what turns pixels into centimetres."""

    calibration: str
    model: str = ""


@dataclass(frozen=True, slots=True)
class DashboardConfig:
    """[dashboard]: where the pages are served."""

    host: str = "127.0.0.1"
    port: int = 8000

    def __post_init__(self) -> None:
        require(
            0 < self.port < 65536, f"[dashboard] port: {self.port} is no port", "a number from 1 to 65535"
        )


@dataclass(frozen=True, slots=True)
class SyncConfig:
    """[sync]: where captures are delivered, and how often an idle outbox is looked at."""

    destination: str = ""
    poll_s: float = 2.0

    def __post_init__(self) -> None:
        known = self.destination == "" or self.destination.startswith("folder:")
        require(
            known, f"[sync] destination: {self.destination!r} is not known", 'for example "folder:/media/usb"'
        )
        require(
            0.1 <= self.poll_s <= 3600,
            f"[sync] poll_s: {self.poll_s:g} is out of range",
            "0.1 to 3600 seconds",
        )


@dataclass(frozen=True, slots=True)
class DiskConfig:
    """[disk]: how full it may be, each from 0 to 1, before it is warned of, pruned, and no press is taken."""

    warn: float = 0.80
    prune: float = 0.90
    refuse: float = 0.95

    def __post_init__(self) -> None:
        for name, value in (("warn", self.warn), ("prune", self.prune), ("refuse", self.refuse)):
            require(
                0.2 <= value <= 0.99,
                f"[disk] {name}: {value:g} is out of range",
                "a share from 0.2 to 0.99",
            )
        require(
            self.warn <= self.prune < self.refuse,
            f"[disk]: warn {self.warn:g}, prune {self.prune:g}, refuse {self.refuse:g} are not in order",
            "first comes the warning, then pruning, then refusing, for example 0.80, 0.90, 0.95",
        )


@dataclass(frozen=True, slots=True)
class BoardConfig:
    """[board]: the calibration board as printed and glued; the defaults fill an A3 sheet."""

    columns: int = 7
    rows: int = 5
    square_cm: float = 5.6
    marker_cm: float = 4.2
    dictionary: str = "DICT_5X5_100"
    margin_x_cm: float = 1.4
    margin_y_cm: float = 0.85
    panel_cm: float = 0.4

    def __post_init__(self) -> None:
        for name, low, high in BOARD_LIMITS:
            value = getattr(self, name)
            require(
                low <= value <= high,
                f"[board] {name}: {value:g} is out of range",
                f"{low:g} to {high:g}",
            )
        share = self.marker_cm / self.square_cm
        require(
            0.5 <= share <= 0.8,
            f"[board] marker_cm: a marker of {self.marker_cm:g} cm in a square of {self.square_cm:g} cm",
            "half to four fifths of the square",
        )
        require(
            re.fullmatch(r"DICT_[4567]X[4567]_(50|100|250|1000)", self.dictionary) is not None
            and self.dictionary[5] == self.dictionary[7],
            f"[board] dictionary: {self.dictionary!r} is not known",
            'for example "DICT_5X5_100"',
        )


@dataclass(frozen=True, slots=True)
class MqttConfig:
    """[mqtt]: the broker that brings presses and takes results; without a host there is none."""

    host: str = ""
    port: int = 1883
    username: str = ""
    tls: bool = False
    ca_file: str = ""
    debounce_s: float = 2.0
    discovery_prefix: str = "homeassistant"

    def __post_init__(self) -> None:
        require(
            self.host == "" or HOST.fullmatch(self.host) is not None,
            f"[mqtt] host: {self.host!r} is not a host name or address",
            'only the name, for example "192.168.1.10": the port has a key of its own',
        )
        require(0 < self.port < 65536, f"[mqtt] port: {self.port} is no port", "usually 1883, with TLS 8883")
        require(
            self.tls or not self.ca_file,
            "[mqtt] ca_file: named, but tls is false",
            "write tls = true; port is then usually 8883",
        )
        require(
            0 <= self.debounce_s <= 60,
            f"[mqtt] debounce_s: {self.debounce_s:g} is out of range",
            "how long a button is deaf after a press: 0 to 60 seconds",
        )
        if self.discovery_prefix:
            require_topic("[mqtt] discovery_prefix", self.discovery_prefix)


@dataclass(frozen=True, slots=True)
class ButtonConfig:
    """[[buttons]]: one button of the barn, and which of its messages are a press.

    actions    what the device calls a press; none named: what it calls a single one
    component  which part of the device, for one that has several; none named: any
    """

    kind: str
    topic: str
    actions: tuple[str, ...] = ()
    component: str = ""

    def __post_init__(self) -> None:
        require(
            self.kind in PRESS_ACTIONS,
            f"[[buttons]] kind: {self.kind!r} is not known",
            "known: " + ", ".join(PRESS_ACTIONS),
        )
        require_topic("[[buttons]] topic", self.topic)
        require(
            not self.component or self.kind in WITH_COMPONENTS,
            f"[[buttons]] component: {self.kind} names none in its messages",
            "leave it out; it is for " + ", ".join(WITH_COMPONENTS),
        )

    @property
    def presses(self) -> frozenset[str]:
        """What counts as a press, in small letters."""
        return frozenset(one.lower() for one in self.actions or PRESS_ACTIONS[self.kind])


# kind of button -> what it calls a single press
PRESS_ACTIONS: Mapping[str, tuple[str, ...]] = {
    "zigbee2mqtt": ("single",),
    "shelly1": ("S",),
    "shelly2": ("single_push",),
    "tasmota": ("SINGLE",),
    "esphome": ("ON",),
    "plain": ("", "press", "1", "ON"),
}
WITH_COMPONENTS = ("shelly2", "tasmota")
HOST = re.compile(
    r"[A-Za-z0-9]([A-Za-z0-9_-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9_-]*[A-Za-z0-9])?)*|[0-9a-fA-F:]+"
)
LONGEST_TOPIC = 200
SECRETS_HINT = "a password is never written here: take the line out and see README.md, Buttons and MQTT"


@dataclass(frozen=True, slots=True)
class ReaderConfig:
    """[reader]: the tag reader, and how long before and after a press a tag names the goat."""

    source: str = ""
    max_age_s: float = 30.0
    after_s: float = 5.0

    def __post_init__(self) -> None:
        read_source(self.source, "[reader] source")
        for name, value in (("max_age_s", self.max_age_s), ("after_s", self.after_s)):
            require(0 <= value <= 300, f"[reader] {name}: {value:g} is out of range", "0 to 300 seconds")


@dataclass(frozen=True, slots=True)
class ScaleConfig:
    """[scale]: the weight indicator, and how far from a press its weight may be."""

    source: str = ""
    unit: str = ""
    ask: str = ""
    max_age_s: float = 5.0

    def __post_init__(self) -> None:
        source = read_source(self.source, "[scale] source")
        require(
            self.unit in ("", *SCALE_UNITS),
            f"[scale] unit: {self.unit!r} is not known",
            'what the indicator is set to, where its lines do not say it: "lb", "kg" or "g"',
        )
        require(
            re.fullmatch(r"[!-~]{0,8}", self.ask) is not None,
            f"[scale] ask: {self.ask!r} cannot be sent",
            'what makes the indicator answer, for example "W"',
        )
        require(
            not self.ask or isinstance(source, SerialPort),
            "[scale] ask: only a scale on a serial port can be asked",
            "leave it out",
        )
        require(
            0 <= self.max_age_s <= 60,
            f"[scale] max_age_s: {self.max_age_s:g} is out of range",
            "0 to 60 seconds",
        )

    @property
    def typed_unit(self) -> str:
        """In which unit people think here, "lb" or "kg"."""
        return "kg" if self.unit in ("kg", "g") else "lb"


SCALE_UNITS = ("lb", "kg", "g")
BOARD_LIMITS = (
    ("columns", 4, 20),
    ("rows", 3, 20),
    ("square_cm", 1.0, 20.0),
    ("margin_x_cm", 0.2, 20.0),
    ("margin_y_cm", 0.2, 20.0),
    ("panel_cm", 0.0, 5.0),
)


def require(holds: bool, message: str, hint: str) -> None:
    if not holds:
        raise ConfigError(message, hint)


def require_topic(where: str, topic: str) -> None:
    """One MQTT topic by its full name."""
    require(
        0 < len(topic) <= LONGEST_TOPIC
        and topic.isprintable()
        and topic.strip() == topic
        and not set(topic) & set("+#")
        and not topic.startswith("$"),
        f"{where}: {topic!r} is not the full name of a topic",
        f"1 to {LONGEST_TOPIC} characters, without + and #",
    )
