"""One-shot tuning: a small part of the compact network learns the objects of one video.

As in OSVOS (Caelles et al., 2017) and PerSAM-F, from the reference frames alone: the network refines
perturbed masks of augmented views of them (:mod:`vos.trackers.classical.augmentation`,
:mod:`vos.trackers.nano.mask_perturbation`). Only the decoder's last layers learn, for a few seconds; the
encoder, and all statistics of its layers, stay as they are.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import ClassVar

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from ...backbones.nano.backbone import NanoBackbone
from ...backbones.nano.cues import CUES
from ...backbones.nano.network import NanoNetwork, Pyramid
from ...results import VOID, Labels
from ..classical.augmentation import AugmentationSettings, fill, view
from .cues import ENGINE_CUES, made_up_cues


@dataclass(frozen=True, eq=False)
class Reference:
    """A frame whose labels are known, as the network sees it."""

    cropped: NDArray[np.uint8]
    """(h, w, 3) uint8 RGB."""
    labels: Labels
    """(h, w)."""


@dataclass(frozen=True)
class TuneSettings:
    """How the network is fitted to the reference frames."""

    RENAMED: ClassVar = {"rate": "learning_rate"}

    steps: int = 120
    """Steps of the fit; 200 with twice the views were worse (``docs/nano-experiments.md``)."""
    examples: int = 24
    """Augmented views; each is encoded once, and used again with other perturbed masks."""
    batch: int = 4
    """Views per step."""
    side: int = 224
    """Views are cut to squares of this many pixels around an object."""
    learning_rate: float = 2e-4
    """Of the fit; twice as much loses a point, 0.001 is worse everywhere (``docs/nano-experiments.md``)."""
    perturbation: tuple[float, float] = (0.05, 0.5)
    """Least and greatest strength of the mask perturbation."""
    seed: int = 0
    """Of the views and the perturbed masks: fixed, so that equal runs give equal masks."""

    def __post_init__(self) -> None:
        for name in ("steps", "examples", "batch"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.side < 32 or self.side % 32:
            raise ValueError(f"side must be a multiple of 32, got {self.side}")
        if not 0 < self.learning_rate < float("inf"):
            raise ValueError(f"learning_rate must be positive and finite, got {self.learning_rate}")
        if not 0 <= self.perturbation[0] <= self.perturbation[1]:
            raise ValueError(f"perturbation must be two numbers from 0 up in order, got {self.perturbation}")


@torch.inference_mode(False)
@torch.enable_grad()
def tune(
    backbone: NanoBackbone, references: tuple[Reference, ...], ids: tuple[int, ...], settings: TuneSettings
) -> NanoBackbone:
    """A backbone fitted to the references; the one given stays as it is.

    The same frames give the same weights: what was tuned need not be saved with a tracker's state.
    """
    rng = np.random.default_rng(settings.seed)
    images, masks = _examples(references, ids, rng, settings)
    if not images:
        return backbone
    network = copy.deepcopy(backbone.trainable).to(backbone.device, torch.float32).eval()
    network.to(memory_format=torch.channels_last)
    with torch.no_grad():
        pyramid = network.encoder(backbone.to_input(np.stack(images)).float())
    parts = _small_part(network)
    optimiser = torch.optim.AdamW(parts, lr=settings.learning_rate, weight_decay=0.0)
    for _ in range(settings.steps):
        chosen = rng.integers(len(images), size=min(settings.batch, len(images)))
        cues = np.zeros((len(chosen), len(CUES), settings.side, settings.side), np.float32)
        for row, i in enumerate(chosen):
            cues[row, list(ENGINE_CUES)] = made_up_cues(masks[i], images[i], rng, settings.perturbation)
        truth = torch.from_numpy(np.stack([masks[i] for i in chosen])).float().to(backbone.device)
        logits, _ = network.decoder(_rows(pyramid, chosen), torch.from_numpy(cues).to(backbone.device))
        loss = mask_loss(logits, truth[:, None].expand_as(logits)).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return NanoBackbone(
        network, device=str(backbone.device), dtype=_name(backbone.dtype), pixels=backbone.pixels
    )


def mask_loss(logits: Tensor, truth: Tensor) -> Tensor:
    """(N, K) cross-entropy and Dice loss (Milletari et al., 2016) of (N, K, h, w) logits."""
    logits = logits.float()
    entropy = F.binary_cross_entropy_with_logits(logits, truth, reduction="none").mean(dim=(2, 3))
    share = torch.sigmoid(logits)
    common = (share * truth).sum(dim=(2, 3))
    dice = 1 - (2 * common + 1) / (share.sum(dim=(2, 3)) + truth.sum(dim=(2, 3)) + 1)
    return 2 * entropy + dice


def _examples(
    references: tuple[Reference, ...], ids: tuple[int, ...], rng: np.random.Generator, settings: TuneSettings
) -> tuple[list[NDArray[np.uint8]], list[NDArray[np.bool_]]]:
    """Square images (S, S, 3) uint8 around an object, and its masks (S, S) bool there."""
    images, masks = [], []
    shown = [(f, k) for f in references for k in ids if (f.labels == k).any()]
    empty = {id(f): fill(f.cropped, f.labels) for f, _ in shown}
    for n in range(settings.examples if shown else 0):
        frame, object_id = shown[n % len(shown)]
        seen, labels = view(frame.cropped, frame.labels, empty[id(frame)], 1.0, AugmentationSettings(), rng)
        mask = labels == object_id
        if mask.any():
            cropped, here = _square(seen, mask & (labels != VOID), settings.side, rng)
            images.append(cropped)
            masks.append(here)
    return images, masks


def _square(
    cropped: NDArray[np.uint8], mask: NDArray[np.bool_], side: int, rng: np.random.Generator
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """The (side, side) part of an image around the mask's middle; larger objects are made to fit."""
    rows, columns = np.nonzero(mask)
    extent = max(np.ptp(rows), np.ptp(columns)) + 1
    scale = min(1.0, 0.8 * side / extent)
    jitter = rng.uniform(-0.1, 0.1, 2) * side
    x, y = (columns.min() + columns.max()) / 2, (rows.min() + rows.max()) / 2
    matrix = np.array(
        [[scale, 0, side / 2 - scale * x + jitter[0]], [0, scale, side / 2 - scale * y + jitter[1]]]
    )
    if scale < 1:
        cropped = cv2.GaussianBlur(cropped, (0, 0), 0.5 / scale)
    part = cv2.warpAffine(cropped, matrix, (side, side), borderMode=cv2.BORDER_REFLECT)
    inside = cv2.warpAffine(mask.astype(np.float32), matrix, (side, side)) >= 0.5
    return part, inside


def _small_part(network: NanoNetwork) -> list[torch.nn.Parameter]:
    """The parameters that learn: the decoder's finest join and what follows it."""
    for parameter in network.parameters():
        parameter.requires_grad_(False)
    decoder = network.decoder
    parts = [*decoder.join[-1].parameters(), *decoder.fine.parameters(), *decoder.masks.parameters()]
    for parameter in parts:
        parameter.requires_grad_(True)
    return parts


def _rows(pyramid: Pyramid, rows: NDArray[np.integer]) -> Pyramid:
    pick = torch.from_numpy(rows)
    return Pyramid(tuple(level[pick] for level in pyramid.levels), pyramid.columns[pick])


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
