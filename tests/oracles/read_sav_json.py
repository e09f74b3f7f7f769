"""The masklets of SA-V JSON, decoded by pycocotools as the data set's own viewer does."""

import json
import sys
from pathlib import Path

from common import report
from pycocotools import mask

data = json.loads(Path(sys.argv[1]).read_text())
report(
    (frame, number, "", decoded)
    for frame, masklet in enumerate(data["masklet"])
    for number, decoded in zip(data["masklet_id"], map(mask.decode, masklet), strict=True)
    if decoded.any()
)
