"""Connected components of an object's new mask that are kept.

A piece that was there before stays. A piece that turns up apart from the rest is most often something else
that looks like the object; it is believed in only as far as the object has room for it: when a part of the
usual area is missing, because the object went behind something and comes out on the other side. A piece that
was another object before is still that object: labels change hands with whole objects only, not in pieces.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ...ops.overlap import argmax_rows

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class ComponentSettings:
    """Which components to keep."""

    known: float = 0.3
    """A piece stays when this share of it was the object before. 0 keeps all pieces."""
    smallest: float = 0.01
    """Pieces below this part of the largest one are dropped."""
    gap: float = 0.04
    """Pieces closer to each other than twice this, in object sizes, are one."""
    least_new: float = 0.05
    """A new piece has at least this part of the usual area."""
    room: float = 1.1
    """New pieces are taken, the best first, until the area is this much of the usual one."""
    taken: float = 0.5
    """A new piece is dropped when this share of it was other objects before. 1 allows it."""


def filter_components(
    belief: Floats,
    warped: Floats,
    expected: NDArray[np.bool_],
    appearance: Floats,
    areas: list[float],
    settings: ComponentSettings,
) -> Floats:
    """Label probabilities without the components that are dropped.

    Args:
        belief: (1 + K, h, w) float32 label probabilities; not changed.
        warped: (K, h, w) float32, the objects' previous masks, warped to this image.
        expected: (K, h, w) bool, where the objects may turn up: there, or where their shapes are predicted.
        looks: (1 + K, h, w) float32 probabilities by appearance.
        areas: usual area of each object in pixels of this image.
    """
    labels = argmax_rows(belief)
    result = belief.copy()
    anything = warped.sum(axis=0) > 0.5
    for k, (before, usual) in enumerate(zip(expected, areas, strict=True), start=1):
        here = labels == k
        if here.any() and settings.known > 0:
            stray = _strays(here, before, anything & ~before, appearance[k], usual, settings)
            result[k][stray] = 0
    return result


def _strays(
    here: NDArray[np.bool_],
    before: NDArray[np.bool_],
    others: NDArray[np.bool_],
    appearance: Floats,
    usual: float,
    settings: ComponentSettings,
) -> NDArray[np.bool_]:
    """(h, w) bool: pixels of the pieces to drop."""
    reach = 2 * max(1, int(settings.gap * np.sqrt(usual))) + 1
    thick = cv2.dilate(here.astype(np.uint8), np.ones((reach, reach), np.uint8))
    count, pieces = cv2.connectedComponents(thick)
    taken = here & others
    if count <= 2 and before.any() and not taken.any():
        return np.zeros_like(here)
    size = np.bincount(pieces[here], minlength=count).astype(float)
    known = np.bincount(pieces[here & before], minlength=count)
    foreign = np.bincount(pieces[taken], minlength=count) > settings.taken * np.maximum(size, 1)
    mean = np.bincount(pieces[here], weights=appearance[here], minlength=count) / np.maximum(size, 1)
    keep = (known >= settings.known * np.maximum(size, 1)) & (size >= settings.smallest * size.max())
    foreign &= known < settings.known * size
    if known.any():
        keep[int(known.argmax())] = True
    elif count == 2 and before.any():
        keep[1:] = True  # flow lost it, and it is in one piece somewhere
    keep &= ~foreign
    total = size[keep].sum()
    for piece in np.argsort(-mean * size, kind="stable"):
        fits = size[piece] >= settings.least_new * usual and total + size[piece] <= settings.room * usual
        if size[piece] and not keep[piece] and not foreign[piece] and fits:
            keep[piece] = True
            total += size[piece]
    return here & ~keep[pieces]
