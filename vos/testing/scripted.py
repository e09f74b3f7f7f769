"""A backbone and a tracker that know the answer: stand-ins for models, which record what they were asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..frame import Frame
from ..ops.iou import mask_iou
from ..prompts import Prompt, Target
from ..results import FrameResult, Labels, object_ids
from ..scenes import Scene
from ..trackers.base import TrackerInfo
from ..trackers.mask_tracker import MaskPrompts, MaskTracker, check_size

if TYPE_CHECKING:
    from ..backbones.base import Candidates, FrameFeatures, Guidance

LOGIT = 10.0
"""Scripted masks have logits of plus or minus this."""


@dataclass(frozen=True, eq=False)
class DecodeCall:
    """One call of :meth:`ScriptedBackbone.decode`."""

    frame_index: int
    prompts: tuple[Prompt, ...]
    guidance: tuple[Guidance, ...] | None
    multimask: bool


class ScriptedBackbone:
    """A :class:`~vos.backbones.base.Backbone` that knows the true masks of a scene.

    An image is recognised by its pixels. A prompt asks for the object under most of its positive points,
    else the one that overlaps its box, mask or low-res logits best; a prompt that meets no object gets
    empty masks with score 0. With ``multimask`` there are three candidates, as SAM gives: the upper half
    of the object (score 0.6), all of it (0.9) and its bounding box (0.7).

    Features are exact too: a grid cell is the unit vector of the shares of the cell that each look covers,
    so a cell wholly on one object has similarity 1 to that object and 0 to everything else.

    Args:
        scene: the images and their truth.
        stride: pixels per grid cell; the low-res logits have half of it.
        appearance: object id -> a number; objects with the same number have the same features. By default
            the number is the id.
        accepts_guidance: what the attribute of that name says; guidance is recorded and not used.

    Importing this class does not import torch, using it does.
    """

    def __init__(
        self,
        scene: Scene,
        *,
        stride: int = 8,
        appearance: Mapping[int, int] | None = None,
        accepts_guidance: bool = True,
    ) -> None:
        self.accepts_guidance = accepts_guidance
        self.device = "cpu"
        self.encoded: list[int] = []
        """Frame index of every ``encode``, in order."""
        self.calls: list[DecodeCall] = []
        """Every ``decode``, in order."""
        self._scene = scene
        self._stride = stride
        self._appearance = {0: 0} | {object_id: object_id for object_id in scene.ids} | dict(appearance or {})
        self._index = {frame.image.tobytes(): frame.index for frame in reversed(scene.frames)}

    def encode(self, image: NDArray[np.uint8]) -> FrameFeatures:
        """Features of an image of the scene, (C, ceil(H / stride), ceil(W / stride)).

        Raises:
            ValueError: for an image that is not in the scene.
        """
        import torch

        from ..backbones.base import FrameFeatures

        index = self._index.get(image.tobytes())
        if index is None:
            raise ValueError("the image is not a frame of the scripted scene")
        self.encoded.append(index)
        labels = self._scene.labels[index]
        planes = np.stack(
            [
                np.isin(labels, [i for i, other in self._appearance.items() if other == number])
                for number in sorted(set(self._appearance.values()))
            ]
        )
        shares = _cell_means(planes.astype(np.float32), self._stride)
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

        from ..backbones.base import Candidates

        index = int(features.context)
        guides = None if guidance is None else tuple(guidance)
        self.calls.append(DecodeCall(index, tuple(prompts), guides, multimask))
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


@dataclass(frozen=True, eq=False)
class ScriptedState:
    """State of a :class:`ScriptedTracker`."""

    ids: tuple[int, ...]
    steps: int
    """Since ``start``."""
    labels: Labels


class ScriptedTracker(MaskTracker[ScriptedState]):
    """A :class:`~vos.trackers.base.Tracker` that knows the true labels of a scene.

    It shows only objects it was given, and where the user corrects a frame it obeys there. The confidence of
    an object is 0.99 to the power of the steps since ``start``, so a state that was not carried over shows.

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
        """``("start", "step" or "preview", frame index, ids prompted)`` of every call, in order."""
        super().__init__()
        self._labels = labels.labels if isinstance(labels, Scene) else labels
        self._raise_at = raise_at
        self._error = error if error is not None else RuntimeError("scripted failure")

    @property
    def info(self) -> TrackerInfo:
        """Masks only; no settings."""
        return TrackerInfo(None)

    def start(self, frame: Frame, prompts: Sequence[Target]) -> FrameResult:
        """The prompted masks, with confidence 1 for every object."""
        self.calls.append(("start", frame.index, tuple(sorted(t.object_id for t in prompts))))
        return super().start(frame, prompts)

    def step(self, frame: Frame, prompts: Sequence[Target] = (), *, commit: bool = True) -> FrameResult:
        """The truth at ``frame.index`` for the objects known, overruled by what is prompted."""
        kind = "step" if commit else "preview"
        self.calls.append((kind, frame.index, tuple(sorted(t.object_id for t in prompts))))
        if frame.index == self._raise_at:
            raise self._error
        return super().step(frame, prompts, commit=commit)

    def _learn(self, state: ScriptedState | None, frame: Frame, prompts: MaskPrompts) -> ScriptedState:
        if state is None:
            return ScriptedState(prompts.ids, 0, prompts.labels)
        ids = tuple(sorted({*state.ids, *prompts.ids}))
        return ScriptedState(ids, state.steps, prompts.over(state.labels))

    def _advance(self, state: ScriptedState, frame: Frame) -> ScriptedState:
        check_size(frame, state.labels.shape)
        truth = self._labels[frame.index]
        labels = np.where(np.isin(truth, state.ids), truth, 0).astype(truth.dtype)
        return ScriptedState(state.ids, state.steps + 1, labels)

    def _without(self, state: ScriptedState, object_id: int) -> ScriptedState:
        labels = np.where(state.labels == object_id, 0, state.labels).astype(state.labels.dtype)
        return ScriptedState(tuple(i for i in state.ids if i != object_id), state.steps, labels)

    def _known(self, state: ScriptedState) -> tuple[int, ...]:
        return state.ids

    def _result(self, state: ScriptedState, frame: Frame) -> FrameResult:
        return FrameResult(frame.index, state.labels.copy(), dict.fromkeys(state.ids, 0.99**state.steps))

    def _to_dict(self, state: ScriptedState) -> dict[str, Any]:
        return {"ids": list(state.ids), "steps": state.steps, "labels": state.labels}

    def _from_dict(self, state: dict[str, Any]) -> ScriptedState:
        return ScriptedState(tuple(state["ids"]), int(state["steps"]), state["labels"])


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
        iou = mask_iou(mask, region)
        if iou > overlap:
            best, overlap = object_id, iou
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
