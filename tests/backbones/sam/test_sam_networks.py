"""SAM networks on tiny random weights: against segment-anything and transformers, layouts, injections."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from vos.backbones.sam.image_encoder import RelativeAttention, ViTConfig
from vos.backbones.sam.mask_decoder import Attention, DecoderConfig, Injection, MaskDecoder, attention_weights
from vos.backbones.sam.network import SamConfig, SamNetwork, build_network, detect
from vos.backbones.sam.prompt_encoder import PromptConfig
from vos.backbones.sam.state_dict import from_transformers, is_transformers, to_transformers
from vos.backbones.sam.tiny_vit import TinyViTConfig
from vos.errors import ModelError
from vos.testing.tiny_sam import random_sam_state

CONFIG = SamConfig(
    ViTConfig(128, 16, 32, 2, 2, 64, 3, (1,), 32),
    PromptConfig(dim=32, mask_channels=8, grid=8, image_size=128),
    DecoderConfig(dim=32, mlp_dim=64, iou_dim=32),
)


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


@pytest.fixture
def state() -> dict[str, torch.Tensor]:
    return random_sam_state(CONFIG, seed=1)


@pytest.fixture
def network(state: dict[str, torch.Tensor]) -> SamNetwork:
    return build_network(state, "here")


@torch.inference_mode()
def test_equal_to_the_segment_anything_package(state: dict[str, torch.Tensor], network: SamNetwork) -> None:
    """Encoder, prompt encoder and decoder give what the original modules give with the same weights."""
    modeling = pytest.importorskip("segment_anything.modeling")
    original = modeling.Sam(
        modeling.ImageEncoderViT(
            img_size=128,
            embed_dim=32,
            depth=2,
            num_heads=2,
            mlp_ratio=2,
            out_chans=32,
            norm_layer=partial(nn.LayerNorm, eps=1e-6),
            use_rel_pos=True,
            window_size=3,
            global_attn_indexes=(1,),
        ),
        modeling.PromptEncoder(32, (8, 8), (128, 128), 8),
        modeling.MaskDecoder(
            transformer_dim=32,
            transformer=modeling.TwoWayTransformer(2, 32, 8, 64),
            iou_head_hidden_dim=32,
        ),
    ).eval()
    original.load_state_dict(state)
    image = torch.randn(1, 3, 128, 128, generator=torch.Generator().manual_seed(0))
    features = original.image_encoder(image)
    torch.testing.assert_close(network.image_encoder(image), features, atol=1e-5, rtol=1e-5)

    points, labels = torch.tensor([[[30.0, 40.0], [100.5, 7.25]]]), torch.tensor([[1, 0]])
    box, logits = torch.tensor([[5.0, 6.0, 90.0, 100.0]]), torch.randn(1, 1, 32, 32)
    encoder = network.prompt_encoder
    torch.testing.assert_close(encoder.dense_positions(), original.prompt_encoder.get_dense_pe())
    for boxes in (None, box):
        sparse, dense = original.prompt_encoder((points, labels), boxes, logits)
        ours = encoder.embed_points(points, labels, pad=boxes is None)
        if boxes is not None:
            ours = torch.cat([ours, encoder.embed_boxes(boxes)], dim=1)
        torch.testing.assert_close(ours, sparse, atol=1e-5, rtol=0)
        torch.testing.assert_close(encoder.embed_masks(logits), dense, atol=1e-5, rtol=0)
        positions = original.prompt_encoder.get_dense_pe()
        for multimask, outputs in ((True, slice(1, None)), (False, slice(0, 1))):
            wanted = original.mask_decoder(features, positions, sparse, dense, multimask)
            found = network.mask_decoder(features + dense, positions, sparse, outputs=outputs)
            torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-5)


@torch.inference_mode()
def test_equal_to_transformers_and_layouts_convert_both_ways(network: SamNetwork) -> None:
    """Weights named by transformers give transformers' output, and come back under the same names."""
    transformers = pytest.importorskip("transformers")
    theirs = transformers.SamModel(
        transformers.SamConfig(
            vision_config={
                "hidden_size": 32,
                "output_channels": 32,
                "num_hidden_layers": 2,
                "num_attention_heads": 2,
                "image_size": 128,
                "mlp_dim": 64,
                "global_attn_indexes": [1],
                "window_size": 3,
                "num_pos_feats": 16,
            },
            prompt_encoder_config={"hidden_size": 32, "image_size": 128, "mask_input_channels": 8},
            # eps: transformers normalises with 1e-6 where the original has 1e-5.
            mask_decoder_config={
                "hidden_size": 32,
                "mlp_dim": 64,
                "iou_head_hidden_dim": 32,
                "layer_norm_eps": 1e-5,
            },
        )
    ).eval()
    named = theirs.state_dict()
    assert is_transformers(named)
    converted = from_transformers(named)
    back = to_transformers(converted)
    assert back.keys() == named.keys()
    assert all(torch.equal(back[name], named[name]) for name in named)
    ours = build_network(converted, "converted")
    assert detect(converted, "converted") == CONFIG

    pixels = torch.randn(1, 3, 128, 128)
    points, labels = torch.tensor([[30.0, 40.0], [100.5, 7.25]]), torch.tensor([1, 0])
    wanted = theirs(pixel_values=pixels, input_points=points[None, None], input_labels=labels[None, None])
    encoder = ours.prompt_encoder
    tokens = encoder.embed_points(points[None], labels[None], pad=True)
    image = ours.image_encoder(pixels) + encoder.no_mask()
    low_res, scores = ours.mask_decoder(image, encoder.dense_positions(), tokens, outputs=slice(1, None))
    torch.testing.assert_close(scores, wanted.iou_scores[0], atol=2e-5, rtol=0)
    torch.testing.assert_close(low_res, wanted.pred_masks[0], atol=2e-5, rtol=1e-4)

    # And the other way: our weights in their model.
    theirs.load_state_dict(to_transformers(network.state_dict()))
    embedded = theirs.get_image_embeddings(pixels)
    torch.testing.assert_close(network.image_encoder(pixels), embedded, atol=1e-5, rtol=1e-5)


