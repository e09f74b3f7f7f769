"""Checkpoint files of SAM networks with untrained weights, in the original format."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

    from ..backbones.sam.network import SamConfig

Kind = Literal["vit", "vit-hq", "tiny-vit"]


def tiny_sam_checkpoint(
    path: str | Path, seed: int = 0, *, kind: Kind = "vit", image_size: int = 128
) -> Path:
    """Write a small SAM with pseudo-random weights to ``path`` and return it.

    ``vit`` loads as ``sam-vit-b`` (width 32, two blocks, ``image_size`` pixels, a multiple of 16), ``vit-hq``
    as ``sam-hq-vit-b``;
    ``tiny-vit`` as ``mobile-sam`` (always 1024 pixels, so it is slower). Importing this imports no torch,
    calling it does.
    """
    from ..backbones.sam.image_encoder import ViTConfig
    from ..backbones.sam.mask_decoder import DecoderConfig
    from ..backbones.sam.network import SamConfig
    from ..backbones.sam.prompt_encoder import PromptConfig
    from ..backbones.sam.tiny_vit import TinyViTConfig

    encoder: ViTConfig | TinyViTConfig
    if kind != "tiny-vit":
        encoder = ViTConfig(image_size, 16, 32, 2, 2, 64, 3, (1,), 32)
    else:
        encoder = TinyViTConfig(1024, (8, 16, 16, 32), (1, 1, 1, 1), (1, 1, 2), (7, 14, 7), 32, classes=0)
    config = SamConfig(
        encoder,
        PromptConfig(dim=32, mask_channels=8, grid=encoder.grid, image_size=encoder.image_size),
        DecoderConfig(dim=32, mlp_dim=64, iou_dim=32, early_dim=32 if kind == "vit-hq" else 0),
    )
    return write_sam_checkpoint(path, config, seed)


def write_sam_checkpoint(path: str | Path, config: SamConfig, seed: int = 0) -> Path:
    """Write a network of any sizes with pseudo-random weights, such as ``SamConfig(TinyViTConfig())``."""
    import torch

    torch.save(random_sam_state(config, seed), path)
    return Path(path)


def random_sam_state(config: SamConfig, seed: int = 0) -> dict[str, Tensor]:
    """Entry name -> weights of a scale that keeps activations near 1 through all layers."""
    import torch

    from ..backbones.sam.network import SamNetwork

    generator = np.random.default_rng(seed)
    with torch.device("meta"):
        shapes = SamNetwork(config).state_dict()
    return {name: torch.from_numpy(_draw(name, tensor, generator)) for name, tensor in shapes.items()}


def _draw(name: str, tensor: Tensor, generator: np.random.Generator) -> np.ndarray:
    shape = tuple(tensor.shape)
    if not tensor.is_floating_point():
        return np.zeros(shape, dtype=np.int64)
    values = generator.standard_normal(shape, dtype=np.float32)
    if name.endswith("gaussian_matrix"):
        return values
    if len(shape) >= 2:
        return values / np.sqrt(np.float32(np.prod(shape[1:])))
    return np.float32(0.1) * values + np.float32(name.endswith((".weight", "running_var")))
