"""A classifier of pixels, learned from the reference frame of one video and from nothing else.

One class for the background and one for each object: the softmax is over objects and background.
The inputs are the descriptors of :mod:`vos.backbones.classical.descriptors`; the examples are drawn from
the reference frame and from augmented views of it (:mod:`vos.trackers.classical.augmentation`), as many of
objects as of background, so that the log-probabilities reflect appearance and not size. Everything in
the first frame that is not an object is a negative, the look-alike at the other end of the image too.

What is learned from the reference frame is never changed.
Beside it a copy is updated online from the tracker's own results
(:mod:`vos.trackers.classical.online_update`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from ...arrays import Floats
from ...backbones.classical.descriptors import REACH, Descriptors, describe, describe_at
from ...ops.boxes import Box
from ...results import Labels
from .augmentation import AugmentationSettings, fill, view
from .classifier import Batch, OnlineClassifier, initial_weights, learn
from .sampling import box_near_objects, draw

NOISE = 1 << 20
"""Random numbers that the noise of all batches is taken from."""
CROWD = 4
"""Objects from which on further ones bring no further examples per step."""
WARM_UP = 20
"""Steps in which the learning rate rises."""
CELLS = 3
"""A view is divided into this many rows and columns of cells, one of which is described."""
SPARED = 0.5
"""Views of which a larger share would be described are described whole."""
BLOCK = 4096
"""Pixels that are classified at once: what they need fits the processor's cache."""


@dataclass(frozen=True)
class AppearanceSettings:
    """Settings of the classifier and its training."""

    RENAMED: ClassVar = {"certainty": "logit_limit", "kept": "replay", "view": "augmentation"}

    hidden: tuple[int, int] = (48, 32)
    """Widths of the two hidden layers; twice as many gained nothing."""
    views: int = 10
    """Images per reference frame: the frame and augmented views of it."""
    samples: int = 6000
    """Pixels drawn from each."""
    near: float = 0.3
    """Half of the background pixels are drawn within this distance of an object, in object sizes."""
    iterations: int = 600
    """Steps of the fit to the reference frames; 400 lose a point (``docs/engine-experiments.md``)."""
    batch: int = 512
    """Examples per step and object, of at most :data:`CROWD` objects. For one object four times as many are
    no better, given the same steps and a learning rate that suits them; for several they are."""
    rate: float = 1e-2
    """Largest learning rate of Adam; it falls to a tenth of it."""
    decay: float = 1e-3
    """Weight decay."""
    noise: float = 0.3
    """Noise on the inputs while learning, in standard deviations of each input: it keeps the network from
    being overconfident on unseen descriptors. Worth 2 points; twice as much blurs outlines."""
    averaged: float = 0.5
    """Share of the steps whose weights are averaged: one network depends less on chance."""
    logit_limit: float = 5.0
    """Clip of the outputs, so that appearance alone never overrules the other terms."""
    replay: int = 12_000
    """Examples of the reference frames that are kept for the online update."""
    seed: int = 0
    """Of the initial weights, the views and the pixels drawn: fixed, so that equal runs give equal masks."""
    augmentation: AugmentationSettings = field(default_factory=AugmentationSettings)


@dataclass(frozen=True, eq=False)
class ReferenceFrame:
    """A frame whose labels are known."""

    image: NDArray[np.uint8]
    """(H, W, 3) uint8 RGB."""
    labels: Labels
    """(H, W)."""
    scale: float
    """Size of the images to be classified over size of the frame."""


@dataclass(frozen=True, eq=False)
class Examples:
    """Pixels to learn from."""

    inputs: NDArray[np.float16]
    """(N, C) normalised descriptors; half precision, since noise is added anyway."""
    classes: NDArray[np.unsignedinteger[Any]]
    """(N,) 0 for background, else the object's position in ``ids`` from 1; 16 bits beyond 255 objects."""


@dataclass(frozen=True, eq=False)
class Appearance:
    """What was learned from the reference frames."""

    ids: tuple[int, ...]
    """Objects in the order of the classes 1..K; class 0 is the background."""
    mean: Floats
    """(C,) float32, subtracted from descriptors."""
    spread: Floats
    """(C,) float32, descriptors are divided by it."""
    weights: tuple[Floats, ...]
    """Of the network: see :mod:`vos.trackers.classical.classifier`."""
    examples: Examples
    """A part of what it was learned from."""

    def normalised(self, descriptors: Floats) -> Floats:
        """Network inputs of (N, C) descriptors."""
        return (descriptors - self.mean) / self.spread


def fit(references: Sequence[ReferenceFrame], ids: Sequence[int], settings: AppearanceSettings) -> Appearance:
    """Fit a classifier of the objects ``ids`` and the background."""
    drawn = [_examples(frame, ids, settings, number) for number, frame in enumerate(references)]
    descriptors = np.concatenate([x for x, _ in drawn])
    classes = np.concatenate([y for _, y in drawn])
    mean = descriptors.mean(axis=0)
    spread = descriptors.std(axis=0) + np.float32(1e-3)
    inputs = (descriptors - mean) / spread
    start = OnlineClassifier.starting_from(
        initial_weights(inputs.shape[1], settings.hidden, 1 + len(ids), settings.seed)
    )
    average_from = int(settings.iterations * (1 - settings.averaged))
    count = settings.batch * min(len(ids), CROWD)
    _, weights = learn(start, _batches(inputs, classes, count, settings), settings.decay, average_from)
    keep = np.random.default_rng((settings.seed, len(references))).permutation(len(inputs))[: settings.replay]
    examples = Examples(inputs[keep].astype(np.float16), classes[keep].astype(np.min_scalar_type(len(ids))))
    return Appearance(tuple(ids), mean, spread, weights, examples)


