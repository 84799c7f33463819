"""One station by lot: who stands in which crate, in which light, before which three cameras."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from models_tflite.training.simulator.barn import (
    clutter,
    draw_barn,
    draw_bystanders,
    draw_light,
    draw_shades,
    person,
)
from models_tflite.training.simulator.body import PosedGoat, dress, pose_goat
from models_tflite.training.simulator.crate import (
    Crate,
    chute,
    draw_crate,
    glass,
    inner_room,
    mirror,
    thin_parts,
    wide_parts,
)
from models_tflite.training.simulator.goat import (
    BLACKS,
    BROWNS,
    GREYS,
    WHITES,
    Build,
    Coat,
    draw_build,
    draw_coat,
    draw_dog,
    draw_stance,
    sprayed,
)
from models_tflite.training.simulator.mesh import Material, Mesh, Vector, joined
from models_tflite.training.simulator.people import draw_handlers, draw_keepers
from models_tflite.training.simulator.photo import draw_look
from models_tflite.training.simulator.render import Animal, Look, Scene
from models_tflite.training.simulator.setup import Setup
from models_tflite.training.simulator.station import Camera, draw_cameras, draw_standing, standing
from models_tflite.training.simulator.truth import Truth, measure_truth

Rng = np.random.Generator
# What may be in the crate, and how often.
KINDS = {
    "goat": 0.80,
    "two_goats": 0.03,
    "half_goat": 0.05,
    "empty": 0.035,
    "person": 0.03,
    "dog": 0.025,
    "things": 0.03,
}
# What is drawn only where it is asked for, and how often among what is asked for: somebody at the goat, and people in
# the crate instead of one.
KINDS_ON_REQUEST = {"handled": 0.2, "keeper": 0.05}
WITH_GOAT = ("goat", "two_goats", "half_goat", "handled")
STRANGER_SHARE = 0.2
WHITE_BEFORE_WHITE = 0.25


@dataclass(frozen=True, slots=True)
class Station:
    """A crate with whoever is in it, its light, and three cameras that look at it.

    cameras, looks   one for each view
    animal, truth    the goat to be measured, or None
    faces_head_end   whether it looks towards +X
    """

    kind: str
    scene: Scene
    cameras: dict[str, Camera]
    looks: dict[str, Look]
    animal: Animal | None
    truth: Truth | None
    faces_head_end: bool | None


def draw_kind(rng: Rng, kinds: tuple[str, ...]) -> str:
    """One of some kinds, as often as they are among all."""
    shares = np.array([(KINDS | KINDS_ON_REQUEST)[kind] for kind in kinds])
    return str(rng.choice(kinds, p=shares / shares.sum()))


def draw_station(
    rng: Rng, kind: str, build: Build, posed: PosedGoat, size: tuple[int, int], setup: Setup | None = None
) -> Station:
    """A station of a kind, with this goat in it if the kind has one; crate and cameras by lot unless given."""
    hands = 1 if rng.random() < 0.7 else -1
    hands = setup.crate.hands if setup else hands
    light = draw_light(rng, hands)
    white = rng.random() < WHITE_BEFORE_WHITE
    coat = draw_goat_coat(rng, build, white)
    (pose, faces), second = draw_standing(rng), None
    if kind == "two_goats":
        pose, faces, second = pair(rng, build)
    animal = Animal(dress(posed, coat), pose, coat, build.withers_cm) if kind in WITH_GOAT else None
    dog = draw_dog_animal(rng) if kind == "dog" else None
    setup = setup or draw_around(rng, size, build, reach(animal, second, dog), hands, white)
    crate, cameras = setup.crate, setup.cameras
    hidden: list[Mesh] = []
    if kind == "half_goat" and animal:
        animal, crate, hidden = half_way(rng, animal, crate, cameras)
    barn = draw_barn(rng, float(cameras["side"].world_from_cam[1, 3]))
    people, clutter_around = draw_bystanders(rng, crate.length / 2, crate.width / 2, hands)
    if kind == "handled" and animal:
        people += draw_handlers(rng, crate, cameras, placed(animal), head_place(animal))
    wide = [*wide_parts(crate), *clutter_around, *hidden]
    others: tuple[Animal, ...] = (dog,) if dog else ()
    if rng.random() < STRANGER_SHARE:
        others += (stranger(rng, posed, crate),)
    look = draw_look(rng, light)
    instead = in_its_place(rng, kind, crate)
    scene = Scene(
        light,
        look,
        barn,
        joined([thin_parts(crate), *things_inside(rng, kind)]),
        animal,
        joined(wide) if wide else None,
        glass(crate),
        others,
        second,
        draw_shades(rng, light),
        mirror(crate, float(rng.uniform(0.25, 1.0))),
        joined(people) if people else None,
        joined(instead) if instead else None,
        None if animal else inner_room(crate),
    )
    looks = {view: draw_look(rng, light, scene.look) for view in cameras}
    truth = measure_truth(posed, coat.hair_cm) if animal else None
    return Station(kind, scene, cameras, looks, animal, truth, faces if animal else None)


def draw_around(
    rng: Rng, size: tuple[int, int], build: Build, room: tuple[float, float, float], hands: int, white: bool
) -> Setup:
    """Crate and cameras by lot around one goat, before a white panel where asked."""
    crate = draw_crate(rng, build.withers_cm, room, hands)
    if white:
        crate = replace(crate, panel=Material.PANEL, panel_colour=(0.8, 0.8, 0.78))
    crate_cm = np.array([crate.length, crate.width, crate.height])
    cameras = draw_cameras(rng, size, build.withers_cm, crate_cm, hands)
    return Setup(fit_cover(rng, crate, cameras["top"]), cameras)


def draw_goat_coat(rng: Rng, build: Build, white: bool) -> Coat:
    """A coat by lot, now and then with a pink mark; white or cream where asked."""
    coat = draw_coat(rng)
    if white:
        pattern = "boer" if rng.random() < 0.4 else "solid"
        first = np.array(WHITES[rng.integers(len(WHITES))]) * rng.uniform(0.85, 1.1)
        coat = replace(
            coat, pattern=pattern, first=(float(first[0]), float(first[1]), float(first[2])), roan=0.0
        )
    return sprayed(rng, coat, build.withers_cm) if rng.random() < 0.2 else coat


def reach(*animals: Animal | None) -> tuple[float, float, float]:
    """How far animals reach in the crate: greatest |X|, |Y| and Z, cm."""
    far = np.zeros(3)
    for animal in animals:
        if animal is not None:
            far = np.maximum(far, np.abs(placed(animal)).max(axis=0))
    return float(far[0]), float(far[1]), float(far[2])


def placed(animal: Animal) -> Vector:
    """The corners of its mesh in the world: (N, 3) cm."""
    return np.asarray(animal.mesh.vertices @ animal.pose[:3, :3].T + animal.pose[:3, 3])


def pair(rng: Rng, build: Build) -> tuple[Vector, bool, Animal]:
    """Two goats in the crate, one behind the other or side by side: the first one's place, and the second."""
    other = replace(draw_build(rng), withers_cm=build.withers_cm * float(rng.uniform(0.75, 1.1)))
    coat = draw_coat(rng)
    mesh = dress(pose_goat(other, draw_stance(rng)), coat)
    both = (build.withers_cm + other.withers_cm) / 2
    apart = rng.uniform(0.95, 1.25) * both if rng.random() < 0.5 else rng.uniform(0.0, 0.4) * both
    aside = 0.42 * both if apart < 0.6 * both else rng.uniform(0, 0.2) * both
    turns, sign = rng.normal(0, 5, 2), rng.choice([-1, 1])
    faces = bool(rng.random() < 0.65)
    first = standing(apart / 2, sign * aside / 2, turns[0], faces)
    second = standing(-apart / 2, -sign * aside / 2, turns[1], faces if rng.random() < 0.8 else not faces)
    return first, faces, Animal(mesh, second, coat, other.withers_cm)


