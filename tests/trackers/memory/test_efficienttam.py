"""EfficientTAM's image encoder beside transformers' ViTDet, and its checkpoints."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from vos.errors import ModelError
from vos.testing import tiny_efficienttam_checkpoint, tiny_sam2_checkpoint
from vos.trackers.memory.architectures import detect
from vos.trackers.memory.configurations import PLAIN, PlainViT, efficienttam_config
from vos.trackers.memory.efficienttam import EfficientTamVideoModel, Trunk
from vos.trackers.memory.loading import load_network
from vos.trackers.memory.names import to_original, to_transformers

pytestmark = pytest.mark.usefixtures("one_thread")

SWITCHES = dict.fromkeys(
    ("enable_occlusion_spatial_embedding", "enable_temporal_pos_encoding_for_object_pointers"), False
)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small EfficientTAM in the original format."""
    return tiny_efficienttam_checkpoint(tmp_path_factory.mktemp("weights") / "tiny.pt")


def test_the_trunk_is_vitdet() -> None:
    """The same numbers as transformers' ViTDet with the same weights: windows, their padding, positions."""
    from transformers import VitDetBackbone, VitDetConfig

    plain = PlainViT("", 32, 2, depth=3, global_blocks=(1,))
    ours = Trunk(plain).eval()
    config = VitDetConfig(
        hidden_size=32, num_hidden_layers=3, num_attention_heads=2, image_size=320, pretrain_image_size=224,
        window_size=14, window_block_indices=[0, 2], dropout_prob=0.0, out_indices=[3],
    )  # fmt: skip
    theirs = VitDetBackbone(config).eval()
    generator = torch.Generator().manual_seed(0)
    state = {
        name: 0.3 * torch.randn(tensor.shape, generator=generator)
        for name, tensor in ours.state_dict().items()
    }
    ours.load_state_dict(state)
    names = (
        ("patch_embed.projection", "embeddings.projection"),
        ("pos_embed", "embeddings.position_embeddings"),
        ("blocks.", "encoder.layer."),
        ("layer_norm", "norm"),
        ("attn.", "attention."),
        ("proj_in", "fc1"),
        ("proj_out", "fc2"),
    )
    renamed = {}
    for name, tensor in state.items():
        for own, other in names:
            name = name.replace(own, other)
        renamed[name] = tensor
    theirs.load_state_dict(renamed)
    pixels = torch.randn(1, 3, 320, 320, generator=generator)
    with torch.inference_mode():
        torch.testing.assert_close(ours(pixels), theirs(pixels).feature_maps[0], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    "plain",
    [
        pytest.param(plain, marks=pytest.mark.slow if plain.name == "s" else (), id=plain.name)
        for plain in PLAIN
    ],
)
def test_every_size_is_recognised(plain: PlainViT) -> None:
    """From the shapes alone, original names and back, nothing lost; the sizes are as published."""
    with torch.device("meta"):
        model = EfficientTamVideoModel(efficienttam_config(SWITCHES, plain.image_size), plain)
    expected = model.state_dict()
    original = to_original(expected)
    assert "image_encoder.neck.convs.0.norm_1.weight" in original
    assert "sam_mask_decoder.conv_s0.weight" not in original
    back = to_transformers(original)
    assert {k: v.shape for k, v in back.items()} == {k: v.shape for k, v in expected.items()}
    assert detect(back, "file").model == f"efficienttam-{plain.name}"
    millions = {"ti": 18, "s": 34}.get(plain.name)
    assert millions in (None, round(sum(tensor.numel() for tensor in expected.values()) / 1e6))


def test_variants_differ_in_what_the_weights_do_not_show(checkpoint: Path) -> None:
    """By the model's name: how memories are pooled, and the size of the input."""
    found = {name: load_network(f"efficienttam-{name}", checkpoint) for name in ("s", "s-1", "ti-2")}
    assert {name: network.attention.pooling for name, network in found.items()} == {
        "s": None,
        "s-1": "logits",
        "ti-2": "channels",
    }
    assert {network.image_size for network in found.values()} == {256}
    half = load_network("efficienttam-ti-512x512", checkpoint)
    assert (half.image_size, half.grid, half.low_res_size) == (128, 8, 32)


def test_a_file_named_as_another_variant(checkpoint: Path, tmp_path: Path) -> None:
    """Nothing but its name tells the variant: where name and model disagree, both are named."""
    path = tmp_path / "efficienttam_s_1.pt"
    path.write_bytes(checkpoint.read_bytes())
    with pytest.raises(
        ModelError, match=r"file of efficienttam-s-1, not of efficienttam-s, .*--model efficienttam-s-1"
    ):
        load_network("efficienttam-s", path)
    load_network("efficienttam-s-1", path)


def test_another_family(checkpoint: Path, tmp_path: Path) -> None:
    """EfficientTAM under SAM 2.1's name and the other way round."""
    with pytest.raises(ModelError, match=r"not of sam2.1-tiny; use --model efficienttam-ti"):
        load_network("sam2.1-tiny", checkpoint)
    with pytest.raises(ModelError, match=r"not of efficienttam-ti; use --model sam2.1-tiny"):
        load_network("efficienttam-ti", tiny_sam2_checkpoint(tmp_path / "sam2.pt"))


def test_another_size(checkpoint: Path) -> None:
    """``model_size``: position encodings are recomputed, the trunk's are stretched anyway."""
    network = load_network("efficienttam-ti", checkpoint, image_size=128)
    assert (network.image_size, network.grid) == (128, 8)
    features = network.encode_pixels(torch.zeros(1, 3, 128, 128))
    assert features.coarse.shape == (1, network.dim, 8, 8)
