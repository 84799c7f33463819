"""The goat: a dozen numbers for its build, a dozen for how it stands, and how they are drawn by lot."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

Rng = np.random.Generator
PATTERNS = ("solid", "patched", "boer", "saddle", "belted", "tan_points", "pale_belly")
# How much of the length of the hair belongs to the outline, as a person would draw it.
HAIR_IN_OUTLINE = 0.5
EARS = ("lop", "level", "upright")


@dataclass(frozen=True, slots=True)
class Build:
    """What a goat is like, whatever it does. Widths and lengths are shares of the withers height."""

    withers_cm: float  # height of the withers the goat is built for; the truth is measured on the mesh
    length: float = 0.98  # point of the shoulder to pin bone
    shoulder: float = 0.33  # widths
    barrel: float = 0.38
    waist: float = 0.29
    rump: float = 0.32
    rump_height: float = 1.0
    belly: float = 0.47  # height of the belly above the floor
    neck_length: float = 0.40
    neck_girth: float = 1.0
    head: float = 1.0  # size of the head against that of an average goat
    roman_nose: float = 0.5
    bone: float = 1.0  # thickness of the legs
    ears: str = "lop"
    ear_length: float = 0.25
    horn_length: float = 0.0
    beard: float = 0.0
    udder: float = 0.0
    tail: float = 0.15  # length


@dataclass(frozen=True, slots=True)
class Stance:
    """How it stands; angles in degrees, feet as shares of the withers height from the square stand."""

    neck_pitch_deg: float = 45.0  # of the neck above the horizontal
    neck_yaw_deg: float = 0.0
    head_yaw_deg: float = 0.0  # of the face against the neck
    face_pitch_deg: float = 38.0  # of the face below the horizontal
    head_roll_deg: float = 0.0
    feet_x: tuple[float, float, float, float] = (
        0.0,
        0.0,
        0.0,
        0.0,
    )  # front left, front right, hind left, right
    feet_spread: tuple[float, float] = (1.0, 1.0)  # front, hind
    tail_up: bool = False
    ear_sweep_deg: float = 0.0


@dataclass(frozen=True, slots=True)
class Coat:
    """Colours are linear red, green, blue; the pattern decides where the second one goes."""

    pattern: str
    first: tuple[float, float, float]
    second: tuple[float, float, float]
    edge_noise: float = 0.4
    patch_size_cm: float = 14.0
    shine: float = 0.1
    hair: float = 0.5  # how strongly single strands show
    dirt: float = 0.3
    blaze: bool = False
    patch_seed: float = 0.0
    hair_cm: float = 0.6  # length of the hair that stands off the skin
    hair_patch: int = -1  # a real hair picture, when the folder is there
    roan: float = 0.0  # how many white hairs are mixed in
    spray: tuple[float, float, float] = (
        0.0,
        0.0,
        0.0,
    )  # a pink mark: along and how high on the back, size, cm
    tag: tuple[float, float, float] | None = None  # the colour of an ear tag


def draw_build(rng: Rng) -> Build:
    """A kid or a grown goat, dairy or meat, thin or fat."""
    kid = rng.random() < 0.25
    withers = float(rng.uniform(38, 56) if kid else np.clip(rng.normal(65, 9), 50, 87))
    meat, fat = float(rng.random()), float(rng.random())
    trunk = 0.27 + 0.06 * meat + 0.05 * fat
    barrel = trunk + rng.uniform(-0.01, 0.04) + 0.05 * fat - (0.03 if kid else 0)
    ears = str(rng.choice(EARS, p=[0.55, 0.3, 0.15]))
    lengths = {"lop": (0.2, 0.33), "level": (0.15, 0.24), "upright": (0.13, 0.19)}
    horned = rng.random() < (0.35 if kid else 0.6)
    return Build(
        withers_cm=withers,
        length=float(rng.uniform(0.92, 1.12)) - (0.06 if kid else 0),
        shoulder=trunk + float(rng.uniform(-0.02, 0.03)),
        barrel=float(barrel),
        waist=trunk - float(rng.uniform(0.01, 0.05)),
        rump=trunk + float(rng.uniform(-0.02, 0.03)),
        rump_height=float(rng.normal(1.01, 0.03)),
        belly=float(rng.uniform(0.43, 0.53)) - 0.04 * fat + (0.04 if kid else 0),
        neck_length=float(rng.uniform(0.33, 0.46)),
        neck_girth=float(rng.uniform(0.85, 1.2)) + 0.1 * meat,
        head=float(rng.uniform(0.9, 1.08)) * (65 / withers) ** 0.35,
        roman_nose=float(rng.random()),
        bone=float(rng.uniform(0.85, 1.2)),
        ears=ears,
        ear_length=float(rng.uniform(*lengths[ears])),
        horn_length=float(rng.uniform(0.04, 0.12 if kid else 0.38)) if horned else 0.0,
        beard=float(rng.uniform(0.05, 0.16)) if not kid and rng.random() < 0.35 else 0.0,
        udder=float(rng.uniform(0.3, 1.0)) if not kid and rng.random() < 0.25 else 0.0,
        tail=float(rng.uniform(0.12, 0.18)),
    )


def draw_dog(rng: Rng) -> Build:
    """A dog: long tail, thin muzzle, shorter legs, a narrow waist, no horns."""
    trunk = float(rng.uniform(0.26, 0.34))
    ears = str(rng.choice(["upright", "lop"]))
    return Build(
        withers_cm=float(rng.uniform(38, 62)),
        length=float(rng.uniform(1.08, 1.3)),
        shoulder=trunk,
        barrel=trunk + 0.02,
        waist=trunk - 0.09,
        rump=trunk - 0.04,
        rump_height=float(rng.normal(0.97, 0.02)),
        belly=float(rng.uniform(0.33, 0.42)),
        neck_length=float(rng.uniform(0.22, 0.3)),
        neck_girth=float(rng.uniform(0.95, 1.2)),
        head=float(rng.uniform(1.15, 1.4)),
        roman_nose=0.0,
        bone=float(rng.uniform(1.2, 1.7)),
        ears=ears,
        ear_length=0.13 if ears == "upright" else 0.17,
        tail=float(rng.uniform(0.45, 0.7)),
    )


def draw_stance(rng: Rng) -> Stance:
    """Standing as goats do: mostly head up, sometimes down or looking round."""
    low = rng.random() < 0.15
    return Stance(
        neck_pitch_deg=float(rng.uniform(-30, 20) if low else np.clip(rng.normal(45, 12), 15, 72)),
        neck_yaw_deg=float(np.clip(rng.normal(0, 18), -40, 40)),
        head_yaw_deg=float(np.clip(rng.normal(0, 18), -45, 45)),
        face_pitch_deg=float(rng.normal(55, 12) if low else np.clip(rng.normal(38, 12), 5, 70)),
        head_roll_deg=float(rng.normal(0, 6)),
        feet_x=(*_feet(rng, 0.06), *_feet(rng, 0.08)),
        feet_spread=(float(rng.uniform(0.75, 1.25)), float(rng.uniform(0.8, 1.45))),
        tail_up=bool(rng.random() < 0.35),
        ear_sweep_deg=float(rng.normal(0, 15)),
    )


def _feet(rng: Rng, spread: float) -> tuple[float, float]:
    one, other = np.clip(rng.normal(0, spread, 2), -0.16, 0.16)
    return float(one), float(other)


TAGS = ((0.85, 0.55, 0.02), (0.8, 0.78, 0.7), (0.75, 0.15, 0.02), (0.02, 0.2, 0.6), (0.05, 0.45, 0.08))
WHITES = ((0.78, 0.75, 0.68), (0.68, 0.62, 0.52), (0.85, 0.84, 0.8), (0.6, 0.56, 0.5))
BROWNS = ((0.28, 0.11, 0.04), (0.4, 0.2, 0.09), (0.16, 0.07, 0.03), (0.45, 0.28, 0.14), (0.3, 0.16, 0.09))
BLACKS = ((0.012, 0.011, 0.01), (0.03, 0.026, 0.024), (0.02, 0.012, 0.008))
GREYS = ((0.25, 0.23, 0.21), (0.13, 0.12, 0.12))


def draw_coat(rng: Rng) -> Coat:
    """A coat by lot: white goats are common, so are black ones."""
    pattern = str(rng.choice(PATTERNS, p=[0.27, 0.22, 0.18, 0.06, 0.07, 0.1, 0.1]))
    pools = [WHITES, BROWNS, BLACKS, GREYS]
    first, second = rng.choice(4, 2, replace=False, p=[0.36, 0.3, 0.22, 0.12])
    if pattern == "boer":
        first, second = 0, 1 if rng.random() < 0.85 else 2
    return Coat(
        pattern=pattern,
        first=_shade(rng, pools[first]),
        second=_shade(rng, pools[second]),
        edge_noise=float(rng.uniform(0.2, 0.9)),
        patch_size_cm=float(rng.uniform(8, 30)),
        shine=float(rng.uniform(0.02, 0.35)),
        hair=float(rng.uniform(0.2, 1.0)),
        dirt=float(rng.uniform(0, 0.8)),
        blaze=bool(rng.random() < 0.5),
        patch_seed=float(rng.uniform(0, 100)),
        hair_cm=float(rng.uniform(0.2, 0.8) if rng.random() < 0.7 else rng.uniform(0.8, 2.4)),
        hair_patch=int(rng.integers(0, 1000)) if rng.random() < 0.5 else -1,
        roan=float(rng.uniform(0.3, 1.0)) if rng.random() < 0.1 else 0.0,
        tag=TAGS[rng.integers(len(TAGS))] if rng.random() < 0.4 else None,
    )


def sprayed(rng: Rng, coat: Coat, withers_cm: float) -> Coat:
    """The coat with a pink mark on the back or the rump."""
    place = float(rng.uniform(-0.5, 0.15)), float(rng.uniform(0.85, 1.0)), float(rng.uniform(0.05, 0.13))
    along, high, size = (value * withers_cm for value in place)
    return replace(coat, spray=(along, high, size))


def _shade(rng: Rng, pool: tuple[tuple[float, float, float], ...]) -> tuple[float, float, float]:
    colour = (
        np.array(pool[rng.integers(len(pool))]) * np.exp(rng.normal(0, 0.15)) * np.exp(rng.normal(0, 0.04, 3))
    )
    red, green, blue = np.clip(colour, 0.005, 0.95)
    return float(red), float(green), float(blue)
