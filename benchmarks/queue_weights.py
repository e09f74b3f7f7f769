"""The weights of the review queue's signals, fitted to tracked masks whose J is known.

The doubt ``u = 1 - product(1 - w * v)`` over signals v with weights w is made the likeliest probability of
"J < 0.75". What it is worth on sequences that it was not fitted to comes from cross-validation: the sequences
are divided among five folds, and the doubt of each is computed with weights fitted to the others. Fitted
weights take the place of those that stand only if their doubt of such sequences tells bad masks apart better.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from common import write_json
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.stats import rankdata

from vos.arrays import Bools, Doubles
from vos.files import write_text_atomic
from vos.projects.queue import queue_weights
from vos.projects.signals import SIGNALS

BAD = 0.75
FOLDS = 5
BOUNDS = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
"""Of the doubt of masks that are accepted without being looked at."""
USUAL = 0.4
"""Weight of a signal of which the data say nothing."""
FITTED_ON = ("queue", "even", "random")
"""Policies whose masks are fitted to: those that do not know the truth."""
Model = Callable[[Doubles], Doubles]
"""(M, S) signals -> (M,) doubts."""


def noisy_or(weights: Doubles) -> Model:
    """The queue's doubt."""
    return lambda values: 1 - np.prod(1 - weights * values, axis=1)


def fit_noisy_or(values: Doubles, bad: Bools) -> Doubles:
    """(S,) weights in 0..0.95 of the likeliest doubt; of a signal that never occurs it is :data:`USUAL`."""

    def loss(weights: Doubles) -> float:
        u = np.clip(noisy_or(weights)(values), 1e-3, 1 - 1e-3)
        missed = -np.where(bad, np.log(u), np.log(1 - u)).mean()
        return float(missed + 1e-4 * ((weights - USUAL) ** 2).sum())

    bounds = [(0.0, 0.95)] * values.shape[1]
    return np.asarray(minimize(loss, np.full(values.shape[1], USUAL), bounds=bounds).x)


def fit_logistic(values: Doubles, bad: Bools) -> Model:
    """Logistic regression, for comparison: it may let a signal speak for a mask."""

    def loss(parameters: Doubles) -> float:
        scores = parameters[0] + values @ parameters[1:]
        signs = np.where(bad, 1.0, -1.0)
        return float(np.logaddexp(0, -signs * scores).mean() + 1e-4 * (parameters[1:] ** 2).sum())

    found = minimize(loss, np.zeros(1 + values.shape[1])).x
    return lambda some: 1 / (1 + np.exp(-(found[0] + some @ found[1:])))


def auroc(scores: Doubles, positive: Bools) -> float:
    """Area under the ROC curve: the chance that a positive scores above a negative, ties count half."""
    count = int(positive.sum())
    if count in (0, len(positive)):
        return float("nan")
    ranks = rankdata(scores)
    return float((ranks[positive].sum() - count * (count + 1) / 2) / (count * (len(positive) - count)))


def held_out(
    fit: Callable[[Doubles, Bools], Model], values: Doubles, bad: Bools, sequence: NDArray[np.str_]
) -> Doubles:
    """(M,) doubts of every mask by what was fitted to the other sequences."""
    names = sorted(set(sequence.tolist()))
    fold = {name: number % FOLDS for number, name in enumerate(names)}
    folds = np.array([fold[name] for name in sequence.tolist()])
    doubts = np.zeros(len(values))
    for number in set(folds.tolist()):
        doubts[folds == number] = fit(values[folds != number], bad[folds != number])(values[folds == number])
    return doubts


def fit_queue(rows: list[dict[str, Any]], asset: Path, report: Path) -> None:
    """Fit the weights to the rows of ``corrections.py``, and write them and what they are worth."""
    used = [row for row in rows if row["policy"] in FITTED_ON]
    if len({row["sequence"] for row in used}) < 2:
        raise SystemExit(
            "there are no annotators of two sequences to fit to: run corrections.py without --fit"
        )
    names = list(SIGNALS)
    samples = [
        (row["sequence"], row["model"], j, signals, distance, is_filled)
        for row in used
        for j, signals, _, _, distance, is_filled, _ in row["samples"]
    ]
    sequence = np.array([sample[0] for sample in samples])
    model = np.array([sample[1] for sample in samples])
    j = np.array([sample[2] for sample in samples])
    bad = j < BAD
    if bad.all() or not bad.any():
        raise SystemExit(
            f"{int(bad.sum())} of {len(bad)} masks have J < {BAD}: there is nothing to tell apart"
        )
    values = np.array([[sample[3].get(name, 0.0) for name in names] for sample in samples])
    weights = fit_noisy_or(values, bad)
    before = np.array([queue_weights().get(name, 0.0) for name in names])
    doubts = {
        "u, cross-validated": held_out(lambda v, b: noisy_or(fit_noisy_or(v, b)), values, bad, sequence),
        "u, fitted to all": noisy_or(weights)(values),
        "u, weights of before": noisy_or(before)(values),
        "logistic regression, cross-validated": held_out(fit_logistic, values, bad, sequence),
        "score alone": values[:, names.index("score")],
    }
    areas = {
        chosen: {what: round(auroc(u[mask], bad[mask]), 4) for what, u in doubts.items()}
        for chosen, mask in [("all", np.ones(len(bad), bool)), *((m, model == m) for m in sorted(set(model)))]
    }
    single = {name: round(auroc(values[:, column], bad), 4) for column, name in enumerate(names)}
    fitted_on = {
        "sequences": len(set(sequence.tolist())),
        "models": sorted(set(model.tolist())),
        "masks": len(bad),
        "bad masks": int(bad.sum()),
        "cut": sorted({(row["frames"], row["size"]) for row in used}),
    }
    found = {name: round(float(weight), 3) for name, weight in zip(names, weights, strict=True)}
    distance, is_filled = (np.array([sample[at] for sample in samples]) for at in (4, 5))
    is_better = areas["all"]["u, cross-validated"] > areas["all"]["u, weights of before"]
    kept = found if is_better else {name: round(float(w), 3) for name, w in zip(names, before, strict=True)}
    u = doubts["u, fitted to all" if is_better else "u, weights of before"]
    errors = fit_errors(1 - j, u, distance.astype(float), is_filled)
    write_asset(asset, kept, errors, {**fitted_on, "weights": "fitted" if is_better else "kept"})
    write_json(
        report,
        "review_queue",
        {"bad": BAD, "folds": FOLDS, "policies": FITTED_ON, **fitted_on},
        [{"weights": found, "errors": errors, "auroc": areas, "auroc of single signals": single}],
    )
    print(
        json.dumps(
            {"weights": found, "errors": errors, "auroc": areas, "single": single, **fitted_on}, indent=1
        )
    )


