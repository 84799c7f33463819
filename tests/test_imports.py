"""Imports point inward, and each third-party package has one door."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.conftest import REPO

PACKAGES = ("edge", "cloud_sync", "dashboard")

# Who may know whom inside the station. A module that is not listed here has not found its place yet.
EDGE_MAY_IMPORT = {
    "__init__": set(),
    "errors": set(),
    "records": set(),
    "clock": {"records"},
    "times": set(),
    "keeping.durable": set(),
    "devices.sources": {"errors"},
    "settings": {"errors", "records", "devices.sources"},
    "config": {"errors", "settings", "devices.sources"},
    "keeping.disk": {"errors", "settings"},
    "keeping.damage": {"keeping.durable", "errors"},
    "keeping.trouble": {"keeping.disk", "errors"},
    "keeping.locks": {"keeping.disk", "keeping.durable", "errors"},
    "jpeg": set(),
    "images": {"errors", "jpeg", "records"},
    "advice": {"records"},
    "document": {"__init__", "records"},
    "table": {"records"},
    "corrections": {"errors", "records"},
    "devices": set(),
    "keeping": set(),
    "commands": set(),
    "measuring": set(),
    "calibrating": set(),
    "devices.identity": {"errors"},
    "devices.weights": {"errors", "records"},
    "triggers": {"clock", "errors", "devices.identity", "records"},
    "devices.joining": {"records", "devices.weights"},
    "devices.report": {"clock", "errors", "records"},
    "devices.heard": {
        "advice",
        "clock",
        "settings",
        "devices.report",
        "errors",
        "devices.identity",
        "devices.joining",
        "records",
        "devices.sources",
        "devices.weights",
    },
    "devices.serial_lines": {"devices.sources"},
    "keeping.record_tables": set(),
    "keeping.schema": {"keeping.record_tables"},
    "keeping.people": {"records"},
    "keeping.archive": {"keeping.disk", "keeping.durable", "errors", "images", "records"},
    "calibrating.board": {"errors", "records", "settings"},
    "calibrating.sheet": {"calibrating.board"},
    "camera": {"records"},
    "calibrating.sightings": {"calibrating.board", "records"},
    "calibrating.bundle": {"camera", "records", "calibrating.sightings"},
    "calibrating.calibrate": {
        "calibrating.board",
        "calibrating.bundle",
        "camera",
        "errors",
        "images",
        "records",
        "calibrating.sightings",
    },
    "reference": {"calibrating.board", "camera", "records"},
    "moved": {"camera", "records", "reference"},
    "lens": {"records", "reference"},
    "quality": {"advice", "camera", "lens", "moved", "records", "reference"},
    "calibration": {"camera", "keeping.durable", "errors", "records", "reference"},
    "segment": {"errors", "records"},
    "measuring.geometry": {"records"},
    "annotate": {"images", "records"},
    "cameras.rig": {"errors", "records", "word"},
    "preview": {"errors"},
    "cameras.frozen": {"jpeg"},
    "cameras.tended": {"cameras.frozen", "errors", "records", "word"},
    "cameras.simulated": {"clock", "errors", "images", "jpeg", "records"},
    "cameras.v4l2": {"errors"},
    "cameras.usb": {"cameras", "cameras.v4l2", "clock", "errors", "jpeg", "records", "settings"},
    "cameras.picamera": {"clock", "errors", "images", "records", "settings"},
    "cameras": {
        "cameras.picamera",
        "cameras.rig",
        "cameras.simulated",
        "cameras.tended",
        "cameras.usb",
        "settings",
        "errors",
    },
    "keeping.rows": {"document", "records"},
    "keeping.dating": {
        "clock",
        "keeping.rows",
        "keeping.statements",
        "keeping.store",
        "records",
        "times",
    },
    "keeping.statements": set(),
    "keeping.opening": {
        "errors",
        "keeping.archive",
        "keeping.disk",
        "keeping.locks",
        "keeping.schema",
        "keeping.trouble",
    },
    "keeping.store": {
        "corrections",
        "errors",
        "keeping.opening",
        "keeping.people",
        "keeping.rows",
        "keeping.statements",
        "keeping.trouble",
        "records",
    },
    "keeping.outbox": {"records", "keeping.store"},
    "keeping.snapshot": {"errors", "keeping.schema"},
    "keeping.sealed": {"errors"},
    "keeping.backup": {
        "config",
        "document",
        "errors",
        "keeping.archive",
        "keeping.snapshot",
        "keeping.durable",
        "keeping.locks",
        "keeping.sealed",
        "records",
        "shelf",
    },
    "keeping.restore": {
        "config",
        "errors",
        "keeping.backup",
        "keeping.copies",
        "keeping.durable",
        "keeping.sealed",
        "keeping.store",
    },
    "keeping.pages": {
        "keeping.people",
        "keeping.rows",
        "keeping.statements",
        "keeping.store",
        "records",
    },
    "keeping.export": {"devices.weights", "document", "keeping.pages", "records"},
    "keeping.replay": {"errors", "keeping.archive", "keeping.pages", "keeping.store", "records"},
    "progress": set(),
    "commands.wanted": {"devices.identity", "errors", "keeping.pages", "keeping.store"},
    "keeping.cursor": {"keeping.outbox", "keeping.store"},
    "keeping.objects": set(),
    "keeping.copies": {
        "keeping.archive",
        "keeping.cursor",
        "keeping.disk",
        "keeping.durable",
        "keeping.store",
    },
    "keeping.census": {"alarms", "keeping.archive", "keeping.opening", "keeping.store"},
    "keeping.prune": {
        "errors",
        "keeping",
        "keeping.archive",
        "keeping.census",
        "keeping.copies",
        "keeping.disk",
        "keeping.durable",
        "keeping.objects",
        "keeping.outbox",
        "keeping.store",
        "records",
        "settings",
    },
    "keeping.documents": {"keeping.archive", "keeping.objects", "records"},
    "keeping.old": set(),
    "keeping.rescue": {
        "document",
        "errors",
        "keeping.archive",
        "keeping.census",
        "keeping.copies",
        "keeping.damage",
        "keeping.dating",
        "keeping.documents",
        "keeping.old",
        "keeping.opening",
        "keeping.people",
        "keeping.prune",
        "keeping.rows",
        "keeping.statements",
        "keeping.store",
        "records",
    },
    "alarms": set(),
    "pressing": {"config", "keeping.damage", "keeping.disk", "keeping.store", "records"},
    "measuring.lengths": {"records"},
    "measuring.outline": {"advice", "measuring.geometry", "records"},
    "measuring.traces": {"measuring.geometry", "measuring.outline", "records"},
    "measuring.sight": {"camera", "records"},
    "measuring.standing": {"records", "measuring.sight"},
    "measuring.plain": {
        "calibration",
        "measuring.geometry",
        "measuring.lengths",
        "measuring.outline",
        "records",
    },
    "measuring.together": {
        "advice",
        "camera",
        "measuring.geometry",
        "measuring.lengths",
        "measuring.outline",
        "records",
        "measuring.sight",
        "measuring.standing",
        "measuring.traces",
    },
    "measuring.measure": {
        "advice",
        "calibration",
        "camera",
        "measuring.lengths",
        "measuring.outline",
        "measuring.plain",
        "records",
        "measuring.together",
    },
    "notices": {"advice", "lens", "measuring.measure", "quality", "records"},
    "measuring.burst": {"advice", "measuring.measure", "records"},
    "shots": {"advice", "keeping.archive", "errors", "images", "records"},
    "shelf": {"keeping.durable", "errors", "keeping.locks", "records"},
    "selftest": {"calibration", "errors", "images", "measuring.measure", "records", "segment"},
    "models": {"config", "errors", "records", "segment", "selftest", "shelf"},
    "console": {"errors"},
    "chores": {"errors"},
    "stopping": set(),
    "systemd": set(),
    "preflight": {
        "calibration",
        "config",
        "console",
        "errors",
        "keeping.store",
        "models",
        "segment",
        "shelf",
    },
    "secret": {"errors"},
    "drills": set(),
    "drills.verdicts": set(),
    "drills.scratch": {
        "config",
        "demo",
        "drills.verdicts",
        "keeping.locks",
        "keeping.store",
        "records",
        "selftest",
        "triggers",
    },
    "drills.network": {"drills.scratch", "drills.verdicts", "mqtt.broker", "records", "settings"},
    "drills.cameras": {"drills.scratch", "drills.verdicts", "records"},
    "drills.keeping": {"drills.scratch", "drills.verdicts", "records"},
    "drills.clock": {"app", "drills.scratch", "drills.verdicts", "records", "triggers"},
    "drills.upgrade": {
        "drills.scratch",
        "drills.verdicts",
        "keeping.outbox",
        "keeping.schema",
        "keeping.store",
    },
    "drills.play": {
        "drills.cameras",
        "drills.clock",
        "drills.keeping",
        "drills.network",
        "drills.scratch",
        "drills.upgrade",
        "drills.verdicts",
        "errors",
    },
    "mqtt": set(),
    "mqtt.buttons": {"settings"},
    "word": {"clock", "records"},
    "keeping.inspection": {"errors", "keeping.opening", "keeping.schema", "keeping.store"},
    "health": set(),
    "health.check": {"errors", "records"},
    "health.machine": {"clock", "document", "health.check", "records", "word"},
    "health.room": {"health.check", "keeping.disk", "settings"},
    "health.secrets": {"health.check"},
    "health.calibrated": {"calibration", "camera", "errors", "health.check", "records"},
    "health.database": {"health.check", "keeping.outbox", "keeping.store", "records"},
    "health.station": {
        "config",
        "devices.report",
        "document",
        "health.check",
        "keeping.locks",
        "records",
        "shelf",
        "word",
    },
    "health.everything": {
        "alarms",
        "config",
        "keeping.damage",
        "errors",
        "health.calibrated",
        "health.check",
        "health.database",
        "health.machine",
        "health.room",
        "health.station",
        "keeping.store",
        "records",
    },
    "telling": {
        "cameras.rig",
        "clock",
        "document",
        "health.machine",
        "keeping.store",
        "records",
        "word",
    },
    "mqtt.broker": {"errors", "secret", "settings", "word"},
    "mqtt.feedback": {"errors", "records"},
    "mqtt.homeassistant": {"__init__", "mqtt.feedback", "records"},
    "mqtt.rights": {"config", "console", "devices.sources", "errors", "mqtt.homeassistant"},
    "mqtt.presses": {
        "mqtt.buttons",
        "config",
        "errors",
        "pressing",
        "mqtt.feedback",
        "mqtt.broker",
        "settings",
        "keeping.store",
        "triggers",
    },
    "mqtt.news": {
        "config",
        "keeping.cursor",
        "document",
        "errors",
        "health.check",
        "health.everything",
        "health.room",
        "mqtt.homeassistant",
        "mqtt.broker",
        "records",
        "keeping.store",
        "word",
    },
    "mqtt.remote": {
        "config",
        "keeping.cursor",
        "mqtt.feedback",
        "devices.heard",
        "mqtt.broker",
        "mqtt.news",
        "mqtt.presses",
        "records",
        "devices.sources",
        "keeping.store",
        "word",
    },
}
# These put the parts together and may know all of them.
ASSEMBLY = {
    "pipeline",
    "eye",
    "app",
    "demo",
    "doctor",
    "cli",
    "commands.backup",
    "commands.calibrate",
    "commands.cameras",
    "commands.doctor",
    "commands.export",
    "commands.keeping",
    "commands.models",
    "commands.records",
    "commands.drill",
    "commands.replay",
}

# What loads the network or opens the cameras, which is the station's alone.
HEAVY = {
    "devices.serial_lines",
    "segment",
    "cameras",
    "pipeline",
    "eye",
    "notices",
    "app",
    "doctor",
    "telling",
    "measuring.measure",
    "measuring.burst",
    "measuring.geometry",
    "models",
    "preflight",
    "selftest",
    "moved",
    "lens",
    "quality",
}

# third-party package -> the modules that may import it
DOORS = {
    "ai_edge_litert": {"edge/segment.py"},
    "tflite_runtime": {"edge/segment.py"},
    "PIL": {"edge/images.py", "edge/annotate.py"},
    "sqlite3": {
        "edge/keeping/inspection.py",
        "edge/keeping/old.py",
        "edge/keeping/opening.py",
        "edge/keeping/snapshot.py",
        "edge/keeping/store.py",
        "edge/keeping/trouble.py",
    },
    "sqlite_utils": {
        "edge/keeping/inspection.py",
        "edge/keeping/opening.py",
        "edge/keeping/store.py",
        "edge/keeping/schema.py",
        "edge/keeping/snapshot.py",
        "edge/drills/upgrade.py",
    },
    "waitress": {"dashboard/__main__.py", "dashboard/pulse.py"},
    "picamera2": {"edge/cameras/picamera.py"},
    "serial": {"edge/devices/serial_lines.py"},
    "paho": {"edge/mqtt/broker.py"},
    "boto3": {"cloud_sync/s3.py"},
    "psycopg": {"cloud_sync/postgres.py"},
}
ONLY_IN_DASHBOARD = {"flask", "werkzeug", "jinja2", "markupsafe"}


def source_files() -> list[Path]:
    return [path for package in PACKAGES for path in sorted((REPO / package).rglob("*.py"))]


def imported(path: Path) -> set[str]:
    """Full dotted names of what a module imports, wherever in it."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: write imports in full"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def edge_module(dotted: str) -> str:
    """The module of ours that a dotted name lies in, without the leading `edge.`; `__init__` for edge itself."""
    parts = dotted.split(".")[1:]
    while parts and not is_module(parts):
        parts.pop()
    return ".".join(parts) or "__init__"


