"""A station in one file, and a station out of it: the same captures, the same bytes, or nothing at all."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import sqlite3
import subprocess
import tarfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlite_utils import Database

from cloud_sync.daemon import sync_once
from edge.app import open_station
from edge.cli import main
from edge.config import Config, load_config
from edge.document import capture_document
from edge.errors import BackupRefused
from edge.keeping.archive import Archive
from edge.keeping.backup import part_of, require_room
from edge.keeping.copies import Copies
from edge.keeping.outbox import Outbox
from edge.keeping.schema import migrations
from edge.keeping.store import Store
from edge.records import Capture, Status
from edge.triggers import new_trigger
from tests.conftest import CONFIG, SAMPLES
from tests.live import running_station, wait_until


@dataclass(frozen=True)
class Made:
    """A station with some captures, and its backup."""

    config_path: Path
    config: Config
    file: Path


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("station")
    config_path = folder / "goatdev.toml"
    config_path.write_text(CONFIG.format(samples=SAMPLES))
    config = load_config(config_path)
    with open_station(config) as station:
        first = station.serve(station.store.press(new_trigger("command", "Heidi"), "barn1"))
        station.store.ask_again(first.id, None)
        again = station.store.next_queued()
        assert again is not None
        station.serve(again)
        sync_once(config)
        station.serve(station.store.press(new_trigger("command"), "barn1"))
        station.store.press(new_trigger("command", "Liesl"), "barn1")
    assert main(["backup", "--config", str(config_path), "--out", str(folder / "barn1.tar")]) == 0
    return Made(config_path, config, folder / "barn1.tar")


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    """(exit code, stdout, stderr) of one command."""
    try:
        code = main([str(one) for one in arguments])
    except SystemExit as stop:
        code = int(stop.code or 0)
    out, err = capsys.readouterr()
    return code, out, err


def everything(database: Path) -> dict[str, list[tuple]]:
    """Every row of every table."""
    with sqlite3.connect(database) as db:
        tables = [
            name
            for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
        ]
        rows = {name: db.execute(f"SELECT * FROM {name} ORDER BY rowid").fetchall() for name in tables}
    db.close()
    return rows


def all_captures(database: Path) -> list[Capture]:
    with Store(database) as store:
        return store.captures(limit=1000)


def test_a_restored_station_has_every_row_and_every_picture_of_the_old_one(
    made: Made, tmp_path, capsys
) -> None:
    code, out, err = run(capsys, "restore", made.file, "--into", tmp_path / "new")
    assert (code, err) == (0, "")
    assert "3 captures" in out
    old, new = made.config, tmp_path / "new"
    assert everything(new / "station.db") == everything(old.database_path)
    captures = all_captures(new / "station.db")
    assert [capture_document(one) for one in captures] == [
        capture_document(one) for one in all_captures(old.database_path)
    ]
    images = [image for capture in captures for image in capture.images]
    assert len(images) == 12
    for image in images:
        assert Archive(new / "images").read(image) == Archive(old.image_folder).read(image)
    assert (new / "settings" / "calibration.json").read_bytes() == old.calibration_path.read_bytes()
    assert (new / "settings" / "goatdev.toml").read_bytes() == made.config_path.read_bytes()


def test_a_press_on_a_restored_station_is_measured_and_nothing_goes_to_the_cloud_twice(
    made: Made, tmp_path, capsys
) -> None:
    """It delivers to the very place that has the old station's captures, which refuses other content."""
    _code, out, _ = run(capsys, "restore", made.file, "--into", tmp_path / "new", "--json")
    steps = json.loads(out)["next_steps"]
    settings = tmp_path / "new" / "settings" / "goatdev.toml"
    assert any(f'data_dir = "{tmp_path / "new"}"' in step for step in steps)
    text = settings.read_text().replace('data_dir = "data"', f'data_dir = "{tmp_path / "new"}"')
    cloud = tmp_path / "cloud"
    shutil.copytree(made.config.folder / "cloud", cloud)
    settings.write_text(text.replace("folder:cloud", f"folder:{cloud}"))
    delivered = {path: path.read_bytes() for path in cloud.rglob("*") if path.is_file()}
    config = load_config(settings)
    with open_station(config) as station:
        pressed = station.store.press(new_trigger("command", "Heidi"), "barn1")
        done = station.serve(pressed)
        assert done.status is Status.COMPLETED
        assert done.id > max(one.id for one in all_captures(made.config.database_path))
        assert sync_once(config) == 0
        assert Outbox(station.store).backlog() == {"delivered": 4}
    assert delivered == {path: path.read_bytes() for path in delivered}


