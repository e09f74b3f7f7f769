"""Run lengths: exact both ways, equal to pycocotools, and damaged ones refused before memory is taken."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pycocotools import mask as coco_mask

from vos.ops.rle import (
    check_counts,
    compress,
    counts_area,
    counts_box,
    counts_centroid,
    decode_counts,
    decode_row_runs,
    decompress,
    encode_counts,
    label_counts,
    mask_fields,
    paint_counts,
    parse_coco_rle,
    row_runs,
)

MASKS = hnp.arrays(bool, hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=40))
LABELS = hnp.arrays(
    np.uint16,
    hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=30),
    elements=st.sampled_from([0, 0, 0, 1, 2, 254, 255, 300]),
)


@given(mask=MASKS)
def test_equal_to_pycocotools(mask: np.ndarray) -> None:
    """String, box and area are those of pycocotools; everything comes back."""
    size = mask.shape
    counts = encode_counts(mask)
    theirs = coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))
    assert compress(counts) == theirs["counts"].decode()
    assert np.array_equal(decompress(compress(counts)), counts)
    assert np.array_equal(decode_counts(counts, size), mask)
    assert counts_area(counts) == mask.sum()
    fields = mask_fields(mask)
    assert fields["bbox"] == list(coco_mask.toBbox(theirs))
    assert fields["area"] == float(coco_mask.area(theirs))
    assert np.array_equal(decode_row_runs(row_runs(mask).tolist(), size), mask)


@given(labels=LABELS)
def test_label_map_in_one_pass(labels: np.ndarray) -> None:
    """Every object but background and void, as if encoded alone; painting gives the map back."""
    counts = label_counts(labels)
    assert list(counts) == [k for k in np.unique(labels).tolist() if k not in (0, 255)]
    painted = np.zeros(labels.T.shape, np.uint16)
    for object_id, runs in counts.items():
        assert np.array_equal(runs, encode_counts(labels == object_id))
        assert paint_counts(painted, runs, object_id) == 0
    assert np.array_equal(painted.T, np.where(labels == 255, 0, labels))


def test_known_counts() -> None:
    """Zeros first, down the columns."""
    mask = np.array([[1, 0], [1, 1], [0, 1]], bool)
    assert encode_counts(mask).tolist() == [0, 2, 2, 2]
    assert encode_counts(~mask).tolist() == [2, 2, 2]
    assert row_runs(mask).tolist() == [0, 1, 1, 2, 1, 1]
    assert compress(np.array([0, 2, 2, 2])) == "0220"
    assert counts_box(encode_counts(mask), 3) == (0, 0, 1, 2)
    assert counts_centroid(encode_counts(mask), 3) == (0.5, 1.0)


def test_overlap_is_counted() -> None:
    """A pixel that is taken stays, and is counted."""
    across = np.zeros((2, 3), np.uint8)
    first = encode_counts(np.array([[1, 0], [1, 0], [0, 0]], bool))
    second = encode_counts(np.array([[0, 0], [1, 1], [1, 0]], bool))
    assert paint_counts(across, first, 1) == 0
    assert paint_counts(across, second, 2) == 1
    assert across.T.tolist() == [[1, 0], [1, 2], [2, 0]]


@pytest.mark.parametrize(
    ("counts", "size"),
    [
        ([1, 2], [2, 2]),
        ([-1, 5], [2, 2]),
        ([4.0], [2, 2]),
        ([[4]], [2, 2]),
        (["4"], [2, 2]),
        ([4], [2, 2, 1]),
        ([10**18], [10**9, 10**9]),
        ([0], [0, 5]),
        ([4], ["2", 2]),
        ([2**70], [2, 2]),
    ],
)
def test_damaged_counts_are_refused(counts: list, size: list) -> None:
    """Wrong sums, negative and broken numbers, absurd sizes."""
    with pytest.raises(ValueError, match=r"."):
        parse_coco_rle({"counts": counts, "size": size})


@given(text=st.text(max_size=30))
@settings(max_examples=200)
def test_any_text_is_read_or_refused(text: str) -> None:
    """No text leads to another error than ValueError, or to a huge array."""
    try:
        counts = check_counts(decompress(text), (7, 9))
    except ValueError:
        return
    assert counts.sum() == 63