def measure_accepted(rows: list[dict[str, Any]], asset: Path, report: Path) -> None:
    """What is wrong among the masks that the queue has no doubt about, by the bound of the doubt.

    Args:
        rows: of ``corrections.py``, of whole sequences: in short ones fewer are wrong.
        asset: the shares are added to it.
    """
    samples = [
        (row["model"], j, signals)
        for row in rows
        if row["policy"] in FITTED_ON
        for j, signals, *_ in row["samples"]
    ]
    j = np.array([sample[1] for sample in samples])
    names = list(SIGNALS)
    weights = np.array([queue_weights().get(name, 0.0) for name in names])
    u = noisy_or(weights)(np.array([[sample[2].get(name, 0.0) for name in names] for sample in samples]))
    found = [
        {
            "u below": bound,
            "masks": int((u < bound).sum()),
            "share of all": round(float((u < bound).mean()), 3),
            f"J < {BAD}": round(float((j[u < bound] < BAD).mean()), 4),
            "J < 0.5": round(float((j[u < bound] < 0.5).mean()), 4),
        }
        for bound in BOUNDS
    ]
    content = json.loads(asset.read_text(encoding="utf-8"))
    wrong = {str(row["u below"]): row[f"J < {BAD}"] for row in found}
    write_text_atomic(asset, json.dumps({**content, "wrong below": wrong}, indent=2) + "\n")
    area = round(auroc(u, j < BAD), 4)
    alone = round(auroc(np.array([s[2].get("score", 0.0) for s in samples]), j < BAD), 4)
    about = {
        "models": sorted({sample[0] for sample in samples}),
        "sequences": sorted({row["sequence"] for row in rows}),
        "auroc of u": area,
        "auroc of score alone": alone,
    }
    write_json(report, "review_accepted", about, found)
    print(json.dumps({**about, "rows": found}, indent=1))


def fit_errors(errors: Doubles, u: Doubles, distance: Doubles, is_filled: Bools) -> dict[str, float]:
    """What :class:`vos.projects.benefit.ErrorModel` holds, by least squares.

    The usual errors are those of all masks; the doubt tells which of them are larger.

    Args:
        errors: (M,) 1 - J.
        u: (M,) doubts.
        distance: (M,) frames from the nearest locked frame.
    """

    def usual(parameters: Doubles) -> Doubles:
        size, growth, filled = parameters
        return np.asarray(size * distance**growth * np.where(is_filled, filled, 1.0))

    def loss(parameters: Doubles) -> float:
        return float(((errors - usual(parameters)) ** 2).mean())

    bounds = [(0.001, 1.0), (0.0, 1.0), (0.0, 1.0)]
    found = minimize(loss, np.array([0.1, 0.2, 0.7]), bounds=bounds, method="Nelder-Mead").x
    slope = float(np.cov(errors - usual(found), u)[0, 1] / u.var())
    names = ("usual", "growth", "filled", "bad")
    return {
        name: round(float(value), 3) for name, value in zip(names, (*found, max(slope, 0.0)), strict=True)
    }


def write_asset(
    path: Path, weights: Mapping[str, float], errors: Mapping[str, float], fitted_on: Mapping[str, Any]
) -> None:
    """The file that the queue reads."""
    kept = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    content = {
        **kept,
        "about": "Doubt in the review queue, u = 1 - product(1 - weight * signal), and expected errors.",
        "command": "python benchmarks/corrections.py --fit",
        "fitted_on": fitted_on,
        "weights": weights,
        "errors": errors,
    }
    write_text_atomic(path, json.dumps(content, indent=2) + "\n")
