"""Delivery into a folder: images before the result, each object once, later is not never."""

from __future__ import annotations

import json
import os
from pathlib import Path
from threading import Event, Thread

import pytest

from cloud_sync.daemon import Link, deliver_due, run_sync, sync_once, wait_after
from cloud_sync.folder import FolderCloud
from edge.config import Config, load_config
from edge.errors import ConfigError, DeliveryDelayed, DeliveryRefused
from edge.keeping.archive import Archive
from edge.keeping.locks import held
from edge.keeping.outbox import Outbox
from edge.keeping.store import Store
from edge.records import Capture, Measurement, Revision
from edge.triggers import new_trigger
from tests.conftest import jpeg
from tests.live import wait_until

REVISION = Revision((Measurement("withers_height_cm", ("side",), 61.2, 5.0, 0.9),), (), (), {}, {}, "test")


@pytest.fixture
def store(config: Config):
    with Store(config.database_path) as store:
        yield store


def captured(store: Store, archive: Archive) -> Capture:
    """One completed capture with a raw and an annotated picture."""
    capture = store.begin(store.press(new_trigger("command"), "barn1"))
    images = tuple(archive.save(capture.id, "side", kind, jpeg()) for kind in ("raw", "annotated"))
    done = capture.with_shot(images, 0.0).completed(REVISION)
    store.close_capture(done)
    return done


