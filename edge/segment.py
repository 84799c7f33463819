"""Finding the goat: one quantised network, run through the one door to TFLite."""

from __future__ import annotations

import hashlib
import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
import numpy.typing as npt

from edge.errors import ConfigError
from edge.records import SOFTNESS_PX, Label, Landmark, Picture, Pixels, Segmentation

Floats = npt.NDArray[np.float32]

SHIPPED_MODEL = Path(__file__).resolve().parent.parent / "models_tflite" / "goat_segmenter.toml"
THREADS = 2
# A goat behind a beam falls into parts; anything much smaller than its largest part is something else.
SMALLEST_PART = 0.1
# How probable it must be that a picture shows a part of a goat or several before that is believed; how often that is
# right and wrong is in MODEL_CARD.md.
NOT_ONE_AT = 0.3
CLASSES = 3
# Classes come at 1 / FINE of the input's size, FINE x FINE of them in each cell of the network's finest features.
FINE = 2
# What the station asks of a model's scenes.
SCENES = ("none", "one", "part", "several")
# What the closer look leaves around the goat, as a share of its box on each side.
CLOSE_MARGIN = 0.1
# The share of a picture's sides that its middle is.
MIDDLE = 0.62
# Looking twice finds what is not there twice as often, so the middle must be surer. It brings back half of the goats
# that the whole picture misses, and takes one in 400 pictures without an animal for a goat.
SURE_OF_THE_MIDDLE = 0.85
# How much the first look still has to say where the second one looked.
FIRST_LOOK_SHARE = 0.3
# A find smaller than this share of the picture's height is not worth it.
SMALLEST_GOAT = 0.03
# Only where it shows the goat larger by this factor.
WORTH_A_SECOND_LOOK = 1.1
# Logits of both looks lie within +-64, so that 16 bits hold them this finely.
STEPS_PER_LOGIT = 512
# No outline is taken to be softer than this, px.
SOFTEST_PX = 30.0
# Cells on each side of a landmark map's peak that count as the peak.
AROUND_PEAK = 3


class Interpreter(Protocol):
    """What ai-edge-litert and tflite-runtime have in common."""

    def allocate_tensors(self) -> None: ...
    def get_input_details(self) -> list[dict[str, Any]]: ...
    def get_output_details(self) -> list[dict[str, Any]]: ...
    def set_tensor(self, index: int, value: npt.NDArray[Any]) -> None: ...
    def invoke(self) -> None: ...
    def get_tensor(self, index: int) -> npt.NDArray[Any]: ...


@dataclass(frozen=True, slots=True)
class ModelCard:
    """What the .toml beside a model says of it.

    input_size       (width, height), px
    letterbox_grey   0..255, around pictures of another aspect
    landmarks        what the network points at, in the order of its maps
    scenes           what it calls a picture by how many goats it shows, in the order of its scores
    min_confidence   below it there is no goat in the picture
    min_area_fraction  of the picture; below it there is no goat either
    person_from      from this probability on somebody is in the way; None where the network does not tell people
    """

    name: str
    version: str
    path: Path
    sha256: str
    input_size: tuple[int, int]
    letterbox_grey: int
    landmarks: tuple[str, ...]
    scenes: tuple[str, ...]
    min_confidence: float
    min_area_fraction: float
    person_from: float | None = None

    def __post_init__(self) -> None:
        if set(self.scenes) != set(SCENES):
            raise ValueError(f"output.scenes: must be {', '.join(SCENES)}")
        alone = [name for name in self.landmarks if other_hand(name) not in self.landmarks]
        if alone:
            raise ValueError(f"output.landmarks: {alone[0]} without {other_hand(alone[0])}")

    def as_document(self) -> dict[str, Any]:
        return {"name": self.name, "version": self.version, "sha256": self.sha256}


