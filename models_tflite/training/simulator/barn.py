"""What stands around the crate: ground, walls, rails, people, furniture, light."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models_tflite.training.simulator.mesh import Material, Mesh, Vector, ball, bar, box, joined, tube

Rng = np.random.Generator
GROUND_CM = -8.0
WALLS = ((1.0, 1.0, 1.0), (1.0, 0.95, 0.88), (0.95, 0.7, 0.5), (0.9, 0.3, 0.22), (0.85, 0.95, 1.0))


@dataclass(frozen=True, slots=True)
class Light:
    """sun_from (3,) points at the sun; colours are linear light; dim: the camera has to strain."""

    sun_from: Vector
    sun: tuple[float, float, float]
    sky: tuple[float, float, float]
    ground: tuple[float, float, float]
    dim: bool = False


LIGHTS = {"overcast": 0.25, "panel_sun": 0.3, "sun": 0.17, "low_sun": 0.13, "dusk": 0.07, "lamp": 0.08}


def draw_light(rng: Rng, hands: int = 1) -> Light:
    """Overcast, hard sun through the clear side (hands, +1 or -1 along Y), sun from anywhere, dusk, a lamp at night."""
    kind = str(rng.choice(list(LIGHTS), p=list(LIGHTS.values())))
    azimuth = rng.uniform(0, 2 * np.pi)
    if kind == "panel_sun":
        azimuth = hands * np.radians(rng.uniform(25, 155))
    lowest, highest = {"sun": (25, 65), "panel_sun": (14, 45), "low_sun": (12, 30), "lamp": (50, 85)}.get(
        kind, (60, 80)
    )
    up = np.radians(rng.uniform(lowest, highest))
    direction = np.array([np.cos(up) * np.cos(azimuth), np.cos(up) * np.sin(azimuth), np.sin(up)])
    weak, strong = {"overcast": (0, 0.35), "dusk": (0, 0.1), "lamp": (1.2, 1.8), "panel_sun": (0.9, 2.1)}.get(
        kind, (1.2, 2.6)
    )
    warm = {"sun": 0.08, "panel_sun": 0.12, "low_sun": 0.2, "lamp": 0.35}.get(kind, 0.0)
    sun = rng.uniform(weak, strong) * np.array([1.0, 1.0 - 0.5 * warm, 1.0 - warm])
    blue = 0.12 if kind in ("dusk", "panel_sun", "low_sun") else 0.02
    sky = rng.uniform(0.35, 0.75) * np.array([0.96 - blue, 0.98, 1.0 + blue])
    bounce = rng.uniform(0.12, 0.4) * np.array([1.0, 0.9, 0.75])
    if kind == "lamp":
        sky, bounce = 0.4 * sky, 0.4 * bounce
    return Light(direction, _triple(sun), _triple(sky), _triple(bounce), dim=kind in ("dusk", "lamp"))


def draw_shades(rng: Rng, light: Light) -> Mesh | None:
    """What stands between sun and crate, out of the picture: roof beams and boards that throw slanted stripes."""
    if rng.random() < 0.35 or max(light.sun) < 0.8:
        return None
    towards = light.sun_from
    along = np.cross(towards, [0.0, 0.0, 1.0])
    along /= np.linalg.norm(along)
    steep = np.cross(along, towards)
    parts = []
    for _ in range(int(rng.integers(1, 6))):
        turn = rng.normal(0.5, 0.5)
        heading = np.cos(turn) * along + np.sin(turn) * steep
        across = -np.sin(turn) * along + np.cos(turn) * steep
        middle = np.array([0, 0, 45.0]) + 130 * towards + across * rng.uniform(-70, 70)
        wide = rng.uniform(2, 7) if rng.random() < 0.75 else rng.uniform(15, 40)
        parts.append(bar(middle - 150 * heading, middle + 150 * heading, float(wide)))
    return joined(parts)


def _triple(values: Vector) -> tuple[float, float, float]:
    return float(values[0]), float(values[1]), float(values[2])


def plain_barn() -> Mesh:
    """A tidy barn: straw ground and far grey walls."""
    ground = box((-500, -500, GROUND_CM - 1), (500, 500, GROUND_CM)).painted(
        (0.22, 0.14, 0.07), Material.STRAW
    )
    return joined([ground, *walls((330, 300), (0.2, 0.2, 0.2), Material.SHEET_METAL)])


def draw_barn(rng: Rng, camera_y_cm: float) -> Mesh:
    """A barn by lot: ground, walls with bright doors, rails; nothing between camera and crate."""
    ground_kind = (Material.STRAW, Material.STRAW, Material.CONCRETE)[rng.integers(3)]
    shade = rng.uniform(0.5, 1.6)
    base = (0.19, 0.115, 0.062) if ground_kind == Material.STRAW else (0.25, 0.23, 0.2)
    ground = box((-500, -500, GROUND_CM - 1), (500, 500, GROUND_CM))
    parts = [ground.painted(_triple(np.array(base) * shade), ground_kind)]
    wall = (Material.SHEET_METAL, Material.WOOD, Material.CONCRETE)[rng.integers(3)]
    tint = WALLS[rng.integers(len(WALLS))]
    colour = _triple(rng.uniform(0.04, 0.5) * np.array(tint) * rng.uniform(0.9, 1.1, 3))
    parts += walls((rng.uniform(130, 450), rng.uniform(130, 450)), colour, wall)
    parts += doors(rng) if rng.random() < 0.5 else []
    parts += rails(rng) if rng.random() < 0.6 else []
    return joined([part for part in parts if not _in_the_way(part, camera_y_cm)])


def _in_the_way(part: Mesh, camera_y_cm: float) -> bool:
    y = float(part.vertices[:, 1].mean())
    return y * camera_y_cm > 1 and abs(y) < abs(camera_y_cm) + 10 and abs(camera_y_cm) > 60


def draw_bystanders(
    rng: Rng, half_length: float, half_width: float, hands: int
) -> tuple[list[Mesh], list[Mesh]]:
    """People and things around the crate, by lot; where the side camera (hands, its side of Y) looks, hardly
    anybody stands."""
    people, things = int(rng.choice([0, 1, 1, 2])), int(rng.choice([0, 0, 1, 3]))
    places = [bystander_place(rng, half_length, half_width, hands) for _ in range(people + things)]
    somebody = [person(rng, place, staff=bool(rng.random() < 0.5)) for place in places[:people]]
    return somebody, [clutter(rng, place) for place in places[people:]]


def walls(away: tuple[float, float], colour: tuple[float, float, float], material: Material) -> list[Mesh]:
    x, y = away
    sheets = [
        box((-500, -y - 2, GROUND_CM), (500, -y, 400)),
        box((-500, y, GROUND_CM), (500, y + 2, 400)),
        box((-x - 2, -500, GROUND_CM), (-x, 500, 400)),
    ]
    return [sheet.painted(colour, material) for sheet in sheets]


def doors(rng: Rng) -> list[Mesh]:
    """Bright openings: doors and windows that burn out the picture."""
    found = []
    for _ in range(int(rng.integers(1, 4))):
        x, low = rng.uniform(-250, 250), rng.uniform(0, 110)
        wide, tall = rng.uniform(30, 120), rng.uniform(40, 140)
        side = rng.choice([-1, 1]) * rng.uniform(120, 128)
        glow = _triple(rng.uniform(0.8, 2.0) * np.array([0.95, 1.0, 1.05]))
        opening = box((x, side - 1, low), (x + wide, side + 1, low + tall))
        if rng.random() < 0.4:
            opening = box((-129, x / 3, low), (-127, x / 3 + wide, low + tall))
        found.append(opening.painted(glow, Material.LAMP))
    return found


def rails(rng: Rng) -> list[Mesh]:
    """A fence of tubes behind the crate."""
    y = rng.choice([-1, 1]) * rng.uniform(60, 120)
    grey = _triple(rng.uniform(0.05, 0.4) * np.array([1.0, 0.95, 0.9]))
    levels = np.arange(20, 130, rng.uniform(16, 30))
    tubes = [bar(np.array([-400, y, z]), np.array([400, y, z]), rng.uniform(2, 5)) for z in levels]
    x = -rng.uniform(95, 125)
    tubes += [bar(np.array([x, -400, z]), np.array([x, 400, z]), rng.uniform(2, 5)) for z in levels]
    return [mesh.painted(grey, Material.STEEL) for mesh in tubes]


def bystander_place(rng: Rng, half_length: float, half_width: float, hands: int) -> Vector:
    """A place just outside the crate, feet on the ground, cm."""
    kind = rng.choice(["behind", "rump", "beside", "before"], p=[0.55, 0.2, 0.22, 0.03])
    x, y = rng.uniform(-130, 60), -hands * (half_width + rng.uniform(18, 90))
    if kind == "rump":
        x, y = -half_length - rng.uniform(22, 70), rng.uniform(-70, 70)
    elif kind == "beside":
        x, y = -half_length + rng.uniform(-60, 5), hands * (half_width + rng.uniform(22, 60))
    elif kind == "before":
        x, y = rng.uniform(-60, 60), hands * (half_width + rng.uniform(22, 35))
    return np.array([x, y, GROUND_CM])


def person(rng: Rng, feet: Vector, staff: bool = False) -> Mesh:
    """Somebody in jeans and a sweater, arms down or one arm out."""
    tall = rng.uniform(155, 190)
    turn = rng.uniform(0, 2 * np.pi)
    ahead = np.array([np.cos(turn), np.sin(turn), 0.0])
    left = np.array([-ahead[1], ahead[0], 0.0])
    trousers, sweater = _cloth(rng), _cloth(rng)
    if staff:
        trousers = _triple(np.array([0.05, 0.08, 0.14]) * rng.uniform(0.6, 1.8))
        sweater = _triple(np.array([0.05, 0.09, 0.3]) * rng.uniform(0.6, 1.6))
    skin = _triple(np.array([0.5, 0.3, 0.2]) * rng.uniform(0.3, 1.2))

    def limb(
        points: list[tuple[float, float, float]], radii: list[float], colour: tuple[float, float, float]
    ) -> Mesh:
        path = np.array([feet + tall * (a * ahead + b * left + np.array([0, 0, c])) for a, b, c in points])
        smooth = np.linspace(0, 1, 10)
        steps = np.linspace(0, 1, len(path))
        path = np.column_stack([np.interp(smooth, steps, path[:, i]) for i in range(3)])
        return tube(path, tall * np.interp(smooth, steps, radii), 10).painted(colour, Material.PLAIN)

    parts = []
    for side in (1, -1):
        reach = rng.uniform(0, 0.35)
        parts.append(
            limb(
                [(0, side * 0.055, 0), (0, side * 0.055, 0.26), (0, side * 0.05, 0.5)],
                [0.03, 0.04, 0.055],
                trousers,
            )
        )
        arm = [(0, side * 0.12, 0.8), (0.03, side * 0.15, 0.63), (reach, side * 0.13, 0.5 + reach * 0.5)]
        parts.append(limb(arm, [0.035, 0.03, 0.025], sweater))
    parts.append(
        limb([(0, 0, 0.46), (0, 0, 0.6), (0, 0, 0.8), (0, 0, 0.84)], [0.1, 0.105, 0.12, 0.03], sweater)
    )
    parts.append(
        ball(feet + np.array([0, 0, 0.92 * tall]), (0.05 * tall, 0.05 * tall, 0.07 * tall)).painted(
            skin, Material.PLAIN
        )
    )
    return joined(parts)


def _cloth(rng: Rng) -> tuple[float, float, float]:
    shades = (
        (0.03, 0.06, 0.2),
        (0.02, 0.02, 0.025),
        (0.3, 0.05, 0.04),
        (0.2, 0.2, 0.22),
        (0.15, 0.12, 0.07),
        (0.45, 0.4, 0.1),
    )
    return _triple(np.array(shades[rng.integers(len(shades))]) * rng.uniform(0.5, 1.8))


def clutter(rng: Rng, place: Vector) -> Mesh:
    """A bale, a bucket, a board."""
    size = rng.uniform(15, 60, 3)
    kind = (Material.STRAW, Material.WOOD, Material.PLAIN)[rng.integers(3)]
    colour = _triple(rng.uniform(0.05, 0.5, 3) if kind == Material.PLAIN else np.array([0.3, 0.2, 0.08]))
    if rng.random() < 0.3:
        path = place + np.array([[0, 0, 0], [0, 0, size[2] / 2], [0, 0, size[2]]])
        return tube(path, np.full(3, size[0] / 3), 16).painted(colour, kind)
    low = place - np.array([size[0] / 2, size[1] / 2, 0])
    high = place + np.array([size[0] / 2, size[1] / 2, size[2]])
    return box(_triple(low), _triple(high)).painted(colour, kind)


def stick(start: Vector, end: Vector, width_cm: float = 2.4) -> Mesh:
    """A white rod with red bands every 10 cm, for calibration pictures."""
    length = float(np.linalg.norm(np.subtract(end, start)))
    count = round(length / 10)
    share = np.linspace(0, 1, count + 1)
    points = np.asarray(start) + share[:, None] * np.subtract(end, start)
    colours = ((0.75, 0.03, 0.03), (0.85, 0.85, 0.85))
    return joined(
        [
            bar(points[i], points[i + 1], width_cm).painted(colours[i % 2], Material.PLAIN)
            for i in range(count)
        ]
    )