def is_module(parts: list[str]) -> bool:
    path = REPO.joinpath("edge", *parts)
    return path.with_suffix(".py").is_file() or path.is_dir()


def name_of(path: Path) -> str:
    parts = list(path.relative_to(REPO / "edge").with_suffix("").parts)
    if parts[-1] == "__init__" and len(parts) > 1:
        parts.pop()
    return ".".join(parts)


@pytest.mark.parametrize("path", sorted((REPO / "edge").rglob("*.py")), ids=name_of)
def test_inside_the_station_imports_point_inward(path: Path) -> None:
    known = {edge_module(one) for one in imported(path) if one.split(".")[0] == "edge"}
    name = name_of(path)
    if name in ASSEMBLY:
        assert "cli" not in known
    else:
        assert known <= EDGE_MAY_IMPORT[name]


@pytest.mark.parametrize(
    ("package", "strangers"),
    [
        ("edge", {"cloud_sync", "dashboard", "models_tflite"}),
        ("cloud_sync", {"dashboard", "models_tflite"}),
        ("dashboard", {"cloud_sync", "models_tflite"}),
    ],
)
def test_packages_meet_in_the_database_not_in_imports(package: str, strangers: set[str]) -> None:
    for path in sorted((REPO / package).rglob("*.py")):
        assert not {one.split(".")[0] for one in imported(path)} & strangers, path


def test_services_never_load_the_network_or_the_cameras() -> None:
    for package in ("cloud_sync", "dashboard"):
        for path in sorted((REPO / package).rglob("*.py")):
            known = {edge_module(one) for one in imported(path) if one.split(".")[0] == "edge"}
            assert not known & HEAVY, path


def test_each_third_party_package_has_one_door() -> None:
    for path in source_files():
        place = str(path.relative_to(REPO))
        for package in {one.split(".")[0] for one in imported(path)}:
            assert place in DOORS.get(package, {place}), f"{place} imports {package}"
            assert package not in ONLY_IN_DASHBOARD or place.startswith("dashboard/"), place


def test_video_capture_is_opened_by_no_module_but_the_usb_camera() -> None:
    users = [str(path.relative_to(REPO)) for path in source_files() if "VideoCapture" in path.read_text()]
    assert set(users) <= {"edge/cameras/usb.py"}
