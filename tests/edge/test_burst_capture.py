"""A press with several shots: all frames on disk first, one result of all of them, also after a crash."""

from __future__ import annotations

import gc
import json
import shutil
import weakref
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image, ImageEnhance

from cloud_sync.daemon import sync_once
from edge.app import Station, open_station
from edge.cameras import Rig
from edge.cameras.simulated import SimulatedCamera
from edge.cameras.tended import TendedCamera
from edge.config import Config, load_config
from edge.errors import StoreError
from edge.keeping.outbox import Outbox
from edge.keeping.store import Store
from edge.records import (
    TRAITS,
    VIEWS,
    Capture,
    Frame,
    Measurement,
    Picture,
    Segmentation,
    Status,
    StoredImage,
)
from edge.segment import Segmenter
from edge.shots import HELD_SHOTS
from edge.triggers import new_trigger
from tests.conftest import CONFIG, SAMPLES, jpeg

CAPTURE = "20261121T140506789Z_barn1"


@pytest.fixture(scope="module")
def postures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One goat in three shots: as it is, 2 % nearer to every camera, and in dimmer light."""
    folder = tmp_path_factory.mktemp("postures")
    for view in VIEWS:
        (folder / "goat").mkdir(exist_ok=True)
        shutil.copy(SAMPLES / "captures" / "goat_1" / f"{view}.jpg", folder / "goat")
        with Image.open(folder / "goat" / f"{view}.jpg") as image:
            nearer = image.crop((16, 12, image.width - 16, image.height - 12)).resize(image.size)
            nearer.save(folder / "goat" / f"{view}_2.jpg", quality=90)
            ImageEnhance.Brightness(image).enhance(0.9).save(folder / "goat" / f"{view}_3.jpg", quality=90)
    return folder


@pytest.fixture
def config(tmp_path: Path, postures: Path) -> Config:
    text = CONFIG.format(samples=SAMPLES).replace(f"{SAMPLES}/captures", str(postures))
    path = tmp_path / "goatdev.toml"
    path.write_text(text.replace("burst_shots = 1", "burst_shots = 3\nburst_s = 0"))
    return load_config(path)


@pytest.fixture
def station(config: Config) -> Iterator[Station]:
    with open_station(config) as station:
        yield station


def pressed(station: Station) -> Capture:
    return station.store.press(new_trigger("command"), station.config.station.id)


def numbers(capture: Capture) -> dict[str, Measurement]:
    assert capture.revision is not None
    return {one.trait: one for one in capture.revision.measurements}


def keys_in_the_cloud(config: Config, capture: Capture) -> set[str]:
    assert sync_once(config) == 0
    folder = config.folder / "cloud" / "goat-captures-local" / "captures" / capture.id
    return {path.name.removeprefix(capture.id) for path in folder.iterdir()}


def test_a_press_keeps_all_shots_measures_them_together_and_delivers_them(station: Station) -> None:
    done = station.serve(pressed(station))
    kept = station.store.capture(done.id)
    assert kept.status is Status.COMPLETED
    assert [image.shot for image in kept.taken("side")] == [1, 2, 3]
    assert len(kept.images_of("raw")) == 9
    assert [image.view for image in kept.images_of("annotated")] == list(VIEWS)
    assert kept.burst_ms is not None
    assert {f"_{view}{later}.jpg" for view in VIEWS for later in ("", "_2", "_3")} == keys_in_the_cloud(
        station.config, done
    )
    key = f"captures/{done.id}/{done.id}_side.jpg"
    first = (station.config.folder / "cloud" / "goat-captures-local" / key).read_bytes()
    assert first == (SAMPLES / "captures" / "goat_1" / "side.jpg").read_bytes()


def test_a_goat_that_came_nearer_in_one_shot_is_measured_between_with_more_doubt(
    station: Station, tmp_path: Path
) -> None:
    together = numbers(station.serve(pressed(station)))
    withers = together["withers_height_cm"]
    each = [numbers(alone(station, tmp_path, shot))["withers_height_cm"] for shot in ("", "_2", "_3")]
    assert min(one.value for one in each) < withers.value < max(one.value for one in each)
    assert withers.u95 > sum(one.u95 for one in each) / 3


def alone(station: Station, tmp_path: Path, shot: str) -> Capture:
    """A capture that has nothing but one shot of the burst."""
    goat = simulated(station, "side").pictures[0].parent
    folder = tmp_path / f"alone{shot}" / "goat"
    folder.mkdir(parents=True)
    for view in VIEWS:
        shutil.copy(goat / f"{view}{shot}.jpg", folder / f"{view}.jpg")
    rig = Rig({view: SimulatedCamera(view, folder.parent) for view in VIEWS})
    return replace(station, rig=rig).serve(pressed(station))


def test_measuring_again_takes_all_shots_and_gives_the_same_numbers(station: Station) -> None:
    first = station.serve(pressed(station))
    again = station.serve(station.store.ask_again(first.id, None))
    assert again.revision_number == 2
    assert numbers(again) == numbers(first)
    assert [image.sha256 for image in again.images_of("annotated")] == [
        image.sha256 for image in first.images_of("annotated")
    ]


class Failing:
    """A simulated camera that gives nothing, or half a picture, in some of its shots."""

    def __init__(
        self, camera: SimulatedCamera, without: tuple[int, ...] = (), torn: tuple[int, ...] = ()
    ) -> None:
        self.camera, self.without, self.torn, self.shots = camera, without, torn, 0

    def shoot(self) -> Frame:
        self.shots += 1
        self.camera.unplugged, self.camera.corrupt = self.shots in self.without, self.shots in self.torn
        return self.camera.shoot()

    def rest(self) -> None:
        self.camera.rest()

    def close(self) -> None:
        self.camera.close()


def failing(station: Station, view: str, **how: tuple[int, ...]) -> None:
    station.rig.cameras[view] = Failing(simulated(station, view), **how)


def simulated(station: Station, view: str) -> SimulatedCamera:
    tended = station.rig.cameras[view]
    assert isinstance(tended, TendedCamera)
    assert isinstance(tended.source, SimulatedCamera)
    return tended.source


def test_a_view_that_missed_the_first_shot_still_has_the_one_picture_of_its_name(station: Station) -> None:
    failing(station, "top", without=(1,))
    failing(station, "front", torn=(2,))
    done = station.serve(pressed(station))
    assert [image.shot for image in done.taken("top")] == [2, 3]
    assert all(numbers(done)[trait.name].value is not None for trait in TRAITS)
    assert done.revision is not None
    said = {one.view: one for one in done.revision.advice}
    assert {view: one.code for view, one in said.items()} == {
        "top": "pictures_missing",
        "front": "pictures_missing",
    }
    assert "gave 2 of 3 pictures: no frame" in said["top"].text
    assert "damaged image" in said["front"].text
    warnings = {reading.view: reading.warnings for reading in done.revision.readings}
    assert warnings == {"side": (), "top": ("pictures_missing",), "front": ("pictures_missing",)}
    keys = keys_in_the_cloud(station.config, done)
    assert {key for key in keys if "top" in key} == {"_top.jpg", "_top_3.jpg"}
    assert {key for key in keys if "front" in key} == {"_front.jpg", "_front_2.jpg", "_front_3.jpg"}
    again = station.serve(station.store.ask_again(done.id, None))
    assert numbers(again) == numbers(done)
    assert keys_in_the_cloud(station.config, done) == keys


def test_a_view_that_missed_every_shot_says_why(station: Station) -> None:
    failing(station, "top", without=(1, 2, 3))
    done = station.serve(pressed(station))
    assert "no frame" in str(numbers(done)["waist_width_cm"].reason)
    assert done.revision is not None
    assert [advice.code for advice in done.revision.advice] == ["no_picture"]


def test_a_kill_between_two_frames_leaves_a_capture_that_can_be_measured_and_delivered(
    config: Config, postures: Path
) -> None:
    """Whatever number of the nine frames reached the disk, each view's first one is the picture of its view."""
    frames = [(view, shot) for shot in (1, 2, 3) for view in VIEWS]
    for kept in (1, 5, 9):
        with open_station(config) as station:
            capture = station.store.begin(pressed(station))
            for view, shot in frames[:kept]:
                station.archive.save(capture.id, view, "raw", jpeg(colour=(kept, shot, 7)), shot)
        with open_station(config) as station:
            closed = station.store.capture(capture.id)
            assert (closed.status, len(closed.images)) == (Status.FAILED, kept)
            names = {f"_{view}{'' if shot == 1 else f'_{shot}'}.jpg" for view, shot in frames[:kept]}
            assert keys_in_the_cloud(config, closed) == names
            again = station.serve(station.store.ask_again(capture.id, None))
            assert again.status is Status.COMPLETED
            assert keys_in_the_cloud(config, again) == names


