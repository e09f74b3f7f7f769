"""From chosen regions to pixels: the last few pixels of the contour, decided one by one."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from .builtin_energy import CLIP, Bools, palette_evidence, solve_cut
from .builtin_evidence import Evidence
from .builtin_regions import Floats, Regions

BAND = 7.0
"""Pixels on either side of the contour that are decided anew."""
SMOOTHNESS = 5.0
COLOUR_WEIGHT = 0.5
POSITION_WEIGHT = 0.15
"""Evidence per pixel of distance from the contour of the regions."""
CLICK_RADIUS = 1.5
"""Pixels around a click that are on (or off) the object for sure."""
FAR = 50.0
STEPS = (((0, 1), 1.0), ((1, 0), 1.0), ((1, 1), 0.7071), ((1, -1), 0.7071))
"""(rows, columns) to half of a pixel's eight neighbours, and the weight of a cut between them."""


def outline(regions: Regions, evidence: Evidence, chosen: Bools) -> Floats:
    """(h, w) float32, 1 on the object and 0 off it, of the regions ``chosen`` (n,)."""
    mask = chosen[regions.labels]
    distance = _signed_distance(mask)
    depth = max(float(distance.max()), 1.0)
    inner = min(BAND, max(1.5, 0.7 * depth))  # a slim object keeps its core
    band = (distance > -BAND) & (distance < inner)
    share, colours = _pixel_evidence(regions, chosen, distance)
    pull = COLOUR_WEIGHT * colours[share] + POSITION_WEIGHT * np.clip(distance, -2 * BAND, 2 * BAND)
    pull = np.where(distance >= inner, FAR, np.where(distance <= -BAND, -FAR, pull)).astype(np.float32)
    if evidence.box is not None:
        off_box = ~_box_pixels(evidence.box, mask.shape)
        pull[off_box] = -FAR
    for clicks, sign in ((evidence.clicks, 1), (evidence.off_clicks, -1)):
        if clicks is not None:
            around = _discs(clicks, mask.shape)
            pull[around] = sign * FAR
            band |= cv2.dilate(around.astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
    decided = pull > 0
    decided[band] = _cut_pixels(regions.lab, pull, band)
    return decided.astype(np.float32)


def _signed_distance(mask: Bools) -> Floats:
    """(h, w) pixels to the contour, positive inside; the border of the picture is no contour."""
    if mask.all() or not mask.any():
        return np.full(mask.shape, 1e3 if mask.all() else -1e3, np.float32)
    inside = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, 3)
    outside = cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, 3)
    signed: Floats = inside - outside
    return signed


def _pixel_evidence(regions: Regions, chosen: Bools, distance: Floats) -> tuple[NDArray[np.int32], Floats]:
    """(h, w) colour numbers, and the evidence of every colour; the background nearby counts most."""
    reach = max(0.25 * float(chosen @ regions.area) ** 0.5, 4.0)
    nearby = np.exp(np.minimum(regions.mean(distance), 0) / reach)
    off = np.where(chosen, 0, nearby).astype(np.float32)
    number, share = regions.pixel_share
    per_colour = np.clip(share @ palette_evidence(regions, chosen.astype(np.float32), off), -CLIP, CLIP)
    return number, per_colour


def _box_pixels(box: tuple[float, float, float, float], size: tuple[int, int]) -> Bools:
    x0, y0, x1, y1 = (max(round(v), 0) for v in box)
    inside = np.zeros(size, bool)
    inside[y0 : max(y1, y0 + 1), x0 : max(x1, x0 + 1)] = True
    return inside


def _discs(points: Floats, size: tuple[int, int]) -> Bools:
    """(h, w) pixels near any of (P, 2) points; at least the pixel that each lies in."""
    rows, columns = np.indices(size, dtype=np.float32)
    near = np.zeros(size, bool)
    for x, y in points:
        x, y = np.clip(x, 0, size[1] - 1), np.clip(y, 0, size[0] - 1)
        near |= (columns - x) ** 2 + (rows - y) ** 2 <= CLICK_RADIUS**2
    return near


def _cut_pixels(lab: Floats, pull: Floats, band: Bools) -> Bools:
    """(B,) minimum cut of the pixels in the band, in row order."""
    number = np.full(band.shape, -1, np.int32)
    number[band] = np.arange(int(band.sum()))
    firsts, seconds, gaps, weights = [], [], [], []
    for (down, right), weight in STEPS:
        here, there = _shifted_pair(band.shape, down, right)
        both = band[here] & band[there]
        firsts.append(number[here][both])
        seconds.append(number[there][both])
        gaps.append(((lab[here] - lab[there]) ** 2).sum(axis=2)[both])
        weights.append(np.full(len(firsts[-1]), weight, np.float32))
    gap, weight_of = np.concatenate(gaps), np.concatenate(weights)
    scale = 2 * max(float(gap.mean()) if len(gap) else 0.0, 1e-3)
    costs = SMOOTHNESS * weight_of * np.exp(-gap / scale)
    return solve_cut(np.concatenate(firsts), np.concatenate(seconds), costs, pull[band])


def _shifted_pair(
    size: tuple[int, ...], down: int, right: int
) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Slices of all pixels that have a neighbour so many rows down and columns right, and of those
    neighbours."""
    height, width = size[0], size[1]
    columns = slice(max(-right, 0), width - max(right, 0))
    neighbours = slice(max(right, 0), width + min(right, 0))
    return (slice(0, height - down), columns), (slice(down, height), neighbours)