@dataclass(frozen=True, slots=True)
class Frame:
    """The part of a picture that the network looks at, and where it lies in the network's input.

    crop    (left, top, right, bottom)  working px, right and bottom not included
    inside  (left, top, right, bottom)  the same in the input, px; multiples of 4 wide and high
    """

    crop: tuple[int, int, int, int]
    inside: tuple[int, int, int, int]

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the crop, px."""
        return self.crop[2] - self.crop[0], self.crop[3] - self.crop[1]

    @property
    def enlarged(self) -> float:
        """Pixels of the input per pixel of the picture."""
        return (self.inside[2] - self.inside[0]) / self.size[0]

    def to_picture(self, x: float, y: float) -> tuple[float, float]:
        """A point of the input in the picture, px; pixel centres at whole numbers."""
        across = self.size[0] / (self.inside[2] - self.inside[0])
        down = self.size[1] / (self.inside[3] - self.inside[1])
        return (
            self.crop[0] + (x + 0.5 - self.inside[0]) * across - 0.5,
            self.crop[1] + (y + 0.5 - self.inside[1]) * down - 0.5,
        )


@dataclass(frozen=True, slots=True)
class Look:
    """What the network says of one frame.

    classes    (H, W, 3)  logits of background, body, head, over the whole input
    landmarks  (h, w, L)  logits of where each landmark lies
    scene      (S,)       probabilities
    person     (h, w)     logits of where somebody is in the way; None where the network does not tell
    """

    frame: Frame
    classes: Floats
    landmarks: Floats
    scene: Floats
    person: Floats | None = None


class Segmenter:
    """A loaded network. Not for two threads at once."""

    def __init__(self, card: ModelCard, interpreter: Interpreter) -> None:
        self.card = card
        self.interpreter = interpreter
        self.input = interpreter.get_input_details()[0]
        self.outputs = outputs_by_meaning(card, interpreter.get_output_details())
        self.swapped = [self.card.landmarks.index(other_hand(name)) for name in self.card.landmarks]

    @classmethod
    def load(cls, card_path: Path = SHIPPED_MODEL, threads: int = THREADS) -> Segmenter:
        """Read the card, prove the model against its hash, and make it ready to run."""
        card = read_card(card_path)
        content = read_model(card)
        try:
            interpreter = new_interpreter(content, threads)
            interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise ConfigError(
                f"{card.path}: not a usable TFLite model: {error}", "install the model again"
            ) from None
        return cls(card, interpreter)

    def segment(self, picture: Picture, view: str) -> Segmentation:
        """Body and head of the goat in one picture, at the picture's working size.

        Where the whole picture shows none, its middle is looked at: a kid far from the camera is too small otherwise.
        Who is in the way is told by the first look at the whole: closer ones see what is before the goat, not who.
        """
        seen = self.segment_from(whole_frame(picture.size, self.card.input_size), picture, view)
        if self.finds_goat(seen):
            return seen
        again = self.segment_from(middle_frame(picture.size, self.card.input_size), picture, view)
        if self.finds_goat(again) and again.confidence >= SURE_OF_THE_MIDDLE:
            return replace(again, person=seen.person)
        return seen

    def segment_from(self, frame: Frame, picture: Picture, view: str) -> Segmentation:
        """As `segment`, of a goat that is looked for in one frame.

        The network looks twice: at the frame, to find the goat, and at the goat alone, to draw it finer. Both have a
        say, for the first look knows better what is hidden, the second where the outline runs.
        """
        first = self.look(picture.rgb, frame)
        mask = painted(inside(first), frame, picture.size)
        nearer = closer_frame(mask, frame, self.card.input_size)
        look = self.look(picture.rgb, nearer) if nearer else first
        logits = blended(first, look) if nearer else inside(first)
        if nearer:
            mask = painted(logits, nearer, picture.size)
        return Segmentation(
            view,
            keep_large_parts(mask),
            goat_confidence(inside(look)) * (1 - self.no_goat(first, look)),
            find_landmarks(look, self.card.landmarks),
            dict(zip(self.card.scenes, map(float, first.scene), strict=True)),
            softness(logits, look.frame, picture.size),
            somebody_before(first),
        )

    def finds_goat(self, segmentation: Segmentation) -> bool:
        """Whether there is enough of a goat to speak of."""
        area = float(np.mean(segmentation.mask != Label.BACKGROUND))
        return segmentation.confidence >= self.card.min_confidence and area >= self.card.min_area_fraction

    def finds_person(self, segmentation: Segmentation) -> bool:
        """Whether somebody is before the goat or in its place; never where the network does not tell."""
        least = self.card.person_from
        return least is not None and segmentation.person is not None and segmentation.person >= least

    def no_goat(self, first: Look, closer: Look) -> float:
        """How probable it is that there is none: the geometric mean of both looks, for each is sometimes fooled."""
        none = self.card.scenes.index("none")
        return float(np.sqrt(first.scene[none] * closer.scene[none]))

    def look(self, rgb: Pixels, frame: Frame) -> Look:
        """The mean of the frame and its mirror image, so that a mirrored goat gives exactly the mirrored outline."""
        boxed = framed(rgb, frame, self.card.input_size, self.card.letterbox_grey)
        one, other = self.run(boxed), self.run(np.ascontiguousarray(boxed[:, ::-1]))
        classes = (one["classes"] + other["classes"][:, ::-1]) / 2
        landmarks = (one["landmarks"] + other["landmarks"][:, ::-1][..., self.swapped]) / 2
        scene = softmax((one["scene"] + other["scene"]) / 2, axis=0)
        person = (one["person"] + other["person"][:, ::-1]) / 2 if "person" in one else None
        return Look(frame, classes, landmarks, scene, person)

    def run(self, boxed: Pixels) -> dict[str, Floats]:
        """(H, W, 3) picture at input size -> the logits of one inference, as in `Look`."""
        self.interpreter.set_tensor(self.input["index"], quantised(boxed, self.input)[np.newaxis])
        self.interpreter.invoke()
        found = {
            name: dequantised(self.interpreter.get_tensor(output["index"])[0], output)
            for name, output in self.outputs.items()
        }
        logits = {
            "classes": unpacked(found["classes"]),
            "landmarks": found["landmarks"],
            "scene": found["scene"].reshape(-1),
        }
        return logits | ({"person": found["person"][..., 0]} if "person" in found else {})


def new_interpreter(model: bytes, threads: int) -> Interpreter:
    """ai-edge-litert, or its predecessor tflite-runtime where only that is installed."""
    try:
        from ai_edge_litert.interpreter import Interpreter as Runtime
    except ImportError:
        try:
            from tflite_runtime.interpreter import Interpreter as Runtime
        except ImportError:
            raise ConfigError("no TFLite runtime is installed", "run `pip install ai-edge-litert`") from None
    interpreter: Interpreter = Runtime(model_content=model, num_threads=threads)
    return interpreter


def read_card(path: Path) -> ModelCard:
    """The card of a model; raises ConfigError where it is absent or incomplete."""
    try:
        card = tomllib.loads(path.read_text(encoding="utf-8"))
        thresholds = card["thresholds"]
        return ModelCard(
            name=str(card["name"]),
            version=str(card["version"]),
            path=path.parent / str(card["file"]),
            sha256=str(card["sha256"]),
            input_size=(int(card["input"]["width"]), int(card["input"]["height"])),
            letterbox_grey=int(card["input"]["letterbox_grey"]),
            landmarks=tuple(str(name) for name in card["output"]["landmarks"]),
            scenes=tuple(str(name) for name in card["output"]["scenes"]),
            min_confidence=float(thresholds["min_confidence"]["value"]),
            min_area_fraction=float(thresholds["min_area_fraction"]["value"]),
            person_from=float(thresholds["person_from"]["value"]) if "person_from" in thresholds else None,
        )
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}", "check [measure] model") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, KeyError, TypeError, ValueError) as error:
        raise ConfigError(f"{path}: not a model card: {error!r}", "name the .toml beside a model") from None


def read_model(card: ModelCard) -> bytes:
    try:
        content = card.path.read_bytes()
    except OSError as error:
        raise ConfigError(
            f"{card.path}: cannot be read: {error.strerror}", "install the model again"
        ) from None
    if hashlib.sha256(content).hexdigest() != card.sha256:
        raise ConfigError(f"{card.path}: not the model that its card describes", "install the model again")
    return content


def outputs_by_meaning(card: ModelCard, outputs: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The outputs by how many channels they have; raises ConfigError where they are not there."""
    channels = {"classes": CLASSES * FINE * FINE, "landmarks": len(card.landmarks), "scene": len(card.scenes)}
    if card.person_from is not None:
        channels["person"] = 1
    found = {
        name: [output for output in outputs if int(output["shape"][-1]) == count]
        for name, count in channels.items()
    }
    wrong = [name for name, matching in found.items() if len(matching) != 1]
    if wrong:
        raise ConfigError(
            f"{card.path}: its outputs are not those of its card: {', '.join(wrong)}",
            "install the model again",
        )
    return {name: matching[0] for name, matching in found.items()}


