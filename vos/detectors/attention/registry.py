"""Vision-language models, by name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from ...errors import ModelError
from ...registry import load, unknown

__all__ = ["LANGUAGE_MODELS", "LanguageModelEntry", "build_language_model", "language_models"]

Kind = Literal["matching", "generative"]


@dataclass(frozen=True)
class LanguageModelEntry:
    """All that others ask about a vision-language model."""

    loader: str
    """``module:function`` of ``checkpoint`` (a folder; None: the local cache), ``device`` and options of the
    kind."""
    help: str
    """One line for people."""
    kind: Kind
    """``matching`` models score a text against an image, and label pixels by class (``vos segment``);
    ``generative`` ones name what an image shows (``vos discover``)."""


LANGUAGE_MODELS: dict[str, LanguageModelEntry] = {
    "blip": LanguageModelEntry("vos.detectors.attention.blip:BlipMatcher.load", "BLIP", "matching"),
    "synthetic": LanguageModelEntry(
        "vos.detectors.synthetic.detector:load_synthetic", "a bundled toy model", "matching"
    ),
    "vlm": LanguageModelEntry(
        "vos.detectors.vl_sam.vlm:VisionLanguageModel.load", "LLaVA or Qwen-VL", "generative"
    ),
}
"""Name (``--detector`` of the commands) -> entry. To add a model, write one file and add one entry."""


def language_models(kind: Kind) -> list[str]:
    """Names of the models of a kind; the first is the default."""
    return [name for name, entry in LANGUAGE_MODELS.items() if entry.kind == kind]


def build_language_model(name: str, **options: Any) -> Any:
    """The vision-language model of that name.

    Raises:
        ModelError: for a name that is not in :data:`LANGUAGE_MODELS`, weights that are not there, or a
            ``device`` that this machine lacks.
    """
    if name not in LANGUAGE_MODELS:
        raise unknown(ModelError, "detector", name, LANGUAGE_MODELS)
    if "device" in options:
        from ...backbones.sam.backbone import check_device

        check_device(options["device"])
    return load(LANGUAGE_MODELS[name].loader)(**options)
