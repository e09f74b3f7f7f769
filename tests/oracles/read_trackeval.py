"""TrackEval reads MOTS text (MOTSChallenge, KITTI) and DAVIS: ``KIND FOLDER SEQUENCE LENGTH``."""

import contextlib
import os
import shutil
import sys
import tempfile
from pathlib import Path

from common import report
from pycocotools import mask
from trackeval import datasets

kind, folder, sequence, length = sys.argv[1], Path(sys.argv[2]), sys.argv[3], int(sys.argv[4])


def raw() -> dict:
    with tempfile.TemporaryDirectory() as trackers:
        place = Path(trackers, "us", "data")
        common = {"TRACKERS_FOLDER": trackers, "TRACKERS_TO_EVAL": ["us"], "PRINT_CONFIG": False}
        if kind == "mots":
            place.mkdir(parents=True)
            shutil.copy(folder / sequence / "gt" / "gt.txt", place / f"{sequence}.txt")
            config = {"GT_FOLDER": str(folder), "SEQMAP_FILE": str(folder / "seqmaps" / "MOTS-train.txt")}
            config |= {"SKIP_SPLIT_FOL": True, "SPLIT_TO_EVAL": "train", "BENCHMARK": "MOTS"}
            data = datasets.MOTSChallenge(common | config)
        elif kind == "kitti":
            place.mkdir(parents=True)
            gt = Path(trackers, "gt", "label_02")
            gt.mkdir(parents=True)
            for target in (place, gt):
                shutil.copy(folder / "instances_txt" / f"{sequence}.txt", target / f"{sequence}.txt")
            config = {"GT_FOLDER": str(gt.parent), "SEQ_INFO": {sequence: length}, "SPLIT_TO_EVAL": "train"}
            data = datasets.KittiMOTS(common | config)
        else:
            place.mkdir(parents=True)
            shutil.copytree(folder / "Annotations" / "480p" / sequence, place / sequence)
            config = {
                "GT_FOLDER": str(folder / "Annotations" / "480p"),
                "SEQ_INFO": {sequence: length},
                "SPLIT_TO_EVAL": "train",
            }
            data = datasets.DAVIS(common | config)
        return data._load_raw_file("us", sequence, is_gt=True)


with contextlib.redirect_stdout(open(os.devnull, "w")):
    found = raw()
masks = []
for frame, (ids, detections) in enumerate(zip(found["gt_ids"], found["gt_dets"], strict=True)):
    for number, detection in zip(ids, detections, strict=True):
        decoded = mask.decode(detection)
        if decoded.any():
            masks.append((frame, int(number), "", decoded))
report(masks)
