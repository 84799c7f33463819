"""What must be true of a station's folder after anything: each thing that is not is told in a sentence."""

from __future__ import annotations

import hashlib
import json
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from cloud_sync.folder import BUCKETS
from edge.config import Config
from edge.keeping.archive import IMAGE_NAME
from edge.keeping.store import Store

CLOSED = ("completed", "failed", "missed")
WRITTEN_WITHIN_S = 3.0


def falsehoods(config: Config, accepted: Mapping[str, int], delivered: bool = False) -> list[str]:
    """What is not as promised, of a station that has been started again and has nothing left to do.

    accepted   capture whose press was acknowledged -> how often it was asked for: once, or again with its pictures
    delivered  whether the sync had the time to bring all of them to the folder that stands in for the cloud
    """
    with Store(config.database_path) as store:
        return [
            *database(store),
            *presses(store, accepted),
            *images(store, config.image_folder),
            *documents(store, accepted),
            *parts(config.folder),
            *receipts(store, config.folder / "cloud"),
            *(undelivered(store) if delivered else ()),
        ]


def database(store: Store) -> Iterator[str]:
    for row in store.all("PRAGMA integrity_check"):
        if row["integrity_check"] != "ok":
            yield f"database: {row['integrity_check']}"
    for row in store.all("PRAGMA foreign_key_check"):
        yield f"database: a row of {row['table']} belongs to none of {row['parent']}"


def presses(store: Store, accepted: Mapping[str, int]) -> Iterator[str]:
    """Every acknowledged press has its row, and every row is closed."""
    status = {row["id"]: row["status"] for row in store.all("SELECT id, status FROM captures")}
    for capture_id in accepted:
        if capture_id not in status:
            yield f"{capture_id}: acknowledged, and no row is there"
    for capture_id, found in status.items():
        if found not in CLOSED:
            yield f"{capture_id}: still {found}"


def images(store: Store, folder: Path) -> Iterator[str]:
    """Every row of an image has its file, whole; a completed capture has what it was measured from."""
    for row in store.all("SELECT capture_id, path, sha256, size_bytes FROM images"):
        path = folder / row["path"]
        if not path.is_file():
            yield f"{row['capture_id']}: {path.name} is not there"
        elif sha256_of(path) != row["sha256"]:
            yield f"{row['capture_id']}: {path.name} is not what was written"
    for row in store.all(
        "SELECT id FROM captures WHERE status = 'completed' AND NOT EXISTS ("
        "SELECT 1 FROM images WHERE capture_id = captures.id AND kind = 'raw')"
    ):
        yield f"{row['id']}: completed without a picture"
    for path in folder.glob("*/*/*.jpg"):
        name = IMAGE_NAME.fullmatch(path.name)
        if name is None or sha256_of(path) != name["sha256"]:
            yield f"{path}: not what its name says"


def documents(store: Store, accepted: Mapping[str, int]) -> Iterator[str]:
    """One document for each time that a capture was asked for, the newest of what its row says; none taken twice."""
    for row in store.all("SELECT trigger_id FROM captures GROUP BY trigger_id HAVING COUNT(*) > 1"):
        yield f"{row['trigger_id']}: a press that was taken twice"
    for row in store.all("SELECT id, status, revision FROM captures"):
        owed = [
            json.loads(one["document"])
            for one in store.all(
                "SELECT document FROM outbox WHERE capture_id = ? ORDER BY sequence", [row["id"]]
            )
        ]
        if row["status"] in CLOSED and len(owed) != accepted.get(row["id"], 1):
            yield f"{row['id']}: {len(owed)} documents for the cloud, and {accepted.get(row['id'], 1)} are owed"
        if owed and owed[-1]["status"] != row["status"]:
            yield f"{row['id']}: {row['status']}, and the cloud is told {owed[-1]['status']}"
        revisions = store.number("SELECT COUNT(*) AS number FROM revisions WHERE capture_id = ?", [row["id"]])
        if revisions != row["revision"]:
            yield f"{row['id']}: revision {row['revision']}, and {revisions} are kept"


def parts(folder: Path) -> Iterator[str]:
    """A station that has nothing left to do still writes its documents beside the pictures: each for an instant."""
    left, end = set(folder.rglob("*.part")), time.monotonic() + WRITTEN_WITHIN_S
    while left and time.monotonic() < end:
        time.sleep(0.05)
        left = {path for path in left if path.exists()}
    for path in sorted(left):
        yield f"{path}: half a file was left"


def receipts(store: Store, cloud: Path) -> Iterator[str]:
    """The cloud has, byte for byte, all that there is a receipt of; and a result names only what is there."""
    for row in store.all("SELECT capture_id, objects FROM receipts JOIN outbox ON outbox.id = outbox_id"):
        for key, sha256 in json.loads(row["objects"]).items():
            path = cloud / BUCKETS["captures" if key.startswith("captures/") else "processed"] / key
            if not path.is_file():
                yield f"{row['capture_id']}: there is a receipt of {key}, and it is not there"
            elif sha256_of(path) != sha256:
                yield f"{row['capture_id']}: {key} is not what the receipt says"
    for path in (cloud / BUCKETS["processed"]).rglob("result.json"):
        try:
            objects = json.loads(path.read_text())["objects"]
        except ValueError:
            yield f"{path}: cannot be read"
            continue
        for key, sha256 in objects.items():
            named = cloud / BUCKETS["captures" if key.startswith("captures/") else "processed"] / key
            if not named.is_file() or sha256_of(named) != sha256:
                yield f"{path}: names {key}, which is not there"


def undelivered(store: Store) -> Iterator[str]:
    states = Counter(row["state"] for row in store.all("SELECT state FROM outbox"))
    for state in ("due", "parked"):
        if states[state]:
            yield f"{states[state]} documents are {state}"


def sha256_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
