"""A classifier of pixels, learned from the given frame of one video and from nothing else.

Three layers, some thousands of parameters, one class for the background and one for each object: objects
compete with each other and with the background. Its input are the descriptors of
:mod:`vos.matching.descriptors`; its examples are drawn from the given frame and from made-up views of it
(:mod:`vos.matching.augmentation`), as many of objects as of background, so that its log-probabilities speak
of looks alone and not of size. Everything in the first frame that is not an object is a negative, the look-alike
at the other end of the picture too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from .augmentation import VOID, ViewSettings, fill, view
from .descriptors import describe

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class AppearanceSettings:
    """How the classifier is built and learned."""

    hidden: tuple[int, int] = (48, 32)
    """Widths of the two hidden layers; 96 and 48 gained nothing."""
    views: int = 6
    """Pictures per given frame: the frame and five made-up views; twelve gained nothing."""
    samples: int = 6000
    """Pixels drawn from each."""
    near: float = 0.3
    """Half of the background pixels are drawn within this distance of an object (in object sizes): these
    decide the outline. The other half comes from everywhere."""
    iterations: int = 400
    batch: int = 2048
    rate: float = 3e-3
    """Learning rate of Adam at the start; it falls to a tenth of it."""
    decay: float = 1e-3
    """Weight decay, decoupled."""
    seed: int = 0
    view: ViewSettings = field(default_factory=ViewSettings)


@dataclass(frozen=True, eq=False)
class Appearance:
    """What has been learned: see :func:`fit` and :func:`log_probabilities`."""

    ids: tuple[int, ...]
    """Objects in the order of the classes 1..K; class 0 is the background."""
    mean: Floats
    """(C,) float32, subtracted from descriptors."""
    spread: Floats
    """(C,) float32, descriptors are divided by it."""
    weights: tuple[Floats, ...]
    """Matrices and biases of the three layers: (C, h1), (h1,), (h1, h2), (h2,), (h2, 1 + K), (1 + K,)."""


@dataclass(frozen=True, eq=False)
class Given:
    """A frame whose labels are known."""

    image: NDArray[np.uint8]
    """(H, W, 3) uint8 RGB."""
    labels: NDArray[np.uint8]
    """(H, W) uint8; VOID where nothing is known."""
    scale: float
    """Size of the pictures that will be classified over size of the frame."""


def fit(given: Sequence[Given], ids: Sequence[int], settings: AppearanceSettings) -> Appearance:
    """Learn to tell the objects ``ids`` and the background apart."""
    drawn = [_examples(frame, ids, settings, seed) for seed, frame in enumerate(given)]
    examples = np.concatenate([x for x, _ in drawn])
    classes = torch.from_numpy(np.concatenate([y for _, y in drawn]))
    mean = examples.mean(axis=0)
    spread = examples.std(axis=0) + np.float32(1e-3)
    x = torch.from_numpy((examples - mean) / spread)
    weights = _initial(x.shape[1], 1 + len(ids), settings)
    first = [torch.zeros_like(w) for w in weights]
    second = [torch.zeros_like(w) for w in weights]
    rng = np.random.default_rng(settings.seed)
    for step in range(1, settings.iterations + 1):
        batch = torch.from_numpy(rng.integers(len(x), size=settings.batch))
        loss = functional.cross_entropy(_forward(weights, x[batch]), classes[batch])
        gradients = torch.autograd.grad(loss, weights)
        rate = settings.rate * (1 - 0.9 * (step - 1) / settings.iterations)
        with torch.no_grad():
            _adam(weights, gradients, first, second, step, rate, settings.decay)
    return Appearance(tuple(ids), mean, spread, tuple(w.detach().numpy() for w in weights))


def log_probabilities(model: Appearance, descriptors: Floats, limit: float) -> Floats:
    """(1 + K, H, W) float32 log-probabilities of background and objects for (H, W, C) descriptors.

    ``limit`` clips the network's outputs: no pixel is ever certain from its looks alone.
    """
    height, width, size = descriptors.shape
    weights = [torch.from_numpy(w) for w in model.weights]
    # The normalisation is folded into the first layer: one pass over the descriptors less.
    scaled = weights[0] / torch.from_numpy(model.spread)[:, None]
    weights = [scaled, weights[1] - torch.from_numpy(model.mean) @ scaled, *weights[2:]]
    with torch.no_grad():
        outputs = _forward(weights, torch.from_numpy(descriptors.reshape(-1, size)))
        result = torch.log_softmax(outputs.clamp(-limit, limit), dim=1)
    return np.ascontiguousarray(result.numpy().T).reshape(-1, height, width)


def _forward(weights: Sequence[Tensor], x: Tensor) -> Tensor:
    x = torch.addmm(weights[1], x, weights[0]).relu_()
    x = torch.addmm(weights[3], x, weights[2]).relu_()
    return torch.addmm(weights[5], x, weights[4])


def _initial(inputs: int, classes: int, settings: AppearanceSettings) -> list[Tensor]:
    """He initialisation; the last layer is small, so that learning starts from indifference."""
    generator = torch.Generator().manual_seed(settings.seed)
    sizes = (inputs, *settings.hidden, classes)
    weights: list[Tensor] = []
    for layer, (rows, columns) in enumerate(zip(sizes[:-1], sizes[1:], strict=True)):
        gain = (2 / rows) ** 0.5 * (0.1 if layer == 2 else 1.0)
        weights += [torch.randn(rows, columns, generator=generator) * gain, torch.zeros(columns)]
    return [w.requires_grad_(True) for w in weights]


def _adam(
    weights: Sequence[Tensor],
    gradients: Sequence[Tensor],
    first: Sequence[Tensor],
    second: Sequence[Tensor],
    step: int,
    rate: float,
    decay: float,
) -> None:
    """One step of AdamW (Loshchilov and Hutter, 2019) in place."""
    beta1, beta2 = 0.9, 0.99
    for w, g, m, v in zip(weights, gradients, first, second, strict=True):
        m.mul_(beta1).add_(g, alpha=1 - beta1)
        v.mul_(beta2).addcmul_(g, g, value=1 - beta2)
        size = (v / (1 - beta2**step)).sqrt_().add_(1e-8)
        w.mul_(1 - rate * decay).sub_(rate / (1 - beta1**step) * m / size)


def _examples(
    given: Given, ids: Sequence[int], settings: AppearanceSettings, seed: int
) -> tuple[Floats, NDArray[np.int64]]:
    """Descriptors (N, C) and classes (N,) drawn from a frame and from views of it."""
    rng = np.random.default_rng((settings.seed, seed))
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
        index, drawn = _draw(labels, ids, settings, rng)
        descriptors.append(describe(image).reshape(labels.size, -1)[index])
        classes.append(drawn)
    return np.concatenate(descriptors), np.concatenate(classes)


def _draw(
    labels: NDArray[np.uint8], ids: Sequence[int], settings: AppearanceSettings, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Flat positions of pixels to learn from, and their classes: half objects, half background."""
    flat = labels.ravel()
    each = max(1, settings.samples // 2 // max(1, len(ids)))
    index: list[NDArray[np.int64]] = []
    classes: list[NDArray[np.int64]] = []
    for number, object_id in enumerate(ids, start=1):
        members = np.flatnonzero(flat == object_id)
        if members.size:  # a few pixels are not shown hundreds of times
            index.append(rng.choice(members, min(each, 4 * members.size)))
            classes.append(np.full(index[-1].size, number, dtype=np.int64))
    ground = np.flatnonzero(flat == 0)
    if ground.size:
        objects = (labels > 0) & (labels < VOID)
        reach = max(3.0, settings.near * float(np.sqrt(np.count_nonzero(objects))))
        distance = cv2.distanceTransform((~objects).astype(np.uint8), cv2.DIST_L2, 3).ravel()
        close = np.flatnonzero((flat == 0) & (distance <= reach))
        for pool in (ground, close if close.size else ground):
            index.append(rng.choice(pool, settings.samples // 4))
            classes.append(np.zeros(settings.samples // 4, dtype=np.int64))
    if not index:
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    return np.concatenate(index), np.concatenate(classes)
