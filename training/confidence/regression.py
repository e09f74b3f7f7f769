"""Fractional logistic regression with weights that are not negative, and its cross-validation by sequence.

Expected J is the logistic of a weighted sum of signals (Papke and Wooldridge, 1996), times a factor that is
known: 1, or that of the mask from which tracking started. Each signal is oriented so that more of it speaks
for a better mask, and weights are kept from becoming negative, so expected J never falls when a signal
improves. Frames of one sequence resemble each other, so each sequence weighs the same
however long it is, and cross-validation leaves out whole sequences.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

from vos.arrays import Doubles

FOLDS = 10
RIDGE = 0.05
"""Penalty on the squared distance of standardised weights from :data:`PRIOR`, beside the loss averaged over
sequences."""
PRIOR = 0.1
"""Weight of a signal of which nothing is known. On few sequences equal weights predict better than fitted
ones (Dawes, 1979), and what never went wrong on these may go wrong on others."""
LEAST = 0.06
"""Least standardised weight of any signal, for the same reason."""


@dataclass(frozen=True, eq=False)
class Samples:
    """One row per mask."""

    signals: Doubles
    """(n, s), oriented so that more is better."""
    j: Doubles
    """(n,) region similarity with the truth, in 0..1."""
    sequences: NDArray[Any]
    """(n,) names; all that comes from one sequence shares a name."""
    factor: Doubles
    """(n,) in 0..1, of expected J."""

    def __getitem__(self, rows: Any) -> Samples:
        return Samples(self.signals[rows], self.j[rows], self.sequences[rows], self.factor[rows])

    def __add__(self, other: Samples) -> Samples:
        return Samples(
            np.concatenate([self.signals, other.signals]),
            np.concatenate([self.j, other.j]),
            np.concatenate([self.sequences, other.sequences]),
            np.concatenate([self.factor, other.factor]),
        )


@dataclass(frozen=True, eq=False)
class Logistic:
    """Expected J of a row of signals, without its factor: ``1 / (1 + exp(-(bias + signals @ weights)))``."""

    weights: Doubles
    bias: float

    def named(self, names: Sequence[str]) -> dict[str, Any]:
        """As it is stored: weights by name, without those that are 0."""
        weights = zip(names, self.weights, strict=True)
        kept = {name: round(float(weight), 4) for name, weight in weights if weight > 0}
        return {"bias": round(self.bias, 4), "weights": kept}

    def __call__(self, signals: Doubles) -> Doubles:
        """(n,) of (n, s) signals."""
        return np.asarray(1 / (1 + np.exp(-(signals @ self.weights + self.bias))))


def fit(samples: Samples, ridge: float = RIDGE, least: float = LEAST) -> Logistic:
    """The logistic of non-negative weights that, times the factors, fits J best."""
    mean, spread = samples.signals.mean(axis=0), samples.signals.std(axis=0)
    varies = spread > 1e-6  # nothing can be learned of a signal that is always the same
    x, j = (samples.signals - mean) / np.where(varies, spread, np.inf), samples.j
    factor = np.minimum(samples.factor, 1 - 1e-9)
    share = sequence_weights(samples.sequences)

    def loss(parameters: Doubles) -> tuple[float, Doubles]:
        weights, bias = parameters[:-1], parameters[-1]
        score = x @ weights + bias
        shift = weights - PRIOR * varies
        logistic = 1 / (1 + np.exp(-score))
        failure = 1 - factor * logistic
        entropy = j * (np.logaddexp(0, -score) - np.log(factor)) - (1 - j) * np.log(failure)
        value = share @ entropy + ridge * shift @ shift
        error = share * (1 - logistic) * ((1 - j) * factor * logistic / failure - j)
        return value, np.append(x.T @ error + 2 * ridge * shift, error.sum())

    count = x.shape[1]
    start = np.append(np.full(count, PRIOR), 1.0)
    found = optimize.minimize(
        loss, start, jac=True, method="L-BFGS-B", bounds=[(least, None)] * count + [(None, None)]
    )
    weights = np.where(varies, found.x[:-1] / np.where(varies, spread, 1), 0)
    return Logistic(weights, float(found.x[-1] - weights @ mean))


def cross_validated(
    samples: Samples, ridge: float = RIDGE, folds: int = FOLDS, more: Samples | None = None
) -> Doubles:
    """(n,) expected J of each row by a model fitted to other sequences; ``more`` is fitted to as well."""
    every = samples if more is None else samples + more
    predicted = np.empty(len(samples.j))
    fold = fold_of(every.sequences, folds)
    asked = fold[: len(predicted)]
    for number in np.unique(asked):
        model = fit(every[fold != number], ridge)
        left_out = samples[asked == number]
        predicted[asked == number] = model(left_out.signals) * left_out.factor
    return predicted


def sequence_weights(sequences: NDArray[Any]) -> Doubles:
    """(n,) weights that sum to 1, and to the same in each sequence."""
    _, number, counts = np.unique(sequences, return_inverse=True, return_counts=True)
    return np.asarray(1 / counts[number] / len(counts))


def fold_of(sequences: NDArray[Any], folds: int) -> NDArray[np.intp]:
    """(n,) fold of each row: sequences in the order of their names are dealt out in turn."""
    _, number = np.unique(sequences, return_inverse=True)
    return np.asarray(number % folds, np.intp)
