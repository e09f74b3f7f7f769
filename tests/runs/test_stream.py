"""Tracking in memory."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import vos
from vos.errors import MediaError
from vos.testing import ScriptedBackbone, ScriptedTracker, scene, write_images

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
