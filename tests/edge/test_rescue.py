"""A database that is lost or damaged: nothing is removed, it is said in red, and a rescue brings everything back."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from cloud_sync.daemon import sync_once
from dashboard import create_app
from edge.app import Station, open_station
from edge.cli import main
from edge.config import Config, load_config
from edge.document import capture_document
from edge.errors import DatabaseDamaged
from edge.keeping.archive import Archive
from edge.keeping.copies import Copies
from edge.keeping.damage import noted_damage
from edge.keeping.locks import held
from edge.keeping.outbox import Outbox
from edge.keeping.prune import prunable, prune
from edge.keeping.rescue import find, take_in
from edge.keeping.store import Store
from edge.records import Capture, Said, Status, Weight
from edge.triggers import new_trigger
from tests.conftest import CONFIG, REPO, SAMPLES


def measured(station: Station, goat_id: str | None = None) -> Capture:
    done = station.serve(station.store.press(new_trigger("command", goat_id), "barn1"))
    return station.store.capture(done.id)


def all_documents(store: Store) -> dict[str, dict]:
    """id -> document as it is told now."""
    return {one.id: capture_document(one) for one in store.captures(limit=1000)}


def owed(store: Store) -> list[tuple[str, int, str]]:
    rows = store.all("SELECT capture_id, sequence, document FROM outbox ORDER BY capture_id, sequence")
    return [(row["capture_id"], row["sequence"], row["document"]) for row in rows]


def copied(config: Config) -> None:
    """What the station's chore does between presses."""
    with Store(config.database_path) as store:
        copies = Copies(store, Archive(config.image_folder))
        while copies.write_next():
            pass


