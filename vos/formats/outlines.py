"""What formats with polygons have in common."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class OutlineOptions:
    """Options of formats with polygons.

    Raises:
        ValueError: for a value out of range.
    """

    epsilon: float = 0.0
    """Simplify outlines by up to this many pixels (Douglas-Peucker); 0 is exact."""

    def __post_init__(self) -> None:
        if self.epsilon < 0:
            raise ValueError(f"epsilon must be 0 or more, got {self.epsilon}")
