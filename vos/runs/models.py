"""Settings to models."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..backbones.registry import build_backbone
from ..detectors.registry import build_detector
from ..trackers.registry import build_tracker
from .settings import TrackSettings

if TYPE_CHECKING:
    from ..backbones.base import Backbone
    from ..detectors.base import Detector
    from ..trackers.base import Tracker


def build_tracker_of(settings: TrackSettings) -> Tracker:
    """The video engine that the settings name.

    Raises:
        ModelError: unknown, or its weights are missing.
        SettingsError: an engine setting is unknown or wrong.
    """
    return build_tracker(
        settings.model,
        settings=settings.tracker,
        device=settings.device,
        dtype=settings.dtype,
        checkpoint=settings.checkpoint,
        backbone=settings.backbone,
        tune=settings.tune,
    )


def backbone_of(tracker: Tracker) -> Backbone:
    """The model that turns points and boxes into masks: the tracker's own, or the interactive one."""
    if tracker.info.backbone is not None:
        return tracker.info.backbone
    from ..backbones.feature_cache import FeatureCache

    return FeatureCache(build_backbone("interactive"))


def build_detector_of(settings: TrackSettings) -> Detector:
    """The model that knows what class names look like.

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
