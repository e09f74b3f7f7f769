"""Nothing of the user's is touched, and an earlier result goes only when the new one is complete."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from run_fakes import DriftingTracker, SceneReader, files, target

from vos.errors import InputError, InterruptedRunError, OutputError, PartialResultError
from vos.files import replacing
from vos.prompts import Target
from vos.runs import TrackSettings, track_video
from vos.runs.folder import Layout, claim
from vos.testing import Scene
from vos.video.selection import Video


class Killed(BaseException):
    """Stands for SIGKILL."""


@pytest.fixture
def targets(clip: Scene) -> list[Target]:
    """One object."""
    return [target(clip, 1)]


def run(reader: SceneReader, targets: list[Target], out: Path, **options: Any) -> Any:
    """A run with a checkpoint every 5 frames."""
    end = options.pop("end", None)
    settings = TrackSettings(checkpoint_every=5, end=end)
    return track_video(Video(reader, end=end), targets, out, settings, tracker=DriftingTracker(), **options)


@pytest.mark.parametrize("name", ["..", ".", "", "a/b", "a\\b", ".work", "runs", "x" * 250, "a\nb", "a\0b"])
def test_names_of_sequences(tmp_path: Path, name: str) -> None:
    """A name that would lead elsewhere, or on one of our own places, is refused."""
    with pytest.raises(InputError, match=r"sequence name .* is not allowed"):
        Layout.of_sequence(tmp_path, name)


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_foreign_work_folder(
    reader: SceneReader, targets: list[Target], tmp_path: Path, overwrite: bool
) -> None:
    """A folder .work that no run made is named, and left as it is."""
    notes = tmp_path / "out" / ".work" / "notes.txt"
    notes.parent.mkdir(parents=True)
    notes.write_text("mine")
    with pytest.raises(OutputError, match=r"\.work is in the way, and was not made by this program"):
        run(reader, targets, tmp_path / "out", overwrite=overwrite)
    assert files(tmp_path / "out") == {".work/notes.txt": b"mine"}


def test_foreign_files_beside_ours(reader: SceneReader, targets: list[Target], tmp_path: Path) -> None:
    """Files of other programs in our folders stay through runs, stops, resumes and replacements."""
    out = tmp_path / "out"
    theirs = [out / ".movie.mp4.part", out / ".overlay.mp4.part", out / "notes.txt"]
    out.mkdir()
    for path in theirs:
        path.write_text("mine")
    reader.fail_at, reader.error = 12, KeyboardInterrupt()
    with pytest.raises(InterruptedRunError):
        run(reader, targets, out)
    inner = [out / "masks" / ".00000.png.part", out / "masks" / "notes", out / ".work" / "notes.txt"]
    for path in inner:
        path.write_text("mine")
    reader.fail_at = None
    run(reader, targets, out, resume=True)
    assert all(path.read_text() == "mine" for path in theirs + inner)
    inner.pop().rename(tmp_path / "notes.txt")  # a folder .work without a run in it is not ours
    (out / ".work").rmdir()
    run(reader, targets, out, overwrite=True)
    assert all(path.read_text() == "mine" for path in theirs + inner)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError("no such frame")])
def test_a_failed_replacement_changes_nothing(
    reader: SceneReader, targets: list[Target], tmp_path: Path, error: BaseException
) -> None:
    """A replacing run that cannot do its first frame leaves the earlier result, to the byte."""
    out = tmp_path / "out"
    run(reader, targets, out)
    before = files(out)
    reader.fail_at, reader.error = 0, error
    with pytest.raises((InterruptedRunError, OSError)):
        run(reader, targets, out, overwrite=True)
    assert files(out) == before


def test_a_stopped_replacement_is_resumed(
    reader: SceneReader, targets: list[Target], clip: Scene, tmp_path: Path
) -> None:
    """Until it is complete the earlier result is whole; then it is as a run of its own would have it."""
    out = tmp_path / "out"
    run(reader, targets, out)
    before = files(out)
    other = [target(clip, 2)]
    reader.fail_at, reader.error = 12, KeyboardInterrupt()
    with pytest.raises(InterruptedRunError, match="--resume in place of --overwrite"):
        run(reader, other, out, overwrite=True, end=20)
    assert {k: v for k, v in files(out).items() if not k.startswith(".work")} == before
    reader.fail_at = None
    with pytest.raises(OutputError, match="--resume"):
        run(reader, other, out, end=20)
    summary = run(reader, other, out, end=20, resume=True)
    assert summary.files["masks"] == str(out / "masks")
    run(reader, other, tmp_path / "whole", end=20)
    assert files(out) == files(tmp_path / "whole")


@pytest.mark.parametrize("count", range(1, 80, 3))
def test_killed_while_replacing(
    reader: SceneReader,
    targets: list[Target],
    clip: Scene,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    count: int,
) -> None:
    """Killed at any change on disk, either result is whole or --resume makes the new one whole."""
    out, other = tmp_path / "out", [target(clip, 2)]
    run(reader, targets, out, end=7)
    run(reader, other, tmp_path / "whole", end=9)
    calls = 0

    def counted(function: Any) -> Any:
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls >= count:
                raise Killed
            return function(*args, **kwargs)

        return wrapped

    with monkeypatch.context() as patch:
        for owner, name in ((os, "replace"), (os, "unlink"), (Path, "unlink"), (Path, "rmdir")):
            patch.setattr(owner, name, counted(getattr(owner, name)))
        try:
            run(reader, other, out, end=9, overwrite=True)
        except Killed:
            pass
        else:
            pytest.skip(f"the run ends before change {count}")
    try:
        run(reader, other, out, end=9, resume=True)
    except OutputError:  # killed before the replacing run had begun: the earlier result is there
        run(reader, other, out, end=9, overwrite=True)
    assert files(out) == files(tmp_path / "whole")


def test_a_file_in_the_way_of_the_new_result(
    reader: SceneReader, targets: list[Target], tmp_path: Path
) -> None:
    """A mask that the user put beside ours is not replaced; once it is moved, the run ends well."""
    out = tmp_path / "out"
    run(reader, targets, out, end=5)
    mine = out / "masks" / "00008.png"
    mine.write_text("mine")
    with pytest.raises(PartialResultError, match=r"00008.png is in the way"):
        run(reader, targets, out, overwrite=True)
    assert mine.read_text() == "mine"
    assert (out / "run.json").exists()
    mine.rename(tmp_path / "elsewhere.png")
    run(reader, targets, out, resume=True)
    run(reader, targets, tmp_path / "whole")
    assert files(out) == files(tmp_path / "whole")


@pytest.mark.parametrize("inside", ["overlay.mp4", "masks/00000.png", ".work/x.mp4"])
def test_an_input_among_the_results(
    clip: Scene, source: Path, targets: list[Target], tmp_path: Path, inside: str
) -> None:
    """What is read is never what is replaced, by whatever path it is given."""
    out = tmp_path / "out"
    run(SceneReader(clip, source), targets, out, end=3)
    path = out / inside
    path.parent.mkdir(exist_ok=True)
    path.touch()
    before = files(out)
    link = tmp_path / "link.mp4"
    link.symlink_to(path)
    for given in (path, link):
        with pytest.raises(OutputError, match="is among the results"):
            run(SceneReader(clip, given), targets, out, overwrite=True)
    assert files(out) == before


def test_two_sequences_of_one_benchmark(tmp_path: Path) -> None:
    """The temporary file of one run survives the beginning and the end of another in the same folder."""
    first, second = (Layout.of_sequence(tmp_path, name) for name in "ab")
    with claim(first, {"version": "1"}):
        first.paths["run"].parent.mkdir(exist_ok=True)
        with replacing(first.paths["run"]) as temporary:
            with claim(second, {"version": "1"}) as folder:
                assert temporary.exists()
                folder.forget()
            assert temporary.exists()
        assert first.paths["run"].exists()


def test_a_stopped_run_of_an_earlier_version(tmp_path: Path) -> None:
    """Its folder has no marker, but the description of a run: it is known, too."""
    layout = Layout.of_video(tmp_path)
    layout.work.mkdir()
    (layout.work / "job.json").write_text('{"program": "vos", "version": "1"}')
    with claim(layout, {"version": "1"}, resume=True) as folder:
        assert folder.resumed
        folder.finish()
    assert not layout.work.exists()
