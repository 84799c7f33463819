"""Make each labelled picture into many: other places, light, coats, bars, cameras. Needs no torch.

All functions work on RGB uint8 pictures and masks of one size and take a numpy random generator,
so that a seed gives the same pictures again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np

from edge.records import Pixels
from edge.segment import other_hand
from models_tflite.training.dataset import LANDMARKS, SCENES, Sample, resize

Rng = np.random.Generator
Floats = np.ndarray[Any, np.dtype[np.float32]]

WIDTH, HEIGHT = 256, 192
GREY = 114
NEGATIVE_SHARE = 0.08
PASTE_SHARE = 0.25
# So many pictures stay close to what a station takes; so many are the station's second, closer look.
MILD_SHARE = 0.3
CLOSE_SHARE = 0.35
# The closer look leaves this much of the goat's box around it, each side; what the station does is in the middle.
CLOSE_MARGIN = (0.02, 0.3)
SECOND_GOAT_SHARE = 0.06
HALF_GOAT_SHARE = 0.06
# With less of the goat than the first it counts as a part, with more than the second as whole; between
# the two nobody could say.
PART_BELOW, WHOLE_ABOVE = 0.6, 0.7
THIN_PX = (2, 13)  # bars up to 80 px in a photograph of 1600 px are labelled across
WIDE_PX = (24, 80)  # boxes, beams and posts from 150 px hide what is behind
UNKNOWN = -1


@dataclass(slots=True)
class Pool:
    """What pictures are made from: backgrounds without a goat, patches of hair, second goats."""

    backgrounds: list[Pixels]
    hair: list[Pixels] = field(default_factory=list)
    goats: list[Sample] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Pair:
    """A picture as the network gets it, and what it should answer.

    rgb        (192, 256, 3)
    mask       (192, 256)  0 background, 1 body, 2 head
    landmarks  (L, 2)  x, y in px, pixel centres at whole numbers; nan where not to be seen
    scene      index in SCENES, or UNKNOWN
    """

    rgb: Pixels
    mask: Pixels
    landmarks: Floats
    scene: int


def make_pair(sample: Sample, pool: Pool, rng: Rng) -> Pair:
    """One training pair from one sample."""
    if rng.random() < NEGATIVE_SHARE or not sample.has_goat:
        return spoiled(background_pair(sample, pool, rng), rng)
    frame = rng.choice(["mild", "close", "wild"], p=[MILD_SHARE, CLOSE_SHARE, 1 - MILD_SHARE - CLOSE_SHARE])
    if frame == "mild":
        pair = placed(sample, mild_warp(sample, rng), rng)
        if rng.random() < 0.5:
            return with_light_tone(pair, rng)
    elif frame == "close":
        pair = placed(sample, close_warp(sample, rng), rng)
    else:
        pair = placed(sample, random_warp(sample.rgb.shape[1], sample.rgb.shape[0], sample.view, rng), rng)
    rgb = pair.rgb
    if rng.random() < 0.35:
        rgb = recolour_coat(rgb, pair.mask, pool, rng)
    if rng.random() < PASTE_SHARE and pair.mask.any():
        rgb = over(rgb, pair.mask, random_background(pool, rng), rng)
    pair = Pair(rgb, pair.mask, pair.landmarks, pair.scene)
    if pool.goats and rng.random() < SECOND_GOAT_SHARE:
        pair = with_second_goat(pair, pool, rng)
    elif rng.random() < HALF_GOAT_SHARE:
        pair = cut_in_half(pair, pool, rng)
    return spoiled(pair, rng)


def with_light_tone(pair: Pair, rng: Rng) -> Pair:
    """Hardly changed: a small network learns the common case sooner."""
    rgb = tone(pair.rgb, rng, 0.5) if rng.random() < 0.7 else pair.rgb
    return Pair(rgb, pair.mask, pair.landmarks, pair.scene)


def spoiled(pair: Pair, rng: Rng) -> Pair:
    """Things in front, other light, another camera."""
    rgb, mask = occlude(pair.rgb, pair.mask, rng)
    landmarks = still_seen(pair.landmarks, pair.mask, mask)
    left = np.count_nonzero(mask) / max(np.count_nonzero(pair.mask), 1)
    rgb = look_through_camera(light(rgb, rng), rng)
    return Pair(rgb, mask, landmarks, scene_with(pair.scene, left if pair.mask.any() else 1.0))


def scene_with(scene: int, share: float) -> int:
    """What a picture of one goat shows when only a share of it is left."""
    if scene != SCENES.index("one") or share > WHOLE_ABOVE:
        return scene
    return SCENES.index("part") if share < PART_BELOW else UNKNOWN


def still_seen(landmarks: Floats, before: Pixels, after: Pixels) -> Floats:
    """The landmarks without those over which something wide was laid."""
    kept = landmarks.copy()
    for index, (x, y) in enumerate(landmarks):
        if np.isfinite(x) and 0 <= x < WIDTH - 0.5 and 0 <= y < HEIGHT - 0.5:
            around = (slice(max(round(y) - 2, 0), round(y) + 3), slice(max(round(x) - 2, 0), round(x) + 3))
            if before[around].any() and not after[around].any():
                kept[index] = np.nan
    return kept


def background_pair(sample: Sample, pool: Pool, rng: Rng) -> Pair:
    """A picture with no goat: an empty scene, a texture, noise or a plain colour."""
    nowhere = np.full((len(LANDMARKS), 2), np.nan, np.float32)
    empty = np.zeros((HEIGHT, WIDTH), np.uint8)
    if sample.has_goat or rng.random() < 0.2:
        return Pair(random_background(pool, rng), empty, nowhere, SCENES.index("none"))
    matrix = random_warp(sample.rgb.shape[1], sample.rgb.shape[0], sample.view, rng)
    rgb, _ = warp(sample.rgb, sample.mask, matrix, plain_border=bool(rng.random() < 0.7))
    return Pair(rgb, empty, nowhere, SCENES.index("none"))


def with_second_goat(pair: Pair, pool: Pool, rng: Rng) -> Pair:
    """Another goat of about that size laid beside, before or behind: the picture shows several."""
    other = pool.goats[rng.integers(len(pool.goats))]
    second = placed(other, close_warp(other, rng, margin=(0.1, 1.0)), rng)
    both = np.count_nonzero(pair.mask), np.count_nonzero(second.mask)
    if min(both) < 0.25 * max(both) or min(both) < 500:
        return pair
    nearer, farther = (second, pair) if rng.random() < 0.5 else (pair, second)
    free = np.count_nonzero((farther.mask > 0) & (nearer.mask == 0)) / np.count_nonzero(farther.mask)
    alpha = cv2.GaussianBlur((nearer.mask > 0).astype(np.float32), (0, 0), rng.uniform(0.4, 1.2))[..., None]
    rgb = as_pixels(farther.rgb * (1 - alpha) + nearer.rgb * alpha)
    mask = np.where(nearer.mask > 0, nearer.mask, farther.mask).astype(np.uint8)
    nowhere = np.full_like(pair.landmarks, np.nan)
    return Pair(rgb, mask, nowhere, SCENES.index("several") if free > 0.3 else UNKNOWN)


def cut_in_half(pair: Pair, pool: Pool, rng: Rng) -> Pair:
    """One side of the goat behind something wide, as when it walks in or out."""
    columns = np.flatnonzero(pair.mask.any(axis=0))
    if len(columns) < 20:
        return pair
    edge = int(columns[0] + rng.uniform(0.3, 0.7) * (columns[-1] - columns[0]))
    hidden = np.zeros(pair.mask.shape, bool)
    if rng.random() < 0.5:
        hidden[:, :edge] = True
    else:
        hidden[:, edge:] = True
    rgb = np.where(hidden[..., None], random_background(pool, rng), pair.rgb)
    mask = np.where(hidden, 0, pair.mask).astype(np.uint8)
    left = np.count_nonzero(mask) / np.count_nonzero(pair.mask)
    return Pair(rgb, mask, still_seen(pair.landmarks, pair.mask, mask), scene_with(pair.scene, left))


# --- where things are --------------------------------------------------------------------------


def placed(sample: Sample, matrix: Floats, rng: Rng) -> Pair:
    """Picture, mask and landmarks alike through one homography (3, 3) into the network's frame."""
    rgb, mask = warp(sample.rgb, sample.mask, matrix, plain_border=bool(rng.random() < 0.7))
    landmarks = moved_landmarks(sample.landmarks, matrix)
    scene = UNKNOWN if sample.scene is None else SCENES.index(sample.scene)
    return Pair(rgb, mask, landmarks, scene_with(scene, share_inside(sample.mask, matrix)))


