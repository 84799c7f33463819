"""How long pages and presses take after years of captures, beside an almost empty station. Exit 1 over the limit."""

from __future__ import annotations

import argparse
import itertools
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from flask.testing import FlaskClient

from dashboard import create_app
from edge.config import Config, load_config
from edge.corrections import correction_said
from edge.keeping.outbox import Outbox
from edge.keeping.store import Store
from edge.triggers import new_trigger
from tests.years import fill

CONFIG = """
[station]
id = "barn1"
data_dir = "."

[cameras]
side = "simulated:side"

[measure]
calibration = "calibration.json"
"""

FEW = 30
TIMES = 40
# The two pages that are looked at while a goat waits.
LIMIT_MS = 50.0
LIMITED = ("page: result", "page: goat")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--captures", type=int, default=200_000)
    parser.add_argument("--goats", type=int, default=500)
    parser.add_argument("--folder", type=Path, help="where the scratch databases are made and left (4 GB)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.folder or Path(scratch)
        few = measured(folder / "few", FEW, options.goats)
        many = measured(folder / "many", options.captures, options.goats)
    print(f"{'':28}{FEW:>8} captures{options.captures:>14} captures   worst of {TIMES}, ms")
    for name, times in many.items():
        print(f"{name:28}{median(few[name]):14.2f}{median(times):22.2f}{max(times):16.2f}")
    slow = [name for name, times in many.items() if name.startswith(LIMITED) and median(times) > LIMIT_MS]
    print(f"over {LIMIT_MS:g} ms: {', '.join(slow) or 'none'}")
    return 1 if slow else 0


def median(times: list[float]) -> float:
    return statistics.median(times)


def measured(folder: Path, captures: int, goats: int) -> dict[str, list[float]]:
    """name -> ms of each time, in a database with so many captures."""
    config = station_in(folder)
    if not config.database_path.exists():
        begun = time.monotonic()
        fill(config.database_path, captures, goats)
        size_mb = config.database_path.stat().st_size / 1e6
        print(
            f"{captures} captures, {size_mb:.0f} MB, filled in {time.monotonic() - begun:.0f} s",
            file=sys.stderr,
        )
    client = create_app(config).test_client()
    with Store(config.database_path) as store:
        times = {name: timed(do) for name, do in acts(store, client).items()}
        while (pressed := store.next_queued()) is not None:
            store.close_capture(pressed.missed("nobody was there"))
    return times


def station_in(folder: Path) -> Config:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "goatdev.toml"
    path.write_text(CONFIG)
    return load_config(path)


def acts(store: Store, client: FlaskClient) -> dict[str, Callable[[], object]]:
    """What a station does all day, by name."""
    newest = next(one for one in store.captures(200) if one.revision)
    goat = store.goats()[len(store.goats()) // 2]["goat_id"]
    years_old = (store.captures(1, before="2022") or [newest])[0]
    pages = {
        "page: result, newest": f"/captures/{newest.id}",
        "page: result, years old": f"/captures/{years_old.id}",
        "page: goat": f"/goats/{goat}",
        "page: measure": "/",
        "page: history": f"/history?before={newest.id}",
        "page: goats": "/goats",
        "API: a goat's measurements": f"/api/v1/goats/{goat}/measurements",
        "API: a goat": f"/api/v1/goats/{goat}",
        "API: captures": f"/api/v1/captures?before={newest.id}",
        "API: goats": "/api/v1/goats",
        "API: health": "/api/v1/health",
        "/metrics": "/metrics",
    }
    said = correction_said("withers_height_cm", 62.5, "the bench", "to see how long it takes")
    goats = itertools.cycle(("G1", "G2"))
    return {
        **{name: getting(client, address) for name, address in pages.items()},
        "look for a press": store.next_queued,
        "press": lambda: store.press(new_trigger("command", "G1"), "barn1"),
        "look for what is due": Outbox(store).due,
        "documents owed": store.owed,
        "say the goat later": lambda: store.label(newest.id, lambda one: one.named(next(goats), "later")),
        "correct a trait": lambda: store.correct(newest.id, said),
    }


def getting(client: FlaskClient, address: str) -> Callable[[], object]:
    def get() -> None:
        assert client.get(address).status_code in (200, 503), address

    return get


def timed(do: Callable[[], object]) -> list[float]:
    do()
    times = []
    for _ in range(TIMES):
        begun = time.perf_counter()
        do()
        times.append((time.perf_counter() - begun) * 1000)
    return times


if __name__ == "__main__":
    sys.exit(main())
