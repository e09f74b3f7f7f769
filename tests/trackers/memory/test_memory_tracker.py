"""Trackers with a memory of their own: bounded, with independent objects and corrections that stick."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from vos.errors import InputError, PromptError, SettingsError
from vos.frame import Frame
from vos.notices import NOTICE
from vos.prompts import Prompt, Target
from vos.results import FrameResult, Source
from vos.runs.state import dump_state, load_state
from vos.testing import Scene, scene, tiny_edgetam_folder, tiny_efficienttam_checkpoint, tiny_sam3_folder
from vos.trackers.base import ALL_PROMPTS, Tracker
from vos.trackers.memory.loading import load_network
from vos.trackers.memory.network import MemoryNetwork
from vos.trackers.memory.policies import POLICIES
from vos.trackers.memory.policy import Sam2Policy
from vos.trackers.memory.preprocess import to_image, to_mask, to_points
from vos.trackers.memory.session import Prediction, Session
from vos.trackers.memory.tracker import MemorySettings, MemoryTracker
from vos.trackers.registry import build_tracker

pytestmark = pytest.mark.usefixtures("one_thread")

SIZE = (61, 85)


@pytest.fixture(scope="module")
def clip() -> Scene:
    """Ten frames of odd size."""
    return scene("moving", num_frames=10, size=SIZE, seed=2)


def box(object_id: int, *corners: float) -> Target:
    """An object prompted by a box."""
    return Target(object_id, Prompt(box=np.array(corners, np.float32)))


def click(object_id: int, x: float, y: float, label: int = 1) -> Target:
    """An object prompted by a point."""
    return Target(object_id, Prompt(np.array([[x, y]], np.float32), np.array([label])))


def mask(object_id: int, clip: Scene, index: int = 0) -> Target:
    """An object prompted by the scene's own mask."""
    return Target(object_id, Prompt(mask=clip.labels[index] == 1))


def run(
    tracker: Tracker, frames: Sequence[Frame], prompts: dict[int, list[Target]]
) -> dict[int, FrameResult]:
    """Results by frame index; prompts by frame index, the first frame has some."""
    found: dict[int, FrameResult] = {}
    for frame in frames:
        given = prompts.get(frame.index, [])
        found[frame.index] = tracker.step(frame, given) if found else tracker.start(frame, given)
    return found


def row(result: FrameResult, object_id: int) -> np.ndarray:
    """(H, W) probabilities of one object."""
    return result.probabilities[result.ids.index(object_id)]


def same_object(a: FrameResult, b: FrameResult, object_id: int) -> bool:
    """Whether two results say the same of an object, to the bit."""
    equal = np.array_equal(row(a, object_id), row(b, object_id))
    return equal and a.confidence[object_id] == b.confidence[object_id]


def test_prompts_of_every_kind(network: MemoryNetwork, clip: Scene) -> None:
    """Masks come back exactly with confidence 1, clicks and boxes with the decoder's quality."""
    tracker = MemoryTracker(network)
    assert tracker.info.accepts == ALL_PROMPTS
    first = tracker.start(clip.frames[0], [mask(1, clip), click(7, 70, 10), box(300, 5, 5, 25, 30)])
    assert first.ids == (1, 7, 300)
    assert first.labels.dtype == np.uint16
    assert np.array_equal(first.mask(1), clip.labels[0] == 1)
    assert first.confidence[1] == 1.0
    assert first.source == {1: Source.USER, 7: Source.DECODED, 300: Source.DECODED}
    assert 0 <= first.confidence[7] < 1
    second = tracker.step(clip.frames[1], [click(7, 40, 20, 0)])
    assert second.source == {1: Source.TRACKED, 7: Source.CORRECTED, 300: Source.TRACKED}
    assert second.probabilities.shape == (3, *SIZE)
    assert ((second.probabilities >= 0) & (second.probabilities <= 1)).all()


