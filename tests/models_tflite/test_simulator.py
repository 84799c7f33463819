"""The simulator's pictures and its truth belong together."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("moderngl", reason="the simulator needs the training extra (moderngl)")
pytest.importorskip("skimage", reason="the simulator needs the training extra (scikit-image)")

from models_tflite.training.simulator.barn import plain_barn
from models_tflite.training.simulator.body import dress, pose_goat, trunk_x
from models_tflite.training.simulator.crate import Crate, thin_parts
from models_tflite.training.simulator.goat import Build, Coat, Stance, draw_build, draw_coat, draw_stance
from models_tflite.training.simulator.render import Animal, Renderer, Scene
from models_tflite.training.simulator.samples import LIGHT, LOOK
from models_tflite.training.simulator.simulate import finished_goats, goat_samples, picture_size, simulate
from models_tflite.training.simulator.stage import KINDS, draw_kind, draw_station
from models_tflite.training.simulator.station import Camera, look, standing
from models_tflite.training.simulator.truth import GIRTH_PLACE, girth, measure_truth, section
from tests.rendering import open_renderer

SIZE = (512, 384)
COAT = Coat("solid", (0.3, 0.15, 0.08), (0.7, 0.7, 0.6))
PLAUSIBLE_CM = {
    "head_height_cm": (15, 130),
    "withers_height_cm": (36, 92),
    "rump_height_cm": (33, 97),
    "shoulder_width_cm": (8, 42),
    "waist_width_cm": (6, 38),
    "rump_width_cm": (8, 42),
    "body_width_cm": (9, 50),
    "body_length_cm": (32, 108),
    "heart_girth_cm": (42, 142),
}


@pytest.fixture(scope="module")
def renderer() -> Renderer:
    return open_renderer(SIZE)


def side_camera() -> Camera:
    return look(SIZE, 60, np.array([0.0, 165.0, 62.0]), np.array([0.0, 0.0, 44.0]), np.array([0.0, 0.0, 1.0]))


def draw_side(renderer: Renderer, build: Build, crate: Crate) -> tuple[np.ndarray, np.ndarray]:
    animal = Animal(dress(pose_goat(build, Stance()), COAT), standing(0, 0, 0), COAT, build.withers_cm)
    return renderer.draw(Scene(LIGHT, LOOK, plain_barn(), thin_parts(crate), animal), side_camera())


def test_a_seed_gives_the_same_pictures(renderer: Renderer) -> None:
    first, second = (list(goat_samples(renderer, seed=4, goat_id=2, per_goat=3)) for _ in range(2))
    for one, other in zip(first, second, strict=True):
        assert np.array_equal(one.picture, other.picture)
        assert np.array_equal(one.mask, other.mask)
        assert one.landmarks_px == other.landmarks_px


def test_another_seed_gives_other_pictures(renderer: Renderer) -> None:
    one, other = (next(iter(goat_samples(renderer, seed, 0, 3))) for seed in (1, 2))
    assert not np.array_equal(one.picture, other.picture)


@pytest.mark.parametrize("withers_cm", [44.0, 60.0, 74.0])
def test_withers_and_rump_lie_on_the_upper_edge_of_the_mask(renderer: Renderer, withers_cm: float) -> None:
    build = Build(withers_cm)
    _, mask = draw_side(renderer, build, Crate())
    truth = measure_truth(pose_goat(build, Stance()), COAT.hair_cm)
    for name in ("withers", "rump"):
        x, y = side_camera().project(truth.landmarks[name][None])[0]
        top = np.flatnonzero(mask[:, round(x)])[0]
        assert top == pytest.approx(y, abs=3), name


def test_hooves_stand_on_the_floor(renderer: Renderer) -> None:
    skin = pose_goat(Build(60.0), Stance()).skin
    assert skin.vertices[:, 2].min() == pytest.approx(0.0, abs=0.2)


def test_thin_bars_do_not_change_the_mask(renderer: Renderer) -> None:
    barred = Crate(side_bars=(-20.0, 0.0, 20.0), side_rails=(40.0, 60.0))
    picture, mask = draw_side(renderer, Build(60.0), barred)
    open_picture, open_mask = draw_side(renderer, Build(60.0), replace(barred, side_bars=(), side_rails=()))
    assert np.array_equal(mask, open_mask)
    assert not np.array_equal(picture, open_picture)


def test_the_mask_tells_head_from_body(renderer: Renderer) -> None:
    _, mask = draw_side(renderer, Build(60.0), Crate())
    assert set(np.unique(mask)) == {0, 1, 2}
    head_x, body_x = np.nonzero(mask == 2)[1].mean(), np.nonzero(mask == 1)[1].mean()
    assert head_x < body_x  # seen from its left, an animal that faces the head end looks left
    assert 0.04 < np.mean(mask[mask > 0] == 2) < 0.3


@pytest.mark.parametrize("seed", range(8))
def test_traits_are_those_of_goats(seed: int) -> None:
    rng = np.random.default_rng(seed)
    build, stance, coat = draw_build(rng), draw_stance(rng), draw_coat(rng)
    traits = measure_truth(pose_goat(build, stance), coat.hair_cm).traits
    for name, (low, high) in PLAUSIBLE_CM.items():
        assert low < traits[name] < high, name
    assert traits["waist_width_cm"] <= min(traits["shoulder_width_cm"], traits["rump_width_cm"])
    assert traits["body_width_cm"] >= max(traits["shoulder_width_cm"], traits["rump_width_cm"])


def test_a_tape_round_the_heart_is_a_little_longer_than_an_ellipse_of_its_width_and_depth() -> None:
    posed = pose_goat(Build(60.0), Stance())
    place = trunk_x(posed.build, GIRTH_PLACE)
    across, deep = np.ptp(section(posed.trunk.vertices, posed.trunk.faces, place), axis=0)
    ellipse = np.pi * (3 * (across + deep) - np.sqrt((3 * across + deep) * (across + 3 * deep))) / 2
    found = girth(posed.trunk.vertices, posed.trunk.faces, place)
    assert 1.0 < found / ellipse < 1.04
    # Hair lies under the tape, too.
    short, long = (measure_truth(posed, hair_cm).traits["heart_girth_cm"] for hair_cm in (0.0, 2.0))
    assert long - short == pytest.approx(np.pi * 2.0, rel=0.3)


def test_the_trunk_is_about_as_long_as_the_goat_was_built() -> None:
    traits = measure_truth(pose_goat(Build(60.0, length=1.0), Stance()), 0.0).traits
    assert traits["body_length_cm"] == pytest.approx(60.0, abs=2.0)


def test_a_goat_of_twice_the_size_has_traits_of_twice_the_size() -> None:
    small, large = (measure_truth(pose_goat(Build(size), Stance()), 0.0).traits for size in (40.0, 80.0))
    for name, value in small.items():
        assert large[name] == pytest.approx(2 * value, rel=0.02), name


def test_an_interrupted_run_goes_on_where_it_stopped(renderer: Renderer, tmp_path: Path) -> None:
    simulate(tmp_path, 1, seed=3, size=(128, 96), per_goat=3, coats=tmp_path)
    index = tmp_path / "index.jsonl"
    half = json.loads(index.read_text().splitlines()[0]) | {"goat": 1}
    index.write_text(index.read_text() + json.dumps(half) + '\n{"image": "cut off he')
    assert finished_goats(index, per_goat=3) == {0}
    simulate(tmp_path, 2, seed=3, size=(128, 96), per_goat=3, coats=tmp_path)
    records = [json.loads(line) for line in index.read_text().splitlines()]
    assert [record["goat"] for record in records] == [0, 0, 0, 1, 1, 1]
    assert all(
        (tmp_path / record["image"]).exists() and (tmp_path / record["mask"]).exists() for record in records
    )


def test_a_picture_size_is_width_x_height() -> None:
    assert picture_size("512x384") == (512, 384)
    with pytest.raises(Exception, match="WIDTHxHEIGHT"):
        picture_size("512")


def test_every_skull_has_a_poll() -> None:
    """A large skull with lop ears and long hair, whose mesh has no vertex near the crown, once had none."""
    rng = np.random.default_rng([31, 25, 1])
    build = draw_build(np.random.default_rng([31, 25]))
    posed = pose_goat(build, draw_stance(rng))
    station = draw_station(rng, draw_kind(rng, tuple(KINDS)), build, posed, (448, 336))
    assert station.truth and 0.3 < station.truth.traits["head_height_cm"] / build.withers_cm < 1.8