def test_published_sizes_are_recognised() -> None:
    """Names and shapes of the published networks are detected as what they are."""
    sizes = {
        "SAM ViT-B": SamConfig(),
        "SAM ViT-L": SamConfig(ViTConfig(1024, 16, 1024, 24, 16, 4096, 14, (5, 11, 17, 23))),
        "SAM ViT-H": SamConfig(ViTConfig(1024, 16, 1280, 32, 16, 5120, 14, (7, 15, 23, 31))),
        "MobileSAM": SamConfig(TinyViTConfig()),
    }
    for family, config in sizes.items():
        with torch.device("meta"):
            names = SamNetwork(config).state_dict()
        assert detect(names, family) == config
        assert config.family == family


def test_published_names_are_those_of_segment_anything() -> None:
    """Entry names and shapes of ViT-B, ViT-L and ViT-H are those of the original package."""
    registry = pytest.importorskip("segment_anything").sam_model_registry
    for name in ("vit_b", "vit_l", "vit_h"):
        with torch.device("meta"):
            original = registry[name]().state_dict()
            ours = SamNetwork(detect(original, name)).state_dict()
        assert {k: v.shape for k, v in ours.items()} == {k: v.shape for k, v in original.items()}


def test_rows_of_biased_attention() -> None:
    """Rows sum to one; added after the softmax, the bias leaves all weights within a factor e^2."""
    logits, bias = torch.randn(1, 2, 3, 50) * 50, torch.rand(1, 50)
    double = attention_weights(logits, bias, "post_softmax_double")
    single = attention_weights(logits, bias, "pre_softmax")
    for weights in (double, single):
        torch.testing.assert_close(weights.sum(dim=-1), torch.ones(1, 2, 3))
    torch.testing.assert_close(double, (logits.softmax(-1) + bias).softmax(-1))
    torch.testing.assert_close(single, (logits + bias).softmax(-1))
    torch.testing.assert_close(attention_weights(logits, None, "pre_softmax"), logits.softmax(-1))
    assert float((double.amax(-1) / double.amin(-1)).max()) <= np.e**2
    assert float(single.max()) > 0.5


