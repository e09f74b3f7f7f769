"""From the prompts of a frame to the masks of its objects."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..arrays import Floats, Masks
from ..backbones.expected_quality import expected_quality
from ..backbones.in_video import encode_frame
from ..errors import PromptError
from ..frame import Frame, check_frame
from ..ops.boxes import box_iou, tight_box
from ..ops.iou import mask_iou
from ..ops.overlap import nested_logits_to_labels, paint_small_on_top
from ..prompts import Prompt, Target, check_targets_given, list_of_targets
from ..results import FrameResult, Labels, Source
from ..trackers.base import ALL_PROMPTS, Tracker, TrackerInfo
from .checks import check_targets, is_only_negative
from .merge import merge_targets

if TYPE_CHECKING:
    from ..backbones.base import Backbone, Candidates
    from ..backbones.expected_quality import Models

LARGE_SHARE = 0.5
"""A mask of more than this share of the frame is suspected to be the background."""
LARGE_BOXES = 1.5
"""So is one that is larger than this many of its box."""
SMALL_BOXES = 0.02
"""A mask of less than this share of its box shows that there is nothing to segment in it."""

SAME_MASK = 0.9
"""IoU of two candidates from which on only one is offered."""
SAME_BOX = 0.5
"""IoU of a box with that of a known mask from which on it corrects that mask."""

logger = logging.getLogger(__name__)


def needs_backbone(target: Target) -> bool:
    """Whether a backbone is needed to know the target's mask: the prompt is more than a mask."""
    prompt = target.prompt
    return prompt.mask is None or prompt.points is not None or prompt.box is not None


def decode_prompts(
    frame: Frame,
    targets: Sequence[Target],
    backbone: Backbone | None,
    known: FrameResult | None = None,
) -> list[Target]:
    """All targets of a frame as masks that do not overlap, one target per object, ascending by id.

    Masks pass through with their own source and confidence. Everything else is decoded by the backbone in one
    call and refined once; a mask that comes with points or a box is a rough one. Where masks overlap, those
    given win over those decoded; a given one that is smaller wins over a larger one, and so does a decoded
    one that lies mostly within another; else the higher logit decides.

    Args:
        frame: the frame that the targets belong to.
        targets: at least one, all of this frame.
        backbone: not needed, and may be None, if all targets are masks.
        known: what is known of this frame without the targets, for instance by tracking. An object in it
            that a target gives points for, or a box about it, is corrected from there instead of being
            segmented from nothing.

    Raises:
        PromptError: without targets, or if one is for another frame, does not fit it, or is not found in it.
        ValueError: without a backbone that is needed.
    """
    targets = merge_targets(check_targets_given(targets))
    for target in targets:
        if target.frame_index != frame.index:
            raise PromptError(
                f"the prompt of object {target.object_id} is for frame {target.frame_index}, and the frame "
                f"is {frame.index}: give the prompt that frame_index, or its frame"
            )
    check_targets(targets, frame.size)
    to_decode = [target for target in targets if needs_backbone(target)]
    given = [target for target in targets if not needs_backbone(target)]
    labels: Labels = np.zeros(frame.size, dtype=np.uint8)
    quality: dict[int, float] = {}
    if to_decode:
        if backbone is None:
            raise ValueError(f"points and boxes need a backbone: objects {[t.object_id for t in to_decode]}")
        masks_known = [None if known is None else known.mask(target.object_id) for target in to_decode]
        prompts = [
            _with_known(target.prompt, mask) for target, mask in zip(to_decode, masks_known, strict=True)
        ]
        _refuse_unknown(to_decode, prompts, frame)
        logits, scores = _decode(backbone, frame, prompts)
        _refuse_empty(to_decode, logits > 0, frame)
        labels = nested_logits_to_labels(logits, [target.object_id for target in to_decode])
        for target, score in zip(to_decode, scores, strict=True):
            quality[target.object_id] = float(np.clip(score, 0.0, 1.0))
    if given:
        masks = [target.prompt.mask for target in given if target.prompt.mask is not None]
        over = paint_small_on_top(masks, [target.object_id for target in given])
        labels = np.where(over > 0, over, labels)
    _refuse_hidden(targets, labels, frame)
    _warn_of_doubtful(targets, labels, frame)
    decoded = []
    for target in sorted(targets, key=lambda target: target.object_id):
        prompt = Prompt(mask=labels == target.object_id)
        if target.object_id in quality:
            confidence = quality[target.object_id]
            target = replace(target, prompt=prompt, source=Source.DECODED, confidence=confidence)
        else:
            target = replace(target, prompt=prompt)
        decoded.append(target)
    return decoded


