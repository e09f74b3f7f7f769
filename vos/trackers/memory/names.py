"""Entry names of SAM 2 and EdgeTAM in the original checkpoints and in transformers, both ways."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

State = Mapping[str, Tensor]

# (original, transformers), the first that fits; {i} and {n} are indices, {a} and {b} one of the words
# listed for them, {rest} the ending.
_PAIRS = [
    ("image_encoder.trunk.patch_embed.proj.{rest}", "vision_encoder.backbone.patch_embed.projection.{rest}"),
    (
        "image_encoder.trunk.blocks.{i}.norm{n}.{rest}",
        "vision_encoder.backbone.blocks.{i}.layer_norm{n}.{rest}",
    ),
    ("image_encoder.trunk.body.{rest}", "vision_encoder.backbone.timm_model.{rest}"),
    ("image_encoder.trunk.{rest}", "vision_encoder.backbone.{rest}"),
    # EfficientTAM's two convolutions, each with a norm.
    ("image_encoder.neck.convs.{i}.{layer}.{rest}", "vision_encoder.neck.convs.{i}.{layer}.{rest}"),
    ("image_encoder.neck.convs.{i}.conv.{rest}", "vision_encoder.neck.convs.{i}.{rest}"),
    ("memory_attention.layers.{i}.norm{n}.{rest}", "memory_attention.layers.{i}.layer_norm{n}.{rest}"),
    ("memory_attention.norm.{rest}", "memory_attention.layer_norm.{rest}"),
    (
        "memory_attention.layers.{i}.{attention}.out_proj.{rest}",
        "memory_attention.layers.{i}.{attention}.o_proj.{rest}",
    ),
    ("memory_encoder.pix_feat_proj.{rest}", "memory_encoder.feature_projection.{rest}"),
    ("memory_encoder.out_proj.{rest}", "memory_encoder.projection.{rest}"),
    (
        "memory_encoder.fuser.layers.{i}.dwconv.{rest}",
        "memory_encoder.memory_fuser.layers.{i}.depthwise_conv.{rest}",
    ),
    (
        "memory_encoder.fuser.layers.{i}.norm.{rest}",
        "memory_encoder.memory_fuser.layers.{i}.layer_norm.{rest}",
    ),
    (
        "memory_encoder.fuser.layers.{i}.pwconv{n}.{rest}",
        "memory_encoder.memory_fuser.layers.{i}.pointwise_conv{n}.{rest}",
    ),
    ("memory_encoder.fuser.layers.{i}.gamma", "memory_encoder.memory_fuser.layers.{i}.scale"),
    (
        "sam_prompt_encoder.pe_layer.positional_encoding_gaussian_matrix",
        "shared_image_embedding.positional_embedding",
    ),
    ("sam_prompt_encoder.mask_downscaling.0.{rest}", "prompt_encoder.mask_embed.conv1.{rest}"),
    ("sam_prompt_encoder.mask_downscaling.1.{rest}", "prompt_encoder.mask_embed.layer_norm1.{rest}"),
    ("sam_prompt_encoder.mask_downscaling.3.{rest}", "prompt_encoder.mask_embed.conv2.{rest}"),
    ("sam_prompt_encoder.mask_downscaling.4.{rest}", "prompt_encoder.mask_embed.layer_norm2.{rest}"),
    ("sam_prompt_encoder.mask_downscaling.6.{rest}", "prompt_encoder.mask_embed.conv3.{rest}"),
    ("sam_prompt_encoder.{rest}", "prompt_encoder.{rest}"),
    ("sam_mask_decoder.output_upscaling.0.{rest}", "mask_decoder.upscale_conv1.{rest}"),
    ("sam_mask_decoder.output_upscaling.1.{rest}", "mask_decoder.upscale_layer_norm.{rest}"),
    ("sam_mask_decoder.output_upscaling.3.{rest}", "mask_decoder.upscale_conv2.{rest}"),
    (
        "sam_mask_decoder.transformer.layers.{i}.norm{n}.{rest}",
        "mask_decoder.transformer.layers.{i}.layer_norm{n}.{rest}",
    ),
    (
        "sam_mask_decoder.transformer.norm_final_attn.{rest}",
        "mask_decoder.transformer.layer_norm_final_attn.{rest}",
    ),
    (
        "sam_mask_decoder.transformer.{attention}.out_proj.{rest}",
        "mask_decoder.transformer.{attention}.o_proj.{rest}",
    ),
    ("sam_mask_decoder.{rest}", "mask_decoder.{rest}"),
    ("maskmem_tpos_enc", "memory_temporal_positional_encoding"),
    ("no_mem_embed", "no_memory_embedding"),
    ("no_mem_pos_enc", "no_memory_positional_encoding"),
    ("no_obj_ptr", "no_object_pointer"),
    ("no_obj_embed_spatial", "occlusion_spatial_embedding_parameter"),
    ("obj_ptr_proj.{rest}", "object_pointer_proj.{rest}"),
    ("obj_ptr_tpos_proj.{rest}", "temporal_positional_encoding_projection_layer.{rest}"),
    ("spatial_perceiver.latents", "spatial_perceiver.latents_1d"),
    (
        "spatial_perceiver.layers.{i}.attn.norm_x.{rest}",
        "spatial_perceiver.layers.{i}.layer_norm_input.{rest}",
    ),
    (
        "spatial_perceiver.layers.{i}.attn.norm_latents.{rest}",
        "spatial_perceiver.layers.{i}.layer_norm_latents.{rest}",
    ),
    (
        "spatial_perceiver.layers.{i}.attn.to_q.{rest}",
        "spatial_perceiver.layers.{i}.cross_attention.q_proj.{rest}",
    ),
    (
        "spatial_perceiver.layers.{i}.attn.to_out.{rest}",
        "spatial_perceiver.layers.{i}.cross_attention.o_proj.{rest}",
    ),
    (
        "spatial_perceiver.layers.{i}.self_attn.norm.{rest}",
        "spatial_perceiver.layers.{i}.layer_norm_self.{rest}",
    ),
    (
        "spatial_perceiver.layers.{i}.self_attn.to_q.{rest}",
        "spatial_perceiver.layers.{i}.self_attention.q_proj.{rest}",
    ),
    (
        "spatial_perceiver.layers.{i}.self_attn.to_out.{rest}",
        "spatial_perceiver.layers.{i}.self_attention.o_proj.{rest}",
    ),
    ("spatial_perceiver.layers.{i}.ff.0.{rest}", "spatial_perceiver.layers.{i}.mlp.layer_norm.{rest}"),
    ("spatial_perceiver.layers.{i}.ff.1.{rest}", "spatial_perceiver.layers.{i}.mlp.up_proj.{rest}"),
    ("spatial_perceiver.layers.{i}.ff.3.{rest}", "spatial_perceiver.layers.{i}.mlp.down_proj.{rest}"),
    (
        "spatial_perceiver.layers.{i}.self_ff.0.{rest}",
        "spatial_perceiver.layers.{i}.self_mlp.layer_norm.{rest}",
    ),
    ("spatial_perceiver.layers.{i}.self_ff.1.{rest}", "spatial_perceiver.layers.{i}.self_mlp.up_proj.{rest}"),
    (
        "spatial_perceiver.layers.{i}.self_ff.3.{rest}",
        "spatial_perceiver.layers.{i}.self_mlp.down_proj.{rest}",
    ),
    ("spatial_perceiver.norm.{rest}", "spatial_perceiver.layer_norm.{rest}"),
]

# Perceptrons whose layers are numbered in the original: (original, transformers) prefixes.
_MLPS = [
    ("image_encoder.trunk.blocks.{i}.mlp", "vision_encoder.backbone.blocks.{i}.mlp"),
    ("sam_mask_decoder.output_hypernetworks_mlps.{i}", "mask_decoder.output_hypernetworks_mlps.{i}"),
    ("sam_mask_decoder.iou_prediction_head", "mask_decoder.iou_prediction_head"),
    ("sam_mask_decoder.pred_obj_score_head", "mask_decoder.pred_obj_score_head"),
    ("sam_mask_decoder.transformer.layers.{i}.mlp", "mask_decoder.transformer.layers.{i}.mlp"),
    ("obj_ptr_proj", "object_pointer_proj"),
]

_POINTS = re.compile(r"sam_prompt_encoder\.point_embeddings\.(\d)\.weight")
_JOINED_POINTS = "prompt_encoder.point_embed.weight"
_GAUSSIAN = "shared_image_embedding.positional_embedding"
_GAUSSIAN_COPY = "prompt_encoder.shared_embedding.positional_embedding"
_DOWNSAMPLER = re.compile(r"memory_encoder\.mask_downsampler\.encoder\.(\d+)\.(.+)")
_DOWNSAMPLER_LAYER = re.compile(
    r"memory_encoder\.mask_downsampler\.(?:layers\.(\d+)\.(conv|layer_norm)|final_conv)\.(.+)"
)
_PERCEIVER_KV = re.compile(r"(spatial_perceiver\.layers\.\d+)\.(attn|self_attn)\.to_kv\.(.+)")
_PERCEIVER_K = re.compile(r"(spatial_perceiver\.layers\.\d+)\.(cross|self)_attention\.([kv])_proj\.(.+)")
_EDGETAM_FEED_FORWARD = {"linear1": "mlp.up_proj", "linear2": "mlp.down_proj"}
_FEED_FORWARD = re.compile(
    r"(memory_attention\.layers\.\d+)\.(linear1|linear2|mlp\.up_proj|mlp\.down_proj)\.(.+)"
)


def is_original(state: State) -> bool:
    """Whether the entries are named as in the publishers' own checkpoints."""
    return "maskmem_tpos_enc" in state


