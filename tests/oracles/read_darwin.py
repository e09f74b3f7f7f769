"""darwin-py parses Darwin JSON; its paths are filled by parity, as V7 does."""

import sys
from pathlib import Path

import cv2
import numpy as np
from common import report
from darwin.utils.utils import parse_darwin_json

found = parse_darwin_json(Path(sys.argv[1]), None)
masks = []
for annotation in found.annotations:
    for frame, shape in annotation.frames.items():
        canvas = np.zeros((int(found.slots[0].height), int(found.slots[0].width)), np.uint8)
        paths = [
            np.array([[p["x"], p["y"]] for p in path]).round().astype(np.int32)
            for path in shape.data["paths"]
        ]
        cv2.fillPoly(canvas, paths, 1)
        masks.append((int(frame), int(annotation.id.split("-")[1]), annotation.annotation_class.name, canvas))
report(masks)
