"""Several objects that stay themselves: shapes, look-alikes, and objects that come back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from vos.evaluation.identity import identities
from vos.ops.crop import Crop
from vos.runs.state import dump_state, load_state
from vos.testing import Scene, Shape, line, scene
from vos.trackers.classical.appearance import AppearanceSettings
from vos.trackers.classical.confidence import ReferenceStatistics
from vos.trackers.classical.lookalikes import LookalikeSettings, likeness
from vos.trackers.classical.reappearance import ReappearanceSettings, Trajectory
from vos.trackers.classical.shape import ShapeSettings, shape_of, similarity
from vos.trackers.classical.shape_prediction import predict_shapes
from vos.trackers.classical.state import RENAMED
from vos.trackers.classical.tracker import ClassicalSettings, ClassicalTracker

pytestmark = pytest.mark.usefixtures("one_thread")

BLUE = (58, 92, 190)
QUICK = ClassicalSettings(appearance=AppearanceSettings(views=4, samples=2000, iterations=200, batch=1024))
WHOLE = Crop(0, 0, 120, 160, 120, 160)


def behind_its_double() -> Scene:
    """Object 1 passes wholly behind the larger object 2, which looks the same, and comes out again."""
    shapes = [
        Shape(1, line((30, 62), (5, 0)), 16, "blob", colour=BLUE, texture_seed=5),
        Shape(2, line((130, 58), (-5, 0)), 24, "blob", colour=BLUE, texture_seed=5),
    ]
    return scene(shapes, num_frames=16)


def follow(clip: Scene, settings: ClassicalSettings) -> list[np.ndarray]:
    """The labels of all frames, tracked from the truth of the first one."""
    tracker = ClassicalTracker(settings)
    labels = [tracker.start(clip.frames[0], clip.targets(0)).labels]
    return labels + [tracker.step(frame).labels for frame in clip.frames[1:]]


def overlap(found: np.ndarray, truth: np.ndarray, object_id: int) -> float:
    """J of one object."""
    here, there = found == object_id, truth == object_id
    return float((here & there).sum() / max(1, (here | there).sum()))


def test_comes_out_from_behind_its_double() -> None:
    """Full occlusion by an object of the same appearance: both are themselves again afterwards."""
    clip = behind_its_double()
    assert not (clip.labels[10] == 1).any()
    found = follow(clip, ClassicalSettings())  # with a quick fit it depends on chance
    assert min(overlap(found[-1], clip.labels[-1], k) for k in clip.ids) > 0.9
    result = identities(zip(clip.labels, found, strict=True), clip.ids)
    # The first narrow strip of it may still be taken for the object in front.
    assert sum(one.frames_on_others for one in result.values()) <= 1


def test_does_not_without_shapes() -> None:
    """What the scene before needs: pixels alone give all that comes out to the object in front."""
    clip = behind_its_double()
    found = follow(clip, replace(QUICK, shape=ShapeSettings(weight=0.0)))
    assert overlap(found[-1], clip.labels[-1], 1) < 0.5


@pytest.mark.parametrize(("settings", "stays_away"), [({}, True), ({"cost": 0.0}, False)])
def test_another_one_elsewhere_is_not_the_lost_object(
    settings: Mapping[str, float], stays_away: bool
) -> None:
    """An object leaves on the left while its unmarked double comes in on the right."""
    shapes = [
        Shape(1, line((60, 40), (-8, 0)), 14, colour=BLUE, texture_seed=5),
        Shape(0, line((192, 85), (-6, 0)), 14, colour=BLUE, texture_seed=5),
    ]
    clip = scene(shapes, num_frames=14)
    found = follow(clip, replace(QUICK, reappearance=ReappearanceSettings(**settings)))
    assert not (clip.labels[-1] == 1).any()
    assert (found[-1] == 1).any() != stays_away


@pytest.mark.parametrize(("alike", "down"), [(False, -5), (True, 20)])
def test_a_shape_follows_what_is_seen_of_its_object(alike: bool, down: float) -> None:
    """A ball that fell behind a car bounces back: its shape goes up with it, although its velocity is
    downward and the car covers the place that this leads to. Behind a double the flow may be that one's."""
    masks = np.zeros((2, 120, 160), np.float32)
    masks[0, 40:70, 60:90] = 1
    masks[1, 70:115, 40:110] = 1
    shape = shape_of(masks[0], masks[1] > 0.5, WHOLE)
    assert shape is not None
    colours = np.eye(2, 8)[[0, 0 if alike else 1]]
    ball, car = (
        SimpleNamespace(object_id=k, frames_lost=0, trajectory=None, reference=SimpleNamespace(colours=c))
        for k, c in enumerate(colours, start=1)
    )
    ball.shape, car.shape, car.frames_lost = shape, None, 1
    ball.trajectory = Trajectory((74.5, 54.5), (0, 20))
    upward = np.zeros((120, 160, 2), np.float32)
    upward[..., 1] = 5  # every pixel was 5 rows below
    found, _ = predict_shapes(
        SimpleNamespace(objects=(ball, car)),
        WHOLE,
        SimpleNamespace(masks=masks),
        [(upward, 0.5), None],
        ClassicalSettings(),
    )
    assert found is not None
    assert found.shape.centre()[1] - shape.centre()[1] == pytest.approx(down, abs=1.5)


