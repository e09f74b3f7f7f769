"""Numbers: how good masks are. Reads folders, ours or anyone's, and knows nothing of tracking. No torch."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .boundary import contour_accuracy as contour_accuracy
    from .boundary_iou import boundary_iou as boundary_iou
    from .davis import evaluate_davis as evaluate_davis
    from .region import region_similarity as region_similarity
    from .registry import METRICS as METRICS

_HOME = {
    "METRICS": ".registry",
    "boundary_iou": ".boundary_iou",
    "contour_accuracy": ".boundary",
    "evaluate_davis": ".davis",
    "region_similarity": ".region",
}
"""Public name -> the module it comes from."""

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME[name], __name__), name)
