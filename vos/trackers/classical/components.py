"""Filtering of the connected components of an object's new mask.

A component that overlaps the warped mask is kept. A new component apart from the rest is most often
something else that looks like the object; it is kept only where a part of the usual area is missing, since
the object may be reappearing on the other side of an occluder. A component that was another object before is
removed: an object's label does not move to another object in parts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import cv2
import numpy as np
from numpy.typing import NDArray

from ...arrays import Floats
from ...ops.overlap import argmax_rows


@dataclass(frozen=True)
class ComponentSettings:
    """Which components to keep."""

    RENAMED: ClassVar = {
        "known": "min_overlap",
        "smallest": "min_area",
        "gap": "merge_distance",
        "least_new": "min_new_area",
        "room": "max_area",
        "taken": "max_foreign",
    }

    min_overlap: float = 0.3
    """A component is kept if this share of it was the object before. 0 keeps all components."""
    min_area: float = 0.01
    """Components below this share of the largest one are removed."""
    merge_distance: float = 0.04
    """Components closer to each other than twice this, in object sizes, count as one."""
    min_new_area: float = 0.05
    """A new component has at least this share of the usual area."""
    max_area: float = 1.1
    """New components are added, the best first, until the area is this multiple of the usual one."""
    max_foreign: float = 0.5
    """A new component is removed if this share of it was other objects before. 1 allows it."""


def filter_components(
    probabilities: Floats,
    warped: Floats,
    expected: NDArray[np.bool_],
    appearance: Floats,
    areas: list[float],
    settings: ComponentSettings,
) -> Floats:
    """Label probabilities without the removed components.

    Args:
        probabilities: (1 + K, h, w) float32 label probabilities; not changed.
        warped: (K, h, w) float32, the objects' previous masks, warped to this image.
        expected: (K, h, w) bool, where the objects may appear: in the warped masks or in their predicted
            shapes.
        appearance: (1 + K, h, w) float32 probabilities by appearance.
        areas: usual area of each object in pixels of this image.
    """
    labels = argmax_rows(probabilities)
    result = probabilities.copy()
    anything = warped.sum(axis=0) > 0.5
    for k, (before, usual) in enumerate(zip(expected, areas, strict=True), start=1):
        here = labels == k
        if here.any() and settings.min_overlap > 0:
            rejected = _rejected(here, before, anything & ~before, appearance[k], usual, settings)
            result[k][rejected] = 0
    return result


def _rejected(
    here: NDArray[np.bool_],
    before: NDArray[np.bool_],
    others: NDArray[np.bool_],
    appearance: Floats,
    usual: float,
    settings: ComponentSettings,
) -> NDArray[np.bool_]:
    """(h, w) bool: pixels of the components to remove."""
    reach = 2 * max(1, int(settings.merge_distance * np.sqrt(usual))) + 1
    thick = cv2.dilate(here.astype(np.uint8), np.ones((reach, reach), np.uint8))
    count, components = cv2.connectedComponents(thick)
    foreign_pixels = here & others
    if count <= 2 and before.any() and not foreign_pixels.any():
        return np.zeros_like(here)
    size = np.bincount(components[here], minlength=count).astype(float)
    known = np.bincount(components[here & before], minlength=count)
    foreign = np.bincount(components[foreign_pixels], minlength=count) > settings.max_foreign * np.maximum(
        size, 1
    )
    mean = np.bincount(components[here], weights=appearance[here], minlength=count) / np.maximum(size, 1)
    keep = (known >= settings.min_overlap * np.maximum(size, 1)) & (size >= settings.min_area * size.max())
    foreign &= known < settings.min_overlap * size
    if known.any():
        keep[int(known.argmax())] = True
    elif count == 2 and before.any():
        keep[1:] = True  # flow lost it, and it is one component elsewhere
    keep &= ~foreign
    total = size[keep].sum()
    for component in np.argsort(-mean * size, kind="stable"):
        fits = (
            size[component] >= settings.min_new_area * usual
            and total + size[component] <= settings.max_area * usual
        )
        if size[component] and not keep[component] and not foreign[component] and fits:
            keep[component] = True
            total += size[component]
    return here & ~keep[components]
