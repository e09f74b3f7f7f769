"""Many hypotheses of one object: minimum cuts from several initialisations and with several biases to
small and large."""

from __future__ import annotations

import numpy as np

from ...arrays import Bools, Floats
from .contours import refine_contour
from .energy import CERTAIN, border_costs, colour_unary, connected_to, minimum_cut
from .regions import Regions
from .unary import Initialisation, UnaryTerms

ROUNDS = 3
"""Cuts per search; colours are re-estimated from each."""
COLOUR_WEIGHT = 0.5
PRIOR_WEIGHT = 0.5
GAP = 0.12
"""A box is drawn tight: where the object misses a side by this share of the box, regions there are
favoured."""
TIGHT_WEIGHT = 0.4


def search(regions: Regions, terms: UnaryTerms) -> Bools:
    """(K, n) distinct labellings, in the order they were found; none is empty."""
    costs = border_costs(regions, terms.smoothness)
    if terms.mask_prompt is not None:
        return _distinct(refine_contour(regions, terms, terms.mask_prompt, costs))
    return _distinct(
        [
            _iterate(regions, terms, start, bias, costs)
            for start in terms.initialisations
            for bias in terms.biases
        ]
    )


def _distinct(found: list[Bools]) -> Bools:
    """(K, n) the labellings that differ and are not empty, in order; at least the first."""
    kept = {labelling.tobytes(): labelling for labelling in found if labelling.any()}
    return np.stack(list(kept.values()) or found[:1])


def _iterate(regions: Regions, terms: UnaryTerms, start: Initialisation, bias: float, costs: Floats) -> Bools:
    """(n,) the labelling that a few rounds of cutting and re-estimating colours end in."""
    on, off = start.on, start.off
    stretch = np.zeros(len(regions), np.float32)
    chosen = on > 0
    # Then rounds differ in their colours alone: one that changes nothing is the last.
    settles = terms.box is None and terms.keep_prior == PRIOR_WEIGHT
    for round_number in range(ROUNDS):
        last = round_number == ROUNDS - 1
        unary = COLOUR_WEIGHT * colour_unary(regions, on, off) + terms.unary + stretch + bias
        unary += (terms.keep_prior if last else PRIOR_WEIGHT) * start.prior
        unary[terms.background], unary[terms.seeds] = -CERTAIN, CERTAIN
        cut = minimum_cut(regions, unary, costs)
        if terms.one_piece and (cut & terms.seeds).any():
            cut = connected_to(regions, cut, terms.seeds)
        if not cut.any() or (settles and round_number > 0 and np.array_equal(cut, chosen)):
            break
        chosen = cut
        on, off = chosen.astype(np.float32), (~chosen).astype(np.float32)
        if terms.box is not None:
            stretch += TIGHT_WEIGHT * _missed_sides(regions, chosen, terms.box)
    return chosen


def _missed_sides(regions: Regions, chosen: Bools, box: tuple[float, float, float, float]) -> Floats:
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
