"""DINOv2 (Oquab et al. 2023) and DINOv3 (Simeoni et al. 2025) as features, through transformers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch.nn import functional as F

from ..errors import ModelError
from .base import FrameFeatures
from .sam.backbone import check_device
from .weights.pretrained import load_pretrained

LONGER_SIDE = 64
"""Patches along the longer side of an image, as many as SAM has."""
WIDTHS = {"s": 384, "b": 768, "l": 1024}
"""Channels of the published sizes, by the ending of their names."""


class DinoFeatures:
    """Patch features of the last layer, normed, as its authors use them for matching.

    Args:
        model: ``Dinov2Model`` or ``DINOv3ViTModel``.
        mean, std: what pixels in 0..1 are normalised with.
        skipped: tokens before those of patches: the class token, and registers.
    """

    def __init__(self, model: Any, mean: list[float], std: list[float], skipped: int) -> None:
        self.model = model.eval().requires_grad_(False)
        self.patch = int(model.config.patch_size)
        self.skipped = skipped
        self._mean, self._std = torch.tensor(mean)[:, None, None], torch.tensor(std)[:, None, None]

    @torch.inference_mode()
    def encode(self, image: NDArray[np.uint8]) -> FrameFeatures:
        """See :class:`vos.backbones.featured.FeatureSource`."""
        size = (image.shape[0], image.shape[1])
        height, width = grid_size(size)
        pixels = self.pixels(image, (height, width)).to(self.model.device, self.model.dtype)
        tokens = self.model(pixels).last_hidden_state[0, self.skipped :].float()
        columns = tokens.T.unflatten(1, (height, width))
        return FrameFeatures(F.normalize(columns, dim=0), size, norms=columns.norm(dim=0))

    def pixels(self, image: NDArray[np.uint8], grid: tuple[int, int]) -> torch.Tensor:
        """(1, 3, S, T) normalised image whose patches make up the (h, w) ``grid``."""
        size = (grid[1] * self.patch, grid[0] * self.patch)
        resized = np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BICUBIC))
        scaled = torch.from_numpy((resized / 255.0).astype(np.float32)).permute(2, 0, 1)
        return ((scaled - self._mean) / self._std)[None]


def grid_size(size: tuple[int, int]) -> tuple[int, int]:
    """(h, w) patches of an (H, W) image: :data:`LONGER_SIDE` along the longer side, the shape kept."""
    longer = max(size)
    height, width = (max(1, round(side / longer * LONGER_SIDE)) for side in size)
    return height, width


def load_dinov2(weights: str | Path, *, name: str, hint: str, device: str) -> DinoFeatures:
    """DINOv2 from a folder, or from the local cache; see :func:`_load`."""
    from transformers import Dinov2Model

    model, processor = _load(Dinov2Model, weights, name, hint, device)
    return DinoFeatures(model, processor.image_mean, processor.image_std, 1)


def load_dinov3(weights: str | Path, *, name: str, hint: str, device: str) -> DinoFeatures:
    """DINOv3 from a folder, or from the local cache; see :func:`_load`."""
    from transformers import DINOv3ViTModel

    model, processor = _load(DINOv3ViTModel, weights, name, hint, device)
    registers = int(model.config.num_register_tokens)
    return DinoFeatures(model, processor.image_mean, processor.image_std, 1 + registers)


def _load(model_class: Any, weights: str | Path, name: str, hint: str, device: str) -> tuple[Any, Any]:
    """The model and its image processor; nothing is downloaded.

    Raises:
        ModelError: if the weights are not there, or are of another kind or size.
    """
    from transformers import AutoConfig, AutoImageProcessor

    check_device(device)
    kind = model_class.config_class.model_type
    if (Path(weights) / "config.json").is_file():
        try:
            found = AutoConfig.from_pretrained(str(weights), local_files_only=True)
        except (OSError, ValueError) as error:
            reason = str(error).splitlines()[0].rstrip(". ")
            raise ModelError(f"the folder {weights} has no usable config.json: {reason}. {hint}") from error
        width = getattr(found, "hidden_size", None)
        if found.model_type != kind:
            raise ModelError(f"{weights} holds a model of type {found.model_type!r}, not {kind!r}. {hint}")
        others = [size for size, channels in WIDTHS.items() if channels == width and name[-1] != size]
        if others:
            right = f"{name[:-1]}{others[0]}"
            raise ModelError(f"{weights} holds {right}, not {name}; use --features {right}")
    model, processor = load_pretrained(model_class, AutoImageProcessor, weights, hint)
    return model.to(device), processor
