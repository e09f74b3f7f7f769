"""Numbers: how good masks are. Reads folders, ours or anyone's, and knows nothing of tracking. No torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..lazy import lazy_names

if TYPE_CHECKING:
    from .boundary import contour_accuracy as contour_accuracy
    from .boundary_band import boundary_iou as boundary_iou
    from .davis import evaluate_davis as evaluate_davis
    from .region import region_similarity as region_similarity
    from .registry import METRICS as METRICS
else:
    __all__, __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "METRICS": ".registry",
            "boundary_iou": ".boundary_band",
            "contour_accuracy": ".boundary",
            "evaluate_davis": ".davis",
            "region_similarity": ".region",
        },
    )