def test_the_copies_of_documents_come_again_beside_the_pictures_of_a_restored_station(
    made: Made, tmp_path, capsys
) -> None:
    station = tmp_path / "station"
    shutil.copytree(made.config.folder, station)
    copied(station / "data")
    run(capsys, "backup", "--config", station / "goatdev.toml", "--out", tmp_path / "b.tar")
    run(capsys, "restore", tmp_path / "b.tar", "--into", tmp_path / "new")
    assert not list((tmp_path / "new").rglob("result*.json"))
    copied(tmp_path / "new")
    for path in (station / "data" / "images").rglob("result*.json"):
        again = tmp_path / "new" / path.relative_to(station / "data")
        assert again.read_bytes() == path.read_bytes()
    assert len(list((tmp_path / "new").rglob("result*.json"))) == 3


def copied(data: Path) -> None:
    """What a station's chore does between presses."""
    with Store(data / "station.db") as store:
        copies = Copies(store, Archive(data / "images"))
        while copies.write_next():
            pass


def test_a_backup_taken_while_goats_are_measured_is_a_station_of_one_moment(
    config: Config, config_path: Path, tmp_path, capsys
) -> None:
    with Store(config.database_path) as store, running_station(config):
        enough = threading.Event()

        def press() -> None:
            with Store(config.database_path) as own:
                while not enough.is_set():
                    own.press(new_trigger("command"), "barn1")
                    enough.wait(0.15)

        presses = threading.Thread(target=press)
        presses.start()
        try:
            for number in range(3):
                wait_until(lambda number=number: store.counts().get("completed", 0) > number)
                assert (
                    run(capsys, "backup", "--config", config_path, "--out", tmp_path / f"{number}.tar")[0]
                    == 0
                )
        finally:
            enough.set()
            presses.join()
    found = []
    for number in range(3):
        new = tmp_path / f"new{number}"
        assert run(capsys, "restore", tmp_path / f"{number}.tar", "--into", new)[0] == 0
        captures = all_captures(new / "station.db")
        assert all(Archive(new / "images").read(image) for one in captures for image in one.images)
        assert all(one.images for one in captures if one.status is Status.COMPLETED)
        found.append(sum(one.status is Status.COMPLETED for one in captures))
    assert found == sorted(found)
    assert found[0] < found[-1]


def test_the_file_can_be_proved_without_this_program(made: Made, tmp_path) -> None:
    subprocess.run(["tar", "-xf", made.file, "-C", tmp_path], check=True)
    subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=tmp_path, check=True)
    listed = {line.split("  ", 1)[1] for line in (tmp_path / "SHA256SUMS").read_text().splitlines()}
    present = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert listed == present - {"SHA256SUMS"}
    manifest = json.loads((tmp_path / "manifest.json").read_text())["goatdev_backup"]
    assert (manifest["format"], manifest["station_id"], manifest["rows"]["captures"]) == (1, "barn1", 3)


def test_a_folder_as_target_gets_a_file_named_by_station_and_time(made: Made, tmp_path, capsys) -> None:
    code, out, _ = run(capsys, "backup", "--config", made.config_path, "--out", tmp_path, "--json")
    (file,) = tmp_path.iterdir()
    assert file.name.startswith("goatdev-barn1-20")
    document = json.loads(out)
    assert (code, document["file"], document["gaps"], document["verified"]) == (0, str(file), {}, True)
    assert document["size_bytes"] == file.stat().st_size


