"""The interactive backbone: what is guaranteed whatever the network says."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from vos.backbones.classical.working_crop import crop_regions
from vos.backbones.image_crop import crop_box_around
from vos.backbones.interactive.backbone import InteractiveBackbone
from vos.backbones.interactive.choice import Answer, distinct, rank
from vos.backbones.interactive.corrections import corrected, obeyed
from vos.backbones.interactive.crops import PADDING, FeatureCrop, input_size, prompt_planes
from vos.backbones.interactive.network import InteractiveConfig, InteractiveNetwork, interactive_from
from vos.backbones.interactive.spreading import SpreadSettings, spread
from vos.errors import ModelError
from vos.prompts import Prompt

SIZE = (90, 120)
SMALL = InteractiveConfig((4, 6, 8, 8, 8), (0, 1, 1, 1, 1))


def _network(seed: int = 0) -> InteractiveNetwork:
    torch.manual_seed(seed)
    return InteractiveNetwork(SMALL).eval()


def _clicks(*points: tuple[float, float, int]) -> Prompt:
    places = np.array([p[:2] for p in points], np.float32)
    return Prompt(points=places, labels=np.array([p[2] for p in points], np.int64))


def _logits(*boxes: tuple[int, int, int, int]) -> np.ndarray:
    mask = np.zeros(SIZE, bool)
    for x0, y0, x1, y1 in boxes:
        mask[y0:y1, x0:x1] = True
    return np.where(mask, 4.0, -4.0).astype(np.float32)


def test_a_correction_changes_the_part_at_the_point_alone():
    before, after = _logits((10, 10, 40, 40)), _logits((10, 10, 60, 40), (80, 60, 100, 80))
    found = corrected(before, after, np.array([50.0, 20.0]), 1) > 0
    assert np.array_equal(found, _logits((10, 10, 60, 40)) > 0)  # the part at the lower right is not taken
    removed = corrected(after, before, np.array([90.0, 70.0]), 0) > 0
    assert np.array_equal(removed, _logits((10, 10, 60, 40)) > 0)


def test_a_point_changes_pixels_in_its_own_direction_only():
    before, after = _logits((10, 10, 40, 40)), _logits((30, 10, 60, 40))
    found = corrected(before, after, np.array([50.0, 20.0]), 1) > 0
    assert np.array_equal(found, _logits((10, 10, 60, 40)) > 0)  # what the network would take away stays
    removed = corrected(before, after, np.array([20.0, 20.0]), 0) > 0
    assert np.array_equal(removed, _logits((30, 10, 40, 40)) > 0)  # and what it would add is not added


def test_a_point_that_the_mask_agrees_with_changes_nothing():
    before, after = _logits((10, 10, 40, 40)), _logits((0, 0, 120, 90))
    assert corrected(before, after, np.array([20.0, 20.0]), 1) is before


def test_a_point_is_obeyed_where_the_network_does_not():
    before = _logits((10, 10, 40, 40))
    found = corrected(before, before, np.array([80.0, 50.0]), 1) > 0
    assert found[50, 80]
    assert found[20, 20]
    assert found.sum() < 900 + 40  # a small disc is added


def test_prompts_are_obeyed_to_the_pixel():
    prompt = Prompt(
        points=np.array([[30, 30], [50, 50]], np.float32),
        labels=np.array([0, 1]),
        box=np.array([20, 20, 60, 60], np.float32),
    )
    found = obeyed(_logits((0, 0, 45, 45)), prompt) > 0
    assert not found[30, 30]
    assert found[50, 50]
    outside = np.ones(SIZE, bool)
    outside[20:61, 20:61] = False
    assert not found[outside].any()


def test_candidates_go_from_small_to_large_and_the_first_scores_highest():
    answers = [
        Answer(_logits((10, 10, 40, 40)), 0.7),
        Answer(_logits((10, 10, 41, 40)), 0.8),  # the same but for a column
        Answer(_logits((10, 10, 20, 20)), 0.9),
        Answer(_logits((0, 0, 100, 80)), 0.2),
    ]
    found = distinct(answers, 3)
    assert [int((a.logits > 0).sum()) for a in found] == [100, 900, 8000]
    assert max(found, key=lambda answer: answer.quality).logits is answers[0].logits


def test_windows_and_planes_use_the_conventions_for_pixels():
    assert crop_box_around(np.array([40, 30, 59, 49]), SIZE, 0.5, PADDING) == (26, 16, 74, 64)
    view = FeatureCrop((20, 10, 84, 74), SIZE, (128, 128), ())
    planes = prompt_planes(view, Prompt(box=np.array([30, 20, 49, 39], np.float32)), None)
    inside = np.argwhere(planes[3] > 0)
    assert inside.min(axis=0).tolist() == [20, 20]
    assert inside.max(axis=0).tolist() == [59, 59]
    assert input_size((0, 0, 854, 480), 115_000) == (256, 448)
    assert input_size((0, 0, 20, 10), 90_000) == (32, 64)  # enlarged, but no further than it may be


def test_any_network_obeys_any_prompt_and_is_repeatable():
    image = np.random.default_rng(0).integers(0, 255, (*SIZE, 3), dtype=np.uint8)
    backbone = InteractiveBackbone(_network())
    prompts = [
        _clicks((30, 30, 1)),
        _clicks((30, 30, 1), (90, 60, 0), (60, 45, 1)),
        _clicks((5, 5, 0)),
        Prompt(box=np.array([20, 20, 70, 60], np.float32)),
        Prompt(mask=_logits((20, 20, 50, 50)) > 0),
        Prompt(low_res=_logits((20, 20, 50, 50))[::4, ::4]),
    ]
    found = backbone.decode(backbone.encode(image), prompts)
    assert found.logits.shape == (len(prompts), 3, *SIZE)
    assert torch.isfinite(found.logits).all()
    assert ((found.scores >= 0) & (found.scores <= 1)).all()
    for logits in found.logits[1]:
        assert logits[30, 30] > 0
        assert logits[45, 60] > 0
        assert logits[60, 90] < 0
    again = backbone.decode(backbone.encode(image), [prompts[1]])
    assert torch.equal(again.logits[0], found.logits[1])


def test_a_point_on_a_mask_leaves_the_rest_of_it():
    image = np.random.default_rng(0).integers(0, 255, (*SIZE, 3), dtype=np.uint8)
    backbone = InteractiveBackbone(_network())
    mask = _logits((20, 20, 50, 50)) > 0
    prompt = Prompt(mask=mask, points=np.array([[30, 30]], np.float32), labels=np.array([1]))
    found = backbone.decode(backbone.encode(image), [prompt], multimask=False)
    assert np.array_equal(found.logits[0, 0].numpy() > 0, mask)


def test_further_points_share_a_crop_while_it_serves():
    image = np.random.default_rng(0).integers(0, 255, (*SIZE, 3), dtype=np.uint8)
    backbone = InteractiveBackbone(_network())
    features = backbone.encode(image)
    mask = _logits((50, 30, 70, 50)) > 0
    points, labels = [[60, 40], [52, 32], [67, 47]], [0, 0, 0]
    for count in (1, 2, 3):
        at = np.array(points[:count], np.float32)
        backbone.decode(features, [Prompt(mask=mask, points=at, labels=np.array(labels[:count]))])
    assert len(features.context.crops) == 1
    far = Prompt(mask=mask, points=np.array([*points, [5, 5]], np.float32), labels=np.array([*labels, 1]))
    found = backbone.decode(features, [far]).logits
    assert len(features.context.crops) == 2
    # What was asked before does not matter.
    assert torch.equal(backbone.decode(backbone.encode(image), [far]).logits, found)


def test_sizes_are_read_off_a_checkpoint():
    network = _network()
    found = interactive_from(network.state_dict(), "file")
    assert found.config == SMALL
    with pytest.raises(ModelError, match="not a checkpoint of the interactive network"):
        interactive_from({"encoder.weight": torch.zeros(1)}, "file")


def two_blocks() -> tuple[np.ndarray, np.ndarray]:
    """A grey picture with a red and a blue block side by side, and the logits of a mask of both."""
    image = np.full((60, 90, 3), 120, np.uint8)
    image[15:45, 15:45] = 200, 40, 40
    image[15:45, 45:75] = 40, 40, 200
    before = np.full((60, 90), -8, np.float32)
    before[15:45, 15:75] = 8
    return image, before


@pytest.mark.parametrize("others", [[], [(60, 20)]])
def test_a_point_spreads_over_what_looks_like_it(others: list[tuple[int, int]]) -> None:
    """A point off one block removes that block up to its edges, not the other, and no point on the object."""
    image, before = two_blocks()
    view = crop_regions(image, (0, 0, 90, 60), 60 * 90)
    undecided = np.full((60, 90), 0.3, np.float32)
    points = np.array([*others, (60, 34)], np.float32)
    prompt = Prompt(points=points, labels=np.array([1] * len(others) + [0]))
    changed = spread(view, before, undecided, prompt, SpreadSettings())
    assert not changed[15:45, 15:43].any()
    assert not changed[before < 0].any()
    assert changed[34, 60]
    if others:
        assert not changed[20, 60]
    else:
        assert changed[15:45, 47:75].mean() > 0.9


def test_a_point_on_the_object_spreads_as_well() -> None:
    """Over the block that is missed, and not over the background."""
    image, before = two_blocks()
    before[:, 45:] = -8
    view = crop_regions(image, (0, 0, 90, 60), 60 * 90)
    prompt = Prompt(points=np.array([(25, 30), (60, 30)], np.float32), labels=np.array([1, 1]))
    changed = spread(view, before, np.full((60, 90), -0.3, np.float32), prompt, SpreadSettings())
    assert changed[15:45, 47:75].mean() > 0.9
    assert changed[:13].sum() + changed[47:].sum() == 0


def test_masks_of_most_of_the_image_are_doubted_where_only_points_say_so():
    """A box says how large the object is."""
    large, small = (Answer(_logits(box), q) for box, q in (((0, 0, 120, 80), 0.8), ((20, 20, 40, 40), 0.7)))
    points = _clicks((30, 30, 1))
    ranked = [answer.quality for answer in rank([large, small], points)]
    assert ranked == pytest.approx([0.7, 0.8 - 0.8 * (8 / 9 - 0.4)])
    both = Prompt(points=points.points, labels=points.labels, box=np.array([0, 0, 119, 79], np.float32))
    for prompt in (both, Prompt(box=both.box)):
        assert rank([small, large], prompt) == [large, small]
    empty = Answer(np.full(SIZE, -1, np.float32), 0.99)
    assert rank([empty, small], points)[-1].logits is empty.logits


def test_a_correction_takes_what_touches_at_a_corner():
    before, after = _logits((0, 0, 5, 5)), _logits((0, 0, 5, 5), (30, 30, 40, 40), (40, 40, 50, 50))
    found = corrected(before, after, np.array([35.0, 35.0]), 1)
    assert np.array_equal(found, after)


@pytest.mark.parametrize("label", [0, 1])
def test_a_point_spreads_where_the_network_agrees(label: int):
    """On a plain image nothing else can tell the halves apart; logits for the point's side do."""
    view = crop_regions(np.full((60, 90, 3), 120, np.uint8), (0, 0, 90, 60), 60 * 90)
    sign = 1 if label == 1 else -1
    before = np.full((60, 90), -8.0 * sign, np.float32)
    after = np.full((60, 90), -4.0 * sign, np.float32)
    after[:, 45:] = 4 * sign
    prompt = Prompt(points=np.array([(70, 30)], np.float32), labels=np.array([label]))
    changed = spread(view, before, after, prompt, SpreadSettings(colour=0, near=0))
    assert changed[:, 50:].mean() > 0.95
    assert changed[:, :40].mean() < 0.05
