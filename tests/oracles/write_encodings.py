"""label_studio_sdk and cvat_sdk encode masks: ``LABELS.npy``; prints both lists by frame and object."""

import json
import sys

import numpy as np
from cvat_sdk.masks import encode_mask
from label_studio_sdk.converter.brush import mask2rle

found = []
for frame, labels in enumerate(np.load(sys.argv[1])):
    for k in np.unique(labels):
        if k:
            mask = labels == k
            rows, columns = np.nonzero(mask)
            box = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
            brush = mask2rle(mask.astype(np.uint8) * 255)
            cvat = encode_mask(mask, [int(v) for v in box])
            found.append([frame, int(k), [int(v) for v in brush], [int(v) for v in cvat]])
print(json.dumps(found))
