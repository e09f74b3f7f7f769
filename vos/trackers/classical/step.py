"""One frame of the classical tracker, from the state before it to the state after it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar

import cv2
import numpy as np
from numpy.typing import NDArray

from ...backbones.classical.descriptors import Descriptors, describe, to_lab
from ...ops.crop import Crop, choose_crop
from ...ops.overlap import argmax_rows
from ...results import Labels, labels_to_masks
from ..flow_warping import WarpedMasks, WarpingSettings, vote, warp_masks
from .appearance import Appearance, AppearanceSettings, ReferenceFrame, log_probabilities
from .augmentation import VOID
from .components import ComponentSettings, filter_components
from .confidence import Confidence, ReferenceStatistics, Signals, measure
from .frame_context import FrameContext, Refiner
from .local_colours import LocalColourSettings, local_colours
from .lookalikes import LookalikeSettings, likeness
from .mean_field import CrfSettings, mean_field
from .motion import MotionSettings, motion_scores, object_motions
from .online_update import AdaptationSettings, Adapted, adapt
from .reappearance import ReappearanceSettings, Trajectory
from .shape import UNKNOWN, Shape, ShapeSettings, middle, shape_of, shape_scores, similarity
from .unary import FusionSettings, PreviousAppearance, appearance_unary, motion_unary

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class ClassicalSettings:
    """Settings of the classical tracker; nothing is chosen per video. What each is worth:
    ``docs/engine.md``."""

    RENAMED: ClassVar = {
        "max_given": "max_references",
        "carry": "warping",
        "local": "local_colours",
        "smooth": "crf",
        "parts": "components",
    }

    pixels: int = 100_000
    """Size of the working crop: half the resolution of 854x480. 60,000 loses 1.4 points."""
    margin: float = 0.6
    """Room around the objects, as a fraction of the longest side of the largest."""
    margin_pixels: int = 40
    """Room around the objects added to that: small objects move by more than their own size."""
    gaps: tuple[int, ...] = (4,)
    """Labels are also warped directly from this many frames before: chained step by step they drift. Worth 4
    points."""
    max_references: int = 4
    """Reference frames (the first and the newest corrections) that the classifier learns from."""
    steady: float = 0.7
    """The online update uses only objects whose area changed by no more than this factor, and only frames
    that have such an object."""
    learn_gap: float = 4.0
    """Background nearer to an object than this, in pixels of the working crop, is left out of the online
    update."""
    usual_rate: float = 0.03
    """How fast an object's usual area shrinks with it; it grows at once."""
    warping: WarpingSettings = field(default_factory=WarpingSettings)
    fusion: FusionSettings = field(default_factory=FusionSettings)
    lookalikes: LookalikeSettings = field(default_factory=LookalikeSettings)
    shape: ShapeSettings = field(default_factory=ShapeSettings)
    reappearance: ReappearanceSettings = field(default_factory=ReappearanceSettings)
    motion: MotionSettings = field(default_factory=MotionSettings)
    local_colours: LocalColourSettings = field(default_factory=LocalColourSettings)
    crf: CrfSettings = field(default_factory=CrfSettings)
    components: ComponentSettings = field(default_factory=ComponentSettings)
    appearance: AppearanceSettings = field(default_factory=AppearanceSettings)
    adaptation: AdaptationSettings = field(default_factory=AdaptationSettings)


@dataclass(frozen=True)
class ObjectState:
    """One object between two frames."""

    object_id: int
    score: float
    """Confidence in the newest frame: expected J, in 0..1."""
    frames_lost: int
    """Frames in a row in which the object has covered no pixel."""
    usual_area: float
    """Pixels of the frame that the object covers when nothing hides it."""
    reference: ReferenceStatistics
    """Of the object's newest prompted mask."""
    frames_since: int = 0
    """Frames since that mask."""
    trajectory: Trajectory | None = None
    """None until the object has been seen."""
    shape: Shape | None = None
    """None until then, and where the object has been out of sight since."""


@dataclass(frozen=True, eq=False)
class PastFrame:
    """An earlier frame and its labels."""

    image: NDArray[np.uint8]
    labels: Labels


@dataclass(frozen=True, eq=False)
class Belief:
    """Label probabilities of a frame, in the working crop."""

    crop: Crop
    values: Floats
    """(1 + K, h, w) float32, the background first."""


