"""A segmenter and a tracker that know the answer: stand-ins for models, which record what they were asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..frame import Frame
from ..masks import Segmentation, object_ids
from ..prompt import Prompt
from .scene import Scene

if TYPE_CHECKING:
    from ..segmenters.base import Candidates, FrameFeatures, Guidance

LOGIT = 10.0
"""Scripted masks have logits of plus or minus this."""


@dataclass(frozen=True, eq=False)
class DecodeCall:
    """One call of :meth:`ScriptedSegmenter.decode`."""

    frame_index: int
    prompts: tuple[Prompt, ...]
    guidance: tuple[Guidance, ...] | None
    multimask: bool


class ScriptedSegmenter:
    """A :class:`~vos.segmenters.base.Segmenter` that knows the true masks of a scene.

    An image is recognised by its pixels. A prompt asks for the object under most of its positive points,
    else the one that overlaps its box, mask or low-res logits best; a prompt that meets no object gets
    empty masks with score 0. With ``multimask`` there are three candidates, as SAM gives: the upper half
    of the object (score 0.6), all of it (0.9) and its bounding box (0.7).

    Features are exact too: a grid cell is the unit vector of the shares of the cell that each look covers,
    so a cell wholly on one object has similarity 1 to that object and 0 to everything else.

    Args:
        scene: the images and their truth.
        stride: pixels per grid cell; the low-res logits have half of it.
        looks: object id -> look; objects with the same look have the same features. By default each
            object has a look of its own.
        accepts_guidance: what the attribute of that name says; guidance is recorded and not used.

    Importing this class does not import torch, using it does.
    """

    def __init__(
        self,
        scene: Scene,
        *,
        stride: int = 8,
        looks: Mapping[int, int] | None = None,
        accepts_guidance: bool = True,
    ) -> None:
        self.accepts_guidance = accepts_guidance
        self.encoded: list[int] = []
        """Frame index of every ``encode``, in order."""
        self.calls: list[DecodeCall] = []
        """Every ``decode``, in order."""
        self._scene = scene
        self._stride = stride
        self._looks = {0: 0} | {object_id: object_id for object_id in scene.ids} | dict(looks or {})
        self._index = {frame.image.tobytes(): frame.index for frame in reversed(scene.frames)}

    def encode(self, image: NDArray[np.uint8]) -> FrameFeatures:
        """Features of an image of the scene, (C, ceil(H / stride), ceil(W / stride)).

        Raises:
            ValueError: for an image that is not in the scene.
        """
        import torch

        from ..segmenters.base import FrameFeatures

        index = self._index.get(image.tobytes())
        if index is None:
            raise ValueError("the image is not a frame of the scripted scene")
        self.encoded.append(index)
        labels = self._scene.labels[index]
        looks = np.stack(
            [
                np.isin(labels, [i for i, other in self._looks.items() if other == look])
                for look in sorted(set(self._looks.values()))
            ]
        )
        shares = _cell_means(looks.astype(np.float32), self._stride)
        grid = shares / np.linalg.norm(shares, axis=0, keepdims=True)
        return FrameFeatures(torch.from_numpy(grid), (labels.shape[0], labels.shape[1]), context=index)

    def decode(
        self,
        features: FrameFeatures,
        prompts: Sequence[Prompt],
        *,
        guidance: Sequence[Guidance] | None = None,
        multimask: bool = True,
    ) -> Candidates:
        """True masks of the objects that the prompts ask for; K is 3 or, without ``multimask``, 1."""
        import torch

        from ..segmenters.base import Candidates

        index = int(features.context)
        told = None if guidance is None else tuple(guidance)
        self.calls.append(DecodeCall(index, tuple(prompts), told, multimask))
        labels = self._scene.labels[index]
        count = 3 if multimask else 1
        masks = np.zeros((len(prompts), count, *labels.shape), dtype=bool)
        scores = np.zeros((len(prompts), count), dtype=np.float32)
        for row, prompt in enumerate(prompts):
            wanted = _asked_for(prompt, labels)
            if wanted:
                whole = labels == wanted
                masks[row] = _candidates(whole) if multimask else whole
                scores[row] = (0.6, 0.9, 0.7) if multimask else 0.9
        logits = np.where(masks, LOGIT, -LOGIT).astype(np.float32)
        low_res = _cell_means(logits, max(self._stride // 2, 1))
        return Candidates(torch.from_numpy(logits), torch.from_numpy(low_res), torch.from_numpy(scores))


class ScriptedTracker:
    """A :class:`~vos.tracking.base.Tracker` that knows the true labels of a scene.

    It shows only objects it was given, and where the user corrects a frame it obeys there. The score of an
    object is 0.99 to the power of the steps since ``begin``, so a state that was not carried over shows.

    Args:
        labels: (T, H, W) uint8 truth, or a scene.
        raise_at: frame index at which ``step`` raises ``error``, to see what a caller does about it.
        error: what to raise there.
    """

    def __init__(
        self,
        labels: NDArray[np.uint8] | Scene,
        *,
        raise_at: int | None = None,
        error: BaseException | None = None,
    ) -> None:
        self.calls: list[tuple[str, int, tuple[int, ...]]] = []
        """``("begin" or "step", frame index, ids given)`` of every call, in order."""
        self._labels = labels.labels if isinstance(labels, Scene) else labels
        self._raise_at = raise_at
        self._error = error if error is not None else RuntimeError("scripted failure")
        self._ids: tuple[int, ...] = ()
        self._steps = 0

    def begin(self, frame: Frame, given: Segmentation) -> Segmentation:
        """``given``, with score 1 for every object."""
        self.calls.append(("begin", frame.index, given.ids))
        self._ids, self._steps = given.ids, 0
        return Segmentation(frame.index, given.labels.copy(), dict.fromkeys(given.ids, 1.0))

    def step(self, frame: Frame, given: Segmentation | None = None) -> Segmentation:
        """The truth at ``frame.index`` for the objects known, overruled by what is given."""
        told = given.ids if given is not None else ()
        self.calls.append(("step", frame.index, told))
        if frame.index == self._raise_at:
            raise self._error
        self._steps += 1
        self._ids = tuple(sorted({*self._ids, *told}))
        truth = self._labels[frame.index]
        labels = np.where(np.isin(truth, self._ids) & ~np.isin(truth, told), truth, 0).astype(np.uint8)
        if given is not None:
            labels[given.labels > 0] = given.labels[given.labels > 0]
        scores = {i: 1.0 if i in told else 0.99**self._steps for i in self._ids}
        return Segmentation(frame.index, labels, scores)

    def get_state(self) -> dict[str, Any]:
        """The ids known and the number of steps."""
        return {"ids": list(self._ids), "steps": self._steps}

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on where ``get_state`` was taken."""
        self._ids, self._steps = tuple(state["ids"]), int(state["steps"])


