"""What clicks, boxes and masks say of the regions, on a plain object in the middle of an image."""

from __future__ import annotations

import numpy as np
import pytest

from vos.backbones.classical.hypotheses import search
from vos.backbones.classical.regions import Regions
from vos.backbones.classical.unary import (
    SHRINK,
    clicked_regions,
    enclosure,
    regions_outside,
    unary_terms,
)
from vos.backbones.classical.working_crop import RegionCrop, crop_regions
from vos.prompts import Prompt

HEIGHT, WIDTH = 56, 84
OBJECT = np.zeros((HEIGHT, WIDTH), bool)
OBJECT[14:42, 28:56] = True
BOX = np.array([28, 14, 55, 41], np.float32)


@pytest.fixture(scope="module")
def crop() -> RegionCrop:
    image = np.full((HEIGHT, WIDTH, 3), (60, 110, 60), np.uint8)
    image[OBJECT] = (200, 60, 40)
    return crop_regions(image, (0, 0, WIDTH, HEIGHT), 10**6, zoom=1.0)


def clicks(*points: tuple[float, float, int]) -> Prompt:
    """Points (x, y) and 1 on the object, 0 off it."""
    given = np.array(points, np.float32)
    return Prompt(points=given[:, :2], labels=given[:, 2].astype(int))


def share(regions: Regions, chosen: np.ndarray) -> tuple[float, float]:
    """Shares of the object's and of the background's pixels that regions cover."""
    covered = chosen[regions.labels]
    return float(covered[OBJECT].mean()), float(covered[~OBJECT].mean())


def test_clicked_regions(crop: RegionCrop) -> None:
    """One that is clicked both ways is neither."""
    on, off = clicked_regions(crop, clicks((42, 28, 1), (3, 3, 0)))
    assert on.nonzero()[0].tolist() == [crop.regions.labels[28, 42]]
    assert off.nonzero()[0].tolist() == [crop.regions.labels[3, 3]]
    on, off = clicked_regions(crop, clicks((42, 28, 1), (42, 28, 0), (3, 3, 1)))
    assert on.nonzero()[0].tolist() == [crop.regions.labels[3, 3]]
    assert not off.any()


def test_a_click_speaks_for_its_side_of_the_contour(crop: RegionCrop) -> None:
    """Positive near a click on the object, negative near one off it, and weak across the contour."""
    terms = unary_terms(crop, clicks((42, 28, 1), (5, 28, 0)), None)
    at = crop.regions.at(np.array([[42, 28], [52, 38], [70, 28], [5, 28], [5, 50]], np.float32))
    clicked, near, across, off, near_off = terms.unary[at]
    assert clicked == pytest.approx(1, abs=0.1)
    assert clicked > near > 2 * max(across, 0)
    assert off == pytest.approx(-1, abs=0.1)
    assert off < near_off < -0.1
    assert terms.seeds.sum() == terms.background.sum() == 1
    assert terms.one_piece


def test_discs_around_clicks_grow(crop: RegionCrop) -> None:
    """Each initialisation is larger, holds the click, and keeps off what is clicked off."""
    terms = unary_terms(crop, clicks((42, 28, 1), (3, 3, 0)), None)
    sizes = [(start.on > 0) @ crop.regions.area for start in terms.initialisations]
    assert sizes == sorted(sizes)
    assert sizes[-1] > 4 * sizes[0]
    for start in terms.initialisations:
        assert start.on[terms.seeds].all()
        assert not start.on[terms.background].any()
        assert start.prior[terms.seeds] > 0


def test_negative_clicks_alone_leave_the_rest(crop: RegionCrop) -> None:
    terms = unary_terms(crop, clicks((3, 3, 0)), None)
    (start,) = terms.initialisations
    np.testing.assert_array_equal(start.on > 0, ~terms.background)
    assert terms.background.sum() == 1


