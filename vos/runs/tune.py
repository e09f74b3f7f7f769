"""A matching model tuned on one labelled image per class. Importing this imports torch."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..detectors.attention.blip import BlipMatcher
from ..detectors.attention.tuning import Support, TuningSettings, make_support, save_tuned, tune
from ..errors import PromptError
from ..evaluation.label_png import read_label_png
from ..results import VOID
from ..video.images import read_image
from .matcher import MatcherSettings, build_matcher, encode_names


@dataclass(frozen=True)
class LabelledClass:
    """An image with the mask of a class."""

    image: Path
    mask: Path
    """PNG: not 0 is the class, 255 unknown."""
    name: str
    """The class."""


@dataclass(frozen=True)
class TuneSummary:
    """What was tuned."""

    output: Path
    layers: tuple[int, ...]
    names: tuple[str, ...]
    losses: tuple[float, ...]
    """By step."""


def tune_files(
    supports: Sequence[LabelledClass],
    output: str | os.PathLike[str],
    settings: TuningSettings | None = None,
    *,
    model: MatcherSettings | None = None,
    layers: Sequence[int] | None = None,
    multi_prompt: bool = False,
    on_step: Callable[[int, float], None] | None = None,
) -> TuneSummary:
    """Tune word embeddings and cross-attention on a few labelled images, and write what changed to a file.

    Args:
        supports: one image per class or more; pixels outside a mask count as background.
        output: the file, for ``tuned`` of :class:`~vos.runs.matcher.MatcherSettings` and of detectors.
        settings: of the optimiser; None: the defaults.
        model: the model to tune; None: the default one.
        layers: text layers to tune and to read; None: the model's own.
        multi_prompt: with the synonyms of every class as well.
        on_step: called after every step with its number, from 1, and its loss.

    Raises:
        InputError: without supports, if an image and its mask differ in size, or if nothing of them is left
            at the size that the model reads.
        PromptError: an empty mask, or names that the model cannot use.
        SettingsError: for a layer the model does not have.
        ModelError: if the model's weights are missing.
        MediaError: an image or a mask cannot be read.
        OutputError: if the file cannot be written.
    """
    names = tuple(dict.fromkeys(support.name for support in supports))
    matcher = build_matcher(model or MatcherSettings())
    encoded = encode_names(matcher, names, multi_prompt=multi_prompt)
    chosen = tuple(layers or matcher.default_layers)
    labelled = [_support(matcher, support, names.index(support.name) + 1) for support in supports]
    losses = tune(matcher, encoded, labelled, chosen, settings or TuningSettings(), on_step=on_step)
    save_tuned(Path(output), matcher, chosen, names)
    return TuneSummary(Path(output), chosen, names, tuple(losses))


def _support(matcher: BlipMatcher, support: LabelledClass, label: int) -> Support:
    marked = read_label_png(support.mask)
    labels = np.where(marked == VOID, VOID, np.where(marked > 0, label, 0)).astype(np.uint8)
    if not (labels == label).any():
        only_unknown = " but for 255, which means unknown here" if (labels == VOID).any() else ""
        raise PromptError(
            f"the mask {support.mask} is empty{only_unknown}; it must mark the class in {support.image}, "
            "with 1 for example"
        )
    return make_support(matcher, read_image(support.image), labels)