def log_probabilities(
    model: Appearance, networks: Sequence[Sequence[Floats]], descriptors: Descriptors, logit_limit: float
) -> list[Floats]:
    """By each network, (1 + K, H, W) float32 log-probabilities of background and objects.

    ``networks`` are weights: the model's own, or those of the copy that is updated online.
    """
    height, width = descriptors.shape
    layers = [[torch.from_numpy(w) for w in weights] for weights in networks]
    spread, mean = torch.from_numpy(model.spread), torch.from_numpy(model.mean)
    # The normalisation is folded into the first layer, and the first layers of all networks are one.
    first = torch.cat([w[0] / spread[:, None] for w in layers], dim=1)
    offset = torch.cat([w[1] for w in layers]) - mean @ first
    results = [np.empty((len(w[5]), height, width), np.float32) for w in layers]
    step = max(1, BLOCK // width)
    with torch.no_grad():
        for top in range(0, height, step):
            block = torch.from_numpy(descriptors.rows(top, min(height, top + step)))
            hidden = torch.addmm(offset[:, None], first.T, block).relu_().split([len(w[1]) for w in layers])
            for result, w, x in zip(results, layers, hidden, strict=True):
                x = torch.addmm(w[3][:, None], w[2].T, x).relu_()
                outputs = torch.addmm(w[5][:, None], w[4].T, x).clamp_(-logit_limit, logit_limit)
                log_prob = torch.log_softmax(outputs, dim=0)
                result[:, top : top + step] = log_prob.view(len(outputs), -1, width).numpy()
    return results


def _batches(
    inputs: Floats, classes: NDArray[np.int64], count: int, settings: AppearanceSettings
) -> Iterator[Batch]:
    """Random batches of ``count`` with noise on the inputs; the learning rate rises for some steps and then
    falls as a cosine."""
    rng = np.random.default_rng(settings.seed)
    size = count * inputs.shape[1]
    # Fresh noise for every batch would cost as much as the steps: batches take parts of one long row.
    noise = np.float32(settings.noise) * rng.standard_normal(NOISE + size, dtype=np.float32)
    for number in range(settings.iterations):
        chosen = rng.integers(len(inputs), size=count)
        start = rng.integers(NOISE)
        drawn = inputs[chosen]
        drawn += noise[start : start + size].reshape(drawn.shape)
        falling = 0.55 + 0.45 * math.cos(math.pi * number / settings.iterations)
        yield drawn, classes[chosen], settings.rate * min(1.0, (number + 1) / WARM_UP) * falling


def _examples(
    reference: ReferenceFrame, ids: Sequence[int], settings: AppearanceSettings, number: int
) -> tuple[Floats, NDArray[np.int64]]:
    """Descriptors (N, C) and classes (N,) drawn from a frame and from views of it."""
    rng = np.random.default_rng((settings.seed, number))
    images = [_resized(reference, reference.scale)]
    # Views of a large frame are made of a smaller one, as large as the largest of them.
    shrunk = 1.0
    while reference.scale * math.exp(settings.augmentation.scale) <= shrunk / 2:
        shrunk /= 2
    image, labels = _resized(reference, shrunk)
    background = fill(image, labels)
    while len(images) < settings.views:
        images.append(view(image, labels, background, reference.scale / shrunk, settings.augmentation, rng))
    cells = np.random.default_rng((settings.seed, number, CELLS)).permutation(CELLS * CELLS)
    descriptors, classes = [], []
    for n, (image, labels) in enumerate(images):
        boxes = _boxes(labels, int(cells[n % len(cells)]), settings.near) if n else []
        far = boxes[1] if boxes else None
        index, drawn = draw(labels, ids, settings.samples, settings.near, rng, far)
        descriptors.append(describe_at(image, index, boxes) if boxes else describe(image).at(index))
        classes.append(drawn)
    return np.concatenate(descriptors), np.concatenate(classes)


def _resized(reference: ReferenceFrame, scale: float) -> tuple[NDArray[np.uint8], Labels]:
    """The frame and its labels at ``scale`` times their size, at most 1."""
    height, width = reference.labels.shape
    size = (max(8, round(width * scale)), max(8, round(height * scale)))
    if size == (width, height):
        return reference.image, reference.labels
    return (
        cv2.resize(reference.image, size, interpolation=cv2.INTER_AREA),
        cv2.resize(reference.labels, size, interpolation=cv2.INTER_NEAREST),
    )


def _boxes(labels: Labels, cell: int, near: float) -> list[Box]:
    """Where a view's examples are drawn: around its objects, and in one of its cells; nothing where that
    would spare little of the view.

    Describing views takes most of the time of a start, and together the cells of all views cover a frame.
    """
    height, width = labels.shape
    around = box_near_objects(labels, near)
    row, column = divmod(cell, CELLS)
    x0, x1 = (round(width * side / CELLS) for side in (column, column + 1))
    y0, y1 = (round(height * side / CELLS) for side in (row, row + 1))
    boxes = [(0, 0, 0, 0) if around is None else around, (x0, y0, x1 - 1, y1 - 1)]
    described = sum((x1 - x0 + 1 + 2 * REACH) * (y1 - y0 + 1 + 2 * REACH) for x0, y0, x1, y1 in boxes)
    return boxes if described < SPARED * height * width else []
