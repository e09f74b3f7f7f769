"""An object that passes behind something, and comes out on the other side."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest
from numpy.typing import NDArray

from vos.evaluation import region_similarity
from vos.frame import Frame
from vos.prompts import Prompt, Target
from vos.scenes.texture import texture, window
from vos.trackers.classical.occlusion import (
    OcclusionSettings,
    hidden_margin,
    hidden_reach,
    hidden_share,
)
from vos.trackers.classical.state import ObjectState
from vos.trackers.classical.tracker import ClassicalSettings, ClassicalTracker
from vos.trackers.flow_warping import WarpedMasks

SIZE = (120, 320)
BUS = (50, 130)
POST = slice(150, 200)


def behind_a_post(frames: int) -> tuple[list[Frame], list[NDArray[np.bool_]]]:
    """A long thing moves behind a wide post by 5 pixels a frame; where it is seen."""
    ground, thing, post = (
        window(texture(seed, colour, 40), 0, 0, size).astype(np.uint8)
        for seed, (size, colour) in enumerate(
            [(SIZE, (90, 100, 110)), (BUS, (60, 180, 60)), ((SIZE[0], 50), (120, 70, 40))]
        )
    )
    images, masks = [], []
    for index in range(frames):
        image, mask = ground.copy(), np.zeros(SIZE, bool)
        x = 10 + 5 * index
        image[35 : 35 + BUS[0], x : x + BUS[1]] = thing[:, : SIZE[1] - x]
        mask[35 : 35 + BUS[0], x : x + BUS[1]] = True
        image[:, POST] = post
        mask[:, POST] = False
        images.append(Frame(index, image))
        masks.append(mask)
    return images, masks


def overlap_at_end(settings: ClassicalSettings) -> float:
    """J in the last frame, in which the front of the thing is 25 pixels past the post."""
    frames, masks = behind_a_post(18)
    tracker = ClassicalTracker(settings)
    tracker.start(frames[0], [Target(1, Prompt(mask=masks[0]))])
    for frame in frames[1:]:
        result = tracker.step(frame)
    return region_similarity(masks[-1], result.mask(1))


def test_the_front_of_a_bus_is_found_on_the_other_side() -> None:
    """Without the settings of this module it is not."""
    settings = ClassicalSettings()
    bound = replace(settings, occlusion=OcclusionSettings(margin=0, distance=0))
    assert overlap_at_end(settings) > 0.9
    assert overlap_at_end(bound) < 0.8


@pytest.mark.parametrize(
    ("area", "usual", "ignored", "share"),
    [
        (100, 100, 0, 0),
        (150, 100, 0, 0),
        (40, 100, 0, 0.6),
        (40, 100, 0.1, 0.5),
        (95, 100, 0.1, 0),
        (5, 0, 0, 0),
    ],
)
def test_hidden_share(area: float, usual: float, ignored: float, share: float) -> None:
    """An object as large as ever hides nothing, nor does one that has not been seen."""
    assert hidden_share(area, usual, ignored) == pytest.approx(share)


def test_margin_is_that_of_the_largest_hidden_part() -> None:
    """In usual sizes; where there are several objects, none."""
    labels = np.zeros((20, 40), np.uint8)
    labels[:10, :10], labels[:10, 10:40] = 1, 2
    one, other, whole = (
        cast(ObjectState, SimpleNamespace(object_id=k, usual_area=area))
        for k, area in ((1, 400), (2, 400), (2, 300))
    )
    settings = OcclusionSettings(margin=2, max_objects=2)
    assert hidden_margin(labels, [one, other], settings) == 2 * 20 * 0.75
    assert hidden_margin(labels, [whole], settings) == 0
    assert hidden_margin(labels, [], settings) == 0
    assert hidden_margin(labels, [one, other, whole], settings) == 0


def test_reach_is_only_where_motion_agrees() -> None:
    """And grows with what is hidden."""
    masks = np.zeros((1, 10, 20), np.float32)
    masks[0, :5, :10] = 1
    warped = cast(WarpedMasks, SimpleNamespace(masks=masks))
    moving = np.zeros((1, 10, 20), np.float32)
    moving[0, :, 15:] = 0.6
    settings = OcclusionSettings(distance=3, min_motion=0.5)
    far = hidden_reach(warped, [100], moving, settings)[0]
    assert not far[:, :15].any()
    assert far[:, 15:] == pytest.approx(3 * (0.5 - 0.1) * 10)
    assert not hidden_reach(warped, [52], moving, settings).any()
    assert not hidden_reach(warped, [100], moving, replace(settings, max_objects=0)).any()
    assert not hidden_reach(warped, [100], moving, replace(settings, min_motion=0.7)).any()