class PromptDecodingTracker:
    """A :class:`~vos.trackers.base.Tracker` that takes every kind of prompt, over one that takes masks only.

    Args:
        tracker: takes masks.
        make_backbone: makes the model that decodes points and boxes; called once, when one is needed.
    """

    def __init__(self, tracker: Tracker, make_backbone: Callable[[], Backbone]) -> None:
        self._tracker = tracker
        self._make_backbone = make_backbone
        self._backbone: Backbone | None = None

    @property
    def info(self) -> TrackerInfo:
        """That of the tracker underneath, with all kinds of prompts."""
        return replace(self._tracker.info, accepts=ALL_PROMPTS)

    def start(self, frame: Frame, prompts: Sequence[Target]) -> FrameResult:
        """See :class:`~vos.trackers.base.Tracker`."""
        check_frame(frame)
        return self._tracker.start(frame, self._decoded(frame, check_targets_given(prompts), None))

    def step(self, frame: Frame, prompts: Sequence[Target] = (), *, commit: bool = True) -> FrameResult:
        """See :class:`~vos.trackers.base.Tracker`; points and boxes correct their object's tracked mask."""
        check_frame(frame)
        prompts = list_of_targets(prompts)
        if not prompts:
            return self._tracker.step(frame, commit=commit)
        refines = any(needs_backbone(t) for t in prompts)
        known = self._tracker.step(frame, commit=False) if refines else None
        return self._tracker.step(frame, self._decoded(frame, prompts, known), commit=commit)

    def remove(self, object_id: int) -> None:
        """See :class:`~vos.trackers.base.Tracker`."""
        self._tracker.remove(object_id)

    def save(self) -> dict[str, Any]:
        """See :class:`~vos.trackers.base.Tracker`."""
        return self._tracker.save()

    def load(self, state: dict[str, Any]) -> None:
        """See :class:`~vos.trackers.base.Tracker`."""
        self._tracker.load(state)

    def _decoded(self, frame: Frame, prompts: Sequence[Target], known: FrameResult | None) -> list[Target]:
        if self._backbone is None and any(map(needs_backbone, prompts)):
            self._backbone = self._make_backbone()
        return decode_prompts(frame, prompts, self._backbone, known)


@dataclass(frozen=True, eq=False)
class DecodedPreview:
    """What a prompt would give."""

    mask: NDArray[np.bool_]
    """(H, W) bool; empty if nothing was found."""
    confidence: float
    """Expected J, 0..1."""


def preview_prompt(
    frame: Frame,
    prompt: Prompt,
    backbone: Backbone,
    known: NDArray[np.bool_] | None = None,
    *,
    refine: bool = True,
) -> DecodedPreview:
    """The mask of one prompt by itself, for a preview before it is given as a :class:`~vos.prompts.Target`.

    Args:
        frame: that the prompt belongs to.
        prompt: points or a box; a mask beside them is a rough one.
        backbone: decodes; one that caches features answers the second prompt of a frame faster.
        known: (H, W) mask of the object so far, which points and boxes about it correct.
        refine: decode twice, as :func:`decode_prompts` does; once is about twice as fast.

    Raises:
        PromptError: if the prompt does not fit the frame, or has nothing but points off the object.
    """
    target = Target(1, prompt, frame.index)
    check_targets([target], frame.size)
    prompt = _with_known(prompt, known)
    _refuse_unknown([target], [prompt], frame)
    logits, scores = _decode(backbone, frame, [prompt], refine=refine)
    return DecodedPreview(logits[0] > 0, float(np.clip(scores[0], 0.0, 1.0)))


def preview_candidates(
    frame: Frame,
    prompt: Prompt,
    backbone: Backbone,
    known: NDArray[np.bool_] | None = None,
) -> list[DecodedPreview]:
    """What a prompt may mean: its candidates from small to large, each another extent of the object.

    The one that :func:`preview_prompt` and :func:`decode_prompts` take has the highest confidence. At least
    one, empty if nothing was found; candidates that are empty or equal to another are left out.

    Args, raises: as :func:`preview_prompt`.
    """
    target = Target(1, prompt, frame.index)
    check_targets([target], frame.size)
    prompt = _with_known(prompt, known)
    _refuse_unknown([target], [prompt], frame)
    chosen = preview_prompt(frame, prompt, backbone)
    found = [chosen]
    candidates = backbone.decode(encode_frame(backbone, frame), [prompt])
    for logits, score in zip(candidates.logits[0].cpu().numpy(), candidates.scores[0].tolist(), strict=True):
        mask = logits > 0
        if mask.any() and all(mask_iou(mask, other.mask) < SAME_MASK for other in found):
            found.append(DecodedPreview(mask, float(np.clip(score, 0.0, chosen.confidence))))
    return sorted(found, key=lambda preview: int(preview.mask.sum()))


