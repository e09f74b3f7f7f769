"""pycocotools reads COCO JSON; ``track_id`` or ``object_id`` is the id, ``frame_index`` of the image the frame."""

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
