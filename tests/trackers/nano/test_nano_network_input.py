"""Images are brought to the network's size."""

from __future__ import annotations

import numpy as np

from vos.trackers.nano.network_input import padded, smaller


def test_pictures_are_brought_to_size() -> None:
    """Smaller where they are too large, never larger; padded to multiples of 32 by their border."""
    assert smaller((100, 200), 5000) == (50, 100)
    assert smaller((30, 40), 5000) == (30, 40)
    picture = np.random.default_rng(0).integers(0, 256, (33, 64, 3), dtype=np.uint8)
    whole, size = padded(picture)
    assert whole.shape == (64, 64, 3)
    assert size == (33, 64)
    np.testing.assert_array_equal(whole[:33], picture)
    np.testing.assert_array_equal(whole[50], picture[32])