def _with_known(prompt: Prompt, known: Masks | None) -> Prompt:
    """The prompt, with the known mask of its object as rough mask.

    A box about something else than what is known starts over: the known mask is of no use for it.
    """
    if known is None or prompt.mask is not None or not known.any():
        return prompt
    if prompt.box is not None:
        x0, y0, x1, y1 = (round(float(v)) for v in prompt.box)
        before = tight_box(known)
        if before is None or box_iou(before, (x0, y0, x1, y1)) < SAME_BOX:
            return prompt
        inside = np.zeros_like(known)
        inside[max(y0, 0) : y1 + 1, max(x0, 0) : x1 + 1] = True
        known = known & inside
    return replace(prompt, mask=known) if known.any() else prompt


def _decode(
    backbone: Backbone, frame: Frame, prompts: Sequence[Prompt], *, refine: bool = True
) -> tuple[Floats, Floats]:
    """(N, H, W) logits and (N,) expected J: all prompts at once, then once more with what came out.

    The second pass gets the mask and its box on top of the prompt, as in PerSAM's refinement. It stands
    unless it leaves nothing.
    """
    features = encode_frame(backbone, frame)
    candidates = backbone.decode(features, prompts, multimask=True)
    logits, low_res, scores = _best(candidates)
    if getattr(backbone, "refines_itself", False):
        return logits, _expected(backbone, frame, prompts, candidates, logits, scores)
    if not refine:
        return logits, scores
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
    refined, _, refined_scores = _best(backbone.decode(features, around, multimask=True))
    lost = [row for row, mask in enumerate(refined > 0) if not mask.any()]
    refined[lost], refined_scores[lost] = logits[lost], scores[lost]
    # The refined score knows nothing of what the mask was decoded from.
    return refined, _expected(backbone, frame, prompts, candidates, refined, refined_scores)


def _expected(
    backbone: Backbone,
    frame: Frame,
    prompts: Sequence[Prompt],
    candidates: Candidates,
    logits: Floats,
    scores: Floats,
) -> Floats:
    """(N,) expected J of the decoded masks, where models of it were fitted; else the scores."""
    models: Models | None = getattr(backbone, "quality_models", None)
    if models is None:
        return scores
    expected = scores.copy()
    for row, prompt in enumerate(prompts):
        if prompt.mask is None and prompt.low_res is None:
            first = candidates.scores[row].cpu().numpy(), candidates.low_res[row].cpu().numpy() > 0
            expected[row] = expected_quality(models, prompt, *first, logits[row] > 0, frame.image)
    return expected


def _best(candidates: Candidates) -> tuple[Floats, Floats, Floats]:
    """Logits (N, H, W), low-res logits (N, h, w) and score (N,) of each prompt's best candidate."""
    logits, scores = candidates.best()
    pick = candidates.scores.argmax(dim=1).cpu().numpy()
    low_res = candidates.low_res.cpu().numpy()[np.arange(len(pick)), pick]
    return logits, low_res, scores


def _refuse_empty(targets: Sequence[Target], masks: Masks, frame: Frame) -> None:
    for target, mask in zip(targets, masks, strict=True):
        if not mask.any():
            raise PromptError(
                f"no object found for {_named(target)} in frame {frame.index}; "
                "try a box around it, more points, or a mask"
            )


def _refuse_unknown(targets: Sequence[Target], prompts: Sequence[Prompt], frame: Frame) -> None:
    for target, prompt in zip(targets, prompts, strict=True):
        if is_only_negative(prompt):
            raise PromptError(
                f"{_named(target)} is not visible in frame {frame.index}, and has only points off it (-); "
                "add a point on it (+), a box or a mask"
            )


def _warn_of_doubtful(targets: Sequence[Target], labels: Labels, frame: Frame) -> None:
    """Say which masks are larger or smaller than an object usually is, before they are tracked."""
    for target in targets:
        area = int((labels == target.object_id).sum())
        share = area / labels.size
        box = target.prompt.box
        around = None if box is None else float((box[2] - box[0] + 1) * (box[3] - box[1] + 1))
        if share > LARGE_SHARE:
            logger.warning(
                "the mask of %s in frame %d covers %.0f %% of the frame: is it the background? "
                "Look at it before you track on",
                *(_named(target), frame.index, 100 * share),
            )
        elif around is not None and area > LARGE_BOXES * around:
            logger.warning(
                "the mask of %s in frame %d is %.1f times as large as its box; add points off it (-)",
                *(_named(target), frame.index, area / around),
            )
        elif around is not None and area < SMALL_BOXES * around:
            logger.warning(
                "the mask of %s in frame %d covers %.1f %% of its box: is there an object in it? "
                "Add a point on it, or move the box",
                *(_named(target), frame.index, 100 * area / around),
            )


def _refuse_hidden(targets: Sequence[Target], labels: Labels, frame: Frame) -> None:
    for target in targets:
        if not (labels == target.object_id).any():
            raise PromptError(
                f"{_named(target)} in frame {frame.index} is wholly covered by other objects; "
                "check that no two prompts mean the same object, or mark what is not part of the others with "
                "negative points (--point ID:x,y,-)"
            )


def _named(target: Target) -> str:
    return f"object {target.object_id}" + (f" ({target.name})" if target.name else "")
