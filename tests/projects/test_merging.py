"""Several annotators: merging copies, conflicts, agreement; and keeping a project whole."""

from __future__ import annotations

import os
import re
import shutil
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from vos.errors import InputError, MediaError
from vos.projects import (
    ConflictError,
    Draft,
    JournalError,
    Project,
    agreement,
    check,
    collect_garbage,
    merge,
    pending_jobs,
    replay,
    review_queue,
    track_project,
)
from vos.projects.events import VERSION, Event
from vos.projects.folding import fold
from vos.projects.tracking import run_job
from vos.testing import scene, write_images

from .drifting import CLIP, FRAMES, drifting, new_project, square


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project and its copy, in which nobody works."""
    with new_project(tmp_path) as project:
        project.anchor(CLIP, 0, 1, square(2, 2))
        track_project(project, engine=drifting())
    shutil.copytree(tmp_path / "project", tmp_path / "copy")
    return tmp_path


def contents(folder: Path) -> dict[str, bytes]:
    """Path and content of all files."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_masks_given_without_knowing_of_each_other_are_a_conflict(folder: Path) -> None:
    """It comes first in the queue until somebody who has seen both gives the mask again."""
    with Project.open(folder / "project", annotator="anna") as anna:
        anna.anchor(CLIP, 5, 1, square(4, 4))
    with Project.open(folder / "copy", annotator="ben") as ben:
        ben.anchor(CLIP, 5, 1, square(5, 5))
    assert merge(folder / "project", folder / "copy").events == 1
    with Project.open(folder / "project", annotator="anna") as anna:
        item = review_queue(anna).items[0]
        assert (item.frame, item.reasons[0].signal) == (5, "conflict")
        assert "anna" in item.reasons[0].text
        assert "ben" in item.reasons[0].text
        assert len(check(folder / "project").problems) == 1
        (one,) = agreement(anna)
        assert (one.object_id, one.frames, one.worst) == (1, 1, 5)
        assert one.iou == pytest.approx(25 / 47)
        anna.anchor(CLIP, 5, 1, square(4, 5))
        assert anna.state.conflicts == {}


def test_accepting_another_result_is_a_verdict(folder: Path) -> None:
    """What was accepted stays, though another writer tracked something else before that was known."""
    with Project.open(folder / "copy", annotator="ben") as ben:
        ben.review(CLIP, 4, 6, "accepted")
    with Project.open(folder / "project", annotator="anna") as anna:
        anna.anchor(CLIP, 8, 1, square(9, 9))
        track_project(anna, engine=drifting())
        anna.review(CLIP, 4, 6, "accepted")
        accepted = anna.frame(CLIP, 5).labels
    merge(folder / "project", folder / "copy")
    with Project.open(folder / "project", annotator="anna") as anna:
        (one,) = agreement(anna)
        assert one.frames == 3
        assert one.iou < 1
        np.testing.assert_array_equal(anna.frame(CLIP, 5).labels, accepted)


def test_tracking_elsewhere_does_not_change_what_was_accepted(folder: Path) -> None:
    """Though it went over those frames, and comes later in the order of events."""
    with Project.open(folder / "project", annotator="anna") as anna:
        anna.review(CLIP, 4, 6, "accepted")
        accepted = [anna.frame(CLIP, frame).labels for frame in (4, 5, 6)]
    with Project.open(folder / "copy", annotator="ben") as ben:
        ben.anchor(CLIP, 8, 1, square(9, 9))
        track_project(ben, engine=drifting())
        assert any((ben.frame(CLIP, f).labels != a).any() for f, a in zip((4, 5, 6), accepted, strict=True))
    merge(folder / "project", folder / "copy")
    with Project.open(folder / "project", annotator="anna") as anna:
        for frame, labels in zip((4, 5, 6), accepted, strict=True):
            np.testing.assert_array_equal(anna.frame(CLIP, frame).labels, labels)


def test_other_projects_and_forked_journals_are_refused(folder: Path) -> None:
    """Nothing is changed then."""
    for name in ("project", "copy"):
        with Project.open(folder / name, annotator="anna") as project:
            project.add_object(name)
    before = (folder / "project" / "journal" / "anna.jsonl").read_bytes()
    with pytest.raises(JournalError, match="two people worked under one name"):
        merge(folder / "project", folder / "copy")
    assert (folder / "project" / "journal" / "anna.jsonl").read_bytes() == before
    Project.create(folder / "new").close()
    with pytest.raises(InputError, match="different projects"):
        merge(folder / "project", folder / "new")


