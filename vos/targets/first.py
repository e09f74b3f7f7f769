"""From what the user said of a frame to one label per pixel of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..errors import PromptError
from ..frame import Frame
from ..masks import Segmentation, masks_to_labels, tight_box
from ..prompt import Prompt, Target
from .checks import check_targets
from .merge import merge_targets

if TYPE_CHECKING:
    from ..segmenters.base import FrameFeatures, Segmenter

Masks = NDArray[np.bool_]
Floats = NDArray[np.float32]

NESTED = 0.5
"""Share of an object's pixels from which on it counts as lying within another one, and so in front of it."""


def needs_segmenter(target: Target) -> bool:
    """Whether a segmenter is needed to know the target's mask: it is told by more than a mask."""
    prompt = target.prompt
    return prompt.mask is None or prompt.points is not None or prompt.box is not None


def first_segmentation(
    frame: Frame,
    targets: Sequence[Target],
    segmenter: Segmenter | None,
    known: Segmentation | None = None,
) -> Segmentation:
    """The masks of all targets of a frame; no other object is in the result.

    Masks pass through unchanged, with score 1. Everything else is decoded by the segmenter in one call and
    refined once; a mask that comes with points or a box is a rough one. Where masks overlap, those given win
    over those decoded; a given one that is smaller wins over a larger one, and so does a decoded one that
    lies mostly within another; else the higher logit decides.

    Args:
        frame: the frame that the targets speak of.
        targets: at least one, all of this frame.
        segmenter: not needed, and may be None, if all targets are masks.
        known: what is known of this frame without the targets, for instance by tracking. An object in it
            that a target gives points for is corrected from there instead of being found anew.

    Raises:
        PromptError: if a target does not fit the frame, or is not found in it.
        ValueError: without targets, with targets of another frame, or without a segmenter that is needed.
    """
    targets = merge_targets(targets)
    if not targets or any(target.frame_index != frame.index for target in targets):
        raise ValueError(f"need targets of frame {frame.index}, got {[t.frame_index for t in targets]}")
    check_targets(targets, frame.size)
    asked = [target for target in targets if needs_segmenter(target)]
    given = [target for target in targets if not needs_segmenter(target)]
    labels, scores = np.zeros(frame.size, dtype=np.uint8), dict.fromkeys((t.object_id for t in given), 1.0)
    if asked:
        if segmenter is None:
            raise ValueError(f"points and boxes need a segmenter: objects {[t.object_id for t in asked]}")
        prompts = [_with_known(target, known) for target in asked]
        logits, quality = _decode(segmenter, frame, prompts)
        _refuse_empty(asked, logits > 0, frame)
        labels = resolve(logits, [target.object_id for target in asked])
        scores |= {t.object_id: float(np.clip(s, 0.0, 1.0)) for t, s in zip(asked, quality, strict=True)}
    labels = _paint_given(labels, given)
    _refuse_hidden(targets, labels, frame)
    return Segmentation(frame.index, labels, scores)


def _with_known(target: Target, known: Segmentation | None) -> Prompt:
    """The target's prompt, with the known mask of its object as rough mask where only points are given."""
    prompt = target.prompt
    if known is None or prompt.points is None or prompt.box is not None or prompt.mask is not None:
        return prompt
    mask = known.mask(target.object_id)
    return replace(prompt, mask=mask) if mask.any() else prompt


def _decode(segmenter: Segmenter, frame: Frame, prompts: Sequence[Prompt]) -> tuple[Floats, Floats]:
    """(N, H, W) logits and (N,) scores: all prompts at once, then once more with what came out.

    The second pass gets the mask and its box on top of the prompt, as in PerSAM's refinement. It stands
    unless it leaves nothing.
    """
    features = segmenter.encode(frame.image)
    logits, low_res, scores = _pass(segmenter, features, prompts)
    boxes = [tight_box(mask) for mask in logits > 0]
    around = [
        replace(
            prompt,
            mask=None,
            low_res=low,
            box=np.asarray(box, dtype=np.float32) if prompt.box is None else prompt.box,
        )
        if box
        else prompt
        for prompt, low, box in zip(prompts, low_res, boxes, strict=True)
    ]
    refined, _, refined_scores = _pass(segmenter, features, around)
    lost = [row for row, mask in enumerate(refined > 0) if not mask.any()]
    refined[lost], refined_scores[lost] = logits[lost], scores[lost]
    return refined, refined_scores


def _pass(
    segmenter: Segmenter, features: FrameFeatures, prompts: Sequence[Prompt]
) -> tuple[Floats, Floats, Floats]:
    """Logits (N, H, W), low-res logits (N, h, w) and score (N,) of each prompt's best candidate."""
    candidates = segmenter.decode(features, prompts, multimask=True)
    logits, scores = candidates.best()
    pick = candidates.scores.argmax(dim=1).cpu().numpy()
    low_res = candidates.low_res.cpu().numpy()[np.arange(len(pick)), pick]
    return logits, low_res, scores


def resolve(logits: Floats, ids: Sequence[int]) -> NDArray[np.uint8]:
    """(H, W) uint8 labels of (N, H, W) logits that may overlap.

    A mask that lies mostly within a larger one is in front of it; else the higher logit wins the pixel.
    """
    masks = logits > 0
    areas = masks.sum(axis=(1, 2))
    owner = np.full(logits.shape[1:], -1)
    for row in np.argsort(-areas, kind="stable"):
        wins = masks[row] & (owner < 0)
        for other in np.unique(owner[masks[row] & (owner >= 0)]):
            shared = masks[row] & (owner == other)
            within = (masks[row] & masks[other]).sum() >= NESTED * areas[row] and areas[row] < areas[other]
            wins |= shared if within else shared & (logits[row] > logits[other])
        owner[wins] = row
    return np.asarray([*ids, 0], dtype=np.uint8)[owner]


def _paint_given(labels: NDArray[np.uint8], given: Sequence[Target]) -> NDArray[np.uint8]:
    """``labels`` with the given masks on top, the smallest uppermost."""
    masks = [(t.object_id, t.prompt.mask) for t in given if t.prompt.mask is not None]
    if not masks:
        return labels
    masks.sort(key=lambda item: -int(item[1].sum()))
    over = masks_to_labels(np.stack([mask for _, mask in masks]), [number for number, _ in masks])
    return np.where(over > 0, over, labels)


def _refuse_empty(asked: Sequence[Target], masks: Masks, frame: Frame) -> None:
    for target, mask in zip(asked, masks, strict=True):
        if not mask.any():
            raise PromptError(
                f"no object found for {_named(target)} in frame {frame.index}; "
                "try a box around it, more points, or a mask"
            )


def _refuse_hidden(targets: Sequence[Target], labels: NDArray[np.uint8], frame: Frame) -> None:
    shown = np.bincount(labels.ravel(), minlength=256)
    for target in targets:
        if shown[target.object_id] == 0:
            raise PromptError(
                f"{_named(target)} in frame {frame.index} is wholly covered by other objects; "
                "check that no two prompts mean the same object, or mark what is not part of the others with "
                "negative points (--point ID:x,y,-)"
            )


def _named(target: Target) -> str:
    return f"object {target.object_id}" + (f" ({target.name})" if target.name else "")
