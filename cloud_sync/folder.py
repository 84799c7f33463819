"""A folder that stands in for the cloud: buckets are folders, keys are paths below them."""

from __future__ import annotations

import hashlib
from pathlib import Path

from edge.errors import DeliveryDelayed, DeliveryRefused
from edge.keeping.durable import make_folder, sync_folder, write_durably

BUCKETS = {"captures": "goat-captures-local", "processed": "goat-processed-local"}


class FolderCloud:
    """Keeps objects as files. An object is never overwritten with other content."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.name = f"folder:{root}"

    def put(self, bucket: str, key: str, content: bytes) -> str:
        """Store one object durably and return its SHA-256, proved by reading it back."""
        path = self.root / BUCKETS[bucket] / key
        sha256 = hashlib.sha256(content).hexdigest()
        try:
            if path.exists():
                # It may be there since a moment before a kill: nothing else says that its name is on the disk.
                sync_folder(path.parent)
            else:
                make_folder(path.parent)
                write_durably(path, content)
            stored = hashlib.sha256(path.read_bytes()).hexdigest()
        except OSError as error:
            raise DeliveryDelayed(
                f"{path}: {error.strerror}", "check the folder in [sync] destination"
            ) from error
        if stored != sha256:
            raise DeliveryRefused(
                f"{path} already holds other content", "it was left as it is: compare the two"
            )
        return sha256