def other_hand(name: str) -> str:
    """The landmark that a mirrored picture shows in its place."""
    if name.endswith("_left"):
        return name.removesuffix("_left") + "_right"
    return name.removesuffix("_right") + "_left" if name.endswith("_right") else name


def whole_frame(size: tuple[int, int], input_size: tuple[int, int]) -> Frame:
    """The whole of a picture of (width, height), its aspect kept, in the middle of the input."""
    return fitted_frame((0, 0, *size), input_size)


def middle_frame(size: tuple[int, int], input_size: tuple[int, int]) -> Frame:
    """The middle of a picture, where the crate is, in the middle of the input."""
    width, height = (round(MIDDLE * side) for side in size)
    left, top = (size[0] - width) // 2, (size[1] - height) // 2
    return fitted_frame((left, top, left + width, top + height), input_size)


def fitted_frame(crop: tuple[int, int, int, int], input_size: tuple[int, int]) -> Frame:
    """A part of a picture, its aspect kept to a pixel or two, in the middle of the input.

    Multiples of 4, so that the frame falls on whole cells of the coarser maps, and a mirrored one too.
    """
    width, height = crop[2] - crop[0], crop[3] - crop[1]
    shrink = min(input_size[0] / width, input_size[1] / height)
    across, down = max(4, 4 * round(width * shrink / 4)), max(4, 4 * round(height * shrink / 4))
    left, top = (input_size[0] - across) // 2, (input_size[1] - down) // 2
    return Frame(crop, (left, top, left + across, top + down))


