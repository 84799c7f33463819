"""Finding the goat: one quantised network, run through the one door to TFLite."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
import numpy.typing as npt

from edge.errors import ConfigError
from edge.records import Label, Picture, Pixels, Segmentation

Floats = npt.NDArray[np.float32]

SHIPPED_MODEL = Path(__file__).resolve().parent.parent / "models_tflite" / "goat_segmenter.toml"
THREADS = 2
# A goat behind a beam falls into parts; anything much smaller than its largest part is something else.
SMALLEST_PART = 0.1


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
    min_confidence   below it there is no goat in the picture
    min_area_fraction  of the picture; below it there is no goat either
    """

    name: str
    version: str
    path: Path
    sha256: str
    input_size: tuple[int, int]
    letterbox_grey: int
    min_confidence: float
    min_area_fraction: float

    def as_document(self) -> dict[str, Any]:
        return {"name": self.name, "version": self.version, "sha256": self.sha256}


class Segmenter:
    """A loaded network. Not for two threads at once."""

    def __init__(self, card: ModelCard, interpreter: Interpreter) -> None:
        self.card = card
        self.interpreter = interpreter
        self.input = interpreter.get_input_details()[0]
        self.output = interpreter.get_output_details()[0]

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
        """Body and head of the goat in one picture, at the picture's working size."""
        width, height = self.card.input_size
        boxed, inside = letterbox(picture.rgb, (width, height), self.card.letterbox_grey)
        logits = self.run_both_ways(boxed)
        confidence = goat_confidence(logits)
        mask = label_pixels(logits[inside], picture.size)
        return Segmentation(view, keep_large_parts(mask), confidence)

    def finds_goat(self, segmentation: Segmentation) -> bool:
        """Whether there is enough of a goat to speak of."""
        area = float(np.mean(segmentation.mask != Label.BACKGROUND))
        return segmentation.confidence >= self.card.min_confidence and area >= self.card.min_area_fraction

    def run_both_ways(self, boxed: Pixels) -> Floats:
        """The mean of the picture and its mirror image, so that a mirrored goat gives exactly the mirrored outline."""
        mirrored = self.run(np.ascontiguousarray(boxed[:, ::-1]))
        return np.asarray((self.run(boxed) + mirrored[:, ::-1]) / 2, np.float32)

    def run(self, boxed: Pixels) -> Floats:
        """(H, W, 3) picture at input size -> (H, W, 3) logits of background, body, head."""
        self.interpreter.set_tensor(self.input["index"], quantised(boxed, self.input)[np.newaxis])
        self.interpreter.invoke()
        return dequantised(self.interpreter.get_tensor(self.output["index"])[0], self.output)


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
            min_confidence=float(thresholds["min_confidence"]["value"]),
            min_area_fraction=float(thresholds["min_area_fraction"]["value"]),
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


def letterbox(rgb: Pixels, size: tuple[int, int], grey: int) -> tuple[Pixels, tuple[slice, slice]]:
    """Fit a picture into (width, height) with its aspect kept; also returns where it lies inside."""
    width, height = size
    shrink = min(width / rgb.shape[1], height / rgb.shape[0])
    inner_width, inner_height = round(rgb.shape[1] * shrink), round(rgb.shape[0] * shrink)
    left, top = (width - inner_width) // 2, (height - inner_height) // 2
    inside = slice(top, top + inner_height), slice(left, left + inner_width)
    boxed = np.full((height, width, 3), grey, np.uint8)
    boxed[inside] = cv2.resize(rgb, (inner_width, inner_height), interpolation=cv2.INTER_AREA)
    return boxed, inside


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


def goat_confidence(logits: Floats) -> float:
    """How sure the network is of its goat pixels, times the share of them that hangs together."""
    is_goat = np.argmax(logits, axis=2) != Label.BACKGROUND
    if not is_goat.any():
        return 0.0
    odds = np.exp(logits - logits.max(axis=2, keepdims=True))
    p_goat = 1 - odds[..., 0] / odds.sum(axis=2)
    _, _, stats, _ = cv2.connectedComponentsWithStats(is_goat.astype(np.uint8))
    largest_share = stats[1:, cv2.CC_STAT_AREA].max() / is_goat.sum()
    return float(p_goat[is_goat].mean() * largest_share)


def label_pixels(logits: Floats, size: tuple[int, int]) -> Pixels:
    """The likeliest label of each pixel; interpolating logits keeps the outline smooth between network pixels."""
    fine = cv2.resize(logits, size, interpolation=cv2.INTER_LINEAR)
    return np.asarray(np.argmax(fine, axis=2), np.uint8)


def keep_large_parts(mask: Pixels) -> Pixels:
    """The mask without specks."""
    count, parts, stats, _ = cv2.connectedComponentsWithStats((mask != Label.BACKGROUND).astype(np.uint8))
    if count <= 2:
        return mask
    areas = stats[:, cv2.CC_STAT_AREA].astype(float)
    areas[0] = 0
    keep = areas >= SMALLEST_PART * areas.max()
    return np.where(keep[parts], mask, Label.BACKGROUND).astype(np.uint8)
