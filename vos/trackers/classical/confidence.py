"""Confidence: the expected J of a mask, predicted from signals that need no ground truth.

It is a monotone logistic (:mod:`vos.ops.monotone_logistic`) of a few signals of the mask (:class:`Signals`),
each oriented so that a higher value means a better mask, times the confidence of the reference mask, whose
errors the tracked one inherits. The weights of each tracker are a file in
``vos/assets/confidence``, made by ``training/confidence``; ``docs/confidence.md`` says how well they predict
J on sequences that they were not fitted to.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass

import cv2
import numpy as np

from ...arrays import Floats, Mask
from ...ops.boxes import tight_box
from ...ops.monotone_logistic import load_models

NEAR = 0.3
"""Reach of a mask's surroundings, in object sizes (square roots of the area)."""
RIM = 3.0
"""Width in pixels of the rim of a mask: what J loses first."""
STRIP = 4.0
"""Width in pixels of the strip along the contour in which flow consistency is measured."""
REFERENCE = "reference"
"""The signal that is no term of the logistic but its factor."""
COLOUR_BINS = (8, 16, 16)
"""Bins of the colour histogram along L in 0..100, and a and b in -64..64."""
EXAMPLE = 0.5
"""Probability by appearance from which on a pixel looks like the object."""


@dataclass(frozen=True, eq=False)
class ReferenceStatistics:
    """An object's mask in the frame in which it was prompted."""

    confidence: float
    """Expected J of the mask: 1 if the user drew it."""
    area: float
    """In pixels of the frame."""
    interior: float
    """As in :class:`Signals`."""
    colours: Floats
    """(B,) float32 Lab histogram; sums to 1."""


@dataclass(frozen=True)
class Signals:
    """Measurements of one mask in the working crop; a higher value of any means a better mask.

    They are in 0..1 unless noted otherwise.
    """

    sharpness: float
    """Soft IoU of the mask and its own probabilities: falls where the contour is undecided."""
    appearance: float
    """Soft IoU, in the mask and its surroundings, of the mask and the appearance model of the reference
    frames: falls where the mask has leaked or lost a part."""
    weakest_part: float
    """Lowest decile of the probability by appearance in the mask."""
    online_agreement: float
    """1 - mean difference of the reference frames' appearance model and of the one updated online."""
    no_lookalikes: float
    """Minus the logarithm of 1 + the area that looks like the object, outside the mask, over the mask's."""
    warp_agreement: float
    """Soft IoU of the mask's probabilities and the masks warped from earlier frames."""
    flow_quality: float
    """Share of the object that optical flow warped consistently and with unchanged colours."""
    contour_flow: float
    """Mean forward-backward consistency of flow along the contour."""
    colours: float
    """Bhattacharyya coefficient of the colours of the mask and of the reference mask."""
    extent: float
    """Minus the absolute logarithm of the area relative to the reference mask's."""
    interior: float
    """Share of the mask farther than :data:`RIM` from its contour: the same error costs thin masks more J."""
    reference_interior: float
    """The same of the reference mask: thin objects stay hard, whatever the mask has become."""
    wholeness: float
    """Share of the mask's largest connected part."""
    margin: float
    """Minus the length of image border that the mask touches, in object sizes."""
    recency: float
    """Minus the logarithm of 1 + the number of frames since the object was prompted."""
    reference: float
    """Expected J of the reference mask."""


Confidence = Callable[[Signals], float]
"""From the signals of a mask to its expected J, in 0..1."""


def fitted_confidence(tracker: str) -> Confidence:
    """The model fitted to the tracker of this name: ``classical`` or ``nano``."""
    model = load_models(tracker)["tracked"]
    return lambda signals: float(np.clip(signals.reference, 0, 1)) * model(asdict(signals))


def reference_statistics(mask: Mask, lab: Floats, confidence: float, scale: float) -> ReferenceStatistics:
    """Statistics of a prompted mask, which later masks are compared with.

    Args:
        mask: (h, w) bool in the crop.
        lab: (h, w, 3) float32 of the crop.
        confidence: expected J of the mask.
        scale: size of the crop's pixels over those of the frame; see :class:`vos.ops.crop.Crop`.
    """
    area = float(np.count_nonzero(mask))
    box = _around(mask, 1)
    interior = 0.0 if box is None else float((_depth(mask[box]) > RIM).sum() / area)
    colours = _histogram(lab[mask])
    return ReferenceStatistics(confidence, area / scale**2, interior, colours)


def grown_reference(
    reference: ReferenceStatistics, mask: Mask, lab: Floats, scale: float
) -> ReferenceStatistics:
    """The reference of an object that comes out from behind another: its largest mask so far, since the strip
    that it was prompted by says little about what it is. The arguments are those of
    :func:`reference_statistics`."""
    if np.count_nonzero(mask) <= reference.area * scale**2:
        return reference
    return reference_statistics(mask, lab, reference.confidence, scale)


