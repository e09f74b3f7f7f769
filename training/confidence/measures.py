"""How well confidence predicts J."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from vos.arrays import Doubles


def auroc(predicted: Doubles, bad: NDArray[np.bool_]) -> float:
    """Area under the ROC curve of finding bad masks by low confidence; NaN if all or none are bad."""
    count = int(bad.sum())
    if count in (0, len(bad)):
        return float("nan")
    ranks = stats.rankdata(-predicted)
    return float((ranks[bad].sum() - count * (count + 1) / 2) / (count * (len(bad) - count)))


def reliability(predicted: Doubles, j: Doubles, bins: int = 10) -> list[dict[str, float]]:
    """Mean confidence, mean J and number of rows in each of ``bins`` equal parts of 0..1 that has any."""
    part = np.minimum((predicted * bins).astype(int), bins - 1)
    return [
        {
            "confidence": float(predicted[part == k].mean()),
            "j": float(j[part == k].mean()),
            "rows": int((part == k).sum()),
        }
        for k in range(bins)
        if (part == k).any()
    ]


def expected_calibration_error(curve: Sequence[dict[str, float]]) -> float:
    """Mean distance of confidence and J over the parts of :func:`reliability`, weighted by rows."""
    rows = sum(part["rows"] for part in curve)
    return sum(abs(part["confidence"] - part["j"]) * part["rows"] for part in curve) / rows


def scores(predicted: Doubles, j: Doubles) -> dict[str, float]:
    """How well confidence predicts J."""
    return {
        "spearman": float(stats.spearmanr(predicted, j).statistic),
        "auroc_j50": auroc(predicted, j < 0.5),
        "auroc_j75": auroc(predicted, j < 0.75),
        "ece": expected_calibration_error(reliability(predicted, j)),
    }
