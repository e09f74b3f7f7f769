"""The tiny BLIP of the synthetic world, which is part of the package (``--detector synthetic``).

It is a toy, for tests, demonstrations and trying things out: it knows the coloured shapes and grounds of
:mod:`vos.detectors.synthetic.world` and nothing else. ``training/synthetic_blip.py`` made it.
"""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Any

from ...errors import ModelError
from ..attention.blip import BlipMatcher
from .world import world_lexicon

CANVAS = 128
"""Side of its input in pixels. It was trained at 96, so positions are interpolated, as in the paper."""
LAYERS = (1, 2)
"""What InfoScore ranks first on scenes of its world."""


def load_synthetic(
    checkpoint: str | Path | None = None, *, device: str = "cpu", canvas: int = CANVAS, **options: Any
) -> BlipMatcher:
    """The package's model.

    Raises:
        ModelError: if a checkpoint is named (there is but one), or the package came without its weights.
    """
    if checkpoint is not None:
        raise ModelError(
            f"the detector 'synthetic' comes with its weights, but {checkpoint} was named; "
            "leave the folder out, or use the detector 'blip' with it"
        )
    folder = Path(str(resources.files("vos").joinpath("assets", "synthetic_blip")))
    if not (folder / "model.safetensors").is_file():
        raise ModelError(f"the synthetic model is missing from {folder}; install the package again")
    return BlipMatcher.load(
        folder,
        device=device,
        canvas=canvas,
        lexicon=world_lexicon(),
        closed=True,
        **{"default_layers": LAYERS, **options},
    )
