"""Untrained checkpoints of trackers with a memory of their own."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

_SMALL = {
    "memory_attention_hidden_size": 128,
    "memory_attention_num_layers": 2,
    "memory_encoder_hidden_size": 128,
    "mask_downsampler_embed_dim": 128,
    "memory_fuser_embed_dim": 128,
    "memory_fuser_intermediate_dim": 256,
}


def tiny_sam2_checkpoint(path: str | Path, seed: int = 0, *, july: bool = False) -> Path:
    """Write a small SAM 2.1 with pseudo-random weights to ``path``, in the original format, and return it.

    Its input is 256x256; it loads under the name of any size, such as ``sam2.1-tiny``, or ``sam2-tiny`` with
    ``july``, which leaves out what the files of July 2024 do not have.
    """
    import torch
    from transformers import Sam2VideoModel

    from ..trackers.memory.configurations import HIERA, hiera_config
    from ..trackers.memory.names import to_original

    trunk = next(hiera for hiera in HIERA if hiera.name == "mini")
    sizes = _SMALL | {"memory_attention_feed_forward_hidden_size": 128} | _switches(not july)
    state = to_original(_random_state(Sam2VideoModel, hiera_config(trunk, sizes), seed))
    torch.save({"model": state}, path)
    return Path(path)


def tiny_efficienttam_checkpoint(path: str | Path, seed: int = 0) -> Path:
    """Write a small EfficientTAM with pseudo-random weights to ``path``, in the original format.

    Its input is 256x256; it loads under the name of any size and variant, such as ``efficienttam-ti-1``.
    """
    import torch

    from ..trackers.memory.configurations import PLAIN, efficienttam_config
    from ..trackers.memory.efficienttam import EfficientTamVideoModel
    from ..trackers.memory.names import to_original

    plain = next(trunk for trunk in PLAIN if trunk.name == "mini")
    sizes = _SMALL | {"memory_attention_feed_forward_hidden_size": 128} | _switches(False)
    config = efficienttam_config(sizes, plain.image_size)
    state = to_original(_random_state(partial(EfficientTamVideoModel, plain=plain), config, seed))
    torch.save({"model": state}, path)
    return Path(path)


def tiny_edgetam_folder(path: str | Path, seed: int = 0) -> Path:
    """Write an EdgeTAM for 256x256 with pseudo-random weights to a folder as the Hub has it, and return it.

    Raises:
        ModelError: without the package timm.
    """
    from safetensors.torch import save_file
    from transformers import EdgeTamVideoModel

    from ..trackers.memory.configurations import edgetam_config

    sizes = _SMALL | {"memory_attention_mlp_hidden_size": 128} | _switches(False)
    config = edgetam_config(sizes | {"perceiver_resampler_num_latents_2d": 16}, 256)
    config.memory_attention_rope_k_sizes = [4, 4]
    folder = Path(path)
    folder.mkdir(parents=True, exist_ok=True)
    state = _random_state(EdgeTamVideoModel, config, seed)
    save_file({name: tensor.contiguous() for name, tensor in state.items()}, folder / "model.safetensors")
    config.save_pretrained(folder)
    processor = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}
    (folder / "preprocessor_config.json").write_text(json.dumps(processor))
    return folder


def tiny_sam3_folder(path: str | Path, seed: int = 0) -> Path:
    """Write a tracker of SAM 3 for 112x112 with pseudo-random weights to a folder as the Hub has it."""
    from safetensors.torch import save_file
    from transformers import Sam3TrackerVideoConfig, Sam3TrackerVideoModel, Sam3VisionConfig

    side, grid = 112, 8
    vision = Sam3VisionConfig(
        backbone_config={
            "model_type": "sam3_vit_model",
            "hidden_size": 64,
            "intermediate_size": 128,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "global_attn_indexes": [1],
            "image_size": side,
            "pretrain_image_size": side,
            "window_size": 4,
        },
        fpn_hidden_size=128,
        backbone_feature_sizes=[[4 * grid, 4 * grid], [2 * grid, 2 * grid], [grid, grid]],
    )
    config = Sam3TrackerVideoConfig(
        vision_config=vision,
        prompt_encoder_config={"hidden_size": 128, "image_size": side, "patch_size": 14},
        mask_decoder_config={"hidden_size": 128},
        memory_attention_rope_feat_sizes=[grid, grid],
        memory_attention_feed_forward_hidden_size=128,
        **_SMALL,
    )
    config.image_size = side
    config.prompt_encoder_config.image_size = side
    config.vision_config.backbone_feature_sizes = [[4 * grid] * 2, [2 * grid] * 2, [grid] * 2]
    folder = Path(path)
    folder.mkdir(parents=True, exist_ok=True)
    state = _random_state(Sam3TrackerVideoModel, config, seed)
    save_file({name: tensor.contiguous() for name, tensor in state.items()}, folder / "model.safetensors")
    config.save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(
        json.dumps({"image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]})
    )
    return folder


def _switches(on: bool) -> dict[str, bool]:
    """What SAM 2.1 has, and SAM 2 of July 2024 and EdgeTAM have not."""
    names = ("enable_occlusion_spatial_embedding", "enable_temporal_pos_encoding_for_object_pointers")
    return dict.fromkeys(names, on)


def _random_state(model: Any, config: Any, seed: int) -> dict[str, Tensor]:
    """Entry name in transformers -> weights of a scale that keeps activations near 1 through all layers."""
    import torch

    generator = np.random.default_rng(seed)
    with torch.device("meta"):
        shapes = model(config).state_dict()
    state = {name: torch.from_numpy(_draw(name, entry, generator)) for name, entry in shapes.items()}
    shared = state["shared_image_embedding.positional_embedding"]
    state["prompt_encoder.shared_embedding.positional_embedding"] = shared.clone()
    return state


def _draw(name: str, entry: Tensor, generator: np.random.Generator) -> np.ndarray:
    shape = tuple(entry.shape)
    if not entry.is_floating_point():
        return np.zeros(shape, dtype=np.int64)
    values = generator.standard_normal(shape, dtype=np.float32)
    if name.endswith("positional_embedding") or "embedding" in name.split(".")[0]:
        return values
    if len(shape) >= 2:
        return values / np.sqrt(np.float32(np.prod(shape[1:])))
    if name.startswith("vision_encoder.backbone.timm_model") and name.endswith(".weight"):
        return np.float32(0.05) * values + np.float32(0.5)  # many batch norms in a row would explode
    ones = name.endswith(("weight", "running_var", "scale"))
    return np.float32(0.1) * values + np.float32(ones)
