"""Unary terms of the regions of a crop, from a prompt."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ...arrays import Bools, Floats
from ...prompts import Prompt
from ..image_crop import resized
from .energy import geodesic
from .regions import Regions
from .working_crop import RegionCrop

RADII = (0.05, 0.1, 0.2, 0.35)
"""Sizes of an object around a click, as the radius of a disc of the same area in square roots of the
image."""
SHRINK = (0.4, 0.65, 0.95)
"""Sizes of the ellipse in a box that the search starts from, 1 touching the sides."""
CLICK_REACH = 2.0
"""Geodesic range of a click."""
CLICK_WEIGHT = 1.0
ENCLOSED_WEIGHT = 0.2
"""Weight of the contrast that separates a region from the outside of the box."""


@dataclass(frozen=True, eq=False)
class Initialisation:
    """Initialisation of one search."""

    on: Floats
    """(n,) weights of the regions the object's colours are first taken from."""
    off: Floats
    """(n,) weights of those the background's colours are first taken from."""
    prior: Floats
    """(n,) unary term from position alone, about -1..1."""


@dataclass(frozen=True, eq=False)
class UnaryTerms:
    """Unary terms and constraints from the prompt, before colours are compared."""

    initialisations: tuple[Initialisation, ...]
    """Empty with a mask prompt, which is its own initialisation."""
    biases: tuple[float, ...]
    """Constants added to the unary term: one search for each, small to large objects."""
    unary: Floats
    """(n,) unary term of every round."""
    seeds: Bools
    """(n,) regions constrained to the object."""
    background: Bools
    """(n,) regions constrained to the background."""
    keep_prior: float
    """Weight of an initialisation's prior in the last round; it is 0.5 before."""
    smoothness: float
    one_piece: bool
    """Whether the object is connected with the seeds."""
    box: tuple[float, float, float, float] | None = None
    """Edges of the box in crop coordinates."""
    mask_prompt: Floats | None = None
    """(h, w) mask prompt in crop pixels, 0..1."""
    clicks: Floats | None = None
    """(P, 2) positive points in crop coordinates."""
    off_clicks: Floats | None = None
    """(Q, 2) negative points in crop coordinates."""


def unary_terms(crop: RegionCrop, prompt: Prompt, similarity: Floats | None) -> UnaryTerms:
    """Terms of ``prompt`` in ``crop``; ``similarity`` (h, w) is that of guidance, on any grid over the
    image."""
    regions = crop.regions
    on_points, off_points = _split_points(crop, prompt)
    seeds, off_seeds = clicked_regions(crop, prompt)
    mask_prompt = _mask_prompt(crop, prompt)
    box = None if prompt.box is None else crop.edges(prompt.box)
    background = off_seeds.copy()
    if box is not None:
        background |= regions_outside(regions, box) & ~seeds
    unary = _click_unary(regions, seeds, off_seeds)
    if similarity is not None:
        unary = unary + _guided(crop, similarity)
    base = UnaryTerms(
        initialisations=(),
        biases=(),
        unary=unary,
        seeds=seeds,
        background=background,
        keep_prior=0.0,
        smoothness=12.0,
        one_piece=False,
        box=box,
        mask_prompt=mask_prompt,
        clicks=on_points,
        off_clicks=off_points,
    )
    if mask_prompt is not None:
        return replace(base, smoothness=3.0)
    if box is not None:
        return _of_box(regions, base, box)
    return _of_points(crop, base)


def _split_points(crop: RegionCrop, prompt: Prompt) -> tuple[Floats | None, Floats | None]:
    """Positive and negative points in crop coordinates; None where there are none."""
    if prompt.points is None or prompt.labels is None:
        return None, None
    points = crop.points(prompt.points)
    on, off = points[prompt.labels == 1], points[prompt.labels == 0]
    return (on if len(on) else None), (off if len(off) else None)


def clicked_regions(crop: RegionCrop, prompt: Prompt) -> tuple[Bools, Bools]:
    """(n,) regions clicked on, and those clicked off; a region clicked both ways is neither."""
    regions, (on_points, off_points) = crop.regions, _split_points(crop, prompt)
    on, off = np.zeros(len(regions), bool), np.zeros(len(regions), bool)
    if on_points is not None:
        on[regions.at(on_points)] = True
    if off_points is not None:
        off[regions.at(off_points)] = True
    return on & ~off, off & ~on


def _mask_prompt(crop: RegionCrop, prompt: Prompt) -> Floats | None:
    """(h, w) mask prompt as probability in crop pixels: the prompt's mask, or its low-res logits."""
    if prompt.mask is not None:
        return crop.values(prompt.mask.astype(np.float32))
    if prompt.low_res is not None:
        probability = 1 / (1 + np.exp(-np.clip(prompt.low_res.astype(np.float32), -30, 30)))
        return crop.values(resized(np.asarray(probability, dtype=np.float32), crop.image_size))
    return None


