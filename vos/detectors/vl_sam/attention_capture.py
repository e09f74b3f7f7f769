"""Reading the attention of a causal language model while it runs, a few heads at a time.

An attention function of our own is registered with transformers; it computes what the eager one computes,
head-aggregates each layer's probabilities on the way (VL-SAM, 3.1) and hands S' (N, N) to a sink. No
layer's H x N x N probabilities ever exist at once, and nothing of a layer is kept but what the sink keeps.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any, Protocol

import torch

from ...errors import ModelError
from .attention_flow import head_weights

IMPLEMENTATION = "vos_attention_flow"
_BLOCK = 1 << 23
"""Probabilities computed at once: heads are taken in groups of about this many numbers."""


class FlowSink(Protocol):
    """Takes the layers' S' (N, N), float32, from the first layer to the last."""

    def add(self, aggregated: torch.Tensor) -> None:
        """Take in the next layer."""
        ...


_SINK: ContextVar[FlowSink | None] = ContextVar("vos_flow_sink", default=None)


class LayerStore:
    """A sink that keeps every layer's S', for the row recursion or to look at."""

    def __init__(self) -> None:
        self.layers: list[torch.Tensor] = []

    def add(self, aggregated: torch.Tensor) -> None:
        """Keep the next layer."""
        self.layers.append(aggregated)


@contextlib.contextmanager
def capturing(language_model: Any, sink: FlowSink) -> Iterator[None]:
    """Inside the block, each forward pass of ``language_model`` over one sequence feeds ``sink``.

    Raises:
        ModelError: if the model does not let its attention function be replaced.
    """
    from transformers import AttentionInterface
    from transformers.masking_utils import AttentionMaskInterface, eager_mask

    AttentionInterface.register(IMPLEMENTATION, flow_attention)
    AttentionMaskInterface.register(IMPLEMENTATION, eager_mask)
    before = language_model.config._attn_implementation
    language_model.set_attn_implementation(IMPLEMENTATION)
    if language_model.config._attn_implementation != IMPLEMENTATION:
        raise ModelError(
            f"{type(language_model).__name__} does not let its attention be read: it does not use "
            "transformers' attention interface; use a LLaVA or Qwen-VL model"
        )
    token = _SINK.set(sink)
    try:
        yield
    finally:
        _SINK.reset(token)
        language_model.set_attn_implementation(before)


def flow_attention(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    **kwargs: Any,
) -> tuple[torch.Tensor, None]:
    """Attention of one sequence: query (1, H, N, d), key and value (1, G, N, d), G groups of heads.

    The mask is added to the scores; without one the attention is causal. Probabilities are float32.
    Dropout is for training and is not applied.
    """
    if len(query) != 1:
        raise ModelError(f"attention flow reads one sequence at a time, got a batch of {len(query)}")
    heads, length, size = query.shape[1:]
    scale = size**-0.5 if scaling is None else scaling
    shared = heads // key.shape[1]
    sink = _SINK.get()
    total = query.new_zeros(length, length, dtype=torch.float32) if sink is not None else None
    output = torch.empty_like(query[0])
    if attention_mask is None:
        causal = torch.ones(length, length, dtype=torch.bool, device=query.device).tril()
    group = max(1, _BLOCK // length**2)
    for start in range(0, heads, group):
        rows = slice(start, min(start + group, heads))
        sources = torch.arange(rows.start, rows.stop, device=query.device) // shared
        scores = query[0, rows] @ key[0, sources].transpose(-1, -2) * scale
        if attention_mask is None:
            scores = scores.masked_fill(~causal, torch.finfo(scores.dtype).min)
        else:
            scores = scores + attention_mask[0, :, :, :length]
        probabilities = scores.softmax(dim=-1, dtype=torch.float32)
        output[rows] = probabilities.to(value.dtype) @ value[0, sources]
        if total is not None:
            weights = head_weights(probabilities)
            total += torch.einsum("hqk,h->qk", probabilities, weights) / heads
    if sink is not None and total is not None:
        sink.add(total)
    return output.transpose(0, 1)[None].contiguous(), None
