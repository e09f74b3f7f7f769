"""Entry names of SAM and SAM-HQ in transformers and in the original checkpoints, both ways."""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

# (original, transformers), tried in order; the numbered groups are layer indices and endings.
_PAIRS = [
    ("image_encoder.patch_embed.proj.{rest}", "vision_encoder.patch_embed.projection.{rest}"),
    ("image_encoder.pos_embed", "vision_encoder.pos_embed"),
    ("image_encoder.blocks.{i}.norm{n}.{rest}", "vision_encoder.layers.{i}.layer_norm{n}.{rest}"),
    ("image_encoder.blocks.{i}.{rest}", "vision_encoder.layers.{i}.{rest}"),
    ("image_encoder.neck.0.{rest}", "vision_encoder.neck.conv1.{rest}"),
    ("image_encoder.neck.1.{rest}", "vision_encoder.neck.layer_norm1.{rest}"),
    ("image_encoder.neck.2.{rest}", "vision_encoder.neck.conv2.{rest}"),
    ("image_encoder.neck.3.{rest}", "vision_encoder.neck.layer_norm2.{rest}"),
    (
        "prompt_encoder.pe_layer.positional_encoding_gaussian_matrix",
        "shared_image_embedding.positional_embedding",
    ),
    ("prompt_encoder.point_embeddings.{i}.{rest}", "prompt_encoder.point_embed.{i}.{rest}"),
    ("prompt_encoder.mask_downscaling.0.{rest}", "prompt_encoder.mask_embed.conv1.{rest}"),
    ("prompt_encoder.mask_downscaling.1.{rest}", "prompt_encoder.mask_embed.layer_norm1.{rest}"),
    ("prompt_encoder.mask_downscaling.3.{rest}", "prompt_encoder.mask_embed.conv2.{rest}"),
    ("prompt_encoder.mask_downscaling.4.{rest}", "prompt_encoder.mask_embed.layer_norm2.{rest}"),
    ("prompt_encoder.mask_downscaling.6.{rest}", "prompt_encoder.mask_embed.conv3.{rest}"),
    ("prompt_encoder.{rest}", "prompt_encoder.{rest}"),
    (
        "mask_decoder.transformer.layers.{i}.norm{n}.{rest}",
        "mask_decoder.transformer.layers.{i}.layer_norm{n}.{rest}",
    ),
    (
        "mask_decoder.transformer.norm_final_attn.{rest}",
        "mask_decoder.transformer.layer_norm_final_attn.{rest}",
    ),
    ("mask_decoder.output_upscaling.0.{rest}", "mask_decoder.upscale_conv1.{rest}"),
    ("mask_decoder.output_upscaling.1.{rest}", "mask_decoder.upscale_layer_norm.{rest}"),
    ("mask_decoder.output_upscaling.3.{rest}", "mask_decoder.upscale_conv2.{rest}"),
    # SAM-HQ.
    ("mask_decoder.hf_token.{rest}", "mask_decoder.hq_token.{rest}"),
    ("mask_decoder.compress_vit_feat.0.{rest}", "mask_decoder.compress_vit_conv1.{rest}"),
    ("mask_decoder.compress_vit_feat.1.{rest}", "mask_decoder.compress_vit_norm.{rest}"),
    ("mask_decoder.compress_vit_feat.3.{rest}", "mask_decoder.compress_vit_conv2.{rest}"),
    ("mask_decoder.embedding_encoder.0.{rest}", "mask_decoder.encoder_conv1.{rest}"),
    ("mask_decoder.embedding_encoder.1.{rest}", "mask_decoder.encoder_norm.{rest}"),
    ("mask_decoder.embedding_encoder.3.{rest}", "mask_decoder.encoder_conv2.{rest}"),
    ("mask_decoder.embedding_maskfeature.0.{rest}", "mask_decoder.mask_conv1.{rest}"),
    ("mask_decoder.embedding_maskfeature.1.{rest}", "mask_decoder.mask_norm.{rest}"),
    ("mask_decoder.embedding_maskfeature.3.{rest}", "mask_decoder.mask_conv2.{rest}"),
    ("mask_decoder.{rest}", "mask_decoder.{rest}"),
]
_MLP = re.compile(
    r"(mask_decoder\.(?:output_hypernetworks_mlps\.\d+|iou_prediction_head|hf_mlp|hq_mask_mlp))\.(.+)"
)
_HQ_MLPS = ("mask_decoder.hf_mlp", "mask_decoder.hq_mask_mlp")
"""SAM-HQ's own, in the original and in transformers."""
_SHARED = "prompt_encoder.shared_embedding.positional_embedding"


def is_transformers(state: Mapping[str, Tensor]) -> bool:
    """Whether the entries are named as transformers names them."""
    return "vision_encoder.pos_embed" in state


def from_transformers(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same weights under the original names."""
    converted = {}
    for name, tensor in state.items():
        if name == _SHARED:  # a second copy of the positional encoding
            continue
        match = _MLP.fullmatch(name)
        if match:
            own = match[1].replace(_HQ_MLPS[1], _HQ_MLPS[0])
            converted[f"{own}.layers.{_original_layer(match[2], match[1], state)}"] = tensor
        else:
            converted[_rename(name, _PAIRS_TO_ORIGINAL)] = tensor
    return converted


def to_transformers(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same weights under transformers' names."""
    converted = {}
    for name, tensor in state.items():
        match = _MLP.fullmatch(name)
        if match:
            own = match[1].replace(_HQ_MLPS[0], _HQ_MLPS[1])
            converted[f"{own}.{_transformers_layer(match[2], match[1], state)}"] = tensor
        else:
            converted[_rename(name, _PAIRS_TO_TRANSFORMERS)] = tensor
    converted[_SHARED] = converted["shared_image_embedding.positional_embedding"]
    return converted


def _original_layer(rest: str, mlp: str, state: Mapping[str, Tensor]) -> str:
    """``proj_in.*`` is layer 0, ``layers.k.*`` layer k + 1, ``proj_out.*`` the last."""
    middle = sum(name.startswith(f"{mlp}.layers.") and name.endswith(".weight") for name in state)
    kind, _, ending = rest.partition(".")
    if kind == "proj_in":
        return f"0.{ending}"
    if kind == "proj_out":
        return f"{middle + 1}.{ending}"
    index, _, ending = ending.partition(".")
    return f"{int(index) + 1}.{ending}"


def _transformers_layer(rest: str, mlp: str, state: Mapping[str, Tensor]) -> str:
    count = sum(name.startswith(f"{mlp}.layers.") and name.endswith(".weight") for name in state)
    _, number, ending = rest.split(".", 2)
    if int(number) == 0:
        return f"proj_in.{ending}"
    if int(number) == count - 1:
        return f"proj_out.{ending}"
    return f"layers.{int(number) - 1}.{ending}"


def _rename(name: str, table: list[tuple[re.Pattern[str], str]]) -> str:
    """``name`` by the first pattern that fits; unchanged where none does (the loader will name it)."""
    for pattern, replacement in table:
        match = pattern.fullmatch(name)
        if match:
            return replacement.format(**match.groupdict())
    return name


def _compile(template: str) -> re.Pattern[str]:
    text = re.escape(template).replace(r"\{i\}", r"(?P<i>\d+)").replace(r"\{n\}", r"(?P<n>\d)")
    return re.compile(text.replace(r"\{rest\}", "(?P<rest>.+)"))


_PAIRS_TO_ORIGINAL = [(_compile(theirs), original) for original, theirs in _PAIRS]
_PAIRS_TO_TRANSFORMERS = [(_compile(original), theirs) for original, theirs in _PAIRS]
