"""Ways to look at image features: aligned with the image (any backbone), and the reference's (SAM).

The method is the same in all; they differ in which cells a mask selects, in how similarity becomes
a location prior, and in where the attention bias lies.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...backbones.base import FrameFeatures, Guidance
from ...backbones.grid_mask import grid_mask, grid_values
from .location_prior import attention_bias, location_prior, padded_location_prior
from .target_embedding import embed_target, similarity_map

if TYPE_CHECKING:
    from ...backbones.sam.backbone import SamBackbone


class FeatureGeometry(Protocol):
    """How features of an image are read."""

    def columns(self, features: FrameFeatures) -> Tensor:
        """(C, h, w) feature columns, not normalised."""
        ...

    def cells(self, features: FrameFeatures, mask: NDArray[np.bool_]) -> Tensor:
        """(h, w) bool: the cells under an (H, W) bool mask."""
        ...

    def similarity(self, features: FrameFeatures, direction: Tensor) -> Tensor:
        """(h, w) cosine similarity with a unit ``direction`` (C,)."""
        ...

    def prior(self, features: FrameFeatures, similarity: Tensor) -> Tensor:
        """(H, W) location prior from a similarity map."""
        ...

    def guidance(self, similarity: Tensor | None, prior: Tensor, embedding: Tensor | None) -> Guidance:
        """The decoder's guidance; without ``similarity`` its attention is not biased."""
        ...


@dataclass(frozen=True)
class AlignedGeometry:
    """The grid covers the image exactly; a mask selects the cells it covers at least half."""

    def columns(self, features: FrameFeatures) -> Tensor:
        """(C, h, w) feature columns of the image, without padding."""
        return features.columns

    def cells(self, features: FrameFeatures, mask: NDArray[np.bool_]) -> Tensor:
        """(h, w) bool: cells covered at least half, or the best covered one."""
        height, width = features.grid.shape[1:]
        return grid_mask(torch.from_numpy(mask).to(features.grid.device), (height, width))

    def similarity(self, features: FrameFeatures, direction: Tensor) -> Tensor:
        """(h, w) cosine similarity on the cells of the image."""
        return torch.einsum("c,chw->hw", direction.to(features.grid), features.grid)

    def prior(self, features: FrameFeatures, similarity: Tensor) -> Tensor:
        """(H, W): the similarity, resized once."""
        return location_prior(similarity, features.image_size)

    def guidance(self, similarity: Tensor | None, prior: Tensor, embedding: Tensor | None) -> Guidance:
        """Similarity on the grid: the backbone keeps it aligned with its features."""
        return Guidance(similarity=similarity, embedding=embedding)


@dataclass(frozen=True, eq=False)
class ContrastGeometry(AlignedGeometry):
    """The aligned view, in which similarity is how much more a cell looks like the target than like the rest.

    Hand-made features say little about a target that its surroundings do not share, and the most similar
    cell alone is then often one of the surroundings.
    """

    background: Tensor
    """(C,) unit direction of what is not the target in the reference image; zero to leave it out."""

    @classmethod
    def of_reference(cls, features: FrameFeatures, mask: NDArray[np.bool_]) -> ContrastGeometry:
        """The view for the target under the (H, W) bool ``mask`` of the image that ``features`` are of."""
        rest = AlignedGeometry().cells(features, ~mask)
        return cls(embed_target(features.grid, rest).direction)

    def similarity(self, features: FrameFeatures, direction: Tensor) -> Tensor:
        """(h, w) difference of two cosine similarities, in -2..2."""
        return torch.einsum("c,chw->hw", (direction - self.background).to(features.grid), features.grid)


def suitable_geometry(features: FrameFeatures, mask: NDArray[np.bool_]) -> FeatureGeometry:
    """What suits features: the contrast to the background where they are hand-made, else aligned.

    ``mask`` (H, W) bool is the target in the reference image, which ``features`` are of.
    """
    return AlignedGeometry() if features.learned else ContrastGeometry.of_reference(features, mask)


@dataclass(frozen=True, eq=False)
class ReferenceGeometry:
    """The padded square as the reference scripts see it, quirks included."""

    backbone: SamBackbone
    foreground: int | NDArray[np.uint8]
    """Red value of the foreground in the mask image: 128 for PerSeg's images, 215 for video; or the (H, W)
    red channel of the reference mask, whose pixels may differ."""

    def columns(self, features: FrameFeatures) -> Tensor:
        """(C, g, g) float32 feature columns of the padded square."""
        columns: Tensor = features.context.features[0].float()
        return columns

    def cells(self, features: FrameFeatures, mask: NDArray[np.bool_]) -> Tensor:
        """(g, g) bool: cells whose sample of the mask image is positive."""
        return self.cell_values(mask) > 0

    def cell_values(self, mask: NDArray[np.bool_]) -> Tensor:
        """(g, g) float32 samples of the mask, sent through the image preprocessing as an image."""
        red = self.foreground
        if not isinstance(red, int) and not np.array_equal(
            mask, red > 0
        ):  # another mask than the reference's
            red = int(red.max(initial=0))
        image = np.zeros((*mask.shape, 3), dtype=np.uint8)
        image[..., 0] = np.where(mask, red, 0)
        channel = self.backbone.preprocess(image)[0, 0]
        return grid_values(channel, self.backbone.grid)

    def similarity(self, features: FrameFeatures, direction: Tensor) -> Tensor:
        """(g, g) cosine similarity, padding included."""
        return similarity_map(self.columns(features), direction)

    def prior(self, features: FrameFeatures, similarity: Tensor) -> Tensor:
        """(H, W): the similarity, resized three times."""
        return padded_location_prior(
            similarity, lambda maps: self.backbone.upscale(maps, features.image_size)
        )

    def guidance(self, similarity: Tensor | None, prior: Tensor, embedding: Tensor | None) -> Guidance:
        """The bias made of the image's prior but stretched over the padded grid."""
        bias = None if similarity is None else attention_bias(prior, self.backbone.grid)
        return Guidance(embedding=embedding, attention_bias=bias)
