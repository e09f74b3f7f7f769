"""pycocotools reads COCO JSON: ids by ``object_id`` or ``track_id``, frames by ``frame_index``."""

import contextlib
import os
import sys

from common import report
from pycocotools.coco import COCO

with contextlib.redirect_stdout(open(os.devnull, "w")):
    coco = COCO(sys.argv[1])
report(
    (
        coco.imgs[a["image_id"]]["frame_index"],
        a.get("object_id", a["track_id"]),
        coco.cats[a["category_id"]]["name"],
        coco.annToMask(a),
    )
    for a in coco.loadAnns(coco.getAnnIds())
)
