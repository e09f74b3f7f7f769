"""Long-term flow: where every pixel was in the newest reference frame, and what it was there.

Labels that are warped from frame to frame inherit the mistakes of all frames between; positions do not. They
are chained along the flow from the previous frame and from the fourth one before, whichever is more certain
at a pixel, as in MFT (Neoral et al., 2024), and lead to labels that were given. A pixel that certainly was no
part of an object there is none now: the water behind a boat, the road beside a wheel, a look-alike nearby.

The opposite does not hold: flow along an outline is that of the object, so background beside it seems to come
from the object.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ...arrays import Floats
from ...backbones.classical.descriptors import to_lab
from ...ops.crop import Crop
from ...results import VOID
from ..flow_warping import Correspondence
from .appearance import ReferenceFrame

UNKNOWN = 10.0
"""Doubt at which nothing is known of a pixel."""
LONGEST_REMAP = 32_000
"""Rows or columns: ``cv2.remap`` takes no larger images."""
CELL = 32
"""Pixels between the positions that are stored of the reference frame, where each is its own."""


@dataclass(frozen=True)
class LongTermFlowSettings:
    """Settings of long-term flow."""

    weight: float = 6.0
    """Score, in nats, against an object at a pixel that certainly was no part of it in the reference frame. 0
    switches long-term flow off."""
    trust: float = 4.0
    """Power of the confidence of the object's mask there, by which that is multiplied: a mask decoded from a
    click may lack parts of the object, which the tracker then finds (3 to 5 points on cows, libby)."""
    least: float = 0.3
    """Certainty from which on it counts, from none to all of it at a certainty of 1."""
    step: float = 0.02
    """Doubt that every step of a chain adds, however consistent its flow is."""
    colour: float = 10.0
    """Difference of the colours in Lab, in both frames, at which certainty has fallen to 0.6."""
    blur: float = 1.5
    """Standard deviation in pixels of the blur before colours are compared."""

    def __post_init__(self) -> None:
        if not 0 <= self.least < 1:
            raise ValueError(f"least must be 0 or more and below 1, got {self.least}")
        if not self.colour > 0:
            raise ValueError(f"colour must be above 0, got {self.colour}")


@dataclass(frozen=True, eq=False)
class LongTermFlow:
    """Where the pixels of a frame were in the reference frame."""

    crop: Crop
    """The part of the frame for which it is known, and the resolution."""
    x: Floats
    y: Floats
    """(h, w) float32 position in the reference frame, in pixels of the frame."""
    doubt: Floats
    """(h, w) float32: certainty is exp(-doubt)."""

    def at(self, x: Floats, y: Floats, size: tuple[int, ...]) -> tuple[Floats, Floats, Floats]:
        """Position in the reference frame, and doubt, at (h, w) positions in this frame, of (H, W) ``size``;
        nothing is known outside of it and of the crop."""
        crop = self.crop
        column = (x + 0.5 - crop.x0) * np.float32(crop.width / (crop.x1 - crop.x0)) - np.float32(0.5)
        row = (y + 0.5 - crop.y0) * np.float32(crop.height / (crop.y1 - crop.y0)) - np.float32(0.5)
        x0, y0, doubt = (
            cv2.remap(values, column, row, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
            for values in (self.x, self.y, self.doubt)
        )
        inside = (x > max(0, crop.x0) - 0.5) & (x < min(size[1], crop.x1) - 0.5)
        inside &= (y > max(0, crop.y0) - 0.5) & (y < min(size[0], crop.y1) - 0.5)
        doubt[~inside] = UNKNOWN
        return x0, y0, doubt


def of_reference(size: tuple[int, ...]) -> LongTermFlow:
    """Of a reference frame of (H, W) ``size`` itself."""
    rows, columns = (side // CELL + 3 for side in size[:2])
    crop = Crop(-CELL, -CELL, (rows - 1) * CELL, (columns - 1) * CELL, rows, columns)
    y, x = (np.mgrid[:rows, :columns].astype(np.float32) - 1) * CELL + (CELL - 1) / 2
    return LongTermFlow(crop, x, y, np.zeros_like(x))


def unknown(size: tuple[int, ...]) -> LongTermFlow:
    """Of a frame of (H, W) ``size`` of which nothing is known."""
    nowhere = np.zeros((1, 1), np.float32)
    return LongTermFlow(Crop(0, 0, size[0], size[1], 1, 1), nowhere, nowhere, nowhere + np.float32(UNKNOWN))


def followed(
    earlier: Sequence[tuple[LongTermFlow, Correspondence]],
    crop: Crop,
    size: tuple[int, ...],
    settings: LongTermFlowSettings,
) -> LongTermFlow:
    """Of the frame that follows.

    Args:
        earlier: of some frames before, and the correspondences that lead there, in pixels of ``crop``.
        size: (H, W) of the frame.
    """
    chosen: tuple[Floats, Floats, Floats] | None = None
    for flow, correspondence in earlier:
        x = (correspondence.x + np.float32(0.5)) * np.float32((crop.x1 - crop.x0) / crop.width)
        y = (correspondence.y + np.float32(0.5)) * np.float32((crop.y1 - crop.y0) / crop.height)
        found = flow.at(x + np.float32(crop.x0 - 0.5), y + np.float32(crop.y0 - 0.5), size)
        found[2][:] += np.float32(1 + settings.step) - correspondence.consistency
        if chosen is None:
            chosen = found
        else:
            better = found[2] < chosen[2]
            for old, new in zip(chosen, found, strict=True):
                np.copyto(old, new, where=better)
    assert chosen is not None
    return LongTermFlow(crop, *(np.ascontiguousarray(values, np.float32) for values in chosen))


def long_term_unary(
    flow: LongTermFlow,
    reference: ReferenceFrame,
    confidences: Mapping[int, float],
    lab: Floats,
    settings: LongTermFlowSettings,
) -> Floats:
    """(1 + K, h, w) float32 log-scores of the background, 0, and of objects: negative where a pixel was no
    part of them in the reference frame.

    Args:
        flow: of the frame, in its working crop.
        reference: the frame that it leads to.
        confidences: of the masks of the K objects in the reference frame, by id.
        lab: (h, w, 3) float32, the working crop in Lab.
    """
    scores = np.zeros((1 + len(confidences), *lab.shape[:2]), np.float32)
    if settings.weight == 0:
        return scores
    colours, labels = _seen_before(flow, reference)
    blur = max(settings.blur * flow.crop.scale, 0.1)
    difference = cv2.GaussianBlur(to_lab(colours) - lab, (0, 0), blur)
    difference *= difference
    difference = difference[..., 0] + difference[..., 1] + difference[..., 2]
    certainty = np.exp(difference * np.float32(-0.5 / settings.colour**2) - flow.doubt)
    certainty = np.clip((certainty - settings.least) / (1 - settings.least), 0, 1)
    for row, (object_id, confidence) in enumerate(confidences.items(), start=1):
        other = ((labels != object_id) & (labels != VOID)).astype(np.uint8)
        other = cv2.erode(other, np.ones((3, 3), np.uint8))
        scores[row] = np.float32(-settings.weight * confidence**settings.trust) * certainty * other
    return scores


def _seen_before(
    flow: LongTermFlow, reference: ReferenceFrame
) -> tuple[NDArray[np.uint8], NDArray[np.integer]]:
    """(h, w, 3) uint8 RGB and (h, w) label of every pixel in the reference frame."""
    height, width = reference.image.shape[:2]
    scale = min(flow.crop.scale, LONGEST_REMAP / max(height, width))
    small = Crop(0, 0, height, width, max(1, round(height * scale)), max(1, round(width * scale)))
    x = (flow.x + np.float32(0.5)) * np.float32(small.width / width) - np.float32(0.5)
    y = (flow.y + np.float32(0.5)) * np.float32(small.height / height) - np.float32(0.5)
    colours = cv2.remap(small.cut(reference.image), x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    rows, columns = (
        np.clip(np.rint(position), 0, side - 1).astype(np.intp)
        for position, side in ((flow.y, height), (flow.x, width))
    )
    return colours, reference.labels[rows, columns]
