"""Cells of remembered frames, which the network's memory reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ...arrays import Floats
from ...backbones.nano.backbone import NanoBackbone
from ...backbones.nano.network import NanoNetwork, Pyramid
from .network_input import padded
from .tuning import Reference


@dataclass(frozen=True, eq=False)
class Remembered:
    """Cells of remembered frames."""

    keys: Tensor
    """(1, D, M)"""
    values: Tensor
    """(K, V, M): of every object."""

    def with_more(self, other: Remembered) -> Remembered:
        """The cells of both."""
        return Remembered(
            torch.cat([self.keys, other.keys], dim=2), torch.cat([self.values, other.values], dim=2)
        )


def remember(network: NanoNetwork, pyramid: Pyramid, masks: Sequence[Floats]) -> Remembered:
    """The cells of one frame.

    Args:
        network: one with a memory.
        pyramid: of the frame, padded at the right and below.
        masks: K of (h, w) float32 in 0..1, not padded.
    """
    assert network.memory is not None
    keys = network.memory.keys(pyramid)
    height, width = (2 * side for side in pyramid.levels[0].shape[-2:])
    planes = torch.zeros(len(masks), 2, height, width, device=keys.device, dtype=keys.dtype)
    total = np.sum(masks, axis=0)
    for plane, mask in zip(planes, masks, strict=True):
        rows, columns = mask.shape
        plane[0, :rows, :columns] = torch.from_numpy(mask)
        plane[1, :rows, :columns] = torch.from_numpy(np.clip(total - mask, 0, 1))
    values = network.memory.values(pyramid, planes.contiguous(memory_format=torch.channels_last))
    return Remembered(keys.flatten(2), values.flatten(2))


@torch.inference_mode()
def memory_of(
    backbone: NanoBackbone, references: tuple[Reference, ...], ids: tuple[int, ...]
) -> Remembered | None:
    """The cells of all references; None for a network without a memory."""
    if backbone.network.memory is None:
        return None
    memory = None
    for reference in references:
        cropped, _ = padded(reference.cropped)
        pyramid = backbone.network.encoder(backbone.to_input(cropped[None]))
        masks = [(reference.labels == k).astype(np.float32) for k in ids]
        cells = remember(backbone.network, pyramid, masks)
        memory = cells if memory is None else memory.with_more(cells)
    return memory
