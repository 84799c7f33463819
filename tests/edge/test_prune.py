"""Pictures are removed only with the cloud's receipt in hand, oldest first, and so that a crash loses nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloud_sync.daemon import Link, deliver_due
from cloud_sync.folder import FolderCloud
from dashboard import create_app
from edge import pipeline
from edge.app import Station
from edge.chores import Patient
from edge.cli import main
from edge.config import Config
from edge.keeping.archive import Archive
from edge.keeping.census import Census
from edge.keeping.copies import Copies
from edge.keeping.disk import Disk, Reserve, disk_below
from edge.keeping.outbox import Outbox
from edge.keeping.prune import MARK_PRUNED, Pruning, all_prunable, prunable, prune, read_note
from edge.keeping.store import Store
from edge.records import Capture, Measurement, Revision, Status
from edge.settings import DiskConfig
from edge.triggers import new_trigger
from tests.conftest import jpeg
from tests.edge.small_disks import SmallDisk, mounted

REVISION = Revision(
    (Measurement("withers_height_cm", ("side",), 61.2, 5.0, 0.9),),
    (),
    (),
    {"name": "m", "version": "1"},
    {"sha256": "c", "kinds": {}},
    "test",
)


class Barn:
    """A store with captures of two pictures each, and a cloud."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.store = Store(config.database_path)
        self.archive = Archive(config.image_folder)
        self.cloud = FolderCloud(config.folder / "cloud")
        self.made = 0

    def captured(self, goat_id: str | None = None, size: int = 640) -> Capture:
        self.made += 1
        capture = self.store.begin(self.store.press(new_trigger("command", goat_id), "barn1"))
        colours = {"raw": (self.made, 9, 7), "annotated": (self.made, 99, 7)}
        images = [
            self.archive.save(capture.id, "side", kind, jpeg(size if kind == "raw" else 64, 480, colour))
            for kind, colour in colours.items()
        ]
        self.store.close_capture(capture.with_shot(tuple(images), 0.0).completed(REVISION))
        return self.store.capture(capture.id)

    def delivered(self, goat_id: str | None = None, size: int = 640) -> Capture:
        capture = self.captured(goat_id, size)
        self.deliver()
        return self.store.capture(capture.id)

    def deliver(self) -> int:
        self.copy()
        return deliver_due(Outbox(self.store), self.archive, self.cloud, Link())

    def copy(self) -> None:
        copies = Copies(self.store, self.archive)
        while copies.write_next():
            pass

    def file(self, capture: Capture) -> Path:
        return self.archive.folder / capture.images_of("raw")[0].path

    def may_go(self) -> list[str]:
        return [one.capture_id for one in all_prunable(self.store)]

    def prune(self, capture: Capture) -> None:
        going = prunable(self.store, capture.id)
        assert going is not None
        assert prune(self.store, self.archive, going)


@pytest.fixture
def barn(config: Config) -> Iterator[Barn]:
    barn = Barn(config)
    yield barn
    barn.store.close()


def test_only_what_has_a_receipt_for_its_own_hash_may_go(barn: Barn) -> None:
    delivered, owed = barn.delivered(), barn.captured()
    barn.copy()
    assert barn.may_go() == [delivered.id]
    other = barn.delivered()
    row = barn.store.one("SELECT MAX(outbox_id) AS id, objects FROM receipts")
    assert row is not None
    objects = dict.fromkeys(json.loads(row["objects"]), "0" * 64)
    barn.store.db.execute(
        "UPDATE receipts SET objects = ? WHERE outbox_id = ?", [json.dumps(objects), row["id"]]
    )
    assert barn.may_go() == [delivered.id, owed.id]
    assert other.id not in barn.may_go()


def test_what_is_still_owed_parked_waiting_or_without_a_copy_stays(barn: Barn) -> None:
    labelled, parked, queued, uncopied = (barn.delivered() for _ in range(4))
    barn.store.label(labelled.id, lambda one: one.named("Heidi", "later"))
    barn.store.db.execute("UPDATE outbox SET state = 'parked' WHERE capture_id = ?", [parked.id])
    barn.store.ask_again(queued.id, None)
    newest = barn.store.number("SELECT MAX(id) AS number FROM outbox WHERE capture_id = ?", [uncopied.id])
    barn.store.db.execute("UPDATE cursors SET outbox_id = ? WHERE name = 'copies'", [newest - 1])
    assert barn.may_go() == []


def test_pictures_of_a_pinned_goat_stay(barn: Barn) -> None:
    kept, other = barn.delivered("Heidi"), barn.delivered("Flori")
    assert barn.may_go() == [kept.id, other.id]
    barn.store.pin("Heidi", "Ana")
    assert barn.may_go() == [other.id]
    barn.store.unpin("Heidi", "Ana")
    assert barn.may_go() == [kept.id, other.id]


