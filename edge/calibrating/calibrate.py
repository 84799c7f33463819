"""Pictures of the board become one view's camera, or a refusal that says what to do."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import cv2
import numpy as np

from edge.calibrating.board import Board
from edge.calibrating.bundle import Solution, View, cam_from_frame, covariance_of, descend, solve
from edge.calibrating.sightings import Found, Project, corner_sightings, edge_sightings, find_board
from edge.camera import CameraModel
from edge.errors import CalibrationRefused
from edge.images import read_gray
from edge.records import Pixels, Points

FEWEST_FRAMES = 6
# The edges are looked for again where the better camera expects them.
EDGE_ROUNDS = 3
# More than this, px of a 1600 px wide picture, is no matter of light: the board is another one, or bent.
MOST_RMS_PX = 3.0
# A corner that is this many times as far off as most was moved by a shadow or a bar.
SHADOW_MOVED = 5.0
# A board that another one stands for: its markers are so much larger or smaller, or elsewhere by part of a square.
MARKER_OFF, PLACE_OFF = 0.07, 0.12
LARGE_MARKER_PX = 45.0
FEWEST_MARKERS = 4
# Pose pictures whose board lies elsewhere than in the others by this, px of a 1600 px wide picture.
MOVED_PX = 1.5
MOST_FOCAL_SIGMA = 0.02
MOST_POSITION_U95_CM, MOST_DIRECTION_U95_DEG = 10.0, 5.0
# Two tilts of a board fit about equally well where their costs differ by less.
ALIKE, APART_DEG = 9.0, 1.0
LOWEST_CM, NEAREST_CM, FARTHEST_CM = 2.0, 30.0, 700.0
CRATE_MIDDLE_CM = np.array([0.0, 0.0, 45.0])
MOST_ASIDE_DEG = 55.0
COVERAGE_CELLS = (64, 48)
OWN_BOARD = "photograph the board that `goatdev calibrate board` prints, or describe yours in [board]"


@dataclass(frozen=True, slots=True)
class Shot:
    """One picture of the board."""

    path: Path
    gray: Pixels
    found: Found


def calibrate_camera(
    view: str,
    frames: Sequence[Path],
    poses: Sequence[Path],
    board: Board,
    side_camera_on: str = "left",
) -> CameraModel:
    """The camera of a view from pictures of the board in hand and of the board in its reference pose.

    Raises CalibrationRefused where these pictures cannot tell.
    """
    refuse_if(not poses, "no pose picture is given", f"photograph the board {reference_pose(view)}")
    shots = [look(path, board) for path in (*frames, *poses)]
    size = one_size(shots)
    held = [shot for shot in shots[: len(frames)] if shot.found.is_enough]
    lying = shots[len(frames) :]
    refuse_wrong_boards(shots, board)
    refuse_other_markers(shots, board)
    refuse_poses_without_board(lying, view)
    refuse_if(
        len(held) < FEWEST_FRAMES,
        f"the board is seen well in {len(held)} of {len(frames)} frames, {FEWEST_FRAMES} are needed",
        "take about a dozen: the board in different places of the picture and tilts, held still, whole, well lit",
    )
    world_from_board = board.world_from_board(view, side_camera_on)
    views, solution = best_fit(held, lying, board, world_from_board, size)
    refuse_moved_board(views, solution, lying, board, size)
    camera = model_of(views, solution, held, lying, board, size, len(frames))
    refuse_poor(camera, size)
    refuse_impossible(camera, view, side_camera_on)
    return camera


def look(path: Path, board: Board) -> Shot:
    gray = read_gray(path)
    return Shot(path, gray, find_board(gray, board))


# Fitting.


def best_fit(
    held: Sequence[Shot], lying: Sequence[Shot], board: Board, world_from_board: Points, size: tuple[int, int]
) -> tuple[list[View], Solution]:
    """Corners first; then edges, looked for where the camera expects them."""
    shots = [*held, *lying]
    blocks = [*range(len(held)), *[len(held)] * len(lying)]
    frames = [np.eye(4)] * len(held) + [world_from_board] * len(lying)
    views = [
        View(corner_sightings(shot.found, board), block, frame)
        for shot, block, frame in zip(shots, blocks, frames, strict=True)
    ]
    # Both tilts are weighed alike: weights of its own would forgive the wrong one everything.
    solution = min(
        (descend(views, start, size) for start in starts(held, lying, board, world_from_board, size)),
        key=lambda one: one.cost,
    )
    for _ in range(2):
        views, solution = fit_edges(views, shots, solution, board, size)
        other = other_tilt(views, solution, len(held), world_from_board, size)
        if other is None or other.cost > solution.cost + ALIKE:
            return views, solution
        if other.cost > solution.cost - ALIKE:
            break
        solution = other
    raise CalibrationRefused(
        "the pose pictures do not tell which way the board is tilted",
        "the board is small or unsharp in them: full picture size, clean lens, more even light, more pictures",
    )


def fit_edges(
    views: Sequence[View], shots: Sequence[Shot], solution: Solution, board: Board, size: tuple[int, int]
) -> tuple[list[View], Solution]:
    """The edges where this camera expects them, and the camera that they make; again, for it expects them better."""
    edges, found = board.edges(), list(views)
    for _ in range(EDGE_ROUNDS):
        found = [
            replace(view, sightings=edge_sightings(shot.gray, edges, projection(view, solution)))
            for view, shot in zip(found, shots, strict=True)
        ]
        refuse_blurred(found, shots)
        solution = solve(found, solution, size)
    return found, solution


def projection(view: View, solution: Solution) -> Project:
    def project(places: Points) -> Points:
        flat = np.column_stack([places, np.zeros(len(places))])
        turn, shift = view.frame_from_board[:3, :3], view.frame_from_board[:3, 3]
        return solution.project(flat @ turn.T + shift, view.block)

    return project


def starts(
    held: Sequence[Shot], lying: Sequence[Shot], board: Board, world_from_board: Points, size: tuple[int, int]
) -> list[Solution]:
    """Rough cameras to start from: a plane seen from afar has two tilts that look nearly alike."""
    places = np.column_stack([board.corners_cm(), np.zeros(len(board.corners_cm()))]).astype(np.float32)
    seen = [shot.found for shot in held]
    flags = (
        cv2.CALIB_FIX_ASPECT_RATIO
        | cv2.CALIB_FIX_PRINCIPAL_POINT
        | cv2.CALIB_ZERO_TANGENT_DIST
        | cv2.CALIB_FIX_K2
        | cv2.CALIB_FIX_K3
    )
    try:
        _, matrix, distortion, turns, shifts = cv2.calibrateCamera(
            [places[found.ids] for found in seen],
            [found.corners_px.astype(np.float32) for found in seen],
            size,
            np.eye(3),
            np.zeros(5),
            flags=flags,
        )
    except cv2.error:
        raise not_telling() from None
    if not (np.all(np.isfinite(matrix)) and 0.2 < matrix[0, 0] / max(size) < 20):
        raise not_telling()
    inner = np.array([matrix[0, 0], matrix[1, 1], matrix[0, 2], matrix[1, 2], *np.ravel(distortion)[:5]])
    poses = [
        np.concatenate([np.ravel(turn), np.ravel(shift)]) for turn, shift in zip(turns, shifts, strict=True)
    ]
    ids = np.concatenate([shot.found.ids for shot in lying])
    corners = np.concatenate([shot.found.corners_px for shot in lying])
    return [
        Solution(inner, np.array([*poses, pose]), np.zeros((len(held) + len(lying), 2)))
        for pose in two_tilts(
            places[ids], corners, np.asarray(matrix, dtype=float), np.ravel(distortion), world_from_board
        )
    ]


def two_tilts(
    places: Points, corners_px: Points, matrix: Points, distortion: Points, world_from_board: Points
) -> list[Points]:
    """OpenCV's rvec and tvec (6,) of the camera in the world, for each tilt that the board may have."""
    _, turns, shifts, _ = cv2.solvePnPGeneric(
        np.asarray(places, dtype=float).reshape(-1, 1, 3),
        np.asarray(corners_px, dtype=float).reshape(-1, 1, 2),
        matrix,
        distortion,
        flags=cv2.SOLVEPNP_IPPE,
    )
    board_from_world = np.linalg.inv(world_from_board)
    found = []
    for turn, shift in zip(turns, shifts, strict=True):
        pose = np.eye(4)
        pose[:3, :3], pose[:3, 3] = cv2.Rodrigues(turn)[0], np.ravel(shift)
        pose = pose @ board_from_world
        found.append(np.concatenate([cv2.Rodrigues(pose[:3, :3])[0].ravel(), pose[:3, 3]]))
    return found


