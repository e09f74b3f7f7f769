"""Features to compare targets by, in place of a backbone's own; by name."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import ModelError
from ..registry import load, unknown

if TYPE_CHECKING:
    from .base import Backbone

__all__ = ["FEATURES", "OWN", "FeatureEntry", "with_features"]

OWN = "sam"
"""Stands for the backbone's own features, as PerSAM uses them."""


@dataclass(frozen=True)
class FeatureEntry:
    """All that others ask about a source of features."""

    builder: str
    """``module:function`` of ``weights`` (a folder or a repository of the Hub), ``device`` and ``hint``."""
    help: str
    """One line for people."""
    repository: str
    """Of the Hub, with its weights."""
    licence: str
    parameters: int
    """About."""
    gated: bool = False
    """Whether access has to be requested."""

    @property
    def hint(self) -> str:
        """How to get the weights."""
        access = (
            f"log in at https://huggingface.co/{self.repository} and request access, " if self.gated else ""
        )
        return (
            f"Licence: {self.licence}. To use it, {access}fetch it once with "
            f"`hf download {self.repository} --local-dir DIR`, and name the folder: --features-weights DIR"
        )


def _dinov2(size: str, name: str, parameters: int) -> FeatureEntry:
    return FeatureEntry(
        "vos.backbones.dino:load_dinov2",
        f"DINOv2 ViT-{size}/14",
        f"facebook/dinov2-{name}",
        "Apache-2.0",
        parameters,
    )


def _dinov3(size: str, name: str, parameters: int) -> FeatureEntry:
    return FeatureEntry(
        "vos.backbones.dino:load_dinov3",
        f"DINOv3 ViT-{size}/16",
        f"facebook/dinov3-{name}-pretrain-lvd1689m",
        "DINOv3 License, which is not an open-source licence",
        parameters,
        gated=True,
    )


FEATURES: dict[str, FeatureEntry] = {
    "dinov2-s": _dinov2("S", "small", 22_000_000),
    "dinov2-b": _dinov2("B", "base", 86_000_000),
    "dinov2-l": _dinov2("L", "large", 304_000_000),
    "dinov3-s": _dinov3("S", "vits16", 21_600_000),
    "dinov3-b": _dinov3("B", "vitb16", 85_700_000),
    "dinov3-l": _dinov3("L", "vitl16", 303_000_000),
}
"""Name (``--features``) -> entry. To add a source, write one function and add one entry."""


def with_features(
    backbone: Backbone, features: str | None, weights: str | Path | None = None, *, device: str = "cpu"
) -> Backbone:
    """``backbone``, which decodes, with other features to compare targets by.

    Args:
        backbone: any.
        features: a key of :data:`FEATURES`; None or :data:`OWN`: the backbone's own.
        weights: folder with the weights of the features; None: the local Hugging Face cache.
        device: where their network runs.

    Raises:
        ModelError: for an unknown name, weights that are not there or of another model, or a folder given
            where the backbone's own features are used.
    """
    if features is None or features == OWN:
        if weights is not None:
            raise ModelError(
                f"{weights} would be the weights of features, and the backbone's own are used; name them, "
                f"such as --features {next(iter(FEATURES))}, or leave the folder out"
            )
        return backbone
    if features not in FEATURES:
        raise unknown(ModelError, "features", features, (OWN, *FEATURES))
    entry = FEATURES[features]
    source = load(entry.builder)(
        entry.repository if weights is None else weights, name=features, hint=entry.hint, device=device
    )
    from .featured import FeaturedBackbone

    return FeaturedBackbone(backbone, source)
