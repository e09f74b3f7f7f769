"""Which network a checkpoint belongs to, and the transformers configuration that builds it.

Sizes that the weights show are read from them. What they do not show (windows, which blocks attend globally,
the size of the input) comes from the table of published trunks.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from torch import Tensor

from ...errors import ModelError
from ...registry import load

State = Mapping[str, Tensor]


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


@dataclass(frozen=True)
class Variant:
    """What sets published checkpoints of one size apart; their weights do not show it."""

    shrink: int = 1
    """The side of the input is divided by this."""
    pooling: str | None = None
    """See :class:`vos.trackers.memory.attention.MemoryAttention`."""


VARIANTS = {
    "": Variant(),
    "1": Variant(pooling="logits"),
    "2": Variant(pooling="channels"),
    "512x512": Variant(shrink=2),
}
"""Ending of the published file's name, ``efficienttam_s_1.pt``, and of the model's, ``efficienttam-s-1``."""

TEST_SIZES = ("mini",)
"""Trunks that no published checkpoint has: they load under any size's name."""

_MODEL_TYPES = {
    "sam2_video": ("sam2.1", "transformers:Sam2VideoModel", "Sam2VideoConfig"),
    "sam2": ("sam2.1", "transformers:Sam2VideoModel", "Sam2VideoConfig"),
    "edgetam_video": ("edgetam", "transformers:EdgeTamVideoModel", "EdgeTamVideoConfig"),
    "sam3_tracker_video": ("sam3", "transformers:Sam3TrackerVideoModel", "Sam3TrackerVideoConfig"),
    "sam3_video": ("sam3", "transformers:Sam3TrackerVideoModel", "Sam3TrackerVideoConfig"),
}
"""``model_type`` of a folder's ``config.json`` -> family, network, and the configuration's class."""

EFFICIENTTAM = "vos.trackers.memory.efficienttam:EfficientTamVideoModel"
RESIZABLE = ("transformers:Sam2VideoModel", "transformers:EdgeTamVideoModel", EFFICIENTTAM)
"""Networks that run at other sizes than that they were trained at."""
SIDE_STEP = 32
"""The side of the image in pixels is a multiple of this: the stride of the coarsest features."""

MAX_POINTS = {"sam3": 16}
"""Family -> points of a prompt that it was trained with; others take any number."""

TIMM_NEEDED = (
    "EdgeTAM's image encoder comes from the package timm, which is not installed; "
    "install it with `pip install timm` (or `pip install 'vos-toolkit[edgetam]'`)"
)