def test_frames_that_cannot_be_written_end_the_station_before_anything_is_measured(station: Station) -> None:
    station.archive.folder = station.config.folder / "goatdev.toml"  # a file where a folder should be
    capture = pressed(station)
    with pytest.raises(StoreError):
        station.serve(capture)
    assert station.store.capture(capture.id).status is Status.PROCESSING


class WatchingNetwork:
    """The shipped network; counts how many pictures of earlier shots are in memory whenever it is shown another."""

    def __init__(self, segmenter: Segmenter) -> None:
        self.segmenter, self.card, self.finds_goat = segmenter, segmenter.card, segmenter.finds_goat
        self.finds_person = segmenter.finds_person
        self.shown: list[weakref.ref] = []
        self.in_memory: list[int] = []

    def segment(self, picture: Picture, view: str) -> Segmentation:
        if view == VIEWS[0]:
            gc.collect()
            self.in_memory.append(sum(one() is not None for one in self.shown))
        self.shown.append(weakref.ref(picture.rgb))
        return self.segmenter.segment(picture, view)


def test_of_a_long_burst_only_the_last_shots_are_in_memory(station: Station) -> None:
    network = WatchingNetwork(station.eye.segmenter)
    station.rig.burst_shots = 6
    replace(station, eye=replace(station.eye, segmenter=network)).serve(pressed(station))  # type: ignore[arg-type]
    assert len(network.shown) == 6 * len(VIEWS)
    assert network.in_memory == [min(shot, HELD_SHOTS - 1) * len(VIEWS) for shot in range(6)]


