"""J and F of arrays, against the specification taken literally."""

from __future__ import annotations

import davis_reference as reference
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from vos.evaluation import METRICS, contour_accuracy, region_similarity
from vos.evaluation.boundary import boundary_radius, contour_accuracies
from vos.evaluation.pair import pair_labels
from vos.evaluation.region import region_similarities
from vos.registry import load

EMPTY = np.zeros((30, 40), bool)
FULL = np.ones((30, 40), bool)
BLOB = EMPTY.copy()
BLOB[8:20, 10:30] = True

shapes = st.tuples(st.integers(1, 12), st.integers(1, 12))
bounds = st.sampled_from([0.008, 0.2, 1, 2, 3, 5])


@st.composite
def label_maps(draw, count: int, highest: int):
    """``count`` label maps of one size, with labels 0..highest."""
    shape = draw(shapes)
    maps = hnp.arrays(np.uint8, shape, elements=st.integers(0, highest))
    return [draw(maps) for _ in range(count)]


def blobs(rng: np.random.Generator, shape: tuple[int, int], ids: int, per_id: int = 2) -> np.ndarray:
    """Boxes of random places and sizes, many of them cut by the border."""
    labels = np.zeros(shape, np.uint8)
    for object_id in rng.permutation(np.repeat(np.arange(1, ids + 1), per_id)):
        y, x = rng.integers(-10, shape[0]), rng.integers(-10, shape[1])
        h, w = rng.integers(1, 25, size=2)
        labels[max(y, 0) : max(y + h, 0), max(x, 0) : max(x + w, 0)] = object_id
    return labels


@pytest.mark.parametrize(
    ("truth", "prediction", "expected"),
    [
        pytest.param(EMPTY, EMPTY, 1, id="both empty"),
        pytest.param(EMPTY, BLOB, 0, id="only the truth empty"),
        pytest.param(BLOB, EMPTY, 0, id="only the prediction empty"),
        pytest.param(FULL, FULL, 1, id="both full, no outline in either"),
        pytest.param(BLOB, BLOB, 1, id="equal"),
    ],
)
@pytest.mark.parametrize("metric", METRICS)
def test_edge_cases(metric, truth, prediction, expected) -> None:
    """The table of the specification holds for every measure."""
    assert load(METRICS[metric].function)(truth, prediction) == expected


@pytest.mark.parametrize("metric", METRICS)
def test_void_does_not_count(metric) -> None:
    """A prediction that goes beyond the truth only where the truth is void is as good as the truth."""
    void = EMPTY.copy()
    void[8:20, 30:38] = True
    assert load(METRICS[metric].function)(BLOB, BLOB | void, void) == 1
    assert load(METRICS[metric].function)(BLOB, BLOB | void) < 1
    assert load(METRICS[metric].function)(void, EMPTY, void) == 1


def test_one_pixel_shift() -> None:
    """A shift within the tolerance costs region but no contour."""
    shifted = np.roll(BLOB, 1, axis=1)
    assert contour_accuracy(BLOB, shifted) == 1
    assert region_similarity(BLOB, shifted) == pytest.approx(19 / 21)


def test_full_against_empty_differ_in_region_only() -> None:
    """A full mask has no outline, as an empty one has none: F 1, J 0."""
    assert region_similarity(FULL, EMPTY) == 0
    assert contour_accuracy(FULL, EMPTY) == 1


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.float32, np.int64])
def test_any_mask_dtype_will_do(dtype) -> None:
    """Foreground is whatever is not 0: 255 as good as True."""
    scale = 1 if dtype is bool else 255
    truth, prediction = (BLOB * scale).astype(dtype), (np.roll(BLOB, 2, axis=0) * scale).astype(dtype)
    assert region_similarity(truth, prediction) == pytest.approx(10 / 14)


def test_shapes_must_agree() -> None:
    """Different shapes are told, not broadcast."""
    with pytest.raises(ValueError, match=r"\(30, 40\).*\(30, 39\)"):
        region_similarity(BLOB, BLOB[:, 1:])
    with pytest.raises(ValueError, match="void"):
        contour_accuracy(BLOB, BLOB, void=EMPTY[:1])


@pytest.mark.parametrize(
    ("width", "height", "radius"), [(854, 480, 8), (910, 480, 9), (1152, 480, 10), (10, 10, 1)]
)
def test_radius(width, height, radius) -> None:
    """The tolerance follows the picture's diagonal."""
    assert boundary_radius(height, width) == radius


