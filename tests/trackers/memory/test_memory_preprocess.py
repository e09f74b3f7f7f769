"""Network input: to the bit what the published arithmetic gives."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image

from vos.trackers.memory.preprocess import IMAGENET_MEAN, IMAGENET_STD, to_input


def test_lookup_is_exact() -> None:
    """Bytes over 255 in float64, rounded to float32, then normalised: the table holds the same."""
    image = np.random.default_rng(0).integers(0, 256, (37, 51, 3), dtype=np.uint8)
    resized = np.asarray(Image.fromarray(image).resize((64, 64), Image.Resampling.BICUBIC))
    pixels = torch.from_numpy((resized / 255.0).astype(np.float32)).permute(2, 0, 1)[None]
    mean, std = (torch.tensor(values)[:, None, None] for values in (IMAGENET_MEAN, IMAGENET_STD))
    assert torch.equal(to_input(image, 64, IMAGENET_MEAN, IMAGENET_STD), (pixels - mean) / std)