def test_without_originals_only_what_was_measured_is_shown(made: Made, tmp_path, capsys) -> None:
    small = tmp_path / "small.tar"
    assert run(capsys, "backup", "--config", made.config_path, "--out", small, "--without-originals")[0] == 0
    with tarfile.open(small) as tar:
        pictures = [name for name in tar.getnames() if name.endswith(".jpg")]
    assert len(pictures) == 6
    assert all("_annotated." in name for name in pictures)
    assert small.stat().st_size < made.file.stat().st_size
    assert run(capsys, "restore", small, "--into", tmp_path / "new")[0] == 0


def test_lost_and_damaged_pictures_are_named_and_all_others_kept(made: Made, tmp_path, capsys) -> None:
    station = tmp_path / "station"
    shutil.copytree(made.config.folder, station)
    lost, damaged = sorted((station / "data" / "images").rglob("*_raw.*.jpg"))[:2]
    lost.unlink()
    damaged.write_bytes(b"no longer a picture")
    code, out, err = run(
        capsys, "backup", "--config", station / "goatdev.toml", "--out", tmp_path / "b.tar", "--json"
    )
    gaps = {gap["path"].split("/")[-1]: gap["why"] for gap in json.loads(out)["first_gaps"]}
    assert json.loads(out)["gaps"] == {"missing": 1, "damaged": 1}
    assert (code, gaps) == (0, {lost.name: "missing", damaged.name: "damaged"})
    assert f"{lost.name} is missing" in err
    assert run(capsys, "restore", tmp_path / "b.tar", "--into", tmp_path / "new")[0] == 0
    kept = {path.name: path.read_bytes() for path in (tmp_path / "new" / "images").rglob("*.jpg")}
    assert len(kept) == 11
    assert kept[damaged.name] == b"no longer a picture"


def test_pictures_that_were_pruned_are_no_gaps(made: Made, tmp_path, capsys) -> None:
    station = tmp_path / "station"
    shutil.copytree(made.config.folder, station)
    with sqlite3.connect(station / "data" / "station.db") as db:
        db.execute("UPDATE images SET pruned_at = '2026-11-21T00:00:00+00:00' WHERE kind = 'raw'")
    db.close()
    for picture in (station / "data" / "images").rglob("*_raw.*.jpg"):
        picture.unlink()
    arguments = ("--config", station / "goatdev.toml", "--out", tmp_path / "b.tar", "--json")
    code, out, err = run(capsys, "backup", *arguments)
    assert (code, err, json.loads(out)["gaps"]) == (0, "", {})


def test_nothing_that_is_there_is_replaced_by_a_backup(made: Made, tmp_path, capsys) -> None:
    taken = tmp_path / "notes.txt"
    taken.write_text("mine")
    for target in (taken, Path("/dev/null")):
        code, _, err = run(capsys, "backup", "--config", made.config_path, "--out", target)
        assert code == 1
        assert "is there already" in err
    assert taken.read_text() == "mine"
    assert list(tmp_path.iterdir()) == [taken]


def test_a_backup_that_died_in_the_middle_is_taken_over_and_one_that_lives_is_not(
    made: Made, tmp_path, capsys
) -> None:
    (tmp_path / "b.tar.part").write_bytes(b"half" * 1000)
    arguments = ("backup", "--config", made.config_path, "--out", tmp_path / "b.tar")
    with part_of(tmp_path / "b.tar"):
        code, _, err = run(capsys, *arguments)
        assert code == 1
        assert "another backup is writing" in err
    (tmp_path / "b.tar.part").write_bytes(b"half" * 1000)
    (tmp_path / "b.tar.part.scratch").mkdir()
    (tmp_path / "b.tar.part.scratch" / "station.db").write_bytes(b"half")
    assert run(capsys, *arguments)[0] == 0
    assert run(capsys, "restore", tmp_path / "b.tar", "--check")[0] == 0
    assert list(tmp_path.iterdir()) == [tmp_path / "b.tar"]


