"""Turn a trained network into a full-integer int8 TFLite file with its .toml beside it.

    python -m models_tflite.training.quantise --network RUNS/final/network.pt --simulated SIM \\
        --into models_tflite/goat_segmenter.toml

Input and output are int8 too; the input's scale is that of rgb / 255. A check at the end runs
float and int8 on pictures that the calibration did not see.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import time
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch

from edge.records import VIEWS, Label, Picture, Pixels
from edge.segment import Interpreter, Segmenter, framed, new_interpreter, read_card, whole_frame
from models_tflite.training import dataset, labels
from models_tflite.training.augment import GREY, make_pair, pool_of
from models_tflite.training.dataset import LANDMARKS, SCENES, DatasetError, Sample
from models_tflite.training.network import (
    CLASSES,
    INPUT_HEIGHT,
    INPUT_WIDTH,
    GoatNet,
    PersonMap,
    network_of,
    parameter_count,
)
from models_tflite.training.train import load_checkpoint

VERSION = "2026.11.4"
SCHEME = (
    "full int8: per-channel weights, int8 activations, int8 input (rgb / 255) and output; min-max calibration"
)
FEWEST_CALIBRATION_PICTURES = 100
# Until evaluate --choose-threshold has looked at the figures.
FIRST_THRESHOLDS = {
    "min_confidence": (0.6, "first guess; run evaluate --choose-threshold"),
    "min_area_fraction": (0.01, "a goat that fills less than 1 % of a crate's picture cannot be measured"),
}
# The map of people is clipped to +- so many logits: surer than that is sure.
PERSON_LOGITS = 8.0
FIRST_PERSON = {"person_from": (0.5, "first guess; run evaluate --choose-threshold")}


@dataclass(frozen=True, slots=True)
class Calibration:
    """Pictures at input size, (N, 192, 256, 3) in 0..1, and where they came from."""

    pictures: np.ndarray[Any, np.dtype[np.float32]]
    photographs: int
    simulated: int


def calibration_pictures(options: argparse.Namespace, held_out: Sequence[str], count: int) -> Calibration:
    """What the network will be shown: photographs (never of held-out goats) and simulated pictures, as they
    are, closer, and changed as in training."""
    rng = np.random.default_rng(7)
    samples = []
    if options.photographs or os.environ.get(dataset.PHOTOGRAPHS_VARIABLE):
        photographs = labels.read_labelled(dataset.photographs_folder(options.photographs))
        chosen = [photo for photo in photographs if photo.goat not in held_out]
        samples = [photo.load(dataset.TRAINING_SIDE_PX) for photo in chosen]
    listed = [
        one for folder in options.simulated for one in dataset.read_simulated(folder) if not one.held_out
    ]
    wanted = rng.permutation(len(listed))[: max(count // 2, count - 4 * len(samples))]
    simulated = [listed[index].load(dataset.TRAINING_SIDE_PX) for index in wanted]
    every = samples + simulated
    pictures = [boxed(sample.rgb) for sample in every]
    pool = pool_of(every[:50])
    pictures += [
        make_pair(sample, pool, rng).rgb for sample in 3 * samples + simulated[: len(simulated) // 2]
    ]
    if len(pictures) < FEWEST_CALIBRATION_PICTURES // 2:
        raise DatasetError(f"{len(pictures)} calibration pictures are too few", "give --simulated as well")
    return Calibration(np.stack(pictures).astype(np.float32) / 255, len(samples), len(simulated))


def boxed(rgb: Pixels) -> Pixels:
    size = INPUT_WIDTH, INPUT_HEIGHT
    return framed(rgb, whole_frame((rgb.shape[1], rgb.shape[0]), size), size, GREY)


def convert_to_float(network: GoatNet, path: Path) -> None:
    """A float TFLite file with channels last at both ends."""
    import litert_torch

    outputs = [0, 1, 2] if network.person is None else [0, 1, 2, 3]
    channels_last = litert_torch.to_channel_last_io(network.eval(), args=[0], outputs=outputs)
    sample = (torch.rand(1, INPUT_HEIGHT, INPUT_WIDTH, 3),)
    litert_torch.convert(channels_last.eval(), sample).export(str(path))


def people_pictures(options: argparse.Namespace, count: int) -> list[Pixels]:
    """Pictures at input size in which somebody is in the way: of the part that tells people they show the range."""
    listed = [one for folder in options.people for one in dataset.read_simulated(folder)]
    in_the_way = [one for one in listed if one.in_the_way and not one.held_out]
    if len(in_the_way) < FEWEST_CALIBRATION_PICTURES // 2:
        raise DatasetError(f"{len(in_the_way)} pictures of people are too few", "give --people")
    chosen = np.random.default_rng(7).permutation(len(in_the_way))[:count]
    return [boxed(in_the_way[index].load(dataset.TRAINING_SIDE_PX).rgb) for index in chosen]


def convert_to_int8(
    float_model: Path, path: Path, calibration: Calibration, people: Sequence[Pixels] = ()
) -> None:
    """Measure the ranges on the calibration pictures and write the int8 file.

    people  calibrate the part that tells people; all other ranges stay as they are without them
    """
    from ai_edge_litert.interpreter import Interpreter
    from ai_edge_quantizer import quantizer, recipe

    signatures = Interpreter(model_path=str(float_model)).get_signature_list()
    key, signature = next(iter(signatures.items()))
    name = signature["inputs"][0]
    maker = quantizer.Quantizer(str(float_model), recipe.static_wi8_ai8())
    pictures = [{name: picture[np.newaxis]} for picture in calibration.pictures]
    ranges = maker.calibrate({key: pictures})
    # The averaged range of the pictures would clip white panels: the input's is known exactly.
    input_name = Interpreter(model_path=str(float_model)).get_input_details()[0]["name"]
    ranges[input_name].update(min=np.zeros_like(ranges[input_name]["min"]))
    ranges[input_name].update(max=np.ones_like(ranges[input_name]["max"]))
    if people:
        shown = [{name: picture[np.newaxis].astype(np.float32) / 255} for picture in people]
        wider = maker.calibrate({key: shown})
        ranges |= {tensor: values for tensor, values in wider.items() if PersonMap.__name__ in tensor}
        output_name = next(
            tensor for tensor in ranges if tensor.endswith(f"{signature['outputs'][-1]}_output")
        )
        ranges[output_name].update(min=np.full_like(ranges[output_name]["min"], -PERSON_LOGITS))
        ranges[output_name].update(max=np.full_like(ranges[output_name]["max"], PERSON_LOGITS))
    beside = path.with_suffix(".new.tflite")
    beside.unlink(missing_ok=True)
    maker.quantize(ranges).export_model(str(beside))
    beside.replace(path)


def put_beside(card: Path, model: Path) -> Path:
    """The finished model under its card's name; until here whatever was there before is untouched."""
    beside = card.with_suffix(".new.tflite")
    beside.write_bytes(model.read_bytes())
    return beside.replace(card.with_suffix(".tflite"))