def closer_frame(labels: Pixels, whole: Frame, input_size: tuple[int, int]) -> Frame | None:
    """The goat with a margin around it; None where there is no goat, or where it fills the picture anyway.

    labels  (H, W)  of the whole picture
    """
    size = labels.shape[1], labels.shape[0]
    goat = (keep_large_parts(labels) != Label.BACKGROUND).astype(np.uint8)
    left, top, width, height = cv2.boundingRect(goat)
    if min(width, height) < SMALLEST_GOAT * min(size):
        return None
    aspect = input_size[0] / input_size[1]
    across = max(width, height * aspect) * (1 + 2 * CLOSE_MARGIN)
    down = across / aspect
    # Where the goat stands near the border the frame ends there.
    x, y = left + width / 2, top + height / 2
    crop = (
        max(0, math.floor(x - across / 2)),
        max(0, math.floor(y - down / 2)),
        min(size[0], math.ceil(x + across / 2)),
        min(size[1], math.ceil(y + down / 2)),
    )
    frame = fitted_frame(crop, input_size)
    return frame if frame.enlarged > WORTH_A_SECOND_LOOK * whole.enlarged else None


def framed(rgb: Pixels, frame: Frame, input_size: tuple[int, int], grey: int) -> Pixels:
    """(H, W, 3) input that shows the frame, grey around it."""
    left, top, right, bottom = frame.crop
    x0, y0, x1, y1 = frame.inside
    boxed = np.full((input_size[1], input_size[0], 3), grey, np.uint8)
    method = cv2.INTER_AREA if frame.enlarged < 1 else cv2.INTER_LINEAR
    boxed[y0:y1, x0:x1] = cv2.resize(rgb[top:bottom, left:right], (x1 - x0, y1 - y0), interpolation=method)
    return boxed


