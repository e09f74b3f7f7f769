"""The interval rule: forward from one known frame, backward from the next, joined where both agree."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from vos.ops.rle import pack_mask, packed_iou, unpack_mask
from vos.prompts import Prompt, Target
from vos.results import FrameResult
from vos.testing import Scene, ScriptedTracker, scene
from vos.trackers.classical import tracker as classical
from vos.trackers.classical.tracker import ClassicalTracker
from vos.trackers.intervals import (
    PackedMask,
    TrackerPasses,
    as_targets,
    fill_key_frames,
    join,
    switch_frame,
    track_interval,
)


class Clip:
    """A scene as a source of frames, which remembers what was read."""

    def __init__(self, clip: Scene) -> None:
        self.clip = clip
        self.read: list[int] = []

    def frames(self, start: int = 0, stop: int | None = None, *, reverse: bool = False):  # type: ignore[no-untyped-def]
        """Frames of the scene."""
        chosen = self.clip.frames[start:stop]
        for frame in reversed(chosen) if reverse else chosen:
            self.read.append(frame.index)
            yield frame


@pytest.fixture(scope="module")
def clip() -> Scene:
    """Two objects."""
    return scene("crossing", num_frames=12, size=(40, 60))


def targets(clip: Scene, index: int, ids: Sequence[int]) -> list[Target]:
    """True masks of a frame."""
    return [Target(k, Prompt(mask=clip.labels[index] == k), index) for k in ids]


def unpacked(joined, size):  # type: ignore[no-untyped-def]
    """The masks of a result."""
    return [unpack_mask(mask.rle, size) for mask in joined.masks]


def test_packed_masks_are_exact() -> None:
    """Whatever their shape, and their overlap is counted."""
    rng = np.random.default_rng(0)
    masks = rng.random((4, 13, 17)) > [[[0.5]], [[0.0]], [[1.0]], [[0.9]]]
    for mask in masks:
        np.testing.assert_array_equal(unpack_mask(pack_mask(mask), mask.shape), mask)
    a, b = masks[0], masks[3]
    truth = (a & b).sum() / (a | b).sum()
    assert packed_iou(pack_mask(a), pack_mask(b), a.shape) == pytest.approx(truth)
    assert packed_iou(pack_mask(masks[2]), pack_mask(masks[2]), a.shape) == 1.0
    assert packed_iou(pack_mask(a), pack_mask(masks[2]), a.shape) == 0.0


def test_switch_frame_weighs_agreement_against_distance_from_the_middle() -> None:
    """The formula, by hand: p = 0 and q = 5 here."""
    assert switch_frame(1, [0.5, 0.5, 0.5, 0.5], 0.2) == 2  # equals: the earliest
    assert switch_frame(1, [1.0, 0.5, 0.5, 0.5], 0.2) == 1
    assert switch_frame(1, [0.57, 0.5, 0.5, 0.5], 0.2) == 2  # 0.57 - 0.12 < 0.5 - 0.04
    assert switch_frame(7, [0.0], 0.2) == 7


def test_both_directions(clip: Scene) -> None:
    """Forward before the switch frame, backward from it on; the rival competes and is not in the result."""
    tracker, source = ScriptedTracker(clip), Clip(clip)
    joined = track_interval(
        TrackerPasses(tracker, source),
        3,
        7,
        [1],
        size=(40, 60),
        before=targets(clip, 2, (1, 2)),
        after=targets(clip, 8, (1, 2)),
    )
    assert list(joined) == [1]
    for row, mask in enumerate(unpacked(joined[1], (40, 60))):
        np.testing.assert_array_equal(mask, clip.labels[3 + row] == 1)
    assert joined[1].switch == 5
    assert joined[1].forward == (True, True, False, False, False)
    assert joined[1].disagreement == (0.0,) * 5
    assert [m.confidence for m in joined[1].masks] == pytest.approx([0.99, 0.99**2, 0.99**3, 0.99**2, 0.99])
    assert tracker.calls[0] == ("start", 2, (1, 2))
    assert source.read == [2, 3, 4, 5, 6, 7, 8, 7, 6, 5, 4, 3]


def test_an_object_at_one_end_is_tracked_all_the_way(clip: Scene) -> None:
    """From that end; the pass of the other is for the others."""
    joined = track_interval(
        TrackerPasses(ScriptedTracker(clip), Clip(clip)),
        3,
        7,
        [1, 2],
        size=(40, 60),
        before=targets(clip, 2, (1, 2)),
        after=targets(clip, 8, (2,)),
    )
    assert joined[1].forward == (True,) * 5
    assert joined[1].disagreement == ()
    assert joined[2].forward == (True, True, False, False, False)
    for row, mask in enumerate(unpacked(joined[1], (40, 60))):
        np.testing.assert_array_equal(mask, clip.labels[3 + row] == 1)


def test_what_neither_end_has_is_empty(clip: Scene) -> None:
    """Nothing is tracked for it."""
    source = Clip(clip)
    joined = track_interval(TrackerPasses(ScriptedTracker(clip), source), 3, 4, [1], size=(40, 60))
    assert not any(mask.any() for mask in unpacked(joined[1], (40, 60)))
    assert source.read == []


def test_memory_is_shown_first_as_corrections(clip: Scene) -> None:
    """In the order given, before each pass, of the objects where the pass begins."""
    tracker = ScriptedTracker(clip)
    track_interval(
        TrackerPasses(tracker, Clip(clip)),
        3,
        4,
        [1],
        size=(40, 60),
        before=targets(clip, 2, (1,)),
        memory=[(11, targets(clip, 11, (1, 2))), (10, targets(clip, 10, (2,))), (9, targets(clip, 9, (1,)))],
    )
    assert tracker.calls == [
        ("start", 11, (1,)),
        ("step", 9, (1,)),
        ("step", 2, (1,)),
        ("step", 3, ()),
        ("step", 4, ()),
    ]


def test_classical_learns_from_all_frames_at_once(monkeypatch: pytest.MonkeyPatch, one_thread: None) -> None:
    """One model is fitted to the memory and to the frame where the pass begins."""
    clip = scene("crossing", num_frames=24, size=(60, 80))
    fitted = []
    fit = classical.fit

    def counted(given, ids, settings):  # type: ignore[no-untyped-def]
        fitted.append([int(np.count_nonzero(g.labels)) for g in given])
        return fit(given, ids, settings)

    monkeypatch.setattr(classical, "fit", counted)
    joined = track_interval(
        TrackerPasses(ClassicalTracker(), Clip(clip)),
        3,
        4,
        [1],
        size=(60, 80),
        before=targets(clip, 2, (1,)),
        memory=[(11, targets(clip, 11, (1, 2)))],
    )
    assert fitted == [[np.count_nonzero(clip.labels[f] == 1) for f in (11, 2)]]
    truth, mask = clip.labels[3] == 1, unpacked(joined[1], (60, 80))[0]
    assert (truth & mask).sum() / (truth | mask).sum() > 0.8


def test_join_counts_disagreement() -> None:
    """1 - IoU of both passes by frame."""
    size = (4, 4)
    left, right = np.zeros(size, bool), np.zeros(size, bool)
    left[:, :2], right[:, 1:3] = True, True
    forward = {f: PackedMask(pack_mask(left), 0.9) for f in (1, 2)}
    backward = {f: PackedMask(pack_mask(right), 0.8) for f in (1, 2)}
    joined = join(1, 2, forward, backward, size)
    assert joined.disagreement == pytest.approx((2 / 3, 2 / 3))
    assert joined.switch == 1


def test_confidence_decides_where_the_passes_agree_nowhere() -> None:
    """A mask of almost nothing at one end does not replace a good one up to the middle."""
    size = (4, 8)
    left, right = np.zeros(size, bool), np.zeros(size, bool)
    left[:, :3], right[:, 6:] = True, True

    def passes(forward: list[float], backward: list[float]) -> list[dict[int, PackedMask]]:
        return [
            {f: PackedMask(pack_mask(mask), c) for f, c in enumerate(confidences, start=1)}
            for mask, confidences in ((left, forward), (right, backward))
        ]

    good, bad = [0.8, 0.8, 0.7, 0.6, 0.2, 0.1], [0.1, 0.1, 0.1, 0.1, 0.1, 0.3]
    assert join(1, 6, *passes(good, bad), size).switch == 6
    assert join(1, 6, *passes(good, bad), size).forward == (True,) * 5 + (False,)
    assert join(1, 6, *passes(bad[::-1], good[::-1]), size).switch == 2
    assert join(1, 5, *passes([0.5] * 5, [0.5] * 5), size).switch == 3, "equals: the middle"
    agreeing = passes(good, bad)
    agreeing[1][3] = agreeing[0][3]
    assert join(1, 6, *agreeing, size).switch == 3, "agreement comes first"


def test_key_frames_are_kept_and_the_rest_is_filled(clip: Scene) -> None:
    """Every frame comes once, in order; a gap is read once."""
    keys = [FrameResult(i, clip.labels[i], {1: 0.9, 2: 0.8}) for i in (0, 5, 10, 11)]
    source = Clip(clip)
    filled = list(fill_key_frames(source, keys))
    assert [result.frame_index for result in filled] == list(range(12))
    assert source.read == [0, 1, 2, 3, 4, 5, 5, 6, 7, 8, 9, 10]
    assert [filled[i] is key for i, key in zip((0, 5, 10, 11), keys, strict=True)] == [True] * 4


def test_targets_of_a_result_are_its_visible_objects(clip: Scene) -> None:
    """With its confidence."""
    labels = np.where(clip.labels[0] == 1, 1, 0).astype(np.uint8)
    (target,) = as_targets(FrameResult(0, labels, {1: 0.7, 2: 0.6}))
    assert (target.object_id, target.frame_index, target.confidence) == (1, 0, 0.7)
