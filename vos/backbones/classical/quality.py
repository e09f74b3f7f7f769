"""Predicted IoU of a hypothesis, from measurements that need no ground truth."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from ...arrays import Bools, Floats
from .regions import Regions
from .unary import UnaryTerms

WEIGHTS = {
    "clicks": {
        "bias": -0.3,
        "interior": 0.09,
        "contour": 0.04,
        "alike_near": -0.18,
        "compact": 0.36,
        "size": -0.05,
        "agreement": 0.28,
        "depth": 0.23,
        "clear": 0.22,
    },
    "click": {
        "bias": -0.14,
        "strong": 0.3,
        "alike_near": -0.3,
        "rim": -0.15,
        "compact": 0.2,
        "agreement": 0.35,
        "depth": 0.3,
    },
    "box": {
        "bias": 0.63,
        "contour": 0.04,
        "alike_near": -0.12,
        "compact": 0.18,
        "size": 0.33,
        "agreement": 0.3,
        "gap": -0.25,
    },
    "mask": {
        "bias": 0.5,
        "contour": 0.12,
        "alike_near": -0.17,
        "rim": 0.15,
        "kept": 0.15,
    },
}
"""Weights of the measurements in the predicted IoU, by kind of prompt.

A least-squares fit of differences between hypotheses of one prompt, rounded; docs/prompts.md says on what.
"""

SHARPNESS = 0.15
"""Difference of predicted quality at which a hypothesis is e times less likely to be the right one."""

STRONGEST = 3.0
"""Contrast beyond which a border is not counted as any stronger."""
RING = 3
"""Regions on either side of a contour that are compared across it."""


def predicted_quality(regions: Regions, terms: UnaryTerms, found: Bools) -> Floats:
    """(K,) predicted IoU of (K, n) labellings, 0..1."""
    measurements = measure(regions, terms, found)
    weights = dict(WEIGHTS[_kind(terms)])
    quality = np.full(len(found), weights.pop("bias"), np.float32)
    for name, weight in weights.items():
        quality += np.float32(weight) * measurements[name]
    return np.clip(quality, 0, 1)


def _kind(terms: UnaryTerms) -> str:
    """Kind of the prompt: a key of :data:`WEIGHTS`."""
    if terms.mask_prompt is not None:
        return "mask"
    if terms.box is not None:
        return "box"
    # A far negative point, as PerSAM gives beside the positive one, carries no information on the object's
    # extent; the weights for several clicks were fitted to clicks that correct.
    return "click" if terms.clicks is None or len(terms.clicks) <= 1 else "clicks"


def choose(regions: Regions, found: Bools, quality: Floats, count: int) -> list[int]:
    """Rows of ``count`` of (K, n) labellings that together most likely hold a good one; the best comes first.

    Each next one adds most to the expected IoU of the best of those chosen. Where there are fewer
    labellings, the best is repeated.
    """
    chosen = [int(quality.argmax())]
    likely = np.exp((quality - quality.max()) / SHARPNESS)
    likely /= likely.sum()
    iou = overlaps(regions, found)
    reached = iou[chosen[0]]
    while len(chosen) < min(count, len(found)):
        gain = np.maximum(reached, iou) @ likely
        gain[chosen] = -1
        chosen.append(int(gain.argmax()))
        reached = np.maximum(reached, iou[chosen[-1]])
    return chosen + chosen[:1] * (count - len(chosen))


def measure(regions: Regions, terms: UnaryTerms, found: Bools) -> dict[str, Floats]:
    """Measurements of each of (K, n) labellings; each entry is (K,) float32.

    ``contour``: mean contrast along the contour, in means of the image, at most 3.
    ``interior``: the same between neighbours within the object.
    ``strong``: share of the contour that is more contrasted than the mean border.
    ``alike_near``: Bhattacharyya coefficient of the colours of a few regions on both sides of the contour,
        0 different to 1 same.
    ``rim``: share of the contour that is the border of the image.
    ``compact``: 4 pi area / contour^2, 1 for a disc.
    ``size``: log10 of the share of the image.
    ``agreement``: mean IoU with the other labellings.
    ``depth``: how deep within the object the deepest click lies, 1 at its deepest point.
    ``clear``: distance from the contour of the click that is nearest to it, on the object or off it, in
        tenths of the object's size (the root of its area), at most 1.
    ``gap``: largest share of the box between the object and a side.
    ``kept``: IoU with the mask prompt.

    The last four are 0 where the prompt has no such part.
    """
    area = float(regions.area.sum())
    sizes = found @ regions.area
    border, interior = _borders(regions, found)
    contrast = np.minimum(regions.contrast, STRONGEST)
    contour = border @ regions.length
    within = np.maximum(interior @ regions.length, 1e-6)
    on_rim = found @ regions.rim
    around = np.maximum(contour + on_rim, 1e-6)
    near = _ring(regions, border)
    measurements = {
        "contour": border @ (regions.length * contrast) / np.maximum(contour, 1e-6),
        "interior": interior @ (regions.length * contrast) / within,
        "strong": border @ (regions.length * (regions.contrast > 1)) / np.maximum(contour, 1e-6),
        "alike_near": _alike(regions, found & near, ~found & near),
        "rim": on_rim / around,
        "compact": np.minimum(4 * np.pi * sizes / around**2, 1),
        "size": np.log10(sizes / area + 1e-4),
        "agreement": _agreement(regions, found),
        "kept": _kept(regions, terms, found),
    }
    measurements["depth"], measurements["clear"] = _around_clicks(regions, terms, found)
    measurements["gap"] = _gap(regions, terms, found)
    return {name: values.astype(np.float32) for name, values in measurements.items()}


def _borders(regions: Regions, found: Bools) -> tuple[Floats, Floats]:
    """(K, m) 1 for pairs that the contour parts, and (K, m) 1 for pairs within the object."""
    one, other = found[:, regions.first], found[:, regions.second]
    return (one != other).astype(np.float32), (one & other).astype(np.float32)


def _ring(regions: Regions, border: Floats) -> Bools:
    """(K, n) regions within a few steps of the contour."""
    ring = np.zeros((len(border), len(regions)), bool)
    for row, parted in enumerate(border > 0):
        for _ in range(RING):
            ring[row, regions.first[parted]] = ring[row, regions.second[parted]] = True
            parted = ring[row, regions.first] | ring[row, regions.second]
    return ring


def _alike(regions: Regions, one: Bools, other: Bools) -> Floats:
    """(K,) Bhattacharyya coefficient of the colours of two sets of regions."""
    first, second = ((part * regions.area) @ regions.share for part in (one, other))
    first /= np.maximum(first.sum(axis=1, keepdims=True), 1e-6)
    second /= np.maximum(second.sum(axis=1, keepdims=True), 1e-6)
    coefficient: Floats = np.sqrt(first * second).sum(axis=1)
    return coefficient


def overlaps(regions: Regions, found: Bools) -> Floats:
    """(K, K) IoU of every two labellings."""
    weighted = found * regions.area
    shared = weighted @ found.T.astype(np.float32)
    sizes = np.diag(shared)
    iou: Floats = shared / np.maximum(sizes[:, None] + sizes[None] - shared, 1e-6)
    return iou


def agreement_with(regions: Regions, found: Bools, probabilities: Floats) -> Floats:
    """(K,) soft IoU of (K, n) labellings with (n,) probabilities."""
    shared = found @ (regions.area * probabilities)
    agreement: Floats = shared / np.maximum(
        found @ regions.area + regions.area @ probabilities - shared, 1e-6
    )
    return agreement


def _agreement(regions: Regions, found: Bools) -> Floats:
    others = max(len(found) - 1, 1)
    agreement: Floats = (overlaps(regions, found).sum(axis=1) - 1) / others
    return agreement


def _around_clicks(regions: Regions, terms: UnaryTerms, found: Bools) -> tuple[Floats, Floats]:
    depth, clear = np.zeros(len(found), np.float32), np.zeros(len(found), np.float32)
    on, off = (_pixels(points, regions.size) for points in (terms.clicks, terms.off_clicks))
    if len(on[0]) + len(off[0]) == 0:
        return depth, clear
    for k, labelling in enumerate(found):
        mask = np.pad(labelling[regions.labels].astype(np.uint8), 1)
        within = cv2.distanceTransform(mask, cv2.DIST_L2, 3)[1:-1, 1:-1]
        distances = within[on]
        if len(distances):
            depth[k] = distances.max() / max(float(within.max()), 1e-6)
        if len(off[0]):
            distances = np.concatenate(
                [distances, cv2.distanceTransform(1 - mask, cv2.DIST_L2, 3)[1:-1, 1:-1][off]]
            )
        clear[k] = min(float(distances.min()) / max(0.1 * float(mask.sum()) ** 0.5, 1.0), 1.0)
    return depth, clear


def _pixels(points: Floats | None, size: tuple[int, int]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows and columns of the pixels that (P, 2) points lie in."""
    if points is None:
        points = np.zeros((0, 2), np.float32)
    column = np.clip(np.rint(points[:, 0]), 0, size[1] - 1).astype(np.intp)
    row = np.clip(np.rint(points[:, 1]), 0, size[0] - 1).astype(np.intp)
    return row, column