def test_numbers_annotated_pictures_documents_and_hashes_stay(barn: Barn) -> None:
    before = barn.delivered()
    barn.prune(before)
    after = barn.store.capture(before.id)
    assert not barn.file(before).exists()
    assert after.pruned_at is not None
    assert [one.sha256 for one in after.images] == [one.sha256 for one in before.images]
    assert after.revision == before.revision
    assert barn.archive.read(after.images_of("annotated")[0])
    folder = barn.archive.folder_of(before.id)
    assert json.loads((folder / "result.json").read_text())["capture_id"] == before.id
    note = read_note(folder)
    assert note is not None
    assert set(note["receipts"]) == {barn.cloud.name}


@pytest.fixture
def small(config: Config) -> Iterator[SmallDisk]:
    with mounted(config.data_dir, "size=8m") as disk:
        yield disk


def pruning(barn: Barn) -> Pruning:
    census = Census(barn.store, barn.archive)
    while not census.is_done:
        census.look_at_next_day()
    return Pruning(barn.store, barn.archive, DiskConfig(), census)


def turns(chore: Pruning) -> list[str]:
    done = []
    for _ in range(200):
        going = chore.prune_next()
        if going is not None:
            done.append(going.capture_id)
    return done


def test_a_disk_that_is_ninety_percent_full_is_pruned_to_a_little_below_oldest_first(
    small: SmallDisk, config: Config
) -> None:
    barn = Barn(config)
    captures = [barn.delivered(size=4000) for _ in range(20)]
    chore = pruning(barn)
    small.fill_to(0.895)
    assert turns(chore) == []
    small.fill_to(0.905)
    gone = turns(chore)
    assert gone == [one.id for one in captures[: len(gone)]]
    assert 0 < len(gone) < 20
    assert 0.85 < disk_below(config.data_dir).used < 0.88
    assert turns(chore) == []
    barn.store.close()


def test_a_full_disk_with_nothing_to_prune_is_said_once(
    small: SmallDisk, config: Config, caplog: pytest.LogCaptureFixture
) -> None:
    barn = Barn(config)
    owed = barn.captured()
    small.fill_to(0.92)
    assert turns(pruning(barn)) == []
    assert caplog.text.count("nothing more to prune") == 1
    assert barn.file(owed).exists()
    barn.store.close()


def test_nothing_is_pruned_while_captures_on_disk_are_unknown(small: SmallDisk, config: Config) -> None:
    barn = Barn(config)
    barn.delivered()
    (config.image_folder / "20200101" / "20200101T000000000Z_barn1").mkdir(parents=True)
    chore = pruning(barn)
    small.fill_to(0.92)
    assert turns(chore) == []
    assert main(["prune", "--now", "--config", str(config.folder / "goatdev.toml")]) == 1
    assert main(["prune", "--dry-run", "--config", str(config.folder / "goatdev.toml")]) == 1
    barn.store.close()


def test_pruning_works_on_a_disk_without_any_room(config: Config) -> None:
    """Its note and its rows need room before they give any: the reserve."""
    with mounted(config.data_dir, "size=24m") as disk:
        barn = Barn(config)
        oldest, *_ = (barn.delivered(size=4000) for _ in range(3))
        reserve = Reserve(config.reserve_path, config.disk)
        reserve.keep()
        chore = Patient(pruning(barn).prune_next, reserve.give_up)
        disk.leave(0)
        for _ in range(5):
            chore()
        assert not barn.file(oldest).exists()
        assert barn.store.capture(oldest.id).pruned_at is not None
        barn.store.close()


def noted_only(barn: Barn, capture: Capture) -> None:
    """A crash after the note."""
    going = prunable(barn.store, capture.id)
    assert going is not None
    note = {"capture_id": capture.id, "pruned_at": "2026-11-22", "images": [], "receipts": going.receipts}
    (barn.archive.folder_of(capture.id) / "pruned.json").write_text(json.dumps(note))


def marked_only(barn: Barn, capture: Capture) -> None:
    """A crash after the rows."""
    noted_only(barn, capture)
    row = {"id": capture.id, "path": capture.images_of("raw")[0].path, "at": "2026-11-22T04:00:00+00:00"}
    with barn.store.transaction():
        barn.store.db.execute(MARK_PRUNED, row)


@pytest.mark.parametrize("crash", [noted_only, marked_only], ids=lambda one: one.__name__)
def test_a_crash_between_two_steps_leaves_no_row_that_claims_a_file_which_is_gone(barn: Barn, crash) -> None:
    capture = barn.delivered()
    crash(barn, capture)
    stored = barn.store.capture(capture.id)
    assert barn.file(capture).exists()
    chore = pruning(barn)  # the next start
    if stored.pruned_at is None:
        assert barn.file(capture).exists()
        barn.prune(capture)
    assert not barn.file(capture).exists()
    assert barn.store.capture(capture.id).pruned_at is not None
    assert chore.prune_next() is None