class RecordingCloud(FolderCloud):
    """A folder that notes the order of what it gets, and fails on request."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.keys: list[str] = []
        self.down = False

    def put(self, bucket: str, key: str, content: bytes) -> str:
        if self.down:
            raise DeliveryDelayed("no route to the cloud")
        self.keys.append(key)
        return super().put(bucket, key, content)


def test_images_arrive_before_the_result_that_names_them(config: Config, store: Store) -> None:
    archive, cloud = Archive(config.image_folder), RecordingCloud(config.folder / "cloud")
    done = captured(store, archive)
    assert deliver_due(Outbox(store), archive, cloud, Link()) == 1
    assert cloud.keys == [
        f"captures/{done.id}/{done.id}_side.jpg",
        f"processed/{done.id}/{done.id}_side_annotated.jpg",
        f"processed/{done.id}/result.json",
    ]


def test_delivering_twice_changes_nothing(config: Config, store: Store) -> None:
    archive, cloud = Archive(config.image_folder), FolderCloud(config.folder / "cloud")
    captured(store, archive)
    deliver_due(Outbox(store), archive, cloud, Link())
    before = {path: path.read_bytes() for path in cloud.root.rglob("*.*")}
    store.db.execute("UPDATE outbox SET state = 'due'")
    deliver_due(Outbox(store), archive, cloud, Link())
    assert {path: path.read_bytes() for path in cloud.root.rglob("*.*")} == before
    assert Outbox(store).backlog() == {"delivered": 1}


def test_a_goat_that_is_named_later_is_delivered_beside_the_first_result(
    config: Config, store: Store
) -> None:
    archive, cloud = Archive(config.image_folder), FolderCloud(config.folder / "cloud")
    done = captured(store, archive)
    deliver_due(Outbox(store), archive, cloud, Link())
    store.label(done.id, lambda capture: capture.named("982000001088420", "later"))
    assert deliver_due(Outbox(store), archive, cloud, Link()) == 1
    folder = config.folder / "cloud" / "goat-processed-local" / "processed" / done.id
    first, update = (json.loads((folder / place / "result.json").read_text()) for place in (".", "updates/1"))
    assert (first["goat_id"], update["goat_id"]) == (None, "982000001088420")
    assert update["goat_id_source"] == "later"
    assert update["measurements"] == first["measurements"]
    assert Outbox(store).backlog() == {"delivered": 2}


def test_a_lost_link_is_waited_for_and_then_everything_arrives(
    config: Config, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    archive, cloud, link = Archive(config.image_folder), RecordingCloud(config.folder / "cloud"), Link()
    captured(store, archive)
    captured(store, archive)
    cloud.down = True
    for _ in range(3):
        store.db.execute("UPDATE outbox SET next_attempt_at = ''")
        assert deliver_due(Outbox(store), archive, cloud, link) == 0
    cloud.down = False
    store.db.execute("UPDATE outbox SET next_attempt_at = ''")
    assert deliver_due(Outbox(store), archive, cloud, link) == 2
    messages = [record.message for record in caplog.records]
    assert sum("is lost" in message for message in messages) == 1
    assert sum("is back" in message for message in messages) == 1


def test_what_can_never_be_delivered_is_parked_and_the_rest_goes_on(config: Config, store: Store) -> None:
    archive, cloud = Archive(config.image_folder), FolderCloud(config.folder / "cloud")
    damaged, whole = captured(store, archive), captured(store, archive)
    (archive.folder / damaged.images[0].path).write_bytes(b"changed on disk")
    assert deliver_due(Outbox(store), archive, cloud, Link()) == 1
    outbox = Outbox(store)
    assert (outbox.state_of(damaged.id), outbox.state_of(whole.id)) == ("parked", "delivered")


def test_an_object_is_never_overwritten_with_other_content(tmp_path: Path) -> None:
    cloud = FolderCloud(tmp_path)
    cloud.put("captures", "captures/x/x_side.jpg", b"first")
    with pytest.raises(DeliveryRefused, match="other content"):
        cloud.put("captures", "captures/x/x_side.jpg", b"second")
    assert (tmp_path / "goat-captures-local/captures/x/x_side.jpg").read_bytes() == b"first"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_a_delay(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(DeliveryDelayed):
        FolderCloud(tmp_path / "cloud").put("captures", "a", b"x")


def test_a_destination_that_is_a_file_is_a_delay_not_a_crash(tmp_path: Path) -> None:
    (tmp_path / "cloud").write_text("a file")
    with pytest.raises(DeliveryDelayed):
        FolderCloud(tmp_path / "cloud").put("captures", "a/b", b"x")


def test_a_new_revision_is_delivered_beside_the_first(config: Config, store: Store) -> None:
    archive, cloud = Archive(config.image_folder), FolderCloud(config.folder / "cloud")
    done = captured(store, archive)
    deliver_due(Outbox(store), archive, cloud, Link())
    again = store.begin(store.ask_again(done.id, "Heidi"))
    store.close_capture(again.completed(REVISION))
    deliver_due(Outbox(store), archive, cloud, Link())
    folder = cloud.root / "goat-processed-local" / "processed" / done.id
    first = json.loads((folder / "result.json").read_text())
    second = json.loads((folder / "updates" / "1" / "result.json").read_text())
    assert (first["revision"], first["goat_id"]) == (1, None)
    assert (second["revision"], second["goat_id"]) == (2, "Heidi")


def test_waiting_doubles_up_to_five_minutes() -> None:
    assert 0.5 <= wait_after(0) <= 1.0
    assert all(150 <= wait_after(attempts) <= 300 for attempts in (9, 50, 5000))


def test_sync_needs_a_destination(config_path: Path) -> None:
    config_path.write_text(config_path.read_text().replace('destination = "folder:cloud"', ""))
    with pytest.raises(ConfigError, match="nowhere to deliver to"):
        sync_once(load_config(config_path))


def test_a_daemon_takes_over_from_one_that_is_slow_to_end(
    config: Config, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    captured(store, Archive(config.image_folder))
    stop = Event()
    daemon = Thread(target=run_sync, args=(config, stop))
    with held(config.sync_lock, "", ""):
        daemon.start()
        wait_until(lambda: "takes over" in caplog.text)
        assert Outbox(store).backlog() == {"due": 1}
    wait_until(lambda: Outbox(store).backlog() == {"delivered": 1})
    stop.set()
    daemon.join(timeout=10)
    assert not daemon.is_alive()


def test_a_daemon_that_waits_for_another_ends_when_told(config: Config, store: Store) -> None:
    captured(store, Archive(config.image_folder))
    stop = Event()
    daemon = Thread(target=run_sync, args=(config, stop))
    with held(config.sync_lock, "", ""):
        daemon.start()
        stop.set()
        daemon.join(timeout=10)
        assert not daemon.is_alive()
    assert Outbox(store).backlog() == {"due": 1}


def test_a_daemon_that_is_told_to_stop_finishes_only_the_capture_it_is_at(
    config: Config, store: Store
) -> None:
    archive, stop = Archive(config.image_folder), Event()
    captured(store, archive)
    captured(store, archive)

    class StoppingCloud(FolderCloud):
        def put(self, bucket: str, key: str, content: bytes) -> str:
            stop.set()
            return super().put(bucket, key, content)

    cloud = StoppingCloud(config.folder / "cloud")
    assert deliver_due(Outbox(store), archive, cloud, Link(), stop) == 1
    assert Outbox(store).backlog() == {"delivered": 1, "due": 1}


def test_the_daemon_delivers_until_it_is_told_to_stop(config: Config, store: Store) -> None:
    captured(store, Archive(config.image_folder))
    stop = Event()
    daemon = Thread(target=run_sync, args=(config, stop))
    daemon.start()
    wait_until(lambda: Outbox(store).backlog() == {"delivered": 1})
    stop.set()
    daemon.join(timeout=10)
    assert not daemon.is_alive()
    assert Outbox(store).backlog() == {"delivered": 1}
