"""What a correction runs again, and what is read from earlier passes."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vos.errors import SettingsError
from vos.projects import Engine, Project, ProjectSettings, pending_jobs, replay, track_project
from vos.projects import passes as passes_module
from vos.projects.engine import engine_of
from vos.projects.passes import PASSES
from vos.projects.tracking import TrackProgress
from vos.testing import tiny_sam2_checkpoint

from .drifting import CLIP, FRAMES, DriftingTracker, new_project, square


class Counted:
    """An engine that counts the calls of its tracker."""

    def __init__(self) -> None:
        self.tracker = DriftingTracker()
        record = {"name": "drifting", "version": "0", "settings": "", "weights": None}
        self.engine = Engine(lambda: self.tracker, record)

    def frames(self, kind: str) -> list[int]:
        """Frames of the calls of a kind since the last time."""
        found = [call[1] for call in self.tracker.calls if call[0] == kind]
        self.tracker.calls = [call for call in self.tracker.calls if call[0] != kind]
        return found


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """One object given in frame 0, and nothing that a tracker is shown first."""
    project = new_project(tmp_path)
    project.change_settings(memory=0)
    project.anchor(CLIP, 0, 1, square(2, 2))
    return project


def masks(project: Project) -> list[bytes]:
    """The masks of object 1."""
    return [project.frame(CLIP, frame).mask(1).tobytes() for frame in range(FRAMES)]


def test_a_correction_runs_what_it_changes(project: Project) -> None:
    """The pass that leads to the corrected frame is read; the result is as if it had been run."""
    counted = Counted()
    track_project(project, engine=counted.engine)
    assert counted.frames("step") == list(range(1, FRAMES))
    project.anchor(CLIP, 6, 1, square(6, 9))
    track_project(project, engine=counted.engine)
    assert counted.frames("start") == [0, 6, 6]
    assert counted.frames("step") == [5, 4, 3, 2, 1, 7, 8, 9, 10, 11]
    found = masks(project)
    assert all(not outcome.differs for outcome in replay(project, engine=counted.engine))
    counted.frames("step")
    # Another mask in the same frame: only what begins there is run.
    project.anchor(CLIP, 6, 1, square(5, 9))
    track_project(project, engine=counted.engine)
    assert counted.frames("step") == [5, 4, 3, 2, 1, 7, 8, 9, 10, 11]
    # And back to the first mask: nothing is.
    project.anchor(CLIP, 6, 1, square(6, 9))
    track_project(project, engine=counted.engine)
    assert counted.frames("step") == []
    assert masks(project) == found
    assert pending_jobs(project) == []


def test_a_longer_pass_continues_a_shorter_one(project: Project) -> None:
    """From the state of the tracker at its end."""
    counted = Counted()
    project.anchor(CLIP, 5, 1, square(6, 9))
    track_project(project, engine=counted.engine)
    counted.frames("step"), counted.frames("start")
    project.undo()
    project.anchor(CLIP, 9, 1, square(6, 12))
    track_project(project, engine=counted.engine)
    steps = counted.frames("step")
    assert steps[:4] == [5, 6, 7, 8]
    assert counted.frames("start") == [9, 9]
    again = Counted()
    assert all(not outcome.differs for outcome in replay(project, engine=again.engine))


def test_other_settings_and_other_masks_are_other_passes(project: Project) -> None:
    """What a pass depends on is in its name."""
    counted = Counted()
    track_project(project, engine=counted.engine)
    copy = project.folder.parent / "copy"
    shutil.copytree(project.folder, copy)
    counted.frames("step")
    with Project.open(copy, annotator="ben") as other:
        other.anchor(CLIP, 0, 1, square(3, 2))
        track_project(other, engine=counted.engine)
        assert counted.frames("step") == list(range(1, FRAMES))
        other.anchor(CLIP, 0, 1, square(2, 2))
        changed = replace(counted.engine, record={**counted.engine.record, "settings": "other"})
        track_project(other, engine=changed)
        assert counted.frames("step") == list(range(1, FRAMES))


def test_damaged_or_deleted_passes_are_run_again(project: Project) -> None:
    """Nothing but time is lost."""
    counted = Counted()
    track_project(project, engine=counted.engine)
    (kept,) = (project.folder / PASSES).iterdir()
    kept.write_bytes(kept.read_bytes()[:100])
    project.anchor(CLIP, 6, 1, square(6, 9))
    track_project(project, engine=counted.engine)
    counted.frames("step")
    shutil.rmtree(project.folder / PASSES)
    project.anchor(CLIP, 6, 1, square(5, 9))
    track_project(project, engine=counted.engine)
    assert counted.frames("step") == [1, 2, 3, 4, 5, 5, 4, 3, 2, 1, 7, 8, 9, 10, 11]


def test_frames_that_are_kept_count_as_done(project: Project) -> None:
    """Tracking that was stopped goes on where it was, also in what it reports."""
    counted, reported = Counted(), []

    def stop(progress: TrackProgress) -> None:
        if progress.frame == 11:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        track_project(project, engine=counted.engine, progress=stop)
    counted.frames("step")
    track_project(project, engine=counted.engine, progress=reported.append)
    assert counted.frames("step") == [11]
    assert [(report.frame, report.done) for report in reported] == [(k, k) for k in range(1, FRAMES)]


def test_old_passes_make_room(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was used last stays as long as it fits."""
    counted = Counted()
    track_project(project, engine=counted.engine)
    (kept,) = (project.folder / PASSES).iterdir()
    unused = kept.with_name(f"unused{passes_module.SUFFIX}")
    shutil.copy(kept, unused)
    os.utime(unused, (0, 0))
    monkeypatch.setattr(passes_module, "LIMIT", 3 * kept.stat().st_size)
    project.anchor(CLIP, 6, 1, square(6, 9))
    track_project(project, engine=counted.engine)
    left = set((project.folder / PASSES).iterdir())
    assert kept in left
    assert unused not in left
    monkeypatch.setattr(passes_module, "LIMIT", 1)
    project.anchor(CLIP, 6, 1, square(5, 9))
    track_project(project, engine=counted.engine)
    assert list((project.folder / PASSES).iterdir()) == []


