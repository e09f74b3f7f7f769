"""The classical tracker: no learned weights, any object, on the CPU.

Two unary terms for every pixel of a new frame enter one energy:

- *motion*: the previous labels, warped by optical flow, weighted by how well forward and backward flow agree
  (:mod:`vos.trackers.flow_warping`);
- *appearance*: a small classifier fitted to the reference frame (:mod:`vos.trackers.classical.appearance`),
  and a copy of it that is updated online from the tracker's own results
  (:mod:`vos.trackers.classical.online_update`).

Their log-probabilities add up (:mod:`vos.trackers.classical.unary`), colours on both sides of the outline
correct it (:mod:`vos.trackers.classical.local_colours`), mean field makes neighbours agree
(:mod:`vos.trackers.classical.mean_field`), and components without support are dropped
(:mod:`vos.trackers.classical.components`). All objects and the background compete in one label field, so
several objects cost little more than one. A step works on a crop around the objects
(:mod:`vos.ops.crop`). One frame of it is in :mod:`vos.trackers.classical.step`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...backbones.classical.descriptors import to_lab
from ...frame import Frame
from ...prompts import Target
from ...results import FrameResult, Labels
from ...settings import override
from ..base import TrackerInfo
from ..mask_tracker import MaskPrompts, MaskTracker, check_size, mask_prompts, prompted_result
from .appearance import ReferenceFrame, fit
from .confidence import Confidence, fitted_confidence, reference_statistics
from .emergence import emerging
from .frame_context import Refiner
from .long_term_flow import of_reference
from .online_update import initial_online_model
from .settings import ClassicalSettings
from .state import ClassicalState, ObjectState
from .step import advance, crop_of

__all__ = ["ClassicalSettings", "ClassicalTracker", "ObjectState"]


class ClassicalTracker(MaskTracker[ClassicalState]):
    """The classical engine as a :class:`~vos.trackers.base.Tracker`.

    Args:
        settings: see :class:`ClassicalSettings`.
        refiner: replaces the label probabilities of every frame; see
            :mod:`vos.trackers.classical.frame_context`.
        confidence: expected J of a mask with these signals, in 0..1; None: the model fitted to this tracker.
    """

    def __init__(
        self,
        settings: ClassicalSettings | None = None,
        refiner: Refiner | None = None,
        confidence: Confidence | None = None,
    ) -> None:
        super().__init__()
        self._settings = settings or ClassicalSettings()
        self._refiner = refiner
        self._confidence = confidence or fitted_confidence("classical")

    @property
    def info(self) -> TrackerInfo:
        """See :class:`~vos.trackers.base.Tracker`."""
        return TrackerInfo(self._settings)

    def _learn(self, state: ClassicalState | None, frame: Frame, prompts: MaskPrompts) -> ClassicalState:
        labels = prompts.labels.copy() if state is None else prompts.over(state.labels)
        tracked = () if state is None else state.objects
        known = {o.object_id: replace(o, reference_confidence=o.score) for o in tracked}
        known |= self._prompted(frame, labels, prompts)
        scale = crop_of(labels, self._settings).scale
        references = (
            *(() if state is None else state.references),
            ReferenceFrame(frame.image, labels.copy(), scale),
        )
        return self._fitted(frame.image, labels, known, self._limited(references))

    def start_from(self, references: Sequence[tuple[Frame, Sequence[Target]]]) -> FrameResult:
        """See :class:`~vos.trackers.intervals.StartsFromSeveral`: one model is fitted to all frames.

        Objects that the last frame does not show are ignored.
        """
        self._state = self._preview = None
        prompts = [mask_prompts(frame, targets) for frame, targets in references]
        frame, last = references[-1][0], prompts[-1]
        labelled = []
        for (earlier, _), shown in zip(references, prompts, strict=True):
            check_size(frame, earlier.size)
            labels = np.where(np.isin(shown.labels, last.ids), shown.labels, 0).astype(last.labels.dtype)
            labelled.append(ReferenceFrame(earlier.image, labels, crop_of(labels, self._settings).scale))
        known = self._prompted(frame, last.labels, last)
        self._state = self._fitted(frame.image, last.labels.copy(), known, self._limited(tuple(labelled)))
        return prompted_result(self._result(self._state, frame), last)

    def _limited(self, references: tuple[ReferenceFrame, ...]) -> tuple[ReferenceFrame, ...]:
        """The reference frames that are learned from: the first is never forgotten."""
        most = self._settings.max_references
        return (
            references
            if len(references) <= most
            else (references[0], *references[len(references) - most + 1 :])
        )

    def _prompted(self, frame: Frame, labels: Labels, prompts: MaskPrompts) -> dict[int, ObjectState]:
        """State of the prompted objects, by id; ``labels`` agree with the prompts."""
        crop = crop_of(labels, self._settings)
        lab = to_lab(crop.cut(frame.image))
        objects = {}
        for object_id, confidence in prompts.confidence.items():
            mask = labels == object_id
            inside = crop.cut(mask.astype(np.float32)) > 0.5
            reference = reference_statistics(inside, lab, confidence, crop.scale)
            area = float(np.count_nonzero(mask))
            objects[object_id] = ObjectState(
                object_id, confidence, 0, area, reference,
                emerging=emerging(frame.image, labels, object_id, crop.scale, self._settings.emergence),
                reference_confidence=confidence,
            )  # fmt: skip
        return objects

    def _fitted(
        self,
        image: NDArray[np.uint8],
        labels: Labels,
        known: dict[int, ObjectState],
        references: tuple[ReferenceFrame, ...],
    ) -> ClassicalState:
        ids = sorted(known)
        appearance = fit(references, ids, self._settings.appearance)
        return ClassicalState(
            image,
            labels,
            tuple(known[k] for k in ids),
            references,
            appearance,
            initial_online_model(appearance),
            None,
            long_term=(of_reference(labels.shape),),
        )

    def _advance(self, state: ClassicalState, frame: Frame) -> ClassicalState:
        check_size(frame, state.labels.shape)
        return advance(state, frame.image, self._settings, self._confidence, self._refiner)

    def _without(self, state: ClassicalState, object_id: int) -> ClassicalState:
        def cleared(labels: Labels) -> Labels:
            return np.where(labels == object_id, 0, labels).astype(labels.dtype)

        references = tuple(replace(r, labels=cleared(r.labels)) for r in state.references)
        known = {o.object_id: o for o in state.objects if o.object_id != object_id}
        fitted = self._fitted(state.image, cleared(state.labels), known, references)
        return replace(fitted, long_term=state.long_term)

    def _known(self, state: ClassicalState) -> tuple[int, ...]:
        return tuple(o.object_id for o in state.objects)

    def _result(self, state: ClassicalState, frame: Frame) -> FrameResult:
        confidence = {o.object_id: o.score for o in state.objects}
        return FrameResult(frame.index, state.labels.copy(), confidence, probabilities=state.probabilities)

    def _to_dict(self, state: ClassicalState) -> dict[str, Any]:
        return state.to_dict()

    def _from_dict(self, state: dict[str, Any]) -> ClassicalState:
        return ClassicalState.from_dict(state)


def settings_of(settings: Mapping[str, Any]) -> ClassicalSettings:
    """The settings of the classical tracker with ``settings`` laid over them; or SettingsError."""
    return override(ClassicalSettings(), settings)


def build(
    *, settings: ClassicalSettings, device: str, dtype: str, checkpoint: str | None
) -> ClassicalTracker:
    """The classical tracker."""
    return ClassicalTracker(settings)
