"""SAM-HQ's decoder beside transformers' own, from checkpoints in both namings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch.nn import functional as F

from vos.backbones.base import Guidance
from vos.backbones.registry import build_backbone
from vos.backbones.sam.network import SamNetwork, build_network
from vos.backbones.sam.state_dict import from_transformers, to_transformers
from vos.errors import ModelError
from vos.prompts import Prompt
from vos.testing import tiny_sam_checkpoint

pytestmark = pytest.mark.usefixtures("one_thread")

State = dict[str, torch.Tensor]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small SAM-HQ in the original format."""
    return tiny_sam_checkpoint(tmp_path_factory.mktemp("weights") / "hq.pth", kind="vit-hq")


@pytest.fixture(scope="module")
def state(checkpoint: Path) -> State:
    """Its entries."""
    found: State = torch.load(checkpoint, weights_only=True)
    return found


@pytest.fixture(scope="module")
def theirs(state: State) -> Any:
    """transformers' model with the same weights."""
    from transformers import SamHQConfig, SamHQModel

    config = SamHQConfig(
        vision_config={
            "hidden_size": 32, "output_channels": 32, "num_hidden_layers": 2, "num_attention_heads": 2,
            "image_size": 128, "mlp_dim": 64, "window_size": 3, "global_attn_indexes": [1],
            "num_pos_feats": 16,
        },
        prompt_encoder_config={"hidden_size": 32, "image_size": 128, "mask_input_channels": 8},
        mask_decoder_config={
            "hidden_size": 32, "mlp_dim": 64, "iou_head_hidden_dim": 32, "vit_dim": 32,
            "layer_norm_eps": 1e-5,  # as in the original
        },
    )  # fmt: skip
    model = SamHQModel(config).eval()
    renamed = to_transformers(state)
    assert renamed.keys() == model.state_dict().keys()
    model.load_state_dict(renamed)
    return model


def test_names_both_ways(state: State) -> None:
    """Nothing is lost or made up."""
    back = from_transformers(to_transformers(state))
    assert back.keys() == state.keys()
    assert all(torch.equal(back[name], state[name]) for name in state)


def _decoded(state: State, pixels: torch.Tensor, outputs: slice) -> tuple[torch.Tensor, torch.Tensor, Any]:
    """Low-res logits and qualities of two clicks, and what they were decoded from."""
    network: SamNetwork = build_network(state, "here")
    features, detail = network.encode(pixels)
    encoder = network.prompt_encoder
    positions, sparse = encoder.dense_positions(), encoder.embed_points(POINTS, LABELS, pad=True)
    image = features + encoder.no_mask()
    low_res, scores = network.mask_decoder(image, positions, sparse, outputs=outputs, detail=detail)
    return low_res, scores, (features, image, positions, sparse)


POINTS, LABELS = torch.tensor([[[30.0, 40.0], [100.5, 7.25]]]), torch.tensor([[1, 0]])


@torch.inference_mode()
def test_qualities_are_those_of_transformers(state: State, theirs: Any) -> None:
    """And the features; theirs come sorted by quality. Their masks leave out what the decoder's transformer
    makes of the image (5.24), so these are compared with the original below."""
    pixels = torch.randn(1, 3, 128, 128, generator=torch.Generator().manual_seed(0))
    wanted = theirs(
        pixel_values=pixels, input_points=POINTS[:, None], input_labels=LABELS[:, None],
        multimask_output=True, hq_token_only=False,
    )  # fmt: skip
    _, scores, (features, *_) = _decoded(state, pixels, slice(1, None))
    torch.testing.assert_close(
        features, theirs.vision_encoder(pixels).last_hidden_state, atol=1e-4, rtol=1e-4
    )
    torch.testing.assert_close(
        scores.sort(descending=True).values, wanted.iou_scores[0], atol=1e-5, rtol=1e-4
    )


