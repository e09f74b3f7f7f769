"""TrackEval reads MOTS text (MOTSChallenge, KITTI), DAVIS and YouTube-VIS: ``KIND FOLDER SEQUENCE LENGTH``.

For YouTube-VIS the folder holds ``gt.json``, and as results of a tracker ``predictions.json``.
"""

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

results = kind == "youtube-vis-results"


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
        elif kind.startswith("youtube-vis"):
            split = Path(trackers, "youtube_vis_train")
            for file, target in (("gt", split / "gt"), ("predictions", split / "us" / "data")):
                target.mkdir(parents=True)
                shutil.copy(folder / f"{file}.json", target)
            shutil.copy(folder / "gt.json", split)
            config = {
                "GT_FOLDER": f"{trackers}/",
                "TRACKERS_FOLDER": f"{trackers}/",
                "SPLIT_TO_EVAL": "train",
            }
            data = datasets.YouTubeVIS(common | config)
        else:
            place.mkdir(parents=True)
            shutil.copytree(folder / "Annotations" / "480p" / sequence, place / sequence)
            config = {
                "GT_FOLDER": str(folder / "Annotations" / "480p"),
                "SEQ_INFO": {sequence: length},
                "SPLIT_TO_EVAL": "train",
            }
            data = datasets.DAVIS(common | config)
        return data._load_raw_file("us", sequence, is_gt=not results)


with contextlib.redirect_stdout(open(os.devnull, "w")):
    found = raw()
masks = []
side = "tracker" if results else "gt"
for frame, (ids, detections) in enumerate(zip(found[f"{side}_ids"], found[f"{side}_dets"], strict=True)):
    for number, detection in zip(ids, detections, strict=True):
        decoded = mask.decode(detection)
        if decoded.any():
            masks.append((frame, int(number), "", decoded))
report(masks)
