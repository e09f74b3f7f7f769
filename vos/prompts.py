"""What a user says about an object: points, a box, a mask."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import PromptError
from .results import MAX_OBJECT_ID, VOID, VOID_16, Labels, Source, check_object_ids, object_ids


@dataclass(frozen=True, eq=False)
class Prompt:
    """A prompt in pixels of the original image; at least one part is present.

    Lists and tuples of numbers become arrays, and arrays of other types those below:
    ``Prompt(box=(120, 80, 310, 400))``. Only a mask has to be boolean: numbers could be ids or probabilities.

    Args:
        points: (P, 2) float32, (x, y).
        labels: (P,) int64: 1 on the object, 0 off it. Present exactly when ``points`` is.
        box: (4,) float32, x0, y0, x1, y1 with inclusive pixel indices.
        mask: (H, W) bool at the size of the image.
        low_res: (h, w) float32 logits of an earlier decoder pass, on the decoder's own grid.

    Raises:
        PromptError: if nothing is given or a part has the wrong shape.
    """

    points: NDArray[np.float32] | None = None
    labels: NDArray[np.int64] | None = None
    box: NDArray[np.float32] | None = None
    mask: NDArray[np.bool_] | None = None
    low_res: NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        for name, kind in _KINDS.items():
            object.__setattr__(self, name, _array(name, getattr(self, name), kind))
        if self.points is None and self.box is None and self.mask is None and self.low_res is None:
            raise PromptError("a prompt needs points, a box, a mask or low-res logits")
        if (self.points is None) != (self.labels is None):
            raise PromptError("points and labels go together: a label is 1 on the object and 0 off it")
        if self.points is not None and self.labels is not None:
            if self.points.ndim != 2 or self.points.shape[1] != 2 or not len(self.points):
                raise PromptError(f"points must be (P, 2), one or more, got {self.points.shape}")
            if self.labels.shape != self.points.shape[:1]:
                raise PromptError(
                    f"labels must be ({len(self.points)},), one per point, got {self.labels.shape}"
                )
            if not np.isin(self.labels, (0, 1)).all():
                raise PromptError(f"labels must be 0 or 1, got {sorted(set(self.labels.tolist()))}")
            object.__setattr__(self, "labels", self.labels.astype(np.int64))
        if self.box is not None and self.box.shape != (4,):
            raise PromptError(f"box must be (4,), x0, y0, x1, y1, got {self.box.shape}")
        if self.mask is not None and (self.mask.ndim != 2 or self.mask.dtype != np.bool_):
            raise PromptError(
                f"mask must be (H, W) bool, got {self.mask.shape} {self.mask.dtype}; of a label map it is "
                "labels == id, of logits it is logits > 0"
            )
        if self.low_res is not None and self.low_res.ndim != 2:
            raise PromptError(f"low_res must be (h, w), got {self.low_res.shape}")


_KINDS = {"points": np.float32, "labels": None, "box": np.float32, "mask": None, "low_res": np.float32}
"""Field of a prompt -> what its numbers become; None: as they are."""


def _array(name: str, value: Any, kind: type[np.generic] | None) -> NDArray[Any] | None:
    """The numbers of a field as an array of type ``kind``.

    Raises:
        PromptError: for what holds no numbers.
    """
    if value is None:
        return None
    try:
        array = np.asarray(value)
    except (TypeError, ValueError):
        array = np.empty(0, object)
    if array.dtype.kind not in "biuf":
        raise PromptError(f"{name} must be numbers, got {value!r:.60}")
    return array if kind is None else array.astype(kind, copy=False)


@dataclass(frozen=True, eq=False)
class Target:
    """An object to track, as prompted at one frame.

    Args:
        object_id: 1..65534, and not 255.
        prompt: points, a box or a mask.
        frame_index: the frame the prompt belongs to.
        name: a name for people, such as the class.
        source: where the prompt comes from.
        confidence: expected J of the prompt's mask, 0..1: 1 if the user gave it.

    Raises:
        PromptError: for an id, frame index or confidence out of range, or anything of another type.
    """

    object_id: int
    prompt: Prompt
    frame_index: int = 0
    name: str | None = None
    source: Source = Source.USER
    confidence: float = 1.0

    def __post_init__(self) -> None:
        try:
            if not isinstance(self.object_id, Integral) or isinstance(self.object_id, bool):
                raise ValueError(f"object id {self.object_id!r} is not a whole number")
            object.__setattr__(self, "object_id", int(self.object_id))
            check_object_ids([self.object_id])
        except ValueError as error:
            raise PromptError(str(error)) from None
        if not isinstance(self.prompt, Prompt):
            raise PromptError(f"prompt must be a vos.Prompt, got {type(self.prompt).__name__}")
        if not isinstance(self.frame_index, Integral) or self.frame_index < 0:
            raise PromptError(f"frame_index must be a whole number >= 0, got {self.frame_index!r}")
        object.__setattr__(self, "frame_index", int(self.frame_index))
        if self.source not in tuple(Source):
            raise PromptError(f"source must be one of {', '.join(Source)}, got {self.source!r}")
        object.__setattr__(self, "source", Source(self.source))
        if not isinstance(self.confidence, Real) or not 0 <= self.confidence <= 1:
            raise PromptError(f"confidence must be in 0..1, got {self.confidence!r}")


def check_targets_given(prompts: Any) -> list[Target]:
    """The targets that a caller gave to be tracked or segmented, one alone as a list.

    Raises:
        PromptError: without any, and as :func:`list_of_targets`.
    """
    targets = list_of_targets(prompts)
    if not targets:
        raise PromptError("no object to track: give a mask, a point, a box or a prompt file")
    return targets


def list_of_targets(prompts: Any) -> list[Target]:
    """The targets that a caller gave, one alone as a list; it may be empty.

    Raises:
        PromptError: for anything else; the message names the function that makes targets of it.
    """
    if isinstance(prompts, Target):
        return [prompts]
    if isinstance(prompts, np.ndarray):
        raise PromptError(
            f"prompts must be a list of vos.Target, got an array {prompts.shape} {prompts.dtype}; "
            "vos.mask_targets makes them of a label map (0 background, 1, 2, ... objects)"
        )
    if not isinstance(prompts, Iterable) or isinstance(prompts, str | bytes | Mapping):
        raise PromptError(
            f"prompts must be a list of vos.Target, got {prompts!r:.60}; vos.load_prompts makes them of "
            "files, points and boxes"
        )
    targets = list(prompts)
    for target in targets:
        if not isinstance(target, Target):
            raise PromptError(
                f"prompts must be a list of vos.Target, one of them is {target!r:.60}; vos.load_prompts "
                "makes them of files, points and boxes, vos.mask_targets of a label map"
            )
    return targets


def mask_targets(
    labels: Labels, ids: int | Iterable[int] | None = None, frame_index: int = 0
) -> list[Target]:
    """One target per object of an (H, W) label map, its prompt the object's mask.

    Args:
        labels: 0 background, 255 and 65535 void, else an object id; whole numbers, or bool for one object,
            id 1.
        ids: the objects, or one; those that occur in ``labels`` unless given. One that covers no pixel gets
            an empty mask, which :func:`vos.track` and :func:`vos.track_video` refuse.
        frame_index: the frame that the label map belongs to.

    Raises:
        PromptError: for an array of another shape or type, ids out of range, or a map of void alone.
    """
    try:
        labels = np.asarray(labels)
    except ValueError:  # rows of different lengths
        labels = np.empty(0, object)
    if labels.ndim != 2 or labels.dtype.kind not in "biu":
        raise PromptError(
            f"a label map is (H, W) whole numbers, got {labels.shape} {labels.dtype}; of probabilities or "
            "logits cut at 0.5 or 0 first (mask > 0.5), of a stack of masks give each object an id"
        )
    labels = labels.astype(np.uint8) if labels.dtype == np.bool_ else labels
    if labels.dtype.itemsize > 1:
        labels = np.where(labels == VOID_16, 0, labels)
    if labels.size and not 0 <= labels.min() <= labels.max() <= MAX_OBJECT_ID:
        raise PromptError(
            f"the ids of a label map are 0..{MAX_OBJECT_ID}, got {labels.min()}..{labels.max()}"
        )
    if ids is None:
        ids = _ids_in(labels)
    wanted = [int(ids)] if isinstance(ids, int | np.integer) else ids
    return [Target(k, Prompt(mask=labels == k), frame_index) for k in wanted]


def _ids_in(labels: Labels) -> tuple[int, ...]:
    """The ids of a label map; PromptError for one that is a mask of 0 and 255."""
    ids = object_ids(labels)
    if not ids and (labels == VOID).any():
        raise PromptError(
            "the label map shows no object: its only value besides 0 is 255, which is void; of a mask of "
            "0 and 255 take mask > 0"
        )
    return ids