def moved_landmarks(landmarks: Mapping[str, tuple[float, float]], matrix: Floats) -> Floats:
    """(L, 2) px after the homography; a mirrored goat's left is its right. Outside of the frame: nan."""
    mirrored = np.linalg.det(matrix[:2, :2]) < 0
    points = np.full((len(LANDMARKS), 2), np.nan, np.float32)
    for name, point in landmarks.items():
        if name in LANDMARKS:
            points[LANDMARKS.index(other_hand(name) if mirrored else name)] = point
    moved = through(points, matrix)
    inside = (
        (moved[:, 0] > -0.5)
        & (moved[:, 0] < WIDTH - 0.5)
        & (moved[:, 1] > -0.5)
        & (moved[:, 1] < HEIGHT - 0.5)
    )
    moved[~inside] = np.nan
    return moved


def through(points: Floats, matrix: Floats) -> Floats:
    """(N, 2) points through a homography."""
    homogeneous = np.column_stack([points, np.ones(len(points))]) @ matrix.T
    return np.asarray(homogeneous[:, :2] / homogeneous[:, 2:], np.float32)


def share_inside(mask: Pixels, matrix: Floats) -> float:
    """Which share of the goat the network's frame still holds, 0..1."""
    rows, columns = np.nonzero(mask[::6, ::6])
    if len(rows) == 0:
        return 0.0
    x, y = through(np.column_stack([columns, rows]).astype(np.float32) * 6, matrix).T
    return float(np.mean((x >= 0) & (x < WIDTH) & (y >= 0) & (y < HEIGHT)))