def test_an_old_counter_is_a_conflict(folder: Path) -> None:
    """Nothing is appended, and the events in between are named."""
    with Project.open(folder / "project", annotator="anna") as project:
        counter = project.counter
        project.add_object("three")
        with pytest.raises(ConflictError) as caught:
            project.append([Draft("remove", {"object": 1})], expect=counter)
        assert [event.kind for event in caught.value.events] == ["object"]
        project.append([Draft("remove", {"object": 1})], expect=project.counter)
        assert project.state.visible == (2, 3)


def test_what_is_read_late_is_a_conflict_too(folder: Path) -> None:
    """What another annotator did long ago gives an object another number, whatever its Lamport counter."""
    with (
        Project.open(folder / "project", annotator="anna") as anna,
        Project.open(folder / "project", annotator="ben") as ben,
    ):
        for _ in range(3):
            anna.anchor(CLIP, 0, 1, square(1, 1))
        assert anna.add_object("cat") == 3
        counter = anna.counter
        assert ben.add_object("tree") == 3
        (late,) = anna.refresh()
        assert anna.state.objects[3].name == "tree"
        assert late.counter < counter < anna.counter
        with pytest.raises(ConflictError) as caught:
            anna.append([Draft("remove", {"object": 3})], expect=counter)
        assert caught.value.events == [late] == anna.events(counter)
        assert caught.value.counter == anna.counter
        assert anna.state.visible == (1, 2, 3, 4)
        (cat,) = (one.event for one in anna.state.renumbered)
        anna.append([Draft("remove", {"object": 3}, {3: cat})], expect=anna.counter)
        assert anna.state.visible == (1, 2, 3)
        assert anna.state.objects[3].name == "tree"
        with pytest.raises(InputError, match="event 'anna:99' added no object"):
            anna.append([Draft("remove", {"object": 3}, {3: "anna:99"})])


def test_others_are_read_while_they_write(folder: Path) -> None:
    """Two annotators in one folder."""
    with (
        Project.open(folder / "project", annotator="anna") as anna,
        Project.open(folder / "project", annotator="ben") as ben,
    ):
        seen: list[str] = []
        stop = ben.subscribe(lambda events: seen.extend(event.kind for event in events))
        anna.add_object("three")
        assert [event.kind for event in ben.refresh()] == ["object"]
        assert ben.refresh() == []
        assert seen == ["object"]
        stop()
        assert ben.state == anna.state
        ben.anchor(CLIP, 3, 3, square(1, 1))
        anna.refresh()
        assert ben.state == anna.state


def test_garbage_is_what_nobody_mentions_and_is_old(folder: Path) -> None:
    """What was undone is still mentioned."""
    root = folder / "project"
    with Project.open(root, annotator="anna") as project:
        project.anchor(CLIP, 3, 1, square(3, 3))
        project.undo()
        project.put_mask(CLIP, square(7, 7))
    assert check(root).unused == 1
    assert collect_garbage(root)[0] == 0
    for path in (root / "blobs").glob("??/*"):
        os.utime(path, (time.time() - 90_000,) * 2)
    assert collect_garbage(root)[0] == 1
    assert check(root).problems == ()
    assert check(root).unused == 0


def test_check_finds_damaged_and_missing_masks(folder: Path) -> None:
    """By name."""
    paths = sorted((folder / "project" / "blobs").glob("??/*"))
    paths[0].write_bytes(paths[0].read_bytes()[:-1])
    paths[1].unlink()
    problems = check(folder / "project").problems
    assert [p for p in problems if paths[0].name in p and "damaged" in p]
    (missing,) = [p for p in problems if paths[1].name in p and "missing" in p]
    with Project.open(folder / "project", annotator="anna") as project:
        project.undo(re.search(r"--event ([\w:]+)", missing)[1])  # type: ignore[index]
    assert len(check(folder / "project").problems) == len(problems) - 1


