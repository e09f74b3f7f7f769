"""Run lengths of CVAT and Label Studio by their own SDKs: ``LABELS.npy``, (N, H, W) uint8 label maps.

`benchmarks/formats.py --oracles PYTHON` runs it with the interpreter of an environment that has them
(`make oracles` makes one). It prints the median milliseconds of processor time per frame, and the bytes or
numbers of the first frame, by encoder.
"""

import json
import statistics
import sys
import time

import numpy as np
from cvat_sdk.masks import encode_mask
from label_studio_sdk.converter.brush import mask2rle


def measure(encode, clip):
    """Milliseconds per frame, and what the objects of the first frame become."""
    times, first = [], None
    for labels in clip:
        start = time.process_time()
        found = [encode(labels == k) for k in range(1, int(labels.max()) + 1)]
        times.append(time.process_time() - start)
        first = found if first is None else first
    return 1000 * statistics.median(times), first


clip = np.load(sys.argv[1])
cvat, cvat_first = measure(encode_mask, clip)
brush, brush_first = measure(lambda mask: mask2rle(mask.astype(np.uint8) * 255), clip)
print(
    json.dumps(
        {"cvat-sdk": cvat, "cvat": cvat_first, "label-studio-sdk": brush, "brush": brush_first}, default=int
    )
)
