"""Tracking in memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import vos
from vos.errors import MediaError
from vos.testing import ScriptedBackbone, ScriptedTracker, scene, write_images
from vos.trackers.base import ALL_PROMPTS, TrackerInfo
from vos.video import Video

CLIP = scene("crossing", num_frames=6, size=(48, 65), seed=1)


def test_arrays_in_results_out() -> None:
    """Bare images are numbered from 0; every frame has its labels, confidence and source."""
    images = [frame.image for frame in CLIP.frames]
    results = list(vos.track(images, vos.mask_targets(CLIP.labels[0]), tracker=ScriptedTracker(CLIP)))
    assert [result.frame_index for result in results] == list(range(6))
    for result in results:
        assert np.array_equal(result.labels, CLIP.labels[result.frame_index])
    assert results[0].source == {1: vos.Source.USER, 2: vos.Source.USER}
    assert results[3].source[1] == vos.Source.TRACKED


def test_frames_are_read_as_they_come() -> None:
    """Nothing is read ahead: a camera can be tracked."""
    seen: list[int] = []

    def camera():
        for frame in CLIP.frames:
            seen.append(frame.index)
            yield frame.image

    results = vos.track(camera(), vos.mask_targets(CLIP.labels[0]), tracker=ScriptedTracker(CLIP))
    assert [(result.frame_index, seen[-1]) for result in results] == [(k, k) for k in range(6)]


def test_a_path_is_opened(tmp_path: Path) -> None:
    """A folder of images is a video; the classical tracker follows its object."""
    write_images(CLIP, tmp_path / "frames")
    prompts = vos.mask_targets(CLIP.labels[0], (1,))
    quick = {"appearance": {"views": 4, "samples": 2000, "iterations": 100, "batch": 512}}
    results = list(vos.track(tmp_path / "frames", prompts, tracker="classical", settings=quick))
    assert len(results) == 6
    last = results[-1]
    common = (last.mask(1) & (CLIP.labels[5] == 1)).sum()
    assert common > 0.7 * (CLIP.labels[5] == 1).sum()


def test_later_prompts_join_and_correct() -> None:
    """Frames before an object's first prompt do not show it."""
    prompts = [*vos.mask_targets(CLIP.labels[0], (1,)), *vos.mask_targets(CLIP.labels[3], (2,), 3)]
    results = list(vos.track(CLIP.frames, prompts, tracker=ScriptedTracker(CLIP)))
    assert [result.ids for result in results] == [(1,)] * 3 + [(1, 2)] * 3


def test_boxes_are_decoded_by_the_given_backbone() -> None:
    """A tracker of masks takes boxes."""
    x0, y0, x1, y1 = CLIP.boxes[0][1]
    prompts = vos.load_prompts(boxes=[f"1:{x0},{y0},{x1},{y1}"])
    result = vos.segment_image(CLIP.frames[0].image, prompts, backbone=ScriptedBackbone(CLIP))
    assert np.array_equal(result.mask(1), CLIP.labels[0] == 1)
    assert result.source == {1: vos.Source.DECODED}
    assert result.confidence[1] == pytest.approx(0.9)


def test_a_prompt_that_is_never_reached() -> None:
    """The video ends before the frame of a prompt: said, not passed over."""
    prompts = [*vos.mask_targets(CLIP.labels[0], (1,)), *vos.mask_targets(CLIP.labels[0], (2,), 99)]
    with pytest.raises(vos.VosError, match="frame 99, after the last frame 5"):
        list(vos.track(CLIP.frames, prompts, tracker=ScriptedTracker(CLIP)))
    with pytest.raises(vos.VosError, match="no object to track"):
        next(vos.track(CLIP.frames, [], tracker=ScriptedTracker(CLIP)))


def test_no_frames() -> None:
    """An empty video is said to be one, whatever the prompts are for."""
    with pytest.raises(MediaError, match="there are no frames"):
        list(vos.track([], CLIP.targets(0), tracker=ScriptedTracker(CLIP)))


