"""Weigh crates as meshes: floor, posts, rails, bars, panels, and wide things above that hide a part of the goat."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models_tflite.training.simulator.mesh import Material, Mesh, bar, box, joined, tube

Rng = np.random.Generator
Colour = tuple[float, float, float]
STEELS: tuple[Colour, ...] = (
    (0.004, 0.15, 0.10),
    (0.004, 0.15, 0.10),
    (0.004, 0.15, 0.10),
    (0.01, 0.09, 0.05),
    (0.35, 0.36, 0.37),
    (0.02, 0.02, 0.022),
    (0.02, 0.07, 0.3),
    (0.35, 0.02, 0.015),
    (0.55, 0.3, 0.03),
    (0.2, 0.09, 0.04),
)
FLOORS = (Material.GRATING, Material.RUBBER, Material.STRAW, Material.CONCRETE, Material.WOOD)


@dataclass(frozen=True, slots=True)
class Crate:
    """A crate's sizes in cm and its looks.

    side_bars    X of upright bars between goat and side camera;  side_rails  their heights, for lying bars
    front_bars   Y of upright bars in the head gate;              top_bars    X of bars across the top
    gates        whether gate frames stand open at the head end
    hands        +1 the side camera is on the animal's left (far panel at -Y), -1 on its right
    wide_over_top   X from, X to, Y from, Y to of a box over the crate, or None; beam_x  X of a wide beam, or None
    """

    length: float = 150.0
    width: float = 56.0
    height: float = 105.0
    tube: float = 3.8
    steel: Colour = STEELS[0]
    floor: Material = Material.GRATING
    floor_colour: Colour = (0.05, 0.04, 0.032)
    panel: Material | None = Material.PANEL
    panel_colour: Colour = (0.82, 0.82, 0.78)
    near_glass: bool = True
    hands: int = 1
    side_bars: tuple[float, ...] = (0.0,)
    side_rails: tuple[float, ...] = ()
    front_bars: tuple[float, ...] = (-18.0, -6.0, 6.0, 18.0)
    top_bars: tuple[float, ...] = (-40.0, 30.0)
    bar: float = 2.5
    wide_over_top: tuple[float, float, float, float] | None = None
    beam_x: float | None = None
    beam_width: float = 14.0
    top_bar: float = 2.5
    gates: bool = False
    red_marks: bool = False


@dataclass(frozen=True, slots=True)
class Mirror:
    """The clear panel seen from inside: a plane of constant Y that mirrors the goat, cm; strength 0..1."""

    y: float
    half_length: float
    height: float
    strength: float


def draw_crate(rng: Rng, goat_height_cm: float, reach: tuple[float, float, float], hands: int) -> Crate:
    """A crate by lot that the goat fits into; reach is the goat's greatest |X|, |Y| and Z as it stands."""
    length = max(rng.uniform(115, 165), 2 * reach[0] + 14)
    width = max(rng.uniform(42, 68), 2 * reach[1] + 6)
    height = max(rng.uniform(82, 118), reach[2] + 8)
    floor = FLOORS[rng.choice(5, p=[0.5, 0.17, 0.11, 0.12, 0.1])]
    panel = [Material.PANEL, Material.WOOD, Material.SHEET_METAL, None][
        rng.choice(4, p=[0.65, 0.12, 0.08, 0.15])
    ]
    clear = bool(rng.random() < 0.55)
    return Crate(
        length=length,
        width=width,
        height=height,
        tube=float(rng.uniform(3.0, 5.5)),
        steel=_varied(rng, STEELS[rng.integers(len(STEELS))], 0.25),
        floor=floor,
        floor_colour=_floor_colour(rng, floor),
        panel=panel,
        panel_colour=_panel_colour(rng, panel),
        near_glass=clear,
        hands=hands,
        side_bars=_spread(rng, length, (0, 1, 1, 1, 2, 3)),
        side_rails=tuple(float(z) for z in rng.uniform(20, 75, rng.choice([0, 0, 0, 0, 1, 2, 3]))),
        front_bars=_spread(rng, width, (3, 4, 4, 5, 5)),
        top_bars=_spread(rng, length, (0, 1, 2, 2, 3)),
        bar=float(rng.uniform(1.4, 3.4)),
        top_bar=float(rng.uniform(2.5, 5.0)),
        wide_over_top=_box_over_top(rng, width) if rng.random() < 0.5 else None,
        beam_x=float(rng.uniform(-45, 45)) if rng.random() < 0.35 else None,
        beam_width=float(rng.uniform(5, 12)),
        red_marks=bool(rng.random() < 0.4),
        gates=bool(rng.random() < 0.4),
    )


