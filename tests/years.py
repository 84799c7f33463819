"""Years of captures in a scratch database: rows as the station writes them, multiplied by SQL in a minute."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from edge.keeping.rows import measurement_row, outbox_row, revision_row
from edge.keeping.store import Store
from edge.records import (
    ALL_TRAITS,
    VIEWS,
    Capture,
    Line,
    Measurement,
    Reading,
    Revision,
    Status,
    StoredImage,
    Trigger,
)

SHOTS = 3
LANDMARKS = [f"landmark_{number}" for number in range(15)]
# Seven minutes apart: 200,000 captures are two years and eight months.
BEGUN_AT = 1_600_000_000
APART_S = 420

# One goat in ten is not named, one capture in fifty failed, one in ten was measured twice, the last twentieth is owed.
CAPTURES = """
WITH RECURSIVE numbers (number) AS (SELECT 1 UNION ALL SELECT number + 1 FROM numbers WHERE number < :captures)
INSERT INTO captures (id, status, trigger_id, source, goat_id, requested_at, finished_at, spread_ms, revision, failure,
                      sequence, clock_source, utc_offset_min, boot_id, since_boot_s)
SELECT strftime('%Y%m%dT%H%M%S', at, 'unixepoch') || '000Z_barn1',
       iif(number % 50 = 0, 'failed', 'completed'),
       'press-' || number,
       'mqtt',
       iif(number % 10 = 0, NULL, 'G' || ((number * 7919 + number / 10) % :goats)),
       strftime('%Y-%m-%dT%H:%M:%S+00:00', at, 'unixepoch'),
       strftime('%Y-%m-%dT%H:%M:%S+00:00', at + 3, 'unixepoch'),
       12.5,
       iif(number % 50 = 0, 0, iif(number % 10 = 1, 2, 1)),
       iif(number % 50 = 0, 'no camera gave a picture', NULL),
       number, 'ntp', -360, 'boot-' || (number / 100), number % 100 * :apart_s
FROM (SELECT number, :begun_at + number * :apart_s AS at FROM numbers)
"""

PRESSES = "UPDATE counters SET last = :captures WHERE name = 'press'"

IMAGES = """
WITH RECURSIVE shots (shot) AS (SELECT 1 UNION ALL SELECT shot + 1 FROM shots WHERE shot < :shots)
INSERT INTO images (capture_id, kind, view, shot, revision, path, sha256, width, height, size_bytes)
SELECT id, kind, view, shot, made,
       substr(id, 1, 8) || '/' || id || '/' || view || '_' || kind || '.' || sha256 || '.jpg',
       sha256, 4656, 3496, 3000000
FROM (
    SELECT captures.id, kinds.kind, views.value AS view, shot, numbers.value AS made,
           lower(hex(randomblob(32))) AS sha256
    FROM captures, json_each('[0, 1, 2]') AS numbers, json_each(:views) AS views, shots
    JOIN (SELECT 'raw' AS kind UNION ALL SELECT 'annotated') AS kinds
    WHERE (kind = 'raw' AND numbers.value = 0)
       OR (kind = 'annotated' AND shot = 1 AND numbers.value BETWEEN 1 AND captures.revision)
    ORDER BY captures.rowid
)
"""

REVISIONS = """
INSERT INTO revisions (capture_id, revision, created_at, readings, advice, model, calibration, software)
SELECT captures.id, numbers.value, finished_at, :readings, :advice, :model, :calibration, :software
FROM captures, json_each('[1, 2]') AS numbers
WHERE numbers.value <= captures.revision
"""

MEASUREMENTS = """
INSERT INTO measurements (capture_id, revision, trait, value, u95, confidence, views, reason)
SELECT capture_id, revision, one.value ->> 'trait', one.value ->> 'value', one.value ->> 'u95',
       one.value ->> 'confidence', one.value ->> 'views', NULL
FROM revisions, json_each(:measurements) AS one
"""

OUTBOX = """
INSERT INTO outbox (capture_id, sequence, document, state, attempts, next_attempt_at)
SELECT captures.id, numbers.value, replace(:document, :sample_id, captures.id),
       iif(captures.rowid > :captures * 0.95, 'due', 'delivered'), 1, finished_at
FROM captures, json_each('[0, 1]') AS numbers
WHERE numbers.value < max(captures.revision, 1)
"""

RECEIPTS = """
INSERT INTO receipts (outbox_id, destination, objects, received_at)
SELECT id, 'folder:cloud', '{}', next_attempt_at
FROM outbox
WHERE state = 'delivered'
"""


def fill(path: Path, captures: int, goats: int) -> None:
    """A new database with so many captures of so many goats, as several years leave it."""
    Store(path).close()
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        # A scratch database: nothing is lost when it is.
        connection.execute("PRAGMA journal_mode = OFF")
        connection.execute("PRAGMA synchronous = OFF")
        years(connection, captures, goats)


def years(connection: sqlite3.Connection, captures: int, goats: int) -> None:
    """The same in an open database that has no captures yet."""
    sample = sample_capture()
    assert sample.revision is not None
    measurements = [measurement_row(sample, one) for one in sample.revision.measurements]
    values = {
        "captures": captures,
        "goats": goats,
        "begun_at": BEGUN_AT,
        "apart_s": APART_S,
        "shots": SHOTS,
        "views": json.dumps(VIEWS),
        **revision_row(sample, sample.revision),
        "measurements": json.dumps(measurements),
        "document": outbox_row(sample)["document"],
        "sample_id": sample.id,
    }
    connection.execute("BEGIN")
    for statement in (CAPTURES, PRESSES, IMAGES, REVISIONS, MEASUREMENTS, OUTBOX, RECEIPTS):
        connection.execute(statement, values)
    connection.execute("COMMIT")


def sample_capture() -> Capture:
    """A capture as large as a real one: fifteen landmarks a view, all traits, three shots."""
    at = datetime(2020, 9, 13, 12, 0, tzinfo=UTC)
    sample_id = "20200913T120000000Z_barn1"
    image = StoredImage("side", "raw", "20200913/x/side_raw.jpg", "0" * 64, 4656, 3496, 3_000_000)
    capture = Capture(sample_id, Trigger("sample", "mqtt", at), Status.PROCESSING)
    images = [replace(image, view=view, shot=shot + 1) for view in VIEWS for shot in range(SHOTS)]
    images += [replace(image, view=view, kind="annotated") for view in VIEWS]
    return capture.with_images(tuple(images)).completed(sample_revision(), at)


def sample_revision() -> Revision:
    landmarks = dict.fromkeys(LANDMARKS, (123.45678901234567, 456.78901234567890))
    lines = tuple(Line(trait.name, (1.5, 2.5), (345.678, 456.789)) for trait in ALL_TRAITS[:4])
    return Revision(
        measurements=tuple(
            Measurement(trait.name, trait.views, 40.0 if trait.unit else 0.5, 0.8, 0.9)
            for trait in ALL_TRAITS
        ),
        readings=tuple(Reading(view, 0.97, "left", (), landmarks, lines) for view in VIEWS),
        advice=(),
        model={"name": "goat-segmenter", "version": "1.0", "sha256": "0" * 64, "input": [288, 384]},
        calibration={
            "sha256": "0" * 64,
            "created_at": "2020-09-01T10:00:00+00:00",
            "kinds": dict.fromkeys(VIEWS, "camera"),
        },
        software="goatdev 0.1.0",
    )