def check(float_model: Path, card_path: Path, samples: Sequence[Sample]) -> dict[str, float]:
    """int8 against float on the same pictures, both as the station uses them."""
    card = read_card(card_path)
    exact, rounded = Segmenter(card, loaded(float_model)), Segmenter(card, loaded(card.path))
    agreement = []
    for sample in samples:
        picture = Picture(sample.rgb, (sample.rgb.shape[1], sample.rgb.shape[0]))
        one, other = (network.segment(picture, sample.view).mask for network in (exact, rounded))
        union = np.count_nonzero((one != Label.BACKGROUND) | (other != Label.BACKGROUND))
        if union > 200:
            agreement.append(np.count_nonzero((one != 0) & (other != 0)) / union)
    sample_input = boxed(samples[0].rgb)
    return {
        "float_ms": median_ms(exact, sample_input),
        "int8_ms": median_ms(rounded, sample_input),
        "int8_float_iou": float(np.mean(agreement)) if agreement else float("nan"),
    }


def loaded(path: Path) -> Interpreter:
    """One TFLite file, one thread."""
    interpreter = new_interpreter(path.read_bytes(), 1)
    interpreter.allocate_tensors()
    return interpreter


def median_ms(network: Segmenter, picture: Pixels, repeats: int = 30) -> float:
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        network.run(picture)
        times.append(time.perf_counter() - began)
    return float(np.median(times)) * 1000


def describe_tensors(path: Path) -> str:
    """Input and outputs as the file has them."""
    interpreter = loaded(path)
    ends = interpreter.get_input_details() + interpreter.get_output_details()
    return ", ".join(
        f"{list(end['shape'])} {np.dtype(end['dtype']).name} {end['quantization']}" for end in ends
    )


