"""The points of an outline that cameras measure: where rays touch the animal, px.

Pixel centres are whole numbers, so an edge runs half a pixel outside the outermost pixel.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edge.measuring.geometry import SMALLEST_GOAT_PX, Floats, back_line, smoothed, sure
from edge.measuring.outline import Outline
from edge.records import Label, Pixels

Traces = dict[str, Floats]

# So many points of a back, a belly, a side are enough.
BACK_POINTS, BELLY_POINTS, EDGE_POINTS, FRONT_ROWS = 30, 13, 60, 50
# The belly is free of legs between these shares of the way from withers to rump.
BELLY = (0.2, 0.8)
# The back is followed this share of the same way beyond its ends.
BEYOND = 0.1
# From the front the trunk is in this upper share of the body.
ABOVE_THE_LEGS = 0.7
# The poll lies in the nearest part of the head, as the trunk sees it.
NEAR_PART = 0.45
SMALLEST_HEAD_PX = 30


def traces_of(outline: Outline) -> Traces:
    """Name -> (n, 2) px of what this view contributes; may be empty.

    side   withers, rump, poll, chest, tail (a point each), back, belly
    top    left and right edge of the trunk rear to front, section by section, as the picture has them; poll
    front  left and right edge of the trunk, as the picture has them, where no head is before them; poll
    """
    traces = {"side": side_traces, "top": top_traces, "front": front_traces}
    return traces[outline.view](outline)


def side_traces(outline: Outline) -> Traces:
    mask, points = outline.mask, outline.points
    lifted = {
        name: np.array([(x, y - 0.5)]) for name, (x, y) in points.items() if name in ("withers", "rump")
    }
    found: Traces = dict(lifted)
    if "poll" in points:
        found["poll"] = np.array([points["poll"]])
    marked = sure(outline.segmentation.landmarks)
    for name, mark in (("chest", "chest_front"), ("tail", "tail_root")):
        if mark in marked:
            found[name] = np.array([marked[mark]])
    if len(lifted) == 2:
        withers_x, rump_x = points["withers"][0], points["rump"][0]
        found |= back_and_belly(mask, withers_x, rump_x)
    return found


def back_and_belly(mask: Pixels, withers_x: float, rump_x: float) -> Traces:
    back, way = back_line(mask), rump_x - withers_x
    columns = columns_at(withers_x + np.linspace(-BEYOND, 1 + BEYOND, BACK_POINTS) * way, mask)
    columns = columns[np.isfinite(back[columns])]
    found: Traces = {}
    if len(columns):
        found["back"] = np.column_stack([columns, back[columns] - 0.5])
    columns = columns_at(withers_x + np.linspace(*BELLY, BELLY_POINTS) * way, mask)
    body = mask[:, columns] == Label.BODY
    lowest = mask.shape[0] - 1 - body[::-1].argmax(axis=0)
    seen = body.any(axis=0)
    if seen.any():
        found["belly"] = np.column_stack([columns[seen], lowest[seen] + 0.5])
    return found


def columns_at(places_x: Floats, mask: Pixels) -> npt.NDArray[np.int64]:
    """The picture's columns at these places, each once; a landmark may lie outside the picture."""
    return np.asarray(np.unique(np.clip(np.round(places_x), 0, mask.shape[1] - 1).astype(int)))


def top_traces(outline: Outline) -> Traces:
    trunk, found = outline.trunk, Traces()
    if trunk is not None:
        count = len(trunk.stations)
        chosen = np.unique(np.linspace(0, count - 1, EDGE_POINTS).round().astype(int))
        half_window = max(1, count // 60)
        across = np.array([-trunk.along[1], trunk.along[0]])
        on_axis = trunk.centre + trunk.stations[chosen, None] * trunk.along
        for name, edge, out in (("left", trunk.left, -0.5), ("right", trunk.right, 0.5)):
            found[name] = on_axis + (smoothed(edge, half_window)[chosen] + out)[:, None] * across
    return found | poll_trace(outline)


def front_traces(outline: Outline) -> Traces:
    mask = outline.mask
    body, goat = mask == Label.BODY, mask != Label.BACKGROUND
    rows = np.flatnonzero(body.any(axis=1))
    if len(rows) < SMALLEST_GOAT_PX:
        return poll_trace(outline)
    rows = rows[: int(ABOVE_THE_LEGS * len(rows))]
    rows = rows[:: max(1, len(rows) // FRONT_ROWS)]
    found: Traces = {}
    for name, way, out in (("left", slice(None), -0.5), ("right", slice(None, None, -1), 0.5)):
        of_body, of_goat = (region[rows][:, way].argmax(axis=1) for region in (body, goat))
        # Where a head or an ear is outermost it hides the trunk's edge.
        free = of_body == of_goat
        column = of_body if name == "left" else mask.shape[1] - 1 - of_body
        if free.any():
            found[name] = np.column_stack([column[free] + out, rows[free]])
    return found | poll_trace(outline)


def poll_trace(outline: Outline) -> Traces:
    """The poll from above or from the front: where it is pointed at, else the part of the head nearest the trunk."""
    marked = sure(outline.segmentation.landmarks)
    if "poll" in marked:
        return {"poll": np.array([marked["poll"]])}
    if outline.view != "top":
        return {}
    rows, columns = np.nonzero(outline.mask == Label.HEAD)
    if len(rows) < SMALLEST_HEAD_PX or outline.trunk is None:
        return {}
    head = np.column_stack([columns, rows]).astype(float)
    way = head.mean(axis=0) - outline.trunk.centre
    far = head @ way
    near = head[far <= far.min() + NEAR_PART * (far.max() - far.min())]
    return {"poll": near.mean(axis=0)[None]}
