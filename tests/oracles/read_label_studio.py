"""label_studio_sdk validates the predictions of tasks and decodes brush masks: ``FOLDER``.

Of a video come the shapes of its key frames, boxes and outlines filled.
"""

import json
import sys
from pathlib import Path

import cv2
import numpy as np
from common import report
from label_studio_sdk.converter.brush import decode_rle
from label_studio_sdk.label_interface import LabelInterface


def filled(shape: dict, height: int, width: int) -> np.ndarray:
    """(H, W) mask of a box, or of an outline through the centres of pixels; both in percent."""
    canvas = np.zeros((height, width), np.uint8)
    if "vertices" in shape:
        points = [[v["x"] * width / 100 - 0.5, v["y"] * height / 100 - 0.5] for v in shape["vertices"]]
        return cv2.fillPoly(canvas, [np.round(points).astype(np.int32)], 1)
    left, top = round(shape["x"] * width / 100), round(shape["y"] * height / 100)
    right = round((shape["x"] + shape["width"]) * width / 100)
    bottom = round((shape["y"] + shape["height"]) * height / 100)
    canvas[top:bottom, left:right] = 1
    return canvas


root = Path(sys.argv[1])
interface = LabelInterface((root / "config.xml").read_text())
masks = []
for task in json.loads((root / "tasks.json").read_text()):
    for prediction in task.get("predictions", []):
        errors = interface.validate_prediction(prediction, return_errors=True)
        if errors:
            sys.exit(f"not valid: {errors}")
        for region in prediction["result"]:
            height, width = region["original_height"], region["original_width"]
            number = int(region["meta"]["text"][0].split()[1].rstrip(":"))
            value = region["value"]
            if region["type"] == "brushlabels":
                mask = np.reshape(decode_rle(value["rle"]), (height, width, 4))[..., 3] > 127
                masks.append((task["data"]["frame"], number, value["brushlabels"][0], mask))
            for shape in value.get("sequence", []):
                mask = filled(shape, height, width)
                masks.append((shape["frame"] - 1, number, value["labels"][0], mask))
report(masks)
