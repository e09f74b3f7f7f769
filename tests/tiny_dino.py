"""Tiny random DINOv2 and DINOv3, saved in the layout of the published checkpoints."""

from __future__ import annotations

from pathlib import Path

import torch


def save_dino(kind: str, folder: Path, width: int = 24) -> Path:
    """One layer; DINOv3 with four registers."""
    import transformers as tf

    size = {"hidden_size": width, "num_hidden_layers": 1, "num_attention_heads": 2}
    torch.manual_seed(0)
    if kind.startswith("dinov2"):
        tf.Dinov2Model(tf.Dinov2Config(**size, image_size=70, patch_size=14)).save_pretrained(folder)
        tf.BitImageProcessor(image_mean=[0.4, 0.5, 0.6], image_std=[0.2, 0.3, 0.25]).save_pretrained(folder)
    else:
        config = tf.DINOv3ViTConfig(**size, intermediate_size=48, num_register_tokens=4)
        tf.DINOv3ViTModel(config).save_pretrained(folder)
        tf.DINOv3ViTImageProcessor().save_pretrained(folder)
    return folder