def test_check_finds_what_is_shown_of_undone_tracking(folder: Path) -> None:
    """Accepted masks stay when their tracking is undone; undoing the review ends that."""
    root = folder / "project"
    with Project.open(root, annotator="anna") as project:
        (tracked,) = [event for event in project.events() if event.kind == "tracked"]
        review = project.review(CLIP, 4, 6, "accepted", [1])
        project.undo(tracked.id)
        assert project.frame(CLIP, 5).mask(1).any()
    assert check(root).problems == ()
    for path in root.glob("blobs/*/*.rle"):
        path.unlink()
    problems = check(root).problems
    assert problems
    assert all("is missing" in problem and f"--event {review.id})" in problem for problem in problems)
    with Project.open(root, annotator="anna") as project:
        project.undo(review.id)
        project.frame(CLIP, 5)
    assert check(root).problems == ()


def test_check_passes_over_events_of_later_versions(folder: Path) -> None:
    """Whatever their fields mean."""
    event = Event("carl", 1, 99, "magic", {"video": CLIP, "frame": "3"}, "", {}, (0, 1), VERSION + 1)
    (folder / "project" / "journal" / "carl.jsonl").write_bytes(event.line())
    found = check(folder / "project")
    assert (found.problems, found.events) == ((), 1 + check(folder / "copy").events)


def test_check_finds_events_beyond_the_video(folder: Path) -> None:
    """By number of the frame, or by the video's key."""
    with Project.open(folder / "project", annotator="anna") as project:
        project.anchor(CLIP, FRAMES - 1, 1, None)
        project.review(CLIP, 0, FRAMES - 1, "rejected")
    assert check(folder / "project").problems == ()
    file = folder / "project" / "project.json"
    text = file.read_text()
    file.write_text(text.replace(f'"frames": {FRAMES}', f'"frames": {FRAMES - 1}'))
    problems = [p for p in check(folder / "project").problems if "about frame 11 of 'clip'" in p]
    assert len(problems) == 3  # tracked, too
    assert all("has the frames 0 to 10" in problem for problem in problems)
    file.write_text(text.replace('"clip": {', '"film": {'))
    assert "the video 'clip', which is not in the project" in check(folder / "project").problems[0]


def test_a_video_that_is_another_now(folder: Path) -> None:
    """Frames that are gone are noticed when it is opened, others of the same size before tracking."""
    last = sorted((folder / "clip").iterdir())[-1]
    whole = last.read_bytes()
    with Project.open(folder / "project", annotator="anna") as project:
        project.anchor(CLIP, 5, 1, square(4, 4))
        last.unlink()
        with pytest.raises(MediaError, match="has other frames than the video 'clip'"):
            project.open_video()
        last.write_bytes(whole[:-1] + b"?")
        project.open_video().close()
        for _ in range(2):
            with pytest.raises(MediaError, match="has other frames than the video 'clip'"):
                track_project(project, engine=drifting())
        last.write_bytes(whole)
        assert track_project(project, engine=drifting())
        project.anchor(CLIP, 7, 1, square(4, 4))
        last.write_bytes(whole[:-1] + b"?")
        with pytest.raises(MediaError, match="has other frames than the video 'clip'"):
            track_project(project, engine=drifting())


def test_a_moved_video_and_a_later_version_say_what_to_do(folder: Path) -> None:
    """In one line."""
    shutil.move(folder / "clip", folder / "elsewhere")
    with (
        Project.open(folder / "project", annotator="anna") as project,
        pytest.raises(MediaError, match=r"no longer at .*; put it back"),
    ):
        project.open_video()
    file = folder / "project" / "project.json"
    file.write_text(file.read_text().replace('"version": 1', '"version": 2'))
    with pytest.raises(InputError, match="version 2, this program reads 1"):
        Project.open(folder / "project")


def test_a_video_that_only_one_copy_has_is_added(folder: Path) -> None:
    """With the path to where it lies, and its masks."""
    write_images(scene("still", num_frames=3, size=(24, 32)), folder / "second")
    with Project.open(folder / "copy", annotator="ben") as ben:
        ben.add_video(folder / "second")
        ben.anchor("second", 1, 2, square(7, 7))
    merge(folder / "project", folder / "copy")
    with Project.open(folder / "project", annotator="anna") as anna:
        assert list(anna.videos) == [CLIP, "second"]
        with anna.open_video("second") as video:
            assert len(list(video)) == 3
        np.testing.assert_array_equal(anna.frame("second", 1).mask(2), square(7, 7))