def _kept(regions: Regions, terms: UnaryTerms, found: Bools) -> Floats:
    if terms.mask_prompt is None:
        return np.zeros(len(found), np.float32)
    inside = regions.mean((terms.mask_prompt > 0.5).astype(np.float32)) * regions.area
    shared = found @ inside
    kept: Floats = shared / np.maximum(found @ regions.area + inside.sum() - shared, 1e-6)
    return kept


def _gap(regions: Regions, terms: UnaryTerms, found: Bools) -> Floats:
    gap = np.zeros(len(found), np.float32)
    if terms.box is None:
        return gap
    height, width = regions.size
    x0, x1 = (int(np.clip(round(v), 0, width)) for v in (terms.box[0], terms.box[2]))
    y0, y1 = (int(np.clip(round(v), 0, height)) for v in (terms.box[1], terms.box[3]))
    labels = regions.labels[y0:y1, x0:x1]
    if labels.size == 0:
        return gap
    for k, labelling in enumerate(found):
        mask = labelling[labels]
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        gap[k] = 1.0
        if len(rows):
            vertical = max(rows[0], len(mask) - 1 - rows[-1]) / len(mask)
            gap[k] = max(vertical, max(columns[0], mask.shape[1] - 1 - columns[-1]) / mask.shape[1])
    return gap