def test_a_bound_of_one_or_more_is_pixels() -> None:
    """It is used as it is."""
    assert boundary_radius(480, 854, 3) == 3
    with pytest.raises(ValueError, match="bound must be above 0, got 0"):
        contour_accuracy(BLOB, BLOB, bound=0)


def test_the_border_rules() -> None:
    """An object in the lower right corner has an outline only on its two inner sides."""
    corner = np.zeros((6, 6), bool)
    corner[3:, 3:] = True
    assert reference.boundary(corner) == [(2, 2), (2, 3), (2, 4), (2, 5), (3, 2), (4, 2), (5, 2)]
    dot = np.zeros((6, 6), bool)
    dot[5, 5] = True
    # Outlines (4,4) (4,5) (5,4) of the dot: two of three lie within 1 of the corner's.
    for bound in (1, 2):
        expected = reference.contour(corner, dot, bound=bound)
        assert contour_accuracy(corner, dot, bound=bound) == pytest.approx(expected, abs=1e-12)


@settings(max_examples=300)
@given(label_maps(3, highest=1), bounds, st.booleans())
def test_binary_masks_equal_the_reference(maps, bound, with_void) -> None:
    """Any two small masks, with void or without, score as the specification says."""
    truth, prediction, void = (m.astype(bool) for m in maps)
    void = void if with_void else None
    assert region_similarity(truth, prediction, void) == pytest.approx(
        reference.region(truth, prediction, void), abs=1e-12
    )
    assert contour_accuracy(truth, prediction, void, bound) == pytest.approx(
        reference.contour(truth, prediction, void, bound), abs=1e-12
    )


@settings(max_examples=100)
@given(label_maps(2, highest=4), bounds)
def test_all_pairs_of_label_maps_equal_the_reference(maps, bound) -> None:
    """Objects done together score as each pair done alone, also ids that do not occur."""
    check_all_pairs(*maps, ids=range(1, 6), bound=bound)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("radius", [1, 4, 8, 11])
def test_blobs_at_the_border_equal_the_reference(seed, radius) -> None:
    """Larger maps, larger disks, objects cut off by every side."""
    rng = np.random.default_rng(seed)
    check_all_pairs(blobs(rng, (47, 61), 3), blobs(rng, (47, 61), 3), ids=range(1, 4), bound=radius)


@pytest.mark.parametrize(
    "pattern",
    [
        pytest.param(np.indices((23, 31)).sum(axis=0) % 2, id="checkerboard"),
        pytest.param(np.indices((23, 31))[0] % 2, id="rows"),
        pytest.param(np.indices((23, 31))[1] % 3 == 0, id="columns"),
        pytest.param(np.eye(23, 31), id="diagonal"),
        pytest.param(np.pad(np.zeros((21, 29)), 1, constant_values=1), id="frame"),
        pytest.param(np.arange(23 * 31).reshape(23, 31) == 0, id="first pixel"),
        pytest.param(np.arange(23 * 31).reshape(23, 31) == 23 * 31 - 1, id="last pixel"),
    ],
)
def test_adversarial_patterns_equal_the_reference(pattern) -> None:
    """Thin, dense and border-hugging masks, against a blob and against themselves turned round."""
    mask = pattern.astype(np.uint8)
    for other in (blobs(np.random.default_rng(0), mask.shape, 1), mask[::-1, ::-1].copy()):
        check_all_pairs(mask, other, ids=[1], bound=2)
        check_all_pairs(other, mask, ids=[1], bound=6)


def test_more_objects_than_bits_in_a_word() -> None:
    """100 objects take several passes and score as one by one."""
    rng = np.random.default_rng(5)
    truth, prediction = blobs(rng, (90, 90), 100, per_id=1), blobs(rng, (90, 90), 100, per_id=1)
    ids = np.arange(1, 101)
    scores = contour_accuracies(pair_labels(truth, prediction), np.stack([ids, ids], axis=1), 2)
    for k in range(1, 101, 9):
        expected = reference.contour(truth == k, prediction == k, bound=2)
        assert scores[k - 1] == pytest.approx(expected, abs=1e-12)


def check_all_pairs(truth, prediction, ids, bound) -> None:
    """Compare J and F of every pair of ids with the reference."""
    pairs = np.array([(p, t) for t in ids for p in ids])
    labels = pair_labels(truth, prediction)
    j, f = region_similarities(labels, pairs), contour_accuracies(labels, pairs, bound)
    for (p, t), j_pair, f_pair in zip(pairs, j, f, strict=True):
        assert j_pair == pytest.approx(reference.region(truth == t, prediction == p), abs=1e-12)
        expected = reference.contour(truth == t, prediction == p, bound=bound)
        assert f_pair == pytest.approx(expected, abs=1e-12)
