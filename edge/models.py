"""What is done with models: choose the one to measure with, install, verify, roll back."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from edge.config import Config
from edge.errors import ConfigError, ModelRefused, ShelfDamaged, StationError, StoreError
from edge.records import utc_now
from edge.segment import SHIPPED_MODEL, ModelCard, Segmenter, read_card, read_model
from edge.selftest import Report
from edge.shelf import CARD, INSTALLED, ROLLED_BACK, SHIPPED, Choice, Serving, Shelf

# A segmentation network that a Pi runs in a second has a few MB; more is a mistake or an attack.
LARGEST_MODEL_BYTES = 64_000_000
LARGEST_CARD_BYTES = 100_000
# About 50 pictures; a Pi 4 that measures at the same time needs a minute.
SELF_TEST_S = 600.0
PLAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,63}")
SHA256 = re.compile(r"[0-9a-f]{64}")

SelfTest = Callable[[Path, Path | None], Report]
Usable = TypeVar("Usable")


# Choosing.


@dataclass(frozen=True, slots=True)
class Loaded:
    """The network to measure with; `problem` is why it is not the one that should be current."""

    segmenter: Segmenter
    problem: StationError | None = None

    def as_serving(self) -> Serving:
        document = self.segmenter.card.as_document()
        since = utc_now().isoformat(timespec="seconds")
        if self.problem is None:
            return Serving(document, since)
        return Serving(document, since, self.problem.message, self.problem.hint)


def load_model(config: Config | None) -> Loaded:
    """The network that a station with this configuration measures with: named there, or current on its shelf."""
    if config is None:
        return Loaded(Segmenter.load())
    if config.model_path:
        return Loaded(Segmenter.load(config.model_path))
    segmenter, problem = first_usable(Shelf(config.models_folder), Segmenter.load)
    return Loaded(segmenter, problem)


def card_in_use(config: Config) -> Path:
    """The card of the model that a station started now would load, as far as its files tell."""
    if config.model_path:
        return config.model_path
    return first_usable(Shelf(config.models_folder), whole_card)[0]


def first_usable(shelf: Shelf, use: Callable[[Path], Usable]) -> tuple[Usable, StationError | None]:
    """Of current, previous, ... down to the shipped one the first that can be used, and why not the current one.

    A station with an older network still measures; one without any does not.
    """
    problem: StationError | None = None
    try:
        line = shelf.line()
    except ShelfDamaged as error:
        problem, line = error, [Choice(SHIPPED)]
    for choice in reversed(line[1:]):
        try:
            require_unchanged(shelf, choice)
            return use(card_path(shelf, choice.model)), problem
        except ConfigError as error:
            problem = problem or error
    return use(SHIPPED_MODEL), problem


def card_path(shelf: Shelf, model: str) -> Path:
    return SHIPPED_MODEL if model == SHIPPED else shelf.card_path(model)


def whole_card(path: Path) -> Path:
    """The same path, once card and model are proven to belong together."""
    read_model(read_card(path))
    return path


def require_unchanged(shelf: Shelf, choice: Choice) -> None:
    """Raise ConfigError unless a model's card is still the one that became current."""
    if choice.model == SHIPPED:
        return  # it changes with the software
    path = card_path(shelf, choice.model)
    card = read_bounded(path, LARGEST_CARD_BYTES, "install the model again")
    if (sha256(card), read_card(path).sha256) != (choice.card_sha256, choice.sha256):
        raise ConfigError(f"{path}: not the card that was installed", "install the model again")


def require_whole(shelf: Shelf, model: str) -> ModelCard:
    """The card of a model; raises ConfigError unless its files are those that were installed."""
    try:
        chosen = [choice for choice in shelf.history() if choice.model == model]
    except ShelfDamaged:
        chosen = []
    if chosen:
        require_unchanged(shelf, chosen[-1])
    card = read_card(card_path(shelf, model))
    read_model(card)
    return card


# Installing.


@dataclass(frozen=True, slots=True)
class Offer:
    """A model that wants to be on the shelf, read once and whole: what is tested is what is installed."""

    path: Path
    model: str
    card: ModelCard
    files: dict[str, bytes]

    def chosen(self, how: str) -> Choice:
        at = utc_now().isoformat(timespec="seconds")
        return Choice(self.model, self.card.sha256, sha256(self.files[CARD]), at, how)


@dataclass(frozen=True, slots=True)
class Installation:
    """How an installation ended; one whose report has failures changed nothing."""

    model: str
    report: Report
    is_current: bool


def read_offer(path: Path) -> Offer:
    """The card and its model, every doubt about names, sizes and hash removed."""
    card_text = read_bounded(path, LARGEST_CARD_BYTES, "name the .toml beside a model")
    card = read_card(path)
    for key, text in (("name", card.name), ("version", card.version), ("file", card.path.name)):
        require_plain(path, key, text)
    if card.path != path.parent / card.path.name or card.path.suffix != ".tflite":
        raise ConfigError(
            f"{path}: file: must be the plain name of a .tflite beside the card", "mend the card"
        )
    if not SHA256.fullmatch(card.sha256):
        raise ConfigError(f"{path}: sha256: must be 64 hexadecimal digits", "mend the card")
    content = read_bounded(card.path, LARGEST_MODEL_BYTES, "copy the model beside its card")
    if sha256(content) != card.sha256:
        raise ConfigError(
            f"{card.path}: not the model that its card describes", "copy both files again, or mend the card"
        )
    folder = f"{card.name}-{card.version}-{card.sha256[:8]}"
    model = SHIPPED if path.resolve() == SHIPPED_MODEL else folder
    return Offer(path, model, card, {CARD: card_text, card.path.name: content})


