"""From cross-attention scores to class maps: pure functions (Segmentation From Attention).

Letters: B images, P prompts, T padded tokens, H heads, K keys, C classes, h x w patches.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch.nn import functional as F

Spans = Sequence[tuple[int, int]]


def token_relevance(scores: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
    """a (..., P, K-1) of scores (..., P, H, T, K) and a padding mask (P, T): steps 2 and 3.

    Maximum over heads, key 0 (the class token) dropped, sum over the real tokens, [CLS] and [SEP] too, in
    float32 at least.
    """
    strongest = scores.amax(dim=-3)[..., 1:]
    # On a processor, autocast leaves sums in half precision.
    exact = torch.promote_types(strongest.dtype, torch.float32)
    return (strongest * attention_mask[..., None].to(strongest.dtype)).sum(dim=-2, dtype=exact)


def prompt_softmax(relevance: torch.Tensor) -> torch.Tensor:
    """b (..., P, K-1): softmax over the prompts at each patch (step 4), in float32 at least."""
    return relevance.to(torch.promote_types(relevance.dtype, torch.float32)).softmax(dim=-2)


def match_gate(itm_logits: torch.Tensor) -> torch.Tensor:
    """r (..., P) of image-text matching logits (..., P, T, 2) at every text position (step 5).

    The largest probability of a match over all positions, padding included: that is what the reference
    does, and it makes the gate depend on the padded length, that is on the set of prompts.
    """
    logits = itm_logits.to(torch.promote_types(itm_logits.dtype, torch.float32))
    return logits.softmax(dim=-1)[..., 1].amax(dim=-1)


def merge_classes(prompt_maps: torch.Tensor, spans: Spans) -> torch.Tensor:
    """(..., C, h, w) of (..., P, h, w): background the sum over its span, the others the maximum (step 7)."""
    first, *rest = spans
    background = prompt_maps[..., first[0] : first[1], :, :].sum(dim=-3)
    return torch.stack(
        [background, *(prompt_maps[..., start:stop, :, :].amax(dim=-3) for start, stop in rest)], dim=-3
    )


def enlarge(maps: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """(N, C, H, W) of (N, C, h, w) by bilinear interpolation, corners aligned (step 8)."""
    return F.interpolate(maps, size=size, mode="bilinear", align_corners=True)


def ensemble(class_maps: Sequence[torch.Tensor], size: tuple[int, int]) -> torch.Tensor:
    """U (B, C, H, W), a distribution over classes, of one (B, C, h, w) per layer."""
    mean = torch.stack(list(class_maps)).mean(dim=0)
    # Enlarging is linear, so the mean of the enlarged maps is the enlarged mean.
    maps = enlarge(mean, size)
    return maps / maps.sum(dim=1, keepdim=True).clamp_min(1e-12)
