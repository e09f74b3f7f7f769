"""Detectors, by name."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ModelError, SettingsError
from ..registry import load, unknown

if TYPE_CHECKING:
    from .base import Detector

__all__ = ["DETECTORS", "DetectorEntry", "build_detector"]


@dataclass(frozen=True)
class DetectorEntry:
    """All that others ask about a detector."""

    builder: str
    """``module:function`` of ``weights`` (a folder, or None for the local cache), ``min_score``, ``device``
    and, if it can be tuned, ``tuned``."""
    help: str
    """One line for people."""
    tunable: bool = False
    """Whether it takes what ``vos tune`` wrote."""
    options: dict[str, Any] = field(default_factory=dict)
    """Fixed arguments of the builder."""


def _attention(model: str, help: str) -> DetectorEntry:
    builder = "vos.detectors.attention.detector:load_attention_detector"
    return DetectorEntry(builder, help, tunable=True, options={"model": model})


DETECTORS: dict[str, DetectorEntry] = {
    "blip": _attention("blip", "attention maps of BLIP"),
    "synthetic": _attention("synthetic", "a bundled toy model"),
    "vlm": DetectorEntry(
        "vos.detectors.vl_sam.detector:load_vlm_detector", "attention flow of LLaVA or Qwen-VL"
    ),
    "grounding-dino": DetectorEntry("vos.detectors.open_vocabulary:load_grounding_dino", "boxes by text"),
    "owlv2": DetectorEntry("vos.detectors.open_vocabulary:load_owlv2", "boxes by text"),
    "sam3": DetectorEntry("vos.detectors.sam3_concepts:load_sam3_concepts", "masks by text"),
}
"""Name (``--detector`` of ``vos track``) -> entry. To add a detector, write one file and add one entry."""


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
        min_score: score that a detection needs, 0..1; None: what suits the detector.
        device: where a network runs.

    Raises:
        ModelError: for a name not in :data:`DETECTORS`, weights that are missing or of another kind, or a
            device that this machine lacks.
        SettingsError: for tuned weights, where the detector has no use for them.
    """
    if name not in DETECTORS:
        raise unknown(ModelError, "detector", name, DETECTORS)
    entry = DETECTORS[name]
    options = dict(entry.options)
    if entry.tunable:
        options["tuned"] = tuned
    elif tuned is not None:
        tunable = " or ".join(other for other, found in DETECTORS.items() if found.tunable)
        raise SettingsError(
            f"{tuned} cannot be used: {name} is not tuned on examples; "
            f"use --detector {tunable}, or leave the file out"
        )
    from ..backbones.sam.backbone import check_device

    check_device(device)
    detector: Detector = load(entry.builder)(weights=weights, min_score=min_score, device=device, **options)
    return detector
