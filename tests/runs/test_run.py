"""One run from beginning to end: what is written, in which order frames are tracked, what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from run_fakes import DriftingTracker, SceneReader, files, target

from vos.errors import InputError, OutputError, PromptError
from vos.frame import Frame
from vos.prompts import Prompt, Target
from vos.results import FrameResult
from vos.runs import Progress, TrackSettings, track_video
from vos.runs.backward import merge
from vos.testing import Scene, ScriptedBackbone, ScriptedTracker
from vos.video.selection import Video


def masks(folder: Path) -> dict[str, np.ndarray]:
    """Label maps in a folder by stem."""
    return {path.stem: np.array(Image.open(path)) for path in sorted((folder / "masks").iterdir())}


def test_everything_is_written(
    video: Video, clip: Scene, tmp_path: Path, settings: TrackSettings, source: Path
) -> None:
    """A mask per frame, the overlay, the annotations and the record; nothing else is left."""
    summary = track_video(
        video, [target(clip, 1), target(clip, 2)], tmp_path / "out", settings, tracker=ScriptedTracker(clip)
    )
    written = files(tmp_path / "out")
    assert [name for name in written if not name.startswith("masks/")] == [
        "annotations.json",
        "overlay.mp4",
        "run.json",
    ]
    found = masks(tmp_path / "out")
    assert list(found) == [frame.name for frame in clip.frames]
    assert all(np.array_equal(mask, truth) for mask, truth in zip(found.values(), clip.labels, strict=True))
    assert summary.frames == len(clip.frames)
    assert summary.objects == (1, 2)
    assert set(summary.seconds) == {"read", "track", "write", "total"}
    assert summary.files["overlay"] == str(tmp_path / "out" / "overlay.mp4")


def test_the_record(video: Video, clip: Scene, tmp_path: Path, settings: TrackSettings, source: Path) -> None:
    """``run.json`` says with what, on what, whom, and how every frame went."""
    track_video(video, [target(clip, 2)], tmp_path / "out", settings, tracker=ScriptedTracker(clip))
    record = json.loads((tmp_path / "out" / "run.json").read_text())
    assert record["program"] == "vos"
    assert record["settings"]["checkpoint_every"] == 5
    assert record["settings"]["overlay"]["alpha"] == 0.5
    assert record["input"]["path"] == str(source)
    assert record["input"]["size"] == 18
    assert record["targets"]["2 at frame 0"]["mask"]["area"] == int((clip.labels[0] == 2).sum())
    assert record["outputs"]["masks"] == "masks"
    assert record["calibrated"] == []  # nothing is known of a tracker that is not in the registry
    assert {"vos", "python", "numpy"} <= set(record["versions"])
    assert record["counts"] == {"frames": len(clip.frames), "objects": [2]}
    assert [frame["index"] for frame in record["frames"]] == list(range(len(clip.frames)))
    assert record["frames"][3]["objects"]["2"]["confidence"] == pytest.approx(0.99**3, abs=1e-6)
    assert record["frames"][3]["objects"]["2"]["area"] == int((clip.labels[3] == 2).sum())
    assert record["timings"]["total"] > 0


@pytest.mark.parametrize("value", ["1", 1.5, True])
def test_numbers_of_frames_are_whole(value: Any) -> None:
    """Not text, and not a part of a frame."""
    with pytest.raises(ValueError, match=f"end must be a whole number, got {value!r}"):
        TrackSettings(end=value)


def test_outputs_can_be_left_out(video: Video, clip: Scene, tmp_path: Path) -> None:
    """Only the outputs asked for are made, and the record."""
    settings = TrackSettings(outputs=("coco",))
    track_video(video, [target(clip, 1)], tmp_path / "out", settings, tracker=ScriptedTracker(clip))
    assert set(files(tmp_path / "out")) == {"annotations.json", "run.json"}


def test_progress(video: Video, clip: Scene, tmp_path: Path, settings: TrackSettings) -> None:
    """Progress is told after every frame, with the total."""
    seen: list[Progress] = []
    track_video(
        video,
        [target(clip, 1)],
        tmp_path / "out",
        settings,
        tracker=ScriptedTracker(clip),
        progress=seen.append,
    )
    count = len(clip.frames)
    assert seen == [Progress("forward", n, count) for n in range(1, count + 1)]


def test_a_selection_of_frames(reader: SceneReader, clip: Scene, tmp_path: Path) -> None:
    """Frames keep the names they have in the whole video."""
    settings = TrackSettings(start=3, end=20, stride=4, checkpoint_every=2)
    video = Video(reader, start=3, end=20, stride=4)
    summary = track_video(
        video, [target(clip, 1, 3)], tmp_path / "out", settings, tracker=ScriptedTracker(clip)
    )
    assert list(masks(tmp_path / "out")) == ["00003", "00007", "00011", "00015", "00019"]
    assert summary.frames == 5


def test_nobody_to_follow(video: Video, tmp_path: Path) -> None:
    """A run without targets is refused before anything is made."""
    with pytest.raises(PromptError, match="no object to track"):
        track_video(video, [], tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"video": "clip.mp4"}, "video must be what vos.open_video gives, got 'clip.mp4'"),
        ({"settings": {"model": "nano"}}, "settings must be vos.TrackSettings, got {'model': 'nano'}"),
        ({"tracker": "nano"}, "must be what vos.load_tracker gives, got 'nano'; vos.TrackSettings"),
        ({"targets": np.ones((4, 4), np.uint8)}, "got an array .* vos.mask_targets"),
        ({"output": ""}, "no output folder is named"),
    ],
)
def test_natural_mistakes(
    changes: dict[str, Any], message: str, video: Video, clip: Scene, tmp_path: Path, settings: TrackSettings
) -> None:
    """What stands for an argument in place of it."""
    given = {"video": video, "targets": clip.targets(0), "output": tmp_path / "out", "settings": settings}
    with pytest.raises(InputError, match=message):
        track_video(**{**given, **changes})
    assert not (tmp_path / "out").exists()


def test_targets_that_come_one_by_one(
    video: Video, clip: Scene, tmp_path: Path, settings: TrackSettings
) -> None:
    """An iterator of targets is read once."""
    summary = track_video(
        video, iter(clip.targets(0)), tmp_path / "out", settings, tracker=ScriptedTracker(clip)
    )
    assert summary.objects == clip.ids


@pytest.mark.parametrize(
    ("index", "message"),
    [
        (2, "the frames read are 3 on, every 4: .* such as 3"),
        (9, "such as 11"),
        (500, "3 to 19, every 4: .* 19"),
    ],
)
def test_a_prompt_for_a_frame_that_is_not_read(
    reader: SceneReader, clip: Scene, tmp_path: Path, index: int, message: str
) -> None:
    """The nearest frame that is read is named."""
    end = 20 if index == 500 else None
    settings = TrackSettings(start=3, stride=4, end=end)
    video = Video(reader, start=3, stride=4, end=end)
    wrong = Target(1, target(clip, 1).prompt, index)
    with pytest.raises(PromptError, match=message):
        track_video(video, [wrong], tmp_path / "out", settings, tracker=ScriptedTracker(clip))
    assert not (tmp_path / "out").exists()


def test_a_later_frame_is_tracked_both_ways(
    video: Video, clip: Scene, tmp_path: Path, settings: TrackSettings
) -> None:
    """With a mask in frame 9 the engine goes 9, 8, ..., 0 and then 9, 10, ...; every frame has its mask."""
    tracker = DriftingTracker()
    seen: list[Progress] = []
    targets = [target(clip, 1, 9)]
    track_video(video, targets, tmp_path / "out", settings, tracker=tracker, progress=seen.append)
    backward = [("start", 9, (1,)), *[("step", n, ()) for n in range(8, -1, -1)]]
    forward = [("start", 9, (1,)), *[("step", n, ()) for n in range(10, len(clip.frames))]]
    assert tracker.calls == backward + forward
    given = (clip.labels[9] == 1).astype(np.uint8)
    for name, labels in masks(tmp_path / "out").items():
        assert np.array_equal(labels, np.roll(given, abs(int(name) - 9), axis=1)), name
    assert seen[9] == Progress("backward", 10, 10)
    assert seen[10] == Progress("forward", 1, len(clip.frames))
    record = json.loads((tmp_path / "out" / "run.json").read_text())
    assert (
        record["frames"][0]["objects"]["1"]["confidence"]
        < record["frames"][8]["objects"]["1"]["confidence"]
        < 1
    )
    assert record["frames"][9]["objects"]["1"]["confidence"] == 1


def test_objects_given_in_different_frames(
    video: Video, clip: Scene, tmp_path: Path, settings: TrackSettings
) -> None:
    """Each object is followed forwards from its own frame and backwards from it; forward results win."""
    tracker = DriftingTracker()
    track_video(video, [target(clip, 1, 4), target(clip, 2, 9)], tmp_path / "out", settings, tracker=tracker)
    calls = {(kind, index): ids for kind, index, ids in tracker.calls if ids}
    assert [c for c in tracker.calls if c[2]] == [
        ("start", 9, (2,)),
        ("step", 4, (1,)),
        ("start", 4, (1,)),
        ("step", 9, (2,)),
    ]
    assert calls
    found = masks(tmp_path / "out")
    one, two = (clip.labels[4] == 1), (clip.labels[9] == 2)
    # Frame 6: object 1 forwards from 4, object 2 backwards from 9, and 1 wins where both are.
    expected = np.where(np.roll(one, 2, axis=1), 1, np.where(np.roll(two, 3, axis=1), 2, 0))
    assert np.array_equal(found["00006"], expected)
    # Frame 4: object 1 exactly as given.
    assert np.array_equal(found["00004"] == 1, one)


def test_objects_given_in_the_first_frame_need_no_backward_pass(
    video: Video, clip: Scene, tmp_path: Path, settings: TrackSettings
) -> None:
    """A correction at a later frame is a correction: the engine only goes forwards."""
    tracker = DriftingTracker()
    track_video(video, [target(clip, 1), target(clip, 1, 6)], tmp_path / "out", settings, tracker=tracker)
    assert [c for c in tracker.calls if c[0] == "start"] == [("start", 0, (1,))]
    assert ("step", 6, (1,)) in tracker.calls
    found = masks(tmp_path / "out")
    assert np.array_equal(found["00006"], (clip.labels[6] == 1).astype(np.uint8))


def test_a_backward_object_is_not_taken_at_its_own_frame_or_after(clip: Scene) -> None:
    """Merging takes from the backward pass only objects that begin later, under those that have begun."""
    forward = FrameResult(5, np.array([[1, 0, 0, 0]], np.uint8), {1: 0.5})
    backward = FrameResult(5, np.array([[3, 3, 2, 0]], np.uint8), {2: 0.25, 3: 0.75})
    merged = merge(forward, backward, {1: 0, 2: 5, 3: 9})
    assert merged.labels.tolist() == [[1, 3, 0, 0]]
    assert merged.confidence == {1: 0.5, 3: 0.75}


def test_a_prompt_after_the_end_of_a_file(
    video: Video, clip: Scene, tmp_path: Path, settings: TrackSettings
) -> None:
    """An object that begins after the last frame is refused as soon as that is known."""
    late = Target(1, target(clip, 1).prompt, 500)
    with pytest.raises(PromptError, match="for frame 500, but the last frame is 22"):
        track_video(video, [late], tmp_path / "out", settings, tracker=ScriptedTracker(clip))
    assert not (tmp_path / "out").exists()


def test_a_correction_after_the_end_of_a_file(
    video: Video, clip: Scene, tmp_path: Path, settings: TrackSettings
) -> None:
    """A correction that was never reached is a warning: the result is whole."""
    targets = [target(clip, 1), Target(1, target(clip, 1).prompt, 500)]
    summary = track_video(video, targets, tmp_path / "out", settings, tracker=ScriptedTracker(clip))
    assert "a prompt is for frame 500, after the last frame 22: it was not used" in summary.warnings
    assert summary.frames == 23


def test_points_correct_what_tracking_gives(
    video: Video, clip: Scene, tmp_path: Path, settings: TrackSettings
) -> None:
    """A point for an object that is followed goes to the backbone with the tracked mask of that very frame.

    The engine is asked for that mask once more, and forgets that it was.
    """
    points = Prompt(points=np.array([[3, 4]], np.float32), labels=np.array([0]))
    backbone = ScriptedBackbone(clip)
    tracker = DriftingTracker()
    track_video(
        video,
        [target(clip, 1), target(clip, 2), Target(1, points, 6)],
        tmp_path / "out",
        settings,
        tracker=tracker,
        backbone=backbone,
    )
    given = clip.labels[0] == 1
    (prompt,) = backbone.calls[0].prompts
    assert prompt.mask is not None
    assert np.array_equal(prompt.mask, np.roll(given, 6, axis=1))
    assert [call for call in tracker.calls if call[1] == 6] == [("preview", 6, ()), ("step", 6, (1,))]
    other = np.roll(clip.labels[0] == 2, 6, axis=1)
    found = masks(tmp_path / "out")["00006"]
    assert np.array_equal(found == 2, other & (found != 1))


def run_twice(
    first: Callable[[], object], second: Callable[[], object], folder: Path
) -> tuple[dict[str, bytes], OutputError]:
    """What stands in the folder after a second run that must be refused, and its error."""
    first()
    before = files(folder)
    with pytest.raises(OutputError) as caught:
        second()
    assert files(folder) == before
    return before, caught.value


def test_a_second_run_is_refused(video: Video, clip: Scene, tmp_path: Path, settings: TrackSettings) -> None:
    """A finished result is neither mixed nor replaced unless asked; the message says how to ask."""

    def run() -> None:
        track_video(video, [target(clip, 1)], tmp_path / "out", settings, tracker=ScriptedTracker(clip))

    _, error = run_twice(run, run, tmp_path / "out")
    assert "finished run" in str(error)
    assert "--resume" in str(error)
    assert "--overwrite" in str(error)


def test_overwrite_removes_only_what_is_ours(
    video: Video, reader: SceneReader, clip: Scene, tmp_path: Path
) -> None:
    """A shorter second run leaves none of the longer first one's files, and all of anybody else's."""
    out = tmp_path / "out"
    track_video(video, [target(clip, 1)], out, tracker=ScriptedTracker(clip))
    (out / "notes.txt").write_text("mine")
    (out / "masks" / "sketch.png").write_text("mine too")
    settings = TrackSettings(end=3, outputs=("masks",))
    track_video(
        Video(reader, end=3),
        [target(clip, 1)],
        out,
        settings,
        tracker=ScriptedTracker(clip),
        overwrite=True,
    )
    assert set(files(out)) == {
        "notes.txt",
        "run.json",
        *(f"masks/{n}.png" for n in ("00000", "00001", "00002", "sketch")),
    }


@pytest.mark.parametrize("overwrite", [False, True])
def test_strange_files_are_never_touched(video: Video, clip: Scene, tmp_path: Path, overwrite: bool) -> None:
    """A folder of somebody else's masks, or somebody else's run.json, is refused, --overwrite or not."""
    for name in ("masks/00000.png", "overlay.mp4", "run.json"):
        out = tmp_path / name.replace("/", "-")
        (out / name).parent.mkdir(parents=True)
        (out / name).write_text("{}")
        with pytest.raises(OutputError, match=r"not (made|written) by"):
            track_video(video, [target(clip, 1)], out, tracker=ScriptedTracker(clip), overwrite=overwrite)
        assert files(out) == {name: b"{}"}


def test_an_empty_folder_is_kept(video: Video, clip: Scene, tmp_path: Path) -> None:
    """A run that fails before its first frame leaves an existing folder, empty as it was."""
    (tmp_path / "out").mkdir()

    class Broken(ScriptedTracker):
        def start(self, frame: Frame, prompts: Sequence[Target]) -> FrameResult:
            raise RuntimeError("broken")

    broken = Broken(clip)
    with pytest.raises(RuntimeError, match="broken"):
        track_video(video, [target(clip, 1)], tmp_path / "out", tracker=broken)
    assert list((tmp_path / "out").iterdir()) == []
