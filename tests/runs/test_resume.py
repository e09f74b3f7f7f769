"""A run that was stopped, at any moment and for any reason, ends as if it had not been."""

from __future__ import annotations

import dataclasses
import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest
from run_fakes import DriftingTracker, SceneReader, files, target

import vos.runs.work_folder
from vos.errors import InterruptedRunError, MediaError, OutputError, PartialResultError
from vos.prompts import Target
from vos.runs import TrackSettings, track_video
from vos.runs.folder import Layout, claim
from vos.testing import Scene
from vos.trackers.registry import build_tracker
from vos.video.selection import Video


class Killed(BaseException):
    """Stands for SIGKILL: nothing that runs afterwards may touch the disk."""


@pytest.fixture
def targets(clip: Scene) -> list[Target]:
    """Two objects from frames 4 and 9: the backward pass has 10 frames, the forward pass 23."""
    return [target(clip, 1, 4), target(clip, 2, 9)]


@pytest.fixture
def whole(
    reader: SceneReader, targets: list[Target], tmp_path: Path, settings: TrackSettings
) -> dict[str, bytes]:
    """The files of an uninterrupted run."""
    track_video(Video(reader), targets, tmp_path / "whole", settings, tracker=DriftingTracker())
    return files(tmp_path / "whole")


