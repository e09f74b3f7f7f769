"""Masks between two frames whose masks are known, warped from both by optical flow.

Every frame in between takes from the known frame before and from the one after what flow says that its pixels
were and will be. Where they differ, the nearer one counts more, and the one whose flow agrees with the flow
back and leads to the same colours. Over short gaps this is more exact than tracking, and costs a fraction of
it: nothing is learned, and errors cannot accumulate.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from ..backbones.classical.descriptors import to_lab
from ..frame import Frame
from ..ops.crop import choose_crop
from ..ops.flow import dense_flow
from ..results import FrameResult, Labels, label_dtype
from .flow_warping import Correspondence, colour_similarity, from_flows


@dataclass(frozen=True)
class FillSettings:
    """How gaps are filled."""

    pixels: int = 200_000
    """Pixels of the working crop, about; smaller ones cost less and blur contours."""
    margin: float = 0.4
    """Margin around the objects, as a fraction of the longest side of the largest."""
    margin_pixels: int = 40
    """Pixels added to that margin."""
    round_trip: float = 1.5
    """Forward-backward error of flow in pixels at which consistency has fallen to 0.6."""
    min_weight: float = 0.02
    """Least weight of a known frame, where flow to it is inconsistent."""


@dataclass(frozen=True)
class Filled:
    """A frame of a gap."""

    result: FrameResult
    """Its confidence is the share of the mask that both sides agree on, where both are trusted alike, times
    the lower confidence of the known frames."""
    agreement: Mapping[int, float]
    """Object id -> IoU of the masks warped from both sides, 0..1."""


def fill_gap(
    frames: Sequence[Frame], before: FrameResult, after: FrameResult, settings: FillSettings | None = None
) -> Iterator[Filled]:
    """The frames between two known ones.

    Args:
        frames: the known frame before the gap, those in the gap, and the known frame after it.
        before: the result of the first; an object that it lacks is absent there.
        after: the same of the last.

    Returns:
        The frames of the gap, in order.
    """
    settings = settings or FillSettings()
    ids = sorted({*before.ids, *after.ids})
    if not any(result.labels.any() for result in (before, after)):
        for frame in frames[1:-1]:
            certain = dict.fromkeys(ids, 1.0)
            yield Filled(FrameResult(frame.index, np.zeros(frame.size, label_dtype(ids)), certain), certain)
        return
    both = np.where(before.labels > 0, before.labels, after.labels)
    crop = choose_crop(both, settings.margin, settings.margin_pixels, settings.pixels)
    images = [crop.cut(frame.image) for frame in frames]
    known = [
        [crop.cut((result.labels == object_id).astype(np.float32)) for object_id in ids]
        for result in (before, after)
    ]
    labs = to_lab(images[0]), to_lab(images[-1])
    lowest = {k: min(result.confidence.get(k, 1.0) for result in (before, after)) for k in ids}
    for row, (back, on) in enumerate(_correspondences(images, settings.round_trip), start=1):
        lab = to_lab(images[row])
        near = 1 - row / (len(frames) - 1)
        weights = [
            np.float32(share)
            * (found.consistency * colour_similarity(found, (other, lab)) + np.float32(settings.min_weight))
            for found, other, share in ((back, labs[0], near), (on, labs[1], 1 - near))
        ]
        contested = 2 * np.minimum(*weights) / (weights[0] + weights[1])
        masks, agreement, confidence = [], {}, {}
        for object_id, one, two in zip(ids, *known, strict=True):
            warped = back.warp(one), on.warp(two)
            masks.append((weights[0] * warped[0] + weights[1] * warped[1]) / (weights[0] + weights[1]))
            union = float(np.maximum(*warped).sum())
            disagreement = float((contested * np.abs(warped[0] - warped[1])).sum())
            share = 1 - min(1.0, disagreement / max(1.0, float(masks[-1].sum())))
            confidence[object_id] = lowest[object_id] * share
            agreement[object_id] = float(np.minimum(*warped).sum()) / union if union else 1.0
        probabilities = np.stack([np.maximum(0, 1 - np.sum(masks, axis=0)), *masks])
        labels: Labels = np.zeros(frames[row].size, label_dtype(ids))
        labels[crop.y0 : crop.y1, crop.x0 : crop.x1] = crop.enlarge_labels(probabilities, ids)
        yield Filled(FrameResult(frames[row].index, labels, confidence), agreement)


def _correspondences(
    images: Sequence[NDArray[np.uint8]], round_trip: float
) -> Iterator[tuple[Correspondence, Correspondence]]:
    """Of every image between the first and the last: with the first, and with the last.

    Each is made of flow between neighbours, which serves both.
    """
    grey = [cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in images]
    steps = [(dense_flow(later, one), dense_flow(one, later)) for one, later in pairwise(grey)]

    def further(earlier: Correspondence, step: Correspondence) -> Correspondence:
        return step.after(earlier)

    to_first = accumulate((from_flows(back, forth, round_trip) for back, forth in steps[:-1]), further)
    to_last = accumulate((from_flows(forth, back, round_trip) for back, forth in steps[:0:-1]), further)
    return zip(to_first, [*to_last][::-1], strict=True)
