"""What every engine does with masks that the user gives."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..frame import Frame
from ..masks import Segmentation

Labels = NDArray[np.uint8]


def corrected(labels: Labels, given: Segmentation) -> Labels:
    """``labels`` where the objects in ``given`` have exactly the masks given, and others keep what is not
    claimed."""
    result = labels.copy()
    result[np.isin(labels, given.ids)] = 0
    claimed = np.isin(given.labels, given.ids)
    result[claimed] = given.labels[claimed]
    return result


def check_size(frame: Frame, labels: Labels) -> None:
    """Refuse masks that do not cover the frame pixel by pixel.

    Raises:
        InputError: naming the frame and both sizes.
    """
    if frame.size != labels.shape:
        raise InputError(
            f"frame {frame.name!r} is {frame.size[1]}x{frame.size[0]} pixels, the masks are "
            f"{labels.shape[1]}x{labels.shape[0]}; all frames and masks of a video must have one size"
        )