def test_other_videos_under_one_key_are_refused(folder: Path) -> None:
    """Their masks would be of something else; nothing is merged, and the message names the key."""
    for place, name in (("project", "one"), ("copy", "two")):
        write_images(scene("still", num_frames=3, size=(24, 32), seed=len(place)), folder / name)
        with Project.open(folder / place, annotator=place) as project:
            project.add_video(folder / name, "second")
            project.anchor("second", 0, 1, square(3, 3))
    before = contents(folder / "project")
    with pytest.raises(InputError, match=r"different videos under the key 'second'.*--key second-2"):
        merge(folder / "project", folder / "copy")
    assert contents(folder / "project") == before


def test_objects_that_two_added_under_one_number_stay_two(folder: Path) -> None:
    """The later one gets another number, in all that its writer did with it, in both copies."""
    people = {"anna": ("project", "cat", square(1, 1), 1), "ben": ("copy", "tree", square(15, 20), 2)}
    for who, (place, name, mask, other) in people.items():
        with Project.open(folder / place, annotator=who) as project:
            assert project.add_object(name) == 3
            project.anchor(CLIP, 0, 3, mask)
            track_project(project, engine=drifting())
            project.review(CLIP, 4, 6, "accepted", [3])
            draft = {"video": CLIP, "first": 8, "last": 9}
            project.append([Draft("move", {**draft, "from": 3, "to": other})])
            project.append([Draft("swap", {**draft, "a": 3, "b": other})])
    with Project.open(folder / "copy", annotator="ben") as ben:
        alone = [ben.shown(CLIP, frame, 3) for frame in range(FRAMES)]
    (one,) = merge(folder / "project", folder / "copy").renumbered
    assert (one.object_id, one.asked, one.event.partition(":")[0]) == (4, 3, "ben")
    assert merge(folder / "project", folder / "copy").renumbered == ()
    merge(folder / "copy", folder / "project")
    with Project.open(folder / "project", annotator="anna") as anna:
        assert [anna.state.objects[k].name for k in (3, 4)] == ["cat", "tree"]
        assert anna.state.conflicts == {}
        for frame, before in enumerate(alone):
            after = anna.shown(CLIP, frame, 4)
            assert before is not None
            assert after is not None
            np.testing.assert_array_equal(after.mask, before.mask)
            assert after.state == before.state
        assert not any(outcome.differs for outcome in replay(anna, engine=drifting()))
        with Project.open(folder / "copy", read_only=True) as copy:
            assert copy.state == anna.state
    assert check(folder / "project").problems == ()


def test_the_number_of_an_object_that_was_undone_is_not_given_again(folder: Path) -> None:
    """Whoever undid it can redo it."""
    with (
        Project.open(folder / "project", annotator="anna") as anna,
        Project.open(folder / "project", annotator="ben") as ben,
    ):
        assert ben.add_object("tree") == 3
        ben.undo()
        anna.refresh()
        assert anna.add_object("cat") == 4
        ben.refresh()
        ben.redo()
        assert [ben.state.objects[k].name for k in (3, 4)] == ["tree", "cat"]


def test_numbers_mean_what_their_writer_saw(folder: Path) -> None:
    """Before a merge and after it, and also when a job began before it."""
    for who, place in (("anna", "project"), ("ben", "copy")):
        with Project.open(folder / place, annotator=who) as project:
            project.add_object(who)
            project.anchor(CLIP, 0, 3, square(3, 3))
    with Project.open(folder / "copy", annotator="ben") as ben:
        state, view = ben.snapshot()
        (job,) = pending_jobs(ben)
        engine = drifting()
        with ben.open_video(CLIP) as source:
            draft = run_job(ben, state, job, engine.build(), source, lambda frame: None)
        for path in (folder / "project" / "journal").iterdir():
            shutil.copy(path, folder / "copy" / "journal")
        ben.refresh()
        payload = {**draft.payload, "engine": engine.record, "view": view}
        ben.append([replace(draft, payload=payload)])
        assert [ben.state.objects[k].name for k in (3, 4)] == ["anna", "ben"]
        assert ben.shown(CLIP, 5, 3) is None
        assert ben.shown(CLIP, 5, 4) is not None
        ben.append([Draft("object", {"object": 4, "name": "tree"}), Draft("remove", {"object": 3})])
        assert ben.state.objects[4].name == "tree"
        assert ben.state.visible == (1, 2, 4)
        assert ben.add_object("more") == 5
        assert fold(ben.events(), ben.state.frames) == ben.state
