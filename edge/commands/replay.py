"""`goatdev replay`: stored captures are measured again, and what that changed is told."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from threading import Event
from typing import Any

from edge import pipeline
from edge.calibration import read_calibration
from edge.commands.wanted import add_wanted, wanted_captures
from edge.config import Config, find_config, load_config
from edge.console import complain, say, with_config, with_json
from edge.document import software
from edge.errors import StageError
from edge.eye import Eye
from edge.keeping.archive import Archive
from edge.keeping.locks import held, is_held
from edge.keeping.replay import Again, Change, Makers, Pair, Plan, changes, compared, plan_named, plan_wanted
from edge.keeping.store import Store
from edge.models import load_model
from edge.progress import progress
from edge.records import Capture
from edge.segment import Segmenter
from edge.shelf import read_serving
from edge.stopping import stop_on_signals
from edge.table import TITLES, UNITS

FOLLOW_S = 0.05
MeasureAgain = Callable[[Capture, Event], Capture | None]


def replay_command(options: argparse.Namespace) -> int:
    """Measure stored captures again, each as a new revision, with what the station measures with now."""
    config = load_config(find_config(options.config))
    with Store(config.database_path) as store:
        plan = planned(options, config, store)
        if options.dry_run:
            tell_plan(plan, options.json)
            return 0
        with measuring(config, store) as measure:
            done = measured(plan, store, measure, stop_on_signals())
    tell_done(plan, done, options.json)
    return ended(plan, done)


def planned(options: argparse.Namespace, config: Config, store: Store) -> Plan:
    archive = Archive(config.image_folder)
    if options.captures:
        return plan_named(store, archive, options.captures)
    wanted = wanted_captures(options, store)
    return plan_wanted(
        store, archive, wanted, options.failed, makers_now(config) if options.outdated else None
    )


def measured(plan: Plan, store: Store, measure: MeasureAgain, stop: Event) -> list[Again]:
    """One after the other; told to stop, it ends with the capture at hand."""
    tell, done = progress("measuring again")(len(plan.ids)), []
    for capture_id in plan.ids:
        before = store.capture(capture_id)
        after = None if stop.is_set() else measure(before, stop)
        if after is None:
            break
        done.append(compared(before, after))
        tell(1)
    return done


# Who measures.


@contextmanager
def measuring(config: Config, store: Store) -> Iterator[MeasureAgain]:
    """What measures one capture again: the station where it runs, else this process in its place."""
    if is_held(config.station_lock):
        yield asking(config, store)
        return
    busy = f"a station has just started on {config.data_dir}"
    with held(config.station_lock, busy, "say it again: the running station will measure them"):
        eye = Eye(segmenter_of(config), read_calibration(config.calibration_path), config.station.language)
        archive = Archive(config.image_folder)
        yield lambda capture, _: pipeline.measure_again(capture, archive, eye, store)


def asking(config: Config, store: Store) -> MeasureAgain:
    """Asks the running station for one capture at a time, so that a press never waits for more than that one."""

    def ask(capture: Capture, stop: Event) -> Capture | None:
        asked = store.ask_again(capture.id, None)
        while asked.is_unfinished:
            if not is_held(config.station_lock):
                hint = "it measures this one when it runs again; then say `goatdev replay --outdated`"
                raise StageError(f"{capture.id}: the station ended meanwhile", hint)
            if stop.wait(FOLLOW_S):
                return None
            asked = store.capture(capture.id)
        return asked

    return ask


def makers_now(config: Config) -> Makers:
    """What the station measures with: what it told when it started, where it runs."""
    serving = read_serving(config.serving_path) if is_held(config.station_lock) else None
    model = str(serving.model["sha256"]) if serving else segmenter_of(config).card.sha256
    return Makers(model, read_calibration(config.calibration_path).sha256, software())


def segmenter_of(config: Config) -> Segmenter:
    loaded = load_model(config)
    if loaded.problem:
        complain(loaded.problem)
    return loaded.segmenter


# What is told.


def tell_plan(plan: Plan, as_json: bool) -> None:
    if as_json:
        say({"would_measure": list(plan.ids), "left_out": dict(plan.left_out)})
        return
    for capture_id in plan.ids:
        print(f"{capture_id}  would be measured again")
    print("\n".join(left_out_lines(plan)) or f"{len(plan.ids)} captures, and none that cannot be")


def tell_done(plan: Plan, done: Sequence[Again], as_json: bool) -> None:
    found = changes(done)
    if as_json:
        say(
            {
                "measured": [again_document(again) for again in done],
                "left_out": dict(plan.left_out),
                "not_reached": list(plan.ids[len(done) :]),
                "changes": [asdict(change) for change in found],
            }
        )
        return
    succeeded = [again for again in done if again.failure is None]
    failed = [f"{again.capture_id}  failed: {again.failure}" for again in done if again.failure]
    print(
        "\n".join(
            [*left_out_lines(plan), *failed, f"{len(succeeded)} of {len(plan.ids)} captures measured again"]
        )
    )
    if len(succeeded) == 1:
        print(pairs_table(succeeded[0]))
    elif succeeded:
        print(changes_table(found))


def left_out_lines(plan: Plan) -> list[str]:
    return [f"{capture_id}  left out: {reason}" for capture_id, reason in plan.left_out.items()]


def again_document(again: Again) -> dict[str, Any]:
    pairs = {one.trait: {"before": one.before, "after": one.after, "u95": one.u95} for one in again.pairs}
    return {
        "capture_id": again.capture_id,
        "revision": again.revision,
        "failure": again.failure,
        "measurements": pairs,
    }


def pairs_table(again: Again) -> str:
    """Before and after of one capture."""
    return "\n".join([f"{again.capture_id} is at revision {again.revision}", *map(pair_row, again.pairs)])


def pair_row(one: Pair) -> str:
    before, after = (f"{value:7.2f}" if value is not None else "      –" for value in (one.before, one.after))
    change = f"{one.difference:6.2f}" if one.difference is not None else "     –"
    doubt = f"± {one.u95:.2f}" if one.u95 is not None else ""
    row = f"{TITLES[one.trait]:{width()}} {before} →{after}  differs by {change}  {doubt} {UNITS[one.trait]}"
    return f"{row.rstrip()}{'  more than its ±' if one.is_beyond else ''}"


def changes_table(found: Sequence[Change]) -> str:
    """Of many captures: how far each trait moved."""
    header = f"{'':{width()}} compared  median   worst       ±  beyond ±  gained  lost  worst in"
    return "\n".join([header, *map(change_row, found)])


def change_row(one: Change) -> str:
    numbers = [
        f"{value:7.2f}" if value is not None else "      –"
        for value in (one.median, one.worst, one.worst_u95)
    ]
    counts = f"{one.beyond:8d}  {one.gained:6d}  {one.lost:4d}"
    title = f"{TITLES[one.trait]:{width()}}"
    return f"{title} {one.compared:8d} {' '.join(numbers)}  {counts}  {one.worst_capture or ''}".rstrip()


def width() -> int:
    return max(map(len, TITLES.values()))


def ended(plan: Plan, done: Sequence[Again]) -> int:
    """0 where every capture has new numbers; what was not done is said."""
    if len(done) < len(plan.ids):
        left = len(plan.ids) - len(done)
        raise StageError(
            f"stopped with {left} of {len(plan.ids)} captures left",
            "all others are stored; go on with `goatdev replay --outdated` and the same other options",
        )
    return 1 if any(again.failure for again in done) else 0


def add_replay(commands: Any) -> None:
    replay = add_wanted(
        with_json(with_config(commands.add_parser("replay", help="measure stored captures again")))
    )
    replay.add_argument("captures", metavar="CAPTURE", nargs="*", help="these alone, by their ids")
    replay.add_argument("--all", action="store_true", help="every capture that has its pictures")
    replay.add_argument("--failed", action="store_true", help="only those that have no numbers")
    replay.add_argument(
        "--outdated",
        action="store_true",
        help="only those measured with another network, calibration or version",
    )
    replay.add_argument("--dry-run", action="store_true", help="only say which they would be")
    replay.set_defaults(command=checked(replay))


def checked(replay: argparse.ArgumentParser) -> Callable[[argparse.Namespace], int]:
    """The command, for which something must be named."""

    def command(options: argparse.Namespace) -> int:
        chosen = (options.goat, options.since, options.until, options.all, options.failed, options.outdated)
        if options.captures and any(chosen):
            replay.error("name captures, or say which with options, not both")
        if not options.captures and not any(chosen):
            replay.error(
                "name captures, or say which: --goat, --since, --until, --failed, --outdated or --all"
            )
        return replay_command(options)

    return command
