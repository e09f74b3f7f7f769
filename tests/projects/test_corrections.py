"""What a correction changes, and what it must leave alone."""

from __future__ import annotations

import errno
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vos.errors import InputError
from vos.projects import Draft, Engine, FrameState, Project, pending_jobs, track_project
from vos.projects.replaying import rebuild, replay

from .drifting import CLIP, FRAMES, DriftingTracker, drifting, new_project, square


def masks(project: Project, object_id: int) -> list[bytes | None]:
    """An object's own mask in every frame."""
    shown = [project.shown(CLIP, frame, object_id) for frame in range(FRAMES)]
    return [None if mask is None else mask.mask.tobytes() for mask in shown]


def states(project: Project, object_id: int) -> str:
    """The state of every frame by its first letter."""
    track = project.state.track(CLIP, object_id)
    return "".join("X" if (s := track.state(f)) == FrameState.ANCHOR else s[0] for f in range(FRAMES))


def test_first_tracking_takes_one_pass_for_all_objects(project: Project) -> None:
    """Objects with the same interval share it, and follow from the anchors."""
    tracked = [event for event in project.events() if event.kind == "tracked"]
    assert [event.payload["objects"] for event in tracked] == [[1, 2]]
    np.testing.assert_array_equal(project.frame(CLIP, 3).mask(1), square(2, 5))
    np.testing.assert_array_equal(project.frame(CLIP, 3).mask(2), square(14, 5))
    assert states(project, 1) == "X" + "t" * 11
    assert pending_jobs(project) == []


def test_an_anchor_makes_two_intervals_of_one_object_stale(project: Project) -> None:
    """Only the intervals that touch it are tracked again, and the anchor is shown as it was given."""
    project.anchor(CLIP, 8, 1, square(2, 11))
    track_project(project, engine=drifting())
    before, other = masks(project, 1), masks(project, 2)
    project.anchor(CLIP, 4, 1, square(4, 4))
    assert states(project, 1) == "XsssXsssXttt"
    assert states(project, 2) == "X" + "t" * 11
    events = track_project(project, engine=drifting())
    assert [(e.payload["objects"], e.payload["first"], e.payload["last"]) for e in events] == [
        ([1], 1, 3),
        ([1], 5, 7),
    ]
    after = masks(project, 1)
    assert after[8:] == before[8:]
    assert after[4] == square(4, 4).tobytes()
    assert after[1:4] != before[1:4]
    assert masks(project, 2) == other


def test_both_directions_meet_at_the_switch_frame(project: Project) -> None:
    """Forward from the anchor before, backward from the one after."""
    project.anchor(CLIP, 6, 1, square(6, 20))
    track_project(project, engine=drifting())
    shown = [project.shown(CLIP, frame, 1) for frame in range(1, 6)]
    forward = [square(2, 2 + frame).tobytes() for frame in range(1, 6)]
    backward = [square(6, 20 + 6 - frame).tobytes() for frame in range(1, 6)]
    came = ["f" if s.mask.tobytes() == f else "b" if s.mask.tobytes() == b else "?"
            for s, f, b in zip(shown, forward, backward, strict=True) if s]  # fmt: skip
    assert "".join(came) == "ffbbb"


def test_an_absent_anchor_begins_nothing(project: Project) -> None:
    """An object that is absent in a frame is not tracked from there, in either direction."""
    project.anchor(CLIP, 5, 1, None)
    track_project(project, engine=drifting())
    areas = [int(np.frombuffer(m, bool).sum()) if m is not None else None for m in masks(project, 1)]
    assert areas[:5] == [36] * 5
    assert areas[5:] == [0] * 7


def test_undo_of_an_anchor_restores_what_was_shown(project: Project) -> None:
    """Nothing is tracked for it, and redo brings the later results back."""
    before = masks(project, 1)
    project.anchor(CLIP, 4, 1, square(4, 4))
    track_project(project, engine=drifting())
    corrected = masks(project, 1)
    project.undo()
    assert masks(project, 1) == before
    assert pending_jobs(project) == []
    project.redo()
    assert masks(project, 1) == corrected
    assert pending_jobs(project) == []
    assert project.redo() == []
    project.undo()
    assert masks(project, 1) == before


