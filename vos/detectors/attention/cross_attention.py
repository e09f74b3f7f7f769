"""Cross-attention scores of a BLIP-style text encoder, by forward hooks.

Letters: B images, P prompts, T padded tokens, H heads, K keys (class token and patches), D width.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any

import torch
from torch import nn
from torch.utils.hooks import RemovableHandle

from ...errors import ModelError, SettingsError

Reduce = Callable[[torch.Tensor], torch.Tensor]


def encoder_layers(text_encoder: nn.Module) -> nn.ModuleList:
    """The text encoder's layers, every one with cross-attention.

    Raises:
        ModelError: if the model does not attend from text to image.
    """
    layers = getattr(getattr(text_encoder, "encoder", None), "layer", None)
    if not isinstance(layers, nn.ModuleList) or not all(hasattr(layer, "crossattention") for layer in layers):
        raise ModelError(
            f"{type(text_encoder).__name__} has no cross-attention from text to image, so there is no "
            "attention to read; use a BLIP image-text matching checkpoint (BlipForImageTextRetrieval)"
        )
    return layers


class CrossAttentionTap:
    """While open, lets a text encoder run P prompts against B images, and reduces its scores layer by layer.

    The library can pair P prompts with one image (which broadcasts) or with P images. Prompts do not see
    each other in cross-attention, so there P prompts of T tokens are folded into one sequence of P*T
    queries per image, and unfolded to B*P sequences of T tokens for all else. Before the first
    cross-attention nothing depends on the image: embeddings and the first self-attention run once, on P
    sequences, whatever B is. Everything after it depends on the image and runs B*P times.

    Scores are ``q k^T / sqrt(head size)``, (B, P, H, T, K), before any softmax. ``reduce`` sees them one
    layer at a time, as soon as the layer has made them, so no two layers' scores live at once; what it
    returns is in :attr:`reduced`, keyed by layer, until the next run replaces it. With no layers it only
    pairs prompts with images.

    Raises:
        SettingsError: for a layer the model does not have.
        ModelError: if the model does not attend from text to image.
    """

    def __init__(self, text_encoder: nn.Module, layers: Sequence[int], reduce: Reduce) -> None:
        self._modules = encoder_layers(text_encoder)
        self._layers = check_layers(layers, len(self._modules)) if layers else ()
        self._reduce = reduce
        self._handles: list[RemovableHandle] = []
        self._images = self._prompts = 0
        self._query: torch.Tensor | None = None
        self.reduced: dict[int, torch.Tensor] = {}

    def __enter__(self) -> CrossAttentionTap:
        layer: Any
        for number, layer in enumerate(self._modules):
            hook = self._handles.append
            if number:
                hook(layer.attention.register_forward_pre_hook(self._tile_mask, with_kwargs=True))
            fold = self._fold_first if number == 0 else self._fold
            hook(layer.crossattention.register_forward_pre_hook(fold, with_kwargs=True))
            hook(layer.crossattention.register_forward_hook(self._unfold))
            if number in self._layers:
                scores = layer.crossattention.self
                hook(scores.query.register_forward_hook(self._keep_query))
                hook(scores.key.register_forward_hook(self._score(number, scores)))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles.clear()
        self._query = None

    def _fold_first(
        self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """(P, T, D) -> (B, P*T, D): from here on every prompt is paired with every image."""
        self.reduced = {}
        self._images, self._prompts = len(kwargs["encoder_hidden_states"]), len(args[0])
        hidden = args[0].expand(self._images, *args[0].shape)
        return (hidden.reshape(self._images, -1, hidden.shape[-1]), *args[1:]), kwargs

    def _fold(
        self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """(B*P, T, D) -> (B, P*T, D)."""
        return (args[0].reshape(self._images, -1, args[0].shape[-1]), *args[1:]), kwargs

    def _unfold(self, module: nn.Module, args: tuple[Any, ...], output: tuple[Any, ...]) -> tuple[Any, ...]:
        """(B, P*T, D) -> (B*P, T, D)."""
        hidden = output[0]
        return (hidden.reshape(self._images * self._prompts, -1, hidden.shape[-1]), *output[1:])

    def _tile_mask(
        self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The padding mask of P prompts for B*P sequences."""
        mask = kwargs.get("attention_mask")
        if mask is not None and len(mask) == self._prompts:
            kwargs = {**kwargs, "attention_mask": mask.repeat(self._images, *[1] * (mask.ndim - 1))}
        return args, kwargs

    def _keep_query(self, module: nn.Module, args: tuple[Any, ...], output: torch.Tensor) -> None:
        self._query = output

    def _score(
        self, number: int, attention: Any
    ) -> Callable[[nn.Module, tuple[Any, ...], torch.Tensor], None]:
        def hook(module: nn.Module, args: tuple[Any, ...], output: torch.Tensor) -> None:
            assert self._query is not None  # the library computes queries before keys
            heads, size = int(attention.num_attention_heads), int(attention.attention_head_size)
            query = self._query.unflatten(-1, (heads, size)).unflatten(1, (self._prompts, -1))
            key = output.unflatten(-1, (heads, size))
            query = query.transpose(2, 3)  # (B, P, H, T, d)
            key = key.permute(0, 2, 3, 1)[:, None]  # (B, 1, H, d, K)
            self.reduced[number] = self._reduce(query @ key / math.sqrt(size))
            self._query = None

        return hook


def check_layers(layers: Sequence[int], count: int) -> tuple[int, ...]:
    """``layers`` as a tuple of distinct numbers in 0..count-1.

    Raises:
        SettingsError: for none, a repeated one, or one the model does not have.
    """
    if not layers or len(set(layers)) != len(layers) or not all(0 <= layer < count for layer in layers):
        raise SettingsError(
            f"layers {list(layers)} cannot be used: name distinct layers, from 0 to {count - 1} in this model"
        )
    return tuple(layers)