def test_a_station_without_a_database_has_no_backup(config_path: Path, tmp_path, capsys) -> None:
    code, _, err = run(capsys, "backup", "--config", config_path, "--out", tmp_path / "b.tar")
    assert code == 1
    assert "there is no database" in err
    assert not (tmp_path / "b.tar").exists()
    assert not (tmp_path / "data").exists()


def test_a_disk_without_enough_room_is_refused_with_how_much_is_needed(tmp_path) -> None:
    free = shutil.disk_usage(tmp_path).free
    with pytest.raises(BackupRefused, match=r"not enough room: [0-9.]+ GB needed, [0-9.]+ [MG]B free"):
        require_room(tmp_path, free + 10**9)


# What is refused at a restore. Whatever it is, nothing appears.


def refused(capsys: pytest.CaptureFixture[str], file: Path, folder: Path) -> str:
    """What is said of a file that cannot be restored, nor passes the check."""
    before = sorted(folder.rglob("*"))
    code, out, err = run(capsys, "restore", file, "--into", folder / "new")
    assert (code, out) == (1, "")
    assert "what to do" in err
    assert sorted(folder.rglob("*")) == before
    assert run(capsys, "restore", file, "--check")[0] == 1
    assert sorted(folder.rglob("*")) == before
    return err


def members(file: Path) -> Iterator[tuple[tarfile.TarInfo, bytes]]:
    with tarfile.open(file) as tar:
        for member in tar:
            content = tar.extractfile(member)
            assert content is not None
            yield member, content.read()


def rewritten(
    file: Path, into: Path, change: Callable[[tarfile.TarInfo, bytes], list[tuple[tarfile.TarInfo, bytes]]]
) -> Path:
    """The same backup with other members; its list of hashes fits them, as somebody with intent would see to."""
    sums = ""
    with tarfile.open(into, "w", format=tarfile.USTAR_FORMAT) as tar:
        for member, content in members(file):
            changed = [(member, sums.encode())] if member.name == "SHA256SUMS" else change(member, content)
            for one, own in changed:
                if one.isreg():
                    one.size = len(own)
                tar.addfile(one, io.BytesIO(own))
                sums += f"{hashlib.sha256(own).hexdigest()}  {one.name}\n"
    return into


def with_another(name: str, **kind: object) -> Callable[[tarfile.TarInfo, bytes], list]:
    """Adds a member behind the database."""

    def change(member: tarfile.TarInfo, content: bytes) -> list[tuple[tarfile.TarInfo, bytes]]:
        other = tarfile.TarInfo(name)
        for key, value in kind.items():
            setattr(other, key, value)
        return [(member, content), (other, b"evil")] if member.name == "station.db" else [(member, content)]

    return change


def test_a_file_cut_off_anywhere_is_refused(made: Made, tmp_path, capsys) -> None:
    whole = made.file.read_bytes()
    with tarfile.open(made.file) as tar:
        sums = tar.getmember("SHA256SUMS")
    cut = tmp_path / "cut.tar"
    for length in (
        0,
        100,
        700,
        5000,
        len(whole) // 2,
        sums.offset,
        sums.offset_data + 10,
        sums.offset_data + sums.size,
    ):
        cut.write_bytes(whole[:length])
        assert "cut off" in refused(capsys, cut, tmp_path) or length < 512


