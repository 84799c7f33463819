"""Where in the cloud each picture of a capture lies: for who delivers it, and for who looks for its receipt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def folder_of(capture_id: str, sequence: int) -> str:
    """A capture's first document has the contract's place; later ones lie beside it, for nothing is overwritten."""
    folder = f"processed/{capture_id}"
    return folder if sequence == 0 else f"{folder}/updates/{sequence}"


def raw_key(capture_id: str, image: dict[str, Any], images: Sequence[dict[str, Any]]) -> str:
    """Of a picture as taken; what a view's later shots gave lies beside its first.

    images  all of the capture's: the first shot that a camera gave is the picture of its view, also where that is
            not the burst's first
    """
    alike = [shot_of(one) for one in images if (one["view"], one["kind"]) == (image["view"], "raw")]
    later = "" if shot_of(image) == min(alike) else f"_{shot_of(image)}"
    return f"captures/{capture_id}/{capture_id}_{image['view']}{later}.jpg"


def annotated_key(capture_id: str, sequence: int, image: dict[str, Any]) -> str:
    return f"{folder_of(capture_id, sequence)}/{capture_id}_{image['view']}_annotated.jpg"


def shot_of(image: dict[str, Any]) -> int:
    """1 in documents from before there were bursts."""
    return int(image.get("shot", 1))