def test_a_box_rules_out_what_lies_outside(crop: RegionCrop) -> None:
    """But never the region in its middle, however small the box."""
    assert share(crop.regions, regions_outside(crop.regions, crop.edges(BOX))) == pytest.approx(
        (0, 1), abs=0.05
    )
    tiny = regions_outside(crop.regions, (42, 28, 43, 29))
    assert np.flatnonzero(~tiny).tolist() == [crop.regions.labels[28, 42]]


def test_ellipses_in_a_box(crop: RegionCrop) -> None:
    """From small to all of the box; nothing outside is ever of the object."""
    terms = unary_terms(crop, Prompt(box=BOX), None)
    sizes = [(start.on > 0) @ crop.regions.area for start in terms.initialisations]
    assert len(sizes) == len(SHRINK) + 1
    assert sizes == sorted(sizes)
    assert not any(start.on[terms.background].any() for start in terms.initialisations)
    assert not terms.one_piece


def test_enclosed_regions_are_more_likely(crop: RegionCrop) -> None:
    """Regions behind a contour, as seen from outside; nothing is said where nothing is outside."""
    outside = regions_outside(crop.regions, (10, 5, 75, 52))
    found = enclosure(crop.regions, outside)
    middle, margin = crop.regions.at(np.array([[42, 28], [15, 28]], np.float32))
    assert found[middle] > 0 > found[margin]
    assert not found[outside].max() > -0.9
    for none in (np.zeros_like(outside), np.ones_like(outside)):
        assert not enclosure(crop.regions, none).any()


def test_guidance_is_compared_with_its_own_mean(crop: RegionCrop) -> None:
    """Only what is more than a standard deviation above the mean speaks for the object; flat maps say
    nothing."""
    prompt = clicks((42, 28, 1))
    plain = unary_terms(crop, prompt, None).unary
    guided = unary_terms(crop, prompt, OBJECT.astype(np.float32) * 0.2 + 0.3).unary - plain
    at = crop.regions.at(np.array([[42, 28], [5, 5]], np.float32))
    on, off = (np.array([1.0, 0.0]) - OBJECT.mean()) / OBJECT.std() - 1
    assert guided[at] == pytest.approx(0.5 * np.clip([on, off], -1, 1), abs=0.02)
    np.testing.assert_array_equal(unary_terms(crop, prompt, np.full((9, 9), 0.7, np.float32)).unary, plain)


@pytest.mark.parametrize("low_res", [False, True])
def test_a_mask_prompt_in_the_crop(crop: RegionCrop, low_res: bool) -> None:
    """A mask, or logits at another resolution, as probabilities in crop pixels."""
    logits = np.where(OBJECT[::2, ::2], 5, -5).astype(np.float32)
    prompt = Prompt(low_res=logits) if low_res else Prompt(mask=OBJECT)
    terms = unary_terms(crop, prompt, None)
    assert terms.initialisations == ()
    np.testing.assert_array_equal(terms.mask_prompt > 0.5, OBJECT)
    assert terms.mask_prompt[28, 42] == pytest.approx(1 / (1 + np.exp(-5)) if low_res else 1)


@pytest.mark.parametrize(
    "prompt",
    [
        clicks((42, 28, 1)),
        Prompt(box=BOX),
        Prompt(box=BOX + np.array([-3, -4, 5, 2])),
        Prompt(mask=np.roll(OBJECT, 2, 1)),
    ],
)
def test_one_hypothesis_is_the_object(crop: RegionCrop, prompt: Prompt) -> None:
    """All differ from each other, none is empty, and the object is among them."""
    found = search(crop.regions, unary_terms(crop, prompt, None))
    assert len({labelling.tobytes() for labelling in found}) == len(found)
    assert found.any(axis=1).all()
    misses = [abs(1 - on) + off for on, off in (share(crop.regions, labelling) for labelling in found)]
    assert min(misses) < 0.04  # regions are some pixels wide
