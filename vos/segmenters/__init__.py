"""Promptable image models, by name."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any

from ..errors import ModelError

if TYPE_CHECKING:
    from .base import Segmenter

__all__ = ["SEGMENTERS", "build_segmenter"]


def _lazy(module: str, factory: str, **fixed: Any) -> Callable[..., Segmenter]:
    """A builder that imports its module when it is called: naming a model costs nothing."""

    def build(**options: Any) -> Segmenter:
        segmenter: Segmenter = getattr(import_module(module, __package__), factory)(**fixed, **options)
        return segmenter

    return build


SEGMENTERS: dict[str, Callable[..., Segmenter]] = {
    "builtin": _lazy(".builtin", "BuiltinSegmenter"),
    "mobile-sam": _lazy(".sam", "build_sam", name="mobile-sam"),
    "nano": _lazy(".nano", "build_nano"),
    "sam-vit-b": _lazy(".sam", "build_sam", name="sam-vit-b"),
    "sam-vit-h": _lazy(".sam", "build_sam", name="sam-vit-h"),
    "sam-vit-l": _lazy(".sam", "build_sam", name="sam-vit-l"),
}
"""Name -> builder. To add a model, write one file here and add one line."""


def build_segmenter(name: str, **options: Any) -> Segmenter:
    """The segmenter of that name.

    Raises:
        ModelError: for a name that is not in :data:`SEGMENTERS`.
    """
    if name not in SEGMENTERS:
        raise ModelError(f"unknown model {name!r}; choose one of {', '.join(sorted(SEGMENTERS))}")
    return SEGMENTERS[name](**options)
