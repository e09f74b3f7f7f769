"""Datumaro reads: ``FORMAT PATH``; the id is ``track_id``, else the group, else the id."""

import contextlib
import os
import sys

import datumaro as dm
from common import report

kind, path = sys.argv[1:]
with contextlib.redirect_stdout(open(os.devnull, "w")):
    dataset = dm.Dataset.import_from(path, kind)
labels = dataset.categories()[dm.AnnotationType.label]
masks = []
for item in dataset:
    for a in item.annotations:
        if a.type == dm.AnnotationType.mask:
            number = a.attributes.get("track_id", a.group or a.id)
            frame = int(item.id.rsplit("_", 1)[-1].rsplit("/", 1)[-1])
            masks.append((frame, int(number), labels[a.label].name, a.image))
report(masks)
