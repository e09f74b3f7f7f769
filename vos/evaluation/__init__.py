"""Numbers: how good masks are. Reads folders, ours or anyone's, and knows nothing of tracking. No torch."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

from .boundary import contour_accuracy
from .boundary_iou import boundary_iou
from .region import region_similarity

__all__ = ["DATASETS", "METRICS", "boundary_iou", "contour_accuracy", "region_similarity"]


def _lazy(module: str, function: str) -> Callable[..., Any]:
    """A function that imports its module when it is called: naming a data set costs nothing."""

    def call(*args: Any, **options: Any) -> Any:
        return getattr(import_module(module, __package__), function)(*args, **options)

    return call


METRICS: dict[str, Callable[..., float]] = {
    "J": region_similarity,
    "F": contour_accuracy,
    "bIoU": boundary_iou,
}
"""Name -> measure of two masks: ``(truth, prediction, void=None)``, each (H, W), to a fraction."""

DATASETS: dict[str, Callable[..., Any]] = {
    "davis": _lazy(".davis", "evaluate_davis"),
    "vos": _lazy(".vos_sets", "evaluate_vos"),
    "perseg": _lazy(".perseg", "evaluate_perseg"),
}
"""Name -> ``(results, root, ...)`` to a report with ``to_dict()`` and ``table()``."""