def require_plain(path: Path, key: str, text: str) -> None:
    if not PLAIN_NAME.fullmatch(text):
        raise ConfigError(f"{path}: {key}: {text!r} cannot be one", "1 to 64 letters, digits and . _ + -")


def read_bounded(path: Path, limit: int, hint: str) -> bytes:
    """A file's content; raises ConfigError for what is no file, cannot be read or is too large."""
    try:
        if path.exists() and not path.is_file():
            raise ConfigError(f"{path}: not a file", hint)
        with path.open("rb") as file:
            content = file.read(limit + 1)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}", hint) from None
    if len(content) > limit:
        raise ConfigError(f"{path}: larger than {limit / 1e6:g} MB", "this is not a model for a station")
    return content


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def install(shelf: Shelf, offer: Offer, against: Path | None, test: SelfTest, keep: bool) -> Installation:
    """Test a model, put it on the shelf and, unless `keep`, make it current. A failure leaves all as it was."""
    try:
        with shelf.held():
            if offer.model == SHIPPED:
                return accept(shelf, offer, test(SHIPPED_MODEL, against), keep)
            require_same_card(shelf, offer)
            with shelf.received(offer.files) as folder:
                report = told_of(offer, folder, lambda: test(folder / CARD, against))
                return accept(shelf, offer, report, keep)
    except OSError as error:
        raise StoreError(
            f"{shelf.folder}: cannot be written: {error.strerror}",
            "nothing was changed; make room or mend it",
        ) from error


def accept(shelf: Shelf, offer: Offer, report: Report, keep: bool) -> Installation:
    if not report.passed:
        return Installation(offer.model, report, False)
    if offer.model != SHIPPED:
        shelf.put(offer.model, offer.files)
    choice = offer.chosen(INSTALLED)
    if not keep and not is_current(shelf, choice):
        shelf.choose(choice)
    return Installation(offer.model, report, is_current(shelf, choice))


def is_current(shelf: Shelf, choice: Choice) -> bool:
    try:
        return shelf.line()[-1].model == choice.model
    except ShelfDamaged:
        return False


def require_same_card(shelf: Shelf, offer: Offer) -> None:
    """One name, one model: raises ConfigError where the shelf holds the same version with another card."""
    try:
        there = read_card(shelf.card_path(offer.model))
        text = shelf.card_path(offer.model).read_bytes()
    except (ConfigError, OSError):
        return  # absent, or damaged and about to be mended
    if text != offer.files[CARD]:
        raise ConfigError(
            f"{offer.model} is on the shelf with another card",
            f"give it another version than {there.version}",
        )


def told_of(offer: Offer, folder: Path, test: Callable[[], Report]) -> Report:
    """Errors name the file that the operator gave, not our copy of it."""
    try:
        return test()
    except StationError as error:
        told = error.message.replace(str(folder / CARD), str(offer.path))
        error.message = told.replace(str(folder / offer.card.path.name), str(offer.card.path))
        raise


# Rolling back.


def roll_back(shelf: Shelf) -> Choice:
    """Make the previous model current again, if it is still whole."""
    with shelf.held():
        line = shelf.line()
        if len(line) < 2:
            hint = "make another one current with `goatdev models install CARD`"
            raise ModelRefused("the shipped model is current: there is nothing before it", hint)
        previous = line[-2]
        card = require_whole(shelf, previous.model)
        at = utc_now().isoformat(timespec="seconds")
        choice = Choice(previous.model, card.sha256, previous.card_sha256, at, ROLLED_BACK)
        try:
            shelf.choose(choice)
        except OSError as error:
            message = f"{shelf.folder}: cannot be written: {error.strerror}"
            raise StoreError(message, "nothing was changed; make room or mend it") from error
        return choice


# Testing.


def self_test_apart(card: Path, against: Path | None) -> Report:
    """The self-test in a process of its own: whatever a network does there, this one and the station live on."""
    command = [sys.executable, "-P", "-m", "edge.selftest", "--card", str(card)]
    if against:
        command += ["--against", str(against)]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parent.parent)}
    try:
        ended = subprocess.run(
            command, env=environment, capture_output=True, timeout=SELF_TEST_S, check=False
        )
    except subprocess.TimeoutExpired:
        raise ModelRefused(
            f"{card}: its self-test did not end within {SELF_TEST_S:g} s", "use a smaller network"
        ) from None
    try:
        document = json.loads(ended.stdout)
    except ValueError:
        last = (ended.stderr.decode(errors="replace").strip().splitlines() or ["no word"])[-1]
        hint = "the network does not do what its card says, or is damaged"
        raise ModelRefused(f"{card}: the self-test broke off ({ended.returncode}): {last}", hint) from None
    if "checks" not in document:
        raise ConfigError(document["message"], document["hint"])
    return Report.from_document(document)


def named_card(config: Config, name: str | None) -> Path:
    """The whole card of a model by its name or the beginning of it; without a name, of the one that is current.

    Raises ConfigError where it is damaged: here nothing stands in for it.
    """
    shelf = Shelf(config.models_folder)
    if name is None and config.model_path:
        return whole_card(config.model_path)
    model = shelf.line()[-1].model if name is None else named_model(shelf, name)
    require_whole(shelf, model)
    return card_path(shelf, model)


def named_model(shelf: Shelf, name: str) -> str:
    known = (SHIPPED, *shelf.models())
    found = [one for one in known if one == name] or [one for one in known if one.startswith(name)]
    if len(found) != 1:
        what = "several models begin so" if found else "no such model"
        raise ModelRefused(f"{name}: {what}", f"known: {', '.join(known)}")
    return found[0]