def test_redo_brings_back_whatever_was_undone(project: Project) -> None:
    """Also tracking, one of several events, and an action that begins with undoing."""
    before = masks(project, 1)
    (tracking,) = [event.id for event in project.events() if event.kind == "tracked"]
    project.undo(tracking)
    assert set(masks(project, 1)[1:]) == {None}
    project.redo()
    assert masks(project, 1) == before
    draft = Draft("anchor", {"video": CLIP, "frame": 4, "object": 1, "mask": None})
    project.undo(project.append([draft, replace(draft, payload={**draft.payload, "frame": 5})])[1].id)
    assert states(project, 1)[4:6] == "Xs"
    project.redo()
    assert states(project, 1)[4:6] == "XX"
    project.undo(tracking)
    both = project.append([Draft("undo", {"of": project.events()[-1].id}), draft])
    assert project.history.done[-1] == tuple(event.id for event in both)


def test_masks_outlive_the_undo_of_their_objects_making(project: Project) -> None:
    """The object is there without its name."""
    project.add_object("three")
    (making,) = [event.id for event in project.events() if event.payload.get("name") == "three"]
    project.anchor(CLIP, 4, 3, square(1, 1))
    project.undo(making)
    assert (project.state.visible, project.state.objects[3].name) == ((1, 2, 3), "")
    np.testing.assert_array_equal(project.frame(CLIP, 4).mask(3), square(1, 1))


def test_accepted_frames_are_locked_and_make_nothing_stale(project: Project) -> None:
    """They are barriers for later corrections."""
    before = masks(project, 1)
    project.review(CLIP, 5, 6, "accepted", [1])
    assert states(project, 1) == "Xttttaattttt"
    assert pending_jobs(project) == []
    project.anchor(CLIP, 3, 1, square(10, 10))
    events = track_project(project, engine=drifting())
    assert [(e.payload["first"], e.payload["last"]) for e in events] == [(1, 2), (4, 4)]
    assert masks(project, 1)[5:] == before[5:]
    project.review(CLIP, 5, 6, "open", [1])
    assert states(project, 1) == "XttXssssssss"


def test_rejected_frames_are_marked_until_they_are_tracked_again(project: Project) -> None:
    """A verdict is about the mask that was shown."""
    project.review(CLIP, 2, 3, "rejected", [1])
    assert states(project, 1) == "Xtrr" + "t" * 8
    project.anchor(CLIP, 6, 1, square(2, 8))
    track_project(project, engine=drifting())
    assert states(project, 1) == "XtttttXttttt"


def test_swap_is_not_undone_by_tracking(project: Project) -> None:
    """Two objects change places in a range, and stay so."""
    one, two = masks(project, 1), masks(project, 2)
    project.append([Draft("swap", {"video": CLIP, "a": 1, "b": 2, "first": 6, "last": 11})])
    assert masks(project, 1) == one[:6] + two[6:]
    assert masks(project, 2) == two[:6] + one[6:]
    assert track_project(project, engine=drifting()) == []
    project.undo()
    assert masks(project, 1) == one


def test_move_and_hide(project: Project) -> None:
    """A piece of one object becomes another's; a range without the object is locked."""
    one, two = masks(project, 1), masks(project, 2)
    project.append([Draft("move", {"video": CLIP, "from": 2, "to": 1, "first": 8, "last": 9})])
    assert masks(project, 1) == one[:8] + two[8:10] + one[10:]
    assert not np.frombuffer(masks(project, 2)[8] or b"", bool).any()
    project.append([Draft("hide", {"video": CLIP, "object": 2, "first": 3, "last": 4})])
    assert states(project, 2)[3:5] == "aa"
    assert not project.frame(CLIP, 3).mask(2).any()


def test_overlaps_anchor_first_then_the_later_anchor(project: Project) -> None:
    """No other object takes an anchor's pixels."""
    project.anchor(CLIP, 6, 1, square(12, 6))  # over object 2, which is tracked
    frame = project.frame(CLIP, 6)
    np.testing.assert_array_equal(frame.mask(1), square(12, 6))
    project.anchor(CLIP, 6, 2, square(14, 8))
    frame = project.frame(CLIP, 6)
    np.testing.assert_array_equal(frame.mask(2), square(14, 8))
    np.testing.assert_array_equal(frame.mask(1), square(12, 6) & ~square(14, 8))


def test_replay_gives_the_same_bytes(project: Project) -> None:
    """Also of results that no longer count."""
    project.anchor(CLIP, 4, 1, square(4, 4))
    track_project(project, engine=drifting())
    project.undo()
    rebuild(project, engine=drifting())
    outcomes = replay(project, engine=drifting())
    assert len(outcomes) == 5
    assert all(outcome.differs == () for outcome in outcomes)


