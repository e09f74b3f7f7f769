"""One frame of the classical tracker, from the state before it to the state after it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import reduce

import cv2
import numpy as np
from numpy.typing import NDArray

from ...arrays import Floats
from ...backbones.classical.descriptors import Descriptors, describe, to_lab
from ...ops.crop import Crop, choose_crop
from ...ops.overlap import argmax_rows
from ...results import VOID, Labels, label_dtype
from ..flow_warping import WarpedMasks, fuse, warp_masks
from .appearance import log_probabilities
from .components import filter_components
from .confidence import Confidence, Signals, grown_reference, measure
from .emergence import with_emerging
from .frame_context import FrameContext, PreviousFrame, Refiner
from .local_colours import local_colours
from .long_term_flow import LongTermFlow, followed, long_term_unary
from .lookalikes import likeness
from .mean_field import mean_field
from .motion import motion_scores, object_motions
from .novelty import discounted, novelty
from .occlusion import hidden_margin, hidden_reach
from .online_update import OnlineModel, update_online
from .reappearance import Trajectory
from .reassignment import one_owner
from .settings import ClassicalSettings
from .shape import Shape, middle
from .shape_prediction import PredictedShape, predict_shapes, shape_unary, support, update_shape
from .state import ClassicalState, LabelProbabilities, ObjectState, PastFrame
from .unary import PreviousAppearance, appearance_unary, motion_unary


@dataclass(frozen=True, eq=False)
class _View:
    """The new frame in the crop around its K objects, beside the masks of the frames before."""

    image: NDArray[np.uint8]
    crop: Crop
    cropped: NDArray[np.uint8]
    """(h, w, 3) uint8 RGB, the crop at working resolution."""
    lab: Floats
    """(h, w, 3) float32, the same in CIELAB."""
    usual: list[float]
    """(K,) pixels of the crop that each object covers when nothing hides it."""
    warped: WarpedMasks
    long_term: LongTermFlow


@dataclass(frozen=True, eq=False)
class _Terms:
    """The unary terms of a frame, and the parts of them that later steps read."""

    descriptors: Descriptors
    appearance_log_prob: Floats
    """(1 + K, h, w) float32, of the classifier with its online copy."""
    appearance: Floats
    """(1 + K, h, w) float32, the same as probabilities."""
    reference_log_prob: Floats
    """(1 + K, h, w) float32, of the classifier alone."""
    predicted: Sequence[PredictedShape | None]
    """(K,) shapes."""
    expected: NDArray[np.bool_]
    """(K, h, w) where each object may be."""
    unary: Floats
    """(1 + K, h, w) float32 log-scores: the sum of all terms."""


def advance(
    state: ClassicalState,
    image: NDArray[np.uint8],
    settings: ClassicalSettings,
    confidence: Confidence,
    refiner: Refiner | None = None,
) -> ClassicalState:
    """The state one frame later.

    Args:
        image: (H, W, 3) uint8 RGB.
        confidence: expected J of a mask with these signals.
        refiner: replaces the label probabilities, before small components are filtered out.
    """
    if not state.objects:
        return replace(state, image=image, soft_labels=None)
    view = _view_of(state, image, settings)
    terms = _terms_of(state, view, settings)
    probabilities = mean_field(terms.unary, view.lab, settings.crf)
    if refiner is not None:
        probabilities = refiner(_context(state, view, terms, probabilities, settings))
    probabilities = _whole_regions(state, view, terms, probabilities, settings)
    return _next_state(state, view, terms, probabilities, settings, confidence)


def _view_of(state: ClassicalState, image: NDArray[np.uint8], settings: ClassicalSettings) -> _View:
    # An object that has gone out of sight may come back anywhere.
    lost = any(o.is_lost for o in state.objects)
    room = hidden_margin(state.labels, state.objects, settings.occlusion)
    crop = crop_of(state.labels, settings, room, everywhere=lost)
    usual = [o.usual_area * crop.scale**2 for o in state.objects]
    cropped = crop.cut(image)
    lab = to_lab(cropped)
    warped = _warped(state, crop, cropped, lab, settings)
    earlier = [(state.long_term[-gap], one.correspondence) for gap, one in warped.items()]
    long_term = followed(earlier, crop, state.labels.shape, settings.long_term_flow)
    return _View(image, crop, cropped, lab, usual, reduce(fuse, warped.values()), long_term)


def _terms_of(state: ClassicalState, view: _View, settings: ClassicalSettings) -> _Terms:
    warped, descriptors = view.warped, describe(view.cropped)
    appearance_log_prob, reference_log_prob = _appearance_log_prob(
        state, descriptors, warped, view.lab, settings
    )
    flow = warped.correspondence.flow()
    motions = object_motions(flow, warped.masks)
    predicted = predict_shapes(state, view.crop, warped, motions, settings)
    expected = support(warped, predicted, settings.shape)
    moving = motion_scores(flow, warped.masks, motions, settings.motion)
    novel = novelty(
        descriptors, warped.masks, moving, state.appearance, state.online.recent, settings.novelty
    )
    unary = _unary_terms(state, view, expected, moving, novel, predicted, appearance_log_prob, settings)
    appearance = np.exp(appearance_log_prob)
    return _Terms(
        descriptors, appearance_log_prob, appearance, reference_log_prob, predicted, expected, unary
    )


def _context(
    state: ClassicalState, view: _View, terms: _Terms, probabilities: Floats, settings: ClassicalSettings
) -> FrameContext:
    known = state.previous_appearance
    before = crop_of(state.labels, settings) if known is None else known.crop
    return FrameContext(
        view.image, view.crop, view.cropped, state.appearance.ids, probabilities, view.warped,
        terms.appearance_log_prob, state.references, PreviousFrame(state.image, state.labels, before),
    )  # fmt: skip


def _whole_regions(
    state: ClassicalState, view: _View, terms: _Terms, probabilities: Floats, settings: ClassicalSettings
) -> Floats:
    """(1 + K, h, w) label probabilities after regions as wholes were given to one object, or removed."""
    masks = view.warped.masks
    owned = one_owner(probabilities, masks, state.objects, view.usual, view.crop)
    return filter_components(owned, masks, terms.expected, terms.appearance, view.usual, settings.components)


def _next_state(
    state: ClassicalState,
    view: _View,
    terms: _Terms,
    probabilities: Floats,
    settings: ClassicalSettings,
    confidence: Confidence,
) -> ClassicalState:
    """The state after a frame with these label probabilities (1 + K, h, w) in its crop."""
    crop, small = view.crop, argmax_rows(probabilities)
    online = _online_update(state, view.warped, terms.descriptors, small, terms.appearance, settings)
    # Not the dtype of the labels before: an object with a high id may have been out of sight.
    labels = np.zeros(state.labels.shape, label_dtype(state.appearance.ids))
    labels[crop.y0 : crop.y1, crop.x0 : crop.x1] = crop.enlarge_labels(probabilities, state.appearance.ids)
    compared = _with_grown_references(state.objects, small, view.lab, crop.scale)
    signals = _signals(compared, probabilities, small, view, terms)
    objects = tuple(
        _next_object(
            one,
            labels,
            update_shape(found, k, probabilities, small, crop, settings),
            0.0 if measured is None else confidence(measured),
            settings,
        )
        for k, (one, measured, found) in enumerate(
            zip(compared, signals, terms.predicted, strict=True), start=1
        )
    )
    longest = max([gap for gap in settings.gaps if gap > 1], default=1)
    past = (*state.past, PastFrame(state.image, state.labels))
    return replace(
        state,
        past=past[max(0, len(past) - longest + 1) :],
        long_term=(*state.long_term, view.long_term)[-longest:],
        image=view.image,
        labels=labels,
        objects=objects,
        online=online,
        previous_appearance=PreviousAppearance(crop, terms.appearance_log_prob),
        soft_labels=LabelProbabilities(crop, probabilities),
    )


def crop_of(labels: Labels, settings: ClassicalSettings, room: int = 0, everywhere: bool = False) -> Crop:
    """The crop around all objects in ``labels``, with ``room`` pixels more on each side; the whole frame
    where there are none, or on demand."""
    return choose_crop(labels, settings.margin, settings.margin_pixels + room, settings.pixels, everywhere)


def _warped(
    state: ClassicalState, crop: Crop, cropped: NDArray[np.uint8], lab: Floats, settings: ClassicalSettings
) -> dict[int, WarpedMasks]:
    """The labels of the previous frame and of some earlier ones, warped to this image; by how many frames
    before it they are."""

    def directly_from(image: NDArray[np.uint8], labels: Labels) -> WarpedMasks:
        before = crop.cut(image)
        masks = [crop.cut_mask(labels, o.object_id) for o in state.objects]
        return warp_masks(before, cropped, (to_lab(before), lab), np.stack(masks), settings.warping)

    warped = {1: directly_from(state.image, state.labels)}
    for gap in settings.gaps:
        if 1 < gap <= len(state.past) + 1:
            earlier = state.past[1 - gap]
            warped[gap] = directly_from(earlier.image, earlier.labels)
    return warped


def _appearance_log_prob(
    state: ClassicalState,
    descriptors: Descriptors,
    warped: WarpedMasks,
    lab: Floats,
    settings: ClassicalSettings,
) -> tuple[Floats, Floats]:
    """Log-probabilities by appearance: of the classifier with its online copy, and of the classifier alone;
    near objects that come out both are those of their colours."""
    weight, limit = settings.online_update.weight, settings.appearance.logit_limit
    networks = [state.appearance.weights]
    if weight and state.online.recent:
        networks.append(state.online.learner.weights)
    reference, *copy = log_probabilities(state.appearance, networks, descriptors, limit)
    mixed = (1 - weight) * reference + weight * copy[0] if copy else reference
    coming = [o.emerging for o in state.objects]
    mixed, reference = (
        with_emerging(one, coming, warped, lab, settings.emergence) for one in (mixed, reference)
    )
    return mixed, reference


def _unary_terms(
    state: ClassicalState,
    view: _View,
    expected: NDArray[np.bool_],
    moving: Floats,
    novel: Floats,
    predicted: Sequence[PredictedShape | None],
    appearance_log_prob: Floats,
    settings: ClassicalSettings,
) -> Floats:
    """(1 + K, h, w) float32 log-scores of background and objects: the sum of all unary terms."""
    warped = view.warped
    lost = [o.is_lost for o in state.objects]
    reach = hidden_reach(warped, view.usual, moving, settings.occlusion)
    scores = motion_unary(warped, expected, lost, reach, settings.warping.min_quality, settings.fusion)
    looks = settings.fusion.appearance * appearance_unary(
        appearance_log_prob, view.crop, state.previous_appearance, warped, settings.fusion.temporal_discount
    )
    scores += discounted(looks, novel, settings.novelty)
    scores[1:] += moving
    scores += shape_unary(state, predicted, scores.shape, settings.shape)
    trust = {o.object_id: o.reference_confidence for o in state.objects}
    scores += long_term_unary(view.long_term, state.references[-1], trust, view.lab, settings.long_term_flow)
    scores[1:] -= _reappearance(state, view.crop, settings)
    if settings.local_colours.weight:
        scores += settings.local_colours.weight * local_colours(
            _softmax(scores), view.lab, settings.local_colours
        )
    return scores


def _reappearance(state: ClassicalState, crop: Crop, settings: ClassicalSettings) -> Floats:
    """(K, h, w) or (K, 1, 1) cost in nats of the objects out of sight, see :class:`Trajectory`."""
    lost = [k for k, o in enumerate(state.objects) if o.frames_lost > 0 and o.trajectory is not None]
    costs = np.zeros((len(state.objects), *((crop.height, crop.width) if lost else (1, 1))), np.float32)
    if not lost:
        return costs
    alike = likeness([o.reference for o in state.objects], settings.lookalikes)
    for k in lost:
        one, likeness_to_others = state.objects[k], float(np.delete(alike[k], k).max(initial=0))
        assert one.trajectory is not None
        costs[k] = one.trajectory.cost(
            crop, one.usual_area, one.frames_lost, likeness_to_others, settings.reappearance
        )
    return costs


def _online_update(
    state: ClassicalState,
    warped: WarpedMasks,
    descriptors: Descriptors,
    found: NDArray[np.integer],
    appearance: Floats,
    settings: ClassicalSettings,
) -> OnlineModel:
    """The copy of the classifier after it has learned from this frame, or as it was where that is not safe.

    ``found`` are the classes (h, w) of the working crop.
    """
    if settings.online_update.weight == 0:
        return state.online
    labels = np.full(found.shape, VOID, dtype=label_dtype(state.appearance.ids))
    stable = 0
    for k, (object_id, mask) in enumerate(zip(state.appearance.ids, warped.masks, strict=True), start=1):
        here, before = found == k, mask > 0.5
        now, then = np.count_nonzero(here), np.count_nonzero(before)
        if settings.area_stability * then <= now <= then / settings.area_stability:
            labels[here & before] = object_id
            stable += 1
    if not stable:
        return state.online
    gap = cv2.distanceTransform((found == 0).astype(np.uint8), cv2.DIST_L2, 3)
    labels[(found == 0) & (gap > settings.background_gap) & (warped.masks.sum(axis=0) < 0.05)] = 0
    return update_online(
        state.online, state.appearance, descriptors, labels, appearance, settings.online_update
    )


def _with_grown_references(
    objects: Sequence[ObjectState], found: NDArray[np.integer], lab: Floats, scale: float
) -> tuple[ObjectState, ...]:
    """The objects, those that come out with what has come out of them; ``found`` are the classes (h, w).

    One that touches no other object has come out: what it grows by then is a leak.
    """

    def grown(one: ObjectState, k: int) -> ObjectState:
        mask = found == k
        around = cv2.dilate(mask.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
        if not (around & (found > 0) & ~mask).any():
            return one
        return replace(one, reference=grown_reference(one.reference, mask, lab, scale))

    return tuple(one if one.emerging is None else grown(one, k) for k, one in enumerate(objects, start=1))


def _signals(
    objects: Sequence[ObjectState],
    probabilities: Floats,
    found: NDArray[np.integer],
    view: _View,
    terms: _Terms,
) -> list[Signals | None]:
    """The signals of each object's mask; ``found`` are the classes (h, w)."""
    reference = np.exp(terms.reference_log_prob)
    updated = terms.appearance / terms.appearance.sum(axis=0)
    warped = view.warped
    return [
        measure(
            probabilities[k], found == k, warped.masks[k - 1], warped.qualities[k - 1],
            warped.consistencies[k - 1], reference[k], updated[k], view.lab, view.crop.scale,
            one.frames_since + 1, one.reference,
        )
        for k, one in enumerate(objects, start=1)
    ]  # fmt: skip


def _next_object(
    state: ObjectState, labels: Labels, shape: Shape | None, score: float, settings: ClassicalSettings
) -> ObjectState:
    """The object after a frame: its usual area grows at once, shrinks slowly, and stays while it is lost."""
    mask = labels == state.object_id
    area = float(np.count_nonzero(mask))
    usual = state.usual_area
    if area > usual:
        usual = area
    elif area > 0.3 * usual:
        usual += settings.usual_area_rate * (area - usual)
    if area == 0:
        score, lost = 0.0, state.frames_lost + 1
    else:
        lost = 0
    before = state.trajectory
    place: Trajectory | None
    if area > 0:
        centre = middle(mask) if shape is None else shape.centre()
        visible = 1.0 if shape is None else shape.visible
        place = before.seen(centre, visible, settings.reappearance) if before else Trajectory(centre)
    else:
        place = before and before.unseen(labels.shape, settings.reappearance)
    return replace(
        state,
        score=score,
        frames_lost=lost,
        usual_area=usual,
        frames_since=state.frames_since + 1,
        trajectory=place,
        shape=shape,
    )


def _softmax(scores: Floats) -> Floats:
    powers = np.exp(scores - scores.max(axis=0))
    result: Floats = powers / powers.sum(axis=0)
    return result