_SAM3 = (
    ("detector_model.vision_encoder.backbone.", "vision_encoder.backbone."),
    ("tracker_neck.", "vision_encoder.neck."),
    ("tracker_model.", ""),
)
"""Prefixes in a checkpoint of SAM 3 that holds detector and tracker -> those of the tracker alone."""


def sam3_tracker(state: State) -> dict[str, Tensor]:
    """The entries of SAM 3's tracker, without those of its detector."""
    found: dict[str, Tensor] = {}
    for name, tensor in state.items():
        prefix, replacement = next(((a, b) for a, b in _SAM3 if name.startswith(a)), ("", ""))
        if prefix or not name.startswith("detector_model."):
            found[replacement + name.removeprefix(prefix)] = tensor
    return found


def to_transformers(state: State) -> dict[str, Tensor]:
    """The same weights under transformers' names; unknown names stay as they are."""
    edgetam = any(name.startswith("spatial_perceiver.") for name in state)
    converted: dict[str, Tensor] = {}
    for name, tensor in state.items():
        if match := _DOWNSAMPLER.fullmatch(name):
            kind = ("conv", "layer_norm")[int(match[1]) % 3]
            layer = f"layers.{int(match[1]) // 3}.{kind}"
            last = name.startswith(f"memory_encoder.mask_downsampler.encoder.{_downsampler_layers(state)}.")
            converted[f"memory_encoder.mask_downsampler.{'final_conv' if last else layer}.{match[2]}"] = (
                tensor
            )
        elif match := _PERCEIVER_KV.fullmatch(name):
            kind = "cross_attention" if match[2] == "attn" else "self_attention"
            for letter, half in zip("kv", tensor.chunk(2), strict=True):
                converted[f"{match[1]}.{kind}.{letter}_proj.{match[3]}"] = half
        elif edgetam and (match := _FEED_FORWARD.fullmatch(name)):
            converted[f"{match[1]}.{_EDGETAM_FEED_FORWARD.get(match[2], match[2])}.{match[3]}"] = tensor
        elif not _POINTS.fullmatch(name):
            converted[_rename_mlp(name, state, _MLPS_TO_TRANSFORMERS, _numbered_to_named)] = tensor
    points = {match[1]: tensor for name, tensor in state.items() if (match := _POINTS.fullmatch(name))}
    if points:
        converted[_JOINED_POINTS] = torch.cat([points[key] for key in sorted(points)])
    return with_both_positions(converted)


