"""F, contour accuracy: how well two outlines agree within a tolerance (Perazzi et al. 2016, section 4.1).

The published definition matches outline pixels one to one; the official evaluation replaces that by a
dilation with a disk, and so does this module: an outline pixel is right if the other outline passes within
``radius`` of it.

All objects of a frame are done together. Each (map, object) is one bit of a word, an image of words holds
all outlines, and a single dilation (an OR over the disk) spreads them all.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from .pair import LabelPair, pair_masks

BOUND = 0.008
"""Tolerance of the DAVIS benchmarks, as a fraction of the image's diagonal."""

_MAX_PLANES = 64


def boundary_radius(height: int, width: int, bound: float = BOUND) -> int:
    """Tolerance in whole pixels: ``bound`` times the diagonal, rounded up; a bound >= 1 is pixels already.

    854x480 -> 8, 910x480 -> 9, 1152x480 -> 10.

    Raises:
        ValueError: the bound is not above 0.
    """
    if bound <= 0:
        raise ValueError(f"bound must be above 0, got {bound}")
    return int(bound) if bound >= 1 else math.ceil(bound * math.hypot(height, width))


def contour_accuracy(
    truth: NDArray, prediction: NDArray, void: NDArray | None = None, bound: float = BOUND
) -> float:
    """F of two binary masks (H, W), any dtype, not 0 is foreground.

    1 if neither has an outline (both empty, or both all of the image), 0 if one has none.
    ``void`` (H, W) marks pixels where both masks count as empty.
    """
    labels = pair_masks(truth, prediction, void)
    return float(contour_accuracies(labels, np.array([[1, 1]]), bound)[0])


def contour_accuracies(
    labels: LabelPair, pairs: NDArray[np.intp], bound: float = BOUND
) -> NDArray[np.float64]:
    """F of several objects of one frame.

    Args:
        labels: the label maps.
        pairs: (N, 2) object ids: of the prediction, of the truth.
        bound: tolerance, see :func:`boundary_radius`.

    Returns:
        (N,) float64 in 0..1.
    """
    scores = np.ones(len(pairs))
    radius = boundary_radius(*labels.size, bound)
    for group in _groups(pairs) if labels.truth.size else ():
        scores[group] = _contour_accuracies(labels, pairs[group], radius)
    return scores


def f_measure(precision: float, recall: float) -> float:
    """Harmonic mean of the two, 0 if both are 0."""
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def _groups(pairs: NDArray[np.intp]) -> Iterator[slice]:
    """Consecutive pairs that together have no more outlines than a word has bits."""
    start, seen = 0, set[tuple[int, int]]()
    for i, (predicted, true) in enumerate(pairs.tolist()):
        seen |= {(0, predicted), (1, true)}
        if len(seen) > _MAX_PLANES:
            yield slice(start, i)
            start, seen = i, {(0, predicted), (1, true)}
    if seen:
        yield slice(start, len(pairs))


def _contour_accuracies(labels: LabelPair, pairs: NDArray[np.intp], radius: int) -> NDArray[np.float64]:
    # Not `np.unique`, which imports `numpy.ma`: as long as scoring a dozen frames.
    predicted_ids, true_ids = (np.array(sorted(set(ids))) for ids in pairs.T.tolist())
    planes = len(predicted_ids) + len(true_ids)
    dtype = next(
        word for word in (np.uint8, np.uint16, np.uint32, np.uint64) if np.iinfo(word).bits >= planes
    )
    bits = (1 << np.arange(planes, dtype=np.uint64)).astype(dtype)
    predicted_bits, true_bits = bits[: len(predicted_ids)], bits[len(predicted_ids) :]

    # Columns of nothing at the right end keep a sideways shift of the flat image out of the next row.
    predicted_at, predicted = _outlines(labels.prediction, predicted_ids, predicted_bits, radius)
    true_at, true = _outlines(labels.truth, true_ids, true_bits, radius)
    height, width = labels.truth.shape
    stride = width + radius
    canvas = np.zeros(height * stride, dtype)
    canvas[predicted_at] = predicted
    canvas[true_at] |= true
    near = _dilate(canvas, stride, radius)

    predicted_planes = _planes(predicted, predicted_bits)
    true_planes = _planes(true, true_bits)
    near_true = _planes(near[predicted_at], true_bits)
    near_predicted = _planes(near[true_at], predicted_bits)
    scores = []
    for p, t in zip(
        np.searchsorted(predicted_ids, pairs[:, 0]), np.searchsorted(true_ids, pairs[:, 1]), strict=True
    ):
        precision = _share_near(predicted_planes[p], near_true[t])
        recall = _share_near(true_planes[t], near_predicted[p])
        scores.append(f_measure(precision, recall))
    return np.array(scores)


