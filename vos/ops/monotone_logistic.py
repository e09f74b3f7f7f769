"""A logistic of named signals with weights that are not negative, and where fitted ones are kept.

It is the calibration map of every confidence: fitted to J as a fractional logistic regression (Papke and
Wooldridge, 1996) by ``training/confidence``, it gives expected J, and never falls when a signal improves.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np


@dataclass(frozen=True)
class MonotoneLogistic:
    """``1 / (1 + exp(-(bias + weighted signals)))``.

    Raises:
        ValueError: for a negative weight.
    """

    bias: float
    weights: Mapping[str, float]
    """By the name of the signal; signals left out count 0."""

    def __post_init__(self) -> None:
        negative = sorted(name for name, weight in self.weights.items() if weight < 0)
        if negative:
            raise ValueError(f"weights must not be negative: {', '.join(negative)}")

    def __call__(self, signals: Mapping[str, float]) -> float:
        """In 0..1."""
        score = self.bias + sum(weight * signals[name] for name, weight in self.weights.items())
        return float(1 / (1 + np.exp(-np.clip(score, -50, 50))))


@cache
def load_models(name: str) -> Mapping[str, MonotoneLogistic]:
    """The models of a tracker or backbone by their purpose, from ``vos/assets/confidence/NAME.json``."""
    path = files("vos").joinpath("assets", "confidence", f"{name}.json")
    models = json.loads(path.read_text(encoding="utf-8"))["models"]
    return {kind: MonotoneLogistic(**model) for kind, model in models.items()}
