"""Choice of the one-shot support images of a class, by the random stream of the reference code."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...errors import InputError
from ...results import VOID

MIN_PIXELS = 16 * 32 * 32
"""Pixels a class must have, at original resolution, in an image that is to be its support."""
STREAM_SEED = 1
"""Seed of ``random.Random``; the runs of one experiment draw from one stream."""


@dataclass(frozen=True)
class Choice:
    """The support of one class."""

    label: int
    index: int
    """Position in the list."""
    fallback: bool
    """True if no image has this class alone: the other classes in it are relabelled to background."""


def class_areas(labels: NDArray[np.uint8], num_classes: int) -> NDArray[np.int64]:
    """(C,) pixels of each class in an (H, W) label map; void is not counted."""
    return np.bincount(labels.ravel(), minlength=256)[:num_classes].astype(np.int64)


def sample_supports(
    areas: NDArray[np.int64],
    stream: random.Random,
    *,
    names: Sequence[str] | None = None,
    min_pixels: int = MIN_PIXELS,
) -> list[Choice]:
    """One support for every foreground class, of the pixel counts ``areas`` (n, C) of a list of images.

    A candidate has at least ``min_pixels`` of the class. Candidates are shuffled and the first with no
    other foreground class is taken; if none is so, one uniform number picks a candidate.

    Raises:
        InputError: if a class has no candidate.
    """
    choices = []
    for label in range(1, areas.shape[1]):
        candidates = np.flatnonzero(areas[:, label] >= min_pixels).tolist()
        if not candidates:
            name = repr(names[label]) if names else str(label)
            raise InputError(f"no image of the list has {min_pixels} pixels of class {name}")
        others = np.delete(areas, [0, label], axis=1).sum(axis=1)
        order = list(range(len(candidates)))
        stream.shuffle(order)
        alone = next((candidates[i] for i in order if others[candidates[i]] == 0), None)
        if alone is None:
            pick = candidates[int(stream.random() * len(candidates))]
            choices.append(Choice(label, pick, fallback=True))
        else:
            choices.append(Choice(label, alone, fallback=False))
    return choices


def support_labels(labels: NDArray[np.uint8], choice: Choice) -> NDArray[np.uint8]:
    """The label map a support is tuned on: of a fallback, only its class and void are kept."""
    if not choice.fallback:
        return labels
    kept = (labels == choice.label) | (labels == VOID)
    return np.where(kept, labels, np.uint8(0))


def query_positions(
    areas: NDArray[np.int64],
    choices: Sequence[Choice],
    *,
    remove_fallbacks: bool = False,
    limit: int | None = None,
) -> list[int]:
    """Positions of the images to score: not a support, and with some foreground class.

    The reference leaves fallback supports among the queries, where the model has seen them:
    ``remove_fallbacks`` takes them out as well. ``limit`` cuts the list after the removal.
    """
    supports = {choice.index for choice in choices if remove_fallbacks or not choice.fallback}
    remaining = [index for index in range(len(areas)) if index not in supports]
    return [index for index in remaining[:limit] if areas[index, 1:].any()]