def _outlines(
    labels: NDArray[np.uint8], ids: NDArray[np.intp], bits: NDArray, radius: int
) -> tuple[NDArray[np.intp], NDArray]:
    """Outline pixels of a label map.

    A pixel is on the outline of an object if the object covers some but not all of the pixel, its right, its
    lower and its lower right neighbour; what lies outside the image is no neighbour. In a label map those
    are the pixels where the four differ, and they are on the outline of each object among the four.

    Returns:
        (E,) indices into the flat image whose rows are ``radius`` longer than those of ``labels``, and
        (E,) words, the bits of the objects whose outline passes there.
    """
    height, width = labels.shape
    stride = width + radius
    # Repeating the last row and column stands for "no neighbour": equal to what is there already.
    flat = cv2.copyMakeBorder(labels, 0, 1, 0, radius, cv2.BORDER_REPLICATE).ravel()
    sideways = flat[:-1] ^ flat[1:]
    edges = np.zeros((height, stride), np.uint8)
    edges.reshape(-1)[:-1] = sideways[:-stride] | sideways[stride:] | (flat[: -stride - 1] ^ flat[stride:-1])
    edges[:, width:] = 0
    at = np.flatnonzero(edges != 0)
    around = flat[at + np.array([[0], [1], [stride], [stride + 1]])]
    table = np.zeros(256, bits.dtype)
    table[ids] = bits
    return at, np.bitwise_or.reduce(table[around], axis=0)


def _dilate(words: NDArray, stride: int, radius: int) -> NDArray:
    """Spread every bit over a disk, ``x^2 + y^2 <= radius^2``; nothing comes in from outside.

    ``words`` is a flat image with rows of ``stride``, of which the last ``radius`` are 0.
    """
    near = words.copy()
    run, reach = words, 0
    for rows, half_width in _disk_rows(radius):
        while reach < half_width:
            # Runs of 2 * reach + 1 pixels, moved by up to one run either way, leave no gap.
            step = min(2 * reach + 1, half_width - reach)
            run, reach = _spread(run, step), reach + step
        for row in rows:
            if row:
                near[row * stride :] |= run[: -row * stride]
                near[: -row * stride] |= run[row * stride :]
            else:
                near |= run
    return near


def _spread(words: NDArray, step: int) -> NDArray:
    """The image, together with itself moved ``step`` pixels to the left and to the right."""
    wider = words.copy()
    wider[step:] |= words[:-step]
    wider[:-step] |= words[step:]
    return wider


@cache
def _disk_rows(radius: int) -> tuple[tuple[tuple[int, ...], int], ...]:
    """Rows of a disk by half width, narrowest first: (distances from the middle row, half width)."""
    widths = [math.isqrt(radius * radius - row * row) for row in range(radius + 1)]
    return tuple(
        (tuple(row for row, w in enumerate(widths) if w == width), width) for width in sorted(set(widths))
    )


def _planes(words: NDArray, bits: NDArray) -> NDArray[np.bool_]:
    """(len(bits), E) bool: which words have which bit."""
    return (words & bits[:, None]) != 0


def _share_near(outline: NDArray[np.bool_], near: NDArray[np.bool_]) -> float:
    """Share of an outline's pixels that are near the other; 1 if there are none, as officially."""
    count = np.count_nonzero(outline)
    return np.count_nonzero(outline & near) / count if count else 1.0