@dataclass(frozen=True, eq=False)
class Video:
    """All that a step needs from the frames before."""

    image: NDArray[np.uint8]
    labels: Labels
    objects: tuple[ObjectState, ...]
    """In the order of their ids, as in ``appearance``."""
    given: tuple[ReferenceFrame, ...]
    appearance: Appearance
    adapted: Adapted
    evidence: PreviousAppearance | None
    """None right after a reference frame."""
    past: tuple[PastFrame, ...] = ()
    """Frames before the newest one, oldest first: as many as the longest gap needs."""
    belief: Belief | None = None
    """Soft masks of the newest frame; None after a reference frame and after loading. No step needs it."""

    def probabilities(self) -> Floats:
        """(N, H, W) float32 in 0..1, in the order of ``objects``."""
        if self.belief is None:
            return labels_to_masks(self.labels, [o.object_id for o in self.objects]).astype(np.float32)
        whole = np.zeros((len(self.objects), *self.labels.shape), np.float32)
        crop = self.belief.crop
        whole[:, crop.y0 : crop.y1, crop.x0 : crop.x1] = crop.enlarge(self.belief.values[1:])
        return whole


def advance(
    video: Video,
    image: NDArray[np.uint8],
    settings: ClassicalSettings,
    confidence: Confidence,
    refiner: Refiner | None = None,
) -> Video:
    """The video one frame later.

    Args:
        image: (H, W, 3) uint8 RGB.
        confidence: expected J of a mask with these signals.
        refiner: replaces the label probabilities, before small components are filtered out.
    """
    if not video.objects:
        return replace(video, image=image, belief=None)
    # An object that has gone out of sight may come back anywhere.
    lost = any(o.frames_lost > 0 and o.usual_area > 0 for o in video.objects)
    crop = crop_of(video.labels, settings, everywhere=lost)
    cropped = crop.cut(image)
    lab = to_lab(cropped)
    warped = _warped(video, crop, cropped, lab, settings)

    descriptors = describe(cropped)
    appearance_log_prob, learned = _appearance_log_prob(video, descriptors, settings)
    flow = warped.correspondence.flow()
    motions = object_motions(flow, warped.masks)
    predicted = _predicted_shapes(video, crop, warped, motions, settings)
    expected = _expected(warped, predicted, settings.shape)
    scores = motion_unary(warped, expected, settings.warping.good, settings.fusion)
    scores += settings.fusion.appearance * appearance_unary(
        appearance_log_prob, crop, video.evidence, warped, settings.fusion.temporal_discount
    )
    scores[1:] += motion_scores(flow, warped.masks, motions, settings.motion)
    scores += _shape_scores(video, predicted, scores.shape, settings.shape)
    scores[1:] -= _reappearance(video, crop, settings)
    if settings.local_colours.weight:
        scores += settings.local_colours.weight * local_colours(_softmax(scores), lab, settings.local_colours)
    belief = mean_field(scores, lab, settings.crf)
    if refiner is not None:
        before = ReferenceFrame(video.image, video.labels, crop.scale)
        belief = refiner(
            FrameContext(
                crop, cropped, video.appearance.ids, belief, warped, appearance_log_prob, video.given, before
            )
        )
    appearance = np.exp(appearance_log_prob)
    usual = [o.usual_area * crop.scale**2 for o in video.objects]
    belief = filter_components(belief, warped.masks, expected, appearance, usual, settings.components)

    small = argmax_rows(belief)
    adapted = _adapted(video, warped, descriptors, small, appearance, settings)
    labels = np.zeros_like(video.labels)
    labels[crop.y0 : crop.y1, crop.x0 : crop.x1] = crop.enlarge_labels(belief, video.appearance.ids)
    both = (np.exp(learned), appearance / appearance.sum(axis=0))
    signals = _signals(video, belief, warped, both, lab, crop.scale)
    objects = tuple(
        _next_state(
            state,
            labels,
            _seen_shape(found, k, belief, small, crop, settings),
            0.0 if measured is None else confidence(measured),
            settings,
        )
        for k, (state, measured, found) in enumerate(
            zip(video.objects, signals, predicted, strict=True), start=1
        )
    )
    longest = max([gap for gap in settings.gaps if gap > 1], default=1)
    past = (*video.past, PastFrame(video.image, video.labels))
    return replace(
        video,
        past=past[max(0, len(past) - longest + 1) :],
        image=image,
        labels=labels,
        objects=objects,
        adapted=adapted,
        evidence=PreviousAppearance(crop, appearance_log_prob),
        belief=Belief(crop, belief),
    )


