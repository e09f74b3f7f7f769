"""Opacity of cut-outs."""

from __future__ import annotations

import numpy as np

from vos.ops.alpha import extend_colours, guided_filter, opacity
from vos.results import FrameResult


def disc(radius: float, size: int = 200) -> np.ndarray:
    """(size, size) bool."""
    rows, columns = np.mgrid[:size, :size]
    return (rows - size / 2) ** 2 + (columns - size / 2) ** 2 < radius**2


def test_refined_edges_follow_the_frame() -> None:
    """A mask two pixels too small and too large comes nearer to the edge in the frame."""
    true = disc(60)
    image = np.repeat(np.where(true, 200, 40).astype(np.uint8)[..., None], 3, axis=2)
    for rough in (disc(58.5), disc(61.5)):
        result = FrameResult(0, rough.astype(np.uint8), {1: 1.0})
        refined = opacity(image, result, edge="refined").astype(float) / 255
        assert np.abs(refined - true).mean() < 0.2 * np.abs(rough.astype(float) - true).mean()
        far = ~(disc(66) & ~disc(54))
        assert np.array_equal(refined[far] > 0, true[far])


def test_guided_filter_of_a_constant_guide_is_a_mean() -> None:
    """Without edges in the guide the filter is a twice repeated box mean; the guide itself comes back."""
    values = np.random.default_rng(0).random((20, 24)).astype(np.float32)
    flat = guided_filter(np.full_like(values, 0.5), values, 2, 1e-2)
    assert flat.std() < values.std() / 3
    assert abs(flat.mean() - values.mean()) < 0.02
    assert np.abs(guided_filter(values, values, 2, 1e-6) - values).max() < 1e-2


def test_objects_and_feather() -> None:
    """Chosen objects only; a feather keeps the area and blurs the edge."""
    labels = np.zeros((60, 60), np.uint8)
    labels[10:30, 10:30], labels[35:50, 35:50] = 1, 2
    image = np.zeros((60, 60, 3), np.uint8)
    result = FrameResult(0, labels, {1: 1.0, 2: 1.0})
    assert np.array_equal(opacity(image, result, [2]), (labels == 2) * 255)
    blurred = opacity(image, result, feather=1.5).astype(float) / 255
    assert abs(blurred.sum() - (labels > 0).sum()) < 5
    assert ((blurred > 0.02) & (blurred < 0.98)).sum() > 100


def test_extended_colours() -> None:
    """Colours inside are kept, the ring has them too, and beyond it is black."""
    image = np.full((20, 20, 3), 100, np.uint8)
    image[5:10, 5:10] = (250, 10, 30)
    alpha = np.zeros((20, 20), np.uint8)
    alpha[5:10, 5:10] = 255
    found = extend_colours(image, alpha)
    assert (found[3:12, 3:12] == (250, 10, 30)).all()
    assert not found[13:].any()
