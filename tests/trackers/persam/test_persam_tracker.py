"""The target tracker over a backbone that knows the answer, and over the built-in one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from vos.backbones.base import Backbone
from vos.errors import InputError, ModelError, SettingsError
from vos.evaluation import region_similarity
from vos.frame import Frame
from vos.prompts import mask_targets
from vos.results import FrameResult
from vos.runs.state import dump_state, load_state
from vos.settings import override
from vos.testing import Scene, ScriptedBackbone, Shape, line, scene, tiny_sam_checkpoint
from vos.trackers.base import Tracker
from vos.trackers.persam.as_published import PublishedPersamTracker
from vos.trackers.persam.feature_geometry import AlignedGeometry
from vos.trackers.persam.tracker import PersamTracker, PersamTrackerSettings
from vos.trackers.registry import build_tracker


def target_tracker(backbone: Backbone, **settings: Any) -> PersamTracker:
    """With settings laid over the defaults."""
    return PersamTracker(backbone, override(PersamTrackerSettings(), settings))


def follow(clip: Scene, tracker: Tracker) -> list[FrameResult]:
    """All frames of a scene, from the truth of its first one."""
    results = [tracker.start(clip.frames[0], clip.targets(0))]
    return results + [tracker.step(frame) for frame in clip.frames[1:]]


def overlap(clip: Scene, results: list[FrameResult], object_id: int) -> np.ndarray:
    """(T,) J of one object."""
    pairs = zip(results, clip.labels, strict=True)
    return np.array([region_similarity(truth == object_id, r.mask(object_id)) for r, truth in pairs])


def test_keeps_objects_apart_when_one_leaves() -> None:
    """Object 1 leaves the picture and returns: its slot stays its own, and object 2 never takes it."""
    clip = scene("leaves", num_frames=30, size=(61, 84), seed=2)
    results = follow(clip, target_tracker(ScriptedBackbone(clip, stride=4)))
    gone = [t for t in range(30) if not (clip.labels[t] == 1).any()]
    assert gone, "the scene is to have frames without object 1"
    for t in gone[1:]:
        assert not results[t].mask(1).any()
        assert results[t].confidence[1] == 0.0
    back = range(gone[-1] + 3, 30)
    assert back, "the object is to come back"
    assert overlap(clip, results, 1)[list(back)].mean() > 0.9
    assert overlap(clip, results, 2).min() > 0.8
    assert all(r.ids == (1, 2) for r in results)


def test_published_recipe_loses_what_ours_finds_again() -> None:
    """The same scene by the published recipe: after object 1 has gone its slot is lost for good."""
    clip = scene("leaves", num_frames=30, size=(61, 84), seed=2)
    published = follow(clip, PublishedPersamTracker(ScriptedBackbone(clip), view=AlignedGeometry()))
    ours = follow(clip, target_tracker(ScriptedBackbone(clip, stride=4)))
    late = slice(27, 30)
    assert overlap(clip, published, 1)[late].mean() < 0.5 < overlap(clip, ours, 1)[late].mean()


def test_without_reacquisition_a_lost_object_stays_lost() -> None:
    """An object vanishes and returns elsewhere: it is searched where it was seen last, and there alone."""

    def path(t: float) -> tuple[float, float]:
        return (30, 60) if t < 3 else (-200, -200) if t < 6 else (125, 40)

    shapes = [Shape(1, path, 14, texture_seed=3), Shape(2, line((80, 90)), 12, texture_seed=5)]
    clip = scene(shapes, num_frames=8, size=(121, 164), seed=2)
    backbone = ScriptedBackbone(clip, stride=4)
    found = follow(clip, target_tracker(ScriptedBackbone(clip, stride=4)))
    lost = follow(clip, target_tracker(backbone, reacquire=False))
    assert overlap(clip, found, 1).tolist() == [1] * 8
    assert overlap(clip, lost, 1).tolist() == [1] * 6 + [0] * 2
    assert not any(result.mask(1).any() for result in lost[3:])
    late = [prompt.box for call in backbone.calls if call.frame_index >= 6 for prompt in call.prompts]
    boxes = [tuple(box) for box in late if box is not None]
    assert any(x0 < 30 < x1 and y0 < 60 < y1 for x0, y0, x1, y1 in boxes)
    assert not any(x0 < 125 < x1 and y0 < 40 < y1 for x0, y0, x1, y1 in boxes)


def test_one_encode_and_three_decodes_a_frame() -> None:
    """All objects share a batch: the number of calls does not depend on how many there are."""
    clip = scene("crowd", num_frames=5, size=(121, 164), seed=2)
    backbone = ScriptedBackbone(clip)
    follow(clip, target_tracker(backbone))
    assert backbone.encoded == [0, 1, 2, 3, 4]
    assert [call.frame_index for call in backbone.calls] == [t for t in (1, 2, 3, 4) for _ in range(3)]
    assert all(len(call.prompts) == len(clip.ids) for call in backbone.calls)


def test_a_correction_sticks() -> None:
    """A mask given later is what the frame gets, and is followed from there on."""
    clip = scene("moving", num_frames=8, size=(121, 164), seed=2)
    tracker = target_tracker(ScriptedBackbone(clip, stride=4))
    wrong = np.roll(clip.labels[0], 8, axis=1)
    tracker.start(clip.frames[0], mask_targets(wrong, (1,), 0))
    tracker.step(clip.frames[1])
    told = tracker.step(clip.frames[2], clip.targets(2))
    assert np.array_equal(told.labels, clip.labels[2])
    later = [tracker.step(frame) for frame in clip.frames[3:]]
    assert all(np.array_equal(r.mask(1), clip.labels[r.frame_index] == 1) for r in later)


def test_a_new_object_joins() -> None:
    """An object given in a later frame gets a slot of its own; the first goes on as before."""
    clip = scene("still", num_frames=6, size=(121, 164), seed=2)
    tracker = target_tracker(ScriptedBackbone(clip, stride=4))
    one = np.where(clip.labels[0] == 1, 1, 0).astype(np.uint8)
    tracker.start(clip.frames[0], mask_targets(one, (1,), 0))
    assert tracker.step(clip.frames[1]).ids == (1,)
    two = np.where(clip.labels[2] == 2, 2, 0).astype(np.uint8)
    joined = tracker.step(clip.frames[2], mask_targets(two, (2,), 2))
    assert joined.ids == (1, 2)
    after = tracker.step(clip.frames[3])
    assert region_similarity(clip.labels[3] == 1, after.mask(1)) > 0.9
    assert region_similarity(clip.labels[3] == 2, after.mask(2)) > 0.9


def test_memory_is_bounded() -> None:
    """However long the video, this many frames are remembered and no more; the first one never changes."""
    clip = scene("moving", num_frames=30, size=(61, 84), seed=2)
    tracker = target_tracker(
        ScriptedBackbone(clip, stride=4), recent=3, remember_every=2, confident_above=0.1
    )
    tracker.start(clip.frames[0], clip.targets(0))
    first = tracker.save()["owners"][1]["permanent"][0].copy()
    for frame in clip.frames[1:]:
        tracker.step(frame)
    background, slot = tracker.save()["owners"]
    assert len(slot["recent"]) == len(background["recent"]) == 3
    assert len(slot["permanent"]) == 1
    assert np.array_equal(slot["permanent"][0], first)


def test_reads_states_of_earlier_versions() -> None:
    """The permanent memory was called anchor."""
    clip = scene("moving", num_frames=3, size=(61, 84), seed=2)
    tracker, later = (target_tracker(ScriptedBackbone(clip, stride=4)) for _ in range(2))
    tracker.start(clip.frames[0], clip.targets(0))
    tracker.step(clip.frames[1])
    state = tracker.save()
    for owner in state["owners"]:
        owner["anchor"] = owner.pop("permanent")
    later.load(state)
    expected = tracker.step(clip.frames[2])
    assert np.array_equal(later.step(clip.frames[2]).labels, expected.labels)


@pytest.mark.parametrize("kind", ["scripted", "classical"])
def test_goes_on_from_a_saved_state(kind: str) -> None:
    """The state, through bytes, into a new tracker: the same frames come out."""
    clip = scene("crossing", num_frames=5, size=(61, 84), seed=2)

    def fresh() -> PersamTracker:
        if kind == "scripted":
            return target_tracker(ScriptedBackbone(clip, stride=4), tune=True, tune_steps=5)
        tracker = build_tracker("persam")
        assert isinstance(tracker, PersamTracker)
        return tracker

    tracker = fresh()
    whole = follow(clip, tracker)
    tracker.start(clip.frames[0], clip.targets(0))
    for frame in clip.frames[1:3]:
        tracker.step(frame)
    other = fresh()
    other.load(load_state(dump_state(tracker.save())))
    for frame in clip.frames[3:]:
        result = other.step(frame)
        assert np.array_equal(result.labels, whole[frame.index].labels)
        assert result.confidence == whole[frame.index].confidence


@pytest.mark.parametrize(
    "change",
    [
        {"recent": 0},
        {"soft_assignment": False},
        {"agree": 0.0},
        {"reacquire": False},
        {"refinement": 0},
        {"tune": True, "tune_steps": 5},
        {"prompts": {"warped_mask": False}},
        {"prompts": {"negative_point": True}},
        {"prompts": {"guided_attention": False}},
        {"prompts": {"semantic_prompt": False}},
        {"prompts": {"guided_attention": False, "semantic_prompt": False}},
    ],
    ids=str,
)
def test_every_switch_can_be_turned(tmp_path: Path, change: dict[str, Any]) -> None:
    """On a SAM that nobody trained, with an object too small for the grid beside an ordinary one."""
    clip = scene("pixel", num_frames=3, size=(61, 84), seed=2)
    tracker = build_tracker(
        "sam-vit-b", checkpoint=str(tiny_sam_checkpoint(tmp_path / "t.pth")), settings=change
    )
    results = follow(clip, tracker)
    assert [r.labels.shape for r in results] == [(61, 84)] * 3
    assert all(0 <= score <= 1 for r in results for score in r.confidence.values())
    assert all(r.ids == (1, 2) for r in results)


def test_decoder_is_told_what_the_switches_say() -> None:
    """Prompts and guidance of the first pass follow the settings."""
    clip = scene("moving", num_frames=2, size=(121, 164), seed=2)

    def asked(**settings: Any) -> Any:
        backbone = ScriptedBackbone(clip)
        follow(clip, target_tracker(backbone, prompts=settings))
        return backbone.calls[0]

    usual = asked()
    assert usual.prompts[0].mask is not None
    assert usual.prompts[0].box is not None
    assert usual.guidance[0].similarity is not None
    assert usual.guidance[0].embedding is not None
    assert asked(warped_mask=False).prompts[0].mask is None
    assert asked(guided_attention=False).guidance[0].similarity is None
    assert asked(semantic_prompt=False).guidance[0].embedding is None
    assert asked(guided_attention=False, semantic_prompt=False).guidance is None
    assert 0 in asked(negative_point=True).prompts[0].labels
    assert 0 not in asked(negative_point=False).prompts[0].labels


@pytest.mark.parametrize(("name", "floor"), [("moving", 0.85), ("still", 0.85), ("touching", 0.8)])
def test_follows_with_the_builtin_backbone(name: str, floor: float) -> None:
    """``--model target``: no weights at all, plain scenes."""
    torch.set_num_threads(1)
    clip = scene(name, num_frames=4, size=(121, 164), seed=3)
    results = follow(clip, build_tracker("persam"))
    for object_id in clip.ids:
        assert overlap(clip, results, object_id).mean() > floor


def test_begin_forgets() -> None:
    """A second video knows nothing of the first."""
    clip = scene("still", num_frames=3, size=(121, 164), seed=2)
    tracker = target_tracker(ScriptedBackbone(clip, stride=4))
    follow(clip, tracker)
    only = np.where(clip.labels[0] == 2, 2, 0).astype(np.uint8)
    tracker.start(clip.frames[0], mask_targets(only, (2,), 0))
    assert tracker.step(clip.frames[1]).ids == (2,)


def test_refuses_what_it_cannot_do() -> None:
    """Steps before begin, frames of another size, settings out of range, options without use."""
    clip = scene("moving", num_frames=2, size=(61, 84), seed=2)
    tracker = target_tracker(ScriptedBackbone(clip, stride=4))
    with pytest.raises(InputError, match="before start"):
        tracker.step(clip.frames[1])
    tracker.start(clip.frames[0], clip.targets(0))
    with pytest.raises(InputError, match="20x10"):
        tracker.step(Frame(1, np.zeros((10, 20, 3), np.uint8), "00001"))
    with pytest.raises(SettingsError, match="refinement"):
        build_tracker("persam", settings={"refinement": 3})
    with pytest.raises(ModelError, match="no weights"):
        build_tracker("persam", checkpoint="some.pth")
    with pytest.raises(ModelError, match="no weights"):
        build_tracker("classical", checkpoint="some.pth")
    with pytest.raises(ModelError, match="cannot be tuned"):
        build_tracker("classical", tune=True)
    with pytest.raises(SettingsError, match="variant"):
        build_tracker("persam", settings={"variant": "best"})
