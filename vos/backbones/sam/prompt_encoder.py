"""SAM's prompt encoder: points, boxes and mask logits to embeddings, under the original entry names.

It always runs in float32: it costs little, and the phases of the positions do not survive fewer bits.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from .layers import LayerNorm2d


@dataclass(frozen=True)
class PromptConfig:
    """Sizes of the prompt encoder; the defaults are those of all published models."""

    dim: int = 256
    mask_channels: int = 16
    grid: int = 64
    image_size: int = 1024


class RandomPositions(nn.Module):
    """Sines and cosines of fixed random frequencies."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.register_buffer("positional_encoding_gaussian_matrix", torch.randn(2, features))

    def forward(self, coordinates: Tensor) -> Tensor:
        """(..., 2) xy in 0..1 of the padded image to (..., 2 * features)."""
        across, down = self.positional_encoding_gaussian_matrix  # type: ignore[misc]
        x, y = (2 * coordinates - 1).split(1, dim=-1)
        # A matrix product of inner size 2, written out: with one rounding at the end of multiply and add, as
        # optimised libraries do it for large products but not for few points.
        phase = 2 * math.pi * torch.addcmul(x * across, y, down)
        return torch.cat([phase.sin(), phase.cos()], dim=-1)


class PromptEncoder(nn.Module):
    """Points and boxes become tokens (sparse), mask logits an image-sized embedding (dense)."""

    def __init__(self, config: PromptConfig) -> None:
        super().__init__()
        self.config = config
        self.pe_layer = RandomPositions(config.dim // 2)
        # Off the object, on the object, top-left and bottom-right corner of a box.
        self.point_embeddings = nn.ModuleList(nn.Embedding(1, config.dim) for _ in range(4))
        self.not_a_point_embed = nn.Embedding(1, config.dim)
        self.mask_downscaling = nn.Sequential(
            nn.Conv2d(1, config.mask_channels // 4, 2, 2),
            LayerNorm2d(config.mask_channels // 4),
            nn.GELU(),
            nn.Conv2d(config.mask_channels // 4, config.mask_channels, 2, 2),
            LayerNorm2d(config.mask_channels),
            nn.GELU(),
            nn.Conv2d(config.mask_channels, config.dim, 1),
        )
        self.no_mask_embed = nn.Embedding(1, config.dim)

    def dense_positions(self) -> Tensor:
        """(1, C, grid, grid) positional encoding of the cell centres."""
        side = self.config.grid
        centre = (
            torch.arange(side, device=self.no_mask_embed.weight.device, dtype=torch.float32) + 0.5
        ) / side
        y, x = torch.meshgrid(centre, centre, indexing="ij")
        encoded: Tensor = self.pe_layer(torch.stack([x, y], dim=-1))
        return encoded.permute(2, 0, 1)[None]

    def embed_points(self, points: Tensor, labels: Tensor, *, pad: bool) -> Tensor:
        """(N, P, 2) xy in the 1024 frame, (N, P) labels to (N, P [+ 1], C).

        ``pad`` appends the "not a point" token, which stands where a box would.
        """
        tokens = self._positions(points) + self._kinds(0, 1)[labels]
        if pad:
            tokens = torch.cat([tokens, self.not_a_point_embed.weight.expand(len(tokens), 1, -1)], dim=1)
        return tokens

    def embed_boxes(self, boxes: Tensor) -> Tensor:
        """(N, 4) xyxy in the 1024 frame to (N, 2, C)."""
        return self._positions(boxes.reshape(-1, 2, 2)) + self._kinds(2, 3)

    def embed_masks(self, logits: Tensor) -> Tensor:
        """(N, 1, 4 grid, 4 grid) low-res logits to (N, C, grid, grid)."""
        out: Tensor = self.mask_downscaling(logits)
        return out

    def no_mask(self) -> Tensor:
        """(1, C, 1, 1): the dense embedding of a prompt without a mask."""
        return self.no_mask_embed.weight[:, :, None, None]

    def _kinds(self, *kinds: int) -> Tensor:
        """(len(kinds), C): what is added to the position of a point of each kind."""
        return torch.cat([cast(nn.Embedding, self.point_embeddings[kind]).weight for kind in kinds])

    def _positions(self, points: Tensor) -> Tensor:
        # Half a pixel to the centre; two steps in the order of the original, which is exact to the last bit.
        out: Tensor = self.pe_layer((points + 0.5) / self.config.image_size)
        return out
