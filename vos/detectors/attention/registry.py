"""Class names: vision-language models, by name."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

from ...errors import ModelError

__all__ = ["LANGUAGE_MODELS", "build_language_model"]


def _lazy(module: str, factory: str, *attribute: str) -> Callable[..., Any]:
    """A builder that imports its module when it is called: naming a model costs nothing."""

    def build(**options: Any) -> Any:
        builder = getattr(import_module(module, __package__), factory)
        for name in attribute:
            builder = getattr(builder, name)
        return builder(**options)

    return build


LANGUAGE_MODELS: dict[str, Callable[..., Any]] = {
    "blip": _lazy(".blip", "BlipMatcher", "load"),
    "synthetic": _lazy("..synthetic.detector", "load_synthetic"),
    "vlm": _lazy("..vl_sam.vlm", "VisionLanguageModel", "load"),
}
"""Name (``--detector`` of the commands) -> builder. To add a model, write one file and add one line."""


def build_language_model(name: str, **options: Any) -> Any:
    """The vision-language model of that name.

    Raises:
        ModelError: for a name that is not in :data:`LANGUAGE_MODELS`, or weights that are not there.
    """
    if name not in LANGUAGE_MODELS:
        raise ModelError(f"unknown detector {name!r}; choose one of {', '.join(sorted(LANGUAGE_MODELS))}")
    return LANGUAGE_MODELS[name](**options)