def other_tilt(
    views: Sequence[View], solution: Solution, block: int, world_from_board: Points, size: tuple[int, int]
) -> Solution | None:
    """The best camera for which the lying board is tilted the other way, if there is one."""
    lying = [view for view in views if view.block == block]
    places = np.concatenate([view.sightings.places for view in lying])
    flat = np.column_stack([places, np.zeros(len(places))])
    expected = projection(lying[0], solution)(places)
    found = None
    for pose in two_tilts(flat, expected, solution.matrix(), solution.inner[4:], world_from_board):
        start = replace(solution, poses=np.array([*solution.poses[:block], pose]))
        other = descend(views, start, size)
        turn = cam_from_frame(other, block)[:3, :3] @ cam_from_frame(solution, block)[:3, :3].T
        apart = math.degrees(float(np.linalg.norm(cv2.Rodrigues(turn)[0])))
        if apart > APART_DEG and (found is None or other.cost < found.cost):
            found = other
    return found


def model_of(
    views: Sequence[View],
    solution: Solution,
    held: Sequence[Shot],
    lying: Sequence[Shot],
    board: Board,
    size: tuple[int, int],
    given: int,
) -> CameraModel:
    block = len(held)
    return CameraModel(
        picture_size=size,
        camera_matrix=solution.matrix(),
        distortion=solution.inner[4:].copy(),
        world_from_cam=np.linalg.inv(cam_from_frame(solution, block)),
        covariance=covariance_of(views, solution, block, size),
        reprojection_rms_px=corner_rms(views, solution, [*held, *lying], board),
        coverage=coverage_of([*held, *lying], size),
        frames_used=len(held),
        frames_left_out=given - len(held),
        pose_frames=len(lying),
        date=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def corner_rms(views: Sequence[View], solution: Solution, shots: Sequence[Shot], board: Board) -> float:
    """How far the corners that OpenCV finds are from where the camera expects them, px; without what shadows moved."""
    off = [corner_errors(view, solution, shot, board) for view, shot in zip(views, shots, strict=True)]
    errors = np.concatenate(off)
    return float(np.sqrt(np.mean(np.square(errors[errors <= SHADOW_MOVED * np.median(errors)]))))


def corner_errors(view: View, solution: Solution, shot: Shot, board: Board) -> Points:
    expected = projection(view, solution)(board.corners_cm()[shot.found.ids])
    return np.asarray(np.linalg.norm(expected - shot.found.corners_px, axis=1))


def coverage_of(shots: Sequence[Shot], size: tuple[int, int]) -> float:
    """The share of the picture in which the board's corners were seen."""
    seen = np.zeros(COVERAGE_CELLS[::-1], dtype=np.uint8)
    for shot in shots:
        cells = (shot.found.corners_px + 0.5) / size * COVERAGE_CELLS - 0.5
        hull = cv2.convexHull(np.round(cells).astype(np.int32))
        cv2.fillConvexPoly(seen, hull, (1,))
    return float(seen.mean())


# Refusing.


def refuse_if(wrong: bool, message: str, hint: str) -> None:
    if wrong:
        raise CalibrationRefused(message, hint)


def not_telling() -> CalibrationRefused:
    return CalibrationRefused(
        "these frames do not tell the focal length of the camera",
        "tilt the board by 20 to 40 degrees, another way in each frame, and fill half of the picture with it",
    )


def reference_pose(view: str) -> str:
    poses = {
        "top": "lying on the floor, face up, centred on the mark",
        "side": "standing on the floor on the mark, facing the side camera",
        "front": "standing on the floor on the mark, facing the front camera",
    }
    return poses[view]


def one_size(shots: Sequence[Shot]) -> tuple[int, int]:
    sizes = [(shot.gray.shape[1], shot.gray.shape[0]) for shot in shots]
    for shot, size in zip(shots, sizes, strict=True):
        refuse_if(
            size != sizes[0],
            f"{shot.path} is {size[0]}x{size[1]}, {shots[0].path} is {sizes[0][0]}x{sizes[0][1]}",
            "all pictures must come from this camera as it takes them: one size, not turned, not cropped",
        )
    return sizes[0]


def refuse_wrong_boards(shots: Sequence[Shot], board: Board) -> None:
    for shot in shots:
        if not shot.found.is_enough:
            mirrored = find_board(np.ascontiguousarray(shot.gray[:, ::-1]), board)
            refuse_if(
                mirrored.is_enough,
                f"{shot.path} is mirrored",
                "switch off mirroring (flip) in the camera's settings and take the pictures again",
            )
        problem = other_board(shot, board)
        refuse_if(bool(problem), f"{shot.path} shows another board: {problem}", OWN_BOARD)


def other_board(shot: Shot, board: Board) -> str:
    """What tells that a board is not the configured one, or nothing."""
    found = shot.found
    known = {number: four for number, four in found.markers.items() if number < board.marker_count}
    strange = sorted(set(found.markers) - set(known))
    if len(strange) >= 2 and len(strange) > len(known) / 4:
        return f"its markers go up to number {strange[-1]}, ours to {board.marker_count - 1}"
    if len(known) < FEWEST_MARKERS:
        return ""
    printed = np.array([board.marker_corners(number) for number in known])
    seen = np.array(list(known.values()))
    homography, _ = cv2.findHomography(
        seen.reshape(-1, 1, 2), printed.reshape(-1, 1, 2), cv2.RANSAC, PLACE_OFF * board.square_cm
    )
    if homography is None:
        return "its markers are not where ours are"
    placed = cv2.perspectiveTransform(seen.reshape(-1, 1, 2), homography).reshape(printed.shape)
    off = np.linalg.norm(placed - printed, axis=2).max(axis=1)
    if np.mean(off > 2 * PLACE_OFF * board.square_cm) > 0.34:
        return "its markers are not where ours are"
    return ""


def refuse_other_markers(shots: Sequence[Shot], board: Board) -> None:
    """Markers that are larger or smaller in their squares than ours, in pictures that show them large."""
    shares = [share for shot in shots for share in marker_shares(shot.found, board)]
    share, ours = float(np.median(shares)) if shares else 0.0, board.marker_cm / board.square_cm
    refuse_if(
        bool(shares) and abs(share / ours - 1) > MARKER_OFF,
        f"the frames show another board: a marker is {share:.2f} of a square wide, on ours {ours:.2f}",
        OWN_BOARD,
    )


def marker_shares(found: Found, board: Board) -> list[float]:
    """How wide the markers are, as a share of a square; none where they are small and blur eats of them."""
    seen = {number: four for number, four in found.markers.items() if number < board.marker_count}
    if not found.is_enough or not seen:
        return []
    corners = np.array(list(seen.values()))
    widths = np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2).mean(axis=1)
    squares, _ = cv2.findHomography(
        found.corners_px.reshape(-1, 1, 2), board.corners_cm()[found.ids].reshape(-1, 1, 2), cv2.RANSAC, 0.3
    )
    if squares is None or float(np.median(widths)) < LARGE_MARKER_PX:
        return []
    placed = cv2.perspectiveTransform(corners.reshape(-1, 1, 2), squares).reshape(corners.shape)
    sides = np.linalg.norm(placed - np.roll(placed, 1, axis=1), axis=2).mean(axis=1)
    return [float(side) / board.square_cm for side in sides]


