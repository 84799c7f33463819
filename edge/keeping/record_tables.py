"""The tables of goats, corrections and audit, and the tallies that spare every page a walk through years of captures.

Goats and tallies are kept by the database itself, so that no way of writing a capture can forget them. Statement by
statement, for a trigger holds semicolons.
"""

from __future__ import annotations

GOATS = """
CREATE TABLE goats (
    id TEXT PRIMARY KEY,
    is_pinned INTEGER NOT NULL DEFAULT 0 CHECK (is_pinned IN (0, 1)),
    created_at TEXT NOT NULL,
    captures INTEGER NOT NULL DEFAULT 0
) STRICT
"""

GOATS_SO_FAR = """
INSERT INTO goats (id, created_at, captures)
SELECT goat_id, MIN(requested_at), COUNT(*)
FROM captures
WHERE goat_id IS NOT NULL
GROUP BY goat_id
"""

# value is NULL where a person takes back what was said before: then what was measured stands again.
CORRECTIONS = """
CREATE TABLE corrections (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    capture_id TEXT NOT NULL REFERENCES captures (id),
    revision INTEGER NOT NULL,
    trait TEXT NOT NULL,
    measured REAL,
    value REAL,
    author TEXT NOT NULL CHECK (length(author) BETWEEN 1 AND 60),
    reason TEXT NOT NULL CHECK (length(reason) > 0),
    corrected_at TEXT NOT NULL
) STRICT
"""

CORRECTIONS_OF_CAPTURE = "CREATE INDEX corrections_of_capture ON corrections (capture_id, id)"

AUDIT = """
CREATE TABLE audit (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at TEXT NOT NULL,
    author TEXT NOT NULL,
    act TEXT NOT NULL,
    capture_id TEXT,
    goat_id TEXT,
    before TEXT NOT NULL,
    after TEXT NOT NULL
) STRICT
"""

ONLY_ADDED_TO = """
CREATE TRIGGER {table}_{verb} BEFORE {verb} ON {table}
BEGIN
    SELECT RAISE(ABORT, '{table}: what was written down stays as it is');
END
"""

TALLIES = """
CREATE TABLE tallies (
    what TEXT NOT NULL CHECK (what IN ('captures', 'outbox')),
    state TEXT NOT NULL,
    number INTEGER NOT NULL,
    PRIMARY KEY (what, state)
) STRICT
"""

TALLY_SO_FAR = """
INSERT INTO tallies (what, state, number)
SELECT '{table}', {column}, COUNT(*)
FROM {table}
GROUP BY {column}
"""

ONE_MORE = """
    INSERT INTO tallies (what, state, number)
    VALUES ('{table}', NEW.{column}, 1)
    ON CONFLICT (what, state) DO UPDATE SET number = number + 1;
"""

ONE_LESS = """
    UPDATE tallies
    SET number = number - 1
    WHERE what = '{table}' AND state = OLD.{column};
"""

TALLY_ADDED = f"CREATE TRIGGER {{table}}_tally_added AFTER INSERT ON {{table}}\nBEGIN{ONE_MORE}END"

TALLY_GONE = f"CREATE TRIGGER {{table}}_tally_gone AFTER DELETE ON {{table}}\nBEGIN{ONE_LESS}END"

TALLY_CHANGED = (
    "CREATE TRIGGER {table}_tally_changed AFTER UPDATE OF {column} ON {table}\n"
    f"WHEN OLD.{{column}} <> NEW.{{column}}\nBEGIN{ONE_LESS}{ONE_MORE}END"
)

GOAT_ONE_MORE = """
    INSERT INTO goats (id, created_at, captures)
    SELECT NEW.goat_id, NEW.requested_at, 1
    WHERE NEW.goat_id IS NOT NULL
    ON CONFLICT (id) DO UPDATE SET captures = captures + 1;
"""

GOAT_ONE_LESS = """
    UPDATE goats
    SET captures = captures - 1
    WHERE id = OLD.goat_id;
"""

GOAT_NAMED = f"CREATE TRIGGER captures_goat_named AFTER INSERT ON captures\nBEGIN{GOAT_ONE_MORE}END"

GOAT_GONE = f"CREATE TRIGGER captures_goat_gone AFTER DELETE ON captures\nBEGIN{GOAT_ONE_LESS}END"

GOAT_CHANGED = (
    "CREATE TRIGGER captures_goat_changed AFTER UPDATE OF goat_id ON captures\n"
    f"WHEN OLD.goat_id IS NOT NEW.goat_id\nBEGIN{GOAT_ONE_LESS}{GOAT_ONE_MORE}END"
)

# The index by time of the next attempt finds what is due, but not in the order in which it is delivered.
OUTBOX_IN_ORDER = "CREATE INDEX outbox_in_order ON outbox (id) WHERE state = 'due'"

TALLIED = (("captures", "status"), ("outbox", "state"))

RECORD_TABLES = (
    GOATS,
    GOATS_SO_FAR,
    GOAT_NAMED,
    GOAT_GONE,
    GOAT_CHANGED,
    CORRECTIONS,
    CORRECTIONS_OF_CAPTURE,
    AUDIT,
    *(
        ONLY_ADDED_TO.format(table=table, verb=verb)
        for table in ("corrections", "audit")
        for verb in ("UPDATE", "DELETE")
    ),
    TALLIES,
    *(
        statement.format(table=table, column=column)
        for table, column in TALLIED
        for statement in (TALLY_SO_FAR, TALLY_ADDED, TALLY_GONE, TALLY_CHANGED)
    ),
    OUTBOX_IN_ORDER,
)