def test_a_capture_that_somebody_asks_to_measure_again_in_the_middle_is_not_pruned(barn: Barn) -> None:
    capture = barn.delivered()
    going = prunable(barn.store, capture.id)
    assert going is not None
    barn.store.ask_again(capture.id, None)
    assert not prune(barn.store, barn.archive, going)
    assert barn.file(capture).exists()


def test_measuring_a_pruned_capture_again_says_where_its_pictures_are(station: Station) -> None:
    capture = station.serve(station.store.press(new_trigger("command"), "barn1"))
    Copies(station.store, station.archive).write_next()
    deliver_due(Outbox(station.store), station.archive, FolderCloud(station.config.folder / "cloud"), Link())
    going = prunable(station.store, capture.id)
    assert going is not None
    prune(station.store, station.archive, going)
    client = create_app(station.config).test_client()
    asked = client.post(f"/api/v1/process/{capture.id}")
    assert asked.status_code == 409
    assert "were pruned on" in asked.json["error"]
    assert f"captures/{capture.id}/" in asked.json["hint"]

    again = pipeline.measure_again(
        station.store.capture(capture.id), station.archive, station.eye, station.store
    )
    assert (again.status, again.revision_number) == (Status.COMPLETED, 1)
    assert "were pruned on" in (station.store.capture(capture.id).failure or "")


def test_the_dashboard_says_so_instead_of_showing_a_broken_picture(barn: Barn) -> None:
    capture = barn.delivered()
    client = create_app(barn.config).test_client()
    address = client.get(f"/api/v1/results/{capture.id}").json["image_urls"]["side"]["raw"]
    barn.prune(capture)
    answer = client.get(address)
    assert (answer.status_code, "was pruned on" in answer.text) == (410, True)
    page = client.get(f"/captures/{capture.id}").text
    assert "pruned on" in page
    assert address not in page
    assert "Measure these pictures again" not in page
    document = client.get(f"/api/v1/results/{capture.id}").json
    assert document["image_urls"]["side"]["raw"] is None
    assert document["image_urls"]["side"]["annotated"]
    assert document["pruned_at"]


class CountingCloud(FolderCloud):
    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.keys: list[str] = []

    def put(self, bucket: str, key: str, content: bytes) -> str:
        self.keys.append(key)
        return super().put(bucket, key, content)


@pytest.mark.parametrize("is_pruned", [False, True])
def test_a_late_name_is_delivered_without_sending_the_pictures_again(barn: Barn, is_pruned: bool) -> None:
    capture = barn.delivered()
    if is_pruned:
        barn.prune(capture)
    barn.store.label(capture.id, lambda one: one.named("Heidi", "later"))
    cloud = CountingCloud(barn.cloud.root)
    assert deliver_due(Outbox(barn.store), barn.archive, cloud, Link()) == 1
    assert not [key for key in cloud.keys if key.startswith("captures/")]
    path = barn.cloud.root / "goat-processed-local" / "processed" / capture.id / "updates/1/result.json"
    update = json.loads(path.read_text())
    assert update["goat_id"] == "Heidi"
    assert update["objects"][f"captures/{capture.id}/{capture.id}_side.jpg"]


def test_after_a_change_of_destination_a_pruned_picture_is_named_by_no_result_there(barn: Barn) -> None:
    capture = barn.delivered()
    barn.prune(capture)
    barn.store.label(capture.id, lambda one: one.named("Heidi", "later"))
    elsewhere = FolderCloud(barn.config.folder / "elsewhere")
    assert deliver_due(Outbox(barn.store), barn.archive, elsewhere, Link()) == 1
    path = elsewhere.root / "goat-processed-local" / "processed" / capture.id / "updates/1/result.json"
    assert not [key for key in json.loads(path.read_text())["objects"] if key.startswith("captures/")]


def test_prune_by_hand_says_what_could_go_and_does_it(barn: Barn, capsys: pytest.CaptureFixture[str]) -> None:
    capture, owed = barn.delivered(), barn.captured()
    config = str(barn.config.folder / "goatdev.toml")
    assert main(["prune", "--dry-run", "--json", "--config", config]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["captures"], said["pictures"]) == (1, 1)
    assert barn.file(capture).exists()
    assert main(["prune", "--now", "--config", config]) == 0
    assert "1 pictures of 1 captures" in capsys.readouterr().out
    assert not barn.file(capture).exists()
    assert barn.file(owed).exists()


def test_how_full_a_disk_is_follows_what_runs_out_first() -> None:
    assert Disk(0.5, 0.9, False).used == 0.9
