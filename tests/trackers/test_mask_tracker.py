"""What all trackers of masks share: prompted masks, and how they replace tracked ones."""

from __future__ import annotations

import numpy as np
import pytest

from vos.errors import InputError
from vos.frame import Frame
from vos.prompts import Prompt, Target, mask_targets
from vos.results import Source
from vos.testing import ScriptedTracker, scene
from vos.trackers.mask_tracker import mask_prompts

FRAME = Frame(0, np.zeros((1, 5, 3), np.uint8), "00000")


def test_prompted_masks_replace_only_their_objects() -> None:
    """Other objects keep their pixels, except those that the prompted mask claims."""
    labels = np.array([[1, 1, 2, 2, 0]], dtype=np.uint8)
    given = mask_prompts(FRAME, mask_targets(np.array([[0, 1, 1, 0, 0]], np.uint8)))
    assert given.over(labels).tolist() == [[0, 1, 1, 2, 0]]
    wide = mask_prompts(FRAME, [Target(300, Prompt(mask=np.array([[False, True, False, False, False]])))])
    assert wide.over(labels).tolist() == [[1, 300, 2, 2, 0]]
    assert wide.over(labels).dtype == np.uint16


def test_the_smaller_of_two_prompted_masks_is_in_front() -> None:
    """Overlapping masks are painted by size, whatever their order."""
    large, small = np.ones((1, 5), bool), np.array([[False, True, False, False, False]])
    for targets in (
        [Target(1, Prompt(mask=large)), Target(2, Prompt(mask=small))][::step] for step in (1, -1)
    ):
        assert mask_prompts(FRAME, targets).labels.tolist() == [[1, 2, 1, 1, 1]]


def test_sources_say_who_was_corrected() -> None:
    """A known object that the user prompts is corrected; a detection stays a detection."""
    mask = Prompt(mask=np.ones((1, 5), bool))
    given = mask_prompts(
        FRAME,
        [Target(1, mask), Target(2, mask), Target(3, mask, source=Source.DETECTED, confidence=0.4)],
        known=(1, 3),
    )
    assert given.source == {1: Source.CORRECTED, 2: Source.USER, 3: Source.DETECTED}
    assert given.confidence == {1: 1.0, 2: 1.0, 3: 0.4}


def test_prompts_that_do_not_fit() -> None:
    """Another size, no mask, and two prompts of one object are refused."""
    with pytest.raises(InputError, match="5x1 pixels, the masks are 4x1"):
        mask_prompts(FRAME, [Target(1, Prompt(mask=np.ones((1, 4), bool)))])
    with pytest.raises(ValueError, match="takes masks only"):
        mask_prompts(FRAME, [Target(1, Prompt(box=np.zeros(4, np.float32)))])
    with pytest.raises(ValueError, match="two prompts for one object"):
        mask_prompts(FRAME, [Target(1, Prompt(mask=np.ones((1, 5), bool)))] * 2)


def test_a_preview_is_not_computed_twice() -> None:
    """Committing the frame that was just previewed reuses the step."""
    clip = scene("moving", num_frames=3, size=(40, 50))

    class Counting(ScriptedTracker):
        steps = 0

        def _advance(self, state, frame):
            self.steps += 1
            return super()._advance(state, frame)

    tracker = Counting(clip)
    tracker.start(clip.frames[0], clip.targets(0))
    tracker.step(clip.frames[1], commit=False)
    tracker.step(clip.frames[1], clip.targets(1))
    assert tracker.steps == 1
    tracker.step(clip.frames[2], commit=False)
    tracker.load(tracker.save())
    tracker.step(clip.frames[2])
    assert tracker.steps == 3


def test_removing_the_last_object_ends_the_video() -> None:
    """Without objects there is nothing to step."""
    clip = scene("moving", num_frames=2, size=(40, 50))
    tracker = ScriptedTracker(clip)
    tracker.start(clip.frames[0], clip.targets(0))
    tracker.remove(1)
    assert tracker.save() == {}
    with pytest.raises(InputError, match="before start"):
        tracker.step(clip.frames[1])
