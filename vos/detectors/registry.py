"""Finders by name: one line each."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ModelError

if TYPE_CHECKING:
    from .base import Finder

__all__ = ["FINDERS", "build_finder"]


def _lazy(module: str, factory: str, **fixed: Any) -> Callable[..., Finder]:
    """A builder that imports its module when it is called: naming a finder costs nothing."""

    def build(**options: Any) -> Finder:
        finder: Finder = getattr(import_module(module, __package__), factory)(**fixed, **options)
        return finder

    return build


FINDERS: dict[str, Callable[..., Finder]] = {
    "blip": _lazy(".attention.detector", "load_attention_finder", model="blip"),
    "synthetic": _lazy(".attention.detector", "load_attention_finder", model="synthetic"),
    "vlm": _lazy(".vl_sam.detector", "load_vlm_finder"),
    "grounding-dino": _lazy(".open_vocabulary", "load_grounding_dino"),
    "owlv2": _lazy(".open_vocabulary", "load_owlv2"),
    "sam3": _lazy(".sam3_concepts", "load_sam3_concepts"),
}
"""Name (``--finder`` of ``vos track``) -> builder, which takes ``weights`` (a folder, or None for the local
cache), ``tuned``, ``min_score`` and ``device``. To add a finder, write one file and add one line."""


def build_finder(
    name: str,
    *,
    weights: str | Path | None = None,
    tuned: str | Path | None = None,
    min_score: float | None = None,
    device: str = "cpu",
) -> Finder:
    """The finder of that name.

    Args:
        name: a key of :data:`FINDERS`.
        weights: folder with the weights; None: the local cache.
        tuned: what ``vos tune`` wrote; only finders that read attention have use for it.
        min_score: score a find needs, 0..1; None: what suits the finder.
        device: where a network runs.

    Raises:
        ModelError: for a name that is not in :data:`FINDERS`, weights that are not there or of another kind.
    """
    if name not in FINDERS:
        raise ModelError(f"unknown finder {name!r}; choose one of {', '.join(FINDERS)}")
    return FINDERS[name](weights=weights, tuned=tuned, min_score=min_score, device=device)
