"""What the store says to SQLite."""

from __future__ import annotations

INSERT_CAPTURE = """
INSERT INTO captures (
    id, status, trigger_id, source, requested_at, goat_id, goat_source, weight_kg, weight_source, weight_raw,
    sequence, clock_source, utc_offset_min, boot_id, since_boot_s
)
VALUES (
    :id, 'queued', :trigger_id, :source, :requested_at, :goat_id, :goat_source, :weight_kg, :weight_source, :weight_raw,
    :sequence, :clock_source, :utc_offset_min, :boot_id, :since_boot_s
)
"""

# A number that was given is never given again, also where a capture should be removed one day.
NEXT_SEQUENCE = """
UPDATE counters
SET last = last + 1
WHERE name = 'press'
RETURNING last AS number
"""

# Said as the index of waiting captures says it, else SQLite does not see that it fits and walks through all years.
UNFINISHED = """
SELECT * FROM captures
WHERE status IN ('queued', 'processing')
  AND status = :status
ORDER BY finished_at IS NOT NULL, sequence
LIMIT :limit
"""

CLOSE_CAPTURE = """
UPDATE captures
SET status = :status,
    revision = :revision,
    spread_ms = :spread_ms,
    burst_ms = :burst_ms,
    failure = :failure,
    hint = :hint,
    finished_at = :finished_at
WHERE id = :id
"""

LABEL = """
UPDATE captures
SET goat_id = :goat_id,
    goat_source = :goat_source,
    goat_note = :goat_note,
    weight_kg = :weight_kg,
    weight_source = :weight_source,
    weight_raw = :weight_raw
WHERE id = :id
"""

# A capture may be closed again, after a new measurement of its images: what it already has stays as it is.
INSERT_IMAGE = """
INSERT INTO images (capture_id, kind, view, shot, revision, path, sha256, width, height, size_bytes)
VALUES (:capture_id, :kind, :view, :shot, :revision, :path, :sha256, :width, :height, :size_bytes)
ON CONFLICT DO NOTHING
"""

INSERT_REVISION = """
INSERT INTO revisions (capture_id, revision, created_at, readings, advice, model, calibration, software)
VALUES (:capture_id, :revision, :created_at, :readings, :advice, :model, :calibration, :software)
"""

INSERT_MEASUREMENT = """
INSERT INTO measurements (capture_id, revision, trait, value, u95, confidence, views, reason)
VALUES (:capture_id, :revision, :trait, :value, :u95, :confidence, :views, :reason)
"""

INSERT_OUTBOX = """
INSERT INTO outbox (capture_id, sequence, document, next_attempt_at)
SELECT :capture_id, COALESCE(MAX(sequence) + 1, 0), :document, :next_attempt_at
FROM outbox
WHERE capture_id = :capture_id
"""

INSERT_GLANCE = """
INSERT INTO glances (capture_id, view, calibration, columns, detail, is_dirty)
VALUES (:capture_id, :view, :calibration, :columns, :detail, :is_dirty)
"""

FORGET_GLANCES = """
DELETE FROM glances
WHERE view = :view
  AND capture_id NOT IN (SELECT capture_id FROM glances WHERE view = :view ORDER BY capture_id DESC LIMIT :kept)
"""

GLANCES_BEFORE = """
SELECT view, columns, detail, is_dirty
FROM glances
WHERE calibration = :calibration
  AND capture_id < :before
ORDER BY capture_id
"""

# Also what an earlier database knew: its pictures lie under their ids.
LAST_ID = """
SELECT MAX(id) AS id
FROM (SELECT MAX(id) AS id FROM captures UNION ALL SELECT MAX(id) FROM unknown_captures)
"""

CAPTURES_PAGE = """
SELECT * FROM captures
WHERE id < :before
ORDER BY id DESC
LIMIT :limit
"""

GOATS_PAGE = """
SELECT * FROM captures
WHERE goat_id = :goat_id
  AND id < :before
ORDER BY id DESC
LIMIT :limit
"""

# What belongs to captures, for all captures of a page at once.
IMAGES_OF = """
SELECT * FROM images
WHERE capture_id IN (SELECT value FROM json_each(:ids))
ORDER BY revision
"""

REVISIONS_OF = """
SELECT * FROM revisions
WHERE (capture_id, revision) IN (SELECT value ->> 0, value ->> 1 FROM json_each(:keys))
"""

MEASUREMENTS_OF = """
SELECT * FROM measurements
WHERE (capture_id, revision) IN (SELECT value ->> 0, value ->> 1 FROM json_each(:keys))
ORDER BY rowid
"""

CORRECTIONS_OF = """
SELECT * FROM corrections
WHERE capture_id IN (SELECT value FROM json_each(:ids))
ORDER BY id
"""

TALLY = """
SELECT state, number FROM tallies
WHERE what = ?
  AND number > 0
"""