def measure(
    probability: Floats,
    mask: Mask,
    warped: Floats,
    flow_quality: float,
    flow_consistency: Floats,
    appearance: Floats,
    updated: Floats,
    lab: Floats,
    scale: float,
    frames_since: int,
    reference: ReferenceStatistics,
) -> Signals | None:
    """The signals of one object in a frame; None if its mask is empty.

    Args:
        probability: (h, w) float32 of the object, in the crop.
        mask: (h, w) bool, where that probability is the highest of all labels.
        warped: (h, w) float32 in 0..1, the object's masks of earlier frames warped to this one.
        flow_quality: in 0..1, of the flow that warped them.
        flow_consistency: (h, w) float32 in 0..1, forward-backward consistency.
        appearance: (h, w) float32 probability of the object by the model of the reference frames.
        updated: (h, w) float32 the same with what was learned online.
        lab: (h, w, 3) float32 of the crop.
        scale: size of the crop's pixels over those of the frame.
        frames_since: frames since the object was prompted.
        reference: what was measured there.
    """
    area = float(np.count_nonzero(mask))
    size = float(np.sqrt(area))
    box = _around(mask, max(RIM, NEAR * size))
    if box is None:
        return None
    like = float(np.count_nonzero(appearance > EXAMPLE))
    here = mask[box]
    outside = cv2.distanceTransform((~here).astype(np.uint8), cv2.DIST_L2, 3)
    inside = _depth(here)
    near = (outside > 0) & (outside <= max(RIM, NEAR * size))
    scope = here | near
    strip = np.where(here, inside, outside) <= STRIP
    strip = strip if strip.any() else here  # the mask fills the image
    probability, warped, appearance, updated = (v[box] for v in (probability, warped, appearance, updated))
    on = appearance[here]
    like -= float(np.count_nonzero(on > EXAMPLE))
    count, _, parts, _ = cv2.connectedComponentsWithStats(here.astype(np.uint8), connectivity=8)
    edge = mask[0].sum() + mask[-1].sum() + mask[:, 0].sum() + mask[:, -1].sum()
    union = np.maximum(probability, warped).sum()
    return Signals(
        sharpness=float(probability[here].sum() / (area + probability[~here].sum())),
        appearance=float(on.sum() / (area + appearance[near].sum())),
        weakest_part=float(np.quantile(on, 0.1)),
        online_agreement=1 - float(np.abs(appearance - updated)[scope].mean()),
        no_lookalikes=-float(np.log1p(like / area)),
        warp_agreement=float(np.minimum(probability, warped).sum() / union),
        flow_quality=flow_quality,
        contour_flow=float(flow_consistency[box][strip].mean()),
        colours=float(np.sqrt(_histogram(lab[box][here]) * reference.colours).sum()),
        extent=-abs(float(np.log(area / scale**2 / max(reference.area, 1.0)))),
        interior=float((inside > RIM).sum() / area),
        reference_interior=reference.interior,
        wholeness=float(parts[1:, cv2.CC_STAT_AREA].max() / area) if count > 1 else 0.0,
        margin=-float(edge / size),
        recency=-float(np.log1p(frames_since)),
        reference=reference.confidence,
    )


def _around(mask: Mask, reach: float) -> tuple[slice, slice] | None:
    """The box of the mask and ``reach`` pixels on every side; None for an empty mask."""
    box = tight_box(mask)
    if box is None:
        return None
    x0, y0, x1, y1 = box
    room = int(np.ceil(reach)) + 1
    return slice(max(0, y0 - room), y1 + room + 1), slice(max(0, x0 - room), x1 + room + 1)


def _depth(mask: Mask) -> Floats:
    """(h, w) float32 distance in pixels to the contour, inside the mask; the image border is no contour."""
    padded = np.pad(mask, 1, mode="edge").astype(np.uint8)
    return np.asarray(cv2.distanceTransform(padded, cv2.DIST_L2, 3)[1:-1, 1:-1], np.float32)


def _histogram(lab: Floats) -> Floats:
    """(B,) float32 shares of the colours of (n, 3) Lab pixels."""
    lower, width = np.array([0, -64, -64]), np.array([100, 128, 128])
    bins = np.array(COLOUR_BINS)
    place = np.clip(((lab - lower) / width * bins).astype(int), 0, bins - 1)
    flat = np.ravel_multi_index(tuple(place.T), COLOUR_BINS)
    counts = np.bincount(flat, minlength=int(bins.prod())).astype(np.float32)
    return np.asarray(counts / max(float(counts.sum()), 1.0), np.float32)