def test_a_flipped_bit_anywhere_is_refused_and_its_file_named(made: Made, tmp_path, capsys) -> None:
    whole = made.file.read_bytes()
    bad = tmp_path / "bad.tar"
    with tarfile.open(made.file) as tar:
        for member in (tar.getmember("station.db"), tar.getmembers()[6], tar.getmember("SHA256SUMS")):
            place = member.offset_data + member.size // 2
            bad.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
            said = refused(capsys, bad, tmp_path)
            assert member.name in said or member.name == "SHA256SUMS"
            bad.write_bytes(whole[: member.offset + 3] + b"#" + whole[member.offset + 4 :])
            assert "damaged or cut off after" in refused(capsys, bad, tmp_path)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("../outside", {}),
        ("images/../../outside", {}),
        ("/tmp/outside", {}),
        ("images/link", {"type": tarfile.SYMTYPE, "linkname": "/etc/passwd"}),
        ("images/hard", {"type": tarfile.LNKTYPE, "linkname": "station.db"}),
        ("images/device", {"type": tarfile.CHRTYPE, "devmajor": 1, "devminor": 3}),
        ("images/pipe", {"type": tarfile.FIFOTYPE}),
        ("images/folder", {"type": tarfile.DIRTYPE}),
        ("images/" + "deep/" * 8 + "down", {}),
        ("bin/goatdev", {}),
        ("station.db", {}),
        ("images/.hidden", {}),
    ],
)
def test_what_has_no_place_in_a_backup_is_refused(
    made: Made, tmp_path, capsys, name: str, kind: dict
) -> None:
    bad = rewritten(made.file, tmp_path / "bad.tar", with_another(name, **kind))
    before = sorted(tmp_path.rglob("*"))
    code, _, err = run(capsys, "restore", bad, "--into", tmp_path / "new")
    assert code == 1, err
    assert "what to do" in err
    assert sorted(tmp_path.rglob("*")) == before


def test_a_size_beyond_the_file_is_refused_before_it_is_believed(made: Made, tmp_path, capsys) -> None:
    bad = tmp_path / "bad.tar"
    header = tarfile.TarInfo("manifest.json")
    header.size = 8 * 10**9
    bad.write_bytes(header.tobuf(tarfile.USTAR_FORMAT) + b"{}" + bytes(2000))
    assert "cut off in manifest.json" in refused(capsys, bad, tmp_path)


@pytest.mark.parametrize(
    "content", [b"", b"[station]\nid = 'barn1'\n" * 100, bytes(20480), b"\x1f\x8b" + b"x" * 2000]
)
def test_another_file_is_no_backup(tmp_path, capsys, content: bytes) -> None:
    other = tmp_path / "other"
    other.write_bytes(content)
    assert "is not a backup of Goatdev" in refused(capsys, other, tmp_path)


def test_another_tar_is_no_backup(tmp_path, capsys) -> None:
    with tarfile.open(tmp_path / "other.tar", "w") as tar:
        tar.add(__file__, "notes.txt")
    assert "is not a backup of Goatdev" in refused(capsys, tmp_path / "other.tar", tmp_path)


def test_a_backup_of_a_newer_version_is_refused_by_name(made: Made, tmp_path, capsys) -> None:
    """Both that of a newer format, and that of a database with newer tables."""

    def newer_format(member: tarfile.TarInfo, content: bytes) -> list[tuple[tarfile.TarInfo, bytes]]:
        return [(member, content.replace(b'"format": 1', b'"format": 2'))]

    bad = rewritten(made.file, tmp_path / "format.tar", newer_format)
    assert "format 2" in refused(capsys, bad, tmp_path)

    station = tmp_path / "station"
    shutil.copytree(made.config.folder, station)
    with sqlite3.connect(station / "data" / "station.db") as db:
        row = ("goatdev", "telepathy", "2030-01-01")
        db.execute("INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES (?, ?, ?)", row)
    db.close()

    def newer_database(member: tarfile.TarInfo, content: bytes) -> list[tuple[tarfile.TarInfo, bytes]]:
        return [
            (
                member,
                (station / "data" / "station.db").read_bytes() if member.name == "station.db" else content,
            )
        ]

    bad = rewritten(made.file, tmp_path / "newer.tar", newer_database)
    assert "telepathy" in refused(capsys, bad, tmp_path)


