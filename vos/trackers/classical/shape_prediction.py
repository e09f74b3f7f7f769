"""The shape of each object predicted for a new frame, and its unary term."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...arrays import Floats
from ...ops.crop import Crop
from ..flow_warping import WarpedMasks
from .lookalikes import likeness
from .settings import ClassicalSettings
from .shape import UNKNOWN, Shape, ShapeSettings, middle, shape_of, shape_scores, similarity
from .state import ClassicalState


@dataclass(frozen=True, eq=False)
class PredictedShape:
    """An object's shape, predicted for a new frame."""

    shape: Shape
    rendered: Floats
    """(h, w) float32 in 0..1, in the crop."""


def predict_shapes(
    state: ClassicalState,
    crop: Crop,
    warped: WarpedMasks,
    motions: Sequence[tuple[Floats, float] | None],
    settings: ClassicalSettings,
) -> list[PredictedShape | None]:
    """The shapes of the objects in this frame; None for those out of sight."""
    predicted: list[PredictedShape | None] = []
    if settings.shape.weight == 0 or len(state.objects) < settings.shape.min_objects:
        return [None] * len(state.objects)
    masks = warped.masks > 0.5
    alike = likeness([one.reference for one in state.objects], settings.lookalikes)
    for k, (one, motion) in enumerate(zip(state.objects, motions, strict=True)):
        shape = one.shape
        if shape is None and one.frames_lost == 0:
            here = crop.cut((state.labels == one.object_id).astype(np.float32))
            others = crop.cut(((state.labels > 0) & (state.labels != one.object_id)).astype(np.float32))
            shape = shape_of(here, others > 0.5, crop)
        if shape is None:
            predicted.append(None)
            continue
        dx, dy = (one.trajectory and one.trajectory.velocity) or (0.0, 0.0)
        step = np.array([[1, 0, -dx * crop.scale], [0, 1, -dy * crop.scale]])
        inside = masks[k]
        if motion is not None and inside.any():
            moved = shape.warped(step, crop)
            measured = _measured_share(moved, k, crop, masks, alike[k], settings.shape)
            step = (1 - measured) * step + measured * similarity(motion[0], middle(inside))
        shape = shape.warped(step, crop)
        predicted.append(PredictedShape(shape, shape.render(crop)))
    return predicted


def _measured_share(
    shape: Shape, k: int, crop: Crop, masks: NDArray[np.bool_], alike: Floats, settings: ShapeSettings
) -> float:
    """In 0..1: how far the motion of object ``k`` is that of its flow, and not its old velocity.

    As far as the object is seen its motion is measured, wherever the shape has gone: one that went astray
    behind another object would else keep its old velocity for ever. Only behind a look-alike the flow of what
    is seen may be that of the other, and what counts is how much of the shape is free.

    Args:
        shape: moved by the old velocity.
        masks: (K, h, w) bool, where the objects are expected.
        alike: (K,) how much every object looks like this one.
    """
    rendered = shape.render(crop)
    whole = rendered > UNKNOWN
    others = np.delete(np.arange(len(masks)), k)
    covered: NDArray[np.bool_] = np.any(masks[others], axis=0)
    free = shape.visible_share(rendered, covered, settings)
    in_front = [alike[j] for j in others if (masks[j] & whole).any()]
    seen = min(1.0, float(np.count_nonzero(masks[k])) / max(1, int(np.count_nonzero(whole))))
    return max(free, seen * (1 - float(max(in_front, default=0.0))))


def shape_unary(
    state: ClassicalState,
    predicted: Sequence[PredictedShape | None],
    size: tuple[int, ...],
    settings: ShapeSettings,
) -> Floats:
    """(1 + K, h, w) float32 score in nats of background and objects, from the predicted shapes."""
    scores = np.zeros(size, np.float32)
    for k, (one, found) in enumerate(zip(state.objects, predicted, strict=True), start=1):
        if found is None:
            continue
        reliability = found.shape.reliability(settings) * settings.decay**one.frames_lost
        if reliability > 0.05:
            scores[k] = shape_scores(found.rendered, reliability, settings)
            if one.frames_lost:  # it may be elsewhere
                scores[k] = np.maximum(scores[k], 0)
            scores[0] = np.maximum(scores[0], settings.background * scores[k])
    return scores


def support(
    warped: WarpedMasks, predicted: Sequence[PredictedShape | None], settings: ShapeSettings
) -> NDArray[np.bool_]:
    """(K, h, w) bool: where each object may turn up without growing, as far as its shape is reliable."""
    expected = warped.masks > 0.5
    for here, found in zip(expected, predicted, strict=True):
        if here.any() and found is not None and found.shape.agreement > settings.support_agreement:
            here |= found.rendered > UNKNOWN
    return expected


def update_shape(
    predicted: PredictedShape | None,
    k: int,
    probabilities: Floats,
    found: NDArray[np.integer],
    crop: Crop,
    settings: ClassicalSettings,
) -> Shape | None:
    """The shape of object ``k`` after a frame with these label probabilities (1 + K, h, w) and labels
    ``found`` (h, w)."""
    if predicted is None:
        return None
    if not (found == k).any():
        return predicted.shape
    others = (found > 0) & (found != k)
    return predicted.shape.updated(predicted.rendered, probabilities[k], others, crop, settings.shape)
