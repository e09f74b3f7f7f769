"""From a reference image and its mask to a function that finds the target in other images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..backbones.base import Backbone, FrameFeatures
from ..backbones.features import OWN, with_features
from ..backbones.registry import build_backbone, has_weights
from ..errors import PromptError, SettingsError
from ..prompting.checks import check_mask_size
from ..prompting.mask import read_masks
from ..prompting.mask_values import MaskValues
from ..results import FrameResult, Source
from ..trackers.persam.feature_geometry import (
    AlignedGeometry,
    ContrastGeometry,
    FeatureGeometry,
    ReferenceGeometry,
    suitable_geometry,
)
from ..trackers.persam.images import LearnedTarget, learn_target
from ..trackers.persam.instances import find_instances, similarity_threshold, to_labels
from ..video.images import image_turn, read_image
from .persam_settings import PersamRunSettings

LOWEST_RED = 124
"""A red value of the foreground below this selects no cell of the reference's grid (PerSAM's code)."""


@dataclass(frozen=True)
class PersamReference:
    """What is to be found: an image file and the file of a mask in it."""

    image: Path
    mask: Path
    object_id: int | None = None
    """Which object of the mask, where it shows several."""
    mask_values: MaskValues = MaskValues.AUTO
    """How the values of the mask are read."""
    turn_mask: bool = False
    """The mask was drawn on the stored pixels: it is turned as the image is when it is read."""


def build_backbone_of(settings: PersamRunSettings) -> Backbone:
    """The model that the settings name.

    Raises:
        ModelError: unknown, or its weights are missing or unusable.
    """
    options: dict[str, Any] = {}
    own = settings.features in (None, OWN)
    if own or has_weights(settings.model):  # otherwise device and precision are those of the features
        options = {"device": settings.device, "dtype": settings.dtype}
    if settings.checkpoint is not None:
        options["checkpoint"] = settings.checkpoint
    backbone = build_backbone(settings.model, **options)
    return with_features(backbone, settings.features, settings.features_weights, device=settings.device)


def learn_reference(
    reference: PersamReference, settings: PersamRunSettings, backbone: Backbone
) -> Callable[[int, NDArray[np.uint8]], FrameResult]:
    """A function of an image's number and pixels: the target of ``reference`` in it."""
    red = _read_mask(reference, settings)
    image = read_image(reference.image)
    turn = image_turn(reference.image)
    if reference.turn_mask:
        red = np.ascontiguousarray(turn.apply(red))
    what = f"the reference mask {reference.mask}"
    check_mask_size(red.shape, image.shape[:2], what, f"the pixels of {reference.image} as read are", turn)
    try:
        return learn_target_in(image, red > 0, settings, backbone, red)
    except PromptError as error:
        raise PromptError(f"{reference.mask}: {error}") from error


def learn_target_in(
    image: NDArray[np.uint8],
    mask: NDArray[np.bool_],
    settings: PersamRunSettings,
    backbone: Backbone,
    red: NDArray[np.uint8] | None = None,
) -> Callable[[int, NDArray[np.uint8]], FrameResult]:
    """A function of an image's number and pixels: the target of ``image`` under ``mask`` in it.

    ``red`` (H, W) is the red channel of the mask, not 0 where ``mask`` is True, which the published programs
    look at; None: 255 there.

    Raises:
        PromptError: if the mask covers no cell of the feature grid, or has another size than the image.
    """
    features = backbone.encode(image)
    view = _view(settings, backbone, features, mask, 255 if red is None else red)
    target: LearnedTarget = learn_target(backbone, features, mask, settings, view)
    threshold = similarity_threshold(features, mask, target, view)
    del features

    def find(number: int, image: NDArray[np.uint8]) -> FrameResult:
        instances = find_instances(
            backbone,
            backbone.encode(image),
            target,
            settings,
            view,
            limit=settings.objects,
            threshold=threshold,
        )
        # Predicted qualities are not bounded, and in half precision may be NaN; confidences are in 0..1.
        qualities = np.nan_to_num([instance.found.score for instance in instances], nan=0.0).clip(0, 1)
        scores = {n: float(quality) for n, quality in enumerate(qualities, start=1)}
        return FrameResult(number, to_labels(instances), scores, source=Source.DETECTED)

    return find


def _view(
    settings: PersamRunSettings,
    backbone: Backbone,
    features: FrameFeatures,
    mask: NDArray[np.bool_],
    foreground: int | NDArray[np.uint8],
) -> FeatureGeometry:
    """How features are read; ``foreground`` is the red value of the reference mask, or its red channel."""
    name = settings.view
    if name == "aligned" or mask.shape != features.image_size:  # the latter is for learn_target to refuse
        return AlignedGeometry()
    if name == "auto":
        return suitable_geometry(features, mask)
    if name == "contrast":
        return ContrastGeometry.of_reference(features, mask)
    from ..backbones.sam.backbone import SamBackbone

    if not isinstance(backbone, SamBackbone):
        raise SettingsError(
            f"the reference's view is one of SAM's padded square, which {settings.model} does not have; "
            "give --model mobile-sam, sam-vit-b, sam-vit-l or sam-vit-h"
        )
    return ReferenceGeometry(backbone, foreground)


def _read_mask(reference: PersamReference, settings: PersamRunSettings) -> NDArray[np.uint8]:
    """(H, W) uint8 red channel of the mask of the target, 255 where the view does not look at it.

    Raises:
        PromptError, MediaError: if it cannot be read, is empty, or shows several objects.
    """
    if settings.view == "reference":
        if reference.object_id is not None:
            raise PromptError(
                "--reference-id cannot be used with --recipe parity: the published program takes all that is "
                f"red in the mask for one target; save object {reference.object_id} of {reference.mask} "
                "alone, with 255"
            )
        red = read_image(reference.mask)[..., 0]
        level = int(red.max(initial=0))
        if 0 < level < LOWEST_RED:
            raise PromptError(
                f"the foreground of {reference.mask} has the red value {level}: the published program "
                f"reads masks as RGB images and selects nothing below {LOWEST_RED}; save it with 128 or 255, "
                "or leave out --recipe parity"
            )
        return red
    masks = read_masks(reference.mask, reference.mask_values)
    wanted = reference.object_id
    if wanted is None and len(masks) > 1:
        raise PromptError(
            f"{reference.mask} shows {len(masks)} objects ({', '.join(map(str, list(masks)[:5]))}), but a "
            f"target is one object: choose it with --reference-id"
        )
    if wanted is not None and wanted not in masks:
        raise PromptError(
            f"{reference.mask} shows no object {wanted}, but {', '.join(map(str, list(masks)[:5]))}: "
            "choose one of these with --reference-id"
        )
    return (next(iter(masks.values())) if wanted is None else masks[wanted]) * np.uint8(255)
