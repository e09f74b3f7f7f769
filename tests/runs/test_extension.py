"""A finished run that is extended is equal to one that was as long, and as corrected, from the start."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from run_fakes import DriftingTracker, SceneReader, files, target

from vos.errors import OutputError, PartialResultError
from vos.prompts import Target
from vos.runs import TrackSettings, track_video
from vos.runs.extension import Extension, extension_of
from vos.runs.layout import Layout
from vos.settings import override
from vos.testing import Scene
from vos.video.selection import Video


@pytest.fixture
def kept(settings: TrackSettings) -> TrackSettings:
    """Settings of a run that keeps states, with a checkpoint every few frames."""
    return dataclasses.replace(settings, keep_states=3, checkpoint_every=4)


def run(
    reader: SceneReader, targets: list[Target], out: Path, settings: TrackSettings, *, resume: bool = False
) -> DriftingTracker:
    """Track, and return the tracker with its calls."""
    tracker = DriftingTracker()
    video = Video(reader, start=settings.start, end=settings.end)
    track_video(video, targets, out, settings, tracker=tracker, resume=resume)
    return tracker


def test_by_frames(reader: SceneReader, clip: Scene, tmp_path: Path, kept: TrackSettings) -> None:
    """Only the added frames are tracked; masks, annotations, overlay and record are those of a whole run."""
    targets = [target(clip, 1, 0), target(clip, 2, 4)]
    short = dataclasses.replace(kept, end=11)
    run(reader, targets, tmp_path / "whole", kept)
    run(reader, targets, tmp_path / "out", short)
    before = files(tmp_path / "out")
    tracker = run(reader, targets, tmp_path / "out", kept, resume=True)
    assert [call[1] for call in tracker.calls] == list(range(11, len(clip.frames)))
    after, whole = files(tmp_path / "out"), files(tmp_path / "whole")
    assert set(before) - set(after) <= {name for name in before if name.startswith(".states")}
    del after["run.json"], whole["run.json"]
    assert {k: v for k, v in after.items() if ".states" not in k} == {
        k: v for k, v in whole.items() if ".states" not in k
    }
    records = [json.loads((tmp_path / name / "run.json").read_text()) for name in ("out", "whole")]
    for record in records:
        del record["timings"], record["folders"]["states"]
    assert records[0] == records[1]


def test_by_a_correction(reader: SceneReader, clip: Scene, tmp_path: Path, kept: TrackSettings) -> None:
    """Tracking continues from a state before the corrected frame; earlier frames stay as they are."""
    targets = [target(clip, 1, 0)]
    corrected = [*targets, target(clip, 1, 10)]
    run(reader, corrected, tmp_path / "whole", kept)
    run(reader, targets, tmp_path / "out", kept)
    tracker = run(reader, corrected, tmp_path / "out", kept, resume=True)
    first = min(call[1] for call in tracker.calls)
    assert 0 < first <= 10
    after, whole = files(tmp_path / "out"), files(tmp_path / "whole")
    assert {k: v for k, v in after.items() if k.startswith("masks")} == {
        k: v for k, v in whole.items() if k.startswith("masks")
    }
    assert after["annotations.json"] == whole["annotations.json"]


def test_by_a_second_correction_before_the_first(
    reader: SceneReader, clip: Scene, tmp_path: Path, kept: TrackSettings
) -> None:
    """States before the first correction are still there, also where the overlay was drawn again between."""
    spread = dataclasses.replace(kept, keep_states=8)
    targets = [target(clip, 1, 0)]
    once, twice = [*targets, target(clip, 1, 13)], [*targets, target(clip, 1, 13), target(clip, 1, 6)]
    run(reader, twice, tmp_path / "whole", spread)
    run(reader, targets, tmp_path / "out", spread)
    run(reader, once, tmp_path / "out", spread, resume=True)
    davis = override(spread, {"overlay": {"palette": "davis"}})
    for settings in (davis, spread):
        assert run(reader, once, tmp_path / "out", settings, resume=True).calls == []
    tracker = run(reader, twice, tmp_path / "out", spread, resume=True)
    assert min(call[1] for call in tracker.calls) == spread.checkpoint_every
    after, whole = files(tmp_path / "out"), files(tmp_path / "whole")
    assert set(after) == set(whole)
    assert {k: v for k, v in after.items() if k.startswith("masks")} == {
        k: v for k, v in whole.items() if k.startswith("masks")
    }
    states = json.loads((tmp_path / "out/run.json").read_text())["folders"]["states"]
    assert states == sorted(path.name for path in (tmp_path / "out/.states").iterdir())


@pytest.mark.parametrize("key_every", [None, 3])
def test_by_another_look_of_the_overlay(
    reader: SceneReader, clip: Scene, tmp_path: Path, kept: TrackSettings, key_every: int | None
) -> None:
    """Nothing is tracked again, and all files are those of a run with that look."""
    targets = [target(clip, 1, 0), target(clip, 2, 4)]
    bright = dataclasses.replace(kept, key_every=key_every)
    davis = override(bright, {"overlay": {"palette": "davis"}})
    run(reader, targets, tmp_path / "bright", bright)
    run(reader, targets, tmp_path / "davis", davis)
    before = files(tmp_path / "bright")
    tracker = run(reader, targets, tmp_path / "bright", davis, resume=True)
    assert tracker.calls == []
    after, whole = files(tmp_path / "bright"), files(tmp_path / "davis")
    compared = {name for name in whole if ".states" not in name} - {"run.json"}
    if key_every is not None:  # the pieces of the video end at key frames, which the result does not name
        compared -= {"overlay.mp4"}
    assert {name: after[name] for name in compared} == {name: whole[name] for name in compared}
    assert after["overlay.mp4"] != before["overlay.mp4"]
    record = json.loads((tmp_path / "bright" / "run.json").read_text())
    assert record["settings"]["overlay"]["palette"] == "davis"
    assert record["counts"] == json.loads((tmp_path / "davis" / "run.json").read_text())["counts"]
    reader.fail_at, reader.error = 13, OutputError("no space left")
    with pytest.raises(PartialResultError):
        run(reader, targets, tmp_path / "stopped", bright)
    with pytest.raises(OutputError, match="the overlay of a finished run can be changed"):
        run(reader, targets, tmp_path / "stopped", davis, resume=True)


def test_the_look_of_an_overlay_that_is_not_written(
    reader: SceneReader, clip: Scene, tmp_path: Path, kept: TrackSettings
) -> None:
    """It makes no other run."""
    bare = dataclasses.replace(kept, outputs=("masks",))
    run(reader, [target(clip, 1, 0)], tmp_path / "out", bare)
    before = files(tmp_path / "out")
    davis = override(bare, {"overlay": {"palette": "davis"}})
    assert run(reader, [target(clip, 1, 0)], tmp_path / "out", davis, resume=True).calls == []
    assert files(tmp_path / "out") == before


def test_without_a_state_all_is_tracked_again(
    reader: SceneReader, clip: Scene, tmp_path: Path, settings: TrackSettings
) -> None:
    """With the result of a whole run."""
    targets = [target(clip, 1, 0)]
    run(reader, targets, tmp_path / "whole", settings)
    run(reader, targets, tmp_path / "out", dataclasses.replace(settings, end=7))
    tracker = run(reader, targets, tmp_path / "out", settings, resume=True)
    assert len(tracker.calls) == len(clip.frames)
    assert files(tmp_path / "out") == files(tmp_path / "whole")


def test_stopped_while_extending(
    reader: SceneReader, clip: Scene, tmp_path: Path, kept: TrackSettings
) -> None:
    """The finished result is as it was until the extended one is complete; --resume completes it."""
    targets = [target(clip, 1, 0)]
    run(reader, targets, tmp_path / "whole", kept)
    run(reader, targets, tmp_path / "out", dataclasses.replace(kept, end=9))
    before = files(tmp_path / "out")
    reader.fail_at, reader.error = 13, OutputError("no space left")
    with pytest.raises(PartialResultError, match="the earlier result is as it was"):
        run(reader, targets, tmp_path / "out", kept, resume=True)
    assert {k: v for k, v in files(tmp_path / "out").items() if not k.startswith(".work")} == before
    reader.fail_at = None
    run(reader, targets, tmp_path / "out", kept, resume=True)
    masks = {k: v for k, v in files(tmp_path / "whole").items() if k.startswith("masks")}
    assert {k: v for k, v in files(tmp_path / "out").items() if k.startswith("masks")} == masks


def test_what_is_no_extension_is_refused(
    reader: SceneReader, clip: Scene, tmp_path: Path, kept: TrackSettings
) -> None:
    """Fewer frames, a changed prompt, a new object: each is named, and the result stays."""
    targets = [target(clip, 1, 0)]
    run(reader, targets, tmp_path / "out", kept)
    before = files(tmp_path / "out")
    with pytest.raises(OutputError, match="done up to frame"):
        run(reader, targets, tmp_path / "out", dataclasses.replace(kept, end=5), resume=True)
    with pytest.raises(OutputError, match="another prompt for object 1 at frame 0"):
        run(reader, [target(clip, 1, 2)], tmp_path / "out", kept, resume=True)
    with pytest.raises(OutputError, match="object 2 is not in the finished run"):
        run(reader, [*targets, target(clip, 2, 4)], tmp_path / "out", kept, resume=True)
    named = [dataclasses.replace(targets[0], name="dog")]
    with pytest.raises(OutputError, match=r"object 1 at frame 0 has another name: .*vos tracks rename"):
        run(reader, named, tmp_path / "out", kept, resume=True)
    more = dataclasses.replace(kept, outputs=(*kept.outputs, "yolo"))
    with pytest.raises(OutputError, match="vos export"):
        run(reader, targets, tmp_path / "out", more, resume=True)
    assert files(tmp_path / "out") == before


@pytest.mark.parametrize("limit", [1, 2, 5])
def test_kept_states_are_spread(tmp_path: Path, limit: int) -> None:
    """The newest is always kept, and the others lie evenly before it."""
    from vos.runs.extension import KeptStates

    states = KeptStates(tmp_path / "states", limit)
    for last in range(4, 400, 5):
        states.add(last, {"state": last})
    frames = [int(name.split(".")[0]) for name in states.names()]
    assert len(frames) == limit
    assert frames[-1] == 399
    gaps = [b - a for a, b in zip([-1, *frames], frames, strict=False)]
    assert max(gaps[:-1], default=0) <= 4 * min(gaps[:-1], default=1)


def finished(end: int | None, last: int, **targets: object) -> dict[str, Any]:
    """What ``run.json`` has on a run that ended after frame ``last``."""
    settings = {"end": end, "outputs": ["masks"], "overlay": {}}
    return {"targets": targets, "settings": settings, "frames": [{"index": k} for k in range(last + 1)]}


def test_a_state_after_a_corrected_frame_is_of_no_use() -> None:
    """Nor is the one right after it: it holds what was found there."""
    extension = Extension({}, first_change=10)
    assert [extension.usable(last) for last in (8, 9, 10, 11)] == [True, True, False, False]
    assert Extension({}, None).usable(99)


@pytest.mark.parametrize(("end", "is_refused"), [(12, False), (11, True), (10, True), (None, False)])
def test_an_end_that_leaves_out_frames_is_refused(tmp_path: Path, end: int | None, is_refused: bool) -> None:
    """The frame at ``end`` is not read: 12 adds nothing to a run up to 11, 11 takes that frame away."""
    layout, record = Layout.of_video(tmp_path), finished(20, 11, **{"1 at frame 0": {}})
    wanted = finished(end, 11, **{"1 at frame 0": {}})
    if is_refused:
        with pytest.raises(OutputError, match=f"done up to frame 11 already.*--end {end}"):
            extension_of(layout, record, wanted)
    else:
        assert extension_of(layout, record, wanted) == Extension(record, None)


def test_the_first_changed_frame_is_that_of_the_earliest_new_prompt(tmp_path: Path) -> None:
    first = {"1 at frame 0": {}}
    now = finished(None, 20, **first, **{"1 at frame 9": {}, "1 at frame 4": {}})
    assert extension_of(Layout.of_video(tmp_path), finished(None, 20, **first), now).first_change == 4