def warp(rgb: Pixels, mask: Pixels, matrix: Floats, plain_border: bool = True) -> tuple[Pixels, Pixels]:
    """Picture and mask through one homography (3, 3) that maps source px to network px."""
    shrink = min(1.0, 1.6 * float(np.sqrt(abs(np.linalg.det(matrix[:2, :2])))))
    if shrink < 0.75:
        # Bilinear sampling of a much larger picture would alias; the network never sees that.
        rgb = resize(rgb, shrink)
        scale_x, scale_y = rgb.shape[1] / mask.shape[1], rgb.shape[0] / mask.shape[0]
        picture_matrix = matrix @ np.diag([1 / scale_x, 1 / scale_y, 1.0]).astype(np.float32)
    else:
        picture_matrix = matrix
    border = cv2.BORDER_CONSTANT if plain_border else cv2.BORDER_REPLICATE
    size = (WIDTH, HEIGHT)
    grey = (GREY, GREY, GREY)
    picture = cv2.warpPerspective(
        rgb, picture_matrix, size, flags=cv2.INTER_LINEAR, borderMode=border, borderValue=grey
    )
    labels = cv2.warpPerspective(mask, matrix, size, flags=cv2.INTER_NEAREST, borderMode=border)
    return picture.astype(np.uint8), labels.astype(np.uint8)


def fit_matrix(width: int, height: int) -> Floats:
    """The letterbox as a homography: aspect kept, centred, pixel centres on pixel centres."""
    scale = min(WIDTH / width, HEIGHT / height)
    shift_x = (WIDTH - scale * width) / 2 + 0.5 * scale - 0.5
    shift_y = (HEIGHT - scale * height) / 2 + 0.5 * scale - 0.5
    return np.array([[scale, 0, shift_x], [0, scale, shift_y], [0, 0, 1]], np.float32)


