"""The PerSAM tracker: PerSAM on video over any promptable backbone, made robust.

What the published recipe (:mod:`.as_published`) lacks, each a setting that can be turned off:

- slots are fixed: an object that is lost keeps its own, and keeps its id when it returns;
- memory: beside the first frame, which is never forgotten, some recent frames that were tracked with
  confidence (:mod:`.memory`, :mod:`vos.trackers.knn_matching`);
- motion: the last mask, warped by optical flow (:mod:`vos.trackers.flow_warping`), gives the
  search region and the mask prompt;
- competition: a cell belongs to the object, or the background, that it resembles most;
- choice: of the decoder's candidates the one is kept that agrees with motion, not only the best-looking;
- re-acquisition: a lost object is searched in the whole frame, and accepted only if its appearance matches.

All objects of a frame are decoded in one batch, in up to three passes (:mod:`vos.backbones.refinement`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...backbones.base import Backbone
from ...backbones.feature_cache import FeatureCache
from ...backbones.features import OWN, with_features
from ...backbones.registry import build_backbone, has_weights
from ...errors import SettingsError
from ...frame import Frame
from ...results import FrameResult
from ...settings import override
from ..base import Tracker, TrackerInfo
from ..mask_tracker import MaskPrompts, MaskTracker, check_size
from .as_published import PublishedPersamSettings, PublishedPersamTracker
from .feature_geometry import AlignedGeometry
from .memory import ObjectMemory
from .step import PersamState, PersamTrackerSettings, advance, learn

__all__ = ["VARIANTS", "PersamTracker", "PersamTrackerSettings"]

RENAMED = {"anchor": "permanent"}
"""Keys of states saved by earlier versions, and what they are called now."""
VARIANTS = ("robust", "as-published")
"""This tracker, or the published PerSAM video scripts."""


class PersamTracker(MaskTracker[PersamState]):
    """See the module; a :class:`~vos.trackers.base.Tracker` over any backbone."""

    def __init__(self, backbone: Backbone, settings: PersamTrackerSettings | None = None) -> None:
        super().__init__()
        self.backbone = backbone
        self.settings = settings or PersamTrackerSettings()

    @property
    def info(self) -> TrackerInfo:
        """See :class:`~vos.trackers.base.Tracker`."""
        device = str(self.backbone.device)
        return TrackerInfo(self.settings, device=device, backbone=self.backbone)

    @torch.inference_mode()
    def _learn(self, state: PersamState | None, frame: Frame, prompts: MaskPrompts) -> PersamState:
        features = self.backbone.encode(frame.image)
        labels = prompts.labels.copy() if state is None else prompts.over(state.labels)
        return learn(self.backbone, state, frame.image, features, labels, prompts, self.settings)

    @torch.inference_mode()
    def _advance(self, state: PersamState, frame: Frame) -> PersamState:
        check_size(frame, state.labels.shape)
        features = self.backbone.encode(frame.image)
        return advance(self.backbone, state, frame.image, features, self.settings)

    def _without(self, state: PersamState, object_id: int) -> PersamState:
        return state.without(object_id)

    def _known(self, state: PersamState) -> tuple[int, ...]:
        return tuple(sorted(slot.object_id for slot in state.objects))

    def _result(self, state: PersamState, frame: Frame) -> FrameResult:
        confidence = {slot.object_id: slot.confidence for slot in state.objects}
        return FrameResult(frame.index, state.labels.copy(), confidence, probabilities=state.probabilities)

    def _to_dict(self, state: PersamState) -> dict[str, Any]:
        return {
            "image": state.image,
            "labels": state.labels,
            "since": state.since,
            "owners": [_to_arrays(slot) for slot in (state.background, *state.objects)],
        }

    def _from_dict(self, state: dict[str, Any]) -> PersamState:
        device = self.backbone.device
        background, *objects = (_from_arrays(slot, device) for slot in state["owners"])
        return PersamState(state["image"], state["labels"], background, tuple(objects), state["since"])


def _to_arrays(slot: ObjectMemory) -> dict[str, Any]:
    """The fields of a memory with arrays in place of tensors."""
    fields = {name: getattr(slot, name) for name in slot.__dataclass_fields__}
    return {
        name: [part.cpu().numpy() for part in value]
        if isinstance(value, tuple)
        else value.cpu().numpy()
        if isinstance(value, Tensor)
        else value
        for name, value in fields.items()
    }


def _from_arrays(fields: dict[str, Any], device: str | torch.device) -> ObjectMemory:
    """The value that :func:`_to_arrays` took apart."""

    def tensor(array: Any) -> Tensor:
        return torch.from_numpy(np.array(array)).to(device)

    fields = {RENAMED.get(name, name): value for name, value in fields.items()}
    weights = fields["weights"]
    return ObjectMemory(
        **{
            **fields,
            "permanent": tuple(map(tensor, fields["permanent"])),
            "recent": tuple(map(tensor, fields["recent"])),
            "embedding": tensor(fields["embedding"]),
            "weights": None if weights is None else tensor(weights),
        }
    )


def settings_of(settings: Mapping[str, Any]) -> PersamTrackerSettings | PublishedPersamSettings:
    """The settings of PerSAM with ``settings`` laid over them.

    ``variant`` among them chooses between this tracker (``robust``) and the video scripts ``as-published``.

    Raises:
        SettingsError: for an unknown setting, or one of the wrong type.
    """
    own = dict(settings)
    variant = own.pop("variant", "robust")
    if variant not in VARIANTS:
        raise SettingsError(f"setting 'variant' must be {' or '.join(VARIANTS)}, got {variant!r}")
    if variant == "robust":
        return override(PersamTrackerSettings(), own)
    features = own.pop("features", None)
    if features not in (None, OWN):
        raise SettingsError(
            f"features {features} are not in the published program: leave out features, or variant {variant}"
        )
    return override(PublishedPersamSettings(), own)


def build(
    *,
    settings: PersamTrackerSettings | PublishedPersamSettings,
    backbone: str,
    device: str,
    dtype: str,
    checkpoint: str | None,
) -> Tracker:
    """PerSAM over the backbone of that name, in the variant that the settings are of.

    Raises:
        ModelError: for weights that cannot be used.
    """
    options = {"device": device, "dtype": dtype, "checkpoint": checkpoint}
    if isinstance(settings, PersamTrackerSettings):
        features, weights = settings.features, settings.features_weights
        over = with_features(build_backbone(backbone, **options), features, weights, device=device)
        return PersamTracker(FeatureCache(over), settings)
    view = None if has_weights(backbone) else AlignedGeometry()
    return PublishedPersamTracker(build_backbone(backbone, **options), settings, view)
