"""Power cuts: the disk as it would be after any of them, opened again by the real program.

    scripts/powercut_check --cuts 30

Station, dashboard and sync work on a disk that keeps a diary of its writes. Afterwards it is rebuilt as a power cut at
some instant would have left it, mounted, and the station started on it. Whatever was acknowledged before that instant
must be there. With --mistake the same is done with a program that was broken on purpose: then something must be found.
Ends with 1 when what was promised is lost, or a mistake is not noticed.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from edge.config import Config, load_config
from edge.errors import StationError
from edge.keeping.store import Store
from scripts.proofs.disk import Diary, lacks, mounted, read_diary, rebuild, recorded, run
from scripts.proofs.station import (
    REPO,
    command,
    environment,
    free_port,
    log_of,
    prepare,
    running,
    wait_for,
    work_folder,
)
from scripts.proofs.truth import CLOSED, falsehoods

Change = tuple[str, str, str]
DURABLE, OPENING = "edge/keeping/durable.py", "edge/keeping/opening.py"
NO_FILE: Change = (DURABLE, "os.fsync(file.fileno())", "pass")
NO_FOLDER: Change = (DURABLE, "os.fsync(descriptor)", "pass")
# What a tired programmer might do: where, what, and what stands there instead.
MISTAKES: Mapping[str, tuple[Change, ...]] = {
    "no-flush": (NO_FILE, NO_FOLDER, (OPENING, "synchronous = FULL", "synchronous = OFF")),
    "no-file-flush": (NO_FILE,),
    "no-folder-flush": (NO_FOLDER,),
    "quick-commits": ((OPENING, "synchronous = FULL", "synchronous = NORMAL"),),
}


@dataclass(frozen=True, slots=True)
class Promise:
    """What somebody was told of a capture, and how long the diary was then."""

    position: int
    capture_id: str
    status: str


def work(folder: Path, presses: int, code: Path) -> tuple[int, list[Promise]]:
    """Press on a station on the recorded disk, by its dashboard.

    Returns how long the diary was before its first start, and all that was promised from then on.
    """
    promises = list[Promise]()
    diary = folder / "diary"
    with recorded(folder) as disk, ExitStack() as services:
        config = prepare(disk / "station", more=f"[dashboard]\nport = {free_port()}\n")
        os.sync()  # the proof is of what the station writes, not of its configuration
        begun = diary.stat().st_size
        for word in ("run", "dashboard", "sync"):
            services.enter_context(running(config, word, code=code))
        wait_for(lambda: "is ready" in log_of(config, "run"), "the station")
        wait_for(lambda: "http://" in log_of(config, "dashboard"), "the dashboard")
        for _ in range(presses):
            capture_id = call(config, "captures", b"{}")["capture_id"]
            promises.append(Promise(diary.stat().st_size, capture_id, "queued"))
            status = wait_for(partial(closed, config, capture_id), capture_id)
            promises.append(Promise(diary.stat().st_size, capture_id, status))
        time.sleep(1.0)  # so that the sync delivers some
    return begun, promises


def closed(config: Config, capture_id: str) -> str | None:
    status: str = call(config, f"results/{capture_id}")["status"]
    return status if status in CLOSED else None


def call(config: Config, path: str, body: bytes | None = None) -> dict[str, str]:
    address = f"http://127.0.0.1:{config.dashboard.port}/api/v1/{path}"
    with urllib.request.urlopen(urllib.request.Request(address, body), timeout=60) as answer:
        document: dict[str, str] = json.loads(answer.read())
        return document


def lost(config: Config, promises: list[Promise]) -> list[str]:
    """What was promised and is not so, first as the cut left it, then after the next start and a delivery."""
    told = {one.capture_id: one.status for one in promises}
    try:
        with Store(config.database_path) as store:
            status = {row["id"]: row["status"] for row in store.all("SELECT id, status FROM captures")}
    except StationError as error:
        return [str(error)]
    wrong = [
        f"{one}: {then} was told, and it is {status.get(one, 'gone')}"
        for one, then in told.items()
        if one not in status or (then in CLOSED and status[one] != then)
    ]
    return [*wrong, *started_again(config, told)]


def started_again(config: Config, told: Mapping[str, str]) -> list[str]:
    """What is not as it should be once the station has started, served what waits, and the sync has delivered all."""
    for path in config.folder.glob("*.log"):
        path.write_text("")
    try:
        with running(config, "run") as station:
            wait_for(lambda: "is ready" in log_of(config, "run") or station.poll() is not None, "the station")
            with Store(config.database_path) as store:
                wait_for(lambda: not store.waiting() or station.poll() is not None, "the captures that wait")
    except (TimeoutError, StationError) as error:
        return [str(error)]
    done = subprocess.run(
        command(config, "sync", "--once"), capture_output=True, text=True, env=environment(), check=False
    )
    said = log_of(config, "run") + done.stderr
    wrong = [f"it says: {said[-1500:]}"] if "Traceback" in said or done.returncode else []
    try:
        return [*wrong, *falsehoods(config, dict.fromkeys(told, 1), delivered=True)]
    except StationError as error:
        return [*wrong, str(error)]


def cut_all(folder: Path, begun: int, promises: list[Promise], cuts: int, chance: random.Random) -> list[str]:
    """What so many cuts lose, each at another instant from when the diary was so long."""
    diary, at = read_diary(folder / "diary"), folder / "cut"
    at.mkdir()
    first = diary.when(begun)
    told = [diary.when(one.position) for one in promises]
    wrong, hit = list[str](), Counter[str]()
    for number in range(1, cuts + 1):
        # Nothing is at stake more than what somebody has just been told.
        cut = chance.choice(told) if number % 2 else chance.randrange(first, len(diary.entries) + 1)
        known = [one for one in promises if one.position <= diary.position(cut)]
        # Each a file of its own: a loop device that somebody still looks at would show the one before.
        image = folder / f"cut{number}.img"
        rebuild(diary, folder / "empty.img", image, cut, chance)
        found = opened_again(image, at, known)
        image.unlink()
        hit["intact" if not found else "not as promised"] += 1
        wrong += [f"cut {number}, at {cut} of {len(diary.entries)}: {one}" for one in found]
    print(f"{cuts} cuts: {dict(hit)}", flush=True)
    return wrong


def opened_again(image: Path, at: Path, known: list[Promise]) -> list[str]:
    try:
        with mounted(image, at):
            return lost(load_config(at / "station" / "goatdev.toml"), known)
    except OSError as error:
        return [str(error)]


def broken(into: Path, changes: tuple[Change, ...]) -> Path:
    """A copy of the program with mistakes in it."""
    for package in ("edge", "cloud_sync", "dashboard", "models_tflite"):
        shutil.copytree(
            REPO / package, into / package, ignore=shutil.ignore_patterns("training", "__pycache__")
        )
    for name, what, instead in changes:
        text = (into / name).read_text()
        assert what in text, f"{name} has no {what}"
        (into / name).write_text(text.replace(what, instead))
    return into


def main() -> int:
    options = parsed()
    if why := lacks():
        print(f"powercut_check cannot be run here: {why}", file=sys.stderr)
        return 2
    chance = random.Random(options.seed)
    with tempfile.TemporaryDirectory(dir=options.dir, prefix="goatdev-powercut-") as name:
        folder = Path(name)
        changes = MISTAKES[options.mistake] if options.mistake else ()
        code = broken(folder / "code", changes) if changes else REPO
        begun, promises = work(folder, options.presses, code)
        diary = read_diary(folder / "diary")
        print(describe(diary, promises), flush=True)
        wrong = cut_all(folder, begun, promises, options.cuts, chance)
        if wrong and options.dir:
            run(
                "cp", "--sparse=always", *map(str, (folder / "diary", folder / "empty.img")), str(options.dir)
            )
    if options.mistake:
        told = f"{len(wrong)} things were found wrong" if wrong else "NOT NOTICED"
        print(f"{options.mistake}: {told}", *wrong[:3], sep="\n")
        return 0 if wrong else 1
    print(*(wrong or ["every cut left what was promised"]), sep="\n")
    return 1 if wrong else 0


def describe(diary: Diary, promises: list[Promise]) -> str:
    writes = [one.length for one in diary.entries if one.length]
    flushes = len(diary.entries) - len(writes)
    told = Counter(one.status for one in promises)
    return f"{len(writes)} writes of {sum(writes) / 1e6:.0f} MB, {flushes} flushes; promised: {dict(told)}"


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cuts", type=int, default=30)
    parser.add_argument("--presses", type=int, default=40)
    parser.add_argument(
        "--mistake", choices=list(MISTAKES), help="break the program so, and see that it is noticed"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--dir", type=work_folder, help="where to work; the disk of what went wrong is kept there"
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
