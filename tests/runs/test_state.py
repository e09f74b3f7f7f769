"""Tracker state survives the way to disk and back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from vos.runs.state import dump_state, load_state


def same(left: Any, right: Any) -> bool:
    """Equal in value and type, all the way down."""
    if type(left) is not type(right):
        return False
    if isinstance(left, np.ndarray):
        return left.dtype == right.dtype and left.shape == right.shape and np.array_equal(left, right)
    if isinstance(left, dict):
        return list(left) == list(right) and all(same(left[key], right[key]) for key in left)
    if isinstance(left, (list, tuple)):
        return len(left) == len(right) and all(map(same, left, right))
    return bool(left == right)


@pytest.mark.parametrize(
    "state",
    [
        {},
        None,
        {"a": 1, "b": 2.5, "c": "é", "d": None, "e": True, "f": [1, [2, []]], "g": (1, ("x",))},
        {1: {"mask": np.zeros((2, 3), bool)}, 2: {"mask": np.ones((0, 3), bool)}},
        {"$": "a key that looks like a mark", "$kind": 1},
        {"third": 0.1 + 0.2, "tiny": 5e-324, "big": 10**30, "inf": float("inf")},
        {"scalar": np.float32(0.1), "flag": np.bool_(True), "zero_d": np.array(3, np.int16)},
        {"dtypes": [np.arange(3, dtype=d) for d in ("u1", "i8", "f2", "f4", "f8", "c8")]},
        {"text": np.array(["left", "right"])},
    ],
)
def test_state_comes_back_equal(state: Any) -> None:
    """Values, types, key order and dtypes are those that went in."""
    assert same(load_state(dump_state(state)), state)


def test_nan_comes_back() -> None:
    """NaN is a number like any other, alone and in arrays."""
    state = load_state(dump_state({"x": float("nan"), "a": np.array([np.nan, 1.0])}))
    assert state["x"] != state["x"]
    assert np.array_equal(state["a"], [np.nan, 1.0], equal_nan=True)


def test_views_and_memory_order() -> None:
    """A strided view comes back as its values; a Fortran array stays one."""
    grid = np.arange(24).reshape(4, 6)
    state = load_state(dump_state({"view": grid[::2, ::-1], "fortran": np.asfortranarray(grid)}))
    assert np.array_equal(state["view"], grid[::2, ::-1])
    assert state["fortran"].flags.f_contiguous


def test_the_same_array_twice() -> None:
    """Names in the archive do not collide when the tree is deep."""
    arrays = [np.full(2, i) for i in range(12)]
    state = load_state(dump_state({"a": arrays, "b": {"c": arrays[::-1]}}))
    assert [int(a[0]) for a in state["a"] + state["b"]["c"]] == [*range(12), *range(11, -1, -1)]


@pytest.mark.parametrize("value", [object(), {1, 2}, np.array([{}], dtype=object), b"bytes"])
def test_other_types_are_refused(value: Any) -> None:
    """What cannot be written faithfully is refused, saying where it sits."""
    with pytest.raises(TypeError, match=r"state\['objects'\]\[1\]"):
        dump_state({"objects": [0, value]})


@pytest.mark.parametrize("cut", [0, 10, 0.5, -1])
def test_half_a_file_is_refused(cut: float) -> None:
    """A truncated archive is an error, not a wrong state."""
    data = dump_state({"a": np.arange(1000)})
    end = int(len(data) * cut) if 0 < cut < 1 else int(cut)
    with pytest.raises(ValueError, match="not a whole snapshot"):
        load_state(data[:end])


def test_pickles_are_refused() -> None:
    """An archive with a pickled object in it is not loaded."""
    import io

    buffer = io.BytesIO()
    np.savez(buffer, tree=np.array([print], dtype=object))
    with pytest.raises(ValueError, match="not a whole snapshot"):
        load_state(buffer.getvalue())
