"""Captures as other programs read them: CSV for spreadsheets, accountants and herd software, JSON with all there is.

CSV is UTF-8 with a header, a decimal point and ISO dates, whatever the machine's language. Dates and times are those of
the station's clock, as the people there remember them. An electronic id is written as on the tag, `982 000001088420`:
no spreadsheet takes that for a number and rounds it, weigh heads write it so, and this station reads it back.

A number that a person corrected is theirs, without a ±, for nobody knows it; `corrections` says what was measured.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC
from typing import Any

from edge.devices.weights import KG
from edge.document import capture_document, revision_document
from edge.keeping.pages import History, local_time
from edge.records import ALL_TRAITS, TRAITS, Capture, Correction, Standing

ELECTRONIC = re.compile(r"(\d{3})(\d{12})", re.ASCII)
# A cell that begins so is computed by a spreadsheet, not shown.
FORMULA = ("=", "+", "-", "@", "\t", "\r")
WEIGH_HEAD = ("EID", "VID", "Date", "Weight")

Row = Mapping[str, str]


def measurements_csv(histories: Iterable[History]) -> Iterator[str]:
    """One row per capture: whose, when, every trait with its ±, and why there is none."""
    return csv_lines(measurement_columns(), (measurement_row(one.capture) for one in histories))


def weights_csv(histories: Iterable[History], unit: str) -> Iterator[str]:
    """What weigh heads write and herd software imports, of captures with a weight and a goat."""
    return csv_lines(WEIGH_HEAD, (weight_row(one.capture, unit) for one in histories))


def measurements_json(histories: Iterable[History]) -> Iterator[str]:
    """Every capture as the cloud gets it, and all its revisions."""
    return json_lines(history_document(one) for one in histories)


def weights_json(histories: Iterable[History], unit: str) -> Iterator[str]:
    """As the CSV, and which capture it was."""
    return json_lines(
        {**weight_row(one.capture, unit), "unit": unit, "capture_id": one.capture.id} for one in histories
    )


def weighed(histories: Iterable[History], tell: Callable[[int], None]) -> Iterator[History]:
    """Those with a weight and a goat; `tell` is told at the end how many weights are of nobody knows whom."""
    nameless = 0
    for one in histories:
        if one.capture.weight is not None and one.capture.goat_id is None:
            nameless += 1
        elif one.capture.weight is not None:
            yield one
    tell(nameless)


# Rows.


def measurement_columns() -> list[str]:
    traits = [column for trait in ALL_TRAITS for column in (trait.name, u95_column(trait.name))]
    before = ["date", "time", "goat_id", "weight_kg", "weight_source", "status", "verdict"]
    return [
        *before,
        *traits,
        "corrections",
        "remarks",
        "capture_id",
        "taken_at_utc",
        "time_state",
        "revision",
        "model",
        "calibration",
        "software",
    ]


def measurement_row(capture: Capture) -> Row:
    row = {
        "date": f"{local_time(capture):%Y-%m-%d}",
        "time": f"{local_time(capture):%H:%M:%S}",
        "goat_id": written_id(capture.goat_id),
        "weight_kg": f"{capture.weight.kg:.2f}" if capture.weight else "",
        "weight_source": capture.weight.source if capture.weight else "",
        "status": str(capture.status),
        "corrections": "; ".join(correction_words(one) for one in standing_corrections(capture)),
        "remarks": "; ".join(remarks(capture)),
        "capture_id": capture.id,
        "taken_at_utc": f"{capture.taken_at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
        "time_state": capture.time_state,
        **{column: value for trait in ALL_TRAITS for column, value in cells(capture.standing(trait.name))},
    }
    revision = capture.revision
    if revision is None:
        return row
    made = {
        "verdict": revision.verdict,
        "revision": str(capture.revision_number),
        "model": " ".join(str(revision.model.get(key, "")) for key in ("name", "version")).strip(),
        "calibration": str(revision.calibration.get("sha256", ""))[:8],
        "software": revision.software,
    }
    return row | made


def cells(one: Standing) -> Iterator[tuple[str, str]]:
    if one.value is not None:
        yield one.trait, f"{one.value:.2f}"
    if one.u95 is not None:
        yield u95_column(one.trait), f"{one.u95:.2f}"


def standing_corrections(capture: Capture) -> list[Correction]:
    found = (capture.standing(trait.name).correction for trait in ALL_TRAITS)
    return [one for one in found if one is not None]


def correction_words(one: Correction) -> str:
    """Who said it, why, and what was measured: `withers_height_cm measured 61.20 (Ana: stick)`."""
    measured = "not measured" if one.measured is None else f"measured {one.measured:.2f}"
    return f"{one.said.trait} {measured} ({one.said.author}: {one.said.reason})"


def u95_column(trait: str) -> str:
    """The unit stays the end of the name."""
    return f"{trait.removesuffix('_cm')}_u95_cm" if trait.endswith("_cm") else f"{trait}_u95"


def remarks(capture: Capture) -> list[str]:
    """Why there are no numbers, or not all of them: each reason once, without those of estimates."""
    asked = {trait.name for trait in TRAITS}
    measured = capture.revision.measurements if capture.revision else ()
    reasons = [one.reason for one in measured if one.reason and one.trait in asked]
    return list(dict.fromkeys(one for one in (capture.failure, capture.goat_note, *reasons) if one))


def weight_row(capture: Capture, unit: str) -> Row:
    assert capture.weight is not None
    is_electronic = ELECTRONIC.fullmatch(capture.goat_id or "") is not None
    written = written_id(capture.goat_id)
    return {
        "EID": written if is_electronic else "",
        "VID": "" if is_electronic else written,
        "Date": f"{local_time(capture):%Y-%m-%d}",
        "Weight": f"{capture.weight.kg / KG[unit]:.1f}",
    }


def history_document(one: History) -> dict[str, Any]:
    revisions = [
        {"revision": number, **revision_document(one.capture.id, revision)}
        for number, revision in one.revisions.items()
    ]
    return {**capture_document(one.capture), "revisions": revisions}


def written_id(goat_id: str | None) -> str:
    """A goat's id as on its tag, country and number apart."""
    electronic = ELECTRONIC.fullmatch(goat_id or "")
    return " ".join(electronic.groups()) if electronic else goat_id or ""


# Lines.


def csv_lines(columns: Sequence[str], rows: Iterable[Row]) -> Iterator[str]:
    line = io.StringIO()
    table = csv.DictWriter(line, columns, restval="")
    table.writeheader()
    yield taken(line)
    for row in rows:
        table.writerow({column: harmless(text) for column, text in row.items()})
        yield taken(line)


def taken(line: io.StringIO) -> str:
    text = line.getvalue()
    line.seek(0)
    line.truncate()
    return text


def harmless(text: str) -> str:
    """Text that a spreadsheet shows, whoever wrote it; what would be computed gets an apostrophe before it."""
    return f"'{text}" if text.startswith(FORMULA) else text


def json_lines(documents: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """One JSON list, a document on each line."""
    before = "[\n"
    for document in documents:
        yield before + json.dumps(document, ensure_ascii=False)
        before = ",\n"
    yield "[]\n" if before == "[\n" else "\n]\n"