@pytest.mark.parametrize("images", [1, 3])
@pytest.mark.parametrize("masked", [False, True])
@torch.inference_mode()
def test_projections_moved_to_the_tokens_change_nothing(images: int, masked: bool) -> None:
    """Few tokens (folded) and many (not): both are plain attention, in both directions."""
    attention = Attention(32, 4, 2)
    nn.init.normal_(attention.k_proj.bias)
    nn.init.normal_(attention.q_proj.bias)
    placed, image = torch.randn(images, 50, 32), torch.randn(images, 50, 32)
    for count in (4, 5):
        assert attention._folds(count) is (count == 4)
        tokens, keys = torch.randn(3, count, 32), torch.randn(3, count, 32)
        mask = torch.arange(count) < torch.tensor([1, 2, count])[:, None] if masked else None
        close = partial(torch.testing.assert_close, atol=1e-5, rtol=1e-5)
        wide, whole = placed.expand(3, -1, -1), image.expand(3, -1, -1)
        close(
            attention.tokens_over_image(tokens, placed, image, None, "pre_softmax"),
            attention(tokens, wide, whole),
        )
        close(attention.image_over_tokens(placed, keys, tokens, mask), attention(wide, keys, tokens, mask))
        bias = torch.rand(3, 50)
        q, k, v = (
            attention._split(p(x))
            for p, x in ((attention.q_proj, tokens), (attention.k_proj, wide), (attention.v_proj, whole))
        )
        for mode in ("post_softmax_double", "pre_softmax"):
            weights = attention_weights(q @ k.transpose(2, 3) / 2, bias, mode)
            close(
                attention.tokens_over_image(tokens, placed, image, bias, mode), attention._join(weights @ v)
            )


@torch.inference_mode()
def test_target_is_part_of_the_positions(network: SamNetwork) -> None:
    """The target embedding enters every query's position, as in the reference, not only the tokens once."""
    decoder = network.mask_decoder
    image, positions = torch.randn(1, 32, 8, 8), torch.randn(1, 32, 8, 8)
    sparse, target = torch.randn(1, 2, 32), torch.randn(1, 32)
    found, _ = decoder.transform(image, positions, sparse, Injection(target=target))
    own = torch.cat([decoder.iou_token.weight, decoder.mask_tokens.weight])[None]
    tokens = torch.cat([own, sparse], dim=1)
    wanted = _transcribed(decoder, image, positions, tokens, target[:, None], aliased=True)
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-5)
    copied = _transcribed(decoder, image, positions, tokens, target[:, None], aliased=False)
    assert float((found - copied).abs().max()) > 1e-2


def _transcribed(decoder: MaskDecoder, image, positions, tokens, t, *, aliased: bool) -> torch.Tensor:
    """The decoder's transformer with target-semantic prompting (Zhang et al. 2023), as the published program
    computes it: unrolled, with its aliasing or without."""
    transformer = decoder.transformer
    keys, places = image.flatten(2).transpose(1, 2), positions.flatten(2).transpose(1, 2)
    p = tokens + t if aliased else tokens
    q = tokens + t
    for i, block in enumerate(transformer.layers):
        if i == 0:
            q = block.norm1(block.self_attn(q, q, q))
        else:
            q = q + t
            q = block.norm1(q + block.self_attn(q + p, q + p, q))
        q = block.norm2(q + block.cross_attn_token_to_image(q + p, keys + places, keys))
        q = block.norm3(q + block.mlp(q))
        keys = block.norm4(keys + block.cross_attn_image_to_token(keys + places, q + p, q))
    final = transformer.final_attn_token_to_image(q + p + t, keys + places, keys)
    return transformer.norm_final_attn(q + final)


