"""Who has the last word in the built-in engine sees everything, and is obeyed."""

from __future__ import annotations

import numpy as np

from vos.testing import scene
from vos.trackers.classical.appearance import AppearanceSettings
from vos.trackers.classical.frame_context import FrameContext
from vos.trackers.classical.tracker import ClassicalSettings, ClassicalTracker
from vos.trackers.nano.cues import engine_cues

QUICK = ClassicalSettings(appearance=AppearanceSettings(views=2, samples=500, iterations=40, batch=256))


def _follow(name: str, refiner=None) -> list[np.ndarray]:
    clip = scene(name, num_frames=3, size=(61, 83))
    tracker = ClassicalTracker(QUICK, refiner=refiner)
    tracker.start(clip.frames[0], clip.targets(0))
    return [tracker.step(frame).labels for frame in clip.frames[1:]]


def test_a_judge_without_an_opinion_changes_nothing() -> None:
    """Labels are those without a judge, who sees all objects in one window."""
    seen: list[FrameContext] = []

    def refiner(context: FrameContext) -> np.ndarray:
        seen.append(context)
        return context.probabilities

    for own, refined in zip(_follow("crowd"), _follow("crowd", refiner), strict=True):
        np.testing.assert_array_equal(own, refined)
    assert [context.ids for context in seen] == [tuple(range(1, 8))] * 2
    for context in seen:
        count, size = len(context.ids), (context.crop.height, context.crop.width)
        assert context.cropped.shape == (*size, 3)
        assert context.probabilities.shape == context.appearance_log_prob.shape == (count + 1, *size)
        assert context.warped.masks.shape == (count, *size)
        np.testing.assert_allclose(context.probabilities.sum(axis=0), 1, atol=1e-5)
        assert [set(np.unique(given.labels)) for given in context.references] == [{0, *context.ids}]


def test_the_judge_is_obeyed() -> None:
    """Where the judge sees nothing but background, there is none but background."""

    def refiner(context: FrameContext) -> np.ndarray:
        nothing = np.zeros_like(context.probabilities)
        nothing[0] = 1
        return nothing

    assert all(labels.any() for labels in _follow("moving"))
    assert not any(labels.any() for labels in _follow("moving", refiner))


def test_cues_are_above_zero_where_the_object_wins() -> None:
    """Belief and looks against the strongest rival; all cues lie in -1..1."""
    seen: list[FrameContext] = []

    def refiner(context: FrameContext) -> np.ndarray:
        seen.append(context)
        return context.probabilities

    _follow("crowd", refiner)
    assert len(seen) == 2
    for context in seen:
        cues = engine_cues(context)
        assert cues.shape == (len(context.ids), 3, *context.cropped.shape[:2])
        assert np.abs(cues).max() <= 1
        winner = context.probabilities.argmax(axis=0)
        for k in range(len(context.ids)):
            assert np.mean((cues[k, 0] > 0) == (winner == k + 1)) > 0.999  # but for ties
