"""label_studio_sdk or cvat_sdk encodes masks: ``SDK LABELS.npy``; prints the values by frame and object."""

import json
import sys

import numpy as np


def brush(mask):
    """Label Studio's RLE of a mask."""
    from label_studio_sdk.converter.brush import mask2rle

    return mask2rle(mask.astype(np.uint8) * 255)


def runs_in_box(mask):
    """CVAT's run lengths in the mask's box, and the box."""
    from cvat_sdk.masks import encode_mask

    rows, columns = np.nonzero(mask)
    box = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
    return encode_mask(mask, [int(v) for v in box])


encode = {"label_studio_sdk": brush, "cvat_sdk": runs_in_box}[sys.argv[1]]
found = []
for frame, labels in enumerate(np.load(sys.argv[2])):
    for k in np.unique(labels):
        if k:
            found.append([frame, int(k), [int(v) for v in encode(labels == k)]])
print(json.dumps(found))
