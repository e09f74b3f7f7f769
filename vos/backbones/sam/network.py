"""SAM as one network, built from the shapes in a checkpoint rather than from a name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from ...errors import ModelError
from ..weights.checkpoints import check_entries
from .hq import HqMaskDecoder
from .image_encoder import ImageEncoderViT, ViTConfig
from .mask_decoder import DecoderConfig, MaskDecoder
from .prompt_encoder import PromptConfig, PromptEncoder
from .tiny_vit import TinyViT, TinyViTConfig

State = Mapping[str, Tensor]

PIXEL_MEAN = (123.675, 116.28, 103.53)
PIXEL_STD = (58.395, 57.12, 57.375)

_DECODER_HEADS = 8  # cannot be read from shapes; the same in every published model
_TINY_IMAGE_SIZE = 1024  # TinyViT has no positions to read it from; the same in every published model


@dataclass(frozen=True)
class SamConfig:
    """Sizes of a whole network; the defaults are SAM ViT-B."""

    encoder: ViTConfig | TinyViTConfig = field(default_factory=ViTConfig)
    prompts: PromptConfig = field(default_factory=PromptConfig)
    decoder: DecoderConfig = field(default_factory=DecoderConfig)

    @property
    def family(self) -> str:
        """What people call the image encoder."""
        if isinstance(self.encoder, TinyViTConfig):
            return "MobileSAM"
        letter = {768: "B", 1024: "L", 1280: "H"}.get(self.encoder.dim)
        sam = "SAM-HQ" if self.decoder.early_dim else "SAM"
        return f"{sam} ViT-{letter}" if letter else f"{sam} ViT of width {self.encoder.dim}"


class SamNetwork(nn.Module):
    """Image encoder, prompt encoder and mask decoder under the original entry names."""

    def __init__(self, config: SamConfig) -> None:
        super().__init__()
        self.config = config
        encoder = config.encoder
        self.image_encoder = (
            TinyViT(encoder) if isinstance(encoder, TinyViTConfig) else ImageEncoderViT(encoder)
        )
        self.prompt_encoder = PromptEncoder(config.prompts)
        decoder = HqMaskDecoder if config.decoder.early_dim else MaskDecoder
        self.mask_decoder = decoder(config.decoder)

    @property
    def image_size(self) -> int:
        """Side of the square input, pixels."""
        return self.config.encoder.image_size

    def encode(self, pixels: Tensor) -> tuple[Tensor, Tensor | None]:
        """(B, C, g, g) features of (B, 3, S, S) normalised pixels, and the detail of SAM-HQ's decoder."""
        if isinstance(self.mask_decoder, HqMaskDecoder) and isinstance(self.image_encoder, ImageEncoderViT):
            features, early = self.image_encoder.with_early(pixels)
            assert early is not None, "SAM-HQ's image encoder has blocks with global attention"
            return features, self.mask_decoder.detail(features, early)
        return self.image_encoder(pixels), None


def build_network(state: State, where: str) -> SamNetwork:
    """The network that fits ``state`` (original entry names), with its weights, in evaluation mode.

    Raises:
        ModelError: if ``state`` is not a SAM, lacks or adds entries, or holds values that are not finite.
    """
    config = detect(state, where)
    with torch.device("meta"):
        network = SamNetwork(config)
    expected = network.state_dict()
    own = {k: v for k, v in state.items() if k in expected or not k.endswith("attention_bias_idxs")}
    check_entries(expected, own, where, config.family)
    check_finite({key: state[key] for key in expected}, where)
    # Cloned: what the file handed out may be a read-only view of it, or shared between entries.
    network.load_state_dict({key: state[key].clone() for key in expected}, assign=True)
    network.float().eval().requires_grad_(False)
    if isinstance(network.image_encoder, TinyViT):
        network.image_encoder.fold()
    return network


def check_finite(state: State, where: str) -> None:
    """Raise ModelError if a weight is NaN or infinite: such a network answers nonsense without a word."""
    for key, tensor in state.items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            count = int((~torch.isfinite(tensor)).sum())
            raise ModelError(
                f"{where} is damaged: {count} of {tensor.numel()} values of {key} are NaN or infinite; "
                "fetch the file again"
            )


