"""The mask decoder of SAM-HQ (Ke et al. 2023, arXiv 2306.01567), under its original entry names.

A further token, on features that join the decoder's with an early layer of the image encoder, gives logits
that sharpen each of SAM's own masks: they are added to them.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .layers import MLP, LayerNorm2d
from .mask_decoder import DecoderConfig, Injection, MaskDecoder, in_place


class HqMaskDecoder(MaskDecoder):
    """SAM's decoder with the high-quality token.

    Args:
        config: sizes; ``early_dim`` is that of the image encoder.
    """

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__(config)
        dim = config.dim
        self.hf_token = nn.Embedding(1, dim)
        self.hf_mlp = MLP([dim, dim, dim, dim // 8])
        self.compress_vit_feat = _upscaling(config.early_dim, dim, dim // 8)
        self.embedding_encoder = _upscaling(dim, dim // 4, dim // 8)
        self.embedding_maskfeature = nn.Sequential(
            nn.Conv2d(dim // 8, dim // 4, 3, padding=1),
            LayerNorm2d(dim // 4),
            nn.GELU(),
            nn.Conv2d(dim // 4, dim // 8, 3, padding=1),
        )

    def detail(self, image: Tensor, early: Tensor) -> Tensor:
        """(1, C / 8, 4h, 4w) what all prompts of an image share.

        Args:
            image: (1, C, h, w) features of the encoder.
            early: (1, h, w, D) tokens after its first block with global attention.
        """
        found: Tensor = self.embedding_encoder(image) + self.compress_vit_feat(early.permute(0, 3, 1, 2))
        return found

    def own_tokens(self) -> Tensor:
        """(2 + masks, C): quality, masks, high quality."""
        return torch.cat([super().own_tokens(), self.hf_token.weight])

    def forward(
        self,
        image: Tensor,
        positions: Tensor,
        sparse: Tensor,
        injection: Injection | None = None,
        mask: Tensor | None = None,
        outputs: slice = slice(None),
        detail: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """As :class:`MaskDecoder`; ``detail`` is of :meth:`detail`."""
        assert detail is not None, "the image was encoded by a network without SAM-HQ's decoder"
        tokens, cells = self.transform(image, positions, sparse, injection, mask)
        pixels = self._upscale(cells)
        size = (image.shape[2], image.shape[3])
        low_res = self._masks(pixels, tokens, size, outputs)
        features = self.embedding_maskfeature(in_place(pixels, size)) + detail
        token = tokens[:, 1 + len(self.output_hypernetworks_mlps)]
        sharper = (self.hf_mlp(token)[:, None] @ features.flatten(2)).unflatten(2, features.shape[2:])
        return low_res + sharper, self.iou_prediction_head(tokens[:, 0])[:, outputs]


def _upscaling(inner: int, middle: int, outer: int) -> nn.Sequential:
    return nn.Sequential(
        nn.ConvTranspose2d(inner, middle, 2, 2),
        LayerNorm2d(middle),
        nn.GELU(),
        nn.ConvTranspose2d(middle, outer, 2, 2),
    )
