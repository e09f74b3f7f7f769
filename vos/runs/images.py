"""Single images in memory: masks from prompts, from class names, without any, and from one example."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..arrays import Image
from ..backbones.registry import build_backbone
from ..detectors.registry import build_detector
from ..errors import SettingsError
from ..frame import Frame
from ..ops.overlap import paint, paint_by
from ..prompting.decoding import decode_prompts
from ..prompts import Prompt, Target, check_targets_given
from ..results import FrameResult, Source

if TYPE_CHECKING:
    from ..backbones.base import Backbone
    from ..detectors.base import Detector
    from ..detectors.vl_sam.vlm import VisionLanguageModel


def segment_image(
    image: Image, prompts: Sequence[Target], *, backbone: str | Backbone = "classical", **options: Any
) -> FrameResult:
    """The masks of prompted objects in an image.

    Args:
        image: (H, W, 3) uint8 RGB.
        prompts: points, boxes or rough masks, in pixels of ``image``; at least one.
        backbone: a name in :data:`vos.backbones.registry.BACKBONES`, or a model.
        **options: of the backbone's builder: ``checkpoint``, ``device``, ``dtype``.

    Raises:
        InputError: for an image of another shape or type.
        PromptError: if a prompt does not fit the image, or nothing is found for it.
        ModelError: for an unknown backbone, or weights that are missing or unusable.
    """
    _refuse_options(options, backbone, "backbone")
    model = build_backbone(backbone, **options) if isinstance(backbone, str) else backbone
    frame = Frame(0, image)
    return _result(decode_prompts(frame, check_targets_given(prompts), model))


def detect(
    image: Image,
    names: str | Sequence[str],
    *,
    detector: str | Detector = "blip",
    backbone: str | Backbone = "classical",
    **options: Any,
) -> tuple[FrameResult, dict[int, str]]:
    """The objects of named classes in an image, with ids from 1, and the name of each.

    Args:
        image: (H, W, 3) uint8 RGB.
        names: class names, such as ``["dog", "red car"]``, or one.
        detector: a name in :data:`vos.detectors.registry.DETECTORS`, or a detector.
        backbone: makes the masks; see :func:`segment_image`.
        **options: of the detector: ``weights``, ``tuned``, ``min_score``, ``device``.

    Raises:
        InputError: for an image of another shape or type.
        PromptError: without names, or for one that the detector cannot know.
        ModelError: for an unknown detector or backbone, or weights that are missing or unusable.
    """
    from ..prompting.class_names import ClassNames, ClassSettings, class_instances, label_instances

    wanted = ClassNames((names,) if isinstance(names, str) else tuple(names)).names
    frame = Frame(0, image)
    _refuse_options(options, detector, "detector")
    least = options.get("min_score")  # some detectors leave it to whoever reads their scores
    detector = build_detector(detector, **options) if isinstance(detector, str) else detector
    model = build_backbone(backbone) if isinstance(backbone, str) else backbone
    instances = class_instances(frame, wanted, detector, model, ClassSettings(min_score=least))
    if not instances:
        return FrameResult(0, np.zeros(frame.size, np.uint8)), {}
    ids = list(range(1, len(instances) + 1))
    confidence = {k: entry.score for k, entry in zip(ids, instances, strict=True)}
    result = FrameResult(0, label_instances(instances, ids), confidence, source=Source.DETECTED)
    return result, {k: entry.name for k, entry in zip(ids, instances, strict=True)}


def discover(
    image: Image,
    *,
    detector: str | VisionLanguageModel = "vlm",
    backbone: str | Backbone = "classical",
    **settings: Any,
) -> tuple[FrameResult, dict[int, str]]:
    """The objects in an image without class names (VL-SAM, Lin et al. 2024), best first, with ids from 1, and
    the name that the model has for each.

    Args:
        image: (H, W, 3) uint8 RGB.
        detector: a generative model in :data:`vos.detectors.attention.registry.LANGUAGE_MODELS`, or a model.
        backbone: makes the masks; see :func:`segment_image`.
        **settings: of :class:`~vos.runs.discover.DiscoverRunSettings`, such as ``weights``, ``device`` or
            ``discover={"questions": 10, "tiles": True}``.

    Raises:
        SettingsError: for an unknown setting, or one of the wrong type.
        ModelError: for an unknown detector or backbone, or weights that are missing or unusable.
    """
    from ..detectors.vl_sam.discovery import discover as find
    from ..settings import override
    from .discover import DiscoverRunSettings, build_backbone_of, build_discoverer_of

    given: dict[str, Any] = dict(settings)
    given |= {"detector": detector} if isinstance(detector, str) else {}
    given |= {"model": backbone} if isinstance(backbone, str) else {}
    chosen = override(DiscoverRunSettings(), given)
    model = build_discoverer_of(chosen) if isinstance(detector, str) else detector
    masking = build_backbone_of(chosen) if isinstance(backbone, str) else backbone
    image = Frame(0, image).image
    found = find(image, model, masking, chosen.discover)
    if not found:
        return FrameResult(0, np.zeros(image.shape[:2], np.uint8)), {}
    ids = range(1, len(found) + 1)
    labels = paint_by([entry.mask for entry in found], ids, ids)  # the better one wins
    confidence = {k: entry.score for k, entry in zip(ids, found, strict=True)}
    names = {k: entry.name for k, entry in zip(ids, found, strict=True)}
    return FrameResult(0, labels, confidence, source=Source.DETECTED), names


def persam(
    image: Image, mask: NDArray[np.bool_], *, backbone: str | Backbone = "classical", **settings: Any
) -> Callable[[Image], FrameResult]:
    """Learn a target from one image and its mask; returns a function that finds it in others.

    This is PerSAM (Zhang et al. 2023), made robust; ``tune`` adds PerSAM-F.

    ::

        find = vos.persam(reference_image, reference_mask)
        result = find(another_image)

    Args:
        image: (H, W, 3) uint8 RGB, the reference.
        mask: (H, W) bool, the target in it.
        backbone: a name, or a model; see :func:`segment_image`.
        **settings: of :class:`~vos.runs.persam_settings.PersamRunSettings`, such as ``tune`` or ``objects``.

    Raises:
        PromptError: if the mask is not boolean, of another size than the image, or covers no cell of the
            backbone's feature grid.
        InputError: for images of another shape or type, in the function that is returned too.
        SettingsError: for an unknown setting, or one of the wrong type.
        ModelError: as of :func:`segment_image`.
    """
    from ..settings import override
    from .persam_reference import build_backbone_of, learn_target_in
    from .persam_settings import PersamRunSettings

    name = backbone if isinstance(backbone, str) else "classical"
    chosen = override(PersamRunSettings(), {"model": name, **settings})
    model = build_backbone_of(chosen) if isinstance(backbone, str) else backbone
    reference = Frame(0, image).image
    find = learn_target_in(reference, _mask(Prompt(mask=mask)), chosen, model)
    return lambda other: find(0, Frame(0, other).image)


def _refuse_options(options: Mapping[str, Any], model: object, kind: str) -> None:
    """SettingsError for options of a model that is built already."""
    if options and not isinstance(model, str):
        raise SettingsError(f"{', '.join(options)}: for a {kind} that is given by its name")


def _result(targets: Sequence[Target]) -> FrameResult:
    masks = np.stack([_mask(target.prompt) for target in targets])
    ids = [target.object_id for target in targets]
    return FrameResult(
        targets[0].frame_index,
        paint(masks, ids),
        {target.object_id: target.confidence for target in targets},
        source={target.object_id: target.source for target in targets},
    )


def _mask(prompt: Prompt) -> NDArray[np.bool_]:
    assert prompt.mask is not None
    return prompt.mask
