"""Which objects to track: from masks, points, boxes and prompt files to the first segmentation.

There are two steps, because a point cannot be checked before its frame is read: :func:`load_prompts` turns
what the user wrote into :class:`~vos.prompts.Target`; when the frame is read, :func:`decode_prompts` turns
its targets into masks.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator, Sequence
from numbers import Integral, Number
from typing import Any, Protocol

import numpy as np

from ..errors import PromptError
from ..frame import UPRIGHT, Frame, VideoInfo
from ..notices import NOTICE
from ..prompts import Target
from ..registry import load
from . import checks
from .checks import check_targets, refuse_only_negative
from .decoding import decode_prompts, needs_backbone
from .mask_values import MaskValues, mask_values_of
from .merge import merge_targets
from .registry import TARGET_SOURCES, TargetSource

__all__ = [
    "check_targets",
    "decode_prompts",
    "load_prompts",
    "merge_targets",
    "needs_backbone",
]

Given = str | os.PathLike[str] | Iterable[str | os.PathLike[str] | Sequence[Any]]
"""Prompts of one kind; one alone need not be in a list."""

logger = logging.getLogger(__name__)


class PromptedVideo(Protocol):
    """What is asked of a video here: how large its frames are and which one is read first."""

    @property
    def info(self) -> VideoInfo: ...

    def __iter__(self) -> Iterator[Frame]: ...


def load_prompts(
    *,
    masks: Given = (),
    points: Given = (),
    boxes: Given = (),
    prompt_files: Given = (),
    frame: int | None = None,
    video: PromptedVideo | None = None,
    mask_values: MaskValues | str = MaskValues.AUTO,
    turn_masks: bool = False,
    **others: Given,
) -> list[Target]:
    """The targets that flags and files give; all prompts for one object in one frame are one target.

    Coordinates and masks are in pixels of the frames as they are read, after any resizing on reading.

    Args:
        masks: index or 0/255 images, ``.npy`` files, folders with an image per object.
        points: ``"ID:x,y"``, ``"ID:x,y,+"`` or ``"ID:x,y,-"``, or the same as a tuple: ``(1, 320, 180)``.
        boxes: ``"ID:x0,y0,x1,y1"`` with inclusive pixel indices, or ``(ID, x0, y0, x1, y1)``.
        prompt_files: JSON files as described in docs/prompts.md.
        frame: index of the frame that all of these are for unless they say otherwise. None is the first
            frame of ``video``, or 0 without one.
        video: the frames to come, so that what does not fit them is refused before any work is done.
        turn_masks: masks were drawn on the stored pixels: turn them as the frames of ``video`` are turned.
        mask_values: how mask files are read, see :class:`~vos.prompting.mask_values.MaskValues`.
        **others: of further sources in :data:`vos.prompting.registry.TARGET_SOURCES`, by their parameters.

    Raises:
        PromptError: for anything malformed, missing, contradictory or outside the frames of ``video``.
    """
    named = {"masks": masks, "points": points, "boxes": boxes, "prompt_files": prompt_files, **others}
    sources = {source.parameter: source for source in TARGET_SOURCES.values()}
    if unknown := sorted(set(named) - set(sources)):
        raise TypeError(f"load_prompts() got an unexpected keyword argument {unknown[0]!r}")
    given = [(sources[name], value) for name, values in named.items() for value in _each(name, values)]
    if not given:
        raise PromptError(
            "no object to track: give a mask (-m first.png), a point (--point 1:x,y), "
            "a box (--box 1:x0,y0,x1,y1), a prompt file (--prompts prompts.json) or a class (--class dog)"
        )
    if video is not None and not isinstance(getattr(video, "info", None), VideoInfo):
        raise PromptError(f"video must be what vos.open_video gives, got {video!r:.60}")
    values = mask_values_of(mask_values)
    if frame is None:
        frame = 0 if video is None else next((first.index for first in video), 0)
    if not isinstance(frame, Integral):
        raise PromptError(f"frame {frame!r:.60} is not a whole number")
    if frame < 0:
        raise PromptError(f"frame {frame} is negative; frames are counted from 0")
    targets: list[Target] = []
    for source, value in given:
        targets += _targets_of(value, source, frame, {"values": values} if source.has_masks else {})
    targets = merge_targets(targets)
    if video is not None:
        if turn_masks:
            targets = checks.turn_masks(targets, video.info.turn)
        check_targets(targets, (video.info.height, video.info.width), video.info.turn)
        if not turn_masks and video.info.turn != UPRIGHT and any(t.prompt.mask is not None for t in targets):
            logger.log(
                NOTICE,
                "the frames are %s when read; masks are taken as drawn on them upright (or --turn-masks)",
                video.info.turn,
            )
    refuse_only_negative(targets)
    return targets


def _each(name: str, values: Given) -> Sequence[Any]:
    """What was given, one text, path or object id with its numbers alone as a list.

    Raises:
        PromptError: for what is none of these.
    """
    if isinstance(values, str | os.PathLike):
        return [values]
    if not isinstance(values, Iterable):
        raise PromptError(f"{name} must be a list, got {values!r:.60}")
    each = list(values)
    return [each] if len(each) > 1 and isinstance(each[0], Number) else each


def _targets_of(value: Any, source: TargetSource, frame: int, options: dict[str, Any]) -> list[Target]:
    """The targets of one thing given: text or a path as a flag has it, or an object id and its numbers.

    Raises:
        PromptError: for anything else, or if it is malformed.
    """
    parse = load(source.parser)
    if isinstance(value, str | os.PathLike):
        found: list[Target] = parse(os.fspath(value), frame, **options)
        return found
    if source.is_path:
        raise PromptError(
            f"{source.parameter} holds {value!r:.60}, which is no path; of masks in memory "
            "vos.mask_targets makes targets"
        )
    form = f"text such as {source.metavar}, or the same numbers as a tuple, the object id first"
    numbers = value.tolist() if isinstance(value, np.ndarray) else value
    if not isinstance(numbers, tuple | list) or len(numbers) < 2:
        raise PromptError(f"{source.parameter} holds {value!r:.60}; give {form}")
    object_id, *rest = (v.item() if isinstance(v, np.generic) else v for v in numbers)
    if isinstance(object_id, float) and object_id.is_integer():
        object_id = int(object_id)
    try:
        found = parse(f"{object_id}:{','.join(map(str, rest))}", frame, **options)
    except PromptError as error:
        raise PromptError(f"{source.parameter} holds {value!r:.60}; give {form}: {error}") from None
    return found
