"""A backbone whose targets are compared by another network's features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from ..prompts import Prompt
from .base import Backbone, Candidates, FrameFeatures, Guidance


class FeatureSource(Protocol):
    """A network that gives features of images."""

    def encode(self, image: NDArray[np.uint8]) -> FrameFeatures:
        """Features of an (H, W, 3) uint8 RGB image; the grid covers it exactly."""
        ...


@dataclass(frozen=True, eq=False)
class _Context:
    """What decoding needs."""

    own: FrameFeatures
    """The backbone's."""


class FeaturedBackbone:
    """A :class:`~vos.backbones.base.Backbone`: one network decodes, the features of another are matched.

    The target embedding, the similarity and the location prior of PerSAM then come from ``source``, as in
    Matcher (Liu et al. 2023, arXiv 2305.13310). The similarity guides the decoder's attention, brought to its
    grid; the semantic prompt is left out, for the decoder's tokens are of its own features.

    Args:
        backbone: decodes.
        source: gives the features.
    """

    def __init__(self, backbone: Backbone, source: FeatureSource) -> None:
        self.backbone, self.source = backbone, source

    @property
    def accepts_guidance(self) -> bool:
        """See :class:`~vos.backbones.base.Backbone`."""
        return self.backbone.accepts_guidance

    @property
    def device(self) -> torch.device | str:
        """See :class:`~vos.backbones.base.Backbone`."""
        return self.backbone.device

    def encode(self, image: NDArray[np.uint8]) -> FrameFeatures:
        """See :class:`~vos.backbones.base.Backbone`; the grid is the other network's."""
        own = self.backbone.encode(image)
        found = self.source.encode(image)
        grid = found.grid.to(own.grid.device)
        norms = None if found.norms is None else found.norms.to(own.grid.device)
        return FrameFeatures(grid, own.image_size, _Context(own), norms, learned=found.learned)

    def decode(
        self,
        features: FrameFeatures,
        prompts: Sequence[Prompt],
        *,
        guidance: Sequence[Guidance] | None = None,
        multimask: bool = True,
    ) -> Candidates:
        """See :class:`~vos.backbones.base.Backbone`."""
        own: FrameFeatures = features.context.own
        cells = (own.grid.shape[1], own.grid.shape[2])
        on_grid = None if guidance is None else [_on_grid(one, cells) for one in guidance]
        return self.backbone.decode(own, prompts, guidance=on_grid, multimask=multimask)


def _on_grid(guidance: Guidance, cells: tuple[int, int]) -> Guidance:
    """Guidance for a backbone with (h, w) ``cells``, without the embedding of other features."""
    similarity = guidance.similarity
    if similarity is not None:
        stretched = F.interpolate(
            similarity[None, None].float(), cells, mode="bilinear", align_corners=False, antialias=True
        )
        similarity = stretched[0, 0]
    return replace(guidance, similarity=similarity, embedding=None)