@pytest.mark.parametrize("outputs", [slice(1, None), slice(0, 1)])
@torch.inference_mode()
def test_masks_are_the_originals(state: State, theirs: Any, outputs: slice) -> None:
    """Written out over segment-anything's modules: every mask of SAM's plus that of the further token."""
    modeling = pytest.importorskip("segment_anything.modeling")
    original = modeling.MaskDecoder(
        transformer_dim=32,
        transformer=modeling.TwoWayTransformer(2, 32, 8, 64),
        iou_head_hidden_dim=32,
    ).eval()
    own = {
        name.removeprefix("mask_decoder."): value for name, value in state.items() if "mask_decoder" in name
    }
    further = {name: own.pop(name) for name in list(own) if name.split(".")[0] not in SAMS}
    original.load_state_dict(own)
    pixels = torch.randn(1, 3, 128, 128, generator=torch.Generator().manual_seed(0))
    low_res, _, (features, image, positions, sparse) = _decoded(state, pixels, outputs)

    def layers(name: str, x: torch.Tensor, convolve: Any) -> torch.Tensor:
        first, second = ((further[f"{name}.{n}.weight"], further[f"{name}.{n}.bias"]) for n in (0, 3))
        norm = further[f"{name}.1.weight"], further[f"{name}.1.bias"]
        x = convolve(x, *first).permute(0, 2, 3, 1)
        x = F.gelu(F.layer_norm(x, norm[0].shape, *norm, 1e-6)).permute(0, 3, 1, 2)
        return convolve(x, *second)

    def up(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        return F.conv_transpose2d(x, weight, bias, stride=2)

    def same(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        return F.conv2d(x, weight, bias, padding=1)

    vision = theirs.vision_encoder(pixels, output_hidden_states=True)
    early = vision.hidden_states[2].permute(0, 3, 1, 2)  # block 1 attends globally
    detail = layers("embedding_encoder", features, up) + layers("compress_vit_feat", early, up)
    tokens = torch.cat([original.iou_token.weight, original.mask_tokens.weight, further["hf_token.weight"]])
    seen, cells = original.transformer(image, positions, torch.cat([tokens[None], sparse], dim=1))
    upscaled = original.output_upscaling(cells.transpose(1, 2).unflatten(2, (8, 8)))
    hyper = torch.stack([mlp(seen[:, 1 + k]) for k, mlp in enumerate(original.output_hypernetworks_mlps)], 1)
    plain = (hyper @ upscaled.flatten(2)).unflatten(2, (32, 32))
    token = seen[:, 5]
    for n in range(3):
        token = F.linear(token, further[f"hf_mlp.layers.{n}.weight"], further[f"hf_mlp.layers.{n}.bias"])
        token = F.relu(token) if n < 2 else token
    sharp = layers("embedding_maskfeature", upscaled, same) + detail
    wanted = plain + (token[:, None] @ sharp.flatten(2)).unflatten(2, (32, 32))
    torch.testing.assert_close(low_res, wanted[:, outputs], atol=1e-4, rtol=1e-4)


SAMS = (
    "transformer", "iou_token", "mask_tokens", "output_upscaling", "output_hypernetworks_mlps",
    "iou_prediction_head",
)  # fmt: skip
"""Parts of the decoder that SAM has too."""


def test_as_a_backbone(checkpoint: Path, state: State, tmp_path: Path) -> None:
    """From both formats alike; prompts of any kind in one batch as one by one; guidance changes masks."""
    save_file(
        {k: v.clone().contiguous() for k, v in to_transformers(state).items()}, tmp_path / "model.safetensors"
    )
    original, hub = (build_backbone("sam-hq-vit-b", checkpoint=str(path)) for path in (checkpoint, tmp_path))
    image = np.random.default_rng(0).integers(0, 255, (61, 85, 3), dtype=np.uint8)
    features = original.encode(image)
    prompts = [
        Prompt(points=np.array([[20, 30]], np.float32), labels=np.array([1])),
        Prompt(box=np.array([5, 6, 50, 50], np.float32)),
    ]
    both = original.decode(features, prompts)
    for row, prompt in enumerate(prompts):
        alone = original.decode(features, [prompt])
        assert torch.allclose(both.low_res[row], alone.low_res[0], atol=1e-4)
    assert torch.equal(hub.decode(hub.encode(image), prompts).low_res, both.low_res)
    told = [Guidance(similarity=torch.rand(features.grid.shape[1:]))] * 2
    assert not torch.allclose(original.decode(features, prompts, guidance=told).low_res, both.low_res)


def test_one_under_the_other_name(checkpoint: Path, tmp_path: Path) -> None:
    """SAM-HQ is not SAM, and the other way round; the right name is given."""
    with pytest.raises(
        ModelError, match=r"is a SAM-HQ .* checkpoint, not SAM ViT-B; use --model sam-hq-vit-b"
    ):
        build_backbone("sam-vit-b", checkpoint=str(checkpoint))
    plain = tiny_sam_checkpoint(tmp_path / "sam.pth")
    with pytest.raises(ModelError, match=r"is a SAM .* checkpoint, not SAM-HQ ViT-L; use --model sam-vit-l"):
        build_backbone("sam-hq-vit-l", checkpoint=str(plain))