def regions_outside(regions: Regions, box: tuple[float, float, float, float]) -> Bools:
    """(n,) regions that lie mostly outside the box; at least the one in its middle does not."""
    height, width = regions.size
    x0, y0, x1, y1 = (round(v) for v in box)
    inside = np.zeros((height, width), np.float32)
    inside[max(y0, 0) : max(y1, 0), max(x0, 0) : max(x1, 0)] = 1
    outside = regions.mean(inside) <= 0.5
    middle = np.array([[(box[0] + box[2] - 1) / 2, (box[1] + box[3] - 1) / 2]], np.float32)
    outside[regions.at(middle)] = False
    return outside


def _click_unary(regions: Regions, on: Bools, off: Bools) -> Floats:
    """(n,) unary term of clicks, which falls with geodesic distance."""
    unary = np.zeros(len(regions), np.float32)
    for seeds, sign in ((on, 1), (off, -1)):
        if seeds.any():
            distance = geodesic(regions, seeds, threshold=0.0, per_pixel=0.05)
            unary += sign * CLICK_WEIGHT * np.exp(-distance / CLICK_REACH)
    return unary


def _guided(crop: RegionCrop, similarity: Floats) -> Floats:
    """(n,) unary term from a similarity map: its distance from its own mean, in standard deviations."""
    regions = crop.regions
    spread = float(similarity.std())
    if spread < 1e-6:
        return np.zeros(len(regions), np.float32)
    standard = (similarity - similarity.mean()) / spread
    return np.clip(regions.mean(crop.values(resized(standard, crop.image_size))) - 1, -1, 1) * np.float32(0.5)


def _of_points(crop: RegionCrop, base: UnaryTerms) -> UnaryTerms:
    """Searches from geodesic discs of several sizes around the clicks."""
    regions = crop.regions
    if base.clicks is None:  # nothing but negative points: the object is the rest
        rest = (~base.background).astype(np.float32)
        start = Initialisation(rest, base.background.astype(np.float32), np.zeros(len(regions), np.float32))
        return replace(
            base, initialisations=(start,), biases=(0.0, 0.15, 0.3), keep_prior=0.0, smoothness=8.0
        )
    side = float(np.prod(regions.size)) ** 0.5
    away = np.min(
        [np.sqrt(((regions.centre - click) ** 2).sum(axis=1)) for click in base.clicks], axis=0
    ).astype(np.float32)
    clicked = np.zeros(len(regions), bool)
    clicked[regions.at(base.clicks)] = True
    order = np.argsort(geodesic(regions, clicked, threshold=0.0, per_pixel=0.015), kind="stable")
    covered = np.cumsum(regions.area[order])
    initialisations = []
    for share in RADII:
        radius = share * side
        disc = np.zeros(len(regions), bool)
        disc[order[: 1 + np.searchsorted(covered, np.pi * radius**2)]] = True
        disc = (disc & ~base.background) | clicked
        on = disc * np.exp(-(away**2) / (2 * (1.5 * radius) ** 2))
        off = (
            np.where(disc, 0, np.minimum(1, away / (2 * radius))) + 0.5 * (regions.rim > 0) + base.background
        )
        initialisations.append(
            Initialisation(
                on.astype(np.float32), off.astype(np.float32), np.clip(1 - away / (1.5 * radius), -2, 1)
            )
        )
    return replace(
        base,
        initialisations=tuple(initialisations),
        biases=(-0.15, 0.0, 0.15),
        keep_prior=0.5,
        smoothness=8.0,
        one_piece=True,
    )


def _of_box(regions: Regions, base: UnaryTerms, box: tuple[float, float, float, float]) -> UnaryTerms:
    """Searches from ellipses of several sizes in the box; what lies outside is background."""
    x0, y0, x1, y1 = box
    middle, half = np.array([x0 + x1 - 1, y0 + y1 - 1]) / 2, np.array([x1 - x0, y1 - y0]) / 2
    radius = np.sqrt((((regions.centre - middle) / half) ** 2).sum(axis=1)).astype(np.float32)
    inside = ~base.background
    off = base.background + 0.5 * (inside & (radius > 1.1))
    initialisations = []
    for shrink in SHRINK:
        on = inside & (radius < shrink)
        if not on.any():
            on = inside
        initialisations.append(
            Initialisation(
                on.astype(np.float32),
                off.astype(np.float32),
                np.clip(2 * (shrink + 0.2 - radius), -1, 1).astype(np.float32),
            )
        )
    # And one from all of the box alike, for objects that are not in its middle.
    initialisations.append(
        Initialisation(
            inside.astype(np.float32), base.background.astype(np.float32), np.zeros(len(regions), np.float32)
        )
    )
    unary = base.unary + ENCLOSED_WEIGHT * enclosure(regions, base.background)
    return replace(
        base, initialisations=tuple(initialisations), biases=(-0.3, 0.0, 0.3), unary=unary, keep_prior=0.0
    )


def enclosure(regions: Regions, outside: Bools) -> Floats:
    """(n,) -1..1, how much contrast lies between every region and the outside, against the mean inside."""
    if not outside.any() or outside.all():
        return np.zeros(len(regions), np.float32)
    distance = geodesic(regions, outside, threshold=0.5, per_pixel=0.02)
    mean = float(np.average(distance[~outside], weights=regions.area[~outside]))
    return np.clip(distance / max(mean, 1e-6) - 1, -1, 1)