def _varied(rng: Rng, colour: Colour, sigma: float) -> Colour:
    red, green, blue = np.clip(
        np.array(colour) * np.exp(rng.normal(0, sigma)) * np.exp(rng.normal(0, 0.08, 3)), 0, 0.9
    )
    return float(red), float(green), float(blue)


def _floor_colour(rng: Rng, floor: Material) -> Colour:
    colours = {
        Material.GRATING: (0.085, 0.07, 0.056),
        Material.RUBBER: (0.03, 0.03, 0.03),
        Material.STRAW: (0.28, 0.17, 0.07),
        Material.CONCRETE: (0.28, 0.26, 0.23),
        Material.WOOD: (0.2, 0.12, 0.06),
    }
    return _varied(rng, colours[floor], 0.3)


def _panel_colour(rng: Rng, panel: Material | None) -> Colour:
    if panel == Material.WOOD:
        return _varied(rng, (0.24, 0.14, 0.07), 0.3)
    if panel == Material.SHEET_METAL:
        return _varied(rng, (0.3, 0.31, 0.32), 0.3)
    return _varied(rng, (0.75, 0.75, 0.71), 0.1)


def _spread(rng: Rng, span: float, counts: tuple[int, ...]) -> tuple[float, ...]:
    count = int(rng.choice(counts))
    even = (np.arange(count) + 0.5) / max(count, 1) - 0.5
    return tuple(float(value) for value in even * span + rng.normal(0, 0.05 * span, count))


def _box_over_top(rng: Rng, width: float) -> tuple[float, float, float, float]:
    x, long, deep = rng.uniform(-55, 55), rng.uniform(14, 34), rng.uniform(0.4, 0.9) * width
    y = rng.uniform(-0.35, 0.35) * width
    return float(x - long / 2), float(x + long / 2), float(y - deep / 2), float(y + deep / 2)


def thin_parts(crate: Crate) -> Mesh:
    """Everything the outline of the goat ignores: floor, panels, posts, rails and bars."""
    parts = [*frame(crate), *bars(crate), *panels(crate), floor_mesh(crate)]
    if crate.red_marks:
        parts += red_marks(crate)
    if crate.gates:
        parts += gates(crate)
    return joined(parts)


def frame(crate: Crate) -> list[Mesh]:
    """Posts at the corners, rails along the top and the bottom."""
    x, y, z = crate.length / 2, crate.width / 2, crate.height
    corners = [(-x, -y), (x, -y), (x, y), (-x, y)]
    tubes = [bar(np.array([a, b, -6.0]), np.array([a, b, z]), crate.tube) for a, b in corners]
    for level in (-3.0, z):
        for (a, b), (c, d) in zip(corners, corners[1:] + corners[:1], strict=True):
            tubes.append(bar(np.array([a, b, level]), np.array([c, d, level]), crate.tube))
    return [mesh.painted(crate.steel, Material.STEEL) for mesh in tubes]


def gates(crate: Crate) -> list[Mesh]:
    """Open frames of tube on both sides of the head end, rounded at the top as pipe is bent."""
    found = []
    for side in (1.0, -1.0):
        x, y, z = crate.length / 2 + 2, side * (crate.width / 2 + 4), crate.height
        out = side * 26.0
        path = np.array([[x, y, 4], [x, y, z - 14], [x, y + out * 0.2, z - 3], [x, y + out * 0.8, z - 3]])
        path = np.vstack([path, [[x, y + out, z - 14], [x, y + out, 14], [x, y + out * 0.8, 4], [x, y, 4]]])
        tubes = tube(path, np.full(len(path), crate.tube / 2), 8)
        found.append(tubes.painted(crate.steel, Material.STEEL))
    return found


def bars(crate: Crate) -> list[Mesh]:
    """Bars between the goat and the cameras, and the same ones on the far sides."""
    x, y, z = crate.length / 2, crate.width / 2, crate.height
    near = crate.hands * y
    tubes = [bar(np.array([a, near, 0]), np.array([a, near, z]), crate.bar) for a in crate.side_bars]
    tubes += [
        bar(np.array([-x, near, level]), np.array([x, near, level]), crate.bar) for level in crate.side_rails
    ]
    tubes += [
        bar(np.array([end, b, 0]), np.array([end, b, z]), min(crate.bar, 2.0))
        for b in crate.front_bars
        for end in (x, -x)
    ]
    tubes += [bar(np.array([a, -y, z]), np.array([a, y, z]), crate.top_bar) for a in crate.top_bars]
    if crate.panel is None:
        tubes += [
            bar(np.array([-x, -near, level]), np.array([x, -near, level]), crate.bar)
            for level in np.arange(14, z, 15.0)
        ]
    return [mesh.painted(crate.steel, Material.STEEL) for mesh in tubes]


