"""The model shelf of a station: the networks it was given, and which of them is current.

    <data_dir>/models/<name>-<version>-<first 8 of sha256>/   card.toml and the .tflite; never changed once there
    <data_dir>/models/current.json                            what became current, when, and how it came to that

The model that comes with the software is always there and is not copied. Only files: nothing here loads a network,
so that whoever only looks at a station (the dashboard) may read it.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from edge.errors import ShelfDamaged, StoreError
from edge.keeping.durable import make_folder, sync_folder, write_durably
from edge.keeping.locks import held
from edge.records import utc_now

SHIPPED = "shipped"
INSTALLED, ROLLED_BACK = "installed", "rolled back"
CARD = "card.toml"
FOLDER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*-[0-9a-f]{8}")
FORMAT = 1


@dataclass(frozen=True, slots=True)
class Choice:
    """A model that became current: which, when (UTC) and how; the hashes say whether it is still the same one."""

    model: str
    sha256: str = ""
    card_sha256: str = ""
    at: str = ""
    how: str = INSTALLED

    def __post_init__(self) -> None:
        texts = (self.model, self.sha256, self.card_sha256, self.at, self.how)
        known = self.model == SHIPPED or FOLDER.fullmatch(str(self.model))
        if not all(isinstance(text, str) for text in texts) or not known:
            raise ValueError(f"{self.model!r} is not a model of the shelf")


class Shelf:
    """The models in one folder. Changing anything needs `held()`; looking does not."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.pointer = folder / "current.json"
        self.incoming = folder / "incoming"

    def held(self) -> AbstractContextManager[None]:
        """The right to change the shelf; raises StoreError while another has it."""
        busy = f"another `goatdev models` is changing {self.folder}"
        return held(self.folder / "lock", busy, "wait until it has ended, then try again")

    def models(self) -> tuple[str, ...]:
        """What was put on the shelf, by name."""
        if not self.folder.is_dir():
            return ()
        folders = (one for one in self.folder.iterdir() if one.is_dir() and not one.is_symlink())
        return tuple(sorted(one.name for one in folders if FOLDER.fullmatch(one.name)))

    def card_path(self, model: str) -> Path:
        return self.folder / model / CARD

    # Which model is current.

    def history(self) -> tuple[Choice, ...]:
        """What became current, oldest first; raises ShelfDamaged where that cannot be told."""
        try:
            document = json.loads(self.pointer.read_text(encoding="utf-8"))
            if document["format"] != FORMAT:
                raise ValueError(f"format {document['format']!r}")
            return tuple(Choice(**entry) for entry in document["history"])
        except FileNotFoundError:
            if not self.models():
                return ()
            raise self.damaged("is missing") from None
        except OSError as error:
            raise self.damaged(f"cannot be read: {error.strerror}") from None
        except (ValueError, KeyError, TypeError) as error:
            raise self.damaged(f"is damaged: {error}") from None

    def damaged(self, what: str) -> ShelfDamaged:
        hint = "make a model current again: `goatdev models install CARD` (`goatdev models list` names them)"
        return ShelfDamaged(f"{self.pointer} {what}: which model is current cannot be told", hint)

    def line(self) -> list[Choice]:
        """The way here: the shipped model, what was installed over it, and last the current one."""
        return replay(self.history())

    def choose(self, choice: Choice) -> None:
        """Make a model current, durably. What cannot be read of the history is set aside, never overwritten."""
        try:
            history = self.history()
        except ShelfDamaged:
            self.set_pointer_aside()
            history = ()
        self.write_history((*history, choice))

    def begin_history(self) -> None:
        """An empty shelf says so before its first model arrives: a lost current.json can be told from none."""
        if not self.pointer.exists() and not self.models():
            self.write_history(())

    def write_history(self, history: Sequence[Choice]) -> None:
        document = {"format": FORMAT, "history": [asdict(choice) for choice in history]}
        write_durably(self.pointer, (json.dumps(document, indent=1) + "\n").encode())

    def set_pointer_aside(self) -> None:
        if self.pointer.exists():
            aside = self.pointer.with_name(f"current.damaged-{utc_now():%Y%m%dT%H%M%S}.json")
            write_durably(aside, self.pointer.read_bytes())

    # Putting a model there.

    @contextmanager
    def received(self, files: Mapping[str, bytes]) -> Iterator[Path]:
        """The files in a folder of the shelf, where they can be tried; gone afterwards if nobody `put` them."""
        try:
            make_folder(self.folder)
            shutil.rmtree(self.incoming, ignore_errors=True)
            make_folder(self.incoming)
            for name, content in files.items():
                write_durably(self.incoming / name, content)
            yield self.incoming
        finally:
            shutil.rmtree(self.incoming, ignore_errors=True)

    def put(self, model: str, files: Mapping[str, bytes]) -> None:
        """What was received takes its place on the shelf; what is already there is mended, never replaced."""
        self.begin_history()
        place = self.folder / model
        if not place.exists():
            self.incoming.rename(place)
            sync_folder(self.folder)
            return
        for name, content in files.items():
            if not (place / name).is_file() or (place / name).read_bytes() != content:
                write_durably(place / name, content)


def replay(history: Sequence[Choice]) -> list[Choice]:
    """Installing lays a model on top; rolling back takes the top one away."""
    line = [Choice(SHIPPED)]
    for choice in history:
        if choice.how != ROLLED_BACK:
            line.append(choice)
        elif len(line) > 1:
            line.pop()
    return line


# What a running station tells of its model.


@dataclass(frozen=True, slots=True)
class Serving:
    """The model that a station loaded when it started, and what was wrong with the one it should have loaded."""

    model: Mapping[str, Any]
    since: str
    warning: str = ""
    hint: str = ""

    @property
    def title(self) -> str:
        return title(self.model)


def title(model: Mapping[str, Any]) -> str:
    return f"{model['name']} {model['version']} ({model['sha256'][:8]})"


def write_serving(path: Path, serving: Serving) -> None:
    try:
        write_durably(path, (json.dumps(asdict(serving), indent=1) + "\n").encode())
    except OSError as error:
        raise StoreError(f"{path}: cannot be written: {error.strerror}", "is the disk full?") from None


def read_serving(path: Path) -> Serving | None:
    """What the station told when it last started; None where it told nothing that can be read."""
    try:
        serving = Serving(**json.loads(path.read_text(encoding="utf-8")))
        return serving if serving.title else None
    except (OSError, ValueError, KeyError, TypeError):
        return None
