"""Masks that were made elsewhere, brought into a project."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.projects.drifting import CLIP, FRAMES, SIZE, drifting, new_project, square
from vos.formats.reading import Annotations
from vos.formats.records import FrameRecord, ObjectMask
from vos.ops.rle import pack_mask
from vos.projects import FrameState, Project, recording, track_project
from vos.projects.importing import import_annotations
from vos.results import Source

THEIRS = square(15, 20)
"""The mask of every object in the file."""


def annotations(given: dict[int, set[int]], tracked: set[int]) -> Annotations:
    """Frames in which a person made masks, by object, and objects that were tracked in all others."""
    packed = pack_mask(THEIRS)
    records = [
        FrameRecord(
            frame,
            f"{frame:05d}",
            SIZE,
            tuple(
                ObjectMask(k, packed)
                if frame in given.get(k, set())
                else ObjectMask(k, packed, 0.5, Source.TRACKED)
                for k in sorted({*given, *tracked})
                if k in tracked or frame in given[k]
            ),
        )
        for frame in range(FRAMES)
    ]
    return Annotations(lambda: iter(records), names={3: "theirs"})


def shown(project: Project, object_id: int) -> list[bytes | None]:
    """What is shown of an object in each frame."""
    masks = [project.shown(CLIP, frame, object_id) for frame in range(FRAMES)]
    return [None if mask is None else mask.mask.tobytes() for mask in masks]


def test_all_of_an_import_is_undone(tmp_path: Path) -> None:
    """Also tracked masks beside anchors that were there before, and of new objects; redo brings all back."""
    with new_project(tmp_path) as project:
        project.anchor(CLIP, 0, 1, square(2, 2))
        project.anchor(CLIP, 6, 1, square(2, 8))
        track_project(project, engine=drifting())
        before = shown(project, 1)
        found = import_annotations(project, CLIP, annotations({1: {3}}, {1, 3}), ids="same")
        assert (found.given, found.tracked, found.objects) == (1, 9 + FRAMES, (1, 3))
        after = shown(project, 1), shown(project, 3)
        theirs = THEIRS.tobytes()
        assert after == ([theirs if f not in (0, 6) else before[f] for f in range(FRAMES)], [theirs] * FRAMES)
        states = [project.state.track(CLIP, 1).state(frame) for frame in range(FRAMES)]
        assert {f for f, state in enumerate(states) if state == FrameState.ANCHOR} == {0, 3, 6}
        assert {state for f, state in enumerate(states) if f not in (0, 3, 6)} == {FrameState.TRACKED}
        project.undo()
        assert shown(project, 1) == before
        assert project.state.visible == (1, 2)
        assert not project.state.track(CLIP, 3).results
        project.redo()
        assert (shown(project, 1), shown(project, 3)) == after


@pytest.fixture
def meanwhile(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], list[int]]:
    """Have something done once, while the signals of the first mask are measured; how often they are."""

    def arrange(action: Callable[[], object]) -> list[int]:
        real, calls = recording.job_signals, []

        def measured(*args, **kwargs):
            calls.append(1)
            if len(calls) == 1:
                action()
            return real(*args, **kwargs)

        monkeypatch.setattr(recording, "job_signals", measured)
        return calls

    return arrange


@pytest.mark.parametrize("ids", ["same", "new", None])
def test_an_object_that_is_added_meanwhile_stays_apart(tmp_path: Path, meanwhile, ids: str | None) -> None:
    """It takes the id that the file's new object was to have: that one takes another."""
    with new_project(tmp_path) as project:
        mine = square(8, 8)

        def add() -> None:
            project.anchor(CLIP, 5, project.add_object("mine"), mine)

        meanwhile(add)
        found = import_annotations(project, CLIP, annotations({3: {5}}, {3}), ids=ids)
        assert found.objects == (4,)
        assert {k: project.state.objects[k].name for k in (3, 4)} == {3: "mine", 4: "theirs"}
        assert shown(project, 3) == [mine.tobytes() if frame == 5 else None for frame in range(FRAMES)]
        assert shown(project, 4) == [THEIRS.tobytes()] * FRAMES


def test_a_mask_that_is_given_meanwhile_is_kept(tmp_path: Path, meanwhile) -> None:
    """And nothing beside it is stale; the signals that it does not change are not measured again."""
    with new_project(tmp_path) as project:
        mine = square(8, 8)
        calls = meanwhile(lambda: project.anchor(CLIP, 5, 1, mine))
        import_annotations(project, CLIP, annotations({}, {1, 2}), ids="same")
        theirs = THEIRS.tobytes()
        assert shown(project, 1) == [mine.tobytes() if f == 5 else theirs for f in range(FRAMES)]
        states = {project.state.track(CLIP, 1).state(frame) for frame in range(FRAMES)}
        assert states == {FrameState.ANCHOR, FrameState.TRACKED}
        assert len(calls) == 1 + 1 + 2  # both objects, then the two sides of the anchor
        assert np.array_equal(project.frame(CLIP, 5).labels == 1, mine)
