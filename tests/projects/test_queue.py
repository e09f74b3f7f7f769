"""Signals and the review queue: doubtful frames first, with a reason."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from vos.errors import InputError
from vos.frame import Frame
from vos.projects import (
    Anchor,
    FrameState,
    Project,
    Track,
    accept_confident,
    doubt,
    review_queue,
    track_project,
)
from vos.projects.benefit import APART
from vos.projects.queue import distance_signal, parse_threshold, queue_weights, share_wrong
from vos.projects.signals import SIGNALS, ColourObserver, mask_signals
from vos.results import FrameResult
from vos.testing import scene, write_images

from .drifting import CLIP, drifting, square


def test_every_signal_has_a_weight_and_a_reason() -> None:
    """Weights are shares."""
    assert set(queue_weights()) == set(SIGNALS)
    assert all(0 <= weight < 1 for weight in queue_weights().values())


def test_a_steady_object_raises_no_signal() -> None:
    """It moves at one speed, and the tracker is confident."""
    masks = [(square(4, 2 + frame), 0.95) for frame in range(10)]
    assert mask_signals(1, masks, square(4, 1)) == {}


@pytest.mark.parametrize(
    ("signal", "masks", "frame"),
    [
        ("score", [(square(4, 4), c) for c in (0.9, 0.9, 0.4)], 2),
        ("dip", [(square(4, 4), c) for c in (0.9, 0.9, 0.9, 0.7)], 3),
        ("area", [(square(4, 4, s), 0.9) for s in (8, 8, 8, 5)], 3),
        ("jump", [(square(4, c), 0.9) for c in (2, 3, 4, 14)], 3),
        ("shape", [(square(4, 4), 0.9), (square(4, 4, 10) & ~square(6, 6, 6), 0.9)], 1),
        ("gone", [(square(4, 4), 0.9), (square(0, 0, 0), 0.9), (square(0, 0, 0), 0.9)], 1),
        ("back", [(square(4, 4), 0.9), (square(0, 0, 0), 0.9), (square(4, 4), 0.9)], 2),
    ],
)
def test_signals(signal: str, masks: list[tuple[np.ndarray, float]], frame: int) -> None:
    """Each fires in the frame where it should, and not before."""
    frames = mask_signals(0, masks).get(signal, {})
    assert min(frames, default=None) == frame


def test_pieces() -> None:
    """A mask that falls into pieces."""
    parts = square(2, 2, 4) | square(2, 12, 4) | square(12, 2, 4) | square(12, 12, 4)
    signals = mask_signals(0, [(square(4, 4), 0.9)] * 3 + [(parts, 0.9)])
    assert signals["pieces"] == {3: pytest.approx(2 / 3, abs=1e-3)}


def test_scene_cuts_and_swapped_objects_are_seen_in_the_picture() -> None:
    """Two objects of different colours change their labels; then the whole picture changes."""

    def frame(index: int, swapped: bool, ground: int) -> tuple[Frame, FrameResult]:
        image = np.full((24, 32, 3), ground, np.uint8)
        one, two = square(8, 6), square(8, 16)
        image[one], image[two] = (200, 0, 0), (0, 0, 200)
        labels = np.zeros((24, 32), np.uint8)
        labels[one], labels[two] = (2, 1) if swapped else (1, 2)
        return Frame(index, image, str(index)), FrameResult(index, labels, {1: 0.9, 2: 0.9})

    observer = ColourObserver()
    for index, (swapped, ground) in enumerate([(False, 90), (False, 90), (True, 90), (False, 250)]):
        observer(*frame(index, swapped, ground))
    assert observer.cuts == {3}
    assert observer.swaps == {1: {"swap": {2: 1.0}}, 2: {"swap": {2: 1.0}}}


def test_doubt_grows_with_the_distance_from_settled_frames() -> None:
    """From the nearer end; an end of the video settles nothing."""
    anchors = {frame: Anchor("anna:1", (1, "anna", 1), None) for frame in (2, 8)}
    far = distance_signal(Track(14, anchors=anchors))
    assert far == pytest.approx(np.array([2, 1, 0, 1, 2, 3, 2, 1, 0, 1, 2, 3, 4, 5]) / 60)
    assert not distance_signal(Track(14)).any()


def test_the_queue_names_doubtful_frames_and_why(project: Project) -> None:
    """Apart from each other, and not what is locked."""
    queue = review_queue(project)
    frames = [item.frame for item in queue.items]
    assert frames
    assert all(abs(a - b) >= APART for i, a in enumerate(frames) for b in frames[:i])
    assert queue.items[0].reasons[0].text in {signal.reason for signal in SIGNALS.values()}
    assert 0 < queue.uncertain <= 1
    assert queue.settled == pytest.approx(2 / 24)
    u = doubt(project.state, project.state.track(CLIP, 1))
    assert u[0] == 0
    assert u[11] > u[4] > 0
    project.review(CLIP, 0, 11, "accepted")
    settled = review_queue(project)
    assert (settled.items, settled.uncertain, settled.settled) == ((), 0, 1)


def test_what_the_queue_does_not_doubt_is_accepted_in_bulk(project: Project) -> None:
    """Neither stale frames nor rejected ones."""
    project.review(CLIP, 2, 2, "rejected", [1])
    u = doubt(project.state, project.state.track(CLIP, 1))
    accept_confident(project, 0.5)
    track = project.state.track(CLIP, 1)
    expected = {f for f in range(1, 12) if u[f] < 0.5 and f != 2}
    assert expected
    assert {f for f in range(12) if track.state(f) == FrameState.ACCEPTED} == expected
    project.undo()
    assert project.state.track(CLIP, 1).state(1) == FrameState.TRACKED


def test_one_of_two_videos_is_reviewed(project: Project, tmp_path: Path) -> None:
    """The other is neither in its queue nor accepted with it."""
    write_images(scene("still", num_frames=3, size=(24, 32)), tmp_path / "other")
    project.add_video(tmp_path / "other")
    project.anchor("other", 0, 1, square(4, 4))
    track_project(project, "other", engine=drifting())
    assert {item.video for item in review_queue(project).items} == {CLIP, "other"}
    assert {item.video for item in review_queue(project, "other").items} == {"other"}
    events = accept_confident(project, 1.0, "other")
    assert [event.payload["video"] for event in events] == ["other"]
    assert {event.payload["video"] for event in accept_confident(project, 1.0)} == {CLIP}


def test_how_many_accepted_masks_are_wrong() -> None:
    """More of those with a higher bound; between the bounds that were measured it is in between."""
    assert share_wrong(0.0) == 0
    shares = [share_wrong(below) for below in (0.02, 0.03, 0.05, 0.1, 0.2, 0.5, 1.0)]
    assert shares == sorted(shares)
    assert 0 < shares[0] < shares[1] < shares[2] < shares[-1] < 0.5


def test_thresholds() -> None:
    """One form is understood."""
    assert parse_threshold("u < 0.1") == 0.1
    for text in ("u>0.1", "0.1", "u<2", "u<1.1.1"):
        with pytest.raises(InputError, match="write u<NUMBER"):
            parse_threshold(text)


def test_a_shape_is_compared_where_it_has_moved_to() -> None:
    """A jump is not a change of shape."""
    signals = mask_signals(0, [(square(4, 2), 0.9), (square(4, 14), 0.9)])
    assert set(signals) == {"jump"}


def test_the_change_of_shape_is_one_minus_iou() -> None:
    """A square of 100 pixels that becomes a ring of 64."""
    ring = square(4, 4, 10) & ~square(6, 6, 6)
    found = mask_signals(0, [(square(4, 4, 10), 0.9), (ring, 0.9)])["shape"]
    ramp = SIGNALS["shape"].ramp
    assert ramp is not None
    assert found == {1: pytest.approx(ramp(0.36), abs=1e-3)}
    assert 0 < found[1] < 1


def test_crumbs_are_no_pieces() -> None:
    """Those below a fiftieth of the area are not counted."""
    crumbs = square(2, 2, 12)
    crumbs[20, [2, 5, 8, 11, 14]] = True
    assert "pieces" not in mask_signals(0, [(square(2, 2, 12), 0.9)] * 3 + [(crumbs, 0.9)])
