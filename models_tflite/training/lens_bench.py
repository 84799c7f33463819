"""How surely dirt on a lens is noticed, and how often none is called some, on rendered stations whose truth is known.

    python -m models_tflite.training.lens_bench --stations 10 --out /tmp/lens

For each station and view: captures of one goat after the other, with people, things and straw elsewhere each time. The
light stays for a few captures. All are played with a clean lens, which is to be left alone; then with dirt of one kind
that comes when the station has learnt how the view looks, anywhere in the picture. Renders the stations that DIR does
not hold yet, plays, and prints what was said. A spot hides something where the picture changes behind it by more than
its brightness; what has no edges behind it, or only ever a goat, cannot be missed.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.images import read_gray
from edge.lens import FEWEST_BEFORE, LATELY, find_dirt, fine_detail
from edge.records import Glance, Pixels
from edge.reference import reduced
from models_tflite.training.moved_bench import later_scene, write
from models_tflite.training.simulator.boards import bench_options, draw_site, photographed, render_missing
from models_tflite.training.simulator.photo import add_spot, draw_look, through_dirt
from models_tflite.training.simulator.render import Renderer
from models_tflite.training.simulator.station import VIEWS

Rng = np.random.Generator
Floats = NDArray[np.float32]
SIZE = (640, 480)
CAPTURES = FEWEST_BEFORE + LATELY
CAPTURES_PER_LIGHT = 4
# kind -> whether it is a drop, number of spots, their diameter as a share of the width
KINDS: Mapping[str, tuple[bool, int, float]] = {
    "a drop of 4 % of the width": (True, 1, 0.04),
    "a drop of 7 %": (True, 1, 0.07),
    "a drop of 10 %": (True, 1, 0.10),
    "a drop of 15 %": (True, 1, 0.15),
    "30 specks of dust of 2 %": (False, 30, 0.02),
}
CLEAN = "a clean lens"
# Grey levels, one standard deviation, that a spot must change in half of the captures to hide something.
HIDES_GREY = 6.0
QUALITY = 88


@dataclass(frozen=True, slots=True)
class Lens:
    """What was said of one lens.

    needed     captures through the dirt until it was said, or None
    hides      whether there was something to see where the dirt is
    """

    station: int
    view: str
    kind: str
    needed: int | None
    hides: bool


# --- rendering ---------------------------------------------------------------------------------


def write_station(renderer: Renderer, seed: int, folder: Path) -> None:
    rng = np.random.default_rng([seed, 313])
    site = draw_site(rng, renderer.size)
    for view in VIEWS:
        (folder / view).mkdir(parents=True, exist_ok=True)
    dim, day = [], later_scene(rng, site)
    for number in range(CAPTURES):
        scene = later_scene(rng, site)
        day = day if number % CAPTURES_PER_LIGHT else scene
        scene = replace(scene, light=day.light, look=day.look, shades=day.shades)
        looks = [draw_look(rng, scene.light, scene.look) for _ in VIEWS]
        shots = renderer.shoot(scene, [site.cameras[view] for view in VIEWS], looks)
        for view, shot in zip(VIEWS, shots, strict=True):
            write(folder / view / f"{number:02d}.jpg", shot.picture)
            cv2.imwrite(str(folder / view / f"{number:02d}_mask.png"), shot.mask)
        dim.append(scene.light.dim)
        renderer.forget_goats()
        tell(f"station {seed}, capture {number + 1} of {CAPTURES} rendered")
    (folder / "truth.json").write_text(json.dumps({"dim": dim}) + "\n")


def tell(progress: str) -> None:
    sys.stderr.write(f"\r{progress} ")
    sys.stderr.flush()


# --- playing -----------------------------------------------------------------------------------


def played(folder: Path) -> Iterator[Lens]:
    """Every lens of a station, clean and dirty."""
    dim = json.loads((folder / "truth.json").read_text())["dim"]
    for view in VIEWS:
        pictures = [read_gray(folder / view / f"{n:02d}.jpg").astype(np.float32) for n in range(CAPTURES)]
        masks = [read_gray(folder / view / f"{n:02d}_mask.png") for n in range(CAPTURES)]
        seed = int(folder.name), VIEWS.index(view)
        rngs = [np.random.default_rng([*seed, n]) for n in range(CAPTURES)]
        clean = [detail_of(rng, *one) for rng, *one in zip(rngs, pictures, masks, dim, strict=True)]
        yield Lens(int(folder.name), view, CLEAN, first_said(clean, FEWEST_BEFORE), True)
        for number, (kind, (drops, spots, size)) in enumerate(KINDS.items()):
            rng = np.random.default_rng([*seed, CAPTURES + number])
            cover = spotted(rng, pictures[0].shape, spots, size)
            behind = [through_dirt(one, cover, drops) for one in pictures[FEWEST_BEFORE:]]
            late = zip(behind, masks[FEWEST_BEFORE:], dim[FEWEST_BEFORE:], strict=True)
            details = clean[:FEWEST_BEFORE] + [detail_of(rng, *one) for one in late]
            hidden = [
                float(np.std((a - b)[cover > 0]))
                for a, b in zip(pictures[FEWEST_BEFORE:], behind, strict=True)
            ]
            hides = float(np.median(hidden)) > HIDES_GREY
            yield Lens(int(folder.name), view, kind, first_said(details, FEWEST_BEFORE), hides)
            tell(f"station {folder.name}, {view}, {kind} played        ")


def spotted(rng: Rng, shape: tuple[int, ...], spots: int, size: float) -> Floats:
    cover = np.zeros(shape, np.float32)
    for _ in range(spots):
        add_spot(rng, cover, (int(rng.integers(shape[1])), int(rng.integers(shape[0]))), size / 2)
    return cover


def detail_of(rng: Rng, picture: Floats, mask: Pixels, dim: bool) -> Pixels:
    """What a station would remember of a picture once lens, sensor and file have done their part."""
    taken = photographed(rng, np.clip(picture, 0, 255).astype(np.uint8), held=False).astype(np.float32)
    if dim:
        taken += float(rng.uniform(4, 16)) * rng.standard_normal(taken.shape, dtype=np.float32)
    _, packed = cv2.imencode(
        ".jpg", np.clip(taken, 0, 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, QUALITY]
    )
    gray = np.asarray(cv2.imdecode(packed, cv2.IMREAD_GRAYSCALE), dtype=np.uint8)
    return fine_detail(reduced(gray), mask)


def first_said(details: Sequence[Pixels], start: int) -> int | None:
    """After how many captures from `start` on dirt was said first."""
    memory: list[Glance] = []
    for number, detail in enumerate(details):
        dirty = bool(find_dirt(memory, detail).any())
        if dirty:
            return number + 1 - start
        memory.append(Glance("", detail, dirty))
    return None


# --- what came of it ---------------------------------------------------------------------------


def report(lenses: Sequence[Lens]) -> str:
    clean = [one for one in lenses if one.kind == CLEAN]
    false = [one for one in clean if one.needed is not None]
    wrong, stations = ({one.station for one in some} for some in (false, clean))
    lines = [
        f"{CLEAN}: said of {len(false)} of {len(clean)} lenses, at {len(wrong)} of {len(stations)} stations",
        f"{'':28} lenses   found   that hide something   of these found   after captures (median)",
    ]
    for kind in KINDS:
        some = [one for one in lenses if one.kind == kind]
        visible = [one for one in some if one.hides]
        needed = [one.needed for one in some if one.needed is not None]
        after = f"{np.median(needed):.0f}" if needed else "-"
        lines.append(
            f"{kind:28} {len(some):6}  {found(some)}   {len(visible):19}   {found(visible):>14}   {after:>14}"
        )
    return "\n".join(lines)


def found(lenses: Sequence[Lens]) -> str:
    said = sum(one.needed is not None for one in lenses)
    return f"{100 * said / max(1, len(lenses)):4.0f} %"


def main() -> None:
    options = bench_options(__doc__, stations=10, size=SIZE).parse_args()
    cv2.setNumThreads(1)
    seeds = range(options.first, options.first + options.stations)
    render_missing(options.out, seeds, options.size, write_station)
    lenses = [lens for seed in seeds for lens in played(options.out / str(seed))]
    sys.stderr.write("\n")
    print(report(lenses))


if __name__ == "__main__":
    main()