def refuse_poses_without_board(lying: Sequence[Shot], view: str) -> None:
    for shot in lying:
        refuse_if(
            not shot.found.is_enough,
            f"{shot.path}: the board is not found in this pose picture",
            f"it must be {reference_pose(view)}, whole, sharp, in shade or even light, with the gate open",
        )


def refuse_blurred(views: Sequence[View], shots: Sequence[Shot]) -> None:
    for view, shot in zip(views, shots, strict=True):
        refuse_if(
            len(view.sightings) < FEWEST_FRAMES,
            f"{shot.path}: the board's edges cannot be made out",
            "the board is too small in the picture, blurred or faint: go nearer, hold it still, or leave it out",
        )


def refuse_moved_board(
    views: Sequence[View], solution: Solution, lying: Sequence[Shot], board: Board, size: tuple[int, int]
) -> None:
    limit = MOVED_PX * max(size) / 1600
    for view, shot in zip(views[-len(lying) :], lying, strict=True):
        off = corner_errors(view, solution, shot, board)
        refuse_if(
            float(np.median(off)) > limit,
            f"{shot.path}: the board does not lie where it lies in the other pose pictures",
            "leave the board alone while they are taken, or give only pictures of one placing",
        )


def refuse_poor(camera: CameraModel, size: tuple[int, int]) -> None:
    limit = MOST_RMS_PX * max(size) / 1600
    refuse_if(
        camera.reprojection_rms_px > limit,
        f"the pictures do not fit a board and a lens: {camera.reprojection_rms_px:.1f} px off",
        f"is the board flat, and its check bar 10.0 cm long? {OWN_BOARD}",
    )
    focal_sigma = math.sqrt(camera.covariance[0, 0]) / camera.camera_matrix[0, 0]
    if focal_sigma > MOST_FOCAL_SIGMA:
        raise not_telling()
    place, turn = camera.position_u95_cm, camera.direction_u95_deg
    refuse_if(
        place > MOST_POSITION_U95_CM or turn > MOST_DIRECTION_U95_DEG,
        f"the pose pictures tell the camera's place only to {place:.0f} cm and {turn:.1f} degrees",
        "the board is small, unsharp or badly lit in them: full picture size, clean lens, more even light",
    )


