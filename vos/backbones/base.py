"""The first seam: a promptable image model.

``encode`` is paid once per image, ``decode`` is cheap and takes all objects at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray

from ..prompts import Prompt


@dataclass(frozen=True, eq=False)
class FrameFeatures:
    """The features of one image."""

    grid: torch.Tensor
    """(C, h, w) float; every column is a unit vector, so cosine similarity is a dot product.

    Cells that lie wholly in a backbone's padding are not part of the grid: it covers the image exactly.
    """
    image_size: tuple[int, int]
    """(H, W) of the image in pixels."""
    context: Any = field(default=None, repr=False)
    """Private to the backbone that made it."""
    norms: torch.Tensor | None = None
    """(h, w) float: lengths of the columns before they were made unit vectors; None where all were 1."""
    learned: bool = True
    """Whether a network made the grid. Hand-made features say little about a target that its surroundings do
    not share."""

    @property
    def columns(self) -> torch.Tensor:
        """(C, h, w) columns at the length the model gave them."""
        return self.grid if self.norms is None else self.grid * self.norms


@dataclass(frozen=True, eq=False)
class Guidance:
    """Where the target is likely to be, for backbones that can use it (PerSAM, Zhang et al. 2023).

    A part that is None is left out.
    """

    similarity: torch.Tensor | None = None
    """(h, w) cosine similarity of the target on the feature grid."""
    embedding: torch.Tensor | None = None
    """(C,) target embedding, not normalised."""
    attention_bias: torch.Tensor | None = None
    """(g, g) bias in 0..1 on the backbone's own padded grid, in place of one made from ``similarity``."""


@dataclass(frozen=True, eq=False)
class Candidates:
    """K masks for each of N prompts, decoded in one call."""

    logits: torch.Tensor
    """(N, K, H, W) float32 at image size, cut at 0."""
    low_res: torch.Tensor
    """(N, K, h, w) float32 on the decoder's own grid, to be fed back as ``Prompt.low_res``."""
    scores: torch.Tensor
    """(N, K) float32, predicted quality; comparable within a row."""

    def best(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Logits (N, H, W) of each row's highest score, and those scores (N,), as NumPy."""
        pick = self.scores.argmax(dim=1)
        rows = torch.arange(len(pick), device=pick.device)
        return self.pick_logits(pick).cpu().numpy(), self.scores[rows, pick].cpu().numpy()

    def pick_logits(self, pick: torch.Tensor) -> torch.Tensor:
        """(N, H, W) logits of candidate ``pick[n]`` (N,) int64 of every prompt n."""
        return self.logits[torch.arange(len(pick), device=pick.device), pick]


class LazyCandidates(Candidates):
    """Candidates brought to image size when they are asked for: all of them, or only those picked."""

    def __init__(
        self,
        low_res: torch.Tensor,
        scores: torch.Tensor,
        upscale: Callable[[torch.Tensor], torch.Tensor],
    ) -> None:
        """``upscale`` takes (N, K, h, w) low-res logits to (N, K, H, W)."""
        self.__dict__.update(low_res=low_res, scores=scores, upscale=upscale)

    @cached_property
    def logits(self) -> torch.Tensor:
        """(N, K, H, W) float32 at image size, cut at 0."""
        full: torch.Tensor = self.__dict__["upscale"](self.low_res)
        return full

    def pick_logits(self, pick: torch.Tensor) -> torch.Tensor:
        """(N, H, W) logits of candidate ``pick[n]`` of every prompt n; no other is brought to image size."""
        if "logits" in self.__dict__:
            return super().pick_logits(pick)
        rows = torch.arange(len(pick), device=pick.device)
        full: torch.Tensor = self.__dict__["upscale"](self.low_res[rows, pick][:, None])[:, 0]
        return full


@runtime_checkable
class Backbone(Protocol):
    """A promptable image model.

    One whose decoded masks were compared with the truth also has ``quality_models``, from which
    :func:`vos.backbones.expected_quality.expected_quality` predicts J; of others the predicted IoU is taken.
    One that looks again at its own answers has a true ``refines_itself``: it needs no second pass.
    """

    @property
    def accepts_guidance(self) -> bool:
        """Whether ``decode`` makes use of guidance; where it does not, guidance is ignored."""
        ...

    @property
    def device(self) -> torch.device | str:
        """Where its network runs."""
        ...

    def encode(self, image: NDArray[np.uint8]) -> FrameFeatures:
        """Features of an (H, W, 3) uint8 RGB image."""
        ...

    def decode(
        self,
        features: FrameFeatures,
        prompts: Sequence[Prompt],
        *,
        guidance: Sequence[Guidance] | None = None,
        multimask: bool = True,
    ) -> Candidates:
        """Masks for N prompts in one call; prompts are in pixels of the original image.

        ``guidance`` has one entry per prompt. ``multimask=False`` gives K = 1.
        An empty sequence of prompts gives N = 0.
        """
        ...