def _asked_for(prompt: Prompt, labels: NDArray[np.uint8]) -> int:
    """Id of the object that a prompt means, 0 for none."""
    height, width = labels.shape
    if prompt.points is not None and prompt.labels is not None and (prompt.labels == 1).any():
        x, y = np.rint(prompt.points[prompt.labels == 1]).astype(int).T
        hits = labels[np.clip(y, 0, height - 1), np.clip(x, 0, width - 1)]
        return int(np.bincount(hits, minlength=256).argmax())
    region = np.zeros(labels.shape, dtype=bool)
    if prompt.box is not None:
        x0, y0, x1, y1 = np.rint(prompt.box).astype(int)
        region[max(y0, 0) : y1 + 1, max(x0, 0) : x1 + 1] = True
    elif prompt.mask is not None:
        region = prompt.mask
    elif prompt.low_res is not None:
        rows = np.arange(height) * prompt.low_res.shape[0] // height
        columns = np.arange(width) * prompt.low_res.shape[1] // width
        region = prompt.low_res[np.ix_(rows, columns)] > 0
    best, overlap = 0, 0.0
    for object_id in object_ids(labels):
        mask = labels == object_id
        iou = (mask & region).sum() / (mask | region).sum()
        if iou > overlap:
            best, overlap = object_id, float(iou)
    return best


def _candidates(whole: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """(3, H, W): the upper half of a non-empty mask, the mask, and its bounding box."""
    rows, columns = np.flatnonzero(whole.any(axis=1)), np.flatnonzero(whole.any(axis=0))
    part, box = whole.copy(), np.zeros_like(whole)
    part[(rows[0] + rows[-1]) // 2 + 1 :] = False
    box[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] = True
    return np.stack([part, whole, box])


def _cell_means(planes: NDArray[np.float32], stride: int) -> NDArray[np.float32]:
    """(..., ceil(H / stride), ceil(W / stride)) means over cells of (..., H, W); edge cells are smaller."""
    height, width = planes.shape[-2:]
    rows, columns = np.arange(0, height, stride), np.arange(0, width, stride)
    sums = np.add.reduceat(np.add.reduceat(planes, rows, axis=-2), columns, axis=-1)
    counts = np.diff(np.append(rows, height))[:, None] * np.diff(np.append(columns, width))
    return (sums / counts).astype(np.float32)
