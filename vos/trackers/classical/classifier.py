"""A small network in three layers and how it learns: plain functions on lists of tensors.

The weights are [W1, b1, W2, b2, W3, b3]; a layer computes ``x @ W + b``, the first two are rectified.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...arrays import Floats

Batch = tuple[Floats, NDArray[np.int64], float]
"""Inputs (N, C), classes (N,), learning rate of one step."""

BETAS = (0.9, 0.99)
"""Adam's decay rates: a few hundred steps are made, so the second is below the usual 0.999."""


@dataclass(frozen=True, eq=False)
class OnlineClassifier:
    """A network and the momenta of its optimiser."""

    weights: tuple[Floats, ...]
    first: tuple[Floats, ...]
    second: tuple[Floats, ...]
    steps: int

    @staticmethod
    def starting_from(weights: Sequence[Floats]) -> OnlineClassifier:
        """A learner that has made no step yet."""
        zeros = tuple(np.zeros_like(w) for w in weights)
        return OnlineClassifier(tuple(weights), zeros, zeros, 0)


def initial_weights(inputs: int, hidden: tuple[int, int], classes: int, seed: int) -> tuple[Floats, ...]:
    """He initialisation; the last layer is small, so that learning starts from indifference."""
    generator = torch.Generator().manual_seed(seed)
    sizes = (inputs, *hidden, classes)
    weights: list[Floats] = []
    for layer, (rows, columns) in enumerate(pairwise(sizes)):
        gain = (2 / rows) ** 0.5 * (0.1 if layer == 2 else 1.0)
        weights.append((torch.randn(rows, columns, generator=generator) * gain).numpy())
        weights.append(np.zeros(columns, dtype=np.float32))
    return tuple(weights)


def learn(
    learner: OnlineClassifier,
    batches: Iterable[Batch],
    decay: float,
    average_from: int | None = None,
) -> tuple[OnlineClassifier, tuple[Floats, ...]]:
    """Some steps of AdamW (Loshchilov and Hutter, 2019) on the cross-entropy.

    Args:
        learner: where to go on from; not changed.
        batches: one for each step; may be lazy.
        decay: weight decay.
        average_from: the weights after this step and all later ones are averaged.

    Returns:
        The learner after the last step, and the averaged weights (the last ones where nothing is averaged).
    """
    weights, first, second = (_Flat(v) for v in (learner.weights, learner.first, learner.second))
    gradient = _Flat(learner.first)
    mean = torch.zeros_like(weights.all)
    averaged = 0
    steps = learner.steps
    with torch.no_grad():
        for inputs, classes, rate in batches:
            _gradient(weights.parts, torch.from_numpy(inputs), torch.from_numpy(classes), gradient.parts)
            steps += 1
            _adamw(weights.all, gradient.all, first.all, second.all, steps, rate, decay)
            if average_from is not None and steps > average_from:
                averaged += 1
                mean.lerp_(weights.all, 1 / averaged)
    last = weights.arrays()
    if averaged:
        weights.all.copy_(mean)
    after = OnlineClassifier(last, first.arrays(), second.arrays(), steps)
    return after, weights.arrays() if averaged else last


class _Flat:
    """Copies of several arrays in one vector: a step of the optimiser is a few operations, not dozens."""

    def __init__(self, arrays: Sequence[Floats]) -> None:
        self.all = torch.from_numpy(np.concatenate([a.ravel() for a in arrays]))
        pieces = self.all.split([a.size for a in arrays])
        self.parts = [piece.view(a.shape) for piece, a in zip(pieces, arrays, strict=True)]

    def arrays(self) -> tuple[Floats, ...]:
        return tuple(part.numpy().copy() for part in self.parts)


def _gradient(weights: Sequence[Tensor], x: Tensor, classes: Tensor, gradient: Sequence[Tensor]) -> None:
    """Put the gradient of the mean cross-entropy into ``gradient``.

    Written out, since autograd costs as much as the arithmetic of so small a network.
    """
    w1, b1, w2, b2, w3, b3 = weights
    hidden1 = torch.addmm(b1, x, w1).relu_()
    hidden2 = torch.addmm(b2, hidden1, w2).relu_()
    # One row per class: softmax over two or three numbers in a row is several times slower.
    error = torch.softmax(torch.addmm(b3[:, None], w3.T, hidden2.T), dim=0)
    error[classes, torch.arange(len(x))] -= 1
    error = error.div_(len(x)).T
    rectified = torch.ops.aten.threshold_backward
    torch.mm(hidden2.T, error, out=gradient[4])
    torch.sum(error, dim=0, out=gradient[5])
    error = rectified(torch.mm(error, w3.T), hidden2, 0)
    torch.mm(hidden1.T, error, out=gradient[2])
    torch.sum(error, dim=0, out=gradient[3])
    error = rectified(torch.mm(error, w2.T), hidden1, 0)
    torch.mm(x.T, error, out=gradient[0])
    torch.sum(error, dim=0, out=gradient[1])


def _adamw(
    weights: Tensor, gradient: Tensor, first: Tensor, second: Tensor, step: int, rate: float, decay: float
) -> None:
    """One step, in place."""
    beta1, beta2 = BETAS
    first.lerp_(gradient, 1 - beta1)
    second.mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2)
    size = (second / (1 - beta2**step)).sqrt_().add_(1e-8)
    weights.mul_(1 - rate * decay).addcdiv_(first, size, value=-rate / (1 - beta1**step))
