"""A classifier of pixels, learned from the reference frame of one video and from nothing else.

One class for the background and one for each object: objects compete with each other and with the background.
The inputs are the descriptors of :mod:`vos.backbones.classical.descriptors`; the examples are drawn from
the reference frame and from made-up views of it (:mod:`vos.trackers.classical.augmentation`), as many of
objects as of background, so that the log-probabilities speak of looks alone and not of size. Everything in
the first frame that is not an object is a negative, the look-alike at the other end of the image too.

What is learned from the reference frame is never changed.
Beside it a copy is updated online from the tracker's own results
(:mod:`vos.trackers.classical.online_update`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from ...backbones.classical.descriptors import Descriptors, describe
from ...results import Labels
from .augmentation import AugmentationSettings, fill, view
from .classifier import Batch, OnlineClassifier, initial_weights, learn
from .sampling import draw

Floats = NDArray[np.float32]

BLOCK = 4096
"""Pixels that are classified at once: what they need fits the processor's cache."""


@dataclass(frozen=True)
class AppearanceSettings:
    """How the classifier is built and learned."""

    hidden: tuple[int, int] = (48, 32)
    """Widths of the two hidden layers; twice as many gained nothing."""
    views: int = 10
    """Pictures per reference frame: the frame and made-up views of it."""
    samples: int = 6000
    """Pixels drawn from each."""
    near: float = 0.3
    """Half of the background pixels are drawn within this distance of an object, in object sizes."""
    iterations: int = 600
    batch: int = 2048
    rate: float = 3e-3
    """Learning rate of Adam at the start; it falls to a tenth of it."""
    decay: float = 1e-3
    """Weight decay."""
    noise: float = 0.3
    """Noise on the inputs while learning, in standard deviations of each input: what keeps the network from
    being certain of what it has never seen. Worth 2 points; twice as much blurs outlines."""
    averaged: float = 0.5
    """Share of the steps whose weights are averaged: one network depends less on chance."""
    certainty: float = 5.0
    """Clip of the outputs, so that looks alone never overrule all else."""
    kept: int = 12_000
    """Examples of the reference frames that are kept to be learned again beside newer ones."""
    seed: int = 0
    view: AugmentationSettings = field(default_factory=AugmentationSettings)


@dataclass(frozen=True, eq=False)
class ReferenceFrame:
    """A frame whose labels are known."""

    image: NDArray[np.uint8]
    """(H, W, 3) uint8 RGB."""
    labels: Labels
    """(H, W)."""
    scale: float
    """Size of the pictures that will be classified over size of the frame."""


@dataclass(frozen=True, eq=False)
class Examples:
    """Pixels to learn from."""

    inputs: NDArray[np.float16]
    """(N, C) normalised descriptors; half precision, since noise is added anyway."""
    classes: NDArray[np.uint8]
    """(N,) 0 for background, else the object's position in ``ids`` from 1."""


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


def fit(given: Sequence[ReferenceFrame], ids: Sequence[int], settings: AppearanceSettings) -> Appearance:
    """Learn to tell the objects ``ids`` and the background apart."""
    drawn = [_examples(frame, ids, settings, number) for number, frame in enumerate(given)]
    descriptors = np.concatenate([x for x, _ in drawn])
    classes = np.concatenate([y for _, y in drawn])
    mean = descriptors.mean(axis=0)
    spread = descriptors.std(axis=0) + np.float32(1e-3)
    inputs = (descriptors - mean) / spread
    start = OnlineClassifier.starting_from(
        initial_weights(inputs.shape[1], settings.hidden, 1 + len(ids), settings.seed)
    )
    average_from = int(settings.iterations * (1 - settings.averaged))
    _, weights = learn(start, _batches(inputs, classes, settings), settings.decay, average_from)
    keep = np.random.default_rng((settings.seed, len(given))).permutation(len(inputs))[: settings.kept]
    examples = Examples(inputs[keep].astype(np.float16), classes[keep].astype(np.uint8))
    return Appearance(tuple(ids), mean, spread, weights, examples)


def log_probabilities(
    model: Appearance, networks: Sequence[Sequence[Floats]], descriptors: Descriptors, certainty: float
) -> list[Floats]:
    """By each network, (1 + K, H, W) float32 log-probabilities of background and objects.

    ``networks`` are weights: the model's own, or those of a copy that went on learning.
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
                outputs = torch.addmm(w[5][:, None], w[4].T, x).clamp_(-certainty, certainty)
                said = torch.log_softmax(outputs, dim=0)
                result[:, top : top + step] = said.view(len(outputs), -1, width).numpy()
    return results


def _batches(inputs: Floats, classes: NDArray[np.int64], settings: AppearanceSettings) -> Iterator[Batch]:
    """Random batches with noise on the inputs and a falling learning rate."""
    rng = np.random.default_rng(settings.seed)
    for number in range(settings.iterations):
        chosen = rng.integers(len(inputs), size=settings.batch)
        noise = rng.standard_normal((settings.batch, inputs.shape[1]), dtype=np.float32)
        rate = settings.rate * (1 - 0.9 * number / settings.iterations)
        yield inputs[chosen] + np.float32(settings.noise) * noise, classes[chosen], rate


def _examples(
    given: ReferenceFrame, ids: Sequence[int], settings: AppearanceSettings, number: int
) -> tuple[Floats, NDArray[np.int64]]:
    """Descriptors (N, C) and classes (N,) drawn from a frame and from views of it."""
    rng = np.random.default_rng((settings.seed, number))
    height, width = given.labels.shape
    size = (max(8, round(width * given.scale)), max(8, round(height * given.scale)))
    pictures = [
        (
            cv2.resize(given.image, size, interpolation=cv2.INTER_AREA),
            cv2.resize(given.labels, size, interpolation=cv2.INTER_NEAREST),
        )
    ]
    background = fill(given.image, given.labels)
    while len(pictures) < settings.views:
        pictures.append(view(given.image, given.labels, background, given.scale, settings.view, rng))
    descriptors, classes = [], []
    for image, labels in pictures:
        index, drawn = draw(labels, ids, settings.samples, settings.near, rng)
        descriptors.append(describe(image).at(index))
        classes.append(drawn)
    return np.concatenate(descriptors), np.concatenate(classes)
