"""``nano``: a compact promptable backbone of our own; see ``docs/nano.md``.

It takes SAM's place at a hundredth of its size. Points, boxes, rough masks, low-res logits and the target's
similarity become maps (:mod:`.nano_cues`) that the decoder reads beside the image's features.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from ...ops.monotone_logistic import load_models
from ...prompts import Prompt
from ..base import Candidates, FrameFeatures, Guidance, LazyCandidates
from ..expected_quality import Models
from ..folding import with_folded_norms
from ..sam.backbone import check_device, check_dtype
from ..weights.checkpoints import load_state
from ..weights.location import locate_packaged
from .cues import SIMILAR, prompt_cues
from .network import LOW_RES_STRIDE, STRIDE, NanoNetwork, Pyramid, network_from, similarity_cue

PIXELS = 410_000
"""An image is brought to at most about this many pixels: 854x480."""
MAX_BATCH = 8
"""Prompts decoded at once; more are split, which bounds memory and changes nothing."""
LEAST_LENGTH = 1e-12


@dataclass(frozen=True, eq=False)
class NanoContext:
    """What the decoder needs of an image."""

    pyramid: Pyramid
    size: tuple[int, int]
    """(h, w) of the network's input."""


class NanoBackbone:
    """The compact network behind the :class:`~vos.backbones.base.Backbone` seam."""

    accepts_guidance = True

    @property
    def quality_models(self) -> Models:
        """For :func:`vos.backbones.expected_quality.expected_quality`; fitted to the packaged weights."""
        return load_models("nano")

    def __init__(
        self, network: NanoNetwork, *, device: str = "cpu", dtype: str = "float32", pixels: int = PIXELS
    ) -> None:
        """``network`` is what is trained further; ``pixels`` bounds its input.

        Raises:
            ModelError: if the device or dtype is not known or not there.
        """
        self.device, self.dtype = check_device(device), check_dtype(dtype)
        self.trainable = network.eval()
        self.network = with_folded_norms(network).to(self.device, self.dtype)
        self.network.to(memory_format=torch.channels_last)
        self.pixels = pixels

    @torch.inference_mode()
    def encode(self, image: NDArray[np.uint8]) -> FrameFeatures:
        """Features of an (H, W, 3) uint8 RGB image."""
        height, width = image.shape[:2]
        size = input_size((height, width), self.pixels)
        way = cv2.INTER_AREA if size[0] < height else cv2.INTER_LINEAR
        pyramid = self.network.encoder(self.to_input(cv2.resize(image, size[::-1], interpolation=way)[None]))
        columns = pyramid.columns[0].float()
        lengths = columns.norm(dim=0).clamp_min(LEAST_LENGTH)
        return FrameFeatures(columns / lengths, (height, width), NanoContext(pyramid, size), lengths)

    @torch.inference_mode()
    def decode(
        self,
        features: FrameFeatures,
        prompts: Sequence[Prompt],
        *,
        guidance: Sequence[Guidance] | None = None,
        multimask: bool = True,
    ) -> Candidates:
        """Masks for N prompts; K = 3, or the best one alone without ``multimask``.

        Of guidance only the similarity is used.

        Raises:
            PromptError: if a mask does not have the size of the image.
        """
        context: NanoContext = features.context
        maps, scores = [], []
        for start in range(0, len(prompts), MAX_BATCH):
            chunk = slice(start, start + MAX_BATCH)
            cues = torch.from_numpy(
                np.stack([prompt_cues(p, features.image_size, context.size) for p in prompts[chunk]])
            ).to(self.device)
            for row, guide in zip(cues, guidance[chunk] if guidance else (), strict=False):
                if guide.similarity is not None:
                    row[SIMILAR] = similarity_cue(guide.similarity.float().to(self.device), context.size)
            logits, quality = self.network.decoder(context.pyramid, cues.to(self.dtype))
            maps.append(logits.float())
            scores.append(torch.sigmoid(quality.float()))
        if not prompts:
            maps.append(torch.zeros(0, self.network.config.candidates, *context.size, device=self.device))
            scores.append(torch.zeros(0, self.network.config.candidates, device=self.device))
        logits, quality = torch.cat(maps), torch.cat(scores)
        if not multimask:
            pick = quality.argmax(dim=1, keepdim=True)
            quality = quality.gather(1, pick)
            logits = logits.take_along_dim(pick[..., None, None], 1)
        return _Upscaled(logits, quality, features.image_size)

    def to_input(self, images: NDArray[np.uint8]) -> Tensor:
        """(B, 3, h, w) network input of (B, h, w, 3) uint8 RGB images of a legal size."""
        planes = torch.from_numpy(np.ascontiguousarray(images)).to(self.device).permute(0, 3, 1, 2)
        return (planes.to(self.dtype) / 127.5 - 1).contiguous(memory_format=torch.channels_last)


class _Upscaled(LazyCandidates):
    """Candidates kept at the network's size, and brought to image size when they are asked for."""

    def __init__(self, own: Tensor, scores: Tensor, image_size: tuple[int, int]) -> None:
        """``own`` are (N, K, h, w) logits at the network's size."""
        low_res = (
            F.avg_pool2d(own, LOW_RES_STRIDE) if len(own) else own[..., ::LOW_RES_STRIDE, ::LOW_RES_STRIDE]
        )
        super().__init__(low_res, scores, lambda maps: _resize(maps, image_size))
        self.__dict__["own"] = own

    @cached_property
    def logits(self) -> Tensor:
        """(N, K, H, W) float32 at image size, cut at 0."""
        full: Tensor = self.__dict__["upscale"](self.__dict__["own"])
        return full

    def pick_logits(self, pick: Tensor) -> Tensor:
        """(N, H, W) logits of candidate ``pick[n]`` of every prompt n; no other is brought to image size."""
        rows = torch.arange(len(pick), device=pick.device)
        picked: Tensor = self.__dict__["upscale"](self.__dict__["own"][rows, pick][:, None])[:, 0]
        return picked


def _resize(maps: Tensor, image_size: tuple[int, int]) -> Tensor:
    """(N, K, H, W) from (N, K, h, w)."""
    if not len(maps):
        return maps.new_zeros(*maps.shape[:2], *image_size)
    return F.interpolate(maps, image_size, mode="bilinear", align_corners=False)


def input_size(image_size: tuple[int, int], pixels: int) -> tuple[int, int]:
    """(h, w) of the input for an (H, W) image: multiples of 32, about its shape, about ``pixels`` at most."""
    height, width = image_size
    scale = min(1.0, float(np.sqrt(pixels / (height * width))))
    rows, columns = (max(STRIDE, round(side * scale / STRIDE) * STRIDE) for side in (height, width))
    return rows, columns


def build_nano(
    *, checkpoint: str | Path | None = None, device: str = "cpu", dtype: str = "float32"
) -> NanoBackbone:
    """The backbone with the weights that come with the package, or with those in ``checkpoint``.

    Raises:
        ModelError: if weights are missing, unusable or another model's, or device or dtype cannot be used.
    """
    check_device(device)
    check_dtype(dtype)
    path = locate_packaged("nano") if checkpoint is None else Path(checkpoint)
    return NanoBackbone(network_from(load_state(path), str(path)), device=device, dtype=dtype)
