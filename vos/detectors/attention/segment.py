"""Images in, label maps of named classes out: the whole training-free method."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from .blip import BlipMatcher, EncodedPrompts
from .class_maps import ensemble
from .convcrf import ConvCrfSettings, convcrf
from .infoscore import LayerScores, infoscore, prompt_marginals
from .preprocess import Placement, from_canvas, image_to_canvas


@dataclass(frozen=True)
class SegmentSettings:
    """How attention becomes label maps."""

    layers: tuple[int, ...] | None = None
    """Text layers whose maps are averaged, from 0; None for the model's own default."""
    crf: Literal["convcrf", "none"] = "convcrf"
    """How the maps are smoothed along edges of the image; ``none``: not at all, which is faster."""
    convcrf: ConvCrfSettings = field(default_factory=ConvCrfSettings)
    batch_size: int = 1
    """Images per pass; the maps are the same whatever it is."""

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise ValueError(f"batch_size must be >= 1, got {self.batch_size}")


@dataclass(frozen=True, eq=False)
class ImageClasses:
    """What is where in one image. C counts the background, which is class 0."""

    labels: NDArray[np.uint8]
    """(H, W) uint8 classes at the size of the image."""
    canvas_labels: NDArray[np.uint8]
    """(S, S) uint8 classes on the network's canvas, padding included: what the paper's protocol scores."""
    unary: torch.Tensor
    """U (C, S, S) on the canvas, a distribution over classes at every pixel, before any CRF."""
    gate: NDArray[np.float32]
    """(C,) the largest matching probability among each class's prompts, 0..1."""
    placement: Placement

    def probability(self) -> torch.Tensor:
        """U (C, H, W) at the size of the image."""
        return from_canvas(self.unary, self.placement)


@torch.no_grad()
def segment_images(
    matcher: BlipMatcher,
    encoded: EncodedPrompts,
    images: Iterable[NDArray[np.uint8]],
    settings: SegmentSettings = SegmentSettings(),
) -> Iterator[ImageClasses]:
    """Classes of (H, W, 3) uint8 RGB images of any sizes, in order.

    Raises:
        SettingsError: for a layer the model does not have.
    """
    layers = settings.layers or matcher.default_layers
    spans = encoded.prompts.spans
    for pixels, placements in _batches(matcher, images, settings.batch_size):
        relevance = matcher.relevance(matcher.encode_images(pixels), encoded, layers)
        maps = relevance.class_maps(encoded.prompts)
        unary = ensemble([maps[layer] for layer in layers], (matcher.canvas, matcher.canvas))
        if settings.crf == "convcrf":
            scores = convcrf(unary, pixels.to(unary), settings.convcrf)
        else:
            scores = unary
        gates = torch.stack([relevance.gate[:, a:b].amax(dim=1) for a, b in spans], dim=1)
        for i, placement in enumerate(placements):
            yield ImageClasses(
                labels=_argmax(from_canvas(scores[i], placement)),
                canvas_labels=_argmax(scores[i]),
                unary=unary[i],
                gate=gates[i].float().cpu().numpy(),
                placement=placement,
            )


@torch.no_grad()
def rank_layers(
    matcher: BlipMatcher,
    encoded: EncodedPrompts,
    images: Iterable[NDArray[np.uint8]],
    *,
    batch_size: int = 1,
) -> LayerScores:
    """InfoScore of every layer over unlabelled images (published with single-prompt prompts).

    It measures how layers vary between images: one image alone gives every layer the score 0.
    """
    layers = tuple(range(matcher.num_layers))
    size = (matcher.canvas, matcher.canvas)
    marginals: list[NDArray[np.float32]] = []
    for pixels, _ in _batches(matcher, images, batch_size):
        maps = matcher.relevance(matcher.encode_images(pixels), encoded, layers).maps
        marginals.append(np.stack([prompt_marginals(maps[n], size).cpu().numpy() for n in layers]))
    return infoscore(np.concatenate(marginals, axis=1), layers)


def _batches(
    matcher: BlipMatcher, images: Iterable[NDArray[np.uint8]], size: int
) -> Iterator[tuple[torch.Tensor, list[Placement]]]:
    """(B, 3, S, S) network inputs and their placements, B <= size."""
    stream = iter(images)
    while batch := list(itertools.islice(stream, size)):
        placed = [image_to_canvas(image, matcher.canvas, matcher.statistics) for image in batch]
        pixels = torch.from_numpy(np.stack([pixels for pixels, _ in placed]))
        yield pixels.to(matcher.device), [placement for _, placement in placed]


def _argmax(scores: torch.Tensor) -> NDArray[np.uint8]:
    """(H, W) uint8 of (C, H, W)."""
    return scores.argmax(dim=0).to(torch.uint8).cpu().numpy()