def test_replay_writes_nothing(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not where masks are the same, nor where they differ: it works on a medium that is read-only."""

    def refuse(*arguments: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    project.close()
    tracker = DriftingTracker()
    monkeypatch.setattr(tracker, "_advance", lambda state, frame: replace(state, steps=state.steps + 1))
    other = Engine(lambda: tracker, {**drifting().record, "version": "1"})
    files = sorted(project.folder.rglob("*"))
    monkeypatch.setattr(os, "utime", refuse)
    with Project.open(project.folder, read_only=True) as reader:
        (same,) = replay(reader, engine=drifting())
        (differs,) = replay(reader, engine=other)
    assert same.differs == ()
    assert (differs.differs, differs.reason) == ((1, 2), "recorded with another version")
    assert sorted(project.folder.rglob("*")) == files
    with Project.open(project.folder, annotator="ben") as ben:  # whose file it is not
        assert ben.put_mask(CLIP, square(2, 2)) == ben.state.track(CLIP, 1).anchors[0].mask


def test_rebuild_does_not_depend_on_the_order_of_anchors(tmp_path: Path) -> None:
    """The same anchors in another order give the same masks."""
    anchors = [(0, 1, square(2, 2)), (7, 1, square(4, 8)), (3, 2, square(14, 2)), (9, 2, None)]
    results = []
    for name, order in (("a", anchors), ("b", anchors[::-1])):
        (tmp_path / name).mkdir()
        with new_project(tmp_path / name) as project:
            for frame, object_id, mask in order:
                project.anchor(CLIP, frame, object_id, mask)
                track_project(project, engine=drifting())
            rebuild(project, engine=drifting())
            assert pending_jobs(project) == []
            results.append([masks(project, 1), masks(project, 2)])
    assert results[0] == results[1]


def test_stopping_leaves_the_project_as_it_was(project: Project) -> None:
    """What progress raises stops tracking."""
    project.anchor(CLIP, 4, 1, square(4, 4))
    counter = project.counter

    def stop(progress: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        track_project(project, engine=drifting(), progress=stop)
    assert project.counter == counter
    assert len(pending_jobs(project)) == 2


def test_a_project_open_read_only_takes_no_masks(project: Project) -> None:
    """Nothing is said to be stored that is not."""
    with (
        Project.open(project.folder, read_only=True) as reader,
        pytest.raises(InputError, match="nothing can be changed"),
    ):
        reader.put_mask(CLIP, square(9, 9))


def test_numbers_of_numpy_are_numbers(project: Project) -> None:
    """Frames and objects that came out of an array."""
    event = project.anchor(CLIP, np.int64(1), np.uint8(1), square(2, 2))
    assert (event.payload["frame"], event.payload["object"]) == (1, 1)
    assert type(event.payload["frame"]) is int


@pytest.mark.parametrize(
    ("mask", "what"),
    [
        ([[True]], "a list"),
        (np.zeros((2, 2), bool), r"\(2, 2\) bool"),
        (np.zeros((4, 4)), r"\(4, 4\) float64"),
    ],
)
def test_other_masks_are_refused(project: Project, mask: Any, what: str) -> None:
    """With what was given, and the shape that is wanted."""
    with pytest.raises(InputError, match=rf"the mask is {what}, .* give a boolean mask of that shape"):
        project.anchor(CLIP, 1, 1, mask)


def test_bad_input_is_refused(project: Project) -> None:
    """In one line that names the value and what is allowed."""
    with pytest.raises(InputError, match=r"frame 12.*0 to 11"):
        project.anchor(CLIP, 12, 1, square(2, 2))
    with pytest.raises(InputError, match="no object 7; the project has 1, 2"):
        project.anchor(CLIP, 1, 7, square(2, 2))
    with pytest.raises(InputError, match="no video 'other'; the project has clip"):
        project.anchor("other", 1, 1, square(2, 2))
    with pytest.raises(InputError, match="boolean mask of that shape"):
        project.anchor(CLIP, 1, 1, np.zeros((3, 3), bool))
    with pytest.raises(InputError, match="two different objects"):
        project.append([Draft("swap", {"video": CLIP, "a": 1, "b": 1, "first": 0, "last": 1})])
    with pytest.raises(InputError, match="first must not be after last"):
        project.review(CLIP, 3, 2, "accepted")
    with pytest.raises(InputError, match="no event 'x:1'"):
        project.undo("x:1")
