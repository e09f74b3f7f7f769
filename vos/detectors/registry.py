"""Detectors by name: one line each."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ModelError

if TYPE_CHECKING:
    from .base import Detector

__all__ = ["DETECTORS", "build_detector"]


def _lazy(module: str, factory: str, **fixed: Any) -> Callable[..., Detector]:
    """A builder that imports its module when it is called: naming a detector costs nothing."""

    def build(**options: Any) -> Detector:
        detector: Detector = getattr(import_module(module, __package__), factory)(**fixed, **options)
        return detector

    return build


DETECTORS: dict[str, Callable[..., Detector]] = {
    "blip": _lazy(".attention.detector", "load_attention_detector", model="blip"),
    "synthetic": _lazy(".attention.detector", "load_attention_detector", model="synthetic"),
    "vlm": _lazy(".vl_sam.detector", "load_vlm_detector"),
    "grounding-dino": _lazy(".open_vocabulary", "load_grounding_dino"),
    "owlv2": _lazy(".open_vocabulary", "load_owlv2"),
    "sam3": _lazy(".sam3_concepts", "load_sam3_concepts"),
}
"""Name (``--detector`` of ``vos track``) -> builder, which takes ``weights`` (a folder, or None for the local
cache), ``tuned``, ``min_score`` and ``device``. To add a detector, write one file and add one line."""


def build_detector(
    name: str,
    *,
    weights: str | Path | None = None,
    tuned: str | Path | None = None,
    min_score: float | None = None,
    device: str = "cpu",
) -> Detector:
    """The detector of that name.

    Args:
        name: a key of :data:`DETECTORS`.
        weights: folder with the weights; None: the local cache.
        tuned: what ``vos tune`` wrote; only detectors that read attention have use for it.
        min_score: score a find needs, 0..1; None: what suits the detector.
        device: where a network runs.

    Raises:
        ModelError: for a name not in :data:`DETECTORS`, or weights that are missing or of another kind.
    """
    if name not in DETECTORS:
        raise ModelError(f"unknown detector {name!r}; choose one of {', '.join(DETECTORS)}")
    return DETECTORS[name](weights=weights, tuned=tuned, min_score=min_score, device=device)
