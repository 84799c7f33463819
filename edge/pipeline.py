"""The story of a capture, on one screen. Its parts are passed in."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait

from edge.cameras.rig import Rig
from edge.errors import CaptureError, StageError
from edge.eye import Eye, Seen
from edge.keeping.archive import Archive
from edge.keeping.prune import require_kept
from edge.keeping.store import Store
from edge.lens import find_dirt
from edge.measuring.burst import combine
from edge.notices import told_of, with_dirt
from edge.records import VIEWS, Burst, Capture, Glance, Pixels, Reading, StoredImage, utc_now
from edge.shots import StoredShots


def take_capture(
    capture: Capture,
    rig: Rig,
    archive: Archive,
    eye: Eye,
    store: Store,
    label: Callable[[Capture], Capture] = lambda capture: capture,
    alive: Callable[[], None] = lambda: None,
) -> Capture:
    """Turn one press into one stored capture, whatever happens on the way.

    label  adds the goat and the weight that were read at the press
    alive  is told after each step that the work goes on
    """
    capture, glances = store.begin(capture), tuple[Glance, ...]()
    memory = store.glances(eye.calibration.sha256, before=capture.id)
    shots = StoredShots(archive)
    try:
        capture, looks = with_burst(capture, rig, shots, eye, alive)  # evidence before opinion
        seen = {number: look.result() for number, look in looks.items()}
        capture, glances = with_examination(capture, shots, seen, eye, memory)
    except StageError as error:
        kept = archive.raw_images_of(capture.id)  # also of a shot that the disk took in part
        capture = capture.with_images(kept).failed(error.message, error.hint)  # keeps what it already has
    alive()
    capture = label(capture)
    store.close_capture(capture, glances)
    return capture


def measure_again(
    capture: Capture,
    archive: Archive,
    eye: Eye,
    store: Store,
    alive: Callable[[], None] = lambda: None,
) -> Capture:
    """Measure a capture's stored images again, as a new revision; only a press is remembered."""
    capture = store.begin(capture)
    memory = store.glances(eye.calibration.sha256, before=capture.id)
    shots = StoredShots(archive, capture.images_of("raw"))
    try:
        require_kept(capture)
        seen = {}
        for number in shots.numbers:
            seen[number] = see_stored(shots, number, eye)
            alive()
        capture, _ = with_examination(capture, shots, seen, eye, memory)
    except StageError as error:
        capture = capture.failed(error.message, error.hint)
    store.close_capture(capture)
    return capture


def with_burst(
    capture: Capture, rig: Rig, shots: StoredShots, eye: Eye, alive: Callable[[], None]
) -> tuple[Capture, Mapping[int, Future[Seen]]]:
    """The capture with the frames of all its shots, each on disk as soon as it is there; and what is seen in them.

    Each shot is looked at while the cameras take the next.
    """
    burst, looks = Burst(), {}
    with ThreadPoolExecutor(1) as looking:
        for number, shot in enumerate(rig.burst(alive), start=1):
            images = shots.archive.save_frames(capture.id, shot.frames, number)
            burst = burst.with_shot(shot)
            capture = capture.with_shot(images, burst.spread_ms, burst.burst_ms)
            shots.add(number, images, shot)
            if images:
                looks[number] = looking.submit(see_stored, shots, number, eye)
        for look in looks.values():
            wait([look])
            alive()
    if not looks:
        reasons = dict.fromkeys(lack.why for shot in burst.shots for lack in shot.missing.values())
        raise CaptureError("no camera gave a picture", "; ".join(reasons))
    return capture, looks


def see_stored(shots: StoredShots, number: int, eye: Eye) -> Seen:
    shot = shots.open(number)
    return eye.see(shot.pictures, shot.problems)


def with_examination(
    capture: Capture,
    shots: StoredShots,
    seen: Mapping[int, Seen],
    eye: Eye,
    memory: Mapping[str, Sequence[Glance]],
) -> tuple[Capture, tuple[Glance, ...]]:
    """The capture with its numbers, combined from all its shots, and annotated pictures of the calmest.

    seen    shot -> what was found in it
    memory  view -> how it looked in earlier captures
    Also returned is how its views look in this one.
    """
    shots.require_any()
    combined = combine([one.findings for one in seen.values()])
    details = first_details(seen.values())
    dirt = {view: find_dirt(memory.get(view, ()), detail) for view, detail in details.items()}
    findings = with_dirt(told_of(shots.failing(), combined.findings), details, dirt)
    shown = {view: list(seen)[place] for view, place in combined.shown.items()}
    pictures = shots.pictures(shown)

    def drawn(reading: Reading) -> StoredImage:
        number = shown[reading.view]
        jpeg = seen[number].drawn(pictures[reading.view], reading, findings.measurements)
        return shots.archive.save(capture.id, reading.view, "annotated", jpeg, number)

    readings = [reading for reading in findings.readings if reading.view in pictures]
    with ThreadPoolExecutor(len(VIEWS)) as hands:
        annotated = tuple(hands.map(drawn, readings))
    glances = tuple(Glance(view, detail, bool(dirt[view].any())) for view, detail in details.items())
    return capture.with_images(annotated).completed(eye.revision(findings), utc_now()), glances


def first_details(shots: Iterable[Seen]) -> dict[str, Pixels]:
    """view -> the fine detail of its first good picture: one for each press, however many shots it has."""
    details: dict[str, Pixels] = {}
    for shot in shots:
        details = {**shot.details, **details}
    return details
