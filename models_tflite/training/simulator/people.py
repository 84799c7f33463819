"""People at the goat: between it and a camera, bent over the wall with a hand on it, holding it, or in its place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from models_tflite.training.simulator.barn import GROUND_CM
from models_tflite.training.simulator.crate import Crate
from models_tflite.training.simulator.mesh import Material, Mesh, Vector, ball, joined, tube
from models_tflite.training.simulator.station import Camera

Rng = np.random.Generator
Colour = tuple[float, float, float]

# Linear colours of farm and work clothes: denim, black, brown duck, green, grey, red, plaid's mean, overalls, high
# visibility yellow and orange, white and pale ones.
CLOTHS: tuple[Colour, ...] = (
    (0.04, 0.08, 0.2),
    (0.05, 0.09, 0.3),
    (0.015, 0.015, 0.018),
    (0.17, 0.09, 0.03),
    (0.04, 0.09, 0.03),
    (0.16, 0.16, 0.17),
    (0.32, 0.04, 0.04),
    (0.2, 0.1, 0.08),
    (0.03, 0.06, 0.1),
    (0.5, 0.6, 0.03),
    (0.75, 0.2, 0.02),
    (0.6, 0.6, 0.58),
    (0.35, 0.32, 0.25),
    (0.25, 0.07, 0.22),
)
# Cloth is plain, dusty or dirty.
WEAVES = (Material.PLAIN, Material.PLAIN, Material.RUBBER, Material.CONCRETE)
BOOTS: Colour = (0.03, 0.025, 0.02)
# Shares of a person's height.
THIGH, SHIN, TRUNK, UPPER_ARM, FOREARM, HAND = 0.25, 0.25, 0.32, 0.17, 0.15, 0.055
HIP_HALF, SHOULDER_HALF = 0.055, 0.115
# How far somebody bends at most, degrees from upright.
DEEPEST_BEND = 85.0
UP = np.array([0.0, 0.0, 1.0])
# What people do at a goat, and how often.
DEEDS = {"between": 0.34, "bent": 0.3, "at_the_gate": 0.1, "inside": 0.1, "arm": 0.1, "at_the_rail": 0.06}


@dataclass(frozen=True, slots=True)
class Clothes:
    """What somebody wears, and the skin that shows."""

    trousers: Colour
    jacket: Colour
    forearm: Colour
    hand: Colour
    hat: Colour
    skin: Colour
    weave: Material


def draw_clothes(rng: Rng) -> Clothes:
    """Work clothes by lot: sleeves long or rolled up, gloves or none."""
    skin = _shaded(rng, (0.5, 0.3, 0.2), 0.3, 1.2)
    trousers, jacket, gloves, hat = (
        _shaded(rng, CLOTHS[rng.integers(len(CLOTHS))], 0.5, 1.6) for _ in range(4)
    )
    return Clothes(
        trousers,
        jacket,
        skin if rng.random() < 0.45 else jacket,
        gloves if rng.random() < 0.25 else skin,
        hat,
        skin,
        WEAVES[rng.integers(len(WEAVES))],
    )


def _shaded(rng: Rng, colour: Colour, low: float, high: float) -> Colour:
    red, green, blue = np.clip(np.array(colour) * rng.uniform(low, high), 0.005, 0.9)
    return float(red), float(green), float(blue)


@dataclass(frozen=True, slots=True)
class Posture:
    """How somebody stands: which way, how far bent, how deep in the knees, feet how far apart, hands where.

    ahead   (3,)     a level unit vector
    bend_deg         of the trunk, from upright
    hips             their height as a share of the person's; 0.5 is standing
    stride           half of what is between the feet, as a share of the height
    hands   (3,)     where the left and the right hand reach for, cm; None for one that hangs
    """

    ahead: Vector
    bend_deg: float = 0.0
    hips: float = 0.5
    stride: float = 0.055
    hands: tuple[Vector | None, Vector | None] = (None, None)


def figure(rng: Rng, feet: Vector, posture: Posture) -> Mesh:
    """Somebody with both feet around a point, cm; a hand that is too far away reaches towards its aim."""
    tall, wears = float(rng.uniform(150, 192)), draw_clothes(rng)
    ahead = posture.ahead
    left = np.cross(UP, ahead)
    bend = bend_enough(feet, posture, tall)
    spine = np.sin(bend) * ahead + np.cos(bend) * UP
    # Who bends keeps the weight over the feet.
    hips = feet + tall * (posture.hips * UP - 0.06 * np.sin(bend) * ahead)
    shoulders = hips + tall * TRUNK * spine
    girth = float(rng.uniform(0.85, 1.25))
    parts = [
        limb([hips, hips + 0.45 * (shoulders - hips), shoulders, shoulders + 0.03 * tall * spine],
             tall * girth * np.array([0.095, 0.095, 0.11, 0.035]), wears.jacket, wears.weave),
        *head(shoulders + 0.12 * tall * spine, tall, wears),
    ]  # fmt: skip
    for sign, aim in zip((1.0, -1.0), posture.hands, strict=True):
        shoulder = shoulders + sign * SHOULDER_HALF * girth * tall * left
        hanging = shoulder - 0.3 * tall * UP + tall * rng.uniform(0, 0.12) * ahead
        parts += arm(shoulder, hanging if aim is None else aim, sign * left, tall, wears)
        foot = feet + sign * posture.stride * tall * left
        parts += leg(hips + sign * HIP_HALF * tall * left, foot, ahead, tall, wears)
    return joined(parts)


def bend_enough(feet: Vector, posture: Posture, tall: float) -> float:
    """How far to bend so that a hand gets where it should, radians."""
    aims = [aim for aim in posture.hands if aim is not None]
    for bend in np.radians(np.arange(posture.bend_deg, DEEPEST_BEND, 10.0)):
        spine = np.sin(bend) * posture.ahead + np.cos(bend) * UP
        shoulders = feet + tall * (posture.hips * UP + TRUNK * spine)
        if all(np.linalg.norm(aim - shoulders) < (UPPER_ARM + FOREARM) * tall for aim in aims):
            return float(bend)
    return float(np.radians(DEEPEST_BEND if aims else posture.bend_deg))


def head(middle: Vector, tall: float, wears: Clothes) -> list[Mesh]:
    """A face with a cap or hair."""
    face = ball(middle, (0.048 * tall, 0.048 * tall, 0.066 * tall)).painted(wears.skin, Material.PLAIN)
    cap = ball(middle + 0.022 * tall * UP, (0.053 * tall, 0.053 * tall, 0.054 * tall))
    return [face, cap.painted(wears.hat, Material.PLAIN)]


def arm(shoulder: Vector, aim: Vector, outwards: Vector, tall: float, wears: Clothes) -> list[Mesh]:
    """Sleeve, forearm and a flat hand with its fingers together."""
    elbow, wrist = jointed(
        shoulder, aim, (UPPER_ARM * tall, FOREARM * tall), 0.6 * outwards - np.array([0, 0, 0.8])
    )
    onwards = (wrist - elbow) / np.linalg.norm(wrist - elbow)
    fingers = wrist + HAND * tall * onwards
    return [
        limb([shoulder, elbow], tall * np.array([0.037, 0.03]), wears.jacket, wears.weave),
        limb(
            [elbow, wrist],
            tall * np.array([0.028, 0.019]),
            wears.forearm,
            wears.weave if wears.forearm == wears.jacket else Material.PLAIN,
        ),
        limb([wrist, (wrist + fingers) / 2, fingers], tall * np.array([0.018, 0.026, 0.014]), wears.hand),
    ]


def leg(hip: Vector, foot: Vector, ahead: Vector, tall: float, wears: Clothes) -> list[Mesh]:
    knee, ankle = jointed(hip, foot, (THIGH * tall, SHIN * tall), ahead)
    boot = ball(ankle + 0.03 * tall * ahead + 0.02 * tall * UP, (0.05 * tall, 0.05 * tall, 0.028 * tall))
    return [
        limb([hip, knee, ankle], tall * np.array([0.058, 0.042, 0.034]), wears.trousers, wears.weave),
        boot.painted(BOOTS, Material.PLAIN),
    ]


def jointed(
    start: Vector, aim: Vector, lengths: tuple[float, float], towards: Vector
) -> tuple[Vector, Vector]:
    """Where the joint and the end of a limb of two bones are that reaches for an aim; the joint points `towards`."""
    upper, lower = lengths
    away = float(np.linalg.norm(aim - start))
    straight = (aim - start) / max(away, 1e-6)
    reach = float(np.clip(away, 1.05 * abs(upper - lower) + 1.0, 0.999 * (upper + lower)))
    along = (reach**2 + upper**2 - lower**2) / (2 * reach)
    aside = towards - (towards @ straight) * straight
    aside /= max(float(np.linalg.norm(aside)), 1e-6)
    joint = start + along * straight + np.sqrt(max(upper**2 - along**2, 0.0)) * aside
    return joint, start + reach * straight


def limb(path: list[Vector], radii: Vector, colour: Colour, weave: Material = Material.PLAIN) -> Mesh:
    """A round limb along a path, smoothly from radius to radius, with rounded ends."""
    knots, fine = np.linspace(0, 1, len(path)), np.linspace(0, 1, 9)
    points = np.column_stack([np.interp(fine, knots, np.array(path)[:, axis]) for axis in range(3)])
    round_tube = tube(points, np.interp(fine, knots, radii), 10)
    ends = [ball(path[place], (radii[place],) * 3, 6) for place in (0, -1)]
    return joined([round_tube, *ends]).painted(colour, weave)


# --- at a goat ---------------------------------------------------------------------------------------


def draw_handlers(
    rng: Rng, crate: Crate, cameras: Mapping[str, Camera], skin: Vector, head_place: Vector
) -> list[Mesh]:
    """One or two people at a goat, by lot.

    skin        (N, 3)  points all over the goat, cm
    head_place  (3,)    the middle of its head
    """
    return [draw_handler(rng, crate, cameras, skin, head_place) for _ in range(1 + (rng.random() < 0.2))]


def draw_handler(
    rng: Rng, crate: Crate, cameras: Mapping[str, Camera], skin: Vector, head_place: Vector
) -> Mesh:
    """Somebody who does one of DEEDS."""
    deed = str(rng.choice(list(DEEDS), p=list(DEEDS.values())))
    if deed == "between":
        return between(rng, crate, cameras, skin)
    if deed == "bent":
        return bent_over(rng, crate, upper(rng, skin), np.asarray(skin))
    if deed == "at_the_gate":
        return at_the_gate(rng, crate, skin, head_place)
    if deed == "inside":
        return inside(rng, crate, skin)
    if deed == "arm":
        return before_the_lens(rng, cameras, skin)
    return at_the_rail(rng, crate)


def upper(rng: Rng, skin: Vector) -> Vector:
    """A point of the back, the neck or the head: high up."""
    high = skin[skin[:, 2] > np.quantile(skin[:, 2], 0.7)]
    return np.asarray(high[rng.integers(len(high))])


def between(rng: Rng, crate: Crate, cameras: Mapping[str, Camera], skin: Vector) -> Mesh:
    """Upright between the crate and the side or the front camera, on the line of sight to a part of the goat."""
    view, axis, half = ("side", 1, crate.width / 2) if rng.random() < 0.6 else ("front", 0, crate.length / 2)
    lens = cameras[view].world_from_cam[:3, 3]
    sign = float(np.sign(lens[axis]))
    away = rng.uniform(half + 14, max(half + 15, min(half + 70, abs(lens[axis]) - 28)))
    other = 1 - axis
    low, high = skin[:, other].min(), skin[:, other].max()
    aim = rng.uniform(low - 0.25 * (high - low), high + 0.25 * (high - low))
    share = (abs(lens[axis]) - away) / abs(lens[axis])
    feet = np.array([0.0, 0.0, GROUND_CM])
    feet[axis], feet[other] = sign * away, lens[other] + share * (aim - lens[other])
    hands: tuple[Vector | None, Vector | None] = (None, None)
    if rng.random() < 0.4:
        hands = (upper(rng, skin), None)
    return figure(rng, feet, Posture(level(rng.uniform(0, 360)), float(rng.uniform(0, 35)), hands=hands))


def bent_over(rng: Rng, crate: Crate, aim: Vector, skin: Vector) -> Mesh:
    """Outside of a long wall, bent over it, a hand or both on the goat."""
    sign = float(rng.choice([-1, 1]))
    feet = np.array([aim[0] + rng.normal(0, 14), sign * (crate.width / 2 + rng.uniform(8, 28)), GROUND_CM])
    second = upper(rng, skin) if rng.random() < 0.4 else None
    turned = level(-90 * sign + rng.normal(0, 20))
    return figure(rng, feet, Posture(turned, float(rng.uniform(20, 60)), hands=(aim, second)))


def at_the_gate(rng: Rng, crate: Crate, skin: Vector, head_place: Vector) -> Mesh:
    """At one end of the crate, reaching in: mostly for the head."""
    sign = 1.0 if rng.random() < 0.8 else -1.0
    aim = head_place if rng.random() < 0.7 else upper(rng, skin)
    feet = np.array([sign * (crate.length / 2 + rng.uniform(8, 30)), rng.normal(0, 16), GROUND_CM])
    apart = np.array([0.0, sign * rng.uniform(4, 9), 0.0])
    turned = level(180 * (sign > 0) + rng.normal(0, 12))
    hands = (aim - apart, aim + apart if rng.random() < 0.7 else None)
    return figure(
        rng, feet, Posture(turned, float(rng.uniform(15, 50)), float(rng.uniform(0.33, 0.5)), hands=hands)
    )


def inside(rng: Rng, crate: Crate, skin: Vector) -> Mesh:
    """In the crate with the goat: beside it or astride, both hands on it."""
    middle = skin.mean(axis=0)
    astride = rng.random() < 0.5
    aside = 0.0 if astride else float(rng.choice([-1, 1])) * (crate.width / 2 - 10)
    feet = np.array([middle[0] + rng.normal(0, 18), aside, 0.0])
    turned = level(rng.choice([0, 180]) + rng.normal(0, 15)) if astride else level(-90 * np.sign(aside))
    hands = (upper(rng, skin), upper(rng, skin))
    stride = 0.12 if astride else 0.06
    return figure(
        rng, feet, Posture(turned, float(rng.uniform(10, 55)), float(rng.uniform(0.42, 0.5)), stride, hands)
    )


def before_the_lens(rng: Rng, cameras: Mapping[str, Camera], skin: Vector) -> Mesh:
    """An arm across the line of sight of one camera, from outside of its picture."""
    pose = cameras[str(rng.choice(list(cameras)))].world_from_cam
    lens, aim = pose[:3, 3], skin[rng.integers(len(skin))]
    hand = lens + rng.uniform(0.3, 0.75) * (aim - lens)
    turn = rng.uniform(0, 2 * np.pi)
    across = np.cos(turn) * pose[:3, 0] + np.sin(turn) * pose[:3, 1]
    across[2] = abs(across[2])  # nobody reaches up from below the floor
    tall, wears = float(rng.uniform(150, 192)), draw_clothes(rng)
    shoulder = hand + 0.345 * tall * across + rng.normal(0, 8, 3)
    trunk = limb([shoulder, shoulder + 25 * across], np.array([10.0, 18.0]), wears.jacket, wears.weave)
    return joined([*arm(shoulder, hand, UP, tall, wears), trunk])


def at_the_rail(rng: Rng, crate: Crate) -> Mesh:
    """Close to the crate, hands on its upper rail: near the goat, and not before it from most sides."""
    sign, x = float(rng.choice([-1, 1])), rng.uniform(-0.6, 0.6) * crate.length
    rail = np.array([x, sign * crate.width / 2, crate.height + 2])
    feet = np.array([x, sign * (crate.width / 2 + rng.uniform(20, 40)), GROUND_CM])
    apart = np.array([rng.uniform(10, 25), 0.0, 0.0])
    return figure(
        rng, feet, Posture(level(-90 * sign), float(rng.uniform(0, 25)), hands=(rail + apart, rail - apart))
    )


def draw_keepers(rng: Rng, crate: Crate) -> list[Mesh]:
    """One person or two in the crate instead of a goat: upright, bent, crouching."""
    return [keeper(rng, crate) for _ in range(1 + (rng.random() < 0.2))]


def keeper(rng: Rng, crate: Crate) -> Mesh:
    room = np.array([0.35 * crate.length, max(crate.width / 2 - 14, 3)])
    feet = np.append(rng.uniform(-room, room), 0.0)
    hips = float(rng.uniform(0.25, 0.45)) if rng.random() < 0.3 else 0.5
    reach = feet + rng.uniform([-45, -30, 5], [45, 30, 90])
    hands = (reach if rng.random() < 0.5 else None, None)
    bend = float(rng.uniform(0, 75)) if rng.random() < 0.5 else float(rng.uniform(0, 15))
    return figure(rng, feet, Posture(level(rng.uniform(0, 360)), bend, hips, hands=hands))


def level(turn_deg: float) -> Vector:
    """The level unit vector at an angle from +X towards +Y."""
    turn = np.radians(turn_deg)
    return np.array([np.cos(turn), np.sin(turn), 0.0])