def draw_dog_animal(rng: Rng) -> Animal:
    """A dog in the crate."""
    build, stance, coat = draw_dog(rng), draw_stance(rng), draw_coat(rng)
    stance = replace(
        stance,
        neck_pitch_deg=float(rng.uniform(15, 60)),
        face_pitch_deg=float(rng.uniform(-5, 25)),
        tail_up=bool(rng.random() < 0.6),
    )
    pattern = "tan_points" if rng.random() < 0.3 else "solid" if rng.random() < 0.6 else "pale_belly"
    pool = (*BROWNS, *BLACKS, *GREYS)
    coat = replace(coat, pattern=pattern, first=pool[rng.integers(len(pool))], tag=None, roan=0.0)
    pose, _ = draw_standing(rng)
    return Animal(dress(pose_goat(build, stance), coat), pose, coat, build.withers_cm)


def half_way(
    rng: Rng, animal: Animal, crate: Crate, cameras: dict[str, Camera]
) -> tuple[Animal, Crate, list[Mesh]]:
    """A goat on its way in or out at one end: from the gate on, solid sheets hide it from the side and from above."""
    end = -1 if rng.random() < 0.88 else 1
    if end > 0:  # the head gate stands open
        crate = replace(crate, front_bars=())
    xs = np.sort(placed(animal)[:, 0] * end)
    # Vertices lie evenly on the skin: their share is about that of the outline.
    cut = xs[int(rng.uniform(0.22, 0.52) * len(xs))]
    gate = min(
        crate.length / 2 - rng.uniform(0, 12),
        0.6 * half_view(cameras["side"]),
        0.6 * half_view(cameras["top"]),
    )
    pose = animal.pose.copy()
    pose[0, 3] += end * (gate - cut)
    middle = float(pose[1, 3])
    y, z = crate.hands * (crate.width / 2 + crate.tube / 2 + 1), crate.height + 2
    side, top = (cameras[view].world_from_cam[:3, 3] for view in ("side", "top"))
    back = 0.8 * animal.withers_cm
    # The sheets begin where the camera's ray to the cut passes them.
    side_from = side[0] + (end * gate - side[0]) * (side[1] - y) / (side[1] - middle)
    top_from = top[0] + (end * gate - top[0]) * (top[2] - z) / (top[2] - back)
    return replace(animal, pose=pose), crate, chute(crate, end, float(side_from), float(top_from), rng)


