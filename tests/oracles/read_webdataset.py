"""webdataset reads tar shards: ``SHARD ...``."""

import io
import json
import sys

import numpy as np
import webdataset as wds
from common import report
from PIL import Image

masks = []
for sample in wds.WebDataset(sys.argv[1:], shardshuffle=False):
    facts = json.loads(sample["json"])
    labels = np.asarray(Image.open(io.BytesIO(sample["mask.png"])))
    for found in facts["objects"]:
        if found["box"]:
            masks.append((facts["frame"], found["id"], found["category"], labels == found["id"]))
report(masks)