def test_short_intervals_are_filled_without_the_tracker(tmp_path: Path) -> None:
    """Where both ends show the object; it is recorded, and replayed."""
    counted = Counted()
    with new_project(tmp_path) as project:
        project.change_settings(fill=4, memory=0)
        for frame in (0, 5, 11):
            project.anchor(CLIP, frame, 1, square(2, 2 + (frame > 0)))
        (first, second) = track_project(project, engine=counted.engine)
        assert (first.payload["filled"], second.payload["filled"]) == (True, False)
        assert counted.frames("start") == [5, 11]
        track = project.state.track(CLIP, 1)
        assert {str(track.state(frame)) for frame in range(1, 5)} == {"tracked"}
        for frame in range(1, 5):  # the clip does not move as these masks do; both ends are seen
            mask = project.frame(CLIP, frame).mask(1)
            assert (mask & (square(2, 2) | square(2, 3))).sum() == mask.sum() > 0
        assert "disagree" in first.payload["signals"]["1"]
        assert all(not outcome.differs for outcome in replay(project, engine=counted.engine))
        assert np.array_equal(project.frame(CLIP, 5).mask(1), square(2, 3))


def test_swapped_colours_are_seen_where_frames_are_filled(tmp_path: Path) -> None:
    """Against those of the settled frame before: two things trade places in one frame."""
    one, two = square(8, 4), square(8, 14)
    (tmp_path / CLIP).mkdir()
    for index in range(5):
        image = np.full((*one.shape, 3), 90, np.uint8)
        image[one], image[two] = [(200, 0, 0), (0, 0, 200)][:: -1 if index == 1 else 1]
        Image.fromarray(image).save(tmp_path / CLIP / f"{index}.png")
    settings = ProjectSettings(fill=4, memory=0)
    with Project.create(tmp_path / "project", annotator="anna", settings=settings) as project:
        project.add_video(tmp_path / CLIP)
        project.add_object("one")
        project.add_object("two")
        for frame in (0, 4):
            project.anchor(CLIP, frame, 1, one)
            project.anchor(CLIP, frame, 2, two)
        (event,) = track_project(project, engine=Counted().engine)
        assert event.payload["filled"] is True
        for object_id in ("1", "2"):
            assert event.payload["signals"][object_id]["swap"] == {"1": 1.0}


