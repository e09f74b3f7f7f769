"""The energy over regions: unary terms, and the cost of a cut between neighbours.

A labelling x (1 object, 0 background) of regions i costs

    sum_i -u_i area_i x_i  +  sum_ij w_ij |x_i - x_j|,    w_ij = s length_ij (exp(-contrast_ij / k) + 0.02)

with u the unary term for the object per pixel. Its minimum is a minimum cut (Boykov and Jolly, 2001); the
colour term is re-estimated from the last labelling, as in GrabCut (Rother et al., 2004).
"""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components, dijkstra

from ...arrays import Bools, Floats
from .regions import Regions

CONTRAST_SCALE = 1.5
"""k: contrast, in means of the image, at which a border is e times cheaper to cut."""
CERTAIN = 1e6
"""Unary term per pixel of a hard constraint."""
MIXED = 0.05
"""Share of the whole image's colours in every colour model, so that no probability is 0."""
CLIP = 3.0
"""Log-likelihood ratio of colours at most."""
PSEUDO_COUNT = 80.0
"""Pseudo-count, in pixels, of similar regions nearby."""


def border_costs(regions: Regions, smoothness: float) -> Floats:
    """(m,) cost of cutting between the regions of every pair."""
    costs: Floats = smoothness * regions.length * (np.exp(-regions.contrast / CONTRAST_SCALE) + 0.02)
    return costs


def minimum_cut(regions: Regions, unary: Floats, costs: Floats) -> Bools:
    """(n,) the labelling of least energy; ``unary`` is per pixel, positive for the object."""
    return regions.cut_graph.cut(costs, unary * regions.area)


def colour_unary(regions: Regions, on: Floats, off: Floats) -> Floats:
    """(n,) log-likelihood ratio of every region's look under the colours of ``on`` and of ``off``.

    Args:
        on, off: (n,) weights 0 or more: weight of each region in the colours of the object and of the
            background.
    """
    return np.clip(regions.share @ palette_log_ratio(regions, on, off), -CLIP, CLIP)


def palette_log_ratio(regions: Regions, on: Floats, off: Floats) -> Floats:
    """(P,) log-likelihood ratio of every palette colour."""
    whole = _colours(regions, np.ones(len(regions), np.float32))
    inside, outside = (
        np.log((1 - MIXED) * _colours(regions, weight) + MIXED * whole + 1e-6) for weight in (on, off)
    )
    ratio: Floats = inside - outside
    return ratio


def _colours(regions: Regions, weight: Floats) -> Floats:
    """(P,) share of every palette colour in the regions weighted so; sums to 1, or to 0 without weight."""
    amount = (weight * regions.area) @ regions.share
    histogram: Floats = (amount / max(float(amount.sum()), 1e-6)).astype(np.float32)
    return histogram


def density_unary(regions: Regions, on: Floats, off: Floats) -> Floats:
    """(n,) log-likelihood ratio of every region's look given those of all the others.

    Densities are kernel estimates over the other regions: a region does not contribute to its own, so one
    that was wrongly included does not keep itself in.

    Args:
        on, off: (n,) weights 0 or more: weight of each region in the colours of the object and of the
            background.
    """
    masses = np.stack([on, off, np.ones_like(on)], axis=1) * regions.area[:, None]
    inside, outside, anywhere = (regions.similarity @ masses / np.maximum(masses.sum(axis=0), 1e-6)).T
    ratio = np.log(
        ((1 - MIXED) * inside + MIXED * anywhere + 1e-6) / ((1 - MIXED) * outside + MIXED * anywhere + 1e-6)
    )
    return np.clip(ratio, -CLIP, CLIP)


def local_unary(regions: Regions, on: Floats, off: Floats, affinity: Floats) -> Floats:
    """(n,) log-odds of similar regions nearby; ``affinity`` (n, n) weighs the regions."""
    inside, outside = (affinity @ (np.stack([on, off], axis=1) * regions.area[:, None])).T
    return np.clip(np.log((inside + PSEUDO_COUNT) / (outside + PSEUDO_COUNT)), -CLIP, CLIP)


def geodesic(regions: Regions, sources: Bools, *, threshold: float, per_pixel: float) -> Floats:
    """(n,) length of the cheapest way from any source: contrast above ``threshold`` plus ``per_pixel`` of
    way."""
    if not sources.any():
        return np.full(len(regions), np.inf, np.float32)
    way = np.sqrt(((regions.centre[regions.first] - regions.centre[regions.second]) ** 2).sum(axis=1))
    cost = np.maximum(regions.contrast - threshold, 0) + per_pixel * way + 1e-6
    distances: Floats = dijkstra(
        _symmetric(regions, cost), indices=np.flatnonzero(sources), min_only=True
    ).astype(np.float32)
    return distances


def connected_to(regions: Regions, chosen: Bools, seeds: Bools) -> Bools:
    """The part of ``chosen`` that hangs together with a seed."""
    both = chosen[regions.first] & chosen[regions.second]
    count = len(regions)
    touching = csr_array(
        (np.ones(int(both.sum())), (regions.first[both], regions.second[both])), shape=(count, count)
    )
    _, part = connected_components(touching, directed=False)
    return chosen & np.isin(part, part[seeds & chosen])


def _symmetric(regions: Regions, values: Floats) -> csr_array:
    count = len(regions)
    ends = np.concatenate([regions.first, regions.second]), np.concatenate([regions.second, regions.first])
    return csr_array((np.concatenate([values, values]), ends), shape=(count, count))
