"""Masks between two known frames, carried from both along optical flow."""

from __future__ import annotations

import numpy as np
import pytest

from vos.results import FrameResult
from vos.testing import Scene, scene
from vos.trackers.flow_filling import FillSettings, fill_gap


@pytest.fixture(scope="module")
def clip() -> Scene:
    """Two textured objects that move."""
    return scene("crossing", num_frames=10, size=(120, 160))


def known(clip: Scene, index: int, ids: tuple[int, ...] = (1, 2)) -> FrameResult:
    """True masks of some objects."""
    labels = np.where(np.isin(clip.labels[index], ids), clip.labels[index], 0).astype(np.uint8)
    return FrameResult(index, labels, dict.fromkeys(ids, 0.9))


def iou(a: np.ndarray, b: np.ndarray) -> float:
    """Of two masks."""
    return float((a & b).sum() / (a | b).sum())


def test_the_gap_follows_the_motion(clip: Scene) -> None:
    """Every object keeps its id; the masks are better than those of either end."""
    filled = list(fill_gap(clip.frames[2:8], known(clip, 2), known(clip, 7)))
    assert [f.result.frame_index for f in filled] == [3, 4, 5, 6]
    for f in filled:
        index = f.result.frame_index
        for k in (1, 2):
            truth = clip.labels[index] == k
            still = max(iou(clip.labels[end] == k, truth) for end in (2, 7))
            assert iou(f.result.mask(k), truth) > max(0.7, still)
            assert 0 <= f.agreement[k] <= 1
            assert 0.5 < f.result.confidence[k] <= 0.9


def test_both_ends_count_alike(clip: Scene) -> None:
    """Backward in time the same masks come out."""
    forth = list(fill_gap(clip.frames[2:8], known(clip, 2), known(clip, 7)))
    back = list(fill_gap(clip.frames[7:1:-1], known(clip, 7), known(clip, 2)))
    assert [f.result.frame_index for f in back] == [6, 5, 4, 3]
    for one, two in zip(forth, back[::-1], strict=True):
        assert one.result.ids == two.result.ids == (1, 2)
        assert np.mean(one.result.labels != two.result.labels) < 0.002


def test_an_object_at_one_end_only(clip: Scene) -> None:
    """The sides do not agree; the other object is as it was."""
    filled = list(fill_gap(clip.frames[2:8], known(clip, 2), known(clip, 7, (2,))))
    assert all(f.result.ids == (1, 2) and f.agreement[1] == 0 for f in filled)
    assert filled[0].result.mask(1).any()
    assert iou(filled[0].result.mask(2), clip.labels[3] == 2) > 0.7


def test_nothing_known(clip: Scene) -> None:
    """Nothing comes of nothing."""
    absent = FrameResult(0, np.zeros((120, 160), np.uint8), {3: 1.0})
    (only,) = fill_gap(clip.frames[:3], absent, absent)
    assert only.result.ids == (3,)
    assert not only.result.labels.any()
    assert only.agreement == {3: 1.0}


def test_confidence_falls_where_sides_disagree(clip: Scene) -> None:
    """A wrong mask at one end shows."""
    wrong = FrameResult(7, np.roll(clip.labels[7], 40, axis=0), {1: 0.9, 2: 0.9})
    good = list(fill_gap(clip.frames[2:8], known(clip, 2), known(clip, 7)))
    bad = list(fill_gap(clip.frames[2:8], known(clip, 2), wrong))
    assert len(good) == 4
    for one, other in zip(good, bad, strict=True):
        assert other.result.confidence[2] < one.result.confidence[2]
        assert other.agreement[2] < one.agreement[2]


def test_the_working_picture_can_be_small(clip: Scene) -> None:
    """Results have the size of the frame."""
    (only,) = fill_gap(clip.frames[:3], known(clip, 0), known(clip, 2), FillSettings(pixels=4000))
    assert only.result.labels.shape == (120, 160)
    assert iou(only.result.mask(2), clip.labels[1] == 2) > 0.7
