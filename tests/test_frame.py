"""Frames and their names."""

from __future__ import annotations

import numpy as np
import pytest

from vos.frame import Frame

IMAGE = np.zeros((2, 3, 3), np.uint8)


def test_the_index_names_a_frame_without_a_name() -> None:
    """Five digits, or more."""
    assert [Frame(index, IMAGE).name for index in (0, 41, 123456)] == ["00000", "00041", "123456"]
    assert Frame(3, IMAGE, "dog-3").name == "dog-3"


@pytest.mark.parametrize("image", [IMAGE[..., 0], IMAGE.astype(np.float32), IMAGE[..., :2]])
def test_other_arrays_are_refused(image: np.ndarray) -> None:
    """Grey, floating and two-channel images."""
    with pytest.raises(ValueError, match="uint8"):
        Frame(0, image)
