"""labelme reads a folder of its JSON files; its GUI's packages are replaced by stand-ins."""

import sys
from pathlib import Path
from unittest import mock

import numpy as np
from common import report

for name in ("onnxruntime", "PyQt5", "PyQt5.QtCore", "PyQt5.QtGui", "PyQt5.QtWidgets", "osam", "qtpy"):
    sys.modules.setdefault(name, mock.MagicMock())

from labelme._label_file import LabelFile  # noqa: E402

masks = []
for path in sorted(Path(sys.argv[1]).glob("*.json")):
    found = LabelFile(str(path))
    size = (found.imageHeight, found.imageWidth) if hasattr(found, "imageHeight") else None
    for shape in found.shapes:
        full = np.zeros(size or (29, 37), bool)
        (x0, y0), (x1, y1) = (map(int, p) for p in shape["points"])
        full[y0 : y1 + 1, x0 : x1 + 1] = shape["mask"]
        masks.append((int(path.stem), int(shape["group_id"]), shape["label"], full))
report(masks)