def test_what_cannot_be_used(network: MemoryNetwork, clip: Scene) -> None:
    """A mask of another size, logits of another grid, two prompts for one object, too many memories."""
    tracker = MemoryTracker(network)
    with pytest.raises(InputError, match="before start"):
        tracker.step(clip.frames[0])
    with pytest.raises(InputError, match="size"):
        tracker.start(clip.frames[0], [Target(1, Prompt(mask=np.ones((9, 9), bool)))])
    with pytest.raises(PromptError, match="low_res must be"):
        tracker.start(clip.frames[0], [Target(1, Prompt(low_res=np.zeros((9, 9), np.float32)))])
    with pytest.raises(ValueError, match="two prompts"):
        tracker.start(clip.frames[0], [click(1, 3, 3), click(1, 5, 5)])
    with pytest.raises(SettingsError, match="at most 7"):
        MemoryTracker(network, MemorySettings(num_memories=9))
    with pytest.raises(ValueError, match="max_conditioning"):
        MemorySettings(max_conditioning=0)


def test_a_step_that_is_not_committed(network: MemoryNetwork, clip: Scene) -> None:
    """Previews leave the state as it was, and committing one encodes the frame no second time."""
    tracker, plain = MemoryTracker(network), MemoryTracker(network)
    for one in (tracker, plain):
        one.start(clip.frames[0], [mask(1, clip)])
    calls = _count_encodings(tracker)
    shown = tracker.step(clip.frames[1], commit=False)
    tracker.step(clip.frames[1], [click(1, 9, 9, 0), click(4, 50, 50)], commit=False)
    committed = tracker.step(clip.frames[1])
    assert len(calls) == 1
    wanted = plain.step(clip.frames[1])
    assert same_object(shown, wanted, 1)
    assert same_object(committed, wanted, 1)
    assert same_object(tracker.step(clip.frames[2]), plain.step(clip.frames[2]), 1)


def _count_encodings(tracker: MemoryTracker) -> list[int]:
    """Frames whose features this tracker computes from now on."""
    calls: list[int] = []
    encode = tracker.network.encode_image

    class Counted(MemoryNetwork):
        def __init__(self) -> None:
            self.__dict__.update(tracker.network.__dict__)

        def encode_image(self, image):  # type: ignore[no-untyped-def]
            calls.append(1)
            return encode(image)

    tracker.network = Counted()
    return calls


def test_features_are_computed_once_per_frame(network: MemoryNetwork, clip: Scene) -> None:
    """However many objects and prompts there are."""
    tracker = MemoryTracker(network)
    calls = _count_encodings(tracker)
    prompts = {0: [mask(1, clip), click(2, 9, 9), click(3, 50, 9)], 2: [click(4, 20, 20), click(2, 30, 9, 0)]}
    run(tracker, clip.frames[:4], prompts)
    assert len(calls) == 4


def test_objects_do_not_depend_on_each_other(network: MemoryNetwork, clip: Scene) -> None:
    """Their order, a late object, a correction of another or its removal change nothing, to the bit."""
    first = [mask(1, clip), click(2, 60, 12)]
    alone = run(MemoryTracker(network), clip.frames[:6], {0: first})
    turned = run(MemoryTracker(network), clip.frames[:6], {0: first[::-1]})
    crowd = MemoryTracker(network)
    others = {0: [*first, click(9, 30, 30)], 2: [click(5, 40, 40)], 3: [click(9, 10, 10, 0)]}
    crowded = run(crowd, clip.frames[:5], others)
    crowd.remove(5)
    crowded[5] = crowd.step(clip.frames[5])
    assert crowded[5].ids == (1, 2, 9)
    for index in range(6):
        for object_id in (1, 2):
            assert same_object(alone[index], turned[index], object_id)
            assert same_object(alone[index], crowded[index], object_id)


