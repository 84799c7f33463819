"""Whether there is dirt or a drop on a lens: a patch of the picture that used to be sharp and is no more.

One picture does not tell a drop from a shadow that went away, nor does the calibration's reference: on rendered
stations much of what it shows is shadow and light of that day. So each press leaves a small map of how much fine detail
every cell of a view showed, without the goat. The older maps say what a cell shows in whatever light; where the last
twenty all show much less of it in cells that lie together, something is before the lens. Dirt that is there is left out
of what is usual; after as many captures as the station remembers, a change is taken for how the view looks.
Only pictures are remembered that are good and whose camera is known to stand still, so a plain scale has no such watch.

`python -m models_tflite.training.lens_bench --first 9000 --stations 20 --out DIR`, light that stays for four captures,
16 captures before the dirt and 20 through it:
- Of 60 clean lenses 3 are called dirty, at 2 of the 20 stations. Few lights were seen before, and that is what counts:
  with nine captures to a light it is 4 of 39 lenses; where each capture has its own, none of 66 (on the stations that
  this was tuned on).
- Of drops anywhere in the picture 87 % are found at a diameter of 15 % of its width, 73 % at 10 %, 55 % at 7 %, 17 %
  at 4 %; of those that hide something 88, 73, 60 and 20 %. Of specks of dust 5 %: they do not blur much.
- A drop needs all of the twenty captures. The first good capture after wiping ends the advice, if no goat is before it.
- Not found is what lies before plain walls, or where a goat is always.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import cv2
import numpy as np
import numpy.typing as npt

from edge.records import Glance, Pixels
from edge.reference import masked

Floats = npt.NDArray[np.float32]
Region = npt.NDArray[np.bool_]

# Cells of the reduced picture, an eightieth of its width.
CELL_PX = 8
# Detail is what is coarser than the one and finer than the other: one standard deviation, px of the reduced picture.
FINE_PX, COARSE_PX = 1.4, 2.8
# Grey that a black picture has, too.
DARK_GREY = 16
# A byte holds so many steps to a percent of contrast; cells that the goat hides hold none.
STEPS, HIDDEN = 8, 0
# What goes with the goat: hair, its shadow, and the network's doubt; share of the width.
AROUND_GOAT = 0.03

# So many captures must agree on dirt, and so many before them say how the view looks without it.
LATELY, FEWEST_BEFORE = 20, 16
# A cell is judged by what it shows in all but this share of the captures before, if that is not too faint.
SELDOM, FAINTEST_PERCENT = 0.2, 0.75
# In fewer captures than this a cell, and with fewer cells a picture, tells nothing.
FEWEST_SEEN, FEWEST_CELLS = 6, 20
# Detail must stand out so far from a picture's grain: what its plainest cells show, if any are plain.
CLEAR_OF_GRAIN, MOST_GRAIN_PERCENT = 2.0, 2.5
# How much less and more contrast than usual a light may give.
FLATTEST_LIGHT, HARDEST_LIGHT = 0.2, 4.0
# A patch has so many cells on a side, so many of them judged, and together they show less than this share of before.
PATCH_CELLS, FEWEST_IN_PATCH, SOFT = (2, 3, 5, 7), 4, 0.42
# Where more of the picture is soft, all is otherwise than it was, and that is not dirt.
MOST_SOFT = 0.1


def fine_detail(gray: Pixels, mask: Pixels | None) -> Pixels:
    """How much fine detail each cell of a reduced picture (h, w) shows: (rows, columns), HIDDEN where the goat is.

    mask  (H, W)  the goat, at any size
    """
    height, width = gray.shape
    size = width // CELL_PX, height // CELL_PX
    # In logarithms: with half the light, a rail has the same contrast.
    percent = 100 * np.log(gray.astype(np.float32) + DARK_GREY)
    fine, coarse = (cv2.GaussianBlur(percent, (0, 0), scale_px) for scale_px in (FINE_PX, COARSE_PX))
    power = cv2.resize((fine - coarse) ** 2, size, interpolation=cv2.INTER_AREA)
    steps = np.clip(np.round(STEPS * np.sqrt(power)), HIDDEN + 1, 255)
    detail = np.asarray(steps, dtype=np.uint8)
    if mask is not None:
        goat = masked(mask, (width, height), AROUND_GOAT).astype(np.float32)
        detail[cv2.resize(goat, size, interpolation=cv2.INTER_AREA) > 0] = HIDDEN
    return detail


def find_dirt(memory: Sequence[Glance], now: Pixels) -> Region:
    """Where in a view's picture there is dirt before it, as far as that can be told: (rows, columns).

    memory  how the view looked in earlier captures, oldest first
    now     its fine detail in this one
    """
    known = [one for one in memory if one.detail.shape == now.shape]
    before, lately = before_dirt(known), [one.detail for one in known[len(known) - LATELY + 1 :]]
    if len(before) < FEWEST_BEFORE:
        return np.zeros(now.shape, dtype=bool)
    return soft_patches(usual_detail(np.stack(before)), [*lately, now])


def before_dirt(known: Sequence[Glance]) -> list[Pixels]:
    """How a view looked before the captures that are judged, and before the dirt that may be there since longer."""
    end = len(known)
    while end and known[end - 1].is_dirty:
        end -= 1
    return [one.detail for one in known[: max(0, end - LATELY + 1)] if not one.is_dirty]


def usual_detail(before: Pixels) -> Floats:
    """What each cell showed in all but a few captures (N, rows, columns); 0 where that is too little to be judged."""
    shown = np.count_nonzero(before != HIDDEN, axis=0)
    place = np.minimum(len(before) - shown + (SELDOM * shown).astype(int), len(before) - 1)
    usual = np.take_along_axis(np.sort(before, axis=0), place[None], axis=0)[0]
    told = (shown >= FEWEST_SEEN) & (usual >= STEPS * FAINTEST_PERCENT)
    return np.where(told, usual, 0).astype(np.float32)


def soft_patches(usual: Floats, lately: Iterable[Pixels]) -> Region:
    """Where cells that lie together show much less than usual in every one of some captures."""
    seen, best = np.zeros(usual.shape, dtype=int), np.zeros(usual.shape, dtype=np.float32)
    for share, told in shares(usual, lately):
        best = np.where(told, np.maximum(best, share), best)
        seen += told
    judged = seen >= FEWEST_SEEN
    patches = np.zeros(usual.shape, dtype=bool)
    for side in PATCH_CELLS:
        patch = np.ones((side, side), np.uint8)
        number = cv2.filter2D(judged.astype(np.float32), -1, patch, borderType=cv2.BORDER_CONSTANT)
        shown = cv2.filter2D(np.where(judged, best, 0), -1, patch, borderType=cv2.BORDER_CONSTANT)
        soft = (number >= FEWEST_IN_PATCH) & (shown < SOFT * number)
        patches |= cv2.dilate(soft.astype(np.uint8), patch) > 0
    too_many = np.count_nonzero(patches & judged) > MOST_SOFT * np.count_nonzero(judged)
    return patches & (not too_many)


def shares(usual: Floats, lately: Iterable[Pixels]) -> Iterator[tuple[Floats, Region]]:
    """Each capture's detail as a share (0..1) of the usual, and the cells in which it tells anything."""
    for detail in (one.astype(np.float32) for one in lately):
        shown = (detail != HIDDEN) & (usual > 0)
        if np.count_nonzero(shown) < FEWEST_CELLS:
            continue
        # Flat light takes contrast from all the picture, hard light gives it.
        contrast = float(np.clip(np.median(detail[shown] / usual[shown]), FLATTEST_LIGHT, HARDEST_LIGHT))
        plainest = float(np.percentile(detail[detail != HIDDEN], 5))
        grain = min(plainest, STEPS * MOST_GRAIN_PERCENT)
        clear = np.sqrt(np.maximum(0, detail**2 - grain**2))
        share = np.clip(clear / np.maximum(contrast * usual, 1), 0, 1).astype(np.float32)
        yield share, shown & (contrast * usual > CLEAR_OF_GRAIN * grain)


def is_in_the_way(dirt: Region, now: Pixels) -> bool:
    """Whether there is dirt before the goat."""
    return bool(np.any(dirt & (now == HIDDEN)))
