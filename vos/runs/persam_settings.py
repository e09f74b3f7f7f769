"""The settings of a run of PerSAM over images. Importing this imports torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..backbones.features import OWN
from ..backbones.registry import check_checkpoint
from ..results import MAX_OBJECTS
from ..trackers.persam.images import PersamSettings

OUTPUTS = ("masks", "overlay", "coco")


@dataclass(frozen=True)
class PersamRunSettings(PersamSettings):
    """Settings of :func:`persam_images`: those of the method, and of the run.

    Raises:
        ValueError: for a value out of range.
    """

    model: str = "classical"
    """A name in :data:`vos.backbones.registry.BACKBONES`."""
    checkpoint: str | None = None
    """File with the weights; None: the weights cache."""
    device: str = "cpu"
    """Where a network runs: ``cpu``, ``cuda``, ``cuda:1``, ``mps``."""
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "float32"
    """What a network computes in; ``auto``: bfloat16 where that is native, else float32."""
    features: str | None = None
    """Features for matching: a name in :data:`vos.backbones.features.FEATURES`; None: the backbone's
    own features."""
    features_weights: str | None = None
    """Folder with the weights of the features; None: the local Hugging Face cache."""
    view: Literal["auto", "aligned", "contrast", "reference"] = "auto"
    """How features are read: ``aligned`` with the image; ``contrast`` counts similarity to the target above
    that to its background; ``reference`` repeats the published program, with its quirks, and needs SAM.
    ``auto`` is contrast for ``classical``, whose features are weak, and aligned for all others."""
    objects: int = 1
    """Instances of the target to look for in an image, at most."""
    outputs: tuple[str, ...] = OUTPUTS
    """What to write besides ``run.json``; must include masks."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.view == "reference" and self.features not in (None, OWN):
            raise ValueError(
                f"view reference repeats the published program, which has no features {self.features}: leave "
                "one of the two out"
            )
        if not 1 <= self.objects <= MAX_OBJECTS:
            raise ValueError(f"objects must be 1 to {MAX_OBJECTS}, got {self.objects}")
        for name in self.outputs:
            if name not in OUTPUTS:
                raise ValueError(f"unknown output {name!r}; choose of {', '.join(OUTPUTS)}")
        if "masks" not in self.outputs:
            raise ValueError("outputs must have masks among them")
        check_checkpoint(self.model, self.checkpoint)