def refuse_impossible(camera: CameraModel, view: str, side_camera_on: str) -> None:
    """Refuse a camera where no camera of this view can be."""
    x, y, z = (float(value) for value in camera.position_cm)
    at = f"the {view} camera would be at X {x:.0f}, Y {y:.0f}, Z {z:.0f} cm"
    down = -float(camera.world_from_cam[2, 1])
    laid = f"lay the board as its sheet says for the {view} view: {reference_pose(view)}"
    if view != "top":
        refuse_if(
            z < LOWEST_CM and down < 0,
            f"{at}, below the floor, and upside down: the board stands on its head",
            f"{laid}, printed top edge up",
        )
        refuse_if(
            down < -0.5,
            "the picture is upside down",
            "turn the picture in the camera's settings (flip both ways), then take the pictures again",
        )
        refuse_if(down < 0.5, "the board or the picture lies on its side", f"{laid}, printed top edge up")
    refuse_if(z < LOWEST_CM, f"{at}, below the floor", f"{laid}, printed top edge up")
    hand = -1.0 if side_camera_on == "right" else 1.0
    before = {"side": hand * y, "top": z, "front": x}[view]
    refuse_if(
        before < NEAREST_CM,
        f"{at}: behind the crate or in it",
        f"{laid}; is side_camera_on right in [cameras]?",
    )
    away = float(np.linalg.norm(camera.position_cm))
    refuse_if(away > FARTHEST_CM, f"{at}: farther than any", f"is square_cm right in [board]? {OWN_BOARD}")
    towards = CRATE_MIDDLE_CM - camera.position_cm
    aside = math.degrees(math.acos(float(camera.direction @ towards) / float(np.linalg.norm(towards))))
    refuse_if(aside > MOST_ASIDE_DEG, f"{at} and look {aside:.0f} degrees past the crate", laid)
