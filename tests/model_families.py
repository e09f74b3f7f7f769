"""Which models stand for others in tests that run over a table of them."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

FAMILIES = {
    "sam-vit-": "sam-vit-b",
    "sam-hq-": "sam-hq-vit-b",
    "sam2": "sam2.1-tiny",
    "efficienttam-": "efficienttam-ti",
}
"""Beginning of the names of models that differ by their sizes -> the one that stands for all of them."""


def of_each_family(names: Iterable[str]) -> list[object]:
    """All names as parameters; those that another one stands for are slow."""
    names = sorted(names)
    others = {
        name
        for name in names
        for beginning, one in FAMILIES.items()
        if name.startswith(beginning) and name != one
    }
    return [pytest.param(name, marks=pytest.mark.slow) if name in others else name for name in names]