def test_state_goes_on_with_shapes() -> None:
    """A saved and loaded state continues with the same shapes and trajectories; so does one of an earlier
    version, with other names."""
    clip = scene("crossing", num_frames=4)
    tracker = ClassicalTracker(QUICK)
    tracker.start(clip.frames[0], clip.targets(0))
    for frame in clip.frames[1:3]:
        tracker.step(frame)
    other = ClassicalTracker(QUICK)
    other.load(load_state(dump_state(tracker.save())))
    earlier = ClassicalTracker(QUICK)
    old_names = {new: old for old, new in RENAMED.items()}
    earlier.load({old_names.get(key, key): value for key, value in tracker.save().items()})
    expected = tracker.step(clip.frames[3]).labels
    assert np.array_equal(other.step(clip.frames[3]).labels, expected)
    assert np.array_equal(earlier.step(clip.frames[3]).labels, expected)


def test_a_shape_moves_as_a_whole() -> None:
    """A shape is shifted, turned and scaled by the motion of the object, and drawn where that leads."""
    mask = np.zeros((120, 160), np.float32)
    mask[40:60, 50:90] = 1
    shape = shape_of(mask, np.zeros(mask.shape, bool), WHOLE)
    assert shape is not None
    assert np.array_equal(shape.render(WHOLE) > 0.5, mask > 0.5)
    moved = shape.warped(np.array([[1, 0, -10.0], [0, 1, -5.0]]), WHOLE)
    assert np.array_equal(moved.render(WHOLE) > 0.5, np.roll(mask, (5, 10), (0, 1)) > 0.5)
    x, y = moved.centre()
    assert (x, y) == pytest.approx((79.5, 54.5), abs=0.6)


def test_hidden_parts_of_a_shape_are_unknown_and_kept() -> None:
    """Where another object was from the start nothing is known; where one comes later the shape stays."""
    mask = np.zeros((120, 160), np.float32)
    mask[40:60, 50:90] = 1
    others = np.zeros(mask.shape, bool)
    others[40:60, 90:110] = True
    shape = shape_of(mask, others, WHOLE)
    assert shape is not None
    assert shape.render(WHOLE)[45:55, 92:98] == pytest.approx(0.5)
    others[40:60, 70:110] = True
    found = np.where(others, np.float32(0), mask)
    later = shape
    for _ in range(10):
        later = later.updated(later.render(WHOLE), found, others, WHOLE, ShapeSettings())
    assert later.render(WHOLE)[45:55, 72:88].min() > 0.9
    assert later.agreement >= shape.agreement


def test_a_similarity_is_read_off_a_flow_field() -> None:
    """A field that turns and scales about a point gives that turn and scale."""
    angle, scale = 0.05, 1.02
    linear = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    y, x = np.mgrid[:50, :80].astype(np.float64)
    there = np.einsum("ij,jhw->ihw", linear, np.stack([x, y])) + np.array([3, -2])[:, None, None]
    field = (there - np.stack([x, y])).transpose(1, 2, 0).astype(np.float32)
    found = similarity(field, (40.0, 25.0))
    assert found == pytest.approx(np.column_stack([linear, [3, -2]]), abs=1e-3)


def test_objects_of_the_same_colours_look_alike() -> None:
    """And no others."""
    colours = np.zeros((3, 8), np.float32)
    colours[0, :2] = colours[1, :2] = 0.5
    colours[2, 4] = 1
    alike = likeness([ReferenceStatistics(1.0, 10.0, 1.0, c) for c in colours], LookalikeSettings())
    assert np.array_equal(alike, [[1, 1, 0], [1, 1, 0], [0, 0, 1]])


def test_what_lies_ahead_of_an_object() -> None:
    """Along its velocity, in its sizes; nothing does for one that does not move."""
    moving = Trajectory((50, 40), (3, 4))
    assert moving.ahead((53, 44), 100) == pytest.approx(0.5)
    assert moving.ahead((44, 32), 100) == pytest.approx(-1)
    assert moving.ahead((58, 34), 100) == pytest.approx(0)
    assert moving.ahead((500, 400), 100) == 1
    assert Trajectory((50, 40)).ahead((53, 44), 100) == 0


def test_an_object_out_of_sight_comes_back_near_where_it_went() -> None:
    """Far away costs, less the longer it is gone, and more for an object with a double."""
    settings = ReappearanceSettings()
    trajectory = Trajectory((40.0, 60.0)).seen((45.0, 60.0), 1.0, settings)
    assert trajectory.velocity == (5.0, 0.0)
    gone = trajectory.unseen((120, 160), settings)
    assert gone.centre == (50.0, 60.0)
    cost = gone.cost(WHOLE, 400.0, 1, 0.0, settings)
    assert cost[60, 50] == 0
    assert cost[60, 150] > 20
    assert gone.cost(WHOLE, 400.0, 20, 0.0, settings)[60, 150] < cost[60, 150]
    assert gone.cost(WHOLE, 400.0, 20, 1.0, settings)[60, 150] > 20