def test_a_database_that_sqlite_finds_damaged_is_refused(made: Made, tmp_path, capsys) -> None:
    def damage(member: tarfile.TarInfo, content: bytes) -> list[tuple[tarfile.TarInfo, bytes]]:
        broken = content[:8192] + b"\xff" * 4096 + content[12288:]
        return [(member, broken if member.name == "station.db" else content)]

    bad = rewritten(made.file, tmp_path / "bad.tar", damage)
    assert "the database in it is damaged" in refused(capsys, bad, tmp_path)


def test_a_backup_with_fewer_rows_than_its_manifest_says_is_refused(made: Made, tmp_path, capsys) -> None:
    def lose(member: tarfile.TarInfo, content: bytes) -> list[tuple[tarfile.TarInfo, bytes]]:
        return [(member, content.replace(b'"captures": 3', b'"captures": 4'))]

    bad = rewritten(made.file, tmp_path / "bad.tar", lose)
    assert "should have" in refused(capsys, bad, tmp_path)


def test_a_restore_never_touches_a_folder_with_something_in_it(made: Made, tmp_path, capsys) -> None:
    full, file = tmp_path / "full", tmp_path / "file"
    full.mkdir()
    (full / "station.db").write_bytes(b"somebody's")
    file.write_text("a file")
    link = tmp_path / "link"
    link.symlink_to(full)
    for folder in (full, file, link, made.config.data_dir):
        before = everything(made.config.database_path)
        code, _, err = run(capsys, "restore", made.file, "--into", folder)
        assert code == 1
        assert "is not empty" in err
        assert everything(made.config.database_path) == before
    assert (full / "station.db").read_bytes() == b"somebody's"
    assert not list(tmp_path.glob("*.part"))


def test_an_empty_folder_is_as_good_as_a_new_one(made: Made, tmp_path, capsys) -> None:
    (tmp_path / "empty").mkdir()
    assert run(capsys, "restore", made.file, "--into", tmp_path / "empty")[0] == 0
    assert (tmp_path / "empty" / "station.db").is_file()


def test_what_an_interrupted_restore_left_is_named_and_not_removed(made: Made, tmp_path, capsys) -> None:
    (tmp_path / "new.part").mkdir()
    code, _, err = run(capsys, "restore", made.file, "--into", tmp_path / "new")
    assert code == 1
    assert "new.part is there already" in err
    assert (tmp_path / "new.part").is_dir()


def test_an_older_database_is_brought_up_to_date_in_the_restored_folder(made: Made, tmp_path, capsys) -> None:
    """Before an upgrade one takes a backup; after it one restores that with the new version."""
    station = tmp_path / "station"
    shutil.copytree(made.config.folder, station)
    (station / "data" / "station.db").unlink()
    old = Database(str(station / "data" / "station.db"))
    migrations.apply(old, stop_before="bursts")
    old.execute(
        "INSERT INTO captures (id, status, trigger_id, source, requested_at) VALUES"
        " ('20250101T000000000Z_barn1', 'missed', 't', 'command', '2025-01-01T00:00:00+00:00')"
    )
    old.conn.commit()
    old.close()
    arguments = ("--config", station / "goatdev.toml", "--out", tmp_path / "old.tar")
    assert run(capsys, "backup", *arguments)[0] == 0
    with tarfile.open(tmp_path / "old.tar") as tar:
        manifest = json.loads(tar.extractfile("manifest.json").read())["goatdev_backup"]  # type: ignore[union-attr]
    assert manifest["schema"] == ["first_tables"]
    assert run(capsys, "restore", tmp_path / "old.tar", "--into", tmp_path / "new")[0] == 0
    assert [one.id for one in all_captures(tmp_path / "new" / "station.db")] == ["20250101T000000000Z_barn1"]
