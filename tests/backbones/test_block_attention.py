"""Attention in blocks is torch's attention."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from vos.backbones import block_attention as attention


@pytest.mark.parametrize("blocks", [(4, 7), (512, 2048)])
def test_attention_in_blocks(blocks: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    """Equal to torch's, whatever the blocks; values narrower than keys, queries shared by all objects."""
    monkeypatch.setattr(attention, "QUERY_BLOCK", blocks[0])
    monkeypatch.setattr(attention, "KEY_BLOCK", blocks[1])
    generator = torch.Generator().manual_seed(0)
    queries, keys, values = (
        5 * torch.randn(shape, generator=generator) for shape in ((1, 10, 16), (3, 33, 16), (3, 33, 4))
    )
    shared = queries.expand(3, -1, -1)
    wanted = F.scaled_dot_product_attention(shared[:, None], keys[:, None], values[:, None])[:, 0]
    assert torch.allclose(attention.attend(queries, keys, values), wanted, atol=1e-5)


def test_scores_that_overflow(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key far above all of the first block, whose highest score is what the others are compared with."""
    monkeypatch.setattr(attention, "KEY_BLOCK", 8)
    queries, keys = torch.full((1, 2, 16), 10.0), torch.zeros(1, 20, 16)
    keys[0, 15] = 10.0
    values = torch.arange(80.0).reshape(1, 20, 4)
    assert torch.equal(attention.attend(queries, keys, values)[0], values[0, 15].expand(2, -1))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_sums_of_16_bits(dtype: torch.dtype) -> None:
    """Thousands of keys that score a little below the headroom above the first ones."""
    queries, keys, values = torch.zeros(1, 5, 16), torch.zeros(1, 2048, 16), torch.ones(1, 2048, 3)
    queries[..., 0], keys[:, attention.KEY_BLOCK :, 0] = 4, attention.HEADROOM - 0.5
    attended = attention.attend(queries.to(dtype), keys.to(dtype), values.to(dtype))
    assert torch.allclose(attended.float(), torch.ones(1, 5, 3), atol=1e-2)


@pytest.mark.parametrize("width", [16, 4])
def test_kernels_get_plain_tensors(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """No strides of 0 and none turned around, which cuDNN refuses for 16 bits; the result is the same."""
    generator = torch.Generator().manual_seed(0)
    queries = torch.randn(1, 16, 10, generator=generator).mT
    keys, values = torch.randn(3, 33, 16, generator=generator), torch.randn(3, width, 33).mT
    wanted = attention.attend(queries, keys, values)
    kernel, seen = F.scaled_dot_product_attention, []

    def watched(*tensors: torch.Tensor, attn_mask: torch.Tensor | None) -> torch.Tensor:
        seen.extend(tensors)
        return kernel(*tensors, attn_mask=attn_mask)

    monkeypatch.setattr(attention.F, "scaled_dot_product_attention", watched)
    found = attention._attend_fused(queries.expand(3, -1, -1), keys, values, None)
    assert len(seen) == 3
    assert all(tensor.is_contiguous() for tensor in seen)
    assert found.shape == (3, 10, width)
    assert torch.allclose(found, wanted, atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_heads_in_blocks(dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    """Heads as networks lay them out, not contiguous, on both sides of the number of keys that decides."""
    heads = torch.randn(2, 70, 3, 4, 16, generator=torch.Generator().manual_seed(0)).to(dtype)
    queries, keys, values = heads.permute(2, 0, 3, 1, 4)
    wanted = F.scaled_dot_product_attention(queries, keys, values)
    monkeypatch.setattr(attention, "onednn_is_faster", lambda: True)
    found = []
    for bound in (71, 70):
        monkeypatch.setattr(attention, "MANY_KEYS", bound)
        found.append(attention.attend_heads(queries, keys, values))
    assert torch.equal(found[0], wanted)
    assert found[1].shape == wanted.shape
    monkeypatch.setattr(attention, "onednn_is_faster", lambda: False)
    assert torch.equal(attention.attend_heads(queries, keys, values), wanted), (
        "torch's kernel is faster there"
    )
    tolerance = 1e-6 if dtype == torch.float32 else 2e-2
    assert torch.allclose(found[1].float(), wanted.float(), atol=tolerance)
