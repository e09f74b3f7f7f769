"""The target tracker: PerSAM on video over any promptable segmenter, made to last.

What the published recipe (:mod:`.parity`) lacks, each a setting that can be turned off:

- slots are fixed: an object that is lost keeps its own, and comes back under its own name;
- memory: beside the first frame, which is never forgotten, some recent frames that were tracked with
  confidence (:mod:`.memory`, :mod:`vos.matching.recall`);
- motion: the last mask, carried by optical flow (:mod:`.carry`), says where to look and is the mask prompt;
- competition: a cell belongs to the object, or the background, that it resembles most;
- choice: of the decoder's candidates the one is kept that agrees with motion, not only the best-looking;
- re-acquisition: a lost object is looked for in the whole frame, and believed only when it looks right.

All objects of a frame are decoded in one batch, in up to three passes (:mod:`.refine`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..errors import InputError
from ..frame import Frame
from ..masks import Segmentation
from ..segmenters.base import Segmenter
from .given import check_size, corrected
from .memory import ObjectMemory
from .target_step import TargetSettings, TargetVideo, advance, learn

__all__ = ["TargetSettings", "TargetTracker"]


class TargetTracker:
    """See the module; a :class:`~vos.tracking.base.Tracker` over any segmenter."""

    def __init__(self, segmenter: Segmenter, settings: TargetSettings | None = None) -> None:
        self.segmenter = segmenter
        self.settings = settings or TargetSettings()
        self._video: TargetVideo | None = None

    @torch.inference_mode()
    def begin(self, frame: Frame, given: Segmentation) -> Segmentation:
        """Start a video; see :class:`~vos.tracking.base.Tracker`.

        Raises:
            InputError: if the masks have another size than the frame.
        """
        check_size(frame, given.labels)
        self._video = None
        features = self.segmenter.encode(frame.image)
        labels = given.labels.copy()
        self._video = learn(self.segmenter, None, frame.image, features, labels, given, self.settings)
        return Segmentation(frame.index, labels.copy(), dict.fromkeys(given.ids, 1.0))

    @torch.inference_mode()
    def step(self, frame: Frame, given: Segmentation | None = None) -> Segmentation:
        """Segment the next frame; see :class:`~vos.tracking.base.Tracker`.

        Raises:
            InputError: before ``begin``, or if frame or masks have another size than the first frame.
        """
        if self._video is None:
            raise InputError("step() before begin(): the tracker needs a first frame with masks")
        check_size(frame, self._video.labels)
        if given is not None:
            check_size(frame, given.labels)
        features = self.segmenter.encode(frame.image)
        video = advance(self.segmenter, self._video, frame.image, features, self.settings)
        if given is not None:
            labels = corrected(video.labels, given)
            video = learn(self.segmenter, video, frame.image, features, labels, given, self.settings)
        self._video = video
        scores = {slot.object_id: slot.last_score for slot in video.objects}
        return Segmentation(frame.index, video.labels.copy(), scores)

    def get_state(self) -> dict[str, Any]:
        """See :class:`~vos.tracking.base.Tracker`; empty before ``begin``."""
        if self._video is None:
            return {}
        video = self._video
        return {
            "image": video.image,
            "labels": video.labels,
            "since": video.since,
            "owners": [_to_arrays(slot) for slot in (video.background, *video.objects)],
        }

    def set_state(self, state: dict[str, Any]) -> None:
        """See :class:`~vos.tracking.base.Tracker`."""
        if not state:
            self._video = None
            return
        device = getattr(self.segmenter, "device", "cpu")
        background, *objects = (_from_arrays(slot, device) for slot in state["owners"])
        self._video = TargetVideo(state["image"], state["labels"], background, tuple(objects), state["since"])


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

    weights = fields["weights"]
    return ObjectMemory(
        **{
            **fields,
            "anchor": tuple(map(tensor, fields["anchor"])),
            "recent": tuple(map(tensor, fields["recent"])),
            "embedding": tensor(fields["embedding"]),
            "weights": None if weights is None else tensor(weights),
        }
    )
