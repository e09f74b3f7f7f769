"""Two objects of a project that are one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.projects.drifting import CLIP, FRAMES, drifting, new_project, square
from vos.projects import ConflictError, Project, track_project
from vos.projects.joining import join_objects


@pytest.fixture
def project(tmp_path: Path):
    """Two objects, tracked from the first frame; the one is corrected in another."""
    with new_project(tmp_path) as project:
        project.anchor(CLIP, 0, 1, square(2, 2))
        project.anchor(CLIP, 0, 2, square(14, 2))
        project.anchor(CLIP, 6, 1, square(2, 10))
        track_project(project, engine=drifting())
        yield project


def shown(project: Project) -> np.ndarray:
    """(T, H, W) labels."""
    return np.stack([project.frame(CLIP, frame).labels for frame in range(FRAMES)])


def test_two_objects_become_one(project: Project) -> None:
    """As one action, that is undone as one; all frames are counted."""
    before, counted = shown(project), []
    found = join_objects(project, 2, 1, progress=lambda *args: counted.append(args))
    assert counted == [(frame + 1, FRAMES, CLIP, frame) for frame in range(FRAMES)]
    expected = before > 0
    expected[6] = before[6] == 1  # given, where the other's is not
    np.testing.assert_array_equal(shown(project), expected)
    assert found.unions == FRAMES - 1
    assert project.state.visible == (1,)
    project.undo()
    np.testing.assert_array_equal(shown(project), before)


def test_what_is_undone_meanwhile_is_a_conflict(project: Project) -> None:
    """What is joined is what there was when it began: it is not appended to anything else."""
    before = len(project.events())

    def undo(done: int, *_: object) -> None:
        if done == 3:
            project.undo()  # the anchor in frame 6
            project.undo()  # all of object 2

    with pytest.raises(ConflictError, match="undo"):
        join_objects(project, 2, 1, progress=undo)
    assert {event.kind for event in project.events()[before:]} == {"undo"}
    assert not project.state.track(CLIP, 2).results
