"""The expected J of decoded masks: what speaks for one, and that it is never certain."""

from __future__ import annotations

import numpy as np
import pytest

from vos.backbones.classical.backbone import GraphCutBackbone
from vos.backbones.expected_quality import decoding_signals, expected_quality, kind_of
from vos.ops.monotone_logistic import load_models
from vos.prompting.decoding import decode_prompts
from vos.prompts import Prompt, Target
from vos.testing import scene

SIZE = (60, 80)


def square(left: int, width: int = 32) -> np.ndarray:
    """(60, 80) bool with a square of this width, its left edge at a column."""
    mask = np.zeros(SIZE, bool)
    mask[8 : 8 + width, left : left + width] = True
    return mask


def signals(prompt: Prompt, mask: np.ndarray, *candidates: np.ndarray) -> dict[str, float]:
    """Signals of a mask whose only candidate is, unless said otherwise, the mask itself."""
    return decoding_signals(
        prompt, np.array([0.4, 0.9]), np.stack(candidates or (mask,)), mask, coloured(mask)
    )


def coloured(mask: np.ndarray) -> np.ndarray:
    """(60, 80, 3) uint8: the mask in red on green."""
    return np.where(mask[..., None], [200, 40, 40], [40, 160, 40]).astype(np.uint8)


def click(x: float, y: float) -> Prompt:
    return Prompt(points=np.array([[x, y]], np.float32), labels=np.array([1]))


def test_agreement_depth_and_size() -> None:
    """Disjoint candidates do not agree; a click in the middle is deeper than one at the edge."""
    whole, other = square(8), square(44)
    middle = signals(click(24, 24), whole, whole, other)
    assert middle["agreement"] == 0
    assert signals(click(24, 24), whole, whole, whole)["agreement"] == pytest.approx(1)
    assert middle["depth"] > 0.9
    assert signals(click(9, 24), whole)["depth"] < 0.2
    assert signals(click(24, 24), square(8, 16))["smallness"] > middle["smallness"]


def test_reach_is_how_much_of_the_box_the_mask_spans() -> None:
    """All of it where the mask touches every side; without a box nothing is said."""
    mask = square(8)
    tight = Prompt(box=np.array([8, 8, 39, 39], np.float32))
    wide = Prompt(box=np.array([8, 8, 71, 39], np.float32))
    assert signals(tight, mask)["reach"] == 1
    assert signals(wide, mask)["reach"] == pytest.approx(0.5)
    assert signals(click(24, 24), mask)["reach"] == 1


def test_contrast_is_that_of_the_weakest_part_of_the_contour() -> None:
    """It is high where colours change along the whole contour, and low where a part of it has no edge."""
    mask = square(20)
    picture = coloured(mask)
    values = np.array([0.9]), mask[None], mask
    whole = decoding_signals(click(36, 24), *values, picture)["contrast"]
    picture[:, 52:] = picture[40:] = picture[24, 36]  # on two sides the background looks like the object
    part = decoding_signals(click(36, 24), *values, picture)["contrast"]
    assert whole > 50
    assert part < 10
    full = np.ones_like(mask)
    assert decoding_signals(click(36, 24), np.array([0.9]), full[None], full, picture)["contrast"] == 0


def test_each_kind_of_prompt_has_its_model() -> None:
    """A single click, several points, and a box with or without points."""
    several = Prompt(points=np.zeros((2, 2), np.float32), labels=np.array([1, 0]))
    box = Prompt(box=np.array([0, 0, 9, 9], np.float32))
    assert [kind_of(p) for p in (click(3, 3), several, box)] == ["click", "points", "box"]
    for name in ("graph_cut", "nano", "interactive"):
        assert set(load_models(name)) >= {"box", "click", "points"}


@pytest.mark.parametrize("name", ["graph_cut", "nano", "interactive"])
@pytest.mark.parametrize("kind", ["click", "points", "box"])
def test_better_signals_never_lower_the_expectation(name: str, kind: str) -> None:
    """Raising any one signal raises expected J or leaves it, in 0..1."""
    model = load_models(name)[kind]
    middle = {"score": 0.5, "agreement": 0.5, "depth": 0.5, "reach": 0.5, "smallness": 3.0, "contrast": 20.0}
    silent = ("depth", "contrast") if kind == "box" else ("depth", "contrast", "reach")
    for signal in middle:
        values = [model({**middle, signal: value}) for value in np.linspace(0, 1, 5) * 2 * middle[signal]]
        assert values == sorted(values)
        assert 0 <= values[0] <= values[-1] <= 1
        assert values[0] < values[-1] or signal in silent, f"{signal} counts for nothing"


def test_an_empty_mask_has_no_quality() -> None:
    """Nothing decoded has J 0."""
    empty = np.zeros(SIZE, bool)
    values = np.array([0.9]), empty[None], empty, coloured(empty)
    quality = expected_quality(load_models("graph_cut"), click(24, 24), *values)
    assert quality == 0


def test_decoded_first_masks_are_below_one() -> None:
    """A mask decoded from a click or box is never certain; one that the user drew is."""
    clip = scene("moving", size=(120, 160))
    mask = clip.labels[0] == clip.ids[0]
    row, column = np.argwhere(mask).mean(axis=0)
    box = np.array(clip.boxes[0][clip.ids[0]], np.float32)
    prompts = {"click": click(column, row), "box": Prompt(box=box), "mask": Prompt(mask=mask)}
    found = {
        name: decode_prompts(clip.frames[0], [Target(1, prompt)], GraphCutBackbone())[0].confidence
        for name, prompt in prompts.items()
    }
    assert found["mask"] == 1
    assert 0 < found["click"] < 1
    assert 0 < found["box"] < 1
