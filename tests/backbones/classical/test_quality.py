"""Measurements of a hypothesis by hand, on a grid of square regions; and the choice among hypotheses."""

from __future__ import annotations

import numpy as np
import pytest

from vos.backbones.classical.quality import (
    WEIGHTS,
    agreement_with,
    choose,
    measure,
    overlaps,
    predicted_quality,
)
from vos.backbones.classical.regions import Regions
from vos.backbones.classical.unary import UnaryTerms

SIDE, COUNT = 4, 6
GRID = np.arange(COUNT * COUNT).reshape(COUNT, COUNT)
"""Numbers of the regions, each SIDE x SIDE pixels."""
OBJECT = np.zeros((COUNT, COUNT), bool)
OBJECT[1:3, 1:4] = True


@pytest.fixture
def regions() -> Regions:
    """The object's regions are red, the others blue; borders between the two are strong."""
    first = np.concatenate([GRID[:, :-1].ravel(), GRID[:-1].ravel()]).astype(np.int32)
    second = np.concatenate([GRID[:, 1:].ravel(), GRID[1:].ravel()]).astype(np.int32)
    red = OBJECT.ravel()
    outermost = np.pad(np.zeros((COUNT * SIDE - 2,) * 2, bool), 1, constant_values=True)
    labels = np.kron(GRID, np.ones((SIDE, SIDE), int)).astype(np.int32)
    rows, columns = np.divmod(np.arange(COUNT * COUNT), COUNT)
    return Regions(
        labels=labels,
        area=np.full(COUNT * COUNT, SIDE**2, np.float32),
        centre=np.stack([columns, rows], axis=1).astype(np.float32) * SIDE + (SIDE - 1) / 2,
        features=np.where(red, 60, 0)[:, None] * np.array([1, 0, 0, 0], np.float32),
        palette=np.array([[0, 0, 0, 0], [60, 0, 0, 0]], np.float32),
        share=np.stack([~red, red], axis=1).astype(np.float32),
        first=first,
        second=second,
        length=np.full(len(first), SIDE, np.float32),
        contrast=np.where(red[first] != red[second], 5.0, 0.5).astype(np.float32),
        rim=np.bincount(labels[outermost], minlength=COUNT * COUNT).astype(np.float32),
    )


def terms(**given: object) -> UnaryTerms:
    """Terms of a prompt; all that no measurement looks at is empty."""
    none = np.zeros(COUNT * COUNT)
    empty = {"initialisations": (), "biases": (), "unary": none, "seeds": none > 0, "background": none > 0}
    return UnaryTerms(**empty, keep_prior=0, smoothness=1, one_piece=False, **given)


def labellings(*masks: np.ndarray) -> np.ndarray:
    """(K, n) labellings of (COUNT, COUNT) masks."""
    return np.stack([mask.ravel() for mask in masks])


def shifted() -> np.ndarray:
    """The object's shape, one region too far to the right."""
    return np.roll(OBJECT, 1, axis=1)


def test_the_contour(regions: Regions) -> None:
    """Contrast along it (at most 3) and within, the share that is strong, and the shape."""
    found = measure(regions, terms(), labellings(OBJECT, shifted()))
    assert found["contour"] == pytest.approx([3.0, (4 * 3.0 + 6 * 0.5) / 10])
    assert found["interior"] == pytest.approx([0.5, (2 * 3.0 + 5 * 0.5) / 7])
    assert found["strong"] == pytest.approx([1.0, 0.4])
    assert found["alike_near"][0] == pytest.approx(0, abs=1e-6)  # red within, blue around
    assert found["alike_near"][1] > 0.5
    around = 10 * SIDE
    assert found["compact"] == pytest.approx([4 * np.pi * 6 * SIDE**2 / around**2] * 2)
    assert found["size"] == pytest.approx([np.log10(6 / 36 + 1e-4)] * 2)
    assert not found["rim"].any()


def test_a_contour_along_the_border_of_the_image(regions: Regions) -> None:
    mask = np.zeros((COUNT, COUNT), bool)
    mask[0, 0] = True
    found = measure(regions, terms(), labellings(mask))
    rim = 2 * SIDE - 1
    assert found["rim"] == pytest.approx([rim / (rim + 2 * SIDE)])
    assert found["compact"] == pytest.approx([4 * np.pi * SIDE**2 / (rim + 2 * SIDE) ** 2])


