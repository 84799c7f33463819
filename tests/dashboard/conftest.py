"""A barn for the dashboard's tests: a real database and real pictures in a scratch folder."""

from __future__ import annotations

import fcntl
import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from PIL import Image, ImageDraw

from dashboard import create_app
from edge.config import Config, load_config
from edge.keeping.archive import Archive
from edge.keeping.store import Store
from edge.records import TRAITS, VIEWS, Advice, Capture, Measurement, Reading, Revision, StoredImage, Trigger

CONFIG = """
[station]
id = "barn-1"
data_dir = "data"

[cameras]
side = "simulated:side"

[measure]
calibration = "calibration.json"
"""

SIZES_CM = (71.4, 61.2, 62.3, 17.8, 15.1, 18.9, 24.6, 25.2, 24.9)
PRESSED_AT = datetime(2025, 11, 21, 14, 30, tzinfo=UTC)


class Barn:
    """What the station would have written, and its lock."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.store = Store(config.database_path)
        self.archive = Archive(config.image_folder)
        self.presses = 0

    def press(self, goat_id: str | None = None) -> Capture:
        """A capture that waits for the station."""
        self.presses += 1
        at = PRESSED_AT + timedelta(minutes=self.presses)
        return self.store.press(
            Trigger(f"press-{self.presses}", "dashboard", at, goat_id), self.config.station.id
        )

    def completed(self, goat_id: str | None = None, missing: str | None = None, advice: str = "") -> Capture:
        """A measured capture; `missing` names one trait that could not be read."""
        return self.finish(self.press(goat_id), missing, advice)

    def failed(self, message: str = "top: no frame within 2 s", hint: str = "check the cable") -> Capture:
        """A capture that has its pictures but no numbers."""
        capture = self.store.begin(self.press("1207"))
        capture = capture.with_shot(self.pictures(capture, "raw"), 41.0).failed(message, hint)
        self.store.close_capture(capture)
        return self.store.capture(capture.id)

    def missed(self) -> Capture:
        capture = self.press().missed("nobody served the press in time", "start the station")
        self.store.close_capture(capture)
        return self.store.capture(capture.id)

    def finish(self, capture: Capture, missing: str | None = None, advice: str = "") -> Capture:
        """What the station does with a press."""
        capture = self.store.begin(capture)
        raw = capture.images_of("raw") or self.pictures(capture, "raw")
        capture = replace(capture, images=()).with_shot(raw, 41.0)
        capture = capture.with_images(self.pictures(capture, "annotated")).completed(
            revision(missing, advice)
        )
        self.store.close_capture(capture)
        return self.store.capture(capture.id)

    def pictures(self, capture: Capture, kind: str) -> tuple[StoredImage, ...]:
        return tuple(
            self.archive.save(capture.id, view, kind, picture(view, f"{kind} {capture.revision_number}"))
            for view in VIEWS
        )

    @contextmanager
    def running(self) -> Iterator[None]:
        """Hold the lock that the station process holds while it runs."""
        with self.config.station_lock.open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def revision(missing: str | None = None, advice: str = "") -> Revision:
    return Revision(
        measurements=tuple(
            Measurement(trait.name, trait.views, reason="the top camera gave no picture")
            if trait.name == missing
            else Measurement(trait.name, trait.views, value=size, u95=0.8, confidence=0.94)
            for trait, size in zip(TRAITS, SIZES_CM, strict=True)
        ),
        readings=tuple(Reading(view, 0.97, "left") for view in VIEWS),
        advice=(Advice("head_down", "side", advice),) if advice else (),
        model={"name": "goat-first", "version": "1", "sha256": "0" * 64},
        calibration={
            "sha256": "0" * 64,
            "created_at": "2025-11-01T10:00:00+00:00",
            "kinds": {"side": "scale"},
        },
        software="goatdev test",
    )


def picture(view: str, words: str) -> bytes:
    image = Image.new("RGB", (320, 240), "#3d4a35")
    ImageDraw.Draw(image).text((20, 20), f"{view} {words}", fill="white")
    buffer = io.BytesIO()
    image.save(buffer, "JPEG")
    return buffer.getvalue()


@pytest.fixture
def config(tmp_path: Path) -> Config:
    path = tmp_path / "goatdev.toml"
    path.write_text(CONFIG)
    return load_config(path)


@pytest.fixture
def barn(config: Config) -> Iterator[Barn]:
    barn = Barn(config)
    yield barn
    barn.store.close()


@pytest.fixture
def client(config: Config) -> FlaskClient:
    app = create_app(config)
    app.testing = True
    return app.test_client()