def crop_of(labels: Labels, settings: ClassicalSettings, everywhere: bool = False) -> Crop:
    """The crop around all objects in ``labels``; the whole frame where there are none, or on demand."""
    return choose_crop(labels, settings.margin, settings.margin_pixels, settings.pixels, everywhere)


def _warped(
    video: Video, crop: Crop, cropped: NDArray[np.uint8], lab: Floats, settings: ClassicalSettings
) -> WarpedMasks:
    """The labels of the previous frame and of some earlier ones, warped to this image and fused."""

    def straight_from(image: NDArray[np.uint8], labels: Labels) -> WarpedMasks:
        before = crop.cut(image)
        masks = [crop.cut_mask(labels, o.object_id) for o in video.objects]
        return warp_masks(before, cropped, (to_lab(before), lab), np.stack(masks), settings.warping)

    warped = straight_from(video.image, video.labels)
    for gap in settings.gaps:
        if 1 < gap <= len(video.past) + 1:
            earlier = video.past[1 - gap]
            warped = vote(warped, straight_from(earlier.image, earlier.labels))
    return warped


def _appearance_log_prob(
    video: Video, descriptors: Descriptors, settings: ClassicalSettings
) -> tuple[Floats, Floats]:
    """Log-probabilities by appearance: of the classifier with its online copy, and without it."""
    share, certainty = settings.adaptation.share, settings.appearance.certainty
    networks = [video.appearance.weights]
    if share and video.adapted.recent:
        networks.append(video.adapted.learner.weights)
    learned, *copy = log_probabilities(video.appearance, networks, descriptors, certainty)
    if not copy:
        return learned, learned
    return (1 - share) * learned + share * copy[0], learned


def _reappearance(video: Video, crop: Crop, settings: ClassicalSettings) -> Floats:
    """(K, h, w) or (K, 1, 1) cost in nats of the objects out of sight, see :class:`Trajectory`."""
    lost = [k for k, o in enumerate(video.objects) if o.frames_lost > 0 and o.trajectory is not None]
    costs = np.zeros((len(video.objects), *((crop.height, crop.width) if lost else (1, 1))), np.float32)
    if not lost:
        return costs
    alike = likeness([o.reference for o in video.objects], settings.lookalikes)
    for k in lost:
        state, double = video.objects[k], float(np.delete(alike[k], k).max(initial=0))
        assert state.trajectory is not None
        costs[k] = state.trajectory.cost(
            crop, state.usual_area, state.frames_lost, double, settings.reappearance
        )
    return costs


@dataclass(frozen=True, eq=False)
class PredictedShape:
    """An object's shape in a new frame."""

    shape: Shape
    drawn: Floats
    """(h, w) float32 in 0..1, in the crop."""


def _predicted_shapes(
    video: Video,
    crop: Crop,
    warped: WarpedMasks,
    motions: Sequence[tuple[Floats, float] | None],
    settings: ClassicalSettings,
) -> list[PredictedShape | None]:
    """The shapes of the objects in this frame; None for those out of sight."""
    predicted: list[PredictedShape | None] = []
    if settings.shape.weight == 0 or len(video.objects) < settings.shape.fewest:
        return [None] * len(video.objects)
    for state, mask, motion in zip(video.objects, warped.masks, motions, strict=True):
        shape = state.shape
        if shape is None and state.frames_lost == 0:
            here = crop.cut((video.labels == state.object_id).astype(np.float32))
            others = crop.cut(((video.labels > 0) & (video.labels != state.object_id)).astype(np.float32))
            shape = shape_of(here, others > 0.5, crop)
        if shape is None:
            predicted.append(None)
            continue
        dx, dy = (state.trajectory and state.trajectory.velocity) or (0.0, 0.0)
        step = np.array([[1, 0, -dx * crop.scale], [0, 1, -dy * crop.scale]])
        inside = mask > 0.5
        if motion is not None and inside.any():
            others = warped.masks.sum(axis=0) - mask > 0.5
            visible = shape.visible_share(shape.moved(step, crop).drawn(crop), others, settings.shape)
            step = (1 - visible) * step + visible * similarity(motion[0], middle(inside))
        shape = shape.moved(step, crop)
        predicted.append(PredictedShape(shape, shape.drawn(crop)))
    return predicted


