"""Which of the objects found by name are followed already, which come back, and which are new."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..ops.iou import mask_iou
from ..results import FrameResult
from .class_names import ClassInstance

MATCH_IOU = 0.3
"""IoU with a track's mask from which on a detection is that track: below any overlap of two objects side by
side, and above what is left when only a part of an object is found."""
MOSTLY = 0.5
"""A detection with more than this share of its pixels on tracks is nothing new."""


@dataclass(frozen=True)
class Association:
    """Rows of the instances, by what they are."""

    followed: dict[int, int]
    """Row -> id of the track it lies on."""
    returned: dict[int, int]
    """Row -> id of a lost track of its class."""
    new: tuple[int, ...]
    """Rows of detections without a track."""


def associate(
    instances: Sequence[ClassInstance],
    tracked: FrameResult,
    names: Mapping[int, str],
    last_place: Mapping[int, tuple[float, float]],
    *,
    reidentify: bool = True,
) -> Association:
    """Tell followed, returned and new objects apart.

    Finds go to tracks of their class by the assignment with the largest sum of mask IoU, pairs below
    :data:`MATCH_IOU` left out. A detection that is none of them is dropped if it lies mostly on tracks, or if
    what drew most attention does. The others go to the lost tracks of their class (no pixel in ``tracked``),
    by the smallest sum of distances to where these were seen last; what remains is new.

    Args:
        instances: found in one frame.
        tracked: what the tracker makes of that frame.
        names: class of every track by id.
        last_place: (x, y) of every track when it was last seen, in pixels.
        reidentify: whether lost tracks may come back.
    """
    masks = [entry.mask for entry in instances]
    visible = [i for i in tracked.ids if (tracked.labels == i).any()]
    overlaps = np.zeros((len(masks), len(visible)))
    for row, (entry, mask) in enumerate(zip(instances, masks, strict=True)):
        for column, object_id in enumerate(visible):
            if names.get(object_id) == entry.name:
                overlaps[row, column] = mask_iou(mask, tracked.mask(object_id))
    followed = {
        row: visible[column] for row, column in assign(overlaps) if overlaps[row, column] >= MATCH_IOU
    }
    free = [
        row for row, entry in enumerate(instances) if row not in followed and not _on_track(entry, tracked)
    ]
    lost = [i for i in names if i not in visible and i in last_place] if reidentify else []
    returned = _returned(instances, free, lost, names, last_place)
    return Association(followed, returned, tuple(row for row in free if row not in returned))


def _on_track(entry: ClassInstance, tracked: FrameResult) -> bool:
    """Whether a detection shows a tracked object: by most of its mask, or by its highest attention."""
    followed = tracked.labels > 0
    if entry.point is not None and followed[entry.point[1], entry.point[0]]:
        return True
    mask = entry.mask
    return bool((mask & followed).sum() > MOSTLY * mask.sum())


def assign(gains: NDArray[np.float64]) -> list[tuple[int, int]]:
    """(row, column) pairs of the assignment with the largest sum of ``gains`` (N, M)."""
    from scipy.optimize import linear_sum_assignment  # takes long to import

    rows, columns = linear_sum_assignment(gains, maximize=True)
    return list(zip(rows.tolist(), columns.tolist(), strict=True))


def _returned(
    instances: Sequence[ClassInstance],
    free: Sequence[int],
    lost: Sequence[int],
    names: Mapping[int, str],
    last_place: Mapping[int, tuple[float, float]],
) -> dict[int, int]:
    """Free row -> lost id of the same class, nearest in sum."""
    result: dict[int, int] = {}
    for name in dict.fromkeys(instances[row].name for row in free):
        rows = [row for row in free if instances[row].name == name]
        ids = [i for i in lost if names[i] == name]
        if not ids:
            continue
        here = np.array([centre(instances[row].mask) for row in rows])
        there = np.array([last_place[i] for i in ids])
        distances = np.linalg.norm(here[:, None] - there[None], axis=2)
        result |= {rows[a]: ids[b] for a, b in assign(-distances)}
    return result


def centre(mask: NDArray[np.bool_]) -> tuple[float, float]:
    """(x, y) mean of the True pixels of a mask that has some."""
    rows, columns = np.nonzero(mask)
    return float(columns.mean()), float(rows.mean())
