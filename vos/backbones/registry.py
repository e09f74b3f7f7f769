"""Promptable image models, by name."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..errors import ModelError
from ..notices import warn_renamed
from ..registry import load, unknown

if TYPE_CHECKING:
    from .base import Backbone


__all__ = ["BACKBONES", "BackboneEntry", "backbone_name", "build_backbone", "has_weights"]


@dataclass(frozen=True)
class BackboneEntry:
    """All that others ask about a backbone."""

    builder: str
    """``module:function``; takes ``device``, ``dtype`` and ``checkpoint`` if the model has weights."""
    help: str
    """One line for people."""
    weights: str = "download"
    """``none``, ``included`` in the package, or ``download``: ``vos models download NAME``."""
    options: dict[str, Any] = field(default_factory=dict)
    """Fixed arguments of the builder."""
    half: bool = False
    """Whether it may compute in 16 bits where the dtype is ``auto``."""


def _sam(name: str, help: str) -> BackboneEntry:
    return BackboneEntry(_SAM, help, options={"name": name}, half=True)


_SAM = "vos.backbones.sam.backbone:build_sam"
BACKBONES: dict[str, BackboneEntry] = {
    "classical": BackboneEntry(
        "vos.backbones.classical.backbone:GraphCutBackbone", "graph cuts over image regions", "none"
    ),
    "nano": BackboneEntry("vos.backbones.nano.backbone:build_nano", "compact network", "included"),
    "interactive": BackboneEntry(
        "vos.backbones.interactive.backbone:build_interactive",
        "first masks from clicks and boxes, by a small network",
        "included",
    ),
    "mobile-sam": _sam("mobile-sam", "MobileSAM (TinyViT)"),
    "sam-vit-b": _sam("sam-vit-b", "SAM ViT-B"),
    "sam-vit-l": _sam("sam-vit-l", "SAM ViT-L"),
    "sam-vit-h": _sam("sam-vit-h", "SAM ViT-H"),
    "sam-hq-vit-b": _sam("sam-hq-vit-b", "SAM-HQ ViT-B"),
    "sam-hq-vit-l": _sam("sam-hq-vit-l", "SAM-HQ ViT-L"),
    "sam-hq-vit-h": _sam("sam-hq-vit-h", "SAM-HQ ViT-H"),
}
"""Name (``--backbone``) -> entry. To add a model, write one folder here and add one entry."""

RENAMED = {"builtin": "classical"}
"""Names of earlier versions, which are still understood."""


def backbone_name(name: str) -> str:
    """The name in :data:`BACKBONES`, for one of an earlier version too.

    Raises:
        ModelError: for a name that is not there.
    """
    if name in RENAMED:
        warn_renamed("backbone", name, RENAMED[name])
        name = RENAMED[name]
    if name not in BACKBONES:
        raise unknown(ModelError, "backbone", name, BACKBONES)
    return name


def has_weights(name: str) -> bool:
    """Whether the backbone of that name has weights, and with them a device, a dtype and a checkpoint.

    Raises:
        ModelError: for an unknown name.
    """
    return BACKBONES[backbone_name(name)].weights != "none"


def check_checkpoint(name: str, checkpoint: str | None) -> None:
    """Raise ValueError if there is a ``checkpoint`` for a backbone without weights.

    Raises:
        ModelError: for an unknown name.
    """
    if checkpoint is not None and not has_weights(name):
        raise ValueError(
            f"model {name} has no weights to read from a checkpoint; name the checkpoint's model, such as "
            "mobile-sam or sam-vit-b"
        )


def build_backbone(name: str, **options: Any) -> Backbone:
    """The backbone of that name.

    Args:
        name: a key of :data:`BACKBONES`.
        **options: ``device``, ``dtype`` (``auto`` too) and ``checkpoint`` (in place of the weights cache).

    Raises:
        ModelError: for an unknown name, weights that are missing or unusable, or options for a backbone that
            has no weights.
    """
    entry = BACKBONES[backbone_name(name)]
    if options.get("dtype") == "auto":
        device = options.get("device") or "cpu"
        options["dtype"] = load("vos.backbones.sam.backbone:auto_dtype")(device) if entry.half else "float32"
    if not has_weights(name):
        given = {k: v for k, v in options.items() if v not in (None, "cpu", "float32")}
        if given:
            raise ModelError(
                f"backbone {name} has no weights and runs on the CPU in float32: leave out "
                f"{', '.join(given)}, or choose another one"
            )
        options = {}
    model: Backbone = load(entry.builder)(**entry.options, **options)
    return model
