"""Which network a checkpoint belongs to.

Sizes that the weights show are read from them. What they do not show (windows, which blocks attend globally,
the size of the input) comes from the published trunks (:mod:`vos.trackers.memory.configurations`).
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from ...errors import ModelError
from ...registry import load
from .configurations import (
    HIERA,
    PLAIN,
    Hiera,
    check_timm,
    edgetam_config,
    efficienttam_config,
    feature_sizes,
    hiera_config,
    with_decoder,
)

State = Mapping[str, Tensor]


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
        config.vision_config.backbone_feature_sizes = feature_sizes(side)
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
            config = make.from_dict(with_decoder(make, content))
        except Exception as error:  # releases of transformers check values each in their own way
            reason = " ".join(str(error).split())
            raise ModelError(f"{where}/config.json cannot be used: {reason[:200]}") from error
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
    except (KeyError, IndexError, TypeError) as error:
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
        efficienttam_config(sizes, plain.image_size // kind.shrink),
        {"plain": plain, "pooling": kind.pooling},
        variant,
    )


def _is(trunk: Hiera, width: int, depth: int) -> bool:
    return trunk.width == width and sum(trunk.blocks) == depth


def _edgetam(state: State) -> Architecture:
    sizes = _sizes(state)
    sizes |= {
        "memory_attention_mlp_hidden_size": len(state["memory_attention.layers.0.mlp.up_proj.weight"]),
        "perceiver_resampler_num_latents": len(state["spatial_perceiver.latents_1d"]),
        "perceiver_resampler_num_latents_2d": len(state["spatial_perceiver.latents_2d"]),
        "perceiver_resampler_num_layers": _count(state, "spatial_perceiver.layers."),
    }
    return Architecture("edgetam", "", "transformers:EdgeTamVideoModel", edgetam_config(sizes, 1024))


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


def _count(state: State, prefix: str) -> int:
    """How many numbered children ``prefix`` has."""
    return len({name[len(prefix) :].split(".")[0] for name in state if name.startswith(prefix)})