def test_a_short_interval_whose_sides_disagree_is_tracked(tmp_path: Path) -> None:
    """Optical flow lost the object; every frame is reported once per direction."""
    counted, done = Counted(), []
    with new_project(tmp_path) as project:
        project.change_settings(fill=4, memory=0)
        for frame in (0, 5):
            project.anchor(CLIP, frame, 1, square(2, 2 + 2 * frame))  # the clip does not move as they do
        event, *_ = track_project(project, engine=counted.engine, progress=done.append)
        assert event.payload["filled"] is False
        assert counted.frames("step")[:8] == [1, 2, 3, 4, 4, 3, 2, 1]
        assert [(report.done, report.total) for report in done if report.job.last == 4][-1] == (8, 8)
        assert all(not outcome.differs for outcome in replay(project, engine=counted.engine))


def test_absent_at_one_end_is_tracked(tmp_path: Path) -> None:
    """There is nothing to carry from there."""
    counted = Counted()
    with new_project(tmp_path) as project:
        project.change_settings(fill=4, memory=0)
        project.anchor(CLIP, 0, 1, square(2, 2))
        project.anchor(CLIP, 3, 1, None)
        events = track_project(project, engine=counted.engine)
        assert [event.payload["filled"] for event in events] == [False, False]
        assert counted.frames("step") == [1, 2]


def test_a_cancelled_pass_continues(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a person cancels is not run again, and comes to the same masks."""
    monkeypatch.setattr(passes_module, "CHECKPOINT", 3)
    whole = Counted()
    track_project(project, engine=whole.engine)
    expected = masks(project)
    shutil.rmtree(project.folder / PASSES)
    project.undo()
    project.anchor(CLIP, 0, 1, square(2, 2))
    counted = Counted()

    def cancel(progress: TrackProgress) -> None:
        if progress.frame == 8:
            raise RuntimeError("cancelled")

    with pytest.raises(RuntimeError, match="cancelled"):
        track_project(project, engine=counted.engine, progress=cancel)
    assert counted.frames("step") == list(range(1, 9))
    track_project(project, engine=counted.engine)
    assert counted.frames("step") == list(range(7, FRAMES))
    assert masks(project) == expected


def test_those_that_were_not_used_for_longest_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passes_module, "LIMIT", 250)
    for age, name in ((3, "new"), (1, "old"), (2, "middle")):
        path = tmp_path / f"{name}{passes_module.SUFFIX}"
        path.write_bytes(bytes(100))
        os.utime(path, (age, age))
    passes_module.PassCache(tmp_path, {})._sweep()
    assert sorted(path.stem for path in tmp_path.iterdir()) == ["middle", "new"]


def test_a_tracker_whose_results_come_late_is_refused(tmp_path: Path) -> None:
    """A pass keeps each frame's result at once, and continues from the state after the last of them."""
    weights = tiny_sam2_checkpoint(tmp_path / "tiny.pt")
    late = {"memory": "long", "hold_back": 2}
    settings = ProjectSettings(model="sam2.1-tiny", checkpoint=str(weights), tracker=late)
    with pytest.raises(SettingsError, match="2 frames late"):
        engine_of(settings)
    assert engine_of(replace(settings, tracker={"memory": "long"})).record["name"] == "sam2.1-tiny"
