"""Online update of a copy of the classifier from the tracker's own results.

The copy makes a few steps after every frame: half on examples of the reference frames, half on pixels
of the newest frames. So it learns views of an object that the reference frames do not show. Pixels of objects
are used only where motion agrees with the label; background only at some distance, since what lies right
beside an object may belong to it; and background far away that looks like an object is drawn more often (hard
negatives).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ...arrays import Floats
from ...backbones.classical.descriptors import Descriptors
from ...results import Labels
from .appearance import Appearance, Examples
from .classifier import Batch, OnlineClassifier, learn
from .sampling import draw, draw_with_region_errors


@dataclass(frozen=True)
class OnlineUpdateSettings:
    """Settings of the online update."""

    RENAMED: ClassVar = {
        "mistaken": "region_errors",
        "mistaken_away": "region_error_distance",
        "share": "weight",
        "rate": "learning_rate",
        "decay": "weight_decay",
    }

    weight: float = 0.5
    """Weight of the copy's log-probabilities; the rest is the unchanged classifier's. 0 switches it off."""
    iterations: int = 12
    """Steps per frame; 6 lose half a point, 2 lose 3."""
    batch: int = 512
    """Examples of the reference frames in a step, and as many of the newest frames."""
    learning_rate: float = 1e-3
    """Of the steps: a tenth of the largest of the fit that they continue."""
    weight_decay: float = 1e-3
    """As of the fit to the reference frames."""
    frames: int = 10
    """Newest frames that are remembered."""
    samples: int = 1500
    """Pixels drawn from each of them."""
    near: float = 0.3
    """Half of the background is drawn within this distance of an object, in object sizes."""
    region_errors: int = 400
    """Pixels drawn beside these from background that looks like an object."""
    region_error_distance: float = 0.25
    """Their least distance from the objects, in object sizes."""
    seed: int = 0
    """Of the pixels that are drawn: fixed, so that equal runs give equal masks."""


@dataclass(frozen=True, eq=False)
class OnlineModel:
    """The online copy of the classifier, and the newest frames' examples, oldest first."""

    learner: OnlineClassifier
    recent: tuple[Examples, ...]
    updates: int


def initial_online_model(model: Appearance) -> OnlineModel:
    """A copy that has not been updated yet."""
    return OnlineModel(OnlineClassifier.starting_from(model.weights), (), 0)


def update_online(
    online: OnlineModel,
    model: Appearance,
    descriptors: Descriptors,
    labels: Labels,
    appearance: Floats,
    settings: OnlineUpdateSettings,
) -> OnlineModel:
    """Learn from one more frame.

    Args:
        online: the copy so far; not changed.
        model: what was learned from the reference frames.
        descriptors: of the (H, W) frame.
        labels: (H, W) ids, 0 for background, VOID for pixels that are ignored.
        appearance: (1 + K, H, W) float32 probabilities by appearance, before the update.
    """
    updates = online.updates + 1
    rng = np.random.default_rng((settings.seed, updates))
    positions, classes = draw(labels, model.ids, settings.samples, settings.near, rng)
    more, other = draw_with_region_errors(
        labels, appearance, settings.region_error_distance, settings.region_errors, rng
    )
    positions, classes = np.concatenate([positions, more]), np.concatenate([classes, other])
    if positions.size == 0:
        return OnlineModel(online.learner, online.recent, updates)
    inputs = model.normalised(descriptors.at(positions))
    newest = Examples(inputs.astype(np.float16), classes.astype(np.min_scalar_type(len(model.ids))))
    recent = (*online.recent, newest)[-settings.frames :]
    learner, _ = learn(online.learner, _batches(model.examples, recent, rng, settings), settings.weight_decay)
    return OnlineModel(learner, recent, updates)


def _batches(
    reference: Examples, recent: Sequence[Examples], rng: np.random.Generator, settings: OnlineUpdateSettings
) -> Iterator[Batch]:
    """Half of each batch from the reference frames, half from the newest ones."""
    inputs = np.concatenate([e.inputs for e in recent])
    classes = np.concatenate([e.classes for e in recent])
    for _ in range(settings.iterations):
        old = rng.integers(len(reference.inputs), size=settings.batch)
        new = rng.integers(len(inputs), size=settings.batch)
        yield (
            np.concatenate([reference.inputs[old], inputs[new]]).astype(np.float32),
            np.concatenate([reference.classes[old], classes[new]]).astype(np.int64),
            settings.learning_rate,
        )