def unpacked(cells: Floats) -> Floats:
    """(h, w, FINE * FINE * 3) as the network packs it -> (FINE h, FINE w, 3) logits side by side."""
    height, width = cells.shape[:2]
    apart = cells.reshape(height, width, FINE, FINE, CLASSES)
    return apart.transpose(0, 2, 1, 3, 4).reshape(FINE * height, FINE * width, CLASSES)


def quantised(rgb: Pixels, tensor: Mapping[str, Any]) -> npt.NDArray[Any]:
    """The network's number for each pixel value; it was trained on rgb / 255."""
    scale, zero_point = tensor["quantization"]
    if scale == 0:
        return (rgb / 255).astype(tensor["dtype"])
    limits = np.iinfo(tensor["dtype"])
    table = np.clip(np.round(np.arange(256) / 255 / scale) + zero_point, limits.min, limits.max)
    return np.asarray(table.astype(tensor["dtype"])[rgb])


def dequantised(values: npt.NDArray[Any], tensor: Mapping[str, Any]) -> Floats:
    scale, zero_point = tensor["quantization"]
    if scale == 0:
        return values.astype(np.float32)
    return np.asarray((values.astype(np.float32) - zero_point) * scale, np.float32)


def softmax(logits: Floats, axis: int) -> Floats:
    odds = np.exp(logits - logits.max(axis=axis, keepdims=True))
    return np.asarray(odds / odds.sum(axis=axis, keepdims=True), np.float32)