def with_both_positions(state: State) -> dict[str, Tensor]:
    """``state`` with the position encoding in both places that transformers has for it, if it is in one."""
    found = next((state[name] for name in (_GAUSSIAN, _GAUSSIAN_COPY) if name in state), None)
    return {**({} if found is None else {_GAUSSIAN: found, _GAUSSIAN_COPY: found}), **state}


def to_original(state: State) -> dict[str, Tensor]:
    """The same weights under the original names; unknown names stay as they are."""
    edgetam = any(name.startswith("spatial_perceiver.") for name in state)
    layers = sum(".mask_downsampler.layers." in name and name.endswith("conv.weight") for name in state)
    converted: dict[str, Tensor] = {}
    for name, tensor in state.items():
        if name == _GAUSSIAN_COPY:
            continue
        if name == _JOINED_POINTS:
            for row in range(len(tensor)):
                converted[f"sam_prompt_encoder.point_embeddings.{row}.weight"] = tensor[row : row + 1]
        elif match := _DOWNSAMPLER_LAYER.fullmatch(name):
            number = 3 * layers if match[1] is None else 3 * int(match[1]) + (match[2] == "layer_norm")
            converted[f"memory_encoder.mask_downsampler.encoder.{number}.{match[3]}"] = tensor
        elif match := _PERCEIVER_K.fullmatch(name):
            if match[3] == "k":
                values = state[name.replace(".k_proj.", ".v_proj.")]
                kind = "attn" if match[2] == "cross" else "self_attn"
                converted[f"{match[1]}.{kind}.to_kv.{match[4]}"] = torch.cat([tensor, values])
        elif edgetam and (match := _FEED_FORWARD.fullmatch(name)):
            linear = {theirs: ours for ours, theirs in _EDGETAM_FEED_FORWARD.items()}[match[2]]
            converted[f"{match[1]}.{linear}.{match[3]}"] = tensor
        else:
            converted[_rename_mlp(name, state, _MLPS_TO_ORIGINAL, _named_to_numbered)] = tensor
    return converted


