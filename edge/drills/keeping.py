"""A full disk, a database that is gone or torn, and a process that is killed."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from edge.drills.scratch import Scratch
from edge.drills.verdicts import DrillSkipped, require
from edge.records import Status

SMALL_DISK_MB = 64
FULL = 0.97
# Pruning is due on any disk that is a fifth full.
EAGER_TO_PRUNE = "\n[disk]\nwarn = 0.2\nprune = 0.2\nrefuse = 0.99\n"
KILLS = 6
# In this time a station that may prune has begun to.
PRUNING_S = 2.0
GARBAGE = b"not a database" * 40


def disk_full(scratch: Scratch) -> str:
    """Others fill the disk: a press is refused and says so, nothing is written, and it goes on when there is room."""
    with small_disk(scratch.config.data_dir), scratch.station():
        scratch.completed()
        kept = scratch.pictures()
        ballast = fill(scratch.config.data_dir)
        refused = scratch.call("edge.cli", "capture", "--wait-s", "20")
        require(refused.returncode == 1, f"a press on a full disk ended with exit code {refused.returncode}")
        require("full" in refused.stderr, f"the message does not say that the disk is full: {refused.stderr}")
        require(len(scratch.captures()) == 1, "a press was taken that could not be kept")
        require(scratch.pictures() == kept, "pictures changed while the disk was full")
        ballast.unlink()
        scratch.completed()
    return f"at {FULL:.0%} the press was refused ({refused.stderr.strip().splitlines()[0]}); then it went on"


def database_missing(scratch: Scratch) -> str:
    """Somebody deleted the database: no picture goes, nothing is pruned, health says it, and goats are measured."""
    scratch.configure(EAGER_TO_PRUNE)
    with scratch.station():
        for _ in range(2):
            scratch.completed()
    require(scratch.call("cloud_sync", "--once").returncode == 0, "the captures could not be delivered")
    kept = scratch.pictures()
    for part in scratch.config.data_dir.glob("station.db*"):
        part.unlink()
    with scratch.station(), scratch.running("dashboard"):
        # The drill itself must not be the one who begins a new database.
        scratch.wait(scratch.config.database_path.exists, "a new database is begun")
        scratch.completed()
        require_all(kept, scratch)
        said = scratch.wait(lambda: failing(scratch, "database"), "health says that the database is missing")
        time.sleep(PRUNING_S)
        require_all(kept, scratch)
    return f"all {len(kept)} pictures kept, a new goat measured; health: {said}"


def database_malformed(scratch: Scratch) -> str:
    """The database is torn: the station refuses to start, says so, and leaves it as it was."""
    with scratch.station():
        scratch.completed()
    kept, path = scratch.pictures(), scratch.config.database_path
    with path.open("r+b") as file:
        file.write(GARBAGE)
    torn = path.read_bytes()
    ended = scratch.call("edge.cli", "run")
    require(
        ended.returncode not in (0, 1),
        f"the station ended with exit code {ended.returncode}: systemd would go on",
    )
    require("database" in ended.stderr, f"the message does not name the database: {ended.stderr[-300:]}")
    with scratch.running("dashboard"):
        said = scratch.wait(lambda: failing(scratch, "database"), "health says that the database is damaged")
    require(path.read_bytes() == torn, "the damaged database was changed")
    require(scratch.pictures() == kept, "pictures changed")
    return f"refused with exit code {ended.returncode}, left as it was; health: {said}"


def killed_between_writes(scratch: Scratch) -> str:
    """kill -9 at any moment of a capture: no press is lost, no picture torn, nothing stays half done."""
    with scratch.station():
        first = press_taken_up(scratch)
        begun_s = time.monotonic()
        scratch.closed(first)
        takes_s = time.monotonic() - begun_s
    # Also after it is closed: then it must stay as it is.
    pressed = [killed_after(scratch, 2 * takes_s * (number + 0.5) / KILLS) for number in range(KILLS)]
    with scratch.station():
        scratch.completed()
    captures = {one.id: one for one in scratch.captures()}
    require(set(pressed) <= set(captures), "a press was lost")
    require(captures[first].status is Status.COMPLETED, "an earlier capture was lost")
    statuses = [captures[one].status for one in pressed]
    require(
        not any(captures[one].is_unfinished for one in pressed), f"something stayed half done: {statuses}"
    )
    require_whole(scratch)
    done = statuses.count(Status.COMPLETED)
    return f"{KILLS} kills: {done} captures were complete, {KILLS - done} closed with the reason; all pictures whole"


# How it is done.


def require_all(pictures: Mapping[str, str], scratch: Scratch) -> None:
    lost = pictures.items() - scratch.pictures().items()
    require(not lost, f"{len(lost)} of {len(pictures)} pictures were lost with the database")


def failing(scratch: Scratch, name: str) -> str:
    """What health says of a check that fails; empty while it does not."""
    check = scratch.health().get(name, {})
    return check["text"] if check.get("state") == "fail" else ""


def killed_after(scratch: Scratch, seconds: float) -> str:
    """Press, and kill the station so long after it took the press up; returns the capture's id."""
    process = scratch.start("edge.cli", "run")
    try:
        pressed = press_taken_up(scratch)
        time.sleep(seconds)
    finally:
        process.kill()
        process.wait()
    return pressed


def press_taken_up(scratch: Scratch) -> str:
    pressed = scratch.press()
    scratch.wait(lambda: scratch.capture(pressed).status is not Status.QUEUED, "the press is taken up")
    return pressed


def require_whole(scratch: Scratch) -> None:
    """Every picture that is known is on disk as it was written, and every closed capture is owed to the cloud once."""
    on_disk = scratch.pictures()
    for capture in scratch.captures():
        for image in capture.images:
            require(on_disk.get(image.path) == image.sha256, f"{image.path} is torn or missing")
    require(not list(scratch.config.image_folder.glob("*/*/*.part")), "half a picture was left lying")
    number = len(scratch.captures())
    require(
        scratch.backlog() == number,
        f"{number} captures are owed to the cloud as {scratch.backlog()} documents",
    )


@contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    """A file system of its own at a folder, of some megabytes, that only root may make."""
    folder.mkdir()
    if os.geteuid() != 0 or shutil.which("mount") is None:
        raise DrillSkipped("only root may mount a small disk: run it with sudo")
    size = f"size={SMALL_DISK_MB}m"
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", size, "goatdev-drill", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode != 0:
        raise DrillSkipped(f"no small disk can be mounted here: {mounted.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def fill(folder: Path) -> Path:
    """Fill a small disk; returns the file that does."""
    ballast = folder / "ballast"
    usage = shutil.disk_usage(folder)
    ballast.write_bytes(bytes(max(0, int(usage.total * FULL) - usage.used)))
    return ballast
