"""What is made up for the training of the interactive network."""

from __future__ import annotations

import numpy as np
import torch

from training.nano.bank import Bank
from training.nano.pack import WHOLE
from training.prompts.pack import together
from training.prompts.simulation import PromptMix, depths, first_prompts, next_prompts
from training.prompts.stills import StillComposer, StillSettings
from vos.backbones.interactive.network import BOX, MASK, OFF, ON


def _mask() -> torch.Tensor:
    mask = torch.zeros(8, 64, 96)
    mask[:, 10:50, 20:70] = 1
    return mask


def test_first_prompts_lie_where_users_put_them():
    torch.manual_seed(0)
    mask = _mask()
    clicked, ambiguous = first_prompts(mask, PromptMix(box=0, rough=0, stroke=0, boxed_click=0, negative=1))
    assert ambiguous.all()
    assert (clicked[:, ON].amax(dim=(1, 2)) == 1).all()
    assert ((clicked[:, ON] * mask).sum() / clicked[:, ON].sum()) > 0.7  # a disc may reach over the edge
    assert ((clicked[:, OFF] * mask).sum() / clicked[:, OFF].sum()) < 0.3
    boxed, ambiguous = first_prompts(mask, PromptMix(box=1, rough=0, stroke=0, boxed_click=0, slack=0))
    assert not ambiguous.any()
    assert torch.equal(boxed[:, BOX] > 0, mask > 0)
    assert boxed[:, [MASK, ON, OFF]].abs().sum() == 0


def test_a_correction_is_put_on_a_mistake():
    torch.manual_seed(0)
    mask = _mask()
    found = mask.clone()
    found[:, :, 50:] = 0  # a part is missed
    planes, _ = first_prompts(mask, PromptMix(box=1, rough=0, stroke=0, boxed_click=0))
    after = next_prompts(planes, found * 8 - 4, mask, PromptMix(corrective=1))
    added = after[:, ON] * (1 - found)
    assert (added.amax(dim=(1, 2)) == 1).all()
    assert after[:, OFF].sum() == 0
    assert depths(mask)[0, 30, 45] > depths(mask)[0, 12, 22]


def test_people_and_what_they_ride_are_one_target():
    labels = np.zeros((60, 60), np.uint8)
    labels[5:30, 20:40], labels[32:50, 15:45], labels[5:10, 50:58] = 1, 2, 3
    (both,) = together(labels, {1: "person", 2: "horse", 3: "umbrella"})
    assert np.array_equal(both > 0, (labels == 1) | (labels == 2))
    assert not list(together(labels, {1: "person", 2: "dog", 3: "umbrella"}))


def test_stills_show_the_target_that_their_mask_marks():
    image = torch.zeros(1, 3, 416, 416, dtype=torch.uint8)
    image[:, :, 100:200, 120:260] = 250
    labels = torch.zeros(1, 416, 416, dtype=torch.uint8)
    labels[:, 100:200, 120:260] = 1
    cutouts = np.array([[0, 0, 1, 120, 100, 259, 199], [0, 0, WHOLE, 120, 100, 259, 199]])
    bank = Bank(image, labels, np.array([[300, 400]]), np.zeros(1, int), cutouts, np.zeros((0, 2, 1), int))
    settings = StillSettings(sizes=((64, 96),), natural=1, beside=0, grey=0)
    images, masks, known = StillComposer(bank, np.ones(2), settings, 0).stills(6)
    assert images.shape == (6, 3, 64, 96)
    assert (masks.sum(dim=(1, 2)) > 10).all()
    for image, mask in zip(images.mean(dim=1), masks, strict=True):
        assert image[mask > 0].mean() > image[mask == 0].mean() + 50
    assert known.all()
