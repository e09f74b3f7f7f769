"""The parity engine's quirks, each by itself, on a tiny SAM."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from vos.errors import SettingsError
from vos.frame import Frame
from vos.masks import Segmentation
from vos.segmenters import build_segmenter
from vos.segmenters.base import Candidates
from vos.segmenters.sam import SamSegmenter
from vos.settings import override
from vos.testing import tiny_sam_checkpoint
from vos.tracking.base import Tracker
from vos.tracking.parity import ParitySettings, ParityTracker, _largest_modulo_256, expand_box

SIZE = (45, 80)


@pytest.fixture(scope="module")
def sam(tmp_path_factory: pytest.TempPathFactory) -> SamSegmenter:
    path = tiny_sam_checkpoint(tmp_path_factory.mktemp("weights") / "tiny.pth", seed=3)
    segmenter = build_segmenter("sam-vit-b", checkpoint=path)
    assert isinstance(segmenter, SamSegmenter)
    return segmenter


def _frame(index: int) -> Frame:
    image = np.random.default_rng(index).integers(0, 256, (*SIZE, 3), dtype=np.uint8)
    return Frame(index, image, f"{index:05d}")


def _given(*boxes: tuple[int, int, int, int, int], index: int = 0) -> Segmentation:
    """Rectangles (id, x0, y0, x1, y1)."""
    labels = np.zeros(SIZE, dtype=np.uint8)
    for object_id, x0, y0, x1, y1 in boxes:
        labels[y0 : y1 + 1, x0 : x1 + 1] = object_id
    return Segmentation(index, labels, dict.fromkeys((b[0] for b in boxes), 1.0))


THREE = _given((2, 0, 0, 30, 20), (5, 40, 0, 79, 20), (9, 0, 25, 79, 44))


def test_labels_keep_their_ids(sam: SamSegmenter) -> None:
    """The scripts number labels anew; here the ids given are the ids written."""
    tracker = ParityTracker(sam)
    assert isinstance(tracker, Tracker)
    first = tracker.begin(_frame(0), THREE)
    assert np.array_equal(first.labels, THREE.labels)
    assert first.scores == {2: 1.0, 5: 1.0, 9: 1.0}
    result = tracker.step(_frame(1))
    assert result.ids == (2, 5, 9)
    assert set(np.unique(result.labels)) <= {0, 2, 5, 9}
    assert all(0 <= score <= 1 for score in result.scores.values())
    assert result.frame_index == 1


def test_slots_move_up_when_an_object_vanishes(sam: SamSegmenter) -> None:
    """Object 5 gone: its target goes on with the box of object 9, and the last slot is never used again."""
    tracker = ParityTracker(sam)
    tracker.begin(_frame(0), THREE)
    without = np.where(THREE.labels == 5, 0, THREE.labels).astype(np.uint8)
    tracker.remember(without)
    features = sam.encode(_frame(1).image)
    slots = tracker.follow(features)
    assert slots is not None
    assert len(slots.prompts) == 2
    box = slots.prompts[1].box
    assert box is not None
    assert box.tolist() == [0, 15, 80, 45]
    torch.testing.assert_close(
        slots.similarity[1], tracker.view.similarity(features, tracker.targets[1].direction)
    )
    assert 9 not in np.unique(tracker.merge(slots, SIZE))
    tracker.remember(np.zeros(SIZE, dtype=np.uint8))
    assert tracker.follow(features) is None
    lost = tracker.step(_frame(1))
    assert not lost.labels.any()
    assert lost.scores == {2: 0.0, 5: 0.0, 9: 0.0}


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


def test_points_are_the_top_ones_and_the_centre(sam: SamSegmenter) -> None:
    """Two most similar pixels, one with ``tune``, then the integer midpoint of the expanded box."""
    for tune, count in ((False, 3), (True, 2)):
        tracker = ParityTracker(sam, ParitySettings(tune=tune, tune_steps=2))
        tracker.begin(_frame(0), _given((1, 11, 12, 40, 33)))
        slots = tracker.follow(sam.encode(_frame(1).image))
        assert slots is not None
        points = slots.prompts[0].points
        assert points is not None
        assert len(points) == count
        assert points[-1].tolist() == [25, 22]


@pytest.mark.parametrize("tune", [False, True])
def test_target_without_a_cell_has_no_direction_and_no_crash(sam: SamSegmenter, tune: bool) -> None:
    """NaN for a vector, as in the scripts; box and centre alone carry on."""
    tracker = ParityTracker(sam, ParitySettings(tune=tune, tune_steps=3))
    tracker.begin(_frame(0), _given((1, 3, 3, 3, 3)))
    assert tracker.targets[0].support == 0
    assert bool(tracker.targets[0].direction.isnan().all())
    assert tracker.step(_frame(1)).ids == (1,)


@pytest.mark.parametrize("tune", [False, True])
def test_state_goes_on_exactly(sam: SamSegmenter, tune: bool) -> None:
    """A tracker put back to a state gives the same labels and scores from there."""
    settings = ParitySettings(tune=tune, tune_steps=5)
    tracker = ParityTracker(sam, settings)
    tracker.begin(_frame(0), THREE)
    tracker.step(_frame(1))
    state = tracker.get_state()
    wanted = [tracker.step(_frame(i)) for i in (2, 3)]
    other = ParityTracker(sam, settings)
    other.set_state(state)
    for i, result in enumerate(wanted, start=2):
        again = other.step(_frame(i))
        assert np.array_equal(again.labels, result.labels)
        assert again.scores == result.scores


def test_begin_forgets_the_video_before(sam: SamSegmenter) -> None:
    """Two videos one after the other are two videos."""
    used, fresh = ParityTracker(sam), ParityTracker(sam)
    used.begin(_frame(7), _given((4, 0, 0, 79, 44)))
    used.step(_frame(8))
    for tracker in (used, fresh):
        tracker.begin(_frame(0), THREE)
    a, b = used.step(_frame(1)), fresh.step(_frame(1))
    assert np.array_equal(a.labels, b.labels)
    assert a.scores == b.scores


def test_corrections_start_anew(sam: SamSegmenter) -> None:
    """Given objects get exactly their masks, new ones are known from then on, nothing known is forgotten."""
    tracker = ParityTracker(sam)
    tracker.begin(_frame(0), THREE)
    told = _given((5, 10, 10, 30, 30), (7, 40, 10, 60, 30), index=1)
    result = tracker.step(_frame(1), told)
    assert result.ids == (2, 5, 7, 9)
    for object_id in (5, 7):
        assert np.array_equal(result.labels == object_id, told.labels == object_id)
    assert result.scores[5] == result.scores[7] == 1.0
    assert tracker.step(_frame(2)).ids == (2, 5, 7, 9)


def test_settings_check_themselves() -> None:
    """Values out of range are refused as settings."""
    for change in ({"top_k": 0}, {"foreground": 256}):
        with pytest.raises(SettingsError, match="must be"):
            override(ParitySettings(), change)