def inside(look: Look) -> Floats:
    """The classes' logits where the frame shows the picture, not the grey around it."""
    left, top, right, bottom = (edge // FINE for edge in look.frame.inside)
    return look.classes[top:bottom, left:right]


def somebody_before(look: Look) -> float | None:
    """How probable it is that somebody is in the way, by the surest cell that shows some of the picture."""
    if look.person is None:
        return None
    cell_px = look.classes.shape[1] * FINE / look.person.shape[1]
    left, top, right, bottom = look.frame.inside
    rows = slice(int(top // cell_px), math.ceil(bottom / cell_px))
    shown = look.person[rows, int(left // cell_px) : math.ceil(right / cell_px)]
    return 1 / (1 + math.exp(-float(shown.max())))


def goat_confidence(logits: Floats) -> float:
    """How sure the network is of its goat pixels, times the share of them that hangs together."""
    is_goat = np.argmax(logits, axis=2) != Label.BACKGROUND
    if not is_goat.any():
        return 0.0
    p_goat = 1 - softmax(logits, axis=2)[..., 0]
    _, _, stats, _ = cv2.connectedComponentsWithStats(is_goat.astype(np.uint8))
    largest_share = stats[1:, cv2.CC_STAT_AREA].max() / is_goat.sum()
    return float(p_goat[is_goat].mean() * largest_share)


def blended(first: Look, closer: Look) -> Floats:
    """The closer look's logits with the first look's share in them, at the closer look's resolution."""
    height, width = inside(closer).shape[:2]
    left, top, right, bottom = closer.frame.crop
    here = inside(first)
    across, down = np.array(here.shape[1::-1]) / first.frame.size
    # From a cell of the closer look to the first look's cell at the same place of the picture; centres at halves.
    scale_x, scale_y = (right - left) * across / width, (bottom - top) * down / height
    from_left, from_top = left - first.frame.crop[0], top - first.frame.crop[1]
    shift_x, shift_y = from_left * across + scale_x / 2 - 0.5, from_top * down + scale_y / 2 - 0.5
    matrix = np.array([[scale_x, 0, shift_x], [0, scale_y, shift_y]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    coarse = cv2.warpAffine(here, matrix, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(FIRST_LOOK_SHARE * coarse + (1 - FIRST_LOOK_SHARE) * inside(closer), np.float32)


def painted(logits: Floats, frame: Frame, size: tuple[int, int]) -> Pixels:
    """The labels of a whole picture of (width, height), background outside of the frame that the logits are of."""
    left, top, right, bottom = frame.crop
    mask = np.zeros(size[::-1], np.uint8)
    mask[top:bottom, left:right] = label_pixels(logits, frame.size)
    return mask


def label_pixels(logits: Floats, size: tuple[int, int]) -> Pixels:
    """The likeliest label of each pixel of a picture of that size.

    Interpolating logits keeps the outline smooth between the network's pixels. Class by class and in 16 bits, because
    all of them at a large picture's size would need more memory than all else that measures.
    """
    steps = np.clip(np.round(logits * STEPS_PER_LOGIT), -32768, 32767).astype(np.int16)
    best = cv2.resize(steps[..., 0], size, interpolation=cv2.INTER_LINEAR)
    labels = np.zeros(best.shape, np.uint8)
    for label in range(1, CLASSES):
        other = cv2.resize(steps[..., label], size, interpolation=cv2.INTER_LINEAR)
        labels[other > best] = label
        cv2.max(best, other, dst=best)
    return labels


def softness(logits: Floats, frame: Frame, size: tuple[int, int]) -> Floats:
    """How far the outline of the goat moves if the logits of a frame are off by one, as in `Segmentation`, px.

    Where the logits fall steeply from goat to background the network knows to the pixel where the outline runs.
    """
    goat = np.ascontiguousarray(logits[..., 1:].max(axis=2) - logits[..., 0], np.float32)
    steepness = np.hypot(cv2.Sobel(goat, -1, 1, 0, scale=1 / 8), cv2.Sobel(goat, -1, 0, 1, scale=1 / 8))
    cell_px = frame.size[0] / goat.shape[1]
    soft_px = cell_px / np.maximum(steepness, cell_px / SOFTEST_PX)
    left, top, right, bottom = (round(edge / SOFTNESS_PX) for edge in frame.crop)
    whole = np.full([-(-side // SOFTNESS_PX) for side in size[::-1]], SOFTEST_PX, np.float32)
    here = whole[top:bottom, left:right]
    here[:] = cv2.resize(soft_px, here.shape[::-1], interpolation=cv2.INTER_AREA)
    return whole


def find_landmarks(look: Look, names: Sequence[str]) -> dict[str, Landmark]:
    """Where most of each landmark's map lies together, to a fraction of a cell; each with its confidence."""
    height, width, count = look.landmarks.shape
    shares = softmax(look.landmarks.reshape(-1, count), axis=0).reshape(height, width, count)
    cell_px = look.classes.shape[1] * FINE / width
    around = 2 * AROUND_PEAK + 1
    found = {}
    for index, name in enumerate(names):
        # Not the highest cell: between two nearly equal ones the least noise would decide.
        together = cv2.boxFilter(shares[..., index], -1, (around, around), normalize=False, borderType=0)
        row, column = divmod(int(np.argmax(together)), width)
        rows = slice(max(0, row - AROUND_PEAK), row + AROUND_PEAK + 1)
        columns = slice(max(0, column - AROUND_PEAK), column + AROUND_PEAK + 1)
        peak = shares[rows, columns, index]
        mass = float(peak.sum())
        y = float((peak.sum(axis=1) @ np.arange(rows.start, rows.start + peak.shape[0])) / mass)
        x = float((peak.sum(axis=0) @ np.arange(columns.start, columns.start + peak.shape[1])) / mass)
        point = look.frame.to_picture((x + 0.5) * cell_px - 0.5, (y + 0.5) * cell_px - 0.5)
        found[name] = Landmark(*point, mass)
    return found


def keep_large_parts(mask: Pixels) -> Pixels:
    """The mask without specks."""
    count, parts, stats, _ = cv2.connectedComponentsWithStats((mask != Label.BACKGROUND).astype(np.uint8))
    if count <= 2:
        return mask
    areas = stats[:, cv2.CC_STAT_AREA].astype(float)
    areas[0] = 0
    keep = areas >= SMALLEST_PART * areas.max()
    return np.where(keep[parts], mask, Label.BACKGROUND).astype(np.uint8)