def test_a_correction_sticks(network: MemoryNetwork, clip: Scene) -> None:
    """The corrected mask is the frame's, later frames change, and the correction is remembered."""
    prompts = {0: [mask(1, clip), click(2, 60, 12)]}
    plain = run(MemoryTracker(network), clip.frames[:7], prompts)
    tracker = MemoryTracker(network)
    wrong = np.zeros(SIZE, bool)
    wrong[30:50, 10:40] = True
    corrected = run(tracker, clip.frames[:7], prompts | {3: [Target(1, Prompt(mask=wrong))]})
    assert np.array_equal(corrected[3].mask(1), wrong)
    assert corrected[3].source[1] == Source.CORRECTED
    assert all(same_object(plain[k], corrected[k], 1) for k in range(3))
    assert not any(same_object(plain[k], corrected[k], 1) for k in range(3, 7))
    assert all(same_object(plain[k], corrected[k], 2) for k in range(7))
    state = tracker.save()
    assert sorted(state["objects"][1]["conditioning"]) == [0, 3]
    assert min(state["objects"][1]["tracked"]) > 3, "memories before the correction hold the error"
    assert min(state["objects"][2]["tracked"]) == 1


def test_a_click_on_a_tracked_object_refines_what_was_tracked(network: MemoryNetwork, clip: Scene) -> None:
    """It sees memory and the tracked mask, unlike the same click on an object that begins there."""
    tracker = MemoryTracker(network)
    tracker.start(clip.frames[0], [mask(1, clip)])
    refined = tracker.step(clip.frames[1], [click(1, 20, 20), click(2, 20, 20)])
    assert not np.array_equal(row(refined, 1), row(refined, 2))


@pytest.mark.parametrize("memory", ["sam2", "long"])
def test_a_click_refines_as_if_nothing_was_forgotten(
    memory: str, network: MemoryNetwork, clip: Scene
) -> None:
    """The tracked logits, and every memory that the frame attended, are there for it; then they are not."""
    settings = MemorySettings(memory=memory, clear_around=False, fill_holes=0)
    tracker, policy = MemoryTracker(network, settings), POLICIES[memory](7, 16)
    session = Session(network, policy, bounded=False, clear_around=False)
    tracker.start(clip.frames[0], [mask(1, clip)])
    features = network.encode_image(clip.frames[0].image)
    session.prompt_mask(0, features, 1, to_mask(clip.labels[0] == 1, network.image_size))
    session.commit(0, features)
    for frame in clip.frames[1:]:
        given = [click(1, 20, 20)] if frame.index == 8 else []
        result = tracker.step(frame, given)
        features = network.encode_image(frame.image)
        wanted = session.track(frame.index, features, 1)[1]
        for target in given:
            xy, labels = to_points(target.prompt, SIZE, network.image_size)
            wanted = session.prompt_points(frame.index, features, 1, xy, labels)
            session.commit(frame.index, features)
        assert np.allclose(row(result, 1), to_image(low_res(wanted), SIZE)[0].sigmoid(), atol=1e-5)


@pytest.mark.parametrize(("present_above", "is_there"), [(-torch.inf, True), (torch.inf, False)])
def test_a_policy_says_when_a_prompted_object_is_there(
    present_above: float, is_there: bool, network: MemoryNetwork, clip: Scene
) -> None:
    """Also where its mask is given, and the decoder makes the pointer only."""
    policy = Sam2Policy()
    policy.present_above = present_above
    features = network.encode_image(clip.frames[0].image)
    shown = to_mask(clip.labels[0] == 1, network.image_size)
    pointer = Session(network, policy).prompt_mask(0, features, 1, shown).entry.pointer
    assert torch.equal(pointer, network.model.no_object_pointer[0]) is not is_there


@pytest.mark.parametrize("sticky", [True, False])
def test_refining_a_first_frame_that_was_passed(sticky: bool, network: MemoryNetwork, clip: Scene) -> None:
    """It is answered anew; as published, what is remembered stays, and is not remembered twice."""
    session = Session(network, sticky=sticky, bounded=False, clear_around=False)
    features = network.encode_image(clip.frames[0].image)
    xy, labels = torch.tensor([[90.0, 90.0]]), torch.ones(1, dtype=torch.long)
    first = session.prompt_points(0, features, 1, xy, labels).entry
    session.commit(0, features)
    session.track(0, features, 1)
    second = session.prompt_points(0, features, 1, xy + 30, labels, append=True).entry
    session.commit(0, features)
    bank = session.tracks[1].bank
    assert first.low_res is not None
    assert not torch.equal(second.low_res, first.low_res)  # type: ignore[arg-type]
    assert torch.equal(bank.conditioning[0].pointer, (second if sticky else first).pointer)
    assert bank.tracked == {}