def test_a_tracker_by_name_takes_every_prompt() -> None:
    """load_tracker gives a tracker to be stepped by hand."""
    tracker = vos.load_tracker("classical")
    assert isinstance(tracker, vos.Tracker)
    assert tracker.info.accepts == {"mask", "points", "box"}
    with pytest.raises(vos.VosError, match="did you mean classical"):
        vos.load_tracker("clasical")


IMAGES = [frame.image for frame in CLIP.frames]
TARGETS = vos.mask_targets(CLIP.labels[0])


@pytest.mark.parametrize(
    ("video", "options", "message"),
    [
        (None, {}, r"video must be a path, an open video or images, got None"),
        (3, {}, r"got 3"),
        (IMAGES[0], {}, r"must be \(T, H, W, 3\), got an array \(48, 65, 3\); of one image give \[image\]"),
        (["a.png"], {}, r"image must be \(H, W, 3\) uint8, got 'a.png'; vos.open_video reads files"),
        (IMAGES, {"tracker": None}, r"must be a name, or what vos.load_tracker gives, got None"),
        (IMAGES, {"tracker": ScriptedTracker}, r"what vos.load_tracker gives, got <class"),
        (
            IMAGES,
            {"tracker": ScriptedTracker(CLIP), "device": "cuda"},
            r"device: for a tracker that is given by",
        ),
        (IMAGES, {"settings": [1]}, r"settings must be a mapping of names to values, got \[1\]"),
        (
            [*IMAGES[:2], IMAGES[2][:40]],
            {"tracker": ScriptedTracker(CLIP)},
            r"is 65x40 pixels, the masks are 65x48",
        ),
    ],
)
def test_natural_mistakes(video: Any, options: dict[str, Any], message: str) -> None:
    """Each is one of our errors, with what was given."""
    with pytest.raises(vos.VosError, match=message):
        list(vos.track(video, TARGETS, **options))


def test_mistakes_are_told_at_the_call() -> None:
    """Those that can be seen before a frame is read."""
    with pytest.raises(vos.VosError, match="unknown model 'clasical'; did you mean classical"):
        vos.track(IMAGES, TARGETS, tracker="clasical")
    with pytest.raises(vos.VosError, match="no object to track"):
        vos.track(IMAGES, [])


def test_prompts_outside_the_frame() -> None:
    """They are refused whichever tracker they are for."""

    class TakesAll(ScriptedTracker):
        info = TrackerInfo(None, accepts=ALL_PROMPTS)

    outside = vos.load_prompts(points=["1:300,3"])
    with pytest.raises(vos.VosError, match=r"the point 300,3 of object 1 in frame 0 is outside the image"):
        next(vos.track(IMAGES, outside, tracker=TakesAll(CLIP)))


def test_frames_backward() -> None:
    """Frames may come in the order of falling indices, and every prompt is reached."""
    prompts = vos.mask_targets(CLIP.labels[5], frame_index=5)
    results = list(vos.track(CLIP.frames[::-1], prompts, tracker=ScriptedTracker(CLIP)))
    assert [result.frame_index for result in results] == [5, 4, 3, 2, 1, 0]


def test_a_loop_that_is_left_closes_the_file(tmp_path: Path) -> None:
    """Whether the consumer breaks or fails."""
    write_images(CLIP, tmp_path / "frames")
    closed: list[bool] = []

    class Watched(Video):
        def close(self) -> None:
            closed.append(True)
            super().close()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vos.video, "Video", Watched)
        for _ in vos.track(tmp_path / "frames", TARGETS, tracker=ScriptedTracker(CLIP)):
            break
        assert closed == [True]
        results = vos.track(tmp_path / "frames", TARGETS, tracker=ScriptedTracker(CLIP))
        next(results)
        assert closed == [True]
        results.close()
        assert closed == [True, True]
