"""Settings to models."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING

from ..backbones.features import with_features
from ..backbones.registry import build_backbone, has_weights
from ..detectors.registry import build_detector
from ..errors import ModelError
from ..prompting.class_names import ClassNames
from ..prompting.class_schedule import ClassPrompts, reference_hint
from ..results import Source
from ..trackers.base import ALL_PROMPTS
from ..trackers.recommend import recommend
from ..trackers.registry import TRACKERS, build_tracker, check_tracker, split_model
from .auto import AUTO
from .settings import TrackSettings

if TYPE_CHECKING:
    from ..backbones.base import Backbone
    from ..detectors.base import Detector
    from ..prompting.reference import References
    from ..trackers.base import Tracker

INTERACTIVE = "interactive"
"""The backbone that decodes prompts for trackers that have none."""
_OF_TRACKER = ("backbone", "device", "dtype", "checkpoint", "tune")
"""Settings that a tracker is built with, besides its name and its own."""


def build_tracker_of(settings: TrackSettings) -> Tracker:
    """The video engine that the settings name.

    Raises:
        ModelError: unknown, or its weights are missing.
        SettingsError: an engine setting is unknown or wrong.
    """
    model = settings.model
    if model == AUTO:
        model = recommend(settings.device, budget=settings.budget, key_every=settings.key_every).model
    return build_tracker(
        model, settings=settings.tracker, **{name: getattr(settings, name) for name in _OF_TRACKER}
    )


def check_tracker_of(settings: TrackSettings) -> None:
    """Refuse settings of which no tracker can be built, whatever weights and devices there are.

    Raises:
        ModelError, SettingsError: see :func:`build_tracker_of`.
    """
    options = {name: getattr(settings, name) for name in _OF_TRACKER}
    if settings.dtype == AUTO:  # what that stands for depends on the device
        options["dtype"] = "float32"
    if settings.model != AUTO:
        check_tracker(settings.model, settings=settings.tracker, **options)


def backbone_of(tracker: Tracker) -> Backbone:
    """The model that turns points and boxes into masks: the tracker's own, or the interactive one."""
    if tracker.info.backbone is not None:
        return tracker.info.backbone
    from ..backbones.feature_cache import FeatureCache

    return FeatureCache(build_backbone(INTERACTIVE))


def calibrated_sources(settings: TrackSettings, tracker: Tracker, backbone: Backbone | None) -> list[str]:
    """Sources (:class:`~vos.results.Source`) of masks whose confidence was fitted to J, for ``run.json``.

    Args:
        settings: of the run, ``model`` chosen. Its models belong to the packaged weights and the default
            settings of the tracker, and to frames that it has seen: not to those filled between key frames.
        tracker: as it is without a backbone that decodes prompts for it.
        backbone: decodes points and boxes, in place of the tracker's own.
    """
    packaged = settings.checkpoint is None
    name, _ = split_model(settings.model, settings.backbone)
    as_fitted = packaged and not settings.tune and not settings.tracker
    tracks = as_fitted and TRACKERS[name].calibrated and (settings.key_every or 1) == 1
    backbone = backbone or tracker.info.backbone
    # Without one the interactive backbone decodes, for which models were fitted.
    fitted = backbone is None or (packaged and getattr(backbone, "quality_models", None) is not None)
    decodes = tracker.info.accepts != ALL_PROMPTS and fitted
    return [source.value for source, fits in ((Source.TRACKED, tracks), (Source.DECODED, decodes)) if fits]


def matching_backbone_of(tracker: Tracker) -> Backbone:
    """The model whose features re-identify objects: the tracker's own, or the classical one."""
    if tracker.info.backbone is not None:
        return tracker.info.backbone
    from ..backbones.feature_cache import FeatureCache

    return FeatureCache(build_backbone("classical"))


def build_detector_of(settings: TrackSettings) -> Detector:
    """The detector of class names.

    Raises:
        ModelError: unknown, or its weights are missing.
    """
    classes = settings.classes
    return build_detector(
        classes.detector,
        weights=classes.weights,
        tuned=classes.tuned,
        min_score=classes.min_score,
        device=settings.device,
    )


def reference_prompts(
    references: References,
    settings: TrackSettings,
    make_backbone: Callable[[], Backbone],
    make_matching: Callable[[], Backbone],
) -> ClassPrompts:
    """The schedule that detects the objects of references, one instance of each by default.

    Args:
        references: the objects.
        settings: ``reference`` names the detector, ``classes`` has where and how often they are searched for.
        make_backbone: makes the model that turns boxes into masks.
        make_matching: makes the model that compares, where the settings name none.
    """
    from ..prompting.reference_detector import ReferenceDetector

    chosen, classes = settings.reference, settings.classes
    classes = dataclasses.replace(classes, instances=classes.instances or 1)

    def make() -> Backbone:
        if chosen.backbone is None and chosen.features is None:
            return make_matching()
        options = {"device": settings.device, "dtype": settings.dtype, "checkpoint": chosen.checkpoint}
        name = chosen.backbone or "classical"
        if not has_weights(name):
            options = {}
        try:
            backbone = build_backbone(name, **options)
        except ModelError as error:  # which names the flag of the tracker's weights
            raise ModelError(str(error).replace("--checkpoint", "--reference-checkpoint")) from error
        return with_features(backbone, chosen.features, chosen.features_weights, device=settings.device)

    detector = ReferenceDetector(
        references, make, instances=classes.instances or 1, min_score=classes.min_score
    )
    names = ClassNames(references.names)
    hint = reference_hint(has_features=chosen.features is not None)
    return ClassPrompts(names, classes, detector, make_backbone, hint=hint)
