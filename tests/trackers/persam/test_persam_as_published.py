"""The parity engine's quirks, each by itself, on a tiny SAM."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from vos.backbones.base import Candidates
from vos.backbones.sam.backbone import SamBackbone
from vos.errors import SettingsError
from vos.frame import Frame
from vos.prompts import mask_targets
from vos.settings import override
from vos.trackers.base import Tracker
from vos.trackers.persam.as_published import (
    PublishedPersamSettings,
    PublishedPersamTracker,
    _largest_modulo_256,
    expand_box,
    merge,
)

SIZE = (45, 80)


def _frame(index: int) -> Frame:
    image = np.random.default_rng(index).integers(0, 256, (*SIZE, 3), dtype=np.uint8)
    return Frame(index, image, f"{index:05d}")


def _labels(*boxes: tuple[int, int, int, int, int]) -> NDArray[np.uint8]:
    """Rectangles (id, x0, y0, x1, y1)."""
    labels = np.zeros(SIZE, dtype=np.uint8)
    for object_id, x0, y0, x1, y1 in boxes:
        labels[y0 : y1 + 1, x0 : x1 + 1] = object_id
    return labels


THREE = _labels((2, 0, 0, 30, 20), (5, 40, 0, 79, 20), (9, 0, 25, 79, 44))


def test_labels_keep_their_ids(sam: SamBackbone) -> None:
    """The scripts number labels anew; here the ids given are the ids written."""
    tracker = PublishedPersamTracker(sam)
    assert isinstance(tracker, Tracker)
    first = tracker.start(_frame(0), mask_targets(THREE))
    assert np.array_equal(first.labels, THREE)
    assert first.confidence == {2: 1.0, 5: 1.0, 9: 1.0}
    result = tracker.step(_frame(1))
    assert result.ids == (2, 5, 9)
    assert set(np.unique(result.labels)) <= {0, 2, 5, 9}
    assert all(0 <= score <= 1 for score in result.confidence.values())
    assert result.frame_index == 1


def test_slots_move_up_when_an_object_vanishes(sam: SamBackbone) -> None:
    """Object 5 gone: its target goes on with the box of object 9, and the last slot is never used again."""
    tracker = PublishedPersamTracker(sam)
    features = sam.encode(_frame(1).image)
    state = tracker.learned(sam.encode(_frame(0).image), THREE, (2, 5, 9))
    state = state.seen(np.where(THREE == 5, 0, THREE).astype(np.uint8))
    slots = tracker.follow(features, state)
    assert slots is not None
    assert len(slots.prompts) == 2
    box = slots.prompts[1].box
    assert box is not None
    assert box.tolist() == [0, 15, 80, 45]
    torch.testing.assert_close(
        slots.similarity[1], tracker.view.similarity(features, state.targets[1].direction)
    )
    assert 9 not in np.unique(merge(slots, state.targets, SIZE))
    assert tracker.follow(features, state.seen(np.zeros(SIZE, dtype=np.uint8))) is None


def test_nothing_is_found_once_all_are_lost(sam: SamBackbone) -> None:
    """Without a slot in use the labels are empty, and every known object has confidence 0."""
    tracker = PublishedPersamTracker(sam)
    tracker.start(_frame(0), mask_targets(THREE))
    lost = tracker.save() | {"boxes": []}
    tracker.load(lost)
    result = tracker.step(_frame(1))
    assert not result.labels.any()
    assert result.confidence == {2: 0.0, 5: 0.0, 9: 0.0}


@pytest.mark.parametrize("tune", [False, True])
def test_an_empty_mask_of_the_last_call_is_its_result(
    sam: SamBackbone, monkeypatch: pytest.MonkeyPatch, tune: bool
) -> None:
    """An object of which the third call shows nothing has vanished; the second call's mask is not its own."""
    tracker = PublishedPersamTracker(sam, PublishedPersamSettings(tune=tune, tune_steps=2))
    state = tracker.learned(sam.encode(_frame(0).image), THREE, (2, 5, 9))
    decode, calls = sam.decode, iter((0.0, 0.0, 1e3))

    def blind_at_last(*args: Any, **options: Any) -> Candidates:
        found, low = decode(*args, **options), next(calls)
        return Candidates(found.logits - low, found.low_res - low, found.scores)

    monkeypatch.setattr(sam, "decode", blind_at_last)
    slots = tracker.follow(sam.encode(_frame(1).image), state)
    assert slots is not None
    assert slots.passes[1].masks.any()
    assert not merge(slots, state.targets, SIZE).any()


