"""Bringing one capture to the cloud: its images first, the result that names them last."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

from edge.errors import DeliveryRefused, PictureError
from edge.keeping.archive import Archive
from edge.keeping.objects import annotated_key, folder_of, raw_key, shot_of
from edge.keeping.outbox import Entry, Receipt

# destination -> key -> SHA-256
Received = Mapping[str, Mapping[str, str]]


class Cloud(Protocol):
    """Somewhere that keeps objects. Putting the same object again is harmless."""

    name: str

    def put(self, bucket: str, key: str, content: bytes) -> str:
        """Store one object; returns its SHA-256. Raises DeliveryDelayed or DeliveryRefused."""
        ...


def deliver(
    entry: Entry,
    archive: Archive,
    cloud: Cloud,
    received: Received,
    alive: Callable[[], None] = lambda: None,
) -> Receipt:
    """Put all objects of an entry, the result last, so that a result never names what is not there.

    received  what earlier documents of this capture brought, by destination: it is not sent again, and a picture
              that was pruned since need not be there
    alive     is called after each object
    """
    objects = {}
    for key, sha256 in image_objects(entry, archive, cloud, received):
        objects[key] = sha256
        alive()
    result = {**json.loads(entry.document), "objects": objects}
    key = f"{folder_of(entry.capture_id, entry.sequence)}/result.json"
    sha256 = cloud.put("processed", key, json.dumps(result, sort_keys=True, indent=1).encode())
    alive()
    return Receipt(cloud.name, (*objects.items(), (key, sha256)))


def image_objects(
    entry: Entry, archive: Archive, cloud: Cloud, received: Received
) -> Iterator[tuple[str, str]]:
    """Key and hash of each image that the entry's document names, once it is in this cloud."""
    for image in entry.images():
        bucket, key = place_of(entry, image)
        if received.get(cloud.name, {}).get(key) == image["sha256"]:
            yield key, image["sha256"]
            continue
        try:
            content = archive.read_named(
                entry.capture_id, image["view"], image["kind"], image["sha256"], shot_of(image)
            )
        except PictureError as error:
            # Pruned here, and in the cloud that was the destination then.
            if any(objects.get(key) == image["sha256"] for objects in received.values()):
                continue
            raise DeliveryRefused(error.message, error.hint) from error
        yield key, cloud.put(bucket, key, content)


def place_of(entry: Entry, image: dict[str, Any]) -> tuple[str, str]:
    """(bucket, key) of an image, as DESIGN 7 has it."""
    if image["kind"] == "raw":
        return "captures", raw_key(entry.capture_id, image, entry.images())
    return "processed", annotated_key(entry.capture_id, entry.sequence, image)
