"""Objects of neighbouring frames joined by overlap, for files that give masks but no identities."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from ..ops.iou import mask_iou
from .reading import Annotations
from .records import FrameRecord, ObjectMask

LEAST_IOU = 0.3


def link_by_iou(annotations: Annotations) -> Annotations:
    """The annotations with one id for masks of one category that overlap by an IoU of at least 0.3 from one
    frame to the next. One to one, the largest sum of IoU; numbered from 1 in order of appearance."""
    from scipy.optimize import linear_sum_assignment  # takes long to import

    new_ids: dict[int, int] = {}
    before: list[tuple[int, str | None, np.ndarray]] = []
    for record in annotations.records():
        now = [(o.object_id, annotations.categories.get(o.object_id), record.mask(o)) for o in record.visible]
        table = np.array([[_iou(a, b) for b in before] for a in now]).reshape(len(now), len(before))
        for row, column in zip(*linear_sum_assignment(-table), strict=True):
            if table[row, column] >= LEAST_IOU:
                new_ids[now[row][0]] = new_ids[before[column][0]]
        for object_id, _, _ in now:
            new_ids.setdefault(object_id, len(set(new_ids.values())) + 1)
        before = now
    for prompt in annotations.boxes:
        new_ids.setdefault(prompt.object_id, len(set(new_ids.values())) + 1)
    source = annotations.records

    def records() -> Iterator[FrameRecord]:
        for record in source():
            yield replace(record, objects=_renamed(record, new_ids))

    return replace(
        annotations,
        records=records,
        categories={new_ids[k]: text for k, text in annotations.categories.items() if k in new_ids},
        boxes=[replace(prompt, object_id=new_ids[prompt.object_id]) for prompt in annotations.boxes],
        notes=["objects of neighbouring frames were joined by overlap"],
    )


def _iou(a: tuple[int, str | None, np.ndarray], b: tuple[int, str | None, np.ndarray]) -> float:
    if a[1] != b[1] or a[2].shape != b[2].shape:
        return 0.0
    return mask_iou(a[2], b[2])


def _renamed(record: FrameRecord, ids: dict[int, int]) -> tuple[ObjectMask, ...]:
    objects = (
        replace(found, object_id=ids.get(found.object_id, found.object_id)) for found in record.objects
    )
    return tuple(sorted(objects, key=lambda found: found.object_id))