@pytest.fixture(scope="session")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three captures: named later, measured again and corrected, missed; the first documents of two are delivered."""
    folder = tmp_path_factory.mktemp("kept")
    path = folder / "goatdev.toml"
    path.write_text(CONFIG.format(samples=SAMPLES))
    config = load_config(path)
    with open_station(config) as station:
        first = measured(station, "Heidi")
        second = measured(station)
        assert sync_once(config) == 0
        station.store.label(first.id, lambda capture: capture.named("MN0123", "later"))
        station.store.ask_again(second.id, None)
        station.serve(station.store.capture(second.id))
        station.store.label(second.id, lambda one: one.named("Flori", "later"))
        station.store.correct(second.id, Said("withers_height_cm", 62.5, "Ana", "stick"))
        station.store.correct(second.id, Said("rump_height_cm", 61.0, "Ana", "stick"))
        station.store.correct(second.id, Said("rump_height_cm", None, "Ben", "that was another goat"))
        station.store.pin("Flori", "Ana")
        missed = station.store.press(new_trigger("command", weight=Weight(50.0, "typed", "50 kg")), "barn1")
        station.store.close_capture(missed.missed("too late", "press again"))
    copied(config)
    return folder


@pytest.fixture
def barn(kept: Path, tmp_path: Path) -> Config:
    """The same station in a folder of its own."""
    shutil.copytree(kept, tmp_path / "barn")
    return load_config(tmp_path / "barn" / "goatdev.toml")


def lose(config: Config) -> None:
    for path in config.data_dir.glob("station.db*"):
        path.unlink()


def pages(config: Config) -> FlaskClient:
    return create_app(config).test_client()


def database_state(client: FlaskClient) -> str:
    checks = client.get("/api/v1/health").json["checks"]
    return next(check["state"] for check in checks if check["name"] == "database")


def rescued(config: Config) -> None:
    assert main(["rescue", "--config", str(config.folder / "goatdev.toml")]) == 0


def files(config: Config) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in config.image_folder.rglob("*.jpg")}


def test_after_the_loss_of_the_database_a_rescue_brings_the_same_numbers_and_nothing_is_parked(
    barn: Config, caplog: pytest.LogCaptureFixture
) -> None:
    with Store(barn.database_path) as store:
        before, owed_before = all_documents(store), owed(store)
    pictures = files(barn)
    lose(barn)
    with open_station(barn) as station:
        assert station.store.unknown() == 3
        assert "The database is missing: 3 captures on disk are not in it" in caplog.text
        new = measured(station)
    for address in ("/", "/history", "/goats", "/cameras"):
        assert "3 captures on disk are not in it" in pages(barn).get(address).text
    assert pages(barn).get("/api/v1/health").status_code == 503
    rescued(barn)
    assert files(barn).items() >= pictures.items()
    with Store(barn.database_path) as store:
        after = all_documents(store)
        assert new.id in after
        assert {one: after[one] for one in before} == before
        assert [one for one in owed(store) if one[0] != new.id] == owed_before
        revisions = store.all("SELECT capture_id, revision FROM revisions ORDER BY 1, 2")
        assert [row["revision"] for row in revisions] == [1, 1, 2, 1]
    assert 'id="alarm"' not in pages(barn).get("/").text
    assert sync_once(barn) == 0
    with Store(barn.database_path) as store:
        assert set(Outbox(store).backlog()) == {"delivered"}


def test_a_second_rescue_changes_nothing(barn: Config, capsys: pytest.CaptureFixture[str]) -> None:
    lose(barn)
    rescued(barn)
    with Store(barn.database_path) as store:
        before = owed(store)
    rescued(barn)
    assert "nothing to rescue" in capsys.readouterr().out
    with Store(barn.database_path) as store:
        assert owed(store) == before


def test_a_new_station_is_no_successor(config: Config) -> None:
    with open_station(config) as station:
        assert station.store.unknown() == 0
    assert 'id="alarm"' not in pages(config).get("/").text
    assert database_state(pages(config)) == "ok"


@pytest.mark.parametrize("first", ["dashboard", "sync", "command"])
def test_whoever_comes_first_after_the_loss_knows_that_there_was_another_database(
    barn: Config, first: str
) -> None:
    lose(barn)
    match first:
        case "dashboard":
            pages(barn).get("/")
        case "sync":
            sync_once(barn)
        case "command":
            main(["captures", "--config", str(barn.folder / "goatdev.toml")])
    with Store(barn.database_path) as store:
        assert store.unknown() == 3
    assert "captures on disk are not in it" in pages(barn).get("/").text


def test_the_banner_speaks_the_language_of_the_station(barn: Config) -> None:
    path = barn.folder / "goatdev.toml"
    path.write_text(path.read_text().replace('id = "barn1"', 'id = "barn1"\nlanguage = "es"'))
    lose(barn)
    text = pages(load_config(path)).get("/").text
    assert "Falta la base de datos: 3 capturas del disco no están en ella" in text
    assert "<code>goatdev rescue</code>" in text


def test_ids_of_a_successor_come_after_those_on_disk_even_when_the_clock_is_behind(barn: Config) -> None:
    folder = barn.image_folder / "20990101" / "20990101T000000000Z_barn1"
    folder.mkdir(parents=True)
    lose(barn)
    with Store(barn.database_path) as store:
        assert store.press(new_trigger("command"), "barn1").id > folder.name


def test_an_older_database_put_back_is_noticed_at_the_next_start(barn: Config) -> None:
    older = barn.data_dir / "older.db"
    with Store(barn.database_path) as store:
        store.db.execute("VACUUM INTO ?", [str(older)])
    with open_station(barn) as station:
        newer = measured(station)
    copied(barn)
    lose(barn)
    older.rename(barn.database_path)
    with open_station(barn) as station:
        for _ in range(20):
            station.chores.do_next()
        assert station.store.unknown() == 1
    rescued(barn)
    with Store(barn.database_path) as store:
        assert store.capture(newer.id).status is Status.COMPLETED


def header(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(b"\0" * 100)


def middle(path: Path) -> None:
    with path.open("r+b") as file:
        for page in range(4, path.stat().st_size // 4096, 2):
            file.seek(page * 4096)
            file.write(b"\xa5" * 4096)


def truncated(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)


@pytest.mark.parametrize("damage", [header, middle, truncated], ids=lambda one: one.__name__)
def test_a_damaged_database_stops_the_station_is_left_as_it_is_and_can_be_rescued(
    barn: Config, damage: Callable[[Path], None], capsys: pytest.CaptureFixture[str]
) -> None:
    with Store(barn.database_path) as store:
        before = all_documents(store)
    damage(barn.database_path)
    content, pictures = barn.database_path.read_bytes(), files(barn)

    command = [sys.executable, "-m", "edge.cli", "run", "--config", str(barn.folder / "goatdev.toml")]
    done = subprocess.run(command, cwd=REPO, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 78, done.stderr
    assert "goatdev rescue" in done.stderr
    assert "Traceback" not in done.stderr
    assert barn.database_path.read_bytes() == content
    client = pages(barn)
    assert "The database is damaged" in client.get("/").text
    assert client.post("/api/v1/captures", json={}).status_code == 503
    assert database_state(client) == "fail"

    rescued(barn)
    (aside,) = barn.data_dir.glob("station.db.damaged-*Z")
    assert aside.read_bytes() == content
    assert files(barn) == pictures
    assert noted_damage(barn.database_path) is None
    with Store(barn.database_path) as store:
        assert all_documents(store) == before
    assert sync_once(barn) == 0
    with Store(barn.database_path) as store:
        assert set(Outbox(store).backlog()) == {"delivered"}
    assert 'id="alarm"' not in pages(barn).get("/").text


def test_a_rescue_takes_receipts_acts_and_pins_over_from_what_can_still_be_read(barn: Config) -> None:
    with Store(barn.database_path) as store:
        delivered, acts = Outbox(store).backlog()["delivered"], store.audit(100)
        store.db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        root = store.number("SELECT rootpage AS number FROM sqlite_master WHERE name = 'measurements'")
    with barn.database_path.open("r+b") as file:
        file.seek((root - 1) * 4096)
        file.write(b"\xa5" * 4096)
    with pytest.raises(DatabaseDamaged), open_station(barn):
        pass
    rescued(barn)
    with Store(barn.database_path) as store:
        assert Outbox(store).backlog()["delivered"] == delivered
        assert store.audit(100) == acts
        assert store.goat("Flori")["is_pinned"]


@pytest.mark.parametrize("gone", ["-wal", "empty"])
def test_an_empty_file_or_a_lost_log_is_no_reason_to_stop_measuring(barn: Config, gone: str) -> None:
    if gone == "empty":
        barn.database_path.write_bytes(b"")
    with open_station(barn) as station:
        assert station.store.unknown() == (3 if gone == "empty" else 0)
        assert measured(station).status is Status.COMPLETED


def test_the_log_of_a_database_that_is_gone_is_set_aside_not_removed(barn: Config) -> None:
    lose(barn)
    log = barn.database_path.with_name("station.db-wal")
    log.write_bytes(b"what was not yet in the database")
    with Store(barn.database_path) as store:
        assert store.unknown() == 3
    (aside,) = barn.data_dir.glob("station.db.damaged-*Z-wal")
    assert aside.read_bytes() == b"what was not yet in the database"


def test_a_station_whose_database_is_taken_away_ends_instead_of_writing_into_nothing(barn: Config) -> None:
    with open_station(barn) as station:
        lose(barn)
        with pytest.raises(Exception, match="moved or removed"):
            station.store.require_in_place()


def test_captures_that_have_only_pictures_become_failed_ones_that_can_be_measured_again(
    barn: Config,
) -> None:
    with open_station(barn) as station:
        bare = measured(station)
    (barn.image_folder / bare.id[:8] / bare.id / "result.json").unlink(missing_ok=True)
    assert sync_once(barn) == 0
    lose(barn)
    rescued(barn)
    with Store(barn.database_path) as store:
        found = store.capture(bare.id)
        assert (found.status, found.failure) == (Status.FAILED, "rescued: pictures only")
        assert len(found.images_of("raw")) == 3
        store.ask_again(bare.id, None)
    with open_station(barn) as station:
        again = station.serve(station.store.capture(bare.id))
        assert again.status is Status.COMPLETED
        assert again.revision is not None
        assert bare.revision is not None
        assert again.revision.measurements == bare.revision.measurements
    # The cloud has another document of the first press under the contract's name: nothing of it is touched.
    assert sync_once(barn) == 0
    with Store(barn.database_path) as store:
        assert set(Outbox(store).backlog()) == {"delivered"}


def test_what_was_pruned_is_known_after_a_rescue_and_can_still_be_named_later(barn: Config) -> None:
    assert sync_once(barn) == 0
    with Store(barn.database_path) as store:
        oldest = min(one.id for one in store.captures(100) if one.images)
        going = prunable(store, oldest)
        assert going is not None
        assert prune(store, Archive(barn.image_folder), going)
    lose(barn)
    rescued(barn)
    with Store(barn.database_path) as store:
        assert store.capture(oldest).pruned_at is not None
        store.label(oldest, lambda one: one.named("Zilla", "later"))
    assert sync_once(barn) == 0
    with Store(barn.database_path) as store:
        assert set(Outbox(store).backlog()) == {"delivered"}


def test_a_rescue_is_refused_while_the_station_or_sync_runs(
    barn: Config, capsys: pytest.CaptureFixture[str]
) -> None:
    for lock, name in ((barn.station_lock, "station"), (barn.sync_lock, "sync")):
        with held(lock, "", ""):
            assert main(["rescue", "--config", str(barn.folder / "goatdev.toml")]) == 1
        assert f"the {name} is running" in capsys.readouterr().err


def test_an_interrupted_rescue_goes_on_where_it_was(barn: Config) -> None:
    with Store(barn.database_path) as store:
        before = all_documents(store)
    lose(barn)
    with Store(barn.database_path) as store:
        one = store.all("SELECT id FROM unknown_captures ORDER BY id")[0]["id"]
        with store.transaction():
            take_in(store, find(one, Archive(barn.image_folder), ()))
        assert store.unknown() == 2
    rescued(barn)
    with Store(barn.database_path) as store:
        assert all_documents(store) == before


def test_the_newest_document_is_beside_the_pictures_and_the_earlier_ones_too(barn: Config) -> None:
    with Store(barn.database_path) as store:
        for capture in store.captures(100):
            folder = barn.image_folder / capture.id[:8] / capture.id
            texts = [text for of, _, text in owed(store) if of == capture.id]
            names = [*(f"result.{number}.json" for number in range(len(texts) - 1)), "result.json"]
            assert [(folder / name).read_text() for name in names] == texts
            assert json.loads(texts[-1]) == capture_document(capture)


def test_copies_that_a_crash_left_out_are_written_by_the_next_station(barn: Config) -> None:
    with Store(barn.database_path) as store:
        newest = store.press(new_trigger("command"), "barn1")
        store.close_capture(newest.missed("too late"))
    with open_station(barn) as station:
        station.write_copy()
    assert (barn.image_folder / newest.id[:8] / newest.id / "result.json").is_file()
