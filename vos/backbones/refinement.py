"""Cascaded post-refinement: decode, keep one mask, decode again around it (PerSAM, Zhang et al. 2023).

Every function takes all objects of an image at once and leaves what it is given as it was.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..ops.boxes import tight_box
from ..prompts import Prompt
from .base import Backbone, Candidates, FrameFeatures
from .scale_weights import mix

Box = tuple[int, int, int, int]


@dataclass(frozen=True, eq=False)
class RefinementPass:
    """What one call of the decoder found, and what is kept of it, for N objects."""

    candidates: Candidates
    pick: Tensor
    """(N,) int64: the candidate kept. Where a mix is kept, the best-scoring one."""
    low_res: Tensor
    """(N, h, w) float32 low-res logits kept, to be fed back."""
    logits: Tensor
    """(N, H, W) float32 logits kept, at image size."""
    scores: Tensor
    """(N,) float32 predicted quality of the pick."""

    @property
    def masks(self) -> NDArray[np.bool_]:
        """(N, H, W) bool."""
        masks: NDArray[np.bool_] = (self.logits > 0).cpu().numpy()
        return masks

    def boxes(self) -> list[Box | None]:
        """Tight box of every mask, None for an empty one."""
        return [tight_box(mask) for mask in self.masks]


Keep = Callable[[Candidates], RefinementPass]
"""How to choose among the candidates of a pass."""


def keep_best(candidates: Candidates) -> RefinementPass:
    """Keep the candidate of the highest score; the first of equals."""
    return keep(candidates, candidates.scores.argmax(dim=1))


def keep(candidates: Candidates, pick: Tensor) -> RefinementPass:
    """Keep candidate ``pick[n]`` of every object n."""
    rows = torch.arange(len(pick), device=pick.device)
    return RefinementPass(
        candidates,
        pick,
        candidates.low_res[rows, pick],
        candidates.pick_logits(pick),
        candidates.scores[rows, pick],
    )


def keep_mix(candidates: Candidates, weights: Tensor) -> RefinementPass:
    """Keep each object's masks mixed by its (N, 3) weights (PerSAM-F); the best one if the mix is empty."""
    best = keep_best(candidates)
    mixed = replace(best, low_res=mix(candidates.low_res, weights), logits=mix(candidates.logits, weights))
    return or_else(mixed, best)


def or_else(new: RefinementPass, old: RefinementPass) -> RefinementPass:
    """``new``, but ``old`` for the objects of which ``new`` shows nothing."""
    seen = (new.logits > 0).flatten(1).any(dim=1)
    if bool(seen.all()):
        return new
    wide = seen[:, None, None]
    return RefinementPass(
        new.candidates,
        torch.where(seen, new.pick, old.pick),
        torch.where(wide, new.low_res, old.low_res),
        torch.where(wide, new.logits, old.logits),
        torch.where(seen, new.scores, old.scores),
    )


def refine(
    backbone: Backbone,
    features: FrameFeatures,
    prompts: Sequence[Prompt],
    previous: RefinementPass,
    *,
    use_box: bool = True,
    choose: Keep = keep_best,
    accept_empty: bool = False,
) -> RefinementPass:
    """Decode ``prompts`` again with what ``previous`` kept as mask prompt and, with ``use_box``, its box.

    An object whose mask is empty, so that it has no box, is prompted as at first. Where refinement finds
    nothing the previous mask stays, unless ``accept_empty``.
    """
    around = [
        feed_back(prompt, low_res, box if use_box else None) if box or not use_box else prompt
        for prompt, low_res, box in zip(prompts, previous.low_res, previous.boxes(), strict=True)
    ]
    found = choose(backbone.decode(features, around))
    return found if accept_empty else or_else(found, previous)


def feed_back(prompt: Prompt, low_res: Tensor, box: Box | None) -> Prompt:
    """``prompt`` with the (h, w) logits of an earlier pass as mask prompt and, where given, a box."""
    return replace(
        prompt,
        mask=None,
        low_res=low_res.cpu().numpy(),
        box=prompt.box if box is None else np.array(box, dtype=np.float32),
    )