def test_areas_are_compared_modulo_256() -> None:
    """300 pixels count as 44: the mask of 100 is the largest."""
    logits = torch.full((1, 3, 20, 20), -1.0)
    for k, area in enumerate((300, 100, 20)):
        logits[0, k].view(-1)[:area] = 1.0
    assert _largest_modulo_256(Candidates(logits, logits, torch.zeros(1, 3))).tolist() == [1]


def test_box_grows_to_the_size_of_the_image() -> None:
    """Clamped to 0 and to W and H, not to W - 1."""
    assert expand_box((5, 30, 78, 40), 10, SIZE) == (0, 20, 80, 45)
    assert expand_box((30, 15, 40, 20), 10, SIZE) == (20, 5, 50, 30)


def test_points_are_the_top_ones_and_the_centre(sam: SamBackbone) -> None:
    """Two most similar pixels, one with ``tune``, then the integer midpoint of the expanded box."""
    for tune, count in ((False, 3), (True, 2)):
        tracker = PublishedPersamTracker(sam, PublishedPersamSettings(tune=tune, tune_steps=2))
        state = tracker.learned(sam.encode(_frame(0).image), _labels((1, 11, 12, 40, 33)), (1,))
        slots = tracker.follow(sam.encode(_frame(1).image), state)
        assert slots is not None
        points = slots.prompts[0].points
        assert points is not None
        assert len(points) == count
        assert points[-1].tolist() == [25, 22]


@pytest.mark.parametrize("tune", [False, True])
def test_target_without_a_cell_has_no_direction_and_no_crash(sam: SamBackbone, tune: bool) -> None:
    """NaN for a vector, as in the scripts; box and centre alone carry on."""
    tracker = PublishedPersamTracker(sam, PublishedPersamSettings(tune=tune, tune_steps=3))
    labels = _labels((1, 3, 3, 3, 3))
    target = tracker.learned(sam.encode(_frame(0).image), labels, (1,)).targets[0]
    assert target.support == 0
    assert bool(target.direction.isnan().all())
    tracker.start(_frame(0), mask_targets(labels))
    assert tracker.step(_frame(1)).ids == (1,)


@pytest.mark.parametrize("tune", [False, True])
def test_state_goes_on_exactly(sam: SamBackbone, tune: bool) -> None:
    """A tracker put back to a state gives the same labels and scores from there."""
    settings = PublishedPersamSettings(tune=tune, tune_steps=5)
    tracker = PublishedPersamTracker(sam, settings)
    tracker.start(_frame(0), mask_targets(THREE))
    tracker.step(_frame(1))
    state = tracker.save()
    wanted = [tracker.step(_frame(i)) for i in (2, 3)]
    other = PublishedPersamTracker(sam, settings)
    other.load(state)
    for i, result in enumerate(wanted, start=2):
        again = other.step(_frame(i))
        assert np.array_equal(again.labels, result.labels)
        assert again.confidence == result.confidence


def test_begin_forgets_the_video_before(sam: SamBackbone) -> None:
    """Two videos one after the other are two videos."""
    used, fresh = PublishedPersamTracker(sam), PublishedPersamTracker(sam)
    used.start(_frame(7), mask_targets(_labels((4, 0, 0, 79, 44))))
    used.step(_frame(8))
    for tracker in (used, fresh):
        tracker.start(_frame(0), mask_targets(THREE))
    a, b = used.step(_frame(1)), fresh.step(_frame(1))
    assert np.array_equal(a.labels, b.labels)
    assert a.confidence == b.confidence


def test_corrections_start_anew(sam: SamBackbone) -> None:
    """Given objects get exactly their masks, new ones are known from then on, nothing known is forgotten."""
    tracker = PublishedPersamTracker(sam)
    tracker.start(_frame(0), mask_targets(THREE))
    told = _labels((5, 10, 10, 30, 30), (7, 40, 10, 60, 30))
    result = tracker.step(_frame(1), mask_targets(told, frame_index=1))
    assert result.ids == (2, 5, 7, 9)
    for object_id in (5, 7):
        assert np.array_equal(result.labels == object_id, told == object_id)
    assert result.confidence[5] == result.confidence[7] == 1.0
    assert tracker.step(_frame(2)).ids == (2, 5, 7, 9)


def test_settings_check_themselves() -> None:
    """Values out of range are refused as settings."""
    for change in ({"top_k": 0}, {"foreground": 256}, {"tune_steps": 0}, {"learning_rate": -1.0}):
        with pytest.raises(SettingsError, match="must be"):
            override(PublishedPersamSettings(), change)
