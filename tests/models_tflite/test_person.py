"""Who is in the way is learnt beside the network, which says of goats what it said before."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from models_tflite.training import tables
from models_tflite.training.dataset import People, SimulatedPicture
from models_tflite.training.score import Score
from models_tflite.training.tables import Somebody, somebody
from tests.conftest import REPO

needs_torch = pytest.mark.skipif(
    importlib.util.find_spec("torch") is None, reason="torch is absent (pip install .[training])"
)
SIZES = (4, 4, 8, 8, 8)


def picture(people: People | None, **changes: Any) -> SimulatedPicture:
    about: dict[str, Any] = {"view": "side", "negative": False, "goat": "3"} | changes
    return SimulatedPicture(Path("i.jpg"), Path("m.png"), people=people, **about)


@pytest.mark.parametrize(
    ("people", "changes", "in_the_way", "kind"),
    [
        (People(0.0, 0.0, 0.0, None), {}, False, Somebody.NOBODY),
        (People(0.0, 0.0, 0.2, None), {}, False, Somebody.ELSEWHERE),
        (People(0.03, 0.0, 0.2, None), {}, None, Somebody.HARDLY_HIDES),
        (People(0.06, 0.0, 0.2, None), {}, True, Somebody.HIDES_LITTLE),
        (People(0.2, 0.0, 0.2, None), {}, True, Somebody.HIDES_MORE),
        (People(1.0, 0.0, 0.9, None), {}, True, Somebody.HIDES_MOST),
        (People(0.0, 0.3, 0.3, None), {"negative": True}, True, Somebody.INSTEAD),
        (People(0.0, 0.01, 0.3, None), {"negative": True}, None, Somebody.HARDLY_INSTEAD),
        (People(0.4, 0.0, 0.3, None), {"negative": True}, None, Somebody.BEFORE_NO_GOAT),
        (People(0.0, 0.0, 0.3, None), {"negative": True}, False, Somebody.EMPTY),
        (People(0.0, 0.0, 0.3, None), {"negative": True, "kind": "dog"}, False, Somebody.DOG),
        (People(0.0, 0.0, 0.3, None), {"negative": True, "kind": "things"}, False, Somebody.THINGS),
    ],
)
def test_somebody_is_in_the_way_by_what_he_hides(
    people: People, changes: dict[str, Any], in_the_way: bool | None, kind: Somebody
) -> None:
    one = picture(people, **changes)
    assert one.in_the_way is in_the_way
    assert somebody(one) is kind


def test_an_index_without_people_tells_only_that_an_unhidden_goat_is_unhidden() -> None:
    assert picture(None).in_the_way is False
    assert picture(None, truncated=True).in_the_way is None
    assert picture(None, truncated=True, view="top").in_the_way is False
    assert picture(None, truncated=True, kind="half_goat").in_the_way is False
    assert picture(None, negative=True, kind="person").in_the_way is None


def test_the_table_of_people_counts_what_is_said_by_view() -> None:
    found = [picture(People(0.5, 0.0, 0.3, None)), picture(People(0.5, 0.0, 0.3, None), view="top")]
    scores = [
        Score("a", one.view, "handled s", 0.9, {}, person=said)
        for one, said in zip(found, (0.9, 0.2), strict=True)
    ]
    assert "| more than 30 % | 2 | 50.0% | 100.0% | 0.0% | – |" in tables.people(found, scores, 0.5)


@needs_torch
def test_cells_say_somebody_where_enough_of_them_is_covered_and_may_say_either_beside() -> None:
    from models_tflite.training.person import EITHER, cells_of

    before = np.zeros((192, 256), np.uint8)
    before[64:96, 64:80] = 1
    before[160:162, 160:164] = 1
    cells = cells_of(before)
    assert cells.shape == (12, 16)
    assert (cells[4:6, 4] == 1).all() and (cells == 1).sum() == 2
    assert cells[3, 3] == cells[6, 5] == cells[10, 10] == EITHER
    assert cells[0, 0] == 0


@needs_torch
def test_a_network_that_tells_people_says_of_goats_what_it_said_before() -> None:
    import torch

    from models_tflite.training.network import GoatNet, without_people

    torch.manual_seed(3)
    tells = GoatNet(SIZES, tells_people=True).eval()
    plain = GoatNet(SIZES).eval()
    plain.load_state_dict(without_people(tells.state_dict()))
    look = torch.rand(2, 3, 192, 256)
    with torch.no_grad():
        *before, where = tells(look)
        after = plain(look)
    assert where.shape == (2, 1, 12, 16)
    assert all(torch.equal(one, other) for one, other in zip(before, after, strict=True))


@needs_torch
def test_features_are_those_that_the_network_reads_itself() -> None:
    import torch

    from models_tflite.training.network import GoatNet
    from models_tflite.training.person import features_of

    network = GoatNet(SIZES, tells_people=True).eval()
    look = torch.rand(1, 3, 192, 256)
    with torch.no_grad():
        assert network.person is not None
        assert torch.equal(network.person(*features_of(network, look)), network(look)[3])


def write_simulation(folder: Path, count: int) -> Path:
    """Grey goats; before every other one of them somebody in red."""
    rng = np.random.default_rng(4)
    for part in ("images", "masks", "people"):
        (folder / part).mkdir(parents=True)
    lines = []
    for number in range(count):
        rgb, mask = rng.integers(90, 110, (96, 128, 3)).astype(np.uint8), np.zeros((96, 128), np.uint8)
        rgb[30:70, 30:100], mask[30:70, 30:100] = 170, 1
        name, left = f"{number}", int(rng.integers(35, 75))
        told: dict[str, Any] = {"hide": 0.0, "instead": 0.0, "seen": 0.0, "mask": None}
        if number % 2:
            rgb[10:90, left : left + 20] = (30, 30, 200)
            before = np.zeros_like(mask)
            before[30:70, left : left + 20], mask[30:70, left : left + 20] = 255, 0
            cv2.imwrite(str(folder / f"people/{name}.png"), before)
            told = {"hide": 0.29, "instead": 0.0, "seen": 0.13, "mask": f"people/{name}.png"}
        cv2.imwrite(str(folder / f"images/{name}.png"), rgb)
        cv2.imwrite(str(folder / f"masks/{name}.png"), mask)
        entry = {
            "image": f"images/{name}.png",
            "mask": f"masks/{name}.png",
            "view": "side",
            "goat": 100 + number,
        }
        lines.append(json.dumps({**entry, "kind": "handled", "people": told}))
    (folder / "index.jsonl").write_text("\n".join(lines) + "\n")
    return folder


@needs_torch
def test_the_command_teaches_who_is_in_the_way_and_leaves_all_other_weights(tmp_path: Path) -> None:
    import torch

    from models_tflite.training import augment
    from models_tflite.training.dataset import read_simulated
    from models_tflite.training.network import GoatNet, network_of
    from models_tflite.training.train import load_checkpoint

    torch.manual_seed(1)
    weights = {
        name: one.half() if one.is_floating_point() else one
        for name, one in GoatNet(SIZES).state_dict().items()
    }
    about = {"channels": list(SIZES), "held_out_goats": [], "photographs": 0, "simulated": 0, "steps": 1}
    torch.save({"weights": weights, **about}, tmp_path / "network.pt")
    folder = write_simulation(tmp_path / "sim", 48)
    command = [sys.executable, "-W", "ignore", "-m", "models_tflite.training.person"]
    command += ["--network", str(tmp_path / "network.pt"), "--simulated", str(folder)]
    command += ["--out", str(tmp_path / "person.pt"), "--epochs", "40"]
    subprocess.run(command, cwd=REPO, capture_output=True, text=True, check=True)
    taught = load_checkpoint(tmp_path / "person.pt")
    assert taught["steps"] == 1
    assert all(torch.equal(taught["weights"][name], value) for name, value in weights.items())
    network, surest = network_of(taught), {True: [], False: []}
    for one in read_simulated(folder):
        sample = one.load()
        rgb, _ = augment.warp(sample.rgb, sample.mask, augment.fit_matrix(128, 96))
        with torch.no_grad():
            where = network(torch.from_numpy(rgb).permute(2, 0, 1)[None].float() / 255)[3]
        surest[bool(one.in_the_way)].append(float(where.max()))
    assert min(surest[True]) > max(surest[False])


@needs_torch
def test_pictures_without_people_teach_nothing_and_say_so(tmp_path: Path) -> None:
    from models_tflite.training.dataset import DatasetError
    from models_tflite.training.person import chosen

    with pytest.raises(DatasetError, match="nobody is in the way"):
        chosen([picture(People(0.0, 0.0, 0.1, None))], np.random.default_rng(1))


def test_the_threshold_lets_few_goats_with_nobody_in_the_way_cause_an_alarm() -> None:
    from models_tflite.training.evaluate import choose_person_threshold

    away, there = picture(People(0.0, 0.0, 0.1, None)), picture(People(0.4, 0.0, 0.1, None))
    empty = picture(People(0.0, 0.0, 0.0, None), negative=True)
    said = [0.1] * 95 + [0.72] * 3 + [0.8] * 2 + [0.9] * 8 + [0.3] * 2 + [0.99]
    scores = [Score("a", "side", "goat s", 0.9, {}, person=one) for one in said]
    pictures = [away] * 100 + [there] * 10 + [empty]
    value, reason = choose_person_threshold(pictures, scores, [0.1, 0.75])
    assert value == pytest.approx(0.73)
    assert "100 simulated goats" in reason and "finds 80.0% of 10" in reason
    assert choose_person_threshold(pictures, scores, [0.75, 0.76, 0.1])[0] == pytest.approx(0.76)
