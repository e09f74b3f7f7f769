"""Online update of a copy of the classifier from the tracker's own results.

The copy makes a few steps after every frame: half on examples of the reference frames, half on pixels
of the newest frames. It learns new sides of an object as they turn up. It learns with care: objects
only where motion agrees with the label; background only at some distance, since what lies
right beside an object may belong to it; and, on purpose, background far away that looks like an object.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ...backbones.classical.descriptors import Descriptors
from .appearance import Appearance, Examples
from .classifier import Batch, OnlineClassifier, learn
from .sampling import draw, draw_with_region_errors

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class AdaptationSettings:
    """How the copy learns."""

    RENAMED: ClassVar = {"mistaken": "region_errors"}

    share: float = 0.5
    """Weight of the copy's log-probabilities; the rest is the unchanged classifier's. 0 switches it off."""
    iterations: int = 12
    """Steps after every frame; 6 lose half a point, 2 lose 3."""
    batch: int = 512
    """Examples of the reference frames in a step, and as many of the newest frames."""
    rate: float = 1e-3
    decay: float = 1e-3
    frames: int = 10
    """Newest frames that are remembered."""
    samples: int = 1500
    """Pixels drawn from each of them."""
    near: float = 0.3
    """Half of the background is drawn within this distance of an object, in object sizes."""
    region_errors: int = 400
    """Pixels drawn beside these from background that looks like an object."""
    mistaken_away: float = 0.25
    """Their least distance from the objects, in object sizes."""
    seed: int = 0


@dataclass(frozen=True, eq=False)
class Adapted:
    """The copy, and the newest frames' examples, oldest first."""

    learner: OnlineClassifier
    recent: tuple[Examples, ...]
    updates: int


def unadapted(model: Appearance) -> Adapted:
    """A copy that has learned nothing yet."""
    return Adapted(OnlineClassifier.starting_from(model.weights), (), 0)


def adapt(
    adapted: Adapted,
    model: Appearance,
    descriptors: Descriptors,
    labels: NDArray[np.uint8],
    appearance: Floats,
    settings: AdaptationSettings,
) -> Adapted:
    """Learn from one more frame.

    Args:
        adapted: the copy so far; not changed.
        model: what was learned from the reference frames.
        descriptors: of the (H, W) frame.
        labels: (H, W) uint8 ids, 0 for background, VOID where nothing shall be learned.
        looks: (1 + K, H, W) float32 probabilities by appearance, as they were before.
    """
    updates = adapted.updates + 1
    rng = np.random.default_rng((settings.seed, updates))
    positions, classes = draw(labels, model.ids, settings.samples, settings.near, rng)
    more, other = draw_with_region_errors(
        labels, appearance, settings.mistaken_away, settings.region_errors, rng
    )
    positions, classes = np.concatenate([positions, more]), np.concatenate([classes, other])
    if positions.size == 0:
        return Adapted(adapted.learner, adapted.recent, updates)
    inputs = model.normalised(descriptors.at(positions))
    newest = Examples(inputs.astype(np.float16), classes.astype(np.uint8))
    recent = (*adapted.recent, newest)[-settings.frames :]
    learner, _ = learn(adapted.learner, _batches(model.examples, recent, rng, settings), settings.decay)
    return Adapted(learner, recent, updates)


def _batches(
    given: Examples, recent: Sequence[Examples], rng: np.random.Generator, settings: AdaptationSettings
) -> Iterator[Batch]:
    """Half of each batch from the reference frames, half from the newest ones."""
    inputs = np.concatenate([e.inputs for e in recent])
    classes = np.concatenate([e.classes for e in recent])
    for _ in range(settings.iterations):
        old = rng.integers(len(given.inputs), size=settings.batch)
        new = rng.integers(len(inputs), size=settings.batch)
        yield (
            np.concatenate([given.inputs[old], inputs[new]]).astype(np.float32),
            np.concatenate([given.classes[old], classes[new]]).astype(np.int64),
            settings.rate,
        )