def panels(crate: Crate) -> list[Mesh]:
    if crate.panel is None:
        return []
    x, y = crate.length / 2 - 1, -crate.hands * (crate.width / 2 - 0.5)
    sheet = box(
        (-x, min(y, y - crate.hands * 0.6), 1.5), (x, max(y, y - crate.hands * 0.6), crate.height - 3)
    )
    return [sheet.painted(crate.panel_colour, crate.panel)]


def glass(crate: Crate) -> Mesh | None:
    """The clear panel towards the side camera, drawn last."""
    if not crate.near_glass:
        return None
    x, y = crate.length / 2 - 1, crate.hands * (crate.width / 2 - crate.tube / 2)
    return box((-x, y - 0.2, 1.5), (x, y + 0.2, crate.height - 3)).painted((0.7, 0.7, 0.68), Material.PLAIN)


def floor_mesh(crate: Crate) -> Mesh:
    x, y = crate.length / 2, crate.width / 2
    return box((-x, -y, -2.5), (x, y, 0.0)).painted(crate.floor_colour, crate.floor)


def red_marks(crate: Crate) -> list[Mesh]:
    """Red strokes of a hand-painted ruler on the far panel and a post."""
    y = -crate.hands * (crate.width / 2 - 0.9)
    x = -crate.length / 2 + 22
    strokes = [box((x, y - 0.1, level - 0.4), (x + 16, y + 0.1, level + 0.4)) for level in (30.5, 61.0)]
    post = crate.length / 2
    near = crate.hands * (crate.width / 2 + crate.tube / 2)
    strokes += [
        box((post - 2, near - 0.2, z - 0.4), (post + 2, near + 0.2, z + 0.4)) for z in np.arange(10, 80, 10.0)
    ]
    return [stroke.painted((0.6, 0.02, 0.03), Material.PLAIN) for stroke in strokes]


def wide_parts(crate: Crate) -> list[Mesh]:
    """What hides a part of the goat for good, also in the mask: a scale's box and a curved beam over the top."""
    parts = []
    if crate.wide_over_top:
        left, right, low, high = crate.wide_over_top
        z = crate.height + 3
        shell = box((left, low, z), (right, high, z + 9)).painted((0.36, 0.35, 0.33), Material.PLAIN)
        parts.append(shell)
        middle = (left + right) / 2
        lid = box((left + 1.5, low + 1.5, z + 9), (right - 1.5, high - 1.5, z + 9.8))
        parts.append(lid.painted((0.42, 0.41, 0.38), Material.PLAIN))
        arm = bar(np.array([middle, high, z + 4]), np.array([middle, crate.width / 2 + 8, z + 4]), 3.0)
        parts.append(arm.painted((0.3, 0.3, 0.3), Material.STEEL))
    if crate.beam_x is not None:
        across = np.linspace(-1, 1, 15)
        rise = crate.height + 14 - 9 * across**2
        path = np.column_stack([crate.beam_x + 6 * across**2, across * (crate.width / 2 + 6), rise])
        parts.append(
            tube(path, np.full(15, crate.beam_width / 2), 14).painted((0.012, 0.014, 0.013), Material.STEEL)
        )
    return parts


def chute(crate: Crate, end: int, side_from: float, top_from: float, rng: Rng) -> list[Mesh]:
    """Solid sheets from somewhere in the crate outwards, on the near side and above: a goat in them is half hidden.

    end +1 or -1, which end of the crate; side_from, top_from: X where the upright and the lying sheet begin.
    """
    grey = float(rng.uniform(0.05, 0.4))
    kind = (Material.WOOD, Material.SHEET_METAL, Material.STEEL)[rng.integers(3)]
    colour = (0.25, 0.14, 0.07) if kind == Material.WOOD else (grey, grey, grey)
    y = crate.hands * (crate.width / 2 + crate.tube / 2 + 1)
    far = end * 420.0
    upright = box(
        (min(side_from, far), min(y, y + crate.hands), -6),
        (max(side_from, far), max(y, y + crate.hands), 190),
    )
    lying = box((min(top_from, far), -90, crate.height + 2), (max(top_from, far), 90, crate.height + 4))
    return [upright.painted(colour, kind), lying.painted(colour, kind)]


def mirror(crate: Crate, strength: float) -> Mirror | None:
    """The clear panel as a mirror for the cameras inside its plane."""
    if not crate.near_glass:
        return None
    y = crate.hands * (crate.width / 2 - crate.tube / 2)
    return Mirror(y, crate.length / 2 - 1, crate.height - 3, strength)


def inner_room(crate: Crate) -> Mesh:
    """What a goat may fill of the crate, as a solid."""
    x, y = crate.length / 2 - 5, crate.width / 2 - 4
    return box((-x, -y, 0.0), (x, y, 0.75 * crate.height))