def write_card(path: Path, model: Path, about: dict[str, Any]) -> None:
    """The .toml that edge/segment.py reads; written beside and renamed."""
    lines = [
        f'name = "{about["name"]}"',
        f'version = "{VERSION}"',
        f'file = "{model.name}"',
        f'sha256 = "{hashlib.sha256(model.read_bytes()).hexdigest()}"',
        f"views = {json.dumps(list(VIEWS))}",
        *(["held_out_goats = " + json.dumps(about["held_out_goats"])] if about["held_out_goats"] else []),
        "",
        "[input]",
        f"width = {INPUT_WIDTH}",
        f"height = {INPUT_HEIGHT}",
        'colour = "rgb"',
        f"letterbox_grey = {GREY}",
        "range = [0.0, 1.0]",
        "",
        "[output]",
        f"classes = {json.dumps(list(CLASSES))}",
        f"landmarks = {json.dumps(list(LANDMARKS))}",
        f"scenes = {json.dumps(list(SCENES))}",
        "",
        "[quantisation]",
        f'scheme = "{SCHEME}"',
        f"calibration_pictures = {about['calibration_pictures']}",
        "",
    ]
    for name, (value, reason) in about["thresholds"].items():
        lines += [f"[thresholds.{name}]", f"value = {value}", f"reason = {json.dumps(reason)}", ""]
    lines.append("[training]")
    lines += [f"{name} = {json.dumps(value)}" for name, value in about["training"].items()]
    beside = path.with_suffix(".new")
    beside.write_text("\n".join(lines) + "\n", encoding="utf-8")
    beside.replace(path)


def training_record(checkpoint: dict[str, Any], network: GoatNet) -> dict[str, Any]:
    data = f"{checkpoint['photographs']} photographs, {checkpoint['simulated']} simulated pictures"
    if "people" in checkpoint:
        data += f"; {checkpoint['people']} simulated ones for who is in the way"
    return {
        "data": data,
        "commands": "see MODEL_CARD.md",
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "parameters": parameter_count(network),
        "steps": checkpoint["steps"],
    }


def held_back(options: argparse.Namespace, held_out: Sequence[str]) -> list[Sample]:
    """Pictures for the check: held-out photographs where there are some, held-out simulated ones."""
    samples: list[Sample] = []
    if held_out:
        photographs = labels.read_labelled(dataset.photographs_folder(options.photographs))
        samples += [photo.load(512) for photo in photographs if photo.goat in held_out]
    for folder in options.simulated:
        samples += [one.load(512) for one in dataset.read_simulated(folder) if one.held_out][:40]
    return samples


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="models_tflite.training.quantise", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("--network", type=Path, required=True, help="network.pt of a training run")
    parser.add_argument(
        "--into", type=Path, required=True, help="the .toml to write; the .tflite goes beside it"
    )
    parser.add_argument("--simulated", type=Path, nargs="+", default=[])
    parser.add_argument("--photographs", type=Path)
    parser.add_argument(
        "--people",
        type=Path,
        nargs="+",
        default=[],
        help="simulations with people, for a network that tells them",
    )
    parser.add_argument("--calibration-pictures", type=int, default=200)
    parser.add_argument(
        "--float-model", type=Path, help="where to keep the float file (default: beside the network)"
    )
    return parser.parse_args(arguments)


def is_up_to_date(card_path: Path, network_sha256: str) -> bool:
    """Whether the card and its file are there, whole, and of this network."""
    try:
        about = tomllib.loads(card_path.read_text(encoding="utf-8"))
        model = card_path.parent / about["file"]
        whole = hashlib.sha256(model.read_bytes()).hexdigest() == about["sha256"]
        return bool(whole and about["training"]["network_sha256"] == network_sha256)
    except (OSError, KeyError, tomllib.TOMLDecodeError):
        return False


def main() -> None:
    options = parse()
    checkpoint = load_checkpoint(options.network)
    network_sha256 = hashlib.sha256(options.network.read_bytes()).hexdigest()
    if is_up_to_date(options.into, network_sha256):
        print(f"{options.into} is of this network already; delete it to quantise again")
        return
    network = network_of(checkpoint)
    held_out = list(checkpoint["held_out_goats"])
    calibration = calibration_pictures(options, held_out, options.calibration_pictures)
    float_model = options.float_model or options.network.with_name("float.tflite")
    int8_model = options.network.with_name("int8.tflite")
    print(f"converting with {len(calibration.pictures)} calibration pictures", flush=True)
    convert_to_float(network, float_model)
    people = people_pictures(options, options.calibration_pictures // 2) if network.person is not None else []
    convert_to_int8(float_model, int8_model, calibration, people)
    options.into.parent.mkdir(parents=True, exist_ok=True)
    int8_model = put_beside(options.into, int8_model)
    about = {
        "name": options.into.stem,
        "held_out_goats": held_out,
        "calibration_pictures": len(calibration.pictures),
        "thresholds": FIRST_THRESHOLDS | (FIRST_PERSON if network.person is not None else {}),
        "training": {**training_record(checkpoint, network), "network_sha256": network_sha256},
    }
    write_card(options.into, int8_model, about)
    print(f"wrote {int8_model}, {int8_model.stat().st_size} bytes; {describe_tensors(int8_model)}")
    samples = held_back(options, held_out)
    if samples:
        figures = check(float_model, options.into, samples)
        print(", ".join(f"{name} {value:.4f}" for name, value in figures.items()))


if __name__ == "__main__":
    dataset.command(main)