def random_warp(width: int, height: int, view: str, rng: Rng) -> Floats:
    """Letterbox, then one random change of place, angle, size, side and tilt."""
    angle = rng.uniform(-12, 12)
    if view == "top":
        angle += rng.choice([0, 180, 90, -90], p=[0.5, 0.36, 0.07, 0.07])
    scale = (
        float(np.exp(rng.uniform(np.log(0.6), np.log(1.6)))) if rng.random() < 0.5 else rng.uniform(0.9, 1.12)
    )
    turn = np.vstack([cv2.getRotationMatrix2D((WIDTH / 2, HEIGHT / 2), angle, scale), [0, 0, 1]])
    reach = max(0.08, 0.35 * abs(scale - 1))
    move = np.eye(3)
    move[:2, 2] = rng.uniform(-reach, reach, 2) * (WIDTH, HEIGHT)
    tilt = np.eye(3)
    if rng.random() < 0.5:
        tilt[2, :2] = rng.uniform(-0.0008, 0.0008, 2)
        tilt[0, 1], tilt[1, 0] = rng.uniform(-0.06, 0.06, 2)
        tilt[0, 0] = rng.uniform(0.88, 1.12)
        tilt = centred(tilt)
    side = mirror_matrix() if rng.random() < 0.5 else np.eye(3)
    matrix = move @ tilt @ turn @ side @ fit_matrix(width, height)
    return np.asarray(matrix, np.float32)


def mild_warp(sample: Sample, rng: Rng) -> Floats:
    """Letterbox with a little turn, size and shift; mirrored half of the time, from above turned half round."""
    angle = rng.uniform(-5, 5) + (180 if sample.view == "top" and rng.random() < 0.5 else 0)
    turn = np.array(cv2.getRotationMatrix2D((WIDTH / 2, HEIGHT / 2), angle, rng.uniform(0.88, 1.15)))
    turn[:, 2] = turn[:, 2] + rng.uniform(-0.06, 0.06, 2) * (WIDTH, HEIGHT)
    side = mirror_matrix() if rng.random() < 0.5 else np.eye(3)
    matrix = np.vstack([turn, [0, 0, 1]]) @ side @ fit_matrix(sample.rgb.shape[1], sample.rgb.shape[0])
    return np.asarray(matrix, np.float32)


def close_warp(sample: Sample, rng: Rng, margin: tuple[float, float] = CLOSE_MARGIN) -> Floats:
    """The goat's box fills the frame but for a margin, as in the station's closer look."""
    left, top, width, height = cv2.boundingRect((sample.mask > 0).astype(np.uint8))
    angle = float(rng.uniform(-7, 7)) + (180 if sample.view == "top" and rng.random() < 0.5 else 0)
    around = 1 + 2 * float(rng.uniform(*margin))
    scale = min(WIDTH / (around * width), HEIGHT / (around * height))
    # A kid far away would be enlarged to nothing but blur.
    scale = min(scale, 2.5 * WIDTH / sample.rgb.shape[1])
    middle = left + width / 2, top + height / 2
    turn = np.array(cv2.getRotationMatrix2D(middle, angle, scale))
    shift = np.array([WIDTH / 2 - middle[0], HEIGHT / 2 - middle[1]])
    turn[:, 2] = turn[:, 2] + shift + rng.uniform(-0.08, 0.08, 2) * (WIDTH, HEIGHT)
    side = mirror_matrix() if rng.random() < 0.5 else np.eye(3)
    return np.asarray(side @ np.vstack([turn, [0, 0, 1]]), np.float32)


def mirror_matrix() -> Floats:
    return np.array([[-1, 0, WIDTH - 1], [0, 1, 0], [0, 0, 1]], np.float32)


