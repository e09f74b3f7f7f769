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
from torch.nn import functional

Floats = NDArray[np.float32]

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


def forward(weights: Sequence[Tensor], x: Tensor) -> Tensor:
    """(N, classes) outputs for (N, inputs)."""
    x = torch.addmm(weights[1], x, weights[0]).relu_()
    x = torch.addmm(weights[3], x, weights[2]).relu_()
    return torch.addmm(weights[5], x, weights[4])


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
    weights = [torch.from_numpy(w.copy()).requires_grad_(True) for w in learner.weights]
    first = [torch.from_numpy(m.copy()) for m in learner.first]
    second = [torch.from_numpy(v.copy()) for v in learner.second]
    mean = [torch.zeros_like(w) for w in weights]
    averaged = 0
    steps = learner.steps
    for inputs, classes, rate in batches:
        outputs = forward(weights, torch.from_numpy(inputs))
        loss = functional.cross_entropy(outputs, torch.from_numpy(classes))
        gradients = torch.autograd.grad(loss, weights)
        steps += 1
        with torch.no_grad():
            _adamw(weights, gradients, first, second, steps, rate, decay)
            if average_from is not None and steps > average_from:
                averaged += 1
                for middle, w in zip(mean, weights, strict=True):
                    middle.add_(w - middle, alpha=1 / averaged)
    last = _arrays(weights)
    return OnlineClassifier(last, _arrays(first), _arrays(second), steps), _arrays(mean) if averaged else last


def _arrays(tensors: Sequence[Tensor]) -> tuple[Floats, ...]:
    return tuple(t.detach().numpy() for t in tensors)


def _adamw(
    weights: Sequence[Tensor],
    gradients: Sequence[Tensor],
    first: Sequence[Tensor],
    second: Sequence[Tensor],
    step: int,
    rate: float,
    decay: float,
) -> None:
    """One step, in place."""
    beta1, beta2 = BETAS
    for w, g, m, v in zip(weights, gradients, first, second, strict=True):
        m.mul_(beta1).add_(g, alpha=1 - beta1)
        v.mul_(beta2).addcmul_(g, g, value=1 - beta2)
        size = (v / (1 - beta2**step)).sqrt_().add_(1e-8)
        w.mul_(1 - rate * decay).sub_(rate / (1 - beta1**step) * m / size)