# What older versions left.

OLD_ROWS = """
INSERT INTO captures (id, status, trigger_id, source, requested_at, revision, spread_ms)
VALUES ('{id}', 'completed', 'press-1', 'mqtt', '2026-11-21T14:05:06.789000+00:00', 2, 12.5);
INSERT INTO images VALUES ('{id}', 'raw', 'side', 0, '{raw.path}', '{raw.sha256}', 640, 480, {raw.size_bytes});
INSERT INTO images VALUES ('{id}', 'annotated', 'side', 1, 'old.jpg', '0', NULL, NULL, 7);
INSERT INTO images VALUES ('{id}', 'annotated', 'side', 2, '{raw.path}', '1', NULL, NULL, 7);
INSERT INTO revisions VALUES ('{id}', 2, '', '[]', '[]', '{{}}', '{{"kinds": {{}}}}', 'goatdev 0.0');
INSERT INTO measurements VALUES ('{id}', 2, 'withers_height_cm', 61.2, 0.8, 0.9, '["side"]', NULL);
INSERT INTO outbox (capture_id, sequence, document, next_attempt_at) VALUES ('{id}', 0, '{document}', '');
"""


def old_database(config: Config, raw: StoredImage) -> None:
    """A database as the version before bursts left it, with a delivery still due."""
    import sqlite3

    from sqlite_utils import Database

    from edge.keeping.schema import migrations

    document = json.dumps({"images": [{"view": "side", "kind": "raw", "sha256": raw.sha256}]})
    connection = sqlite3.connect(config.database_path, isolation_level=None)
    migrations.apply(Database(connection), stop_before="bursts")
    connection.executescript(OLD_ROWS.format(id=CAPTURE, raw=raw, document=document))
    connection.close()


def test_a_database_from_before_bursts_is_upgraded_with_its_rows(config: Config) -> None:
    with open_station(config) as station:
        raw = station.archive.save(CAPTURE, "side", "raw", jpeg())
    for path in config.data_dir.glob("station.db*"):
        path.unlink()
    old_database(config, raw)
    with Store(config.database_path) as store:
        kept = store.capture(CAPTURE)
        assert kept.images[0] == raw
        assert [(image.kind, image.sha256, image.shot) for image in kept.images[1:]] == [
            ("annotated", "1", 1)
        ]
        assert (kept.spread_ms, kept.burst_ms) == (12.5, None)
        assert numbers(kept)["withers_height_cm"].value == 61.2
        assert Outbox(store).backlog() == {"due": 1}
    assert keys_in_the_cloud(config, kept) == {"_side.jpg"}
    with open_station(config) as station:
        again = station.serve(station.store.ask_again(CAPTURE, None))
        assert (again.status, again.revision_number) == (Status.COMPLETED, 3)


def test_a_picture_is_found_by_shot_even_when_two_shots_are_the_same(station: Station) -> None:
    images = [station.archive.save(CAPTURE, "side", "raw", jpeg(), shot) for shot in (1, 2, 9)]
    assert len({image.path for image in images}) == 3
    assert [image.shot for image in station.archive.images_of(CAPTURE)] == [2, 9, 1]
    for image in images:
        assert station.archive.read_named(CAPTURE, "side", "raw", image.sha256, image.shot) == jpeg()
