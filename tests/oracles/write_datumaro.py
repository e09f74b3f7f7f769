"""Datumaro writes masks: ``FORMAT LABELS.npy FOLDER``; the id is ``track_id`` and the group."""

import contextlib
import os
import sys

import datumaro as dm
import numpy as np

kind, path, out = sys.argv[1:]
names = {1: "car", 2: "pedestrian", 3: "car", 254: "dog"}
classes = ["car", "pedestrian", "dog"]
items = []
for frame, labels in enumerate(np.load(path)):
    masks = [
        dm.Mask(
            labels == k,
            id=int(k),
            group=int(k),
            label=classes.index(names[int(k)]),
            attributes={"track_id": int(k)},
        )
        for k in np.unique(labels)
        if k
    ]
    picture = dm.Image.from_numpy(np.zeros((*labels.shape, 3), np.uint8))
    items.append(dm.DatasetItem(f"{frame:05d}", subset="train", media=picture, annotations=masks))
with contextlib.redirect_stdout(open(os.devnull, "w")):
    dm.Dataset.from_iterable(items, categories=classes).export(out, kind, save_media=True)
