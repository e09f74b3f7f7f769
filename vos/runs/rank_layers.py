"""Layers of a matching model ranked by how informative their attention is. Importing this imports torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..detectors.attention.blip import BlipMatcher, EncodedPrompts
from ..detectors.attention.infoscore import LayerScores
from ..detectors.attention.segment import rank_layers
from ..errors import InputError
from ..video.images import read_image
from .matcher import MatcherSettings, build_matcher, check_fits, encode_names


def rank_layers_on(
    images: Sequence[Path], names: Sequence[str], *, model: MatcherSettings | None = None, batch_size: int = 1
) -> LayerScores:
    """InfoScore of every text layer of a model, without labels, see :mod:`vos.detectors.attention.infoscore`.

    Args:
        images: at least two files.
        names: the classes.
        model: the matching model; None: the default one.
        batch_size: images per forward pass.

    Raises:
        InputError: for fewer than two images.
        PromptError: for names that the model cannot use.
        ModelError: if the model's weights are missing.
        MediaError: an image cannot be read, or is too long and thin for the model.
    """
    if len(images) < 2:
        raise InputError("InfoScore compares images: give at least two")
    matcher = build_matcher(model or MatcherSettings())
    return scores_of(matcher, encode_names(matcher, names), images, batch_size=batch_size)


def scores_of(
    matcher: BlipMatcher, encoded: EncodedPrompts, images: Sequence[Path], *, batch_size: int = 1
) -> LayerScores:
    """The scores of a model that is loaded, on image files."""

    def read(path: Path) -> NDArray[np.uint8]:
        image = read_image(path)
        check_fits(image, path, matcher)
        return image

    return rank_layers(matcher, encoded, map(read, images), batch_size=batch_size)
