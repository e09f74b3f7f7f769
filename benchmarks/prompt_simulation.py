"""Simulated prompts and corrective clicks, for ``prompts.py``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import cv2
import numpy as np
from prompt_cases import Case

from vos.arrays import Bools
from vos.ops.boxes import tight_box
from vos.prompts import Prompt

STROKE = 6
"""Points of a stroke."""
CLICKS = (1, 2, 3, 6)
"""Numbers of clicks of which there are rows."""
JITTER = 0.1
"""Sides of the jittered box move by up to this share of its width or height."""


@dataclass(eq=False)
class Answer:
    """What a method made of a prompt."""

    mask: Bools
    seconds: float
    others: list[Bools] = field(default_factory=list)
    """All candidates, the mask among them."""
    scores: list[float] = field(default_factory=list)
    """Of the candidates."""
    signals: dict[str, float] = field(default_factory=dict)
    """What the expected J is predicted from."""


Method = Callable[[Case, Prompt], Answer]


def deepest(region: Bools) -> tuple[float, float] | None:
    """(x, y) of the pixel furthest from where ``region`` ends, the picture's border included."""
    distance = cv2.distanceTransform(np.pad(region.astype(np.uint8), 1), cv2.DIST_L2, 5)[1:-1, 1:-1]
    row, column = np.unravel_index(int(distance.argmax()), distance.shape)
    return (float(column), float(row)) if distance.max() > 0 else None


def box_prompt(case: Case, jitter: float) -> Prompt:
    """The tight box, each side moved by up to ``jitter`` of the box's extent across it."""
    x0, y0, x1, y1 = tight_box(case.truth) or (0, 0, 0, 0)
    height, width = case.truth.shape
    moved = np.array([x0, y0, x1, y1]) + case.rng.uniform(-jitter, jitter, 4) * np.tile(
        (x1 - x0 + 1, y1 - y0 + 1), 2
    )
    moved = np.clip(np.rint(moved), 0, np.tile((width - 1, height - 1), 2))
    return Prompt(box=np.concatenate([np.minimum(moved[:2], moved[2:]), moved[2:]]).astype(np.float32))


def rough_mask(case: Case) -> Bools:
    """The object as a tracker might hand it over: moved, grown or shrunk, with a bite, a hole and a lump."""
    rng, side = case.rng, float(case.truth.sum()) ** 0.5
    shift = np.rint(rng.uniform(-0.05, 0.05, 2) * side).astype(int)
    mask = cv2.warpAffine(
        case.truth.astype(np.uint8),
        np.array([[1, 0, shift[0]], [0, 1, shift[1]]], np.float32),
        case.truth.shape[::-1],
    )
    radius = max(1, round(0.04 * side * rng.uniform(0.5, 1.5)))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    smaller = cv2.erode(mask, kernel)
    mask = smaller if rng.random() < 0.5 and smaller.any() else cv2.dilate(mask, kernel)
    contour = np.argwhere(cv2.morphologyEx(mask, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)))
    inside = np.argwhere(mask)
    for places, value, size in ((contour, 0, 0.12), (contour, 1, 0.12), (inside, 0, 0.1)):
        row, column = places[rng.integers(len(places))]
        cv2.circle(mask, (int(column), int(row)), max(1, round(size * side)), value, -1)
    return mask > 0 if mask.any() else case.truth


def stroke(case: Case) -> list[tuple[float, float]]:
    """Some points along the skeleton-like middle of the object: the deepest pixels, far from each other."""
    distance = cv2.distanceTransform(np.pad(case.truth.astype(np.uint8), 1), cv2.DIST_L2, 5)[1:-1, 1:-1]
    places: list[tuple[float, float]] = []
    rows, columns = np.indices(distance.shape)
    for _ in range(STROKE):
        row, column = np.unravel_index(int(distance.argmax()), distance.shape)
        if distance[row, column] <= 1:
            break
        places.append((float(column), float(row)))
        away = (rows - row) ** 2 + (columns - column) ** 2
        distance = np.where(away < 0.05 * case.truth.sum(), 0, distance)
    return places


def anywhere(case: Case) -> tuple[float, float]:
    """A pixel of the object, any but the outermost where there are others."""
    inner = cv2.erode(case.truth.astype(np.uint8), np.ones((7, 7), np.uint8))
    rows, columns = np.nonzero(inner if inner.any() else case.truth)
    k = int(case.rng.integers(len(rows)))
    return float(columns[k]), float(rows[k])


def ask(method: Method, case: Case, kind: str) -> list[Answer]:
    """The answers to a kind of prompt, the last of which counts; a corrective click goes to the deepest point
    of the largest error."""
    if kind in ("box", "jittered box"):
        return [method(case, box_prompt(case, JITTER if kind == "jittered box" else 0.0))]
    if kind.startswith("rough mask"):
        mask = rough_mask(case)
        if kind == "rough mask and box":
            return [method(case, replace(box_prompt(case, 0.0), mask=mask))]
        if kind == "rough mask and click":
            missed, wrong = largest_part(case.truth & ~mask), largest_part(mask & ~case.truth)
            on = missed.sum() >= wrong.sum()
            point = deepest(missed if on else wrong) or deepest(case.truth)
            return [method(case, replace(clicks([point], [int(on)]), mask=mask))]
        return [method(case, Prompt(mask=mask))]
    if kind == "stroke":
        points = stroke(case)
        return [method(case, clicks(points, [1] * len(points)))]
    points, labels = [anywhere(case) if kind == "click anywhere" else deepest(case.truth)], [1]
    answers = [method(case, clicks(points, labels))]
    while len(answers) < (max(CLICKS) if kind == "clicks" else 1):
        missed, wrong = case.truth & ~answers[-1].mask, answers[-1].mask & ~case.truth
        largest = max((largest_part(missed), 1), (largest_part(wrong), 0), key=lambda e: int(e[0].sum()))
        point = deepest(largest[0])
        if point is None:
            break
        points.append(point)
        labels.append(largest[1])
        answers.append(method(case, clicks(points, labels)))
    return answers


def clicks(points: list[Any], labels: list[int]) -> Prompt:
    """A prompt of points alone."""
    return Prompt(points=np.array(points, np.float32), labels=np.array(labels, np.int64))


def largest_part(mask: Bools) -> Bools:
    """The largest connected part."""
    count, parts, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    return parts == 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax()) if count > 1 else mask
