"""References as a detector: what PerSAM learned from examples, found in other images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from ..backbones.base import Backbone
from ..detectors.base import Detection
from ..errors import PromptError
from ..ops.boxes import tight_box
from ..trackers.persam.feature_geometry import FeatureGeometry, suitable_geometry
from ..trackers.persam.images import LearnedTarget, PersamSettings, learn_target
from ..trackers.persam.instances import LIKENESS, TargetInstance, find_instances, similarity_range
from .reference import References


@dataclass(frozen=True, eq=False)
class _Learned:
    """What is known from one view of a thing."""

    name: str
    target: LearnedTarget
    view: FeatureGeometry
    outside: float
    """Mean similarity of the background of the reference image."""
    inside: float
    """Mean similarity of the thing there."""

    def likeness(self, similarity: float) -> float:
        """0 as similar as the reference's background, 1 as the thing there."""
        return float(np.clip((similarity - self.outside) / max(self.inside - self.outside, 1e-6), 0, 1))


class ReferenceDetector:
    """Finds the things that references show, by PerSAM (Zhang et al. 2023); a
    :class:`~vos.detectors.base.Detector`.

    A detection is scored by the similarity of the features under its mask to the object: 0 as the background
    of the reference image, 1 as the object there.

    Args:
        references: the objects; their names are those that can be found.
        make_backbone: makes the model that sees them; called once, at the first search.
        instances: looked for per thing and view, at most.
        min_score: 0..1 that a detection needs; None: 0.5.
        settings: of PerSAM.
    """

    def __init__(
        self,
        references: References,
        make_backbone: Callable[[], Backbone],
        *,
        instances: int = 1,
        min_score: float | None = None,
        settings: PersamSettings | None = None,
    ) -> None:
        self._references, self._make_backbone = references, make_backbone
        self._instances = instances
        self._min_score = LIKENESS if min_score is None else min_score
        self._settings = settings or PersamSettings()
        self._learned: list[_Learned] | None = None
        self._backbone: Backbone | None = None

    @torch.inference_mode()
    def detect(self, image: NDArray[np.uint8], names: Sequence[str]) -> list[Detection]:
        """See :meth:`vos.detectors.base.Detector.detect`; every detection has a mask.

        Raises:
            PromptError: if a reference's mask covers no cell of the feature grid.
        """
        if self._backbone is None or self._learned is None:
            self._backbone = self._make_backbone()
            self._learned = self._learn(self._backbone)
        features = self._backbone.encode(image)
        found: list[Detection] = []
        for one in self._learned:
            if one.name not in names:
                continue
            threshold = one.outside + self._min_score * (one.inside - one.outside)
            instances = find_instances(
                self._backbone, features, one.target, self._settings, one.view,
                limit=self._instances, threshold=threshold,
            )  # fmt: skip
            found += [entry for instance in instances if (entry := self._judged(one, instance)) is not None]
        return sorted(found, key=lambda entry: -entry.score)

    def _learn(self, backbone: Backbone) -> list[_Learned]:
        learned = []
        for view in self._references.views:
            features = backbone.encode(view.image)
            geometry = suitable_geometry(features, view.mask)
            try:
                target = learn_target(backbone, features, view.mask, self._settings, geometry)
            except PromptError as error:
                raise PromptError(f"the reference {view.source or view.name}: {error}") from error
            outside, inside = similarity_range(features, view.mask, target, geometry)
            learned.append(_Learned(view.name, target, geometry, outside, inside))
        return learned

    def _judged(self, one: _Learned, instance: TargetInstance) -> Detection | None:
        """The instance as a detection, if it is similar enough to the reference."""
        box = tight_box(instance.mask)
        if box is None:
            return None
        similarity = float(instance.found.prior.float().cpu().numpy()[instance.mask].mean())
        score = one.likeness(similarity)
        if score < self._min_score:
            return None
        logits = instance.found.passes[-1].logits[0].float().cpu().numpy()
        logits = np.where(instance.mask, logits, np.minimum(logits, -1.0)).astype(np.float32)
        return Detection(one.name, score, box, None, None, logits)
