"""From targets to one label per pixel, with a backbone that knows the truth."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from vos.backbones.base import Candidates, FrameFeatures
from vos.backbones.feature_cache import FeatureCache
from vos.errors import PromptError
from vos.ops.boxes import tight_box
from vos.ops.overlap import paint
from vos.prompting.decoding import PromptDecodingTracker, decode_prompts, needs_backbone
from vos.prompts import Prompt, Target
from vos.results import FrameResult, Source
from vos.testing import ScriptedBackbone, ScriptedTracker, scene

CLIP = scene("crossing", num_frames=1)
FRAME = CLIP.frames[0]
TRUTH = CLIP.labels[0]


class Painted:
    """A backbone that answers with fixed masks, whatever it is asked: first ``first``, then ``second``."""

    accepts_guidance = False
    device = "cpu"

    def __init__(self, first: np.ndarray, second: np.ndarray | None = None) -> None:
        self.answers = [first, first if second is None else second]
        self.prompts: list[list[Prompt]] = []

    def encode(self, image):
        return FrameFeatures(torch.ones(1, 1, 1), image.shape[:2])

    def decode(self, features, prompts, *, guidance=None, multimask=True):
        logits = torch.from_numpy(self.answers[len(self.prompts)].astype(np.float32))[:, None]
        self.prompts.append(list(prompts))
        return Candidates(logits, logits[..., ::2, ::2], torch.full((len(prompts), 1), 0.7))


def decoded(frame, targets, backbone, known=None) -> FrameResult:
    """The decoded targets as a result."""
    found = decode_prompts(frame, targets, backbone, known)
    ids = [target.object_id for target in found]
    labels = paint(np.stack([target.prompt.mask for target in found]), ids)
    confidence = {target.object_id: target.confidence for target in found}
    source = {target.object_id: target.source for target in found}
    return FrameResult(frame.index, labels, confidence, source=source)


def rectangle(rows: slice, columns: slice, height: float = 1.0) -> np.ndarray:
    """(H, W) logits, positive in the rectangle."""
    logits = np.full(FRAME.size, -1.0)
    logits[rows, columns] = height
    return logits


def point(number: int, x: float, y: float, label: int = 1) -> Target:
    """A target told by one point."""
    return Target(number, Prompt(points=np.array([[x, y]], np.float32), labels=np.array([label])))


def inside(object_id: int) -> tuple[float, float]:
    """A pixel of an object in the scene."""
    row, column = np.argwhere(CLIP.masks(object_id)[0])[0]
    return float(column), float(row)


def test_masks_pass_through() -> None:
    """Given masks come out to the pixel, under their ids, with score 1, and no model is asked."""
    targets = [Target(7, Prompt(mask=TRUTH == 1)), Target(200, Prompt(mask=TRUTH == 2))]
    result = decoded(FRAME, targets, None)
    assert (result.labels == np.select([TRUTH == 1, TRUTH == 2], [7, 200], 0)).all()
    assert result.confidence == {7: 1.0, 200: 1.0}
    assert set(result.source.values()) == {Source.USER}
    assert result.frame_index == FRAME.index
    assert not any(map(needs_backbone, targets))


def test_points_and_boxes_are_decoded_in_one_call() -> None:
    """All objects go through one call, and through a second one with their mask and box."""
    backbone = ScriptedBackbone(CLIP)
    box = Target(9, Prompt(box=np.array(CLIP.boxes[0][2], np.float32)))
    targets = [point(4, *inside(1)), box]
    result = decoded(FRAME, targets, backbone)
    assert (result.labels == np.select([TRUTH == 1, TRUTH == 2], [4, 9], 0)).all()
    assert result.confidence == {4: pytest.approx(0.9), 9: pytest.approx(0.9)}
    assert set(result.source.values()) == {Source.DECODED}
    assert all(map(needs_backbone, targets))
    assert backbone.encoded == [0]
    first, second = backbone.calls
    assert len(first.prompts) == len(second.prompts) == 2
    assert second.prompts[0].low_res is not None
    assert second.prompts[0].box is not None
    assert second.prompts[0].box.tolist() == list(CLIP.boxes[0][1])
    assert second.prompts[0].points is not None
    assert second.prompts[1].box is box.prompt.box


def test_second_pass_that_loses_the_object_is_dropped() -> None:
    """What refinement empties stays as it was before."""
    good, nothing = rectangle(slice(5, 20), slice(5, 20)), np.full(FRAME.size, -1.0)
    result = decoded(FRAME, [point(1, 6, 6)], Painted(good[None], nothing[None]))
    assert (result.mask(1) == (good > 0)).all()


def test_given_masks_win_over_decoded_ones() -> None:
    """A decoded object does not take a pixel of a given one."""
    given = rectangle(slice(10, 30), slice(10, 30)) > 0
    other = rectangle(slice(0, 40), slice(0, 20), 50.0)
    result = decoded(FRAME, [Target(1, Prompt(mask=given)), point(2, 2, 2)], Painted(other[None]))
    assert (result.mask(1) == given).all()
    assert (result.mask(2) == ((other > 0) & ~given)).all()
    assert result.confidence == {1: 1.0, 2: pytest.approx(0.7)}


def test_smaller_object_wins_within_a_larger_one() -> None:
    """A rider on a horse keeps his pixels, although the horse is the surer of them."""
    large, small = rectangle(slice(0, 60), slice(0, 60), 9.0), rectangle(slice(20, 30), slice(20, 30), 0.5)
    for targets, logits in (
        ([point(1, 2, 2), point(2, 25, 25)], np.stack([large, small])),
        ([point(1, 25, 25), point(2, 2, 2)], np.stack([small, large])),
    ):
        result = decoded(FRAME, targets, Painted(logits))
        assert (result.labels > 0).sum() == 3600
        assert sorted(np.bincount(result.labels.ravel(), minlength=3)[1:]) == [100, 3500]


def test_surer_object_wins_between_neighbours() -> None:
    """Objects that overlap a little share the overlap by their logits."""
    left, right = rectangle(slice(0, 20), slice(0, 22), 3.0), rectangle(slice(0, 20), slice(18, 36), 1.0)
    result = decoded(FRAME, [point(1, 1, 1), point(2, 30, 1)], Painted(np.stack([left, right])))
    assert (result.mask(1) == (left > 0)).all()
    assert result.mask(2).sum() == 20 * 14


def test_smaller_given_mask_is_in_front() -> None:
    """Given masks that overlap: the smaller one is whole."""
    large, small = np.ones(FRAME.size, bool), TRUTH == 1
    result = decoded(FRAME, [Target(1, Prompt(mask=small)), Target(2, Prompt(mask=large))], None)
    assert (result.mask(1) == small).all()
    assert (result.mask(2) == ~small).all()


def test_object_not_found() -> None:
    """An object without a pixel is an error that names it and says what to try."""
    nothing = np.full((1, *FRAME.size), -1.0)
    target = Target(3, point(3, 1, 1).prompt, name="cat")
    with pytest.raises(PromptError, match=r"no object found for object 3 \(cat\) in frame 0; try a box"):
        decoded(FRAME, [target], Painted(nothing))


def test_object_covered_by_others() -> None:
    """Two prompts for the same thing: the one left with nothing is named."""
    same = rectangle(slice(0, 9), slice(0, 9))
    with pytest.raises(PromptError, match="object 2 in frame 0 is wholly covered"):
        decoded(FRAME, [point(1, 1, 1), point(2, 2, 2)], Painted(np.stack([same, same])))
    mask = TRUTH == 1
    with pytest.raises(PromptError, match="wholly covered"):
        decoded(FRAME, [Target(1, Prompt(mask=mask)), Target(2, Prompt(mask=mask))], None)


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        (Prompt(mask=np.ones((9, 9), bool)), "is 9x9 pixels, but the frames as read are 160x120"),
        (Prompt(mask=np.zeros(FRAME.size, bool)), "is empty"),
        (Prompt(points=np.array([[160, 0]], np.float32), labels=np.array([1])), "outside the image"),
        (Prompt(box=np.array([0, 0, 170, 50], np.float32)), "reaches outside"),
    ],
)
def test_targets_that_do_not_fit(prompt: Prompt, message: str) -> None:
    """Targets are checked against the frame, wherever they come from."""
    with pytest.raises(PromptError, match=message):
        decoded(FRAME, [Target(1, prompt)], ScriptedBackbone(CLIP))


def test_points_correct_what_is_known() -> None:
    """A click on a tracked object starts from its mask there; a new object starts from the click alone."""
    known = FrameResult(0, TRUTH, {1: 0.9, 2: 0.8})
    answer = np.stack([rectangle(slice(0, 9), slice(0, 9)), rectangle(slice(50, 60), slice(50, 60))])
    backbone = Painted(answer)
    result = decoded(FRAME, [point(1, 1, 1, label=0), point(5, 55, 55)], backbone, known)
    corrected, new = backbone.prompts[0]
    assert corrected.mask is not None
    assert (corrected.mask == (TRUTH == 1)).all()
    assert new.mask is None
    assert result.ids == (1, 5)


def test_a_box_corrects_what_is_known_within_it() -> None:
    """A box about the known mask starts from its part inside; a box about something else starts anew."""
    known = FrameResult(0, TRUTH, {1: 0.9, 2: 0.8})
    mask = TRUTH == 1
    x0, y0, x1, y1 = tight_box(mask)
    narrower = Prompt(box=np.array([x0 + 3, y0, x1, y1], np.float32))
    backbone = Painted(rectangle(slice(0, 9), slice(0, 9))[None])
    decoded(FRAME, [Target(1, narrower)], backbone, known)
    (asked,) = backbone.prompts[0]
    assert np.array_equal(asked.mask[:, x0 + 3 :], mask[:, x0 + 3 :])
    assert not asked.mask[:, : x0 + 3].any()
    elsewhere = Prompt(box=np.array([0, 0, 8, 8], np.float32))
    backbone = Painted(rectangle(slice(0, 9), slice(0, 9))[None])
    decoded(FRAME, [Target(1, elsewhere)], backbone, known)
    assert backbone.prompts[0][0].mask is None


def test_a_backbone_that_refines_itself_is_asked_once() -> None:
    """Also behind a cache, which says so for it."""
    backbone = Painted(rectangle(slice(0, 9), slice(0, 9))[None])
    backbone.refines_itself = True
    result = decoded(FRAME, [point(1, 1, 1)], FeatureCache(backbone))
    assert len(backbone.prompts) == 1
    assert result.confidence[1] == pytest.approx(0.7)


def test_mistakes_of_the_caller() -> None:
    """No targets, targets of another frame, no backbone where one is needed."""
    with pytest.raises(PromptError, match="no object to track"):
        decoded(FRAME, [], None)
    with pytest.raises(PromptError, match="of object 1 is for frame 3, and the frame is 0: give"):
        decoded(FRAME, [Target(1, Prompt(mask=TRUTH == 1), frame_index=3)], None)
    with pytest.raises(ValueError, match=r"need a backbone: objects \[1\]"):
        decoded(FRAME, [point(1, 1, 1)], None)


def test_a_tracker_of_masks_takes_clicks() -> None:
    """Points become masks before the tracker sees them, with the confidence of the decoder."""
    made: list[ScriptedBackbone] = []

    def make() -> ScriptedBackbone:
        made.append(ScriptedBackbone(CLIP))
        return made[-1]

    inner = ScriptedTracker(CLIP)
    tracker = PromptDecodingTracker(inner, make)
    assert tracker.info.accepts == {"mask", "points", "box"}
    first = tracker.start(FRAME, [point(1, *inside(1)), Target(2, Prompt(mask=TRUTH == 2))])
    assert np.array_equal(first.labels, TRUTH)
    assert first.confidence == {1: pytest.approx(0.9), 2: 1.0}
    assert first.source == {1: Source.DECODED, 2: Source.USER}
    assert len(made) == 1


def test_a_click_on_a_tracked_object_starts_from_its_mask() -> None:
    """The tracker is asked for a preview, and its state changes only with the corrected mask."""
    clip = scene("crossing", num_frames=3)
    backbone = ScriptedBackbone(clip)
    inner = ScriptedTracker(clip)
    tracker = PromptDecodingTracker(inner, lambda: backbone)
    tracker.start(clip.frames[0], clip.targets(0))
    row, column = np.argwhere(clip.labels[1] == 1)[0]
    click = Prompt(points=np.array([[column, row]], np.float32), labels=np.array([1]))
    result = tracker.step(clip.frames[1], [Target(1, click, 1)])
    assert inner.calls == [("start", 0, (1, 2)), ("preview", 1, ()), ("step", 1, (1,))]
    assert backbone.calls[0].prompts[0].mask is not None
    assert result.source == {1: Source.CORRECTED, 2: Source.TRACKED}
    assert result.confidence[1] == pytest.approx(0.9)