def centred(matrix: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The same change, about the middle of the picture instead of its corner."""
    to_middle = np.array([[1, 0, -WIDTH / 2], [0, 1, -HEIGHT / 2], [0, 0, 1]])
    return np.asarray(np.linalg.inv(to_middle) @ matrix @ to_middle)


# --- backgrounds -------------------------------------------------------------------------------


def without_goat(sample: Sample) -> Pixels:
    """The picture with its goat painted out, crudely: it serves as a background."""
    if not sample.has_goat:
        return sample.rgb
    small = resize(sample.rgb, 256 / max(sample.rgb.shape))
    goat = cv2.resize((sample.mask > 0).astype(np.uint8), small.shape[1::-1], interpolation=cv2.INTER_NEAREST)
    goat = cv2.dilate(goat, np.ones((9, 9), np.uint8))
    return cv2.inpaint(small, goat, 5, cv2.INPAINT_TELEA).astype(np.uint8)


def random_background(pool: Pool, rng: Rng) -> Pixels:
    """(192, 256, 3) of something without a goat."""
    if pool.backgrounds and rng.random() < 0.75:
        source = pool.backgrounds[rng.integers(len(pool.backgrounds))]
        empty = np.zeros(source.shape[:2], np.uint8)
        view = "top" if rng.random() < 0.3 else "side"
        return warp(source, empty, random_warp(source.shape[1], source.shape[0], view, rng), False)[0]
    return texture(rng)


def texture(rng: Rng) -> Pixels:
    """Plain colour, gradient, noise of some grain, or stripes."""
    kind = rng.integers(4)
    colour = rng.uniform(0, 255, 3)
    if kind == 0:
        return np.full((HEIGHT, WIDTH, 3), colour, np.float32).astype(np.uint8)
    if kind == 1:
        ramp = np.linspace(0, 1, WIDTH)[None, :, None] * np.linspace(0.3, 1, HEIGHT)[:, None, None]
        return as_pixels(colour + ramp * rng.uniform(-200, 200, 3))
    if kind == 2:
        return as_pixels(colour + grain(rng) * rng.uniform(20, 120))
    period = rng.uniform(4, 50)
    phase = np.arange(WIDTH)[None, :] * rng.normal() + np.arange(HEIGHT)[:, None] * rng.normal()
    stripes = np.sin(phase / period * 6.28) > rng.uniform(-0.8, 0.8)
    return as_pixels(colour + stripes[..., None] * rng.uniform(-150, 150, 3))


def grain(rng: Rng) -> Floats:
    """(192, 256, 1 or 3) smooth noise of a random grain size, about -1..1."""
    cells = int(rng.choice([3, 6, 12, 24, 48, 96]))
    channels = int(rng.choice([1, 3]))
    coarse = rng.uniform(-1, 1, (cells * 3 // 4 + 1, cells, channels)).astype(np.float32)
    smooth = cv2.resize(coarse, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    return np.asarray(smooth.reshape(HEIGHT, WIDTH, channels), np.float32)


def over(rgb: Pixels, mask: Pixels, background: Pixels, rng: Rng) -> Pixels:
    """The goat cut out and laid over another background with a soft edge, sometimes with a shadow."""
    alpha = cv2.GaussianBlur((mask > 0).astype(np.float32), (0, 0), rng.uniform(0.4, 1.2))[..., None]
    scene = background.astype(np.float32)
    if rng.random() < 0.5:
        move = np.array([[1, 0, rng.uniform(-40, 40)], [0, 1, rng.uniform(-15, 15)]], np.float32)
        shadow = cv2.warpAffine(alpha[..., 0], move, (WIDTH, HEIGHT))
        scene *= 1 - rng.uniform(0.3, 0.75) * shadow[..., None]
    return as_pixels(scene * (1 - alpha) + rgb * alpha)


# --- things in front, light, coat ---------------------------------------------------------------


def occlude(rgb: Pixels, mask: Pixels, rng: Rng) -> tuple[Pixels, Pixels]:
    """Thin bars, which the outline ignores, and wide boxes, which hide what is behind."""
    rgb, mask = rgb.copy(), mask.copy()
    if rng.random() < 0.4:
        colour = bar_colour(rng)
        across = bool(rng.random() < 0.25)
        for _ in range(rng.integers(1, 6)):
            draw_bar(rgb, rng.integers(*THIN_PX), across, colour * rng.uniform(0.6, 1.2), rng)
    if rng.random() < 0.18:
        box = np.zeros(mask.shape, np.uint8)
        draw_box(box, rng)
        fill = bar_colour(rng) if rng.random() < 0.5 else rng.uniform(0, 255, 3)
        shade = fill + (grain(rng) * rng.uniform(0, 40) if rng.random() < 0.5 else 0.0)
        rgb = np.where(box[..., None] > 0, as_pixels(np.broadcast_to(shade, rgb.shape)), rgb)
        mask[box > 0] = 0
    return rgb, mask


def bar_colour(rng: Rng) -> Floats:
    """Mostly the dark green of crates, else any tube: grey, black, red, blue, white."""
    green = (5, 90, 75)
    if rng.random() < 0.5:
        return np.array(green, np.float32) * rng.uniform(0.3, 1.4)
    if rng.random() < 0.6:
        return np.full(3, rng.uniform(5, 250), np.float32)
    return rng.uniform(0, 220, 3).astype(np.float32)


def draw_bar(rgb: Pixels, width_px: int, across: bool, colour: Floats, rng: Rng) -> None:
    """One straight tube from border to border, with a highlight along it."""
    slant = rng.normal(0, 0.08 * HEIGHT)
    if across:
        middle = rng.uniform(0, HEIGHT)
        start, end = (0, round(middle - slant)), (WIDTH, round(middle + slant))
    else:
        middle = rng.uniform(0, WIDTH)
        start, end = (round(middle - slant), 0), (round(middle + slant), HEIGHT)
    tone = tuple(float(channel) for channel in np.clip(colour, 0, 255))
    cv2.line(rgb, start, end, tone, int(width_px), cv2.LINE_AA)
    if width_px > 3:
        lighter = tuple(min(255.0, channel * 1.4 + 15) for channel in tone)
        cv2.line(rgb, start, end, lighter, int(width_px) // 3, cv2.LINE_AA)


def draw_box(box: Pixels, rng: Rng) -> None:
    """A turned rectangle or a beam across the picture, drawn as 1."""
    centre = rng.uniform(0, WIDTH), rng.uniform(0, HEIGHT)
    beam = rng.random() < 0.4
    size = (rng.uniform(*WIDE_PX), 600.0 if beam else rng.uniform(*WIDE_PX))
    corners = cv2.boxPoints((centre, size, float(rng.normal(0, 12))))
    cv2.fillPoly(box, [corners.astype(np.int32)], (1,))


def light(rgb: Pixels, rng: Rng) -> Pixels:
    """Hard shadows, stripes of bars, patches of sun, a reflecting pane: none changes the outline."""
    if rng.random() < 0.35:
        rgb = as_pixels(rgb * shadow_field(rng)[..., None])
    if rng.random() < 0.1:
        rgb = cv2.addWeighted(rgb, 0.8, texture(rng), 0.2, 0).astype(np.uint8)
    return rgb


def shadow_field(rng: Rng) -> Floats:
    """(192, 256) factors: dark or light polygons or stripes with a more or less hard edge."""
    area = np.zeros((HEIGHT, WIDTH), np.uint8)
    if rng.random() < 0.5:
        for _ in range(rng.integers(1, 4)):
            points = rng.uniform(-30, 286, (rng.integers(3, 6), 2)) * (1, HEIGHT / WIDTH)
            cv2.fillPoly(area, [points.astype(np.int32)], (1,))
    else:
        step, width, slant = rng.uniform(15, 60), rng.integers(3, 20), rng.normal(0, 60)
        for start in np.arange(-WIDTH, 2 * WIDTH, step):
            cv2.line(area, (int(start - slant), 0), (int(start + slant), HEIGHT), (1,), int(width))
    soft = cv2.GaussianBlur(area.astype(np.float32), (0, 0), rng.uniform(0.5, 4))
    strength = rng.uniform(-0.7, -0.2) if rng.random() < 0.75 else rng.uniform(0.2, 0.8)
    return np.asarray(1 + strength * soft, np.float32)


def recolour_coat(rgb: Pixels, mask: Pixels, pool: Pool, rng: Rng) -> Pixels:
    """Another coat on the same animal: its shading stays, its colour and pattern change."""
    alpha = cv2.GaussianBlur((mask > 0).astype(np.float32), (0, 0), 1.0)[..., None]
    shading = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY).astype(np.float32)[..., None]
    goat = mask > 0
    mean = float(shading[goat].mean()) if goat.any() else 128.0
    relative = np.clip(shading / max(mean, 20.0), 0.25, 2.0) ** rng.uniform(0.5, 1.0)
    coat = coat_colours(pool, rng)
    if rng.random() < 0.25 and goat.any():
        # A white goat before a white panel, a black one over a black floor.
        ring = cv2.dilate(goat.astype(np.uint8), np.ones((15, 15), np.uint8)).astype(bool) & ~goat
        behind = rgb[ring].mean(axis=0) if ring.any() else np.full(3, 128.0)
        coat = behind * rng.uniform(0.8, 1.25) + grain(rng) * rng.uniform(2, 15)
    elif rng.random() < 0.45:
        patch = grain(rng)[..., :1] > rng.uniform(-0.4, 0.4)
        if rng.random() < 0.4:
            patch = (mask == 2)[..., None]
        coat = np.where(patch, coat_colours(pool, rng), coat)
    return as_pixels(rgb * (1 - alpha) + np.clip(coat * relative, 0, 255) * alpha)


def coat_colours(pool: Pool, rng: Rng) -> Floats:
    """(192, 256, 3): real hair where there is some, else a goat-like colour with a little grain."""
    if pool.hair and rng.random() < 0.5:
        hair = pool.hair[rng.integers(len(pool.hair))]
        tiles = np.tile(hair, (HEIGHT // hair.shape[0] + 2, WIDTH // hair.shape[1] + 2, 1))
        top, left = rng.integers(hair.shape[0]), rng.integers(hair.shape[1])
        return tiles[top : top + HEIGHT, left : left + WIDTH].astype(np.float32)
    colours = [(225, 220, 208), (140, 85, 50), (32, 29, 28), (175, 130, 90), (120, 112, 105), (95, 50, 30)]
    base = np.array(colours[rng.integers(len(colours))], np.float32) * rng.uniform(0.7, 1.15)
    return np.asarray(base + grain(rng) * rng.uniform(2, 18), np.float32)


# --- the camera --------------------------------------------------------------------------------


def look_through_camera(rgb: Pixels, rng: Rng) -> Pixels:
    """Exposure, white balance, tone, blur, noise and JPEG of another camera."""
    if rng.random() < 0.7:
        rgb = tone(rgb, rng)
    if rng.random() < 0.08:
        grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
        rgb = cv2.merge([grey, grey, grey]).astype(np.uint8)
    if rng.random() < 0.25:
        rgb = blur(rgb, rng)
    if rng.random() < 0.3:
        noise = rng.standard_normal(rgb.shape, np.float32) * rng.uniform(2, 14)
        rgb = as_pixels(rgb + noise)
    if rng.random() < 0.2:
        coded = cv2.imencode(".jpg", rgb, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(25, 90))])[1]
        rgb = cv2.imdecode(coded, cv2.IMREAD_COLOR).astype(np.uint8)
    return rgb


def tone(rgb: Pixels, rng: Rng, strength: float = 1.0) -> Pixels:
    """Brightness, contrast, gamma and white balance, as one table per channel."""
    levels = np.arange(256, dtype=np.float32) / 255
    gamma = np.exp(rng.uniform(-0.45, 0.45) * strength)
    contrast, brightness = np.exp(rng.uniform(-0.4, 0.34) * strength), rng.uniform(-0.18, 0.18) * strength
    table = (levels**gamma - 0.5) * contrast + 0.5 + brightness
    balance = np.exp(rng.normal(0, 0.09, 3) * strength)
    tables = as_pixels(table[:, None] * balance[None, :] * 255)
    return cv2.LUT(rgb, tables.reshape(1, 256, 3)).astype(np.uint8)


def blur(rgb: Pixels, rng: Rng) -> Pixels:
    """Out of focus, moved, or enlarged from few pixels."""
    kind = rng.integers(3)
    if kind == 0:
        return cv2.GaussianBlur(rgb, (0, 0), rng.uniform(0.4, 1.8)).astype(np.uint8)
    if kind == 1:
        length = int(rng.integers(2, 7))
        kernel = np.full((1, length), 1 / length, np.float32)
        return cv2.filter2D(rgb, -1, kernel if rng.random() < 0.7 else kernel.T).astype(np.uint8)
    small = resize(rgb, rng.uniform(0.4, 0.8))
    return cv2.resize(small, (WIDTH, HEIGHT), interpolation=cv2.INTER_LINEAR).astype(np.uint8)


def as_pixels(values: np.ndarray[Any, Any]) -> Pixels:
    return np.clip(values, 0, 255).astype(np.uint8)


def pool_of(samples: Sequence[Sample], hair: Sequence[Pixels] = ()) -> Pool:
    """Backgrounds from samples (goats painted out), second goats, and hair shrunk to the network's scale."""
    shrunk = [resize(patch, min(1.0, 64 / min(patch.shape[:2]))) for patch in hair]
    goats = [sample for sample in samples if sample.scene == "one"]
    return Pool([without_goat(sample) for sample in samples], shrunk, goats)
