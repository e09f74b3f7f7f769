"""Label Studio's bit stream."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from vos.ops.brush import decode_brush, encode_brush

MASKS = hnp.arrays(bool, hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=30))


@given(mask=MASKS)
def test_comes_back(mask: np.ndarray) -> None:
    """Any mask is decoded to itself; the header is the one that is documented."""
    data = encode_brush(mask)
    assert int.from_bytes(bytes(data[:4]), "big") == 4 * mask.size
    assert data[4:6] == [57, 27]
    assert data[6] & 0b1111_1100 == 252
    assert np.array_equal(decode_brush(data, mask.shape), mask)


def test_runs_longer_than_a_block() -> None:
    """A run of more than 65,536 values is cut."""
    mask = np.zeros((200, 300), bool)
    mask[50:190, 1:] = True
    assert np.array_equal(decode_brush(encode_brush(mask), mask.shape), mask)


def test_literal_values() -> None:
    """A block of literal words, which we never write, is read."""
    bits = f"{4:032b}" + f"{7:05b}" + "0010" + "0011" + "0111" + "1111"
    bits += "0" + "00" + f"{3:03b}" + "".join(f"{v:08b}" for v in (9, 9, 9, 255))
    bits += "0" * (-len(bits) % 8)
    data = [int(bits[i : i + 8], 2) for i in range(0, len(bits), 8)]
    assert decode_brush(data, (1, 1)).tolist() == [[True]]


@given(data=st.lists(st.integers(0, 255), max_size=40))
def test_damage_is_refused(data: list[int]) -> None:
    """Bytes that are no mask of this size lead to ValueError and nothing else."""
    with contextlib.suppress(ValueError):
        assert decode_brush(data, (3, 5)).shape == (3, 5)


@pytest.mark.parametrize("data", [[300], ["a"], None, [-1]])
def test_other_things_are_refused(data: object) -> None:
    """What is not a list of bytes."""
    with pytest.raises(ValueError, match="bytes"):
        decode_brush(data, (3, 5))  # type: ignore[arg-type]