def kill_at(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    """The process dies at the ``count``-th rename of a finished file, before it or (odd) after it."""
    replace, calls = os.replace, []

    def deadly(source: Any, final: Any) -> None:
        calls.append(final)
        if len(calls) < count:
            replace(source, final)
            return
        if len(calls) == count and count % 2:
            replace(source, final)
        raise Killed

    def undeletable(*args: Any, **kwargs: Any) -> None:
        if len(calls) >= count:
            raise Killed

    monkeypatch.setattr(os, "replace", deadly)
    unlink = Path.unlink
    monkeypatch.setattr(Path, "unlink", lambda *a, **k: undeletable() or unlink(*a, **k))
    rmtree = vos.runs.work_folder.shutil.rmtree
    monkeypatch.setattr(
        vos.runs.work_folder.shutil, "rmtree", lambda *a, **k: undeletable() or rmtree(*a, **k)
    )


@pytest.mark.parametrize("count", [1, 2, 7, 8, 13, 14, 16, 17, 22, 23, 25, 54, 57, 58, 59, 60])
def test_killed_at_any_write(
    reader: SceneReader,
    targets: list[Target],
    tmp_path: Path,
    settings: TrackSettings,
    whole: dict[str, bytes],
    count: int,
) -> None:
    """Wherever the process dies, no file under a final name is partial, and --resume gives the same bytes."""
    out = tmp_path / "out"
    with pytest.MonkeyPatch.context() as monkeypatch:
        kill_at(monkeypatch, count)
        with pytest.raises(Killed):
            track_video(Video(reader), targets, out, settings, tracker=DriftingTracker())
    for name, data in files(out).items():
        if not Path(name).name.startswith(".") and not name.startswith(".work"):
            assert data == whole[name], name
    track_video(Video(reader), targets, out, settings, tracker=DriftingTracker(), resume=True)
    assert files(out) == whole


def test_killed_again_and_again(
    reader: SceneReader,
    targets: list[Target],
    tmp_path: Path,
    settings: TrackSettings,
    whole: dict[str, bytes],
) -> None:
    """A run that never gets further than a few frames at a time ends all the same."""
    for _ in range(100):
        with pytest.MonkeyPatch.context() as monkeypatch:
            kill_at(monkeypatch, 13)
            try:
                track_video(
                    Video(reader), targets, tmp_path / "out", settings, tracker=DriftingTracker(), resume=True
                )
            except Killed:
                continue
            break
    assert files(tmp_path / "out") == whole


@pytest.mark.parametrize("index", [0, 3, 9, 15, 22])
def test_interrupted(
    reader: SceneReader,
    targets: list[Target],
    tmp_path: Path,
    settings: TrackSettings,
    whole: dict[str, bytes],
    index: int,
) -> None:
    """Ctrl-C in any frame: what is done stays, the message says how much, and --resume ends the same."""
    out = tmp_path / "out"
    reader.fail_at, reader.error = index, KeyboardInterrupt()
    with pytest.raises(InterruptedRunError, match=r"interrupted: .*--resume|no frame was done") as caught:
        track_video(Video(reader), targets, out, settings, tracker=DriftingTracker())
    if index == 15:
        assert "15 frames are done" in str(caught.value)
        assert sorted(p.stem for p in (out / "masks").iterdir()) == [f"{n:05d}" for n in range(15)]
    if index == 9:  # the backward pass begins there
        assert not out.exists()
    reader.fail_at = None
    track_video(Video(reader), targets, out, settings, tracker=DriftingTracker(), resume=True)
    assert files(out) == whole


def test_resuming_does_not_track_again_what_is_done(
    reader: SceneReader, clip: Scene, tmp_path: Path, settings: TrackSettings
) -> None:
    """After 17 of 23 frames the run goes on at frame 15, the latest checkpoint."""
    reader.fail_at, reader.error = 17, KeyboardInterrupt()
    with pytest.raises(InterruptedRunError):
        track_video(Video(reader), [target(clip, 1)], tmp_path / "out", settings, tracker=DriftingTracker())
    reader.fail_at, reader.reads = None, []
    tracker = DriftingTracker()
    track_video(Video(reader), [target(clip, 1)], tmp_path / "out", settings, tracker=tracker, resume=True)
    assert tracker.calls == [("step", n, ()) for n in range(15, 23)]
    assert reader.reads == list(range(15, 23))


def test_a_damaged_video(reader: SceneReader, clip: Scene, tmp_path: Path, settings: TrackSettings) -> None:
    """Damage in the middle: a partial result, its frames complete; --end takes what can be read."""
    out, targets = tmp_path / "out", [target(clip, 1)]
    reader.fail_at, reader.error = 12, MediaError("clip.mkv is damaged after frame 11")
    with pytest.raises(PartialResultError, match=r"damaged after frame 11; 12 frames are done") as caught:
        track_video(Video(reader), targets, out, settings, tracker=DriftingTracker())
    assert caught.value.exit_code == 5
    shorter = dataclasses.replace(settings, end=12)
    track_video(Video(reader, end=12), targets, out, shorter, tracker=DriftingTracker(), resume=True)
    track_video(Video(reader, end=12), targets, tmp_path / "short", shorter, tracker=DriftingTracker())
    assert files(out) == files(tmp_path / "short")


def test_a_video_that_cannot_be_read_at_all(
    reader: SceneReader, clip: Scene, tmp_path: Path, settings: TrackSettings
) -> None:
    """Damage before the first frame is bad media, and nothing is left behind."""
    reader.fail_at, reader.error = 0, MediaError("clip.mkv is damaged")
    with pytest.raises(MediaError, match="damaged"):
        track_video(Video(reader), [target(clip, 1)], tmp_path / "out", settings, tracker=DriftingTracker())
    assert not (tmp_path / "out").exists()


def test_an_end_before_what_is_done(
    reader: SceneReader, clip: Scene, tmp_path: Path, settings: TrackSettings
) -> None:
    """An --end in the part that is done already cannot be gone on with."""
    reader.fail_at, reader.error = 12, KeyboardInterrupt()
    with pytest.raises(InterruptedRunError):
        track_video(Video(reader), [target(clip, 1)], tmp_path / "out", settings, tracker=DriftingTracker())
    shorter = dataclasses.replace(settings, end=4)
    with pytest.raises(PartialResultError, match="done up to frame 9 already"):
        track_video(
            Video(reader, end=4),
            [target(clip, 1)],
            tmp_path / "out",
            shorter,
            tracker=DriftingTracker(),
            resume=True,
        )


@pytest.mark.parametrize("after", [1, 7, 30])
def test_a_full_disk(
    reader: SceneReader,
    clip: Scene,
    tmp_path: Path,
    settings: TrackSettings,
    monkeypatch: pytest.MonkeyPatch,
    after: int,
) -> None:
    """No space: exit 2 before the first frame, 5 later; complete files only; --resume goes on."""
    out, targets = tmp_path / "out", [target(clip, 1)]
    track_video(Video(reader), targets, tmp_path / "whole", settings, tracker=DriftingTracker())
    write_bytes, calls = Path.write_bytes, []

    def full(path: Path, data: bytes) -> int:
        calls.append(path)
        if len(calls) <= after:
            return write_bytes(path, data)
        write_bytes(path, data[: len(data) // 2])
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        error = OutputError if after == 1 else PartialResultError
        with pytest.raises(error, match="the disk is full"):
            track_video(Video(reader), targets, out, settings, tracker=DriftingTracker())
    whole = files(tmp_path / "whole")
    if after == 1:
        assert not out.exists()
    else:
        visible = {name: data for name, data in files(out).items() if not name.startswith(".work")}
        assert visible
        assert visible.items() <= whole.items()
    track_video(Video(reader), targets, out, settings, tracker=DriftingTracker(), resume=True)
    assert files(out) == whole


@pytest.mark.parametrize("stopped", [True, False])
def test_resume_with_other_settings_is_refused(
    reader: SceneReader, clip: Scene, tmp_path: Path, settings: TrackSettings, source: Path, stopped: bool
) -> None:
    """Another setting, target or input is refused, naming what differs, before and after the end."""
    out = tmp_path / "out"

    def go(*ids: int, **changes: Any) -> None:
        changed = dataclasses.replace(settings, **changes)
        targets = [target(clip, k) for k in ids]
        track_video(Video(reader), targets, out, changed, tracker=DriftingTracker(), resume=True)

    if stopped:
        reader.fail_at, reader.error = 12, KeyboardInterrupt()
        with pytest.raises(InterruptedRunError):
            go(1)
        reader.fail_at = None
    else:
        go(1)
    before = files(out)
    with pytest.raises(OutputError, match=r'settings\.model was "classical", is "other"'):
        go(1, model="other")
    with pytest.raises(OutputError, match=r"settings\.outputs was .*outputs\.overlay"):
        go(1, outputs=("masks",))
    added = r"targets\.2 at frame 0 was null, is" if stopped else "object 2 is not in the finished run"
    with pytest.raises(OutputError, match=added):
        go(1, 2)
    source.write_bytes(b"another video, still not")
    with pytest.raises(OutputError, match=r"input\.size was 18, is 24; input\.sha256 was"):
        go(1)
    assert files(out) == before


def test_resume_of_a_run_of_an_earlier_version(
    reader: SceneReader, clip: Scene, tmp_path: Path, settings: TrackSettings
) -> None:
    """A setting that it does not have cannot be given as it was: the version is the next thing to try."""
    out = tmp_path / "out"

    def go() -> None:
        track_video(
            Video(reader), [target(clip, 1)], out, settings, tracker=build_tracker("classical"), resume=True
        )

    go()
    record = json.loads((out / "run.json").read_text())
    del record["engine"]["novelty"]
    (out / "run.json").write_text(json.dumps(record))
    with pytest.raises(
        OutputError, match=r"engine\.novelty is a setting that it does not have\. It was made by an earlier"
    ):
        go()


def test_resume_of_nothing_begins(
    reader: SceneReader, clip: Scene, tmp_path: Path, settings: TrackSettings
) -> None:
    """--resume in an empty place starts, so that one command can be repeated until it is done."""
    summary = track_video(
        Video(reader), [target(clip, 1)], tmp_path / "out", settings, tracker=DriftingTracker(), resume=True
    )
    assert summary.frames == 23


def test_resume_of_a_finished_run(
    reader: SceneReader, clip: Scene, tmp_path: Path, settings: TrackSettings
) -> None:
    """Nothing is done again, and the summary is that of the run."""
    first = track_video(
        Video(reader), [target(clip, 1)], tmp_path / "out", settings, tracker=DriftingTracker()
    )
    tracker = DriftingTracker()
    again = track_video(
        Video(reader), [target(clip, 1)], tmp_path / "out", settings, tracker=tracker, resume=True
    )
    assert tracker.calls == []
    assert (again.frames, again.objects, again.files) == (first.frames, first.objects, first.files)
    assert not (tmp_path / "out" / ".work").exists()


def test_overwrite_of_a_stopped_run(
    reader: SceneReader, targets: list[Target], clip: Scene, tmp_path: Path, settings: TrackSettings
) -> None:
    """Everything of the stopped run goes, masks after its last checkpoint too."""
    out = tmp_path / "out"
    reader.fail_at, reader.error = 18, KeyboardInterrupt()
    with pytest.raises(InterruptedRunError):
        track_video(Video(reader), targets, out, settings, tracker=DriftingTracker())
    reader.fail_at = None
    with pytest.raises(OutputError, match=r"a run that was stopped: give --resume"):
        track_video(Video(reader), targets, out, settings, tracker=DriftingTracker())
    short = dataclasses.replace(settings, end=12)
    track_video(Video(reader, end=12), targets, out, short, tracker=DriftingTracker(), overwrite=True)
    track_video(Video(reader, end=12), targets, tmp_path / "short", short, tracker=DriftingTracker())
    assert files(out) == files(tmp_path / "short")


def test_a_damaged_checkpoint(
    reader: SceneReader, clip: Scene, tmp_path: Path, settings: TrackSettings
) -> None:
    """A checkpoint that cannot be read is told, with what to do."""
    reader.fail_at, reader.error = 12, KeyboardInterrupt()
    with pytest.raises(InterruptedRunError):
        track_video(Video(reader), [target(clip, 1)], tmp_path / "out", settings, tracker=DriftingTracker())
    checkpoint = tmp_path / "out" / ".work" / "checkpoint"
    checkpoint.write_bytes(checkpoint.read_bytes()[:100])
    with pytest.raises(OutputError, match=r"not a whole snapshot.*--overwrite"):
        track_video(
            Video(reader),
            [target(clip, 1)],
            tmp_path / "out",
            settings,
            tracker=DriftingTracker(),
            resume=True,
        )


def test_two_at_a_time(tmp_path: Path) -> None:
    """While one process writes into a folder, another is refused."""
    layout = Layout.of_video(tmp_path / "out")
    with claim(layout, {"version": "1"}), pytest.raises(OutputError, match="another process is writing"):
        claim(layout, {"version": "1"}, overwrite=True).__enter__()


def test_stopped_before_the_first_checkpoint_twice(
    reader: SceneReader, clip: Scene, tmp_path: Path, settings: TrackSettings
) -> None:
    """Masks that a run left before its first checkpoint stay known as its own, whatever comes next."""
    out, targets = tmp_path / "out", [target(clip, 1)]
    for index in (3, 0):
        reader.fail_at, reader.error = index, KeyboardInterrupt()
        with pytest.raises(InterruptedRunError):
            track_video(Video(reader), targets, out, settings, tracker=DriftingTracker(), resume=True)
    reader.fail_at = None
    track_video(Video(reader), targets, out, settings, tracker=DriftingTracker(), overwrite=True)
    track_video(Video(reader), targets, tmp_path / "whole", settings, tracker=DriftingTracker())
    assert files(out) == files(tmp_path / "whole")


def test_both_flags(tmp_path: Path) -> None:
    """--resume and --overwrite exclude each other."""
    with pytest.raises(OutputError, match="exclude each other"):
        claim(Layout.of_video(tmp_path / "out"), {}, resume=True, overwrite=True).__enter__()
    assert not (tmp_path / "out").exists()
