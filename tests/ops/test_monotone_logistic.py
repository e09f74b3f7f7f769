"""The calibration map: its values, and that it never falls when a signal improves."""

from __future__ import annotations

import pytest

from vos.ops.monotone_logistic import MonotoneLogistic, load_models


def test_values() -> None:
    """The logistic of the weighted sum; signals without a weight count nothing, extremes do not overflow."""
    model = MonotoneLogistic(-1.0, {"a": 2.0})
    assert model({"a": 0.5, "b": 7.0}) == pytest.approx(0.5)
    assert model({"a": 1e9}) == pytest.approx(1)
    assert model({"a": -1e9}) == pytest.approx(0)


def test_negative_weights_are_refused() -> None:
    """A confidence that falls when a signal improves would be no calibration."""
    with pytest.raises(ValueError, match="b"):
        MonotoneLogistic(0.0, {"a": 1.0, "b": -0.1})


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("classical", {"tracked"}),
        ("graph_cut", {"box", "click", "points"}),
        ("interactive", {"box", "click", "points"}),
        ("nano", {"tracked", "box", "click", "points"}),
    ],
)
def test_packaged_models_load(name: str, kinds: set[str]) -> None:
    """Every tracker and backbone that is calibrated has its models, and none of them is constant."""
    models = load_models(name)
    assert set(models) == kinds
    assert all(sum(model.weights.values()) > 0 for model in models.values())
