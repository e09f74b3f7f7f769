"""A frame is encoded once, whoever asks for its features."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from ..prompts import Prompt
from .base import Backbone, Candidates, FrameFeatures, Guidance
from .expected_quality import Models
from .in_video import SeesMotion


class FeatureCache:
    """A :class:`~vos.backbones.base.Backbone` that keeps the features of the images seen last.

    Tracker, prompts, previews and detectors that share one see each frame encoded once. An image is
    recognised by its pixels, which therefore must not be written to: a frame that is read again, as the first
    one is after objects were searched for, is another array. Where the images nearby count, only the same
    array is the same image, since those around an equal one may differ.

    Args:
        backbone: does the work.
        capacity: images whose features are kept.
    """

    def __init__(self, backbone: Backbone, capacity: int = 2) -> None:
        self.backbone = backbone
        self._kept: deque[tuple[NDArray[np.uint8], FrameFeatures, bool]] = deque(maxlen=capacity)
        """Image, its features, and whether they are of the image alone."""

    @property
    def accepts_guidance(self) -> bool:
        """See :class:`~vos.backbones.base.Backbone`."""
        return self.backbone.accepts_guidance

    @property
    def device(self) -> torch.device | str:
        """See :class:`~vos.backbones.base.Backbone`."""
        return self.backbone.device

    @property
    def refines_itself(self) -> bool:
        """Whether what it decodes needs no second pass."""
        return getattr(self.backbone, "refines_itself", False)

    @property
    def quality_models(self) -> Models | None:
        """Those of the backbone, if it has any."""
        return getattr(self.backbone, "quality_models", None)

    def encode(self, image: NDArray[np.uint8]) -> FrameFeatures:
        """See :class:`~vos.backbones.base.Backbone`."""
        kept = self._find(image) or self._find_equal(image)
        return kept or self._keep(image, self.backbone.encode(image), alone=True)

    def encode_in_video(
        self, image: NDArray[np.uint8], nearby: Callable[[], Sequence[NDArray[np.uint8]]]
    ) -> FrameFeatures:
        """See :class:`~vos.backbones.in_video.SeesMotion`; of a backbone that does not, as :meth:`encode`."""
        if not isinstance(self.backbone, SeesMotion):
            return self.encode(image)
        return self._find(image) or self._keep(
            image, self.backbone.encode_in_video(image, nearby), alone=False
        )

    def _find(self, image: NDArray[np.uint8]) -> FrameFeatures | None:
        return next((features for kept, features, _ in self._kept if kept is image), None)

    def _find_equal(self, image: NDArray[np.uint8]) -> FrameFeatures | None:
        return next(
            (features for kept, features, alone in self._kept if alone and np.array_equal(kept, image)), None
        )

    def _keep(self, image: NDArray[np.uint8], features: FrameFeatures, *, alone: bool) -> FrameFeatures:
        self._kept.append((image, features, alone))
        return features

    def decode(
        self,
        features: FrameFeatures,
        prompts: Sequence[Prompt],
        *,
        guidance: Sequence[Guidance] | None = None,
        multimask: bool = True,
    ) -> Candidates:
        """See :class:`~vos.backbones.base.Backbone`."""
        return self.backbone.decode(features, prompts, guidance=guidance, multimask=multimask)
