"""The published trunks, and the transformers configurations of the networks on them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ...errors import ModelError


@dataclass(frozen=True)
class Hiera:
    """A Hiera trunk (Ryali et al. 2023) as in SAM 2; widths and heads double from stage to stage."""

    name: str
    """As in the published files' names; ``mini`` for one that is only used in tests."""
    width: int
    heads: int
    blocks: tuple[int, int, int, int]
    global_blocks: tuple[int, ...]
    background: int
    """Side of the table of position encodings that is stretched over the image."""
    windows: tuple[int, int, int, int]
    image_size: int = 1024


HIERA = (
    Hiera("tiny", 96, 1, (1, 2, 7, 2), (5, 7, 9), 7, (8, 4, 14, 7)),
    Hiera("small", 96, 1, (1, 2, 11, 2), (7, 10, 13), 7, (8, 4, 14, 7)),
    Hiera("base-plus", 112, 2, (2, 3, 16, 3), (12, 16, 20), 14, (8, 4, 14, 7)),
    Hiera("large", 144, 2, (2, 6, 36, 4), (23, 33, 43), 7, (8, 4, 16, 8)),
    Hiera("mini", 16, 1, (1, 2, 3, 2), (4, 7), 7, (8, 4, 14, 7), image_size=256),
)
"""The published trunks, and a small one."""


@dataclass(frozen=True)
class PlainViT:
    """A plain ViT as in EfficientTAM: windows everywhere but in some blocks (Li et al. 2022)."""

    name: str
    """As in the published files' names; ``mini`` for one that is only used in tests."""
    width: int
    heads: int
    depth: int = 12
    global_blocks: tuple[int, ...] = (2, 5, 8, 11)
    image_size: int = 1024


PLAIN = (
    PlainViT("ti", 192, 3),
    PlainViT("s", 384, 6),
    PlainViT("mini", 64, 1, depth=3, global_blocks=(2,), image_size=256),
)
"""The published trunks, and a small one."""


TIMM_NEEDED = (
    "EdgeTAM's image encoder comes from the package timm, which is not installed; "
    "install it with `pip install timm` (or `pip install 'vos-toolkit[edgetam]'`)"
)


def efficienttam_config(sizes: Mapping[str, Any], side: int) -> Any:
    """``Sam2VideoConfig`` of what follows EfficientTAM's image encoder.

    Args:
        sizes: of what follows it, by transformers' names.
        side: of the input in pixels.
    """
    # transformers builds a Hiera, which is replaced: the smallest costs nothing.
    return hiera_config(replace(HIERA[-1], image_size=side), sizes)


def hiera_config(trunk: Hiera, sizes: Mapping[str, Any]) -> Any:
    """``Sam2VideoConfig`` with that trunk; ``sizes`` of what follows it, by transformers' names."""
    from transformers import Sam2VideoConfig

    widths = [trunk.width << stage for stage in range(4)]
    side = trunk.image_size
    dim = sizes.get("memory_attention_hidden_size", 256)
    return Sam2VideoConfig(
        **with_decoder(Sam2VideoConfig, _with_prompts(sizes, dim, side)),
        vision_config={
            "model_type": "sam2_vision_model",
            "fpn_hidden_size": dim,
            "backbone_channel_list": widths[::-1],
            "backbone_feature_sizes": feature_sizes(side),
            "backbone_config": {
                "model_type": "sam2_hiera_det_model",
                "hidden_size": trunk.width,
                "num_attention_heads": trunk.heads,
                "image_size": [side, side],
                "window_positional_embedding_background_size": [trunk.background, trunk.background],
                "blocks_per_stage": list(trunk.blocks),
                "embed_dim_per_stage": widths,
                "num_attention_heads_per_stage": [trunk.heads << stage for stage in range(4)],
                "window_size_per_stage": list(trunk.windows),
                "global_attention_blocks": list(trunk.global_blocks),
            },
        },
    )


def edgetam_config(sizes: Mapping[str, Any], side: int) -> Any:
    """``EdgeTamVideoConfig``; ``sizes`` by transformers' names, ``side`` of the input in pixels.

    Raises:
        ModelError: without the package timm, which the trunk comes from.
    """
    check_timm()
    from transformers import EdgeTamVideoConfig, EdgeTamVisionConfig, TimmWrapperConfig

    dim = sizes.get("memory_attention_hidden_size", 256)
    switches = {
        "enable_occlusion_spatial_embedding": False,
        "enable_temporal_pos_encoding_for_object_pointers": False,
    }
    return EdgeTamVideoConfig(
        **switches | _with_prompts(sizes, dim, side),
        vision_config=EdgeTamVisionConfig(
            fpn_hidden_size=dim,
            backbone_feature_sizes=feature_sizes(side),
            # An object, not a dict: with a dict, transformers asks the Hub how many labels there are.
            backbone_config=TimmWrapperConfig(
                architecture="repvit_m1",
                model_args={"in_chans": 3, "features_only": True, "out_indices": [0, 1, 2, 3]},
                do_pooling=False,
            ),
        ),
    )


def check_timm() -> None:
    """Raise ModelError unless the package timm, with EdgeTAM's trunk, is installed."""
    try:
        import timm  # noqa: F401
    except ImportError as error:
        raise ModelError(TIMM_NEEDED) from error


def _with_prompts(sizes: Mapping[str, Any], dim: int, side: int) -> dict[str, Any]:
    """``sizes`` with those that follow from the width and the size of the input."""
    return dict(sizes) | {
        "image_size": side,
        "memory_attention_rope_feat_sizes": [side // 16, side // 16],
        "prompt_encoder_config": {"hidden_size": dim, "image_size": side},
        "mask_decoder_config": {"hidden_size": dim},
    }


def with_decoder(config_class: Any, content: Mapping[str, Any]) -> dict[str, Any]:
    """``content`` with the mask decoder's part as a configuration of its own class.

    Some releases of transformers (5.17) take a dict there for one of the prompt encoder.
    """
    made = dict(content)
    if isinstance(part := made.get("mask_decoder_config"), Mapping):
        made["mask_decoder_config"] = config_class.sub_configs["mask_decoder_config"](**part)
    return made


def feature_sizes(side: int) -> list[list[int]]:
    return [[side // stride, side // stride] for stride in (4, 8, 16)]
