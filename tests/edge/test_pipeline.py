"""The way of a capture with the shipped network and the bundled samples, and what happens when a stage fails."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import cv2
import pytest

from edge.app import Station, open_station
from edge.cameras.simulated import SimulatedCamera
from edge.cameras.tended import TendedCamera
from edge.clock import read_clock
from edge.config import Config, load_config
from edge.errors import ConfigError, StoreError
from edge.eye import Eye
from edge.images import read_picture
from edge.keeping.outbox import Outbox
from edge.records import Capture, Picture, Segmentation, Status
from edge.segment import Segmenter
from edge.triggers import new_trigger
from tests.conftest import SAMPLES, jpeg


def press(station: Station, **changes) -> Capture:
    return station.store.press(replace(new_trigger("command"), **changes), station.config.station.id)


def camera(station: Station, view: str) -> SimulatedCamera:
    tended = station.rig.cameras[view]
    assert isinstance(tended, TendedCamera)
    assert isinstance(tended.source, SimulatedCamera)
    return tended.source


def test_a_press_becomes_numbers_pictures_and_an_outbox_entry(station: Station) -> None:
    done = station.serve(press(station, goat_id="Heidi"))
    kept = station.store.capture(done.id)
    assert kept.status is Status.COMPLETED
    assert kept.goat_id == "Heidi"
    assert {image.view for image in kept.images_of("raw")} == {"side", "top", "front"}
    assert {image.view for image in kept.images_of("annotated")} == {"side", "top", "front"}
    for image in kept.images:
        assert station.archive.read(image)
    assert kept.spread_ms is not None
    assert kept.revision is not None
    assert kept.revision.model["sha256"] == station.eye.segmenter.card.sha256
    assert kept.revision.calibration["sha256"] == station.eye.calibration.sha256
    assert [entry.capture_id for entry in Outbox(station.store).due()] == [done.id]


class SeesAScene:
    """The shipped network, but for what it says of how many goats there are."""

    def __init__(self, segmenter: Segmenter, scene: str) -> None:
        self.segmenter, self.scene = segmenter, scene
        self.card, self.finds_goat = segmenter.card, segmenter.finds_goat
        self.finds_person = segmenter.finds_person

    def segment(self, picture: Picture, view: str) -> Segmentation:
        return replace(self.segmenter.segment(picture, view), scene={"one": 0.1, self.scene: 0.9})


@pytest.mark.parametrize(
    ("scene", "code", "reason"),
    [
        ("several", "several_goats", "more than one goat is in the side picture"),
        ("part", "part_of_a_goat", "only a part of the goat is in the side picture"),
    ],
)
def test_what_is_not_one_whole_goat_is_not_measured_and_says_so(
    station: Station, scene: str, code: str, reason: str
) -> None:
    picture = read_picture(SAMPLES / "captures" / "goat_1" / "side.jpg")
    network = SeesAScene(station.eye.segmenter, scene)
    found = Eye(network, station.eye.calibration).examine({"side": picture}).revision  # type: ignore[arg-type]
    assert code in [advice.code for advice in found.advice]
    withers = next(one for one in found.measurements if one.trait == "withers_height_cm")
    assert (withers.value, withers.reason) == (None, reason)


class SeesSomebody(SeesAScene):
    """The shipped network, but for how sure it is that somebody is in the way."""

    person = 0.99

    def segment(self, picture: Picture, view: str) -> Segmentation:
        return replace(super().segment(picture, view), person=self.person)


class SeesNobody(SeesSomebody):
    person = 0.01


@pytest.mark.parametrize(
    ("shown", "scene", "value_is_there"),
    [("captures/goat_1", "one", True), ("captures/goat_1", "part", False), ("empty", "none", False)],
)
def test_somebody_in_the_way_is_named_as_the_cause(
    station: Station, shown: str, scene: str, value_is_there: bool
) -> None:
    picture = read_picture(SAMPLES / shown / "side.jpg")
    network = SeesSomebody(station.eye.segmenter, scene)
    found = Eye(network, station.eye.calibration, "es").examine({"side": picture}).revision  # type: ignore[arg-type]
    assert [(one.code, one.view) for one in found.advice] == [("person_in_the_way", "side")]
    assert "Apártese" in found.advice[0].text
    assert "person_in_the_way" in found.readings[0].warnings
    withers = next(one for one in found.measurements if one.trait == "withers_height_cm")
    assert (withers.value is not None) == value_is_there


def test_a_goat_that_somebody_hides_from_above_is_not_called_hidden_besides(station: Station) -> None:
    picture = read_picture(SAMPLES / "captures" / "goat_1" / "top.jpg")
    rgb = picture.rgb.copy()
    rgb[:, : int(0.62 * rgb.shape[1])] = rgb[:20, :20].mean(axis=(0, 1))
    half, codes = replace(picture, rgb=rgb), []
    for kind in (SeesNobody, SeesSomebody):
        network = kind(station.eye.segmenter, "one")
        found = Eye(network, station.eye.calibration).examine({"top": half})  # type: ignore[arg-type]
        codes.append([one.code for one in found.revision.advice])
    assert "goat_hidden" in codes[0] and "person_in_the_way" not in codes[0]
    assert "goat_hidden" not in codes[1] and "person_in_the_way" in codes[1]


def test_a_blurred_picture_is_named_and_measured_all_the_same(station: Station) -> None:
    picture = read_picture(SAMPLES / "captures" / "goat_1" / "side.jpg")
    soft = replace(picture, rgb=cv2.GaussianBlur(picture.rgb, (0, 0), 0.006 * picture.size[0]))
    found = replace(station.eye, language="es").examine({"side": soft}).revision
    assert [(one.code, one.view) for one in found.advice] == [("blurred", "side")]
    assert "borrosa" in found.advice[0].text
    assert "blurred" in found.readings[0].warnings
    assert next(one for one in found.measurements if one.trait == "withers_height_cm").value is not None


def test_advice_is_given_in_the_stations_language(config_path: Path) -> None:
    text = config_path.read_text().replace("[station]", '[station]\nlanguage = "es"')
    config_path.write_text(text)
    with open_station(load_config(config_path)) as station:
        camera(station, "top").unplugged = True
        done = station.serve(press(station))
        kept = station.store.capture(done.id).revision
    assert kept is not None
    said = {one.code: one for one in kept.advice}
    assert said["no_picture"].text.startswith("No hay foto de arriba: ")
    assert "no frame" in said["no_picture"].details["why"]


def test_one_dead_camera_leaves_the_others_measuring(station: Station) -> None:
    camera(station, "top").unplugged = True
    done = station.serve(press(station))
    assert done.status is Status.COMPLETED
    assert done.revision is not None
    found = {one.trait: one for one in done.revision.measurements}
    assert found["withers_height_cm"].value is not None
    assert "no frame" in str(found["waist_width_cm"].reason)
    assert "no_picture" in [advice.code for advice in done.revision.advice]


def test_a_corrupt_frame_is_kept_as_evidence_and_not_measured(station: Station) -> None:
    camera(station, "side").corrupt = True
    done = station.serve(press(station))
    assert done.status is Status.COMPLETED
    assert len(done.images_of("raw")) == 3
    assert done.revision is not None
    found = {one.trait: one for one in done.revision.measurements}
    assert "damaged image" in str(found["withers_height_cm"].reason)


def test_with_every_camera_dead_the_capture_fails_and_the_next_press_works(station: Station) -> None:
    for view in ("side", "top", "front"):
        camera(station, view).unplugged = True
    failed = station.serve(press(station))
    assert (failed.status, failed.failure) == (Status.FAILED, "no camera gave a picture")
    for view in ("side", "top", "front"):
        camera(station, view).unplugged = False
    assert station.serve(press(station)).status is Status.COMPLETED
    assert len(Outbox(station.store).due()) == 2


def test_a_press_that_waited_too_long_is_missed_not_measured(station: Station) -> None:
    now = read_clock()
    earlier = replace(now.clock, since_boot_s=now.clock.since_boot_s - 60)
    old = press(station, requested_at=now.at - timedelta(seconds=60), clock=earlier)
    done = station.serve(old)
    assert done.status is Status.MISSED
    assert done.images == ()
    assert len(Outbox(station.store).due()) == 1


def test_measuring_again_gives_the_same_numbers_as_a_new_revision(station: Station) -> None:
    first = station.serve(press(station))
    again = station.serve(station.store.ask_again(first.id, "Heidi"))
    kept = station.store.capture(first.id)
    assert kept.revision_number == again.revision_number == 2
    assert kept.goat_id == "Heidi"
    assert first.revision is not None
    assert kept.revision is not None
    assert kept.revision.measurements == first.revision.measurements


def test_measuring_again_without_pictures_keeps_the_numbers_and_says_why(station: Station) -> None:
    first = station.serve(press(station))
    for image in first.images:
        (station.archive.folder / image.path).unlink()
    again = station.serve(station.store.ask_again(first.id, None))
    assert again.status is Status.COMPLETED
    assert "none of its pictures can be read" in str(again.failure)
    assert station.store.capture(first.id).revision == first.revision


def test_a_capture_cut_off_by_a_crash_is_failed_with_its_pictures_kept(config: Config) -> None:
    with open_station(config) as station:
        capture = station.store.begin(press(station))
        station.archive.save(capture.id, "side", "raw", jpeg())
    with open_station(config) as station:
        closed = station.store.capture(capture.id)
        assert closed.status is Status.FAILED
        assert "restarted during this capture" in str(closed.failure)
        assert [image.view for image in closed.images] == ["side"]
        assert station.archive.read(closed.images[0]) == jpeg()
        assert station.serve(press(station)).status is Status.COMPLETED


def test_two_stations_never_share_a_data_folder(station: Station) -> None:
    with pytest.raises(StoreError, match="already running"), open_station(station.config):
        pass


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("calibration = ", 'calibration = "absent.json" #', "no calibration"),
        ("side = ", 'side = "simulated:empty" #', "no \\*/side.jpg"),
        ("side = ", 'side = "magic:3" #', "unknown kind of camera"),
        ("[measure]", '[measure]\nmodel = "absent.toml"', "cannot be read"),
    ],
)
def test_a_station_that_cannot_work_says_so_at_its_start(
    config_path: Path, key: str, value: str, message: str
) -> None:
    config_path.write_text(config_path.read_text().replace(key, value, 1))
    with pytest.raises(ConfigError, match=message), open_station(load_config(config_path)):
        pass
