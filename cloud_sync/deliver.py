"""Bringing one capture to the cloud: its images first, the result that names them last."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from edge.errors import DeliveryRefused, PictureError
from edge.keeping.archive import Archive
from edge.keeping.outbox import Entry, Receipt


class Cloud(Protocol):
    """Somewhere that keeps objects. Putting the same object again is harmless."""

    name: str

    def put(self, bucket: str, key: str, content: bytes) -> str:
        """Store one object; returns its SHA-256. Raises DeliveryDelayed or DeliveryRefused."""
        ...


def deliver(
    entry: Entry, archive: Archive, cloud: Cloud, alive: Callable[[], None] = lambda: None
) -> Receipt:
    """Put all objects of an entry, the result last, so that a result never names what is not there.

    alive  is called after each object
    """
    objects = []
    for bucket, key, content in image_objects(entry, archive):
        objects.append((key, cloud.put(bucket, key, content)))
        alive()
    result = {**json.loads(entry.document), "objects": dict(objects)}
    key = f"{folder_of(entry)}/result.json"
    objects.append((key, cloud.put("processed", key, json.dumps(result, sort_keys=True, indent=1).encode())))
    alive()
    return Receipt(cloud.name, tuple(objects))


def image_objects(entry: Entry, archive: Archive) -> Iterator[tuple[str, str, bytes]]:
    """bucket, key and content of each image that the entry's document names."""
    for image in entry.images():
        try:
            content = archive.read_named(
                entry.capture_id, image["view"], image["kind"], image["sha256"], shot_of(image)
            )
        except PictureError as error:
            raise DeliveryRefused(error.message, error.hint) from error
        yield *place_of(entry, image), content


def place_of(entry: Entry, image: dict[str, Any]) -> tuple[str, str]:
    """(bucket, key) of an image, as DESIGN 7 has it; what a view's later shots gave lies beside its first."""
    name = f"{entry.capture_id}_{image['view']}"
    if image["kind"] == "raw":
        later = "" if is_first_of_its_view(entry, image) else f"_{shot_of(image)}"
        return "captures", f"captures/{entry.capture_id}/{name}{later}.jpg"
    return "processed", f"{folder_of(entry)}/{name}_annotated.jpg"


def is_first_of_its_view(entry: Entry, image: dict[str, Any]) -> bool:
    """The first shot that a camera gave is the picture of its view, also where that is not the burst's first."""
    alike = [one for one in entry.images() if (one["view"], one["kind"]) == (image["view"], image["kind"])]
    return shot_of(image) == min(map(shot_of, alike))


def shot_of(image: dict[str, Any]) -> int:
    """1 in documents from before there were bursts."""
    return int(image.get("shot", 1))


def folder_of(entry: Entry) -> str:
    """A capture's first document has the contract's place; later ones lie beside it, for nothing is overwritten."""
    folder = f"processed/{entry.capture_id}"
    return folder if entry.sequence == 0 else f"{folder}/updates/{entry.sequence}"
