"""label_studio_sdk validates the predictions of tasks and decodes brush masks: ``FOLDER``."""

import json
import sys
from pathlib import Path

import numpy as np
from common import report
from label_studio_sdk.converter.brush import decode_rle
from label_studio_sdk.label_interface import LabelInterface

root = Path(sys.argv[1])
interface = LabelInterface((root / "config.xml").read_text())
masks = []
for task in json.loads((root / "tasks.json").read_text()):
    for prediction in task.get("predictions", []):
        errors = interface.validate_prediction(prediction, return_errors=True)
        if errors:
            sys.exit(f"not valid: {errors}")
        for region in prediction["result"]:
            if region["type"] != "brushlabels":
                continue
            height, width = region["original_height"], region["original_width"]
            values = decode_rle(region["value"]["rle"])
            mask = np.reshape(values, (height, width, 4))[..., 3] > 127
            number = int(region["meta"]["text"][0].split()[1].rstrip(":"))
            masks.append((task["data"]["frame"], number, region["value"]["brushlabels"][0], mask))
report(masks)
