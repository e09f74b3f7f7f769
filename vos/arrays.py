"""Types of arrays, for annotations; shapes and coordinates are in the docstrings of what takes them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
"""(H, W, 3) RGB, 0..255."""
Mask = NDArray[np.bool_]
"""(H, W), True on the object."""
Masks = NDArray[np.bool_]
"""(N, H, W), True on each object."""
Bools = NDArray[np.bool_]
"""Of any other shape."""
Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Integers = NDArray[np.int32]