def test_the_first_prompt_and_the_nearest_are_kept(network: MemoryNetwork, clip: Scene) -> None:
    """However many corrections there are, the bank holds as many as it says."""
    tracker = MemoryTracker(network, MemorySettings(max_conditioning=3))
    run(tracker, clip.frames, {k: [click(1, 20 + k, 20)] for k in range(0, 10, 2)})
    assert sorted(tracker.save()["objects"][1]["conditioning"]) == [0, 6, 8]


def test_backward_is_forward_on_the_reversed_clip(network: MemoryNetwork, clip: Scene) -> None:
    """With the prompt on the last frame, to the noise of floating point."""
    backward = run(MemoryTracker(network), clip.frames[::-1], {9: [mask(1, clip, 9)]})
    mirrored = [Frame(9 - f.index, f.image, f.name) for f in clip.frames[::-1]]
    forward = run(MemoryTracker(network), mirrored, {0: [mask(1, clip, 9)]})
    for index in range(10):
        assert np.allclose(row(backward[index], 1), row(forward[9 - index], 1), atol=1e-5)


def test_turning_starts_from_the_prompts(network: MemoryNetwork, clip: Scene) -> None:
    """Each direction has memories of its own: going back after going forward is as going back at once."""
    middle = clip.frames[5]
    there_and_back, back = MemoryTracker(network), MemoryTracker(network)
    for tracker in (there_and_back, back):
        tracker.start(middle, [click(1, 30, 30)])
    start = there_and_back.save()
    there_and_back.step(clip.frames[6])
    there_and_back.load(start)
    assert same_object(there_and_back.step(clip.frames[4]), back.step(clip.frames[4]), 1)
    there_and_back.step(clip.frames[5], [click(3, 9, 9)])
    assert [min(o["tracked"], default=0) for o in there_and_back.save()["objects"].values()] == [0, 0]


def test_known_frames_on_both_sides(network: MemoryNetwork, clip: Scene) -> None:
    """They keep their distances in time: frames in between are tracked, and are not taken for one of them."""
    known = [(clip.frames[k], [mask(1, clip, k)]) for k in (9, 0, 5)]
    known[2][1].append(click(2, 9, 9))  # not shown where the pass begins
    for order, step in (([0, 2, 1], 1), ([1, 2, 0], -1)):
        tracker = MemoryTracker(network, MemorySettings(fill_holes=0))
        tracker.start_from([known[k] for k in order])
        start = known[order[-1]][0].index
        session = Session(network)
        for frame, targets in (known[k] for k in reversed(order)):
            shown = targets[0].prompt.mask
            assert shown is not None
            features = network.encode_image(frame.image)
            session.prompt_mask(frame.index, features, 1, to_mask(shown, network.image_size))
            session.commit(frame.index, features)
        session.track(start, features, step)
        for index in range(start + step, 5, step):
            result = tracker.step(clip.frames[index])
            wanted = session.track(index, network.encode_image(clip.frames[index].image), step)[1]
            assert result.ids == (1,)
            assert result.source[1] == Source.TRACKED
            assert np.allclose(row(result, 1), to_image(low_res(wanted), SIZE)[0].sigmoid(), atol=1e-5)


def low_res(answer: Prediction) -> torch.Tensor:
    """(1, h, w) logits."""
    assert answer.entry.low_res is not None
    return answer.entry.low_res[None]


