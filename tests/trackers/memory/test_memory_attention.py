"""The savings in memory attention leave its result as it is."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional as F

from vos.trackers.memory import attention
from vos.trackers.memory.network import Attended, MemoryFrame, MemoryNetwork, MemoryPointer

pytestmark = pytest.mark.usefixtures("one_thread")


def _memories(network: MemoryNetwork, objects: int) -> list[Attended]:
    generator = torch.Generator().manual_seed(1)
    tokens = network.grid**2
    return [
        Attended(
            [
                MemoryFrame(torch.randn(tokens, network.memory_dim, generator=generator).bfloat16(), row)
                for row in (6, 1, 0)
            ],
            [MemoryPointer(torch.randn(network.dim, generator=generator), offset) for offset in (3.0, 1.0)],
        )
        for _ in range(objects)
    ]


def test_equal_to_the_published_module(network: MemoryNetwork) -> None:
    """transformers' memory attention on the same keys gives the same features."""
    pixels = torch.randn(1, 3, 256, 256, generator=torch.Generator().manual_seed(2))
    features = network.encode_pixels(pixels)
    (attended,) = _memories(network, 1)
    memory, encoding = network.keys(attended)
    tokens = features.coarse.flatten(2).permute(2, 0, 1)
    with torch.inference_mode():
        wanted = network.model.memory_attention(
            current_vision_features=tokens,
            current_vision_position_embeddings=features.position.transpose(0, 1),
            memory=memory[:, None],
            memory_posision_embeddings=encoding[:, None],
            num_object_pointer_tokens=4,
        )
    found = network.fuse(features, [attended])
    assert torch.allclose(found[0].flatten(1).T, wanted.reshape(-1, network.dim), atol=1e-4)


def test_values_before_or_after_the_sum(network: MemoryNetwork, monkeypatch: pytest.MonkeyPatch) -> None:
    """The value projection is linear and weights sum to one, so its place makes no difference."""
    features = network.encode_pixels(torch.zeros(1, 3, 256, 256))
    late = network.fuse(features, _memories(network, 2))
    monkeypatch.setattr(network.attention, "late_values", False)
    assert torch.allclose(network.fuse(features, _memories(network, 2)), late, atol=1e-4)


def test_a_weight_scales_keys_and_not_values(network: MemoryNetwork) -> None:
    """The sum of memory and encoding is the key, memory alone the value."""
    tokens = torch.ones(network.grid**2, network.memory_dim)
    plain, plain_encoding = network.keys(Attended([MemoryFrame(tokens, 0)]))
    weighted, encoding = network.keys(Attended([MemoryFrame(tokens, 0, 1.05)]))
    assert torch.equal(plain, weighted)
    assert torch.allclose(weighted + encoding, 1.05 * (plain + plain_encoding), atol=1e-6)


def _pooled(tokens: torch.Tensor, frames: int, side: int) -> torch.Tensor:
    """(N, T', D) of (N, T, D), frame by frame with torch's pooling; what follows the frames is left alone."""
    split = frames * side**2
    maps = tokens[:, :split].reshape(len(tokens) * frames, side, side, -1).permute(0, 3, 1, 2)
    pooled = F.avg_pool2d(maps, 2).flatten(2).transpose(1, 2).reshape(len(tokens), -1, tokens.shape[2])
    return torch.cat((pooled, tokens[:, split:]), dim=1)


@pytest.mark.parametrize("kind", ["logits", "channels"])
@pytest.mark.parametrize("late", [True, False])
def test_pooled_memories(kind: str, late: bool, network: MemoryNetwork) -> None:
    """EfficientTAM's faster attention, written out: pooled after the rotary encoding, pointers not."""
    one = attention.MemoryAttention(network.model.memory_attention, late_values=late, pooling=kind)
    cross = one.module.layers[0].cross_attn_image
    generator = torch.Generator().manual_seed(3)
    side, frames, pointers = network.grid, 2, 4
    hidden = torch.randn(1, side**2, network.dim, generator=generator)
    memory, encoding = torch.randn(2, 2, frames * side**2 + pointers, network.memory_dim, generator=generator)
    table, key_table = one._rotary_tables(hidden)
    with torch.inference_mode():
        found = one._cross_attention(
            cross, hidden, memory + encoding, memory, table, key_table, frames, pointers
        )
        keys = cross.k_proj(memory + encoding)
        keys[:, :-pointers] = attention.rotate(keys[:, :-pointers], key_table.repeat(frames, 1))
        keys, values = _pooled(keys, frames, side), _pooled(cross.v_proj(memory), frames, side)
        queries = attention.rotate(cross.q_proj(hidden), table)
        shift = torch.zeros(keys.shape[1])
        shift[:-pointers] = 2 * math.log(2)
        if kind == "channels":
            keys = keys + shift[:, None]
        logits = queries @ keys.mT / math.sqrt(keys.shape[-1])
        if kind == "logits":
            logits = logits + shift
        wanted = cross.o_proj(logits.softmax(dim=-1) @ values)
    assert torch.allclose(found, wanted, atol=1e-4)


def test_one_memory_is_not_pooled(network: MemoryNetwork) -> None:
    """Where a single frame is attended, the faster checkpoints attend all of it."""
    pixels = torch.zeros(1, 3, 256, 256)
    features = network.encode_pixels(pixels)
    (attended,) = _memories(network, 1)
    tokens = features.coarse.flatten(2).transpose(1, 2)
    for frames, equal in ((1, True), (2, False)):
        memory, encoding = network.keys(Attended(attended.frames[:frames], attended.pointers))
        plain, pooled = (
            attention.MemoryAttention(network.model.memory_attention, pooling=pooling)(
                tokens, features.position, memory[None], encoding[None], frames, 4
            )
            for pooling in (None, "logits")
        )
        assert torch.equal(plain, pooled) is equal
