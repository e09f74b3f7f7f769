"""The cascade's steps, on candidates written by hand and on a scripted backbone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch

from vos.backbones.base import Candidates, FrameFeatures, Guidance
from vos.backbones.refinement import feed_back, keep, keep_best, keep_mix, or_else, refine
from vos.prompts import Prompt


def _candidates(*rows: Sequence[tuple[int, int, float]], size: int = 6) -> Candidates:
    """One row per object, one (first column, columns, score) per candidate: bars of height 2."""
    logits = torch.full((len(rows), 3, size, size), -1.0)
    for n, row in enumerate(rows):
        for k, (first, count, _) in enumerate(row):
            logits[n, k, 1:3, first : first + count] = 1.0
    scores = torch.tensor([[score for _, _, score in row] for row in rows])
    return Candidates(logits, logits[..., ::2, ::2].clone(), scores)


EMPTY = [(0, 0, 0.1), (0, 0, 0.9), (0, 0, 0.2)]
BARS = [(0, 1, 0.3), (1, 4, 0.8), (2, 2, 0.8)]


def test_best_is_the_first_of_the_highest_scores() -> None:
    """Ties go to the earlier candidate; logits, low-res logits and score are of one candidate."""
    kept = keep_best(_candidates(BARS, EMPTY))
    assert kept.pick.tolist() == [1, 1]
    assert kept.scores.tolist() == pytest.approx([0.8, 0.9])
    assert kept.boxes() == [(1, 1, 4, 2), None]
    assert torch.equal(kept.low_res[0], kept.candidates.low_res[0, 1])
    assert keep(kept.candidates, torch.tensor([2, 0])).boxes() == [(2, 1, 3, 2), None]


def test_mix_falls_back_to_the_best_mask_where_it_is_empty() -> None:
    """Weights act per object; an empty mix gives way to the candidate of the highest score."""
    candidates = _candidates(BARS, BARS)
    weights = torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0]])
    kept = keep_mix(candidates, weights)
    assert kept.boxes()[0] == (0, 1, 0, 2)
    assert kept.boxes()[1] is not None
    assert torch.equal(kept.logits[1], -candidates.logits[1, 2])
    nothing = keep_mix(candidates, torch.tensor([[0.0, 0.0, 0.0], [0.0, 0.0, -1.0]]))
    assert torch.equal(nothing.logits[0], candidates.logits[0, 1])
    assert torch.equal(nothing.low_res[0], candidates.low_res[0, 1])


def test_or_else_replaces_only_what_shows_nothing() -> None:
    """Empty masks of the new pass are those of the old pass, with their scores."""
    old, new = keep_best(_candidates(BARS, BARS)), keep_best(_candidates(EMPTY, BARS))
    both = or_else(new, old)
    assert both.boxes() == [(1, 1, 4, 2), (1, 1, 4, 2)]
    assert both.scores.tolist() == pytest.approx([0.8, 0.8])
    empty = keep_best(_candidates(EMPTY, EMPTY))
    assert or_else(empty, empty).boxes() == [None, None]


class Recorder:
    """A backbone that gives the same candidates always and remembers the prompts."""

    accepts_guidance = False

    def __init__(self, candidates: Candidates) -> None:
        self.candidates = candidates
        self.prompts: list[Prompt] = []

    def encode(self, image: np.ndarray) -> FrameFeatures:
        return FrameFeatures(torch.zeros(1, 1, 1), (6, 6))

    def decode(
        self,
        features: FrameFeatures,
        prompts: Sequence[Prompt],
        *,
        guidance: Sequence[Guidance] | None = None,
        multimask: bool = True,
    ) -> Candidates:
        self.prompts = list(prompts)
        return self.candidates


def _point() -> Prompt:
    return Prompt(np.array([[2, 3]], dtype=np.float32), np.array([1], dtype=np.int64))


@pytest.mark.parametrize("use_box", [True, False])
def test_refine_feeds_back_logits_and_box(use_box: bool) -> None:
    """Points stay; the mask prompt is what was kept; the box is tight, inclusive, and only on demand."""
    previous = keep_best(_candidates(BARS, EMPTY))
    backbone = Recorder(_candidates(EMPTY, BARS))
    features = backbone.encode(np.zeros((6, 6, 3), dtype=np.uint8))
    refined = refine(backbone, features, [_point(), _point()], previous, use_box=use_box)
    first, second = backbone.prompts
    assert first.points is not None
    assert first.low_res is not None
    np.testing.assert_array_equal(first.low_res, previous.low_res[0].numpy())
    assert (first.box is not None) is use_box
    if first.box is not None:
        assert first.box.tolist() == [1, 1, 4, 2]
    # An empty mask has no box: where one is needed, the object is prompted as at first.
    assert (second.low_res is None) is use_box
    assert second.box is None
    # Where refinement finds nothing, the mask before stays, unless that is a result as well.
    assert refined.boxes() == [(1, 1, 4, 2), (1, 1, 4, 2)]
    accepted = refine(backbone, features, [_point(), _point()], previous, use_box=use_box, accept_empty=True)
    assert accepted.boxes() == [None, (1, 1, 4, 2)]


def test_feed_back_leaves_the_prompt_alone() -> None:
    """A new prompt is made; a box that was there stays unless another is given."""
    prompt = Prompt(box=np.array([0, 0, 5, 5], dtype=np.float32), mask=np.ones((6, 6), dtype=bool))
    fed = feed_back(prompt, torch.zeros(3, 3), None)
    assert prompt.low_res is None
    assert fed.mask is None
    assert fed.box is prompt.box
