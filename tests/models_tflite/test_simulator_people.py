"""Simulated people are before the goat, in its place or merely about, and the truth of each picture says which."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("moderngl", reason="the simulator needs the training extra (moderngl)")
pytest.importorskip("skimage", reason="the simulator needs the training extra (scikit-image)")

from models_tflite.training.dataset import read_simulated
from models_tflite.training.simulator.barn import plain_barn
from models_tflite.training.simulator.body import dress, pose_goat
from models_tflite.training.simulator.crate import Crate, inner_room, thin_parts
from models_tflite.training.simulator.goat import Build, Coat, Stance
from models_tflite.training.simulator.mesh import Material, Mesh, box
from models_tflite.training.simulator.people import UP, Posture, figure, jointed, level
from models_tflite.training.simulator.render import Animal, Renderer, Scene
from models_tflite.training.simulator.samples import LIGHT, LOOK
from models_tflite.training.simulator.simulate import ALL_KINDS, goat_samples, simulate
from models_tflite.training.simulator.stage import KINDS, KINDS_ON_REQUEST, draw_kind
from models_tflite.training.simulator.station import Camera, look, standing
from tests.rendering import open_renderer

SIZE = (512, 384)
COAT = Coat("solid", (0.3, 0.15, 0.08), (0.7, 0.7, 0.6))
# A board as large as a person, in the plane before the crate and behind it.
BEFORE, BEHIND = (
    box((-15, y, -8), (15, y + 4, 170)).painted((0.1, 0.1, 0.4), Material.PLAIN) for y in (60, -60)
)


@pytest.fixture(scope="module")
def renderer() -> Renderer:
    return open_renderer(SIZE)


def side_camera() -> Camera:
    return look(SIZE, 60, np.array([0.0, 165.0, 62.0]), np.array([0.0, 0.0, 44.0]), UP)


def scene_with_goat() -> Scene:
    animal = Animal(dress(pose_goat(Build(60.0), Stance()), COAT), standing(0, 0, 0), COAT, 60.0)
    return Scene(LIGHT, LOOK, plain_barn(), thin_parts(Crate()), animal)


def test_what_somebody_hides_is_missing_in_the_mask_and_told(renderer: Renderer) -> None:
    scene, camera = scene_with_goat(), side_camera()
    alone = renderer.shoot(scene, [camera])[0]
    hidden = renderer.shoot(replace(scene, people=BEFORE), [camera])[0]
    share = 1 - np.count_nonzero(hidden.mask) / np.count_nonzero(alone.mask)
    assert 0.1 < share < 0.9
    assert hidden.people.hide == pytest.approx(share)
    assert np.array_equal(hidden.people.before > 0, (alone.mask > 0) & (hidden.mask == 0))
    assert (alone.people.hide, alone.people.seen) == (0.0, 0.0)


def test_somebody_behind_the_crate_hides_nothing_and_is_seen(renderer: Renderer) -> None:
    told = renderer.shoot(replace(scene_with_goat(), people=BEHIND), [side_camera()])[0].people
    assert (told.hide, told.instead) == (0.0, 0.0)
    assert told.seen > 0.02
    assert not told.before.any()


def test_somebody_in_an_empty_crate_fills_what_he_fills(renderer: Renderer) -> None:
    empty = replace(scene_with_goat(), goat=None, room=inner_room(Crate()))
    inside = box((-15, -4, 0), (15, 4, 170)).painted((0.1, 0.1, 0.4), Material.PLAIN)
    told = renderer.shoot(replace(empty, instead=inside), [side_camera()])[0].people
    assert told.instead == pytest.approx(np.mean(told.before > 0))
    assert told.instead == told.seen > 0.05
    before = renderer.shoot(replace(empty, people=BEFORE), [side_camera()])[0].people
    assert before.instead == 0.0 and before.hide > 0.1


def highest(mesh: Mesh) -> float:
    return float(mesh.vertices[:, 2].max())


def test_a_figure_stands_on_its_feet_and_is_as_tall_as_people_are() -> None:
    for seed in range(10):
        mesh = figure(np.random.default_rng(seed), np.zeros(3), Posture(level(40)))
        assert -8 < mesh.vertices[:, 2].min() < 0  # boots sink in a little
        assert 145 < highest(mesh) < 205


def test_who_reaches_for_the_floor_bends_down_and_gets_near_it() -> None:
    aim = np.array([30.0, 0.0, 40.0])
    for seed in range(10):
        rng = np.random.default_rng(seed)
        mesh = figure(rng, np.zeros(3), Posture(level(0), hands=(aim, None)))
        upright = figure(np.random.default_rng(seed), np.zeros(3), Posture(level(0)))
        assert highest(mesh) < highest(upright) - 10
        assert np.linalg.norm(mesh.vertices - aim, axis=1).min() < 8


def test_bones_keep_their_length_however_far_the_aim() -> None:
    start = np.zeros(3)
    for away in (3.0, 25.0, 50.0, 400.0):
        joint, end = jointed(start, np.array([away, 0, 0]), (30.0, 25.0), UP)
        assert np.linalg.norm(joint - start) == pytest.approx(30.0, abs=0.1)
        assert np.linalg.norm(end - joint) == pytest.approx(25.0, abs=0.1)
        assert joint[2] >= 0


def test_people_at_the_goat_are_drawn_only_where_they_are_asked_for() -> None:
    assert tuple(KINDS) == ALL_KINDS
    assert not set(ALL_KINDS) & set(KINDS_ON_REQUEST)
    rng = np.random.default_rng(1)
    assert {draw_kind(rng, ("handled", "keeper")) for _ in range(50)} == {"handled", "keeper"}


def test_handled_goats_are_hidden_in_some_views_and_free_in_others(renderer: Renderer) -> None:
    samples = [one for goat in range(8) for one in goat_samples(renderer, 3, goat, 3, ("handled",))]
    shares = np.array([one.people.hide for one in samples])
    assert (shares > 0.05).sum() >= 4
    assert (shares < 0.005).sum() >= 4
    assert all(not (one.mask[one.people.before > 0]).any() for one in samples)


def test_keepers_are_in_the_crate_without_a_goat(renderer: Renderer) -> None:
    samples = [one for goat in range(4) for one in goat_samples(renderer, 3, goat, 3, ("keeper",))]
    assert all(one.station.animal is None and not one.mask.any() for one in samples)
    assert np.mean([one.people.instead > 0.02 for one in samples]) > 0.7


def test_the_index_tells_training_who_is_in_the_way(renderer: Renderer, tmp_path: Path) -> None:
    simulate(tmp_path, 6, 3, SIZE, 3, tmp_path, ("handled", "keeper"))
    records = [json.loads(line)["people"] for line in (tmp_path / "index.jsonl").read_text().splitlines()]
    pictures = read_simulated(tmp_path)
    assert {one.in_the_way for one in pictures} >= {True, False}
    for picture, record in zip(pictures, records, strict=True):
        assert picture.people is not None and picture.people.hide == record["hide"]
        if picture.people.mask is not None:
            assert (cv2.imread(str(picture.people.mask), cv2.IMREAD_GRAYSCALE) > 0).any()
        if picture.in_the_way:
            assert picture.people.mask is not None