def test_agreement_is_the_mean_iou_with_the_others(regions: Regions) -> None:
    found = labellings(OBJECT, shifted(), ~OBJECT)
    iou = overlaps(regions, found)
    np.testing.assert_allclose(iou, [[1, 4 / 8, 0], [4 / 8, 1, 2 / 34], [0, 2 / 34, 1]], rtol=1e-5)
    assert measure(regions, terms(), found)["agreement"] == pytest.approx(
        [1 / 4, (1 / 2 + 2 / 34) / 2, 1 / 34]
    )
    assert measure(regions, terms(), found[:1])["agreement"] == 0


def test_agreement_with_probabilities(regions: Regions) -> None:
    found = agreement_with(regions, labellings(OBJECT), np.where(OBJECT, 0.5, 0.1).ravel().astype(np.float32))
    assert found == pytest.approx([3 / (6 + 3 + 3 - 3)])


def test_the_deepest_click_and_the_nearest_to_the_contour(regions: Regions) -> None:
    """Depths are those of pixels; a click outside has none."""
    middle, edge, outside = [10.0, 7.0], [4.0, 7.0], [20.0, 20.0]
    objects = labellings(OBJECT)
    deep = measure(regions, terms(clicks=np.array([middle, edge])), objects)
    assert deep["depth"] == pytest.approx([1])
    shallow = measure(regions, terms(clicks=np.array([edge])), objects)
    assert shallow["depth"] == pytest.approx([0.25], abs=0.03)
    assert measure(regions, terms(clicks=np.array([outside])), objects)["depth"] == 0
    reach = 0.1 * np.sqrt(6 * SIDE**2)  # less than a pixel: then a pixel counts as clear
    assert reach < 1
    assert deep["clear"] == pytest.approx([0.955], abs=0.05)
    assert measure(regions, terms(clicks=np.array([outside])), objects)["clear"] == 0
    off = terms(off_clicks=np.array([outside]))
    assert measure(regions, off, objects)["clear"] == 1
    assert measure(regions, off, ~objects)["clear"] == 0


def test_the_gap_between_object_and_box(regions: Regions) -> None:
    """The largest on any side, as a share of the box; all of it where the object is outside."""
    box = (SIDE, SIDE, 4 * SIDE, 5 * SIDE)  # the object reaches three sides, and half way to the fourth
    assert measure(regions, terms(box=box), labellings(OBJECT))["gap"] == pytest.approx([0.5])
    away = np.zeros((COUNT, COUNT), bool)
    away[5, 5] = True
    assert measure(regions, terms(box=box), labellings(away))["gap"] == 1


def test_what_is_kept_of_a_mask(regions: Regions) -> None:
    given = np.kron(shifted(), np.ones((SIDE, SIDE))).astype(np.float32)
    assert measure(regions, terms(mask_prompt=given), labellings(OBJECT))["kept"] == pytest.approx([0.5])


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        ("mask", {"mask_prompt": np.kron(OBJECT, np.ones((SIDE, SIDE)))}),
        ("box", {"box": (SIDE, SIDE, 4 * SIDE, 3 * SIDE)}),
        ("click", {"clicks": np.array([[10.0, 7.0]]), "off_clicks": np.array([[20.0, 20.0]])}),
        ("clicks", {"clicks": np.array([[10.0, 7.0], [6.0, 6.0]])}),
    ],
)
def test_quality_is_a_weighted_sum_by_kind_of_prompt(regions: Regions, kind: str, given: dict) -> None:
    """In 0..1; and the object has a higher one than the same shape elsewhere."""
    found = labellings(OBJECT, shifted(), ~OBJECT)
    measured = measure(regions, terms(**given), found)
    weights = dict(WEIGHTS[kind])
    expected = weights.pop("bias") + sum(weight * measured[name] for name, weight in weights.items())
    quality = predicted_quality(regions, terms(**given), found)
    assert quality == pytest.approx(np.clip(expected, 0, 1), abs=1e-5)
    assert quality.argmax() == 0


def test_the_choice_has_the_best_and_what_differs_from_it(regions: Regions) -> None:
    """A near copy of the best adds nothing; where there are too few, the best is repeated."""
    copy = OBJECT.copy()
    copy[3, 1] = True
    found = labellings(OBJECT, copy, ~OBJECT)
    assert choose(regions, found, np.array([0.9, 0.89, 0.8], np.float32), 2) == [0, 2]
    assert choose(regions, found, np.array([0.5, 0.89, 0.1], np.float32), 3)[0] == 1
    assert choose(regions, found, np.array([0.9, 0.89, 0.8], np.float32), 5) == [0, 2, 1, 0, 0]