def test_every_second_frame(network: MemoryNetwork, clip: Scene) -> None:
    """Memories are counted in frames that were seen, not in the video's numbers."""
    pairs = [Frame(k, clip.frames[k // 2].image, f"{k}") for k in range(0, 12, 2)]
    wide = run(MemoryTracker(network), pairs, {0: [mask(1, clip)]})
    near = run(MemoryTracker(network), clip.frames[:6], {0: [mask(1, clip)]})
    assert all(same_object(wide[2 * k], near[k], 1) for k in range(6))


def test_bfloat16_agrees_in_nearly_all_pixels(checkpoint: Path, network: MemoryNetwork, clip: Scene) -> None:
    """And masks differ in less than 2 % of the pixels."""
    half = load_network("sam2.1-tiny", checkpoint, dtype="bfloat16")
    prompts = {0: [mask(1, clip), click(2, 60, 12)]}
    a = run(MemoryTracker(network), clip.frames[:4], prompts)
    b = run(MemoryTracker(half), clip.frames[:4], prompts)
    for index in range(4):
        assert np.mean((a[index].probabilities > 0.5) != (b[index].probabilities > 0.5)) < 0.02
        assert not np.array_equal(a[index].probabilities, b[index].probabilities)


@pytest.mark.parametrize("family", ["sam2.1-tiny", "edgetam", "efficienttam-ti-1", "sam3"])
def test_batches_agree(family: str, checkpoint: Path, tmp_path: Path, clip: Scene) -> None:
    """Objects computed together are as objects computed one by one, to the noise of floating point."""
    if family == "edgetam":
        pytest.importorskip("timm")
    files = {
        "edgetam": tiny_edgetam_folder,
        "sam3": tiny_sam3_folder,
        "efficienttam-ti-1": tiny_efficienttam_checkpoint,
    }
    network = load_network(family, files[family](tmp_path / "weights") if family in files else checkpoint)
    with torch.inference_mode():
        network.model.mask_decoder.pred_obj_score_head.proj_out.bias += 2  # so that no object is absent
    prompts = {0: [mask(1, clip), click(2, 60, 12), click(3, 9, 40)]}
    one = run(MemoryTracker(network), clip.frames[:5], prompts)
    together = run(MemoryTracker(network, MemorySettings(max_batch=2)), clip.frames[:5], prompts)
    for index in range(5):
        assert all(one[index].probabilities.any(axis=(1, 2)))
        assert np.allclose(one[index].probabilities, together[index].probabilities, atol=1e-4)


@pytest.mark.parametrize(("max_batch", "sizes"), [(1, [1] * 5), (2, [2, 2, 1]), (8, [5])])
def test_as_many_objects_at_once_as_allowed(
    max_batch: int, sizes: list[int], network: MemoryNetwork, clip: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Mask decoder and memory encoder run once per batch, not once per object."""
    decode, encode = network.decode, network.encode_memory
    decoded: list[int] = []
    encoded: list[int] = []

    def counted_decode(features: Any, fused: Any, **options: Any) -> Any:
        decoded.append(len(fused))
        return decode(features, fused, **options)

    def counted_encode(features: Any, low_res: Any, scores: Any, **options: Any) -> Any:
        encoded.append(len(low_res))
        return encode(features, low_res, scores, **options)

    tracker = MemoryTracker(network, MemorySettings(max_batch=max_batch))
    tracker.start(clip.frames[0], [click(k, 12 * k, 20) for k in range(1, 6)])
    monkeypatch.setattr(network, "decode", counted_decode)
    monkeypatch.setattr(network, "encode_memory", counted_encode)
    assert len(tracker.step(clip.frames[1], []).ids) == 5
    assert decoded == encoded == sizes


def test_hypotheses_of_long(network: MemoryNetwork, clip: Scene) -> None:
    """Up to three per object, each with a bounded memory; a correction leaves one; state comes back whole."""
    settings = MemorySettings(memory="long")
    tracker = MemoryTracker(network, settings)
    prompts = {0: [mask(1, clip), click(2, 60, 12)]}
    run(tracker, clip.frames[:8], prompts)
    held = tracker.save()["objects"]
    assert len(held[1]["rivals"]) == 2
    log_scores = [held[1]["log_score"], *(rival["log_score"] for rival in held[1]["rivals"])]
    assert log_scores == sorted(log_scores, reverse=True)
    assert log_scores[0] < 0
    for one in (held[1], *held[1]["rivals"]):
        assert len(one["tracked"]) <= 16
        assert sum(entry["memory"] is not None for entry in one["tracked"].values()) <= 7
    other = MemoryTracker(network, settings)
    other.load(load_state(dump_state(tracker.save())))
    seen = other.step(clip.frames[8], commit=False)
    again = tracker.step(clip.frames[8])
    assert same_object(seen, again, 1)
    assert same_object(other.step(clip.frames[8]), again, 2)
    tracker.step(clip.frames[9], [click(1, 20, 20)])
    held = tracker.save()["objects"]
    assert held[1]["rivals"] == []
    assert len(held[2]["rivals"]) == 2
    alone = run(MemoryTracker(network, settings), clip.frames[:9], {0: prompts[0][:1]})
    assert same_object(alone[8], again, 1)


def live_bytes() -> int:
    """Bytes of all tensors that are alive; storages that several share count once."""
    gc.collect()
    storages = {}
    for thing in gc.get_objects():
        if isinstance(thing, torch.Tensor) and thing.layout is torch.strided and not thing.is_meta:
            storage = thing.untyped_storage()
            storages[storage.data_ptr()] = storage.nbytes()
    return sum(storages.values())


@pytest.mark.parametrize("num_frames", [60, pytest.param(300, marks=pytest.mark.slow)])
def test_memory_does_not_grow(num_frames: int, network: MemoryNetwork, clip: Scene) -> None:
    """After 40 frames, with corrections on the way, the tensors alive take the same bytes for ever."""
    tracker = MemoryTracker(network)
    tracker.start(clip.frames[0], [mask(1, clip), click(2, 60, 12)])
    sizes = []
    for index in range(1, num_frames):
        frame = Frame(index, clip.frames[index % 10].image, f"{index:05d}")
        tracker.step(frame, [click(1, 20, 20)] if index % 7 == 0 and index < 25 else ())
        if index >= 40 and index % 5 == 0:
            sizes.append(live_bytes())
    assert len(set(sizes)) == 1, sizes
    for held in tracker.save()["objects"].values():
        assert len(held["conditioning"]) <= 4
        assert len(held["tracked"]) <= 15
        assert sum(entry["memory"] is not None for entry in held["tracked"].values()) <= 6
        assert all(entry["low_res"] is None for entry in held["tracked"].values())


def test_options_that_it_has_no_use_for(checkpoint: Path) -> None:
    """Tuning is for prompted models; unknown settings are named."""
    from vos.errors import ModelError

    with pytest.raises(ModelError, match="cannot be tuned"):
        build_tracker("sam2.1-tiny", checkpoint=str(checkpoint), tune=True)
    with pytest.raises(SettingsError, match="did you mean fill_holes"):
        build_tracker("sam2.1-tiny", checkpoint=str(checkpoint), settings={"fill_hole": 3})
    with pytest.raises(SettingsError, match="memory must be one of"):
        build_tracker("sam2.1-tiny", checkpoint=str(checkpoint), settings={"memory": "magic"})


def test_sam3_takes_sixteen_points(
    tmp_path: Path, clip: Scene, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Of more, the first eight (a box's corners first) and the last eight are used, and that is said."""
    network = load_network("sam3", tiny_sam3_folder(tmp_path))
    given: list[torch.Tensor] = []
    decode = network.decode

    def watched(*args: Any, **options: Any) -> Any:
        given.append(options["labels"])
        return decode(*args, **options)

    monkeypatch.setattr(network, "decode", watched)
    caplog.set_level(NOTICE, "vos")
    for count, used in ((16, 16), (21, 16)):
        points = np.stack([np.arange(count) + 5, np.full(count, 20)], axis=1).astype(np.float32)
        labels = np.array([1] * (count - 1) + [0])
        prompt = Prompt(points=points[2:], labels=labels[2:], box=np.array([3, 4, 40, 50], np.float32))
        MemoryTracker(network).start(clip.frames[0], [Target(1, prompt, 0)])
        assert given[-1].shape == (1, used)
        assert given[-1][0, :2].tolist() == [2, 3]
        assert given[-1][0, -1] == 0
    assert len(caplog.records) == 1
    assert "object 1 has 21 points, and sam3 takes 16" in caplog.text
