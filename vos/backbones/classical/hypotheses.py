"""Many hypotheses of one object: minimum cuts from several starts, with several biases to small and large."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .contours import retrace
from .energy import CERTAIN, Bools, border_costs, colour_evidence, connected_to, minimum_cut
from .regions import Floats, Regions
from .unary import Evidence, Start

ROUNDS = 3
"""Cuts per search; colours are re-estimated from each."""
COLOUR_WEIGHT = 0.5
PRIOR_WEIGHT = 0.5
GAP = 0.12
"""A box is drawn tight: a side that the object misses by this share of the box is evidence for what is
there."""
TIGHT_WEIGHT = 0.4
BELIEF_WEIGHT = 0.8
"""Evidence of a certain belief of another model."""
LEAST_BELIEF = 1e-3
"""Added to probabilities, whose logarithm is taken."""


def search(regions: Regions, evidence: Evidence) -> Bools:
    """(K, n) distinct labellings, in the order they were found; none is empty."""
    costs = border_costs(regions, evidence.smoothness)
    if evidence.rough is not None:
        return _distinct(retrace(regions, evidence, evidence.rough, costs))
    return _distinct(
        [
            _descend(regions, evidence, start, bias, costs)
            for start in evidence.starts
            for bias in evidence.biases
        ]
    )


def search_with(regions: Regions, evidence: Evidence, found: Bools, believed: Floats) -> Bools:
    """(K', n) the labellings found, those found with a belief as further evidence, and the belief's own.

    ``believed`` (B, n) are probabilities of the object by region.
    """
    mean = believed.mean(axis=0)
    odds = np.log((mean + LEAST_BELIEF) / (1 - mean + LEAST_BELIEF)) / 2
    lean = evidence.lean + np.float32(BELIEF_WEIGHT) * np.clip(odds, -1, 1).astype(np.float32)
    guided = search(regions, replace(evidence, lean=lean))
    own = believed > 0.5
    own[:, evidence.barred] = False
    own[:, evidence.seeds] = True
    return _distinct([*found, *guided, *own])


def _distinct(found: list[Bools]) -> Bools:
    """(K, n) the labellings that differ and are not empty, in order; at least the first."""
    kept = {labelling.tobytes(): labelling for labelling in found if labelling.any()}
    return np.stack(list(kept.values()) or found[:1])


def _descend(regions: Regions, evidence: Evidence, start: Start, bias: float, costs: Floats) -> Bools:
    """(n,) the labelling that a few rounds of cutting and re-estimating colours end in."""
    on, off = start.on, start.off
    stretch = np.zeros(len(regions), np.float32)
    chosen = on > 0
    for round_number in range(ROUNDS):
        last = round_number == ROUNDS - 1
        pull = COLOUR_WEIGHT * colour_evidence(regions, on, off) + evidence.lean + stretch + bias
        pull += (evidence.keep_prior if last else PRIOR_WEIGHT) * start.prior
        pull[evidence.barred], pull[evidence.seeds] = -CERTAIN, CERTAIN
        cut = minimum_cut(regions, pull, costs)
        if evidence.one_piece and (cut & evidence.seeds).any():
            cut = connected_to(regions, cut, evidence.seeds)
        if not cut.any():
            break
        chosen = cut
        on, off = chosen.astype(np.float32), (~chosen).astype(np.float32)
        if evidence.box is not None:
            stretch += TIGHT_WEIGHT * _beyond(regions, chosen, evidence.box)
    return chosen


def _beyond(regions: Regions, chosen: Bools, box: tuple[float, float, float, float]) -> Floats:
    """(n,) 1 for regions between the object and a side of the box that it does not reach, about the
    middle."""
    x0, y0, x1, y1 = box
    place = (regions.centre - (x0, y0)) / (x1 - x0, y1 - y0)
    low, high = place[chosen].min(axis=0), place[chosen].max(axis=0)
    beyond = np.zeros(len(regions), np.float32)
    for axis in (0, 1):
        central = np.abs(place[:, 1 - axis] - 0.5) < 0.35
        if low[axis] > GAP:
            beyond += central & (place[:, axis] < low[axis])
        if high[axis] < 1 - GAP:
            beyond += central & (place[:, axis] > high[axis])
    return beyond