@dataclass(frozen=True, eq=False)
class Architecture:
    """What a checkpoint turned out to be."""

    family: str
    """``sam2.1``, ``sam2`` (July 2024), ``edgetam``, ``efficienttam`` or ``sam3``."""
    size: str
    """Of the trunk: a name of :data:`HIERA` or :data:`PLAIN`, or empty."""
    network: str
    """``module:class`` of the network."""
    config: Any
    """Of transformers, for that class."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Further arguments of the class."""
    variant: str = ""
    """A key of :data:`VARIANTS`."""

    @property
    def model(self) -> str:
        """The model's name, as ``--model`` takes it."""
        return "-".join(part for part in (self.family, self.size, self.variant) if part)

    def build(self) -> Any:
        """The network, its weights not set."""
        return load(self.network)(self.config, **self.options)

    def resized(self, side: int) -> Architecture:
        """For square images of another side in pixels; position encodings are recomputed for it.

        Raises:
            ModelError: if the network cannot be run at that size.
        """
        config = copy.deepcopy(self.config)
        native = config.image_size
        if self.network not in RESIZABLE:
            raise ModelError(f"{self.model} runs at its own size of {native} only: leave out --model-size")
        if side % SIDE_STEP or not SIDE_STEP * 4 <= side <= native:
            raise ModelError(
                f"--model-size must be a multiple of {SIDE_STEP} from {SIDE_STEP * 4} to {native}, which is "
                f"the size that {self.model} was trained at; got {side}"
            )
        config.image_size = config.prompt_encoder_config.image_size = side
        config.memory_attention_rope_feat_sizes = [side // 16, side // 16]
        config.vision_config.backbone_feature_sizes = _feature_sizes(side)
        if hasattr(config.vision_config.backbone_config, "window_positional_embedding_background_size"):
            config.vision_config.backbone_config.image_size = [side, side]
        return dataclasses.replace(self, config=config)

    @classmethod
    def from_config(cls, content: Mapping[str, Any], where: str) -> Architecture:
        """What a ``config.json`` of the Hub describes.

        Raises:
            ModelError: if it describes another kind of model.
        """
        import transformers

        kind = content.get("model_type")
        if kind not in _MODEL_TYPES:
            raise ModelError(
                f"{where} holds a model of type {kind!r}; "
                f"trackers are of type {', '.join(sorted(_MODEL_TYPES))}"
            )
        family, model_class, config_class = _MODEL_TYPES[kind]
        if family == "edgetam":
            check_timm()
        if kind == "sam3_video":  # detector and tracker in one
            content = content.get("tracker_config") or {}
        try:
            make = getattr(transformers, config_class)
            config = make.from_dict(_with_decoder(make, content))
        except (TypeError, ValueError, KeyError) as error:
            raise ModelError(f"{where}/config.json cannot be used: {str(error).splitlines()[0]}") from error
        if family != "sam2.1":
            return cls(family, "", model_class, config)
        trunk = config.vision_config.backbone_config
        size = next((h.name for h in HIERA if _is(h, trunk.hidden_size, sum(trunk.blocks_per_stage))), "")
        if not config.enable_temporal_pos_encoding_for_object_pointers:
            family = "sam2"
        return cls(family, size, model_class, config)


def detect(state: State, where: str, variant: str = "") -> Architecture:
    """The architecture of a state dict in transformers' names.

    Args:
        state: of the checkpoint.
        where: it is from, for messages.
        variant: of EfficientTAM, which the weights do not show: a key of :data:`VARIANTS`.

    Raises:
        ModelError: if it is none of the known ones, or EdgeTAM without the package timm.
    """
    try:
        if any(name.startswith("spatial_perceiver.") for name in state):
            return _edgetam(state)
        if "vision_encoder.neck.convs.0.conv_1x1.weight" in state:
            return _efficienttam(state, variant, where)
        return _sam2(state, where)
    except (KeyError, IndexError, StopIteration) as error:
        examples = ", ".join(sorted(state)[:3]) or "no entries at all"
        raise ModelError(
            f"{where} is not a checkpoint of SAM 2.1, SAM 2, EdgeTAM or EfficientTAM (no usable {error}; "
            f"it holds {examples}); original .pt files and transformers' safetensors are understood"
        ) from None


def _unknown_trunk(
    family: str, found: tuple[int, int], known: Mapping[str, tuple[int, int]], where: str
) -> ModelError:
    sizes = ", ".join(f"{width} and {depth} ({name})" for name, (width, depth) in known.items())
    return ModelError(
        f"{where} is like {family}, but of no published size: its trunk is {found[0]} channels wide with "
        f"{found[1]} blocks; known are {sizes}"
    )


def _sam2(state: State, where: str) -> Architecture:
    width = len(state["vision_encoder.backbone.patch_embed.projection.weight"])
    depth = _count(state, "vision_encoder.backbone.blocks.")
    trunk = next((h for h in HIERA if _is(h, width, depth)), None)
    if trunk is None:
        known = {h.name: (h.width, sum(h.blocks)) for h in HIERA if h.name not in TEST_SIZES}
        raise _unknown_trunk("SAM 2", (width, depth), known, where)
    sizes = _sizes(state)
    sizes["memory_attention_feed_forward_hidden_size"] = len(
        state["memory_attention.layers.0.linear1.weight"]
    )
    september = sizes["enable_temporal_pos_encoding_for_object_pointers"]
    family = "sam2.1" if september else "sam2"
    return Architecture(family, trunk.name, "transformers:Sam2VideoModel", hiera_config(trunk, sizes))


def _efficienttam(state: State, variant: str, where: str) -> Architecture:
    width = len(state["vision_encoder.backbone.patch_embed.projection.weight"])
    depth = _count(state, "vision_encoder.backbone.blocks.")
    plain = next((trunk for trunk in PLAIN if (trunk.width, trunk.depth) == (width, depth)), None)
    if plain is None:
        known = {h.name: (h.width, h.depth) for h in PLAIN if h.name not in TEST_SIZES}
        raise _unknown_trunk("EfficientTAM", (width, depth), known, where)
    sizes = _sizes(state)
    sizes["memory_attention_feed_forward_hidden_size"] = len(
        state["memory_attention.layers.0.linear1.weight"]
    )
    kind = VARIANTS[variant]
    return Architecture(
        "efficienttam",
        plain.name,
        EFFICIENTTAM,
        efficienttam_config(plain, sizes, plain.image_size // kind.shrink),
        {"plain": plain, "pooling": kind.pooling},
        variant,
    )


def efficienttam_config(plain: PlainViT, sizes: Mapping[str, Any], side: int) -> Any:
    """``Sam2VideoConfig`` of what follows EfficientTAM's image encoder.

    Args:
        plain: the trunk.
        sizes: of what follows it, by transformers' names.
        side: of the input in pixels.
    """
    # transformers builds a Hiera, which is replaced: the smallest costs nothing.
    return hiera_config(replace(HIERA[-1], image_size=side), sizes)


def _is(trunk: Hiera, width: int, depth: int) -> bool:
    return trunk.width == width and sum(trunk.blocks) == depth


def hiera_config(trunk: Hiera, sizes: Mapping[str, Any]) -> Any:
    """``Sam2VideoConfig`` with that trunk; ``sizes`` of what follows it, by transformers' names."""
    from transformers import Sam2VideoConfig

    widths = [trunk.width << stage for stage in range(4)]
    side = trunk.image_size
    dim = sizes.get("memory_attention_hidden_size", 256)
    return Sam2VideoConfig(
        **_with_decoder(Sam2VideoConfig, _with_prompts(sizes, dim, side)),
        vision_config={
            "model_type": "sam2_vision_model",
            "fpn_hidden_size": dim,
            "backbone_channel_list": widths[::-1],
            "backbone_feature_sizes": _feature_sizes(side),
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


def _edgetam(state: State) -> Architecture:
    sizes = _sizes(state)
    sizes |= {
        "memory_attention_mlp_hidden_size": len(state["memory_attention.layers.0.mlp.up_proj.weight"]),
        "perceiver_resampler_num_latents": len(state["spatial_perceiver.latents_1d"]),
        "perceiver_resampler_num_latents_2d": len(state["spatial_perceiver.latents_2d"]),
        "perceiver_resampler_num_layers": _count(state, "spatial_perceiver.layers."),
    }
    return Architecture("edgetam", "", "transformers:EdgeTamVideoModel", edgetam_config(sizes, 1024))


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
            backbone_feature_sizes=_feature_sizes(side),
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


def _sizes(state: State) -> dict[str, Any]:
    """What all families have in common, by transformers' names, as the weights show it."""
    fuser = "memory_encoder.memory_fuser.layers."
    return {
        "num_maskmem": len(state["memory_temporal_positional_encoding"]),
        "enable_occlusion_spatial_embedding": "occlusion_spatial_embedding_parameter" in state,
        "enable_temporal_pos_encoding_for_object_pointers": (
            "temporal_positional_encoding_projection_layer.weight" in state
        ),
        "memory_attention_hidden_size": state["no_memory_embedding"].shape[-1],
        "memory_attention_num_layers": _count(state, "memory_attention.layers."),
        "memory_encoder_hidden_size": len(state["memory_encoder.feature_projection.weight"]),
        "memory_encoder_output_channels": len(state["memory_encoder.projection.weight"]),
        "mask_downsampler_embed_dim": len(state["memory_encoder.mask_downsampler.final_conv.weight"]),
        "memory_fuser_num_layers": _count(state, fuser),
        "memory_fuser_embed_dim": len(state[f"{fuser}0.scale"]),
        "memory_fuser_intermediate_dim": len(state[f"{fuser}0.pointwise_conv1.weight"]),
    }


def _with_prompts(sizes: Mapping[str, Any], dim: int, side: int) -> dict[str, Any]:
    """``sizes`` with those that follow from the width and the size of the input."""
    return dict(sizes) | {
        "image_size": side,
        "memory_attention_rope_feat_sizes": [side // 16, side // 16],
        "prompt_encoder_config": {"hidden_size": dim, "image_size": side},
        "mask_decoder_config": {"hidden_size": dim},
    }


def _with_decoder(config_class: Any, content: Mapping[str, Any]) -> dict[str, Any]:
    """``content`` with the mask decoder's part as a configuration of its own class.

    Some releases of transformers (5.17) take a dict there for one of the prompt encoder.
    """
    made = dict(content)
    if isinstance(part := made.get("mask_decoder_config"), Mapping):
        made["mask_decoder_config"] = config_class.sub_configs["mask_decoder_config"](**part)
    return made


def _feature_sizes(side: int) -> list[list[int]]:
    return [[side // stride, side // stride] for stride in (4, 8, 16)]


def _count(state: State, prefix: str) -> int:
    """How many numbered children ``prefix`` has."""
    return len({name[len(prefix) :].split(".")[0] for name in state if name.startswith(prefix)})