def _downsampler_layers(state: State) -> int:
    """Number of the last entry of the mask downsampler, its 1x1 convolution."""
    return max(int(match[1]) for name in state if (match := _DOWNSAMPLER.fullmatch(name)))


def _rename_mlp(
    name: str,
    state: State,
    mlps: list[tuple[re.Pattern[str], str]],
    layer: Callable[[str, str, State], str],
) -> str:
    for pattern, replacement in mlps:
        if match := pattern.fullmatch(name):
            groups = match.groupdict()
            rest = groups.pop("rest")
            prefix = name[: -len(rest) - 1]
            return f"{replacement.format(**groups)}.{layer(rest, prefix, state)}"
    table = _PAIRS_TO_TRANSFORMERS if mlps is _MLPS_TO_TRANSFORMERS else _PAIRS_TO_ORIGINAL
    for pattern, replacement in table:
        if match := pattern.fullmatch(name):
            return replacement.format(**match.groupdict())
    return name


def _numbered_to_named(rest: str, prefix: str, state: State) -> str:
    """``layers.0.*`` is ``proj_in.*``, the last ``proj_out.*``, those between ``layers.k - 1.*``."""
    count = sum(name.startswith(f"{prefix}.layers.") and name.endswith(".weight") for name in state)
    _, number, ending = rest.split(".", 2)
    if int(number) == 0:
        return f"proj_in.{ending}"
    return f"proj_out.{ending}" if int(number) == count - 1 else f"layers.{int(number) - 1}.{ending}"


def _named_to_numbered(rest: str, prefix: str, state: State) -> str:
    middle = sum(name.startswith(f"{prefix}.layers.") and name.endswith(".weight") for name in state)
    kind, _, ending = rest.partition(".")
    if kind == "layers":
        index, _, ending = ending.partition(".")
        return f"layers.{int(index) + 1}.{ending}"
    return f"layers.0.{ending}" if kind == "proj_in" else f"layers.{middle + 1}.{ending}"


def _compile(template: str) -> re.Pattern[str]:
    text = re.escape(template).replace(r"\{i\}", r"(?P<i>\d+)").replace(r"\{n\}", r"(?P<n>\d)")
    text = text.replace(r"\{attention\}", r"(?P<attention>[^.]+(?:\.\d+\.[^.]+)?)")
    text = text.replace(r"\{layer\}", r"(?P<layer>conv_1x1|norm_0|conv_3x3|norm_1)")
    return re.compile(text.replace(r"\{rest\}", "(?P<rest>.+)"))


def _compile_mlp(prefix: str, layers: str) -> re.Pattern[str]:
    return re.compile(_compile(prefix).pattern + rf"\.(?P<rest>{layers}.+)")


_PAIRS_TO_ORIGINAL = [(_compile(theirs), original) for original, theirs in _PAIRS]
_PAIRS_TO_TRANSFORMERS = [(_compile(original), theirs) for original, theirs in _PAIRS]
_MLPS_TO_TRANSFORMERS = [(_compile_mlp(original, r"layers\.\d+\."), theirs) for original, theirs in _MLPS]
_MLPS_TO_ORIGINAL = [
    (_compile_mlp(theirs, r"(?:proj_in|proj_out|layers\.\d+)\."), original) for original, theirs in _MLPS
]
