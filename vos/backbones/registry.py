"""Promptable image models, by name."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any

from ..errors import ModelError

if TYPE_CHECKING:
    from .base import Backbone

__all__ = ["BACKBONES", "build_backbone"]


def _lazy(module: str, factory: str, **fixed: Any) -> Callable[..., Backbone]:
    """A builder that imports its module when it is called: naming a model costs nothing."""

    def build(**options: Any) -> Backbone:
        backbone: Backbone = getattr(import_module(module, __package__), factory)(**fixed, **options)
        return backbone

    return build


BACKBONES: dict[str, Callable[..., Backbone]] = {
    "builtin": _lazy(".classical.backbone", "GraphCutBackbone"),
    "mobile-sam": _lazy(".sam.backbone", "build_sam", name="mobile-sam"),
    "nano": _lazy(".nano.backbone", "build_nano"),
    "sam-vit-b": _lazy(".sam.backbone", "build_sam", name="sam-vit-b"),
    "sam-vit-h": _lazy(".sam.backbone", "build_sam", name="sam-vit-h"),
    "sam-vit-l": _lazy(".sam.backbone", "build_sam", name="sam-vit-l"),
}
"""Name -> builder. To add a model, write one file here and add one line."""


def build_backbone(name: str, **options: Any) -> Backbone:
    """The backbone of that name.

    Raises:
        ModelError: for a name that is not in :data:`BACKBONES`.
    """
    if name not in BACKBONES:
        raise ModelError(f"unknown model {name!r}; choose one of {', '.join(sorted(BACKBONES))}")
    return BACKBONES[name](**options)
