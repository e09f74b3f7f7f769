"""What cut-outs have in common: which objects, and how their edges are."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import ImageColor

from ..frame import Frame
from ..ops.alpha import EDGES, foreground_colours, opacity
from ..results import FrameResult
from ..settings import override


@dataclass(frozen=True)
class CutoutOptions:
    """Options of all cut-outs.

    Raises:
        ValueError: for a value out of range.
    """

    edge: str = "hard"
    """``hard``, ``soft`` (the tracker's probabilities, so while tracking only) or ``refined`` (fitted to the
    frame by a guided filter)."""
    feather: float = 0.0
    """Standard deviation in pixels of a blur of the edge."""
    object: int | None = None
    """One object; None: all."""

    def __post_init__(self) -> None:
        if self.edge not in EDGES:
            raise ValueError(f"edge must be {', '.join(EDGES)}, got {self.edge!r}")
        if not 0 <= self.feather <= 100:
            raise ValueError(f"feather must be in 0..100 pixels, got {self.feather}")

    def opacity(self, frame: Frame, result: FrameResult, object_id: int | None = None) -> NDArray[np.uint8]:
        """(H, W) uint8 opacity of one object, or of those chosen."""
        chosen = self.object if object_id is None else object_id
        ids = None if chosen is None else (chosen,)
        return opacity(frame.image, result, ids, edge=self.edge, feather=self.feather)


@dataclass(frozen=True)
class ForegroundOptions(CutoutOptions):
    """Options of cut-outs that show the objects' colours alone."""

    decontaminate: bool = True
    """Where edges are soft, take the colours of the background out of those of the objects."""

    def colours(self, frame: Frame, alpha: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """(H, W, 3) RGB of the objects that ``alpha`` (H, W) is the opacity of."""
        return foreground_colours(frame.image, alpha) if self.decontaminate else frame.image

    def cut_out(self, frame: Frame, alpha: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """(H, W, 4) RGBA, straight alpha, all 0 where alpha is 0."""
        colours = self.colours(frame, alpha)
        return np.dstack([np.where(alpha[..., None] > 0, colours, np.uint8(0)), alpha])


def laid_over(kind: type[CutoutOptions], options: Mapping[str, Any] | None) -> Any:
    """The options laid over the defaults of ``kind``.

    Raises:
        SettingsError: for an unknown option or a value it cannot have.
    """
    return override(kind(), options or {})


def parse_colour(text: str) -> tuple[int, int, int]:
    """RGB of ``00ff00``, ``#00ff00`` or a name of CSS.

    Raises:
        ValueError: for anything else.
    """
    try:
        colour = ImageColor.getrgb(f"#{text}" if re.fullmatch(r"[0-9a-fA-F]{6}", text) else text)
    except ValueError:
        raise ValueError(f"background must be a colour such as 00ff00 or white, got {text!r}") from None
    return colour[0], colour[1], colour[2]