def fit_cover(rng: Rng, crate: Crate, top: Camera) -> Crate:
    """Box and beam over the crate no larger than about a third and a seventh of the top picture."""
    above = float(top.world_from_cam[2, 3]) - crate.height - 12
    seen_cm = above * top.size[0] / float(top.camera_matrix[0, 0])
    crate = replace(crate, beam_width=min(crate.beam_width, rng.uniform(0.07, 0.15) * seen_cm))
    if crate.wide_over_top is None:
        return crate
    left, right, low, high = crate.wide_over_top
    middle, half = (left + right) / 2, min(right - left, rng.uniform(0.2, 0.36) * seen_cm) / 2
    return replace(crate, wide_over_top=(middle - half, middle + half, low, high))


def half_view(camera: Camera) -> float:
    """How far along the crate a side or top camera sees from the middle of its picture, about, cm."""
    away = float(np.abs(camera.world_from_cam[1:3, 3]).max()) - 50 * abs(float(camera.world_from_cam[2, 2]))
    return away * camera.size[0] / 2 / float(camera.camera_matrix[0, 0])


def head_place(animal: Animal) -> Vector:
    """The middle of an animal's head in the world: (3,) cm."""
    return np.asarray(placed(animal)[animal.mesh.label > 0].mean(axis=0))


def in_its_place(rng: Rng, kind: str, crate: Crate) -> list[Mesh]:
    """People in a crate that holds no goat."""
    if kind == "person":
        return [person(rng, np.array([rng.uniform(-35, 35), rng.uniform(-10, 10), 0.0]))]
    return draw_keepers(rng, crate) if kind == "keeper" else []


def things_inside(rng: Rng, kind: str) -> list[Mesh]:
    """What lies in a crate that holds nobody."""
    if kind == "things":
        places = rng.uniform([-45, -14, 0], [45, 14, 1], (rng.integers(1, 4), 3))
        return [clutter(rng, place) for place in places]
    return []


def stranger(rng: Rng, posed: PosedGoat, crate: Crate) -> Animal:
    """Another goat outside the crate, behind or beside it, in another coat."""
    coat = draw_coat(rng)
    height = posed.build.withers_cm
    if rng.random() < 0.5:  # along the far side
        away = crate.width / 2 + 0.65 * height + rng.uniform(5, 40)
        pose = standing(rng.uniform(-90, 90), -crate.hands * away, rng.normal(0, 12), rng.random() < 0.5)
    else:
        x = -crate.length / 2 - 1.2 * height - rng.uniform(0, 60)
        pose = standing(x, rng.uniform(-90, 90), rng.uniform(0, 360))
    pose[2, 3] = -8.0
    return Animal(dress(posed, coat), pose, coat, posed.build.withers_cm)
