"""Learning rate and log of a training that is limited by time."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol


class Schedule(Protocol):
    """The part of a recipe that the learning rate depends on."""

    @property
    def warmup(self) -> int:
        """Steps in which the rate rises."""

    @property
    def cooldown(self) -> float:
        """Part of the time at the end in which it falls."""


def rate_factor(step: int, progress: float, recipe: Schedule) -> float:
    """Factor of the learning rate after ``progress``, in 0..1, of the time."""
    if step < recipe.warmup:
        return (step + 1) / recipe.warmup
    left = (1 - progress) / recipe.cooldown
    return float(0.02 + 0.98 * min(1.0, max(0.0, left)))


def append_row(path: Path, row: Mapping[str, object]) -> None:
    """Add a row to a CSV file, after a header if the file is new."""
    fresh = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, row)
        if fresh:
            writer.writeheader()
        writer.writerow(row)