def _shape_scores(
    video: Video,
    predicted: Sequence[PredictedShape | None],
    size: tuple[int, ...],
    settings: ShapeSettings,
) -> Floats:
    """(1 + K, h, w) float32 score in nats of background and objects, from the predicted shapes."""
    scores = np.zeros(size, np.float32)
    for k, (state, found) in enumerate(zip(video.objects, predicted, strict=True), start=1):
        if found is None:
            continue
        trust = found.shape.trust(settings) * settings.fading**state.frames_lost
        if trust > 0.05:
            scores[k] = shape_scores(found.drawn, trust, settings)
            if state.frames_lost:  # it may be elsewhere
                scores[k] = np.maximum(scores[k], 0)
            scores[0] = np.maximum(scores[0], settings.background * scores[k])
    return scores


def _expected(
    warped: WarpedMasks, predicted: Sequence[PredictedShape | None], settings: ShapeSettings
) -> NDArray[np.bool_]:
    """(K, h, w) bool: where each object may turn up without growing, as far as shapes can be trusted."""
    expected = warped.masks > 0.5
    for here, found in zip(expected, predicted, strict=True):
        if here.any() and found is not None and found.shape.agreement > settings.expected:
            here |= found.drawn > UNKNOWN
    return expected


def _seen_shape(
    predicted: PredictedShape | None,
    k: int,
    belief: Floats,
    found: NDArray[np.integer],
    crop: Crop,
    settings: ClassicalSettings,
) -> Shape | None:
    """The shape of object ``k`` of ``found`` (h, w) after this frame."""
    if predicted is None:
        return None
    if not (found == k).any():
        return predicted.shape
    others = (found > 0) & (found != k)
    return predicted.shape.seen(predicted.drawn, belief[k], others, crop, settings.shape)


def _adapted(
    video: Video,
    warped: WarpedMasks,
    descriptors: Descriptors,
    found: NDArray[np.integer],
    appearance: Floats,
    settings: ClassicalSettings,
) -> Adapted:
    """The copy of the classifier after it has learned from this frame, or as it was where that is not safe.

    ``found`` are the classes (h, w) of the working crop.
    """
    if settings.adaptation.share == 0:
        return video.adapted
    labels = np.full(found.shape, VOID, dtype=np.uint8)
    steady = 0
    for k, (object_id, mask) in enumerate(zip(video.appearance.ids, warped.masks, strict=True), start=1):
        here, before = found == k, mask > 0.5
        now, then = np.count_nonzero(here), np.count_nonzero(before)
        if settings.steady * then <= now <= then / settings.steady:
            labels[here & before] = object_id
            steady += 1
    if not steady:
        return video.adapted
    gap = cv2.distanceTransform((found == 0).astype(np.uint8), cv2.DIST_L2, 3)
    labels[(found == 0) & (gap > settings.learn_gap) & (warped.masks.sum(axis=0) < 0.05)] = 0
    return adapt(video.adapted, video.appearance, descriptors, labels, appearance, settings.adaptation)


def _signals(
    video: Video,
    belief: Floats,
    warped: WarpedMasks,
    appearance: tuple[Floats, Floats],
    lab: Floats,
    scale: float,
) -> list[Signals | None]:
    """The signals of each object's mask; ``appearance``: (1 + K, h, w) of the reference and of both."""
    labels = argmax_rows(belief)
    return [
        measure(
            belief[k],
            labels == k,
            warped.masks[k - 1],
            warped.qualities[k - 1],
            warped.trusts[k - 1],
            appearance[0][k],
            appearance[1][k],
            lab,
            scale,
            state.frames_since + 1,
            state.reference,
        )
        for k, state in enumerate(video.objects, start=1)
    ]


def _next_state(
    state: ObjectState, labels: Labels, shape: Shape | None, score: float, settings: ClassicalSettings
) -> ObjectState:
    """Usual area follows growth at once, shrinking slowly, and vanishing not at all."""
    mask = labels == state.object_id
    area = float(np.count_nonzero(mask))
    usual = state.usual_area
    if area > usual:
        usual = area
    elif area > 0.3 * usual:
        usual += settings.usual_rate * (area - usual)
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