@torch.inference_mode()
def test_filling_tokens_change_nothing(network: SamNetwork) -> None:
    """Tokens that are masked out leave masks and scores of the real ones as they are."""
    image, positions = torch.randn(1, 32, 8, 8), torch.randn(1, 32, 8, 8)
    sparse = torch.randn(2, 3, 32)
    mask = torch.tensor([[True, False, False], [True, True, True]])
    both = network.mask_decoder(image, positions, sparse, mask=mask)
    alone = network.mask_decoder(image, positions, sparse[:1, :1])
    for together, single in zip(both, alone, strict=True):
        torch.testing.assert_close(together[:1], single, atol=1e-5, rtol=1e-5)


@torch.inference_mode()
def test_attention_in_cache_is_attention(monkeypatch: pytest.MonkeyPatch) -> None:
    """The path for many cells on a CPU gives what the general one gives."""
    import vos.backbones.sam.image_encoder as module

    attention = RelativeAttention(24, 3, 7)
    for parameter in attention.parameters():
        nn.init.normal_(parameter, std=0.3)
    x = torch.randn(2, 7, 7, 24)
    whole = attention(x)
    monkeypatch.setattr(module, "_CACHE_ROWS", 20)
    torch.testing.assert_close(attention(x), whole, atol=1e-5, rtol=1e-5)
    monkeypatch.setattr(module, "_CACHE_ROWS", 10**6)
    monkeypatch.setattr(module, "_CHUNK", 2 * 3 * 49 * 5)
    torch.testing.assert_close(attention(x), whole, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused(state: dict[str, torch.Tensor], value: float) -> None:
    """One NaN among the weights is found and named."""
    state["mask_decoder.iou_token.weight"][0, 3] = value
    with pytest.raises(ModelError, match=r"1 of 32 values of mask_decoder\.iou_token\.weight are NaN"):
        build_network(state, "here")


def test_missing_surplus_and_misshapen_entries_are_named(state: dict[str, torch.Tensor]) -> None:
    """The message says which entry is wrong and what the file looked like."""
    lacking = {k: v for k, v in state.items() if k != "image_encoder.neck.3.bias"}
    with pytest.raises(
        ModelError, match=r"SAM ViT of width 32, .* 1 missing \(such as image_encoder.neck.3.bias"
    ):
        build_network(lacking, "here")
    with pytest.raises(ModelError, match=r"1 unknown \(such as optimizer"):
        build_network(state | {"optimizer": torch.zeros(1)}, "here")
    bent = state | {"image_encoder.blocks.1.norm1.weight": torch.zeros(7)}
    with pytest.raises(ModelError, match=r"norm1.weight has shape \(7,\) where \(32,\) is needed"):
        build_network(bent, "here")
    with pytest.raises(ModelError, match="not a SAM or MobileSAM checkpoint"):
        build_network({"conv1.weight": torch.zeros(1)}, "here")


def test_building_leaves_the_state_alone(state: dict[str, torch.Tensor], tmp_path: Path) -> None:
    """Folding batch norms works on copies."""
    config = SamConfig(
        TinyViTConfig(1024, (8, 16, 16, 32), (1, 1, 1, 1), (1, 1, 2), (7, 14, 7), 32, classes=5),
        PromptConfig(32, 8),
        DecoderConfig(dim=32, mlp_dim=64, iou_dim=32),
    )
    tiny = random_sam_state(config)
    before = {name: tensor.clone() for name, tensor in tiny.items()}
    build_network(tiny, "here")
    assert all(torch.equal(tiny[name], before[name]) for name in tiny)
    assert detect(tiny, "here") == config
