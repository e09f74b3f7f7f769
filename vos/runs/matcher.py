"""Image-text matching models by their settings, and class names for them. Importing this imports torch."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..detectors.attention.blip import BlipMatcher, EncodedPrompts
from ..detectors.attention.detector import load_matcher
from ..detectors.attention.preprocess import place
from ..detectors.attention.text_prompts import build_prompts, vocabulary_for
from ..errors import MediaError


@dataclass(frozen=True)
class MatcherSettings:
    """An image-text matching model; the names are those of the flags."""

    detector: str = "blip"
    """A matching model in :data:`vos.detectors.attention.registry.LANGUAGE_MODELS`."""
    detector_weights: str | None = None
    """Folder with its weights; None: the local cache, or the package."""
    tuned: str | None = None
    """What :func:`~vos.runs.tune.tune_files` wrote."""
    canvas: int | None = None
    """Side of the square input in pixels; None: the model's own."""
    device: str = "cpu"


def build_matcher(settings: MatcherSettings) -> BlipMatcher:
    """The model, with tuned weights where there are any.

    Raises:
        ModelError: if its weights are missing or do not fit.
        SettingsError: for a canvas that the model's patches do not fill.
    """
    matcher = load_matcher(
        settings.detector, weights=settings.detector_weights, tuned=settings.tuned, device=settings.device
    )
    if settings.canvas is not None:
        matcher.set_canvas(settings.canvas)
    return matcher


def check_fits(image: NDArray[np.uint8], path: Path, matcher: BlipMatcher) -> None:
    """Raise MediaError, naming the file, if nothing of an (H, W, 3) image is left at the model's size."""
    try:
        place(image.shape[0], image.shape[1], matcher.canvas)
    except MediaError as error:
        raise MediaError(f"{path}: {error}") from error


def encode_names(matcher: BlipMatcher, names: Iterable[str], *, multi_prompt: bool = False) -> EncodedPrompts:
    """The sentences of class names, with the model's own background words.

    Args:
        multi_prompt: with the synonyms of every class as well.

    Raises:
        PromptError: for names that are empty, repeated, unknown to a closed model, or too many.
    """
    vocabulary = vocabulary_for(list(names), matcher.lexicon)
    return matcher.encode_prompts(build_prompts(vocabulary, multi=multi_prompt))