def detect(state: State, where: str) -> SamConfig:
    """Sizes of the network that ``state`` (original entry names) belongs to.

    Raises:
        ModelError: if an entry that every SAM has is not there.
    """
    try:
        prompts, decoder = _detect_prompts(state), _detect_decoder(state)
        if "image_encoder.pos_embed" in state:
            encoder: ViTConfig | TinyViTConfig = _detect_vit(state)
        else:
            encoder = _detect_tiny_vit(state)
    except (KeyError, IndexError, ValueError) as error:
        examples = ", ".join(sorted(state)[:3]) or "no entries at all"
        raise ModelError(
            f"{where} is not a SAM or MobileSAM checkpoint (no usable {error}; it holds {examples}); "
            "original .pth files and transformers' safetensors of SAM are understood"
        ) from None
    return SamConfig(
        encoder,
        PromptConfig(prompts.dim, prompts.mask_channels, encoder.grid, encoder.image_size),
        decoder,
    )


def _detect_vit(state: State) -> ViTConfig:
    prefix = "image_encoder."
    grid = state[f"{prefix}pos_embed"].shape[1]
    dim, _, patch, _ = state[f"{prefix}patch_embed.proj.weight"].shape
    depth = _count(state, f"{prefix}blocks.")
    tables = [state[f"{prefix}blocks.{i}.attn.rel_pos_h"] for i in range(depth)]
    sides = [(len(table) + 1) // 2 for table in tables]
    windows = [side for side in sides if side != grid]
    return ViTConfig(
        image_size=grid * patch,
        patch=patch,
        dim=dim,
        depth=depth,
        heads=dim // tables[0].shape[1],
        mlp_dim=len(state[f"{prefix}blocks.0.mlp.lin1.weight"]),
        window=windows[0] if windows else 0,
        global_blocks=tuple(i for i, side in enumerate(sides) if side == grid),
        out_channels=len(state[f"{prefix}neck.0.weight"]),
    )


def _detect_tiny_vit(state: State) -> TinyViTConfig:
    prefix = "image_encoder."
    stages = range(_count(state, f"{prefix}layers."))
    biases = [state[f"{prefix}layers.{i}.blocks.0.attn.attention_biases"] for i in stages[1:]]
    head = state.get(f"{prefix}head.weight")
    return TinyViTConfig(
        image_size=_TINY_IMAGE_SIZE,
        dims=(
            len(state[f"{prefix}patch_embed.seq.2.c.weight"]),
            *(len(state[f"{prefix}layers.{i}.blocks.0.attn.proj.weight"]) for i in stages[1:]),
        ),
        depths=tuple(_count(state, f"{prefix}layers.{i}.blocks.") for i in stages),
        heads=tuple(len(bias) for bias in biases),
        windows=tuple(round(bias.shape[1] ** 0.5) for bias in biases),
        out_channels=len(state[f"{prefix}neck.0.weight"]),
        classes=0 if head is None else len(head),
    )


def _detect_prompts(state: State) -> PromptConfig:
    prefix = "prompt_encoder."
    return PromptConfig(
        dim=state[f"{prefix}no_mask_embed.weight"].shape[1],
        mask_channels=len(state[f"{prefix}mask_downscaling.3.weight"]),
    )


def _detect_decoder(state: State) -> DecoderConfig:
    prefix = "mask_decoder."
    masks, dim = state[f"{prefix}mask_tokens.weight"].shape
    final = state[f"{prefix}transformer.final_attn_token_to_image.q_proj.weight"]
    return DecoderConfig(
        dim=dim,
        depth=_count(state, f"{prefix}transformer.layers."),
        heads=_DECODER_HEADS,
        mlp_dim=len(state[f"{prefix}transformer.layers.0.mlp.lin1.weight"]),
        downsample=dim // len(final),
        masks=masks,
        iou_dim=len(state[f"{prefix}iou_prediction_head.layers.0.weight"]),
        iou_depth=_count(state, f"{prefix}iou_prediction_head.layers."),
        early_dim=state[early].shape[0] if (early := f"{prefix}compress_vit_feat.0.weight") in state else 0,
    )


def _count(state: State, prefix: str) -> int:
    """How many numbered children ``prefix`` has."""
    return len({key[len(prefix) :].split(".")[0] for key in state if key.startswith(prefix)})
